/** What the controller asks of whoever runs trials, and what it is told of them: plain data. */

import type { TrialEndReason } from '../errors.ts';
import type { CheckpointRecord, ErrorRecord } from '../experiment/events.ts';
import type { Metrics, ReportedMetrics } from '../types.ts';
import type { Trial } from './trial.ts';

/** What has to be done, in order. */
export type Instruction =
  /** Let a process work on a trial, from a checkpoint on. */
  | {
      readonly kind: 'run';
      readonly trial: Trial;
      readonly attempt: number;
      readonly checkpoint: CheckpointRecord | null;
      /** Of the checkpoint; 0 without one. */
      readonly iteration: number;
    }
  /** A report is decided: the trial goes on (null), or is to end. */
  | {
      readonly kind: 'answer';
      readonly trial: Trial;
      readonly attempt: number;
      readonly report: number;
      readonly reason: TrialEndReason | null;
    }
  /** A trial that runs is to end, at once: its signal fires. */
  | {
      readonly kind: 'interrupt';
      readonly trial: Trial;
      readonly attempt: number;
      readonly reason: TrialEndReason;
    }
  /** Checkpoints that are not kept any more. */
  | {
      readonly kind: 'drop';
      readonly trial: Trial;
      readonly checkpoints: readonly CheckpointRecord[];
    }
  /** A checkpoint of another trial becomes one of this trial: a copy, because the other one may be dropped. */
  | {
      readonly kind: 'adopt';
      readonly trial: Trial;
      readonly from: { readonly trial: Trial; readonly checkpoint: CheckpointRecord };
      readonly checkpoint: CheckpointRecord;
    }
  /** Tells callbacks. */
  | { readonly kind: 'callback'; readonly event: CallbackEvent }
  /** Nothing is left to do. */
  | { readonly kind: 'finish'; readonly end: ExperimentEnd };

/** What callbacks are told. */
export interface CallbackEvent {
  readonly name:
    | 'onTrialStart'
    | 'onTrialRestore'
    | 'onTrialSave'
    | 'onTrialResult'
    | 'onTrialComplete'
    | 'onTrialRecover'
    | 'onTrialError'
    | 'onCheckpoint';
  readonly trial: Trial;
  readonly result?: ReportedMetrics;
  readonly checkpoint?: CheckpointRecord;
  readonly error?: ErrorRecord;
}

/** How an experiment ends. */
export type ExperimentEnd =
  | { readonly kind: 'complete' }
  /** Trials that had not ended can go on in another process. */
  | { readonly kind: 'interrupted' }
  /** `failFast`: the first trial that has failed for good. */
  | { readonly kind: 'failed'; readonly trial: Trial }
  /** The searcher or the scheduler threw, or can't go on. */
  | { readonly kind: 'broken'; readonly error: unknown };

/** A report of a trial that runs. */
export interface TrialReport {
  readonly attempt: number;
  /** 1, 2, …: its place in the run. */
  readonly report: number;
  readonly metrics: Metrics;
  readonly checkpoint: boolean;
  /** `step` of a class has said so: it is the last one. */
  readonly done: boolean;
  /** Run time since the run began, in milliseconds. */
  readonly elapsedMs: number;
  readonly timestamp: number;
  readonly pid: number;
  readonly hostname: string;
}

/** How a run has ended. */
export interface TrialEnd {
  readonly attempt: number;
  /** Null: by itself, or because it was told to. */
  readonly error: TrialError | null;
  /** A state that was saved at the end, by its iteration; null if none was. */
  readonly saved: number | null;
  readonly at: number;
  /** Run time of the run, in milliseconds. */
  readonly elapsedMs: number;
}

/** What a run has failed with. */
export interface TrialError extends ErrorRecord {
  /** It would fail again, so it is not tried again. */
  readonly isFinal: boolean;
  /** The error itself, where it is there. */
  readonly original: unknown;
}
