/**
 * The words of an Optuna journal file (`JournalFileBackend`): one JSON object a line, each an operation with a code.
 *
 * - JF-1 Our own lines have the worker {@link WORKER}; all others are foreign and count only for numbering.
 * - JF-2 What Optuna has no place for is in system attributes whose names begin with {@link OWN}; an unknown one of our worker
 *   is from a newer version.
 * - JF-3 The line that makes an event one of ours is the last one of its event: of a torn event nothing is seen here.
 *
 * @see https://optuna.readthedocs.io/en/stable/reference/generated/optuna.storages.journal.JournalFileBackend.html
 */

/** `op_code`, by Optuna's names. */
export const Operation = {
  createStudy: 0,
  deleteStudy: 1,
  setStudyUserAttribute: 2,
  setStudySystemAttribute: 3,
  createTrial: 4,
  setTrialParameter: 5,
  setTrialState: 6,
  setTrialIntermediateValue: 7,
  setTrialUserAttribute: 8,
  setTrialSystemAttribute: 9,
  /** Optuna ignores it. */
  discard: 10,
} as const;

/** `state` of a trial. */
export const State = { running: 0, complete: 1, pruned: 2, fail: 3, waiting: 4 } as const;

/** `directions` of a study. */
export const Direction = { min: 1, max: 2 } as const;

/** The `worker_id` of our lines: Optuna only compares it with its own. */
export const WORKER = 'eagleray';

/** What the names of our own attributes begin with. */
export const OWN = 'eagleray:';

/** The attribute of a study that names its metrics: `Study.set_metric_names`. */
export const METRIC_NAMES = 'study:metric_names';

/** The attribute of a trial that says how infeasible it is: samplers take 0 and less as feasible. */
export const CONSTRAINTS = 'constraints';

/** The version of what our own attributes hold. */
export const FORMAT_VERSION = 1;

/** The most bytes of a line: what is longer is no journal. Reports have at most 1 MiB, spaces 1,000 parameters. */
export const LINE_BYTES_MAX = 2 ** 27;

/** A line, as far as it is the same for all operations. */
export interface JournalLine {
  readonly op_code: number;
  readonly worker_id: string;
  readonly [field: string]: unknown;
}

/** A time as Optuna writes it: ISO, local, without a zone. */
export function dateTime(milliseconds: number): string {
  const date = new Date(milliseconds);
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day}T${time}.${String(date.getMilliseconds()).padStart(3, '0')}000`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}

/** What is wrong with a line; whoever knows the file and the place makes a `JournalError` of it. */
export class LineError extends Error {}

/** A field that has to be a whole number from 0 up. @throws LineError */
export function numberIn(line: JournalLine, field: string): number {
  const value = line[field];
  if (!Number.isInteger(value) || (value as number) < 0) throw wrong(line, field, 'a whole number');
  return value as number;
}

/** A field that has to be text. @throws LineError */
export function textIn(line: JournalLine, field: string): string {
  const value = line[field];
  if (typeof value !== 'string') throw wrong(line, field, 'text');
  return value;
}

/** A field that has to be an object; without it, an empty one. @throws LineError */
export function objectIn(line: JournalLine, field: string): Readonly<Record<string, unknown>> {
  const value = line[field] ?? {};
  if (typeof value !== 'object' || Array.isArray(value)) throw wrong(line, field, 'an object');
  return value as Readonly<Record<string, unknown>>;
}

function wrong(line: JournalLine, field: string, wanted: string): LineError {
  return new LineError(`${field} of operation ${line.op_code} is not ${wanted}`);
}
