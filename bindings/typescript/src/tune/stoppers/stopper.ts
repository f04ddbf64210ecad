/** What can be given for `stop`, and what becomes of it. */

import type { Mode, ReportedMetrics } from '../types.ts';

/** Decides about a trial with each of its reports, and about all trials at once. */
export interface Stopper {
  /** Whether the trial is to stop. Called for each report. */
  onResult(trialId: string, metrics: ReportedMetrics): boolean;
  /** Whether the experiment is to end. Asked after each report, and before a trial starts. */
  stopAll(): boolean;
}

/** What a journal keeps of one of our stoppers, so that a restore makes it again. */
export interface StopperDescription {
  /** Of the function that makes it: `maximumIterationStopper`. */
  readonly name: string;
  readonly args: readonly unknown[];
}

/** Our stoppers say with this how they were made. */
export const described: unique symbol = Symbol('eagleray.tune.stopper.described');

/** A stopper that a journal can keep. */
export interface DescribedStopper extends Stopper {
  readonly [described]: StopperDescription;
}

/** True: the trial stops. */
export type StopFunction = (trialId: string, metrics: ReportedMetrics) => boolean;

/**
 * Bounds by metric, named by its path. A trial stops when any of them is reached: a value of at least the bound; of at most the bound
 * for a metric whose mode is `'min'`.
 */
export type StopBounds = { readonly [metric: string]: number };

/** What can be given for `stop`. Of a list any one is enough. */
export type StopCondition = Stopper | StopFunction | StopBounds | readonly StopCondition[];

/** What an experiment goes by. */
export interface StopObjective {
  /** Empty without a metric. */
  readonly metrics: readonly string[];
  /** One for each metric. */
  readonly modes: readonly Mode[];
  /** Its clock, in milliseconds, where that is another one than the process's. */
  readonly now?: (() => number) | undefined;
}

/** A condition within an experiment. */
export interface ActiveStopper extends Stopper {
  /** A trial has ended without an error; `metrics` are its last report. Does not come for those that have never reported. */
  onTrialComplete(trialId: string, metrics: ReportedMetrics): void;
  /** The names in bounds that no report has had: probably misspelled. */
  unusedNames(): string[];
}

/** A stopper that stops nothing: what others are made of. */
export const PASSIVE: ActiveStopper = {
  onResult: () => false,
  stopAll: () => false,
  onTrialComplete: () => {},
  unusedNames: () => [],
};

/** Our stoppers that have to know what the experiment goes by become active with this. */
export const activate: unique symbol = Symbol('eagleray.tune.stopper.activate');

/** A stopper that has to know what the experiment goes by, or when trials end. */
export interface ActivatedStopper extends DescribedStopper {
  [activate](objective: StopObjective): ActiveStopper;
}

/** The mode of a metric; undefined if the experiment does not go by it. */
export function modeOf({ metrics, modes }: StopObjective, metric: string): Mode | undefined {
  return modes[metrics.indexOf(metric)];
}
