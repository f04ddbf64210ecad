/**
 * What the report's page is given: plain data, in columns, since ten thousand objects with the same keys would be mostly keys.
 *
 * This file imports nothing: the page is built from it in a browser's types, the SDK in Node's.
 */

/** How much a parameter matters. */
export interface Importance {
  readonly name: string;
  /** From 0 to 1; they sum up to 1. */
  readonly importance: number;
}

/** Statuses by their places in {@link PageTrials.status}. */
export const STATUSES = ['PENDING', 'RUNNING', 'PAUSED', 'TERMINATED', 'ERROR'] as const;

/** Reasons by their places in {@link PageTrials.stopReason}. */
export const STOP_REASONS = [
  'finished',
  'stopper',
  'scheduler',
  'timeBudget',
  'experiment',
] as const;

/** A number as JSON can have it: null for none, and these texts for what is not finite. */
export type PageNumber = number | null | 'NaN' | 'Infinity' | '-Infinity';

export interface PageMetric {
  readonly name: string;
  /** Null: shown, but neither direction is better. */
  readonly mode: 'min' | 'max' | null;
}

export interface PageParameter {
  readonly name: string;
  /** On a logarithmic scale. */
  readonly log: boolean;
  /** For choices: what their elements are called. Null for numbers. */
  readonly labels: readonly string[] | null;
}

/** Columns with a place for each trial that is in the page, in order of number. */
export interface PageTrials {
  readonly id: readonly string[];
  readonly number: readonly number[];
  readonly status: readonly number[];
  /** -1 for none. */
  readonly stopReason: readonly number[];
  readonly iterations: readonly number[];
  readonly durationMs: readonly number[];
  readonly failures: readonly number[];
  /** After the experiment's beginning, in milliseconds; null if it did not start, or has not ended. */
  readonly startedMs: readonly (number | null)[];
  readonly endedMs: readonly (number | null)[];
  /** Keeps all constraints. */
  readonly feasible: readonly boolean[];
  readonly error: readonly (string | null)[];
  /** By metric, of the last report. */
  readonly metrics: readonly (readonly PageNumber[])[];
  /** By parameter: numbers, or places in `labels`. */
  readonly values: readonly (readonly (number | null)[])[];
  /** Config entries that are no parameters and not the same in all trials. */
  readonly derived: readonly { readonly name: string; readonly values: readonly string[] }[];
}

/** The reports of one trial, thinned. */
export interface PageCurve {
  /** The number of its trial. */
  readonly number: number;
  readonly iterations: readonly number[];
  readonly values: readonly (number | null)[];
}

/** How many trials came to an iteration at which a scheduler ended or paused some, and how many stayed there. */
export interface PageRung {
  readonly iteration: number;
  readonly reached: number;
  readonly stopped: number;
}

/** A step of the best value so far, over all trials. */
export interface PageBest {
  readonly numbers: readonly number[];
  readonly values: readonly number[];
}

export interface ReportData {
  readonly name: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly writtenAt: number;
  readonly seed: number;
  /** Those to be made better come first. */
  readonly metrics: readonly PageMetric[];
  readonly parameters: readonly PageParameter[];
  /** Over all trials, by status. */
  readonly counts: readonly number[];
  readonly totals: {
    readonly trials: number;
    readonly reports: number;
    readonly durationMs: number;
    readonly failures: number;
    /** From the beginning to the last thing that happened. */
    readonly elapsedMs: number;
  };
  readonly trials: PageTrials;
  /** By metric; null for those without a mode. */
  readonly best: readonly (PageBest | null)[];
  /** By metric: the number of the best trial. */
  readonly bestNumbers: readonly (number | null)[];
  /** Numbers of the trials that no other one is better than in all metrics; null for a single metric. */
  readonly front: readonly number[] | null;
  /** By metric, for those to be made better, or the first one. */
  readonly curves: readonly (readonly PageCurve[])[];
  readonly rungs: readonly PageRung[];
  /** By metric, for those to be made better; empty where too little is known. Null: of none. */
  readonly importances: readonly (readonly Importance[])[] | null;
  /** What is not in the page, in sentences. */
  readonly omitted: readonly string[];
}
