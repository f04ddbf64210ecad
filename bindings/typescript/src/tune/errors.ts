/**
 * The errors of tuning. Each has a `name` and a `code` that never change.
 *
 * An argument or option of the wrong form is an `InvalidArgumentError`, as everywhere in eagleray; these here are about trials,
 * experiments and their files.
 */

import { EaglerayError } from '../index.ts';
import type { StopReason } from './types.ts';

/** Why a trial is told to end, as `TrialStoppedError` has it. */
export type TrialEndReason = StopReason | 'paused' | 'exploited' | 'resources' | 'interrupted';

/** The base of all errors of tuning. */
export class TuneError extends EaglerayError {
  static {
    setName(this, 'TuneError');
  }
}

/**
 * Rejects a `report` of a trial that is to end. Let it pass: it ends the trial without an error, and `finally` blocks run.
 */
export class TrialStoppedError extends TuneError {
  static {
    setName(this, 'TrialStoppedError');
  }
  readonly reason: TrialEndReason;

  constructor(message: string, details: { readonly reason: TrialEndReason }) {
    super(
      'ERR_EAGLERAY_TUNE_TRIAL_STOPPED',
      message || `the trial ends here (${details.reason}); let this error pass`,
    );
    this.reason = details.reason;
  }
}

/** Rejects `fit` with `failFast`, when the first trial has failed for good. `cause` is the trial's error. */
export class TrialFailedError extends TuneError {
  static {
    setName(this, 'TrialFailedError');
  }
  readonly trialId: string;
  readonly config: unknown;

  constructor(
    message: string,
    details: { readonly trialId: string; readonly config: unknown },
    options?: ErrorOptions,
  ) {
    super('ERR_EAGLERAY_TUNE_TRIAL_FAILED', message, options);
    this.trialId = details.trialId;
    this.config = details.config;
  }
}

/** The error of a trial that has run for longer than `trialTimeoutMs`. */
export class TrialTimeoutError extends TuneError {
  static {
    setName(this, 'TrialTimeoutError');
  }
  readonly timeoutMs: number;

  constructor(message: string, details: { readonly timeoutMs: number }) {
    super(
      'ERR_EAGLERAY_TUNE_TRIAL_TIMEOUT',
      message || `the trial has run for more than ${details.timeoutMs} ms (trialTimeoutMs)`,
    );
    this.timeoutMs = details.timeoutMs;
  }
}

/** A metric was never reported, or is no number. */
export class MetricError extends TuneError {
  static {
    setName(this, 'MetricError');
  }
  readonly metric: string;
  /** The names that were reported. */
  readonly reported: readonly string[];

  constructor(
    message: string,
    details: { readonly metric: string; readonly reported: readonly string[] },
  ) {
    super('ERR_EAGLERAY_TUNE_METRIC', message);
    this.metric = details.metric;
    this.reported = Object.freeze([...details.reported]);
  }
}

/** There is no trial that could be the best; the message says why. */
export class NoResultError extends TuneError {
  static {
    setName(this, 'NoResultError');
  }
  constructor(message: string) {
    super('ERR_EAGLERAY_TUNE_NO_RESULT', message);
  }
}

/** `ask` has nothing to give: for good, or (`waiting`) before further trials are told. */
export class SearchExhaustedError extends TuneError {
  static {
    setName(this, 'SearchExhaustedError');
  }
  readonly waiting: boolean;

  constructor(message: string, details: { readonly waiting: boolean }) {
    super('ERR_EAGLERAY_TUNE_SEARCH_EXHAUSTED', message);
    this.waiting = details.waiting;
  }
}

/** No config of the space meets `parameterConstraints`, as far as was tried. */
export class SpaceError extends TuneError {
  static {
    setName(this, 'SpaceError');
  }
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_EAGLERAY_TUNE_SPACE', message, options);
  }
}

/** The folder of an experiment, or what is in it, is not as it has to be. */
class PathError extends TuneError {
  readonly path: string;

  constructor(
    code: `ERR_EAGLERAY_TUNE_${string}`,
    message: string,
    path: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.path = path;
  }
}

/** The folder has an experiment already: see `ifExists`. */
export class ExperimentExistsError extends PathError {
  static {
    setName(this, 'ExperimentExistsError');
  }
  constructor(message: string, details: { readonly path: string }) {
    super('ERR_EAGLERAY_TUNE_EXPERIMENT_EXISTS', message, details.path);
  }
}

/** Another process writes to this experiment. */
export class ExperimentLockedError extends PathError {
  static {
    setName(this, 'ExperimentLockedError');
  }
  constructor(message: string, details: { readonly path: string }) {
    super('ERR_EAGLERAY_TUNE_EXPERIMENT_LOCKED', message, details.path);
  }
}

/** A line of a journal that can't be read, or a file of something else, or of a newer version. */
export class JournalError extends PathError {
  static {
    setName(this, 'JournalError');
  }
  /** From 1 on; 0 where it is about the file as a whole. */
  readonly line: number;

  constructor(
    message: string,
    details: { readonly path: string; readonly line: number },
    options?: ErrorOptions,
  ) {
    super('ERR_EAGLERAY_TUNE_JOURNAL', message, details.path, options);
    this.line = details.line;
  }
}

/** A file could not be written, or is not where it was: `cause` is what the system said. */
export class StorageError extends PathError {
  static {
    setName(this, 'StorageError');
  }
  constructor(message: string, details: { readonly path: string }, options?: ErrorOptions) {
    super('ERR_EAGLERAY_TUNE_STORAGE', message, details.path, options);
  }
}

function setName(constructor: { readonly prototype: object }, name: string): void {
  // On the prototype and not enumerable, as the built-in errors have it, so that stacks begin with it.
  Object.defineProperty(constructor.prototype, 'name', {
    value: name,
    configurable: true,
    writable: true,
  });
}
