/** What a controller is made with, and what it gives where it is driven by hand. */

import type { ExperimentEvent, ExperimentHeader } from '../experiment/events.ts';
import type { CheckpointRanking } from '../results/kept-checkpoints.ts';
import type { Scheduler } from '../schedulers/scheduler.ts';
import type { Searcher } from '../search/searcher.ts';
import type { Space } from '../space/space.ts';
import type { ActiveStopper } from '../stoppers/stopper.ts';
import type { ReportedMetrics, TrialResources } from '../types.ts';
import type { Quantities } from './capacity.ts';
import type { TrialError } from './instructions.ts';
import type { Trial } from './trial.ts';

/** Bounds of a metric that configs have to keep to be good. */
export interface OutcomeBound {
  readonly min?: number;
  readonly max?: number;
}

/** What an experiment is run with: all checked and completed. */
export interface ControllerSetup {
  readonly header: ExperimentHeader;
  readonly space: Space;
  readonly searcher: Searcher;
  readonly scheduler: Scheduler;
  readonly stopper: ActiveStopper;
  /** Samples; the grid is multiplied by the searcher. */
  readonly numSamples: number;
  readonly capacity: Quantities;
  readonly maxConcurrent: number;
  readonly deterministic: boolean;
  readonly resources: (config: unknown) => TrialResources;
  /** An error if a trial with these resources could never run. */
  readonly infeasible: (resources: TrialResources) => TrialError | undefined;
  readonly maxFailures: number;
  readonly maxErrors: number;
  readonly failFast: boolean;
  readonly trialTimeoutMs: number;
  readonly checkpoints: CheckpointRanking;
  readonly pointsToEvaluate: readonly unknown[];
  readonly knownResults: readonly { readonly config: unknown; readonly metrics: ReportedMetrics }[];
  readonly parameterConstraints: readonly ((config: never) => boolean)[];
  readonly outcomeConstraints: ReadonlyMap<string, OutcomeBound>;
  /** Keeps an event for good; called before anybody else may see it (CT-1). */
  readonly record: (event: ExperimentEvent) => void;
  /** Milliseconds since 1970, for what is recorded; nothing is decided by it. */
  readonly now: () => number;
  /** The number of the next trial, for journals that others write to as well; null: the next one in order. */
  readonly nextNumber: (() => number) | null;
  /** Trials begin when `next` is called, and not by themselves; what is thrown by others is thrown on. */
  readonly isDrivenByHand: boolean;
}

/** Whether a trial could be made when somebody asked for one. */
export type NextTrial = { readonly trial: Trial } | { readonly none: 'wait' | 'done' };
