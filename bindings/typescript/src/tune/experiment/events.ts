/**
 * What happens in an experiment, as plain data: what a journal keeps, and all that results are made of.
 *
 * - EV-1 Events are JSON, but for NaN and infinite numbers.
 * - EV-2 The state of an experiment is a function of its events in order: `record.ts` has it.
 */

import type { Mode, ReportedMetrics, StopReason, TrialResources } from '../types.ts';
import type { ParameterDescription } from '../space/parameter.ts';

/** An error as data: the files of an experiment are read where its classes may not be. */
export interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  /** Null if it has none. */
  readonly code: string | null;
  readonly stack: string;
  /** Left out where there are none. */
  readonly details?: ErrorDetails | undefined;
}

/** What an error has besides its text; each part is left out where there is none. */
export interface ErrorDetails {
  /** The class that it is one of, where its name is another one: of eagleray or JavaScript. */
  readonly class?: string;
  /** Own properties, as data. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** Those that are not listed. */
  readonly hidden?: Readonly<Record<string, unknown>>;
  readonly cause?: ErrorPart;
  /** Those of an `AggregateError`. */
  readonly errors?: readonly ErrorPart[];
}

/** What is in an error: another one, or data. */
export type ErrorPart = { readonly error: ErrorRecord } | { readonly value: unknown };

/** A saved state of a trial. */
export interface CheckpointRecord {
  readonly iteration: number;
  /** Relative to the experiment's folder; null where nothing is written to disk. */
  readonly path: string | null;
}

/** What an experiment is, before any trial. */
export interface ExperimentHeader {
  readonly name: string;
  /** Empty without a metric. */
  readonly metrics: readonly string[];
  /** One for each metric. */
  readonly modes: readonly Mode[];
  readonly seed: number;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly parameters: readonly ParameterDescription[];
  /** The space and the options as data, as far as they are data, for `restore`. */
  readonly options: Readonly<Record<string, unknown>>;
}

/** A trial, before it has run. */
export interface TrialHeader {
  readonly number: number;
  /** Five digits or more: `00042`. */
  readonly id: string;
  /** As data: what is no JSON is shown as text. */
  readonly config: unknown;
  /** By parameter: its number, for choices the index of the element; null if it does not exist in this config. */
  readonly values: readonly (number | null)[];
  /** Which repetition of its config it is; null unless a repeater asks for several. */
  readonly repeatIndex: number | null;
  /** The trial whose config, and checkpoint where there is one, it was made from; null for new ones. */
  readonly source: number | null;
  /** Its config was enqueued by somebody, and no searcher was asked for it; left out for others. */
  readonly isEnqueued?: true;
}

/** What can happen. `at` is in milliseconds since 1970. */
export type ExperimentEvent =
  | { readonly kind: 'experiment'; readonly header: ExperimentHeader }
  /** PENDING. */
  | { readonly kind: 'trial'; readonly trial: TrialHeader; readonly at: number }
  /** RUNNING, from a checkpoint on or, with iteration 0, from the beginning: later reports are replaced. */
  | {
      readonly kind: 'start';
      readonly number: number;
      readonly iteration: number;
      readonly at: number;
    }
  | {
      readonly kind: 'report';
      readonly number: number;
      readonly metrics: ReportedMetrics;
      readonly checkpoint: CheckpointRecord | null;
      /** By how much it breaks `outcomeConstraints`, by metric; those that it keeps are 0 or less. Null without constraints. */
      readonly violations: Readonly<Record<string, number>> | null;
    }
  /** A state that was saved beside reports: when a class is paused, exploited, or at its end. */
  | { readonly kind: 'checkpoint'; readonly number: number; readonly checkpoint: CheckpointRecord }
  /** Checkpoints that are not kept any more, by iteration. */
  | { readonly kind: 'dropped'; readonly number: number; readonly iterations: readonly number[] }
  /** PAUSED. */
  | { readonly kind: 'pause'; readonly number: number; readonly at: number }
  /** Back to PENDING: it was interrupted, or its failure is to be tried again. */
  | {
      readonly kind: 'requeue';
      readonly number: number;
      /** Null: no failure. */
      readonly error: ErrorRecord | null;
      readonly at: number;
      /** Run time of all its attempts so far, in milliseconds: that of a run that has failed counts. */
      readonly durationMs: number;
    }
  /**
   * From now on it has another config, and goes on from a copy of `source`'s checkpoint, which is its only one then; null if it
   * has not begun, and begins with this config.
   */
  | {
      readonly kind: 'exploit';
      readonly number: number;
      readonly source: number;
      readonly checkpoint: CheckpointRecord | null;
      readonly config: unknown;
      readonly values: readonly (number | null)[];
    }
  | { readonly kind: 'resources'; readonly number: number; readonly resources: TrialResources }
  | {
      readonly kind: 'end';
      readonly number: number;
      readonly status: 'TERMINATED' | 'ERROR';
      /** Null for ERROR. */
      readonly stopReason: StopReason | null;
      /** Null unless ERROR. */
      readonly error: ErrorRecord | null;
      readonly at: number;
      /** Run time of all its attempts, in milliseconds. */
      readonly durationMs: number;
    }
  /** The experiment goes on in a new process, with these options from now on. */
  | {
      readonly kind: 'restore';
      readonly at: number;
      /** Instead of those of the header; left out where they are the same. */
      readonly options?: Readonly<Record<string, unknown>>;
    }
  /** What callbacks want to have again after a restore, all of them. */
  | { readonly kind: 'callbacks'; readonly states: readonly CallbackState[] };

/** An event of a trial that there is. */
export type TrialEvent = Exclude<
  ExperimentEvent,
  { kind: 'experiment' | 'restore' | 'callbacks' | 'trial' }
>;

/** Whether an event is one of a trial that there is. */
export function isTrialEvent(event: ExperimentEvent): event is TrialEvent {
  switch (event.kind) {
    case 'experiment':
    case 'restore':
    case 'callbacks':
    case 'trial':
      return false;
    default:
      return true;
  }
}

/** What a callback wants to have again. */
export interface CallbackState {
  /** Its place in the list. */
  readonly place: number;
  /** Of its class. */
  readonly name: string;
  /** The state, as V8 serializes it, in base64. */
  readonly state: string;
}
