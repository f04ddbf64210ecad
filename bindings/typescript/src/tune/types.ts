/** What users hold and give: plain data of trials, as the whole of tuning names it. */

import type { ObjectRef } from '../index.ts';

/** Whether less or more of a metric is better. */
export type Mode = 'min' | 'max';

/** What a metric can be: kept in shape, named by its path (`eval.loss`). */
export type MetricValue =
  | number
  | string
  | boolean
  | null
  | readonly MetricValue[]
  | { readonly [name: string]: MetricValue | undefined };

/** What a trainable reports: at least one metric, and none of the names of {@link AutoMetrics}. */
export type Metrics = { readonly [name: string]: MetricValue | undefined };

/** What is added to every report. */
export interface AutoMetrics {
  /** 1, 2, …: the number of the report. */
  readonly trainingIteration: number;
  /** Run time since the report before, in milliseconds. */
  readonly timeThisIterMs: number;
  /** Run time of the trial, without its pauses, in milliseconds. */
  readonly timeTotalMs: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly trialId: string;
  readonly pid: number;
  readonly hostname: string;
  /** In a history true in the last row only. */
  readonly done: boolean;
}

/** A report as it is kept. */
export type ReportedMetrics = AutoMetrics & Metrics;

/** How a trial stands. */
export type TrialStatus = 'PENDING' | 'RUNNING' | 'PAUSED' | 'TERMINATED' | 'ERROR';

/** Why a trial has ended. */
export type StopReason = 'finished' | 'stopper' | 'scheduler' | 'timeBudget' | 'experiment';

/** What a trial runs with: options of a task. */
export interface TrialResources {
  readonly numCpus?: number | undefined;
  readonly numGpus?: number | undefined;
  readonly resources?: Readonly<Record<string, number>> | undefined;
  /** Bytes. */
  readonly memory?: number | undefined;
}

/** A state that a trial has saved, from which it can go on. */
export interface Checkpoint<State = unknown> {
  /** Its folder; null where nothing is written to disk. */
  readonly path: string | null;
  /** The report that it came with. */
  readonly iteration: number;
  /** The metrics of that report. */
  readonly metrics: ReportedMetrics | null;
  /**
   * What was saved. @throws InvalidArgumentError if it was made of a folder (its files are in `path`), or is not there any more
   * @throws ObjectLostError where nothing is written to disk @throws what reading its file throws
   */
  load(): Promise<State>;
}

/** A config that a trial has run with, from an iteration on. */
export interface ConfigChange<Config> {
  readonly iteration: number;
  readonly config: Config;
}

/** What came of a trial. */
export interface Result<Config = unknown> {
  readonly trialId: string;
  readonly number: number;
  /** The last one, where a scheduler has changed it. */
  readonly config: Config;
  /** All that it has run with. */
  readonly configs: readonly ConfigChange<Config>[];
  /** Of the last report; empty if there was none. */
  readonly metrics: ReportedMetrics | Readonly<Record<string, never>>;
  /** All reports, each iteration once. */
  readonly history: readonly ReportedMetrics[];
  readonly status: TrialStatus;
  /** Null while it has not ended, and in ERROR. */
  readonly stopReason: StopReason | null;
  /** What `get` of its task would throw; null unless its status is ERROR. */
  readonly error: Error | null;
  /** The latest one. */
  readonly checkpoint: Checkpoint | null;
  /** Those that `checkpoints.numToKeep` keeps, the best first. */
  readonly bestCheckpoints: readonly Checkpoint[];
  /** Its folder; null where nothing is written to disk. It exists only if the trial wrote something. */
  readonly path: string | null;
  /** How often it has been run again after a failure. */
  readonly failures: number;
  /** Milliseconds since 1970; null if it was never started. */
  readonly startedAt: number | null;
  /** Run time without pauses, in milliseconds. */
  readonly durationMs: number;
}

/** A value, or a ref of it. */
export type OrRef<T> = T | ObjectRef<T>;
