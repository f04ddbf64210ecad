/** What a searcher is: a plain object that proposes configs, and is told what came of them. */

import type { Metrics, Mode, ReportedMetrics, TrialStatus } from '../types.ts';
import type { ParameterDescription } from '../space/parameter.ts';

/** A trial, as searchers know it. */
export interface AskedTrial {
  readonly number: number;
  readonly id: string;
}

/** What a searcher is told at the beginning. */
export interface SearcherSetup {
  readonly parameters: readonly ParameterDescription[];
  /** Those to be made better, in order; empty if there is none. */
  readonly metrics: readonly { readonly name: string; readonly mode: Mode }[];
  readonly seed: number;
}

/** What came of a trial. */
export interface ToldTrial {
  readonly status: TrialStatus;
  readonly config: unknown;
  /** Its last report; empty without one. */
  readonly metrics: ReportedMetrics | Metrics;
}

/** Proposes configs. It needs no state that lasts: after a restore all that was told is told again. */
export interface Searcher {
  /** Called once, before all else. */
  setup(setup: SearcherSetup): void;
  /** A whole config of the space, in which constants may be left out; `'wait'`: not before further trials are told; `'done'`. */
  ask(trial: AskedTrial): unknown;
  tell(trial: AskedTrial, result: ToldTrial): void;
  onResult?(trial: AskedTrial, metrics: ReportedMetrics): void;
}
