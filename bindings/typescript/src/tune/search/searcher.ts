/** What a searcher is: a plain object that proposes configs, and is told what came of them. */

import type { Metrics, Mode, ReportedMetrics, StopReason, TrialStatus } from '../types.ts';
import type { ParameterDescription } from '../space/parameter.ts';

/** A trial, as searchers know it. */
export interface AskedTrial {
  readonly number: number;
  readonly id: string;
  /** How many trials were asked for before it: its number, unless others have taken numbers, too. */
  readonly place?: number;
}

/** What one of our searchers was made with, as far as it is data. */
export interface SearcherDescription {
  /** Of the function that makes it: `tpe`. */
  readonly name: string;
  /** As given; a searcher within is there as its description. */
  readonly options: Readonly<Record<string, unknown>>;
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
  /** Why it has ended; null in ERROR. */
  readonly stopReason?: StopReason | null;
  /** By how much it breaks `outcomeConstraints`, all added up; 0 if it breaks none. */
  readonly violation?: number;
}

/** Proposes configs. It needs no state that lasts: after a restore all that was told is told again, in the same order. */
export interface Searcher {
  /** So that `restore` can make it again; only our own have one. */
  readonly description?: SearcherDescription;
  /** Called once, before all else. */
  setup(setup: SearcherSetup): void;
  /** A whole config of the space, in which constants may be left out; `'wait'`: not before further trials are told; `'done'`. */
  ask(trial: AskedTrial): unknown;
  tell(trial: AskedTrial, result: ToldTrial): void;
  onResult?(trial: AskedTrial, metrics: ReportedMetrics): void;
  /** A trial begins with a config that is not the one that `ask` gave for it, or that `ask` was not asked for. */
  observe?(trial: AskedTrial, config: unknown): void;
  /**
   * A trial for which `ask` has given the config in an earlier process, and which repetition of it it is; called where `ask` was then,
   * between the same results. What a searcher remembers of its own proposals it has to find again here. `'wait'`: it would not
   * have given it before further trials are told. Without this, `observe` is called.
   */
  resume?(trial: AskedTrial, config: unknown, repeatIndex: number | undefined): 'wait' | undefined;
  /** How many configs belong to each sample: those of `gridSearch`. Known after `setup`. */
  readonly configsPerSample?: number;
  /** Each config is proposed once, so one that can't be taken is left out, and not replaced by a random one. */
  readonly isExhaustive?: boolean;
  /** Its proposals depend on what was told. */
  readonly isAdaptive?: boolean;
  /** It proposes no config twice where it can, and has had this one; other configs in the place of its own are to be new, too. */
  hasTried?(config: unknown): boolean;
  /** Which repetition of its config a trial is; undefined where nothing is repeated. */
  repeatIndexOf?(number: number): number | undefined;
  /** What it now thinks of a config. @throws NotSupportedError where it never thinks anything */
  score?(config: unknown): SearchScore | undefined;
}

/** What a searcher thinks of a config: what it maximises, and the numbers that is made of. */
export interface SearchScore {
  readonly acquisition: number;
  readonly [part: string]: number;
}
