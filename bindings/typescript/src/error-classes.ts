/**
 * Every error that eagleray throws.
 *
 * Invariants:
 * 1. Every class has a `name` and a `code` that never change; programs may compare either.
 * 2. All fields but `cause` are plain data (JSON).
 * 3. A constructor takes `(message, details)`. An empty message is written from the details, so that errors made by
 *    the native core read like those made here.
 */

import { describeBytes, describeDifferentBytes, describeMissing } from './describe-quantity.ts';
import { describeThrown, describeValue } from './describe-value.ts';
import { setStack, userStack } from './error-stack.ts';

/** The stable codes, one for each class. */
export type ErrorCode =
  | 'ERR_EAGLERAY_TASK'
  | 'ERR_EAGLERAY_WORKER_CRASHED'
  | 'ERR_EAGLERAY_ACTOR_DIED'
  | 'ERR_EAGLERAY_ACTOR_UNAVAILABLE'
  | 'ERR_EAGLERAY_TASK_CANCELLED'
  | 'ERR_EAGLERAY_GET_TIMEOUT'
  | 'ERR_EAGLERAY_OBJECT_LOST'
  | 'ERR_EAGLERAY_OWNER_DIED'
  | 'ERR_EAGLERAY_OBJECT_STORE_FULL'
  | 'ERR_EAGLERAY_OUT_OF_MEMORY'
  | 'ERR_EAGLERAY_SERIALIZATION'
  | 'ERR_EAGLERAY_INFEASIBLE_RESOURCES'
  | 'ERR_EAGLERAY_ALREADY_INITIALIZED'
  | 'ERR_EAGLERAY_NOT_INITIALIZED'
  | 'ERR_EAGLERAY_NOT_SUPPORTED'
  | 'ERR_EAGLERAY_INVALID_ARGUMENT'
  | 'ERR_EAGLERAY_ACTOR_NOT_FOUND'
  | 'ERR_EAGLERAY_PENDING_CALLS_LIMIT_EXCEEDED'
  | 'ERR_EAGLERAY_INTERNAL'
  // Those of tuning, whose classes are beside it.
  | `ERR_EAGLERAY_TUNE_${string}`;

/**
 * The base of all errors of eagleray: `error instanceof EaglerayError` tells them from errors of the program. An
 * instance that is of none of the classes below has the code `ERR_EAGLERAY_INTERNAL` and means a defect in eagleray.
 */
export class EaglerayError extends Error {
  static {
    setName(this, 'EaglerayError');
  }
  /** Stable: safe to compare, also between versions. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** One task or actor method that an error passed through. */
export interface TaskHop {
  readonly taskName: string;
  readonly pid: number;
}

export interface TaskErrorDetails {
  readonly taskName?: string | undefined;
  readonly pid?: number | undefined;
  readonly route?: readonly TaskHop[] | undefined;
  readonly remoteStack?: string | undefined;
}

/**
 * Thrown by `get` and `getSync` when the remote function or method threw. `cause` is what it threw, with its class
 * where that is built in or was shipped. It is also thrown for a result that could not be stored (the cause is the
 * `SerializationError`) and for a result that does not have `numReturns` elements.
 *
 * When a task throws on the `TaskError` that it got from another task, the error stays one error: `cause`, `taskName`
 * and `pid` are those of the task where it began, and `route` and the stack name every task on its way.
 */
export class TaskError extends EaglerayError {
  static {
    setName(this, 'TaskError');
  }
  /** The task or `Class.method` in which the error began. */
  readonly taskName: string;
  /** The process in which it began. */
  readonly pid: number;
  /** Every task that the error passed through, the first one included, in the order of its way. */
  readonly route: readonly TaskHop[];
  /** The stack as the worker saw it, without frames of eagleray itself. */
  declare readonly remoteStack: string;

  constructor(message: string, details: TaskErrorDetails = {}, options?: ErrorOptions) {
    const taskName = details.taskName ?? 'unknown';
    const pid = details.pid ?? 0;
    const cause = options?.cause;
    super(
      'ERR_EAGLERAY_TASK',
      message || `${taskName} (pid ${pid}) failed: ${describeThrown(cause)}`,
      options,
    );
    this.taskName = taskName;
    this.pid = pid;
    this.route = Object.freeze([...(details.route ?? [{ taskName, pid }])]);
    // Not enumerable, because the stack shows it already.
    Object.defineProperty(this, 'remoteStack', {
      value: details.remoteStack ?? userStack(cause),
      configurable: true,
    });
    const way = this.route.map((hop) => `${hop.taskName} (pid ${hop.pid})`).join(' -> ');
    setStack(
      this,
      `TaskError: ${this.message}` +
        (this.route.length > 1 ? `\n    on its way through ${way}` : '') +
        (this.remoteStack === '' ? '' : `\n${this.remoteStack}`),
    );
  }

  /** The same error, one task further. */
  through(taskName: string, pid: number): TaskError {
    return newTaskError(
      this.message,
      {
        taskName: this.taskName,
        pid: this.pid,
        route: [...this.route, { taskName, pid }],
        remoteStack: this.remoteStack,
      },
      { cause: this.cause },
    );
  }
}

export interface WorkerCrashedDetails {
  readonly signal?: string | null | undefined;
  readonly exitCode?: number | null | undefined;
  readonly stderrTail?: readonly string[] | undefined;
  readonly pid?: number | undefined;
  readonly taskName?: string | undefined;
}

/**
 * Thrown by `get` and `getSync` when the process that ran the task ended before the task did, and its `maxRetries`
 * were used up: killed by a signal, `process.exit()` in the task, or an error that nothing caught.
 */
export class WorkerCrashedError extends EaglerayError {
  static {
    setName(this, 'WorkerCrashedError');
  }
  /** The signal that ended the worker, such as `'SIGSEGV'`; `null` when it left by itself. */
  readonly signal: string | null;
  /** The worker's exit code; `null` when a signal ended it. */
  readonly exitCode: number | null;
  /** The last lines that the worker wrote to its standard error: at most 20, and 8 KiB of them. */
  readonly stderrTail: readonly string[];
  readonly pid: number;
  readonly taskName: string | null;

  constructor(message: string, details: WorkerCrashedDetails = {}, options?: ErrorOptions) {
    const tail = Object.freeze([...(details.stderrTail ?? [])]);
    const end = describeEnd(details.signal, details.exitCode);
    const task = details.taskName === undefined ? '' : ` while it ran ${details.taskName}`;
    super(
      'ERR_EAGLERAY_WORKER_CRASHED',
      message || `the worker (pid ${details.pid ?? 'unknown'}) ${end}${task}${describeTail(tail)}`,
      options,
    );
    this.signal = details.signal ?? null;
    this.exitCode = details.exitCode ?? null;
    this.stderrTail = tail;
    this.pid = details.pid ?? 0;
    this.taskName = details.taskName ?? null;
  }
}

export interface ActorDiedDetails {
  readonly actorId?: string | undefined;
  readonly className?: string | undefined;
  readonly reason?: string | undefined;
  readonly pid?: number | undefined;
  readonly signal?: string | null | undefined;
  readonly exitCode?: number | null | undefined;
  readonly stderrTail?: readonly string[] | undefined;
}

/**
 * Thrown by `get` and `getSync` of an actor call when the actor is dead: its constructor threw (`cause` is the
 * error), its process ended with no restart left, it was killed, it called `exitActor()`, or its last handle is gone.
 */
export class ActorDiedError extends EaglerayError {
  static {
    setName(this, 'ActorDiedError');
  }
  readonly actorId: string | null;
  /** Why it died, in words. */
  readonly reason: string;
  readonly pid: number | null;
  readonly signal: string | null;
  readonly exitCode: number | null;
  /** The last lines that its process wrote to its standard error: at most 20, and 8 KiB of them. */
  readonly stderrTail: readonly string[];

  constructor(message: string, details: ActorDiedDetails = {}, options?: ErrorOptions) {
    const tail = Object.freeze([...(details.stderrTail ?? [])]);
    const reason =
      details.reason ??
      (options?.cause === undefined
        ? `its process ${describeEnd(details.signal, details.exitCode)}`
        : `its constructor threw ${describeThrown(options.cause)}`);

    super(
      'ERR_EAGLERAY_ACTOR_DIED',
      message ||
        `the actor${named(details.className)}${named(details.actorId)} is dead: ${reason}${describeTail(tail)}`,
      options,
    );
    this.actorId = details.actorId ?? null;
    this.reason = reason;
    this.pid = details.pid ?? null;
    this.signal = details.signal ?? null;
    this.exitCode = details.exitCode ?? null;
    this.stderrTail = tail;
    const causeStack = userStack(options?.cause);
    if (causeStack !== '') setStack(this, `ActorDiedError: ${this.message}\n${causeStack}`);
  }
}

export interface ActorDetails {
  readonly actorId?: string | undefined;
}

/**
 * Thrown by `get` and `getSync` of an actor call that was running or on its way when the actor's process ended, while
 * the actor itself is being restarted: whether the call took effect is not known. Later calls reach the new process. Also where
 * no connection to the actor could be opened for about ten seconds, for want of file descriptors: the call has not begun then.
 */
export class ActorUnavailableError extends EaglerayError {
  static {
    setName(this, 'ActorUnavailableError');
  }
  readonly actorId: string | null;

  constructor(message: string, details: ActorDetails = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_ACTOR_UNAVAILABLE',
      message ||
        `the actor${named(details.actorId)} is being restarted; the call may or may not have run`,
      options,
    );
    this.actorId = details.actorId ?? null;
  }
}

export interface TaskCancelledDetails {
  readonly taskName?: string | undefined;
  readonly taskId?: string | undefined;
}

/**
 * Thrown by `get` and `getSync` of a task that `cancel` reached, and by every `get` and `wait` in which a cancelled
 * task itself is waiting.
 */
export class TaskCancelledError extends EaglerayError {
  static {
    setName(this, 'TaskCancelledError');
  }
  readonly taskName: string | null;
  readonly taskId: string | null;

  constructor(message = '', details: TaskCancelledDetails = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_TASK_CANCELLED',
      message || `the task${named(details.taskName ?? details.taskId)} was cancelled`,
      options,
    );
    this.taskName = details.taskName ?? null;
    this.taskId = details.taskId ?? null;
  }
}

export interface GetTimeoutDetails {
  readonly timeoutMs?: number | undefined;
  readonly missing?: number | undefined;
}

/**
 * Thrown by `get` and `getSync` when `timeoutMs` passed before all values were there. Nothing but the waiting has
 * ended: the tasks go on, and the refs can be got again.
 */
export class GetTimeoutError extends EaglerayError {
  static {
    setName(this, 'GetTimeoutError');
  }
  /** The time that was allowed, in milliseconds. */
  readonly timeoutMs: number | null;
  /** How many of the objects were not ready. */
  readonly missing: number | null;

  constructor(message: string, details: GetTimeoutDetails = {}, options?: ErrorOptions) {
    const what =
      details.missing === undefined
        ? 'a value was'
        : details.missing === 1
          ? '1 value was'
          : `${details.missing} values were`;
    super(
      'ERR_EAGLERAY_GET_TIMEOUT',
      message || `${what} not ready within ${details.timeoutMs ?? 'the given'} ms`,
      options,
    );
    this.timeoutMs = details.timeoutMs ?? null;
    this.missing = details.missing ?? null;
  }
}

export interface ObjectDetails {
  readonly objectId?: string | undefined;
}

/** Thrown by `get` and `getSync`, and for tasks that depend on the object, when its bytes no longer exist anywhere. */
export class ObjectLostError extends EaglerayError {
  static {
    setName(this, 'ObjectLostError');
  }
  readonly objectId: string | null;

  constructor(message: string, details: ObjectDetails = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_OBJECT_LOST',
      message || `the object${named(details.objectId)} was lost`,
      options,
    );
    this.objectId = details.objectId ?? null;
  }
}

/**
 * Thrown by `get` and `getSync` when the process that started the task, or put the value, died, and only it had the
 * (small) value. Values in the store outlive their owner.
 */
export class OwnerDiedError extends EaglerayError {
  static {
    setName(this, 'OwnerDiedError');
  }
  readonly objectId: string | null;

  constructor(message: string, details: ObjectDetails = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_OWNER_DIED',
      message || `the object${named(details.objectId)} is gone with the process that owned it`,
      options,
    );
    this.objectId = details.objectId ?? null;
  }
}

export interface ObjectStoreFullDetails {
  readonly requested?: number | undefined;
  readonly free?: number | undefined;
  readonly total?: number | undefined;
  readonly largest?: number | undefined;
}

/**
 * Thrown by `put`, `allocate`, and `.remote()` with large arguments when the store has no room, also after unused
 * views were collected. A result that finds no room is a `TaskError` with this as its cause.
 */
export class ObjectStoreFullError extends EaglerayError {
  static {
    setName(this, 'ObjectStoreFullError');
  }
  /** Bytes that were asked for. */
  readonly requested: number | null;
  /** Bytes that were free, all pieces together. */
  readonly free: number | null;
  /** Bytes that the store has: `objectStoreMemory`. */
  readonly total: number | null;

  constructor(message: string, details: ObjectStoreFullDetails = {}, options?: ErrorOptions) {
    super('ERR_EAGLERAY_OBJECT_STORE_FULL', message || describeFullStore(details), options);
    this.requested = details.requested ?? null;
    this.free = details.free ?? null;
    this.total = details.total ?? null;
  }
}

function describeFullStore({ free, largest, requested, total }: ObjectStoreFullDetails): string {
  const help =
    'Let go of refs and views that are no longer needed (ref.dispose()), or raise init({ objectStoreMemory })';
  if (requested === undefined) return `the object store is full. ${help}`;
  if (total !== undefined && requested > total) {
    const [wanted, all] = describeDifferentBytes(requested, total);
    return (
      `the object store can never hold ${wanted}: it has ${all} in all. ` +
      'Raise init({ objectStoreMemory }), or store the value in parts'
    );
  }
  const isScattered = free !== undefined && largest !== undefined && requested <= free;
  const [wanted, there] =
    free === undefined ? [describeBytes(requested)] : describeDifferentBytes(requested, free);
  const room = `${there ?? 'too few'} of ${total === undefined ? 'all bytes' : describeBytes(total)} are free`;
  const pieces = isScattered
    ? `, but the largest piece of them has ${describeDifferentBytes(requested, largest)[1]}`
    : '';
  return `the object store has no room for ${wanted}: ${room}${pieces}. ${help}`;
}

export interface OutOfMemoryDetails {
  readonly pid?: number | undefined;
  readonly taskName?: string | undefined;
  readonly stderrTail?: readonly string[] | undefined;
  readonly reason?: string | undefined;
  /** One object was too large, and not all of them together. Only the message has it. */
  readonly isOneObject?: boolean | undefined;
  /** Megabytes that were in use. Only the message has it. */
  readonly usedMegabytes?: number | null | undefined;
}

/**
 * Thrown by `get` and `getSync` when the worker ended because V8 reached a limit of its heap. Raise the limit with
 * `init({ workerExecArgv: ['--max-old-space-size=<MiB>'] })`, or keep less in JavaScript at a time.
 *
 * It counts as a crash of the worker: the task is repeated as often as its `maxRetries` says, and this is the error of
 * the last attempt. Calls of an actor get an `ActorDiedError` whose `cause` this is. An allocation that fails inside a
 * task, such as of an `ArrayBuffer` that is too large, is thrown there and is a `TaskError`; a worker that the kernel
 * ends for want of memory is a `WorkerCrashedError` with `SIGKILL`.
 */
export class OutOfMemoryError extends EaglerayError {
  static {
    setName(this, 'OutOfMemoryError');
  }
  readonly pid: number | null;
  readonly taskName: string | null;
  /** What V8 reported, in its words, such as `Reached heap limit`. */
  readonly reason: string | null;
  /** The last lines that the worker wrote to its standard error, without V8's own. */
  readonly stderrTail: readonly string[];

  constructor(message: string, details: OutOfMemoryDetails = {}, options?: ErrorOptions) {
    const tail = Object.freeze([...(details.stderrTail ?? [])]);
    const task = details.taskName === undefined ? '' : ` while it ran ${details.taskName}`;
    super(
      'ERR_EAGLERAY_OUT_OF_MEMORY',
      message ||
        `the worker (pid ${details.pid ?? 'unknown'}) ran out of memory${task}${describeLimit(details)}${describeTail(tail)}`,
      options,
    );
    this.pid = details.pid ?? null;
    this.taskName = details.taskName ?? null;
    this.reason = details.reason ?? null;
    this.stderrTail = tail;
  }
}

/** Which limit was reached, and what to do. */
function describeLimit({ isOneObject, reason, usedMegabytes }: OutOfMemoryDetails): string {
  if (reason === undefined) return '';
  if (isOneObject === true) {
    return (
      `: one array, text or table grew beyond what V8 can make (${reason}). ` +
      'Use several smaller ones, or typed arrays'
    );
  }
  const used = typeof usedMegabytes === 'number' ? `, with ${usedMegabytes} MB in use` : '';
  return (
    `: V8 reached the limit of its heap (${reason}${used}). Raise it with ` +
    "init({ workerExecArgv: ['--max-old-space-size=<MiB>'] }), or keep less in JavaScript at a time; what is in the " +
    'object store does not count'
  );
}

export interface SerializationDetails {
  readonly path?: readonly string[] | undefined;
  readonly reason?: string | undefined;
}

/**
 * Thrown by `put` and `.remote()` when a value, function or class can't travel. The message shows the way to the
 * culprit: `square → helper (math.ts:12) → variable "db" → Socket`.
 */
export class SerializationError extends EaglerayError {
  static {
    setName(this, 'SerializationError');
  }
  /** The steps from what was passed to what can't travel. */
  readonly path: readonly string[];

  constructor(message: string, details: SerializationDetails = {}, options?: ErrorOptions) {
    const path = Object.freeze([...(details.path ?? [])]);
    super(
      'ERR_EAGLERAY_SERIALIZATION',
      message ||
        `${details.reason ?? 'this can not be sent to another process'}${path.length === 0 ? '' : `: ${path.join(' → ')}`}`,
      options,
    );
    this.path = path;
  }
}

export interface InfeasibleResourcesDetails {
  /** What asked for it; only the message has it. */
  readonly taskName?: string | undefined;
  readonly asked?: Readonly<Record<string, number>> | undefined;
  readonly total?: Readonly<Record<string, number>> | undefined;
}

/**
 * Thrown by `.remote()` when the task or actor asks for more than the whole cluster has, so that it could never
 * start.
 */
export class InfeasibleResourcesError extends EaglerayError {
  static {
    setName(this, 'InfeasibleResourcesError');
  }
  /** What was asked for, by resource name. */
  readonly asked: Readonly<Record<string, number>>;
  /** What the cluster has in all, by resource name. */
  readonly total: Readonly<Record<string, number>>;

  constructor(message: string, details: InfeasibleResourcesDetails = {}, options?: ErrorOptions) {
    const asked = Object.freeze({ ...details.asked });
    const total = Object.freeze({ ...details.total });
    super(
      'ERR_EAGLERAY_INFEASIBLE_RESOURCES',
      message ||
        (details.asked === undefined || details.total === undefined
          ? 'asked for more than this cluster will ever have'
          : `${details.taskName ?? 'a task or actor'} can never start here: ${describeMissing(asked, total)}`),
      options,
    );
    this.asked = asked;
    this.total = total;
  }
}

/** Thrown by a second `init()` while the runtime runs, unless `ignoreReinitError` is set. */
export class AlreadyInitializedError extends EaglerayError {
  static {
    setName(this, 'AlreadyInitializedError');
  }

  constructor(message = '', _details: object = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_ALREADY_INITIALIZED',
      message ||
        'the runtime is running already; call shutdown() first, or init({ ignoreReinitError: true })',
      options,
    );
  }
}

/** Thrown by calls that need a running runtime but do not start one, such as `getRuntimeContext()`. */
export class NotInitializedError extends EaglerayError {
  static {
    setName(this, 'NotInitializedError');
  }

  constructor(message = '', _details: object = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_NOT_INITIALIZED',
      message || 'the runtime is not running; call init() first',
      options,
    );
  }
}

export interface NotSupportedDetails {
  readonly feature?: string | undefined;
  readonly since?: string | undefined;
}

/** Thrown for a feature that does not exist yet; the message names the version that will have it, where known. */
export class NotSupportedError extends EaglerayError {
  static {
    setName(this, 'NotSupportedError');
  }
  readonly feature: string | null;
  /** The version that will have it. */
  readonly since: string | null;

  constructor(message: string, details: NotSupportedDetails = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_NOT_SUPPORTED',
      message ||
        `${details.feature ?? 'this'} is not supported yet` +
          (details.since === undefined ? '' : `; eagleray ${details.since} will have it`),
      options,
    );
    this.feature = details.feature ?? null;
    this.since = details.since ?? null;
  }
}

export interface InvalidArgumentDetails {
  readonly argument?: string | undefined;
  readonly value?: unknown;
  readonly allowed?: string | undefined;
}

/**
 * Thrown by any call whose option or argument has the wrong form, before anything is queued. Also for a disposed ref,
 * a ref of another runtime, a name that is taken, and `exitActor()` outside an actor.
 */
export class InvalidArgumentError extends EaglerayError {
  static {
    setName(this, 'InvalidArgumentError');
  }
  /** The option or argument, such as `numCpus`. */
  readonly argument: string | null;
  /** Its value as text, shortened. */
  readonly value: string | null;
  /** What would have been allowed, in words. */
  readonly allowed: string | null;

  constructor(message: string, details: InvalidArgumentDetails = {}, options?: ErrorOptions) {
    const value = 'value' in details ? describeValue(details.value) : null;
    super(
      'ERR_EAGLERAY_INVALID_ARGUMENT',
      message ||
        `${details.argument ?? 'an argument'} is ${value ?? 'wrong'}` +
          (details.allowed === undefined ? '' : `; allowed: ${details.allowed}`),
      options,
    );
    this.argument = details.argument ?? null;
    this.value = value;
    this.allowed = details.allowed ?? null;
  }
}

export interface ActorNotFoundDetails {
  readonly name?: string | undefined;
  readonly namespace?: string | undefined;
}

/** Thrown by `getActor` when no live actor has that name in that namespace. */
export class ActorNotFoundError extends EaglerayError {
  static {
    setName(this, 'ActorNotFoundError');
  }
  readonly actorName: string | null;
  readonly namespace: string | null;

  constructor(message: string, details: ActorNotFoundDetails = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_ACTOR_NOT_FOUND',
      message ||
        `no live actor is named ${JSON.stringify(details.name ?? '')}` +
          (details.namespace === undefined
            ? ''
            : ` in the namespace ${JSON.stringify(details.namespace)}`),
      options,
    );
    this.actorName = details.name ?? null;
    this.namespace = details.namespace ?? null;
  }
}

export interface PendingCallsLimitDetails {
  readonly actorId?: string | undefined;
  readonly limit?: number | undefined;
}

/** Thrown by `.remote()` of an actor method when `maxPendingCalls` calls of this handle are queued or running. */
export class PendingCallsLimitExceededError extends EaglerayError {
  static {
    setName(this, 'PendingCallsLimitExceededError');
  }
  readonly actorId: string | null;
  /** The actor's `maxPendingCalls`. */
  readonly limit: number | null;

  constructor(message: string, details: PendingCallsLimitDetails = {}, options?: ErrorOptions) {
    super(
      'ERR_EAGLERAY_PENDING_CALLS_LIMIT_EXCEEDED',
      message ||
        `the handle has ${details.limit ?? 'too many'} calls pending already (maxPendingCalls); await some first`,
      options,
    );
    this.actorId = details.actorId ?? null;
    this.limit = details.limit ?? null;
  }
}

/** Outside of the class: a class that names itself is renamed by the bundler, and its errors with it. */
function newTaskError(...parts: ConstructorParameters<typeof TaskError>): TaskError {
  return new TaskError(...parts);
}

function setName(constructor: { readonly prototype: object }, name: string): void {
  // On the prototype and not enumerable, as the built-in errors have it, so that stacks begin with it.
  Object.defineProperty(constructor.prototype, 'name', {
    value: name,
    configurable: true,
    writable: true,
  });
}

/** A name with the space before it, if there is one. */
function named(name: string | undefined): string {
  return name === undefined ? '' : ` ${name}`;
}

function describeEnd(
  signal: string | null | undefined,
  exitCode: number | null | undefined,
): string {
  if (typeof signal === 'string') return `was ended by ${signal}`;
  if (typeof exitCode === 'number') return `exited with code ${exitCode}`;
  return 'ended unexpectedly';
}

function describeTail(lines: readonly string[]): string {
  if (lines.length === 0) return '';
  return `\nIts last lines on stderr:\n${lines.map((line) => `    ${line}`).join('\n')}`;
}
