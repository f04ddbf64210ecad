/** What a scheduler is: a plain object that hears of trials and decides which go on. */

import type { Metrics, Mode, ReportedMetrics, TrialResources, TrialStatus } from '../types.ts';

/** What becomes of a trial that has reported. */
export type Decision = 'CONTINUE' | 'PAUSE' | 'STOP';

/** A trial as schedulers see it. */
export interface ScheduledTrial<Config = unknown> {
  readonly id: string;
  readonly number: number;
  readonly status: TrialStatus;
  readonly config: Config;
  /** Of its last report; empty before. */
  readonly metrics: ReportedMetrics | Metrics;
}

/** What a scheduler can do beyond deciding about the trial at hand. */
export interface SchedulerControl {
  /** All trials, by number. */
  readonly trials: readonly ScheduledTrial[];
  /** The pending trial with the lowest number, or else the paused one. Who does not have it lets schedulers look through all. */
  firstWaiting?(): ScheduledTrial | undefined;
  /** True: no new trials will come. Until it says so, a bracket of HyperBand that is not full waits for new ones. */
  readonly hasAllTrials?: boolean;
  /** Ends a trial that is pending or paused, or running. */
  stop(id: string): void;
  /**
   * Lets a trial go on from another one's checkpoint, with a new config. From itself: it goes on from its own checkpoint, or, if it
   * has not begun, begins with this config. False: dropped, because there is no checkpoint.
   */
  exploit(id: string, fromId: string, config: unknown): boolean;
  /** Lets a trial go on with other resources, from its next checkpoint on. */
  setResources(id: string, resources: TrialResources): void;
}

/** What a scheduler is told at the beginning. */
export interface SchedulerSetup {
  /** Undefined if the experiment has none, or several. */
  readonly metric: string | undefined;
  readonly mode: Mode | undefined;
  readonly seed: number;
}

/** What one of our schedulers was made with, as far as it is data. */
export interface SchedulerDescription {
  /** Of the function that makes it: `asha`. */
  readonly name: string;
  /** As given. Functions and domains are in it as they are; a scheduler within is there as its description. */
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Decides which trials go on. All is told in order, and nothing is asked of the clock: a scheduler is a state machine.
 */
export interface Scheduler {
  /** So that `restore` can make it again; only our own have one. */
  readonly description?: SchedulerDescription;
  /** It may answer PAUSE where nobody waits: a `Study`, which can't pause, refuses it. */
  readonly pauses?: boolean;
  /** It compares trials with each other from the beginning: all of them are made before the first one runs. */
  readonly needsAllTrials?: boolean;
  /** It changes configs itself: there is no room for a searcher that learns from them. */
  readonly choosesConfigs?: boolean;
  /** For each exploit a line is to be written into `pbt_policy_<id>.txt`. */
  readonly logsPolicies?: boolean;
  /** Called once, before all else. @throws InvalidArgumentError where it needs a metric and has none */
  setup?(setup: SchedulerSetup): void;
  onTrialAdd?(trial: ScheduledTrial, control: SchedulerControl): void;
  onTrialResult(
    trial: ScheduledTrial,
    metrics: ReportedMetrics,
    control: SchedulerControl,
  ): Decision;
  /** It has ended by itself, by a stopper, or because `onTrialResult` said STOP. */
  onTrialComplete?(
    trial: ScheduledTrial,
    metrics: ReportedMetrics,
    control: SchedulerControl,
  ): void;
  /** It has ended while it was pending or paused. */
  onTrialRemove?(trial: ScheduledTrial, control: SchedulerControl): void;
  onTrialError?(trial: ScheduledTrial, control: SchedulerControl): void;
  /**
   * Its STOP is not carried out: the trial goes on, because whoever has asked it knows better. In a study also of every trial whose
   * caller says that it has ended by itself.
   */
  onStopOverruled?(trial: ScheduledTrial): void;
  /**
   * The id of a pending or paused trial that is to run next; undefined for none. Whoever asks has added the next new trial, if
   * there is one: if only paused trials are there and none is chosen, they end.
   */
  chooseTrialToRun(control: SchedulerControl): string | undefined;
}
