/** One task or call that runs in this process: what its record says, and what its context shows. */

import type { RunningTask } from '../context.ts';
import { describeThrown } from '../describe-value.ts';
import { SerializationError, TaskError, describeValue } from '../errors.ts';
import type { Records } from '../runtime/records.ts';
import type { NativeSession } from '../runtime/session.ts';
import type { TaskSignal } from '../runtime/waits.ts';

/** A task as the native module hands it over; see `next_task` in `crates/core-worker/src/executor.rs`. */
export interface TaskRecord {
  readonly kind: number;
  readonly token: number;
  readonly target: number;
  readonly resultCount: number;
  readonly argumentCount: number;
  readonly sequence: number;
  readonly records: Records;
  readonly argumentsAt: number;
}

/**
 * A task or method from its start to its answer. A class, because one is made for each task: accessors of an object
 * literal would cost more than all the rest of an empty task.
 */
export class Running implements RunningTask {
  readonly token: number;
  readonly taskName: string;
  readonly resources: Readonly<Record<string, number>>;
  givesCpuBack: boolean;
  openWaits = 0;
  signals: TaskSignal[] | undefined = undefined;
  /** It was answered. What it left running in this process is no part of it any more, and its token is another's. */
  hasEnded = false;
  /** Some result of it is in the store. */
  hasStored = false;
  readonly resultCount: number;
  /** Which errors repeat it. A call brings that along as its last argument. */
  retryExceptions: boolean | readonly Function[] | 'last argument';
  /** The worker's last call of this function, because of `maxCalls`. */
  retire: boolean;
  private readonly session: NativeSession;
  private readonly sequence: number;
  private abort: AbortController | undefined = undefined;

  constructor(
    session: NativeSession,
    task: TaskRecord,
    taskName: string,
    resources: Readonly<Record<string, number>>,
    retryExceptions: Running['retryExceptions'],
    retire: boolean,
    givesCpuBack: boolean,
  ) {
    this.session = session;
    this.token = task.token;
    this.sequence = task.sequence;
    this.resultCount = task.resultCount;
    this.taskName = taskName;
    this.resources = resources;
    this.retryExceptions = retryExceptions;
    this.retire = retire;
    this.givesCpuBack = givesCpuBack;
  }

  /** What an error calls a result that can't be stored. */
  get resultName(): string {
    return `result of ${this.taskName}`;
  }

  get taskId(): string {
    return Buffer.from(this.session.native.taskId(this.token, this.sequence)).toString('hex');
  }

  get controller(): AbortController {
    return (this.abort ??= new AbortController());
  }

  get hasController(): boolean {
    return this.abort !== undefined;
  }
}

/** `instanceof`, also for a proxy whose traps throw: that is an instance of nothing. */
export function isA(value: unknown, constructor: Function): boolean {
  try {
    return value instanceof (constructor as new () => unknown);
  } catch {
    return false;
  }
}

/**
 * True if an error that was thrown repeats the task. One that came from another task is what that task threw, as in
 * Ray, where it is an instance of both classes.
 */
export function mayRetry(thrown: unknown, retry: Running['retryExceptions']): boolean {
  // The arguments could not even be read.
  if (retry === 'last argument') return false;
  if (typeof retry === 'boolean') return retry;
  return retry.some(
    (errorClass) =>
      isA(thrown, errorClass) ||
      (isA(thrown, TaskError) && isA((thrown as TaskError).cause, errorClass)),
  );
}

/**
 * The largest error of a constructor, in bytes as it travels. Every call of the actor gets it as the cause of its own
 * error, so that it is sent, and kept, that often.
 */
export const CONSTRUCTOR_ERROR_BYTES_MAX = 2 ** 20;

/** How much is shown of an error that is too large, in characters. */
const SHOWN_OF_ERROR = 1000;

/** What travels in the place of an error that is larger than its limit. */
export function shortenedError(error: unknown, bytes: number, taskName: string): TaskError {
  const text = describeThrown(error);
  const shown = text.length > SHOWN_OF_ERROR ? `${text.slice(0, SHOWN_OF_ERROR)}…` : text;
  return new TaskError(
    `${taskName} failed with an error that is too large (${bytes} bytes; ${CONSTRUCTOR_ERROR_BYTES_MAX} at most). It begins: ${shown}`,
    { taskName, pid: process.pid },
  );
}

/** An error that can travel in the place of one that can't. */
export function describedError(error: unknown, unstorable: unknown, taskName: string): TaskError {
  const why = unstorable instanceof Error ? unstorable.message : String(unstorable);
  const stack = error instanceof Error ? (error.stack ?? error.message) : describeValue(error);
  return new TaskError(
    `${taskName} failed with an error that can't be stored (${why}): ${stack}`,
    { taskName, pid: process.pid },
    { cause: new SerializationError(why) },
  );
}
