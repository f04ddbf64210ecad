/** What trials and the controller's process say to each other: plain data. */

import type { TrialEndReason } from '../errors.ts';
import type { Metrics, ReportedMetrics, TrialResources } from '../types.ts';

/** What a process needs to know to work on a trial. */
export interface TrialAssignment {
  readonly number: number;
  readonly id: string;
  readonly name: string;
  readonly attempt: number;
  readonly config: unknown;
  readonly seed: number;
  readonly resources: TrialResources;
  readonly repeatIndex: number | undefined;
  /** The experiment's folder; null where nothing is written to disk. */
  readonly folder: string | null;
  /** Where it goes on from; null: from the beginning. */
  readonly checkpoint: AssignedCheckpoint | null;
  /** For classes: a state is saved after so many reports; 0 for never. */
  readonly checkpointFrequency: number;
  /** For classes: a state is saved at the end. */
  readonly checkpointAtEnd: boolean;
  /** Where what it prints goes too; null for nowhere. */
  readonly logFiles: LogFileNames | null;
  /** It says when it begins, because its run time is limited. */
  readonly tellsStart: boolean;
}

/** The names of the files of a trial that take what it prints; both may be the same. */
export interface LogFileNames {
  readonly stdout: string;
  readonly stderr: string;
}

/** A checkpoint to go on from. */
export interface AssignedCheckpoint {
  readonly iteration: number;
  /** Absolute; null where it is a value in the object store, which travels beside. */
  readonly path: string | null;
  readonly metrics: ReportedMetrics | null;
}

/**
 * A report on its way. In a row, as {@link Answers}: the names of an object would travel with each of them.
 */
export type ReportMessage = readonly [
  number: number,
  attempt: number,
  /** 1, 2, …: its place in the run. */
  report: number,
  metrics: Metrics,
  checkpoint: SentCheckpoint | null,
  done: boolean,
  elapsedMs: number,
  timestamp: number,
  pid: number,
  hostname: string,
];

/**
 * A trial runs since so many milliseconds; answered as reports are. It says so when it begins, if its run time is limited, or else when
 * it fails: the error of its task does not.
 */
export type RunTimeMessage = readonly [
  number: number,
  attempt: number,
  report: 0,
  elapsedMs: number,
];

/** A checkpoint that came with a report: on disk already, or here as a value. */
export type SentCheckpoint = { readonly isStored: true } | { readonly value: unknown };

/**
 * What becomes of reports, four values each: the number and the attempt of the trial, the report, and null where the trial goes on or
 * else why it ends. In a row, because a list of objects takes three times as long on its way.
 */
export type Answers = readonly (number | TrialEndReason | null)[];

/** How a run has ended by itself; what it threw is the error of its task. */
export interface RunOutcome {
  /** What it returned: one more report. */
  readonly last: ReportMessage | null;
  /** A state that was saved at the end, by its iteration. */
  readonly saved: { readonly iteration: number; readonly checkpoint: SentCheckpoint } | null;
  readonly elapsedMs: number;
}
