/** What a controller is made with, and what it gives where it is driven by hand. */

import type {
  CheckpointRecord,
  ExperimentEvent,
  ExperimentHeader,
  TrialHeader,
} from '../experiment/events.ts';
import type { CheckpointRanking } from '../results/kept-checkpoints.ts';
import type { Scheduler } from '../schedulers/scheduler.ts';
import type { Searcher, SearcherSetup } from '../search/searcher.ts';
import type { Space } from '../space/space.ts';
import type { ActiveStopper } from '../stoppers/stopper.ts';
import type { Mode, ReportedMetrics, TrialResources } from '../types.ts';
import type { Quantities } from './capacity.ts';
import type { TrialError } from './instructions.ts';
import type { Trial } from './trial.ts';

/** Bounds of a metric that configs have to keep to be good. */
export interface OutcomeBound {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
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
  /** Trials that are told to leave, and go on later, save their state: those of classes. */
  readonly savesOnLeaving: boolean;
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

/** What is to become of what an earlier process has left. */
export interface RestoreOptions {
  /** For each trial in ERROR that none was made for yet, a new one is made with its config, with or without its checkpoint. */
  readonly ofErrors: 'nothing' | 'withCheckpoint' | 'fromBeginning';
  /** A state is saved at the end, so a trial whose last report has none with it has not ended. */
  readonly savesAtEnd: boolean;
  /** Checkpoints that are not there any more, though the journal has them. */
  readonly isLost: (trial: Trial, checkpoint: CheckpointRecord) => boolean;
  /** A config as it was before the journal made data of it. */
  readonly configOf: (config: unknown, values: TrialHeader['values'], number: number) => unknown;
}

/** What searchers are told of the metrics. */
export function goalsOf({
  metrics,
  modes,
}: Pick<ExperimentHeader, 'metrics' | 'modes'>): SearcherSetup['metrics'] {
  return metrics.map((name, index) => ({ name, mode: modes[index]! }));
}

/** What schedulers go by: the metric, where there is one. */
export function soleGoalOf({ metrics, modes }: Pick<ExperimentHeader, 'metrics' | 'modes'>): {
  readonly metric: string | undefined;
  readonly mode: Mode | undefined;
} {
  return metrics.length === 1
    ? { metric: metrics[0], mode: modes[0] }
    : { metric: undefined, mode: undefined };
}
