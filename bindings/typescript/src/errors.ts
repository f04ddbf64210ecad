/**
 * The errors, and the plain-data form in which an error crosses processes.
 *
 * Invariant: `fromWire(toWire(error))` has the same class, message, stack and fields. `cause` may be any value at all;
 * the codec carries it beside the wire form.
 */

import { isError } from './describe-value.ts';
import {
  EaglerayError,
  TaskError,
  WorkerCrashedError,
  ActorDiedError,
  ActorUnavailableError,
  TaskCancelledError,
  GetTimeoutError,
  ObjectLostError,
  OwnerDiedError,
  ObjectStoreFullError,
  OutOfMemoryError,
  SerializationError,
  InfeasibleResourcesError,
  AlreadyInitializedError,
  NotInitializedError,
  NotSupportedError,
  InvalidArgumentError,
  ActorNotFoundError,
  PendingCallsLimitExceededError,
  type ErrorCode,
} from './error-classes.ts';
import { hideOwnFrames, setStack } from './error-stack.ts';
import { readFatalMemory, withoutDump } from './fatal-dump.ts';

export * from './error-classes.ts';
export { describeValue } from './describe-value.ts';

/** Plain data that says all of an error but its `cause`. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly stack: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

interface ErrorKind {
  readonly code: ErrorCode;
  readonly fields: readonly string[];
  create(message: string, details: Record<string, unknown>, options?: ErrorOptions): EaglerayError;
}

type DetailsConstructor = {
  new (message: string, details: never, options?: ErrorOptions): EaglerayError;
  readonly prototype: EaglerayError;
};

function errorKind(
  code: ErrorCode,
  constructor: DetailsConstructor,
  ...fields: readonly string[]
): ErrorKind {
  return {
    code,
    fields,
    create: (message, details, options) => new constructor(message, details as never, options),
  };
}

const KINDS: readonly ErrorKind[] = [
  errorKind('ERR_EAGLERAY_TASK', TaskError, 'taskName', 'pid', 'route', 'remoteStack'),
  errorKind(
    'ERR_EAGLERAY_WORKER_CRASHED',
    WorkerCrashedError,
    'signal',
    'exitCode',
    'stderrTail',
    'pid',
    'taskName',
  ),
  errorKind(
    'ERR_EAGLERAY_ACTOR_DIED',
    ActorDiedError,
    'actorId',
    'reason',
    'pid',
    'signal',
    'exitCode',
    'stderrTail',
  ),
  errorKind('ERR_EAGLERAY_ACTOR_UNAVAILABLE', ActorUnavailableError, 'actorId'),
  errorKind('ERR_EAGLERAY_TASK_CANCELLED', TaskCancelledError, 'taskName', 'taskId'),
  errorKind('ERR_EAGLERAY_GET_TIMEOUT', GetTimeoutError, 'timeoutMs', 'missing'),
  errorKind('ERR_EAGLERAY_OBJECT_LOST', ObjectLostError, 'objectId'),
  errorKind('ERR_EAGLERAY_OWNER_DIED', OwnerDiedError, 'objectId'),
  errorKind('ERR_EAGLERAY_OBJECT_STORE_FULL', ObjectStoreFullError, 'requested', 'free', 'total'),
  errorKind(
    'ERR_EAGLERAY_OUT_OF_MEMORY',
    OutOfMemoryError,
    'pid',
    'taskName',
    'reason',
    'stderrTail',
  ),
  errorKind('ERR_EAGLERAY_SERIALIZATION', SerializationError, 'path'),
  errorKind('ERR_EAGLERAY_INFEASIBLE_RESOURCES', InfeasibleResourcesError, 'asked', 'total'),
  errorKind('ERR_EAGLERAY_ALREADY_INITIALIZED', AlreadyInitializedError),
  errorKind('ERR_EAGLERAY_NOT_INITIALIZED', NotInitializedError),
  errorKind('ERR_EAGLERAY_NOT_SUPPORTED', NotSupportedError, 'feature', 'since'),
  errorKind('ERR_EAGLERAY_INVALID_ARGUMENT', InvalidArgumentError, 'argument', 'value', 'allowed'),
  errorKind('ERR_EAGLERAY_ACTOR_NOT_FOUND', ActorNotFoundError, 'actorName', 'namespace'),
  errorKind(
    'ERR_EAGLERAY_PENDING_CALLS_LIMIT_EXCEEDED',
    PendingCallsLimitExceededError,
    'actorId',
    'limit',
  ),
];

const KIND_BY_NAME = new Map(KINDS.map((each) => [plainName(each.code), each]));

/** The error as plain data. Its `cause`, which may be any value, travels beside it. */
export function toWire(error: EaglerayError): WireError {
  const fields: Record<string, unknown> = {};
  for (const field of KIND_BY_NAME.get(plainName(error.code))?.fields ?? []) {
    fields[field] = (error as unknown as Record<string, unknown>)[field];
  }
  return { code: error.code, message: error.message, stack: error.stack ?? '', fields };
}

/**
 * The error again, of the same class and with the stack of where it was made. `cause` is passed only if the error had
 * one: an error whose cause is `undefined` and one without a cause are different things.
 */
export function fromWire(wire: WireError, options?: ErrorOptions): EaglerayError {
  const error = KIND_BY_NAME.has(plainName(wire.code))
    ? errorOfKind(wire.code, wire.message, {}, options)
    : // Of a class that is derived from ours elsewhere, as those of tuning are: it gets its prototype from the codec.
      new EaglerayError(wire.code, wire.message, options);
  // Not through the details: what arrived is taken as it is, and damaged fields must not fail here.
  for (const field of KIND_BY_NAME.get(plainName(wire.code))?.fields ?? []) {
    const value = wire.fields[field];
    if (value === undefined) continue;
    Object.defineProperty(error, field, {
      value: Array.isArray(value) ? Object.freeze(value) : value,
      enumerable: field !== 'remoteStack',
      configurable: true,
      writable: true,
    });
  }
  if (wire.stack !== '') setStack(error, wire.stack);
  return error;
}

/**
 * The error for what the native core reports, which has happened elsewhere: its stack shows at most where the user called.
 * That of a defect shows all.
 */
export function systemError(...parts: Parameters<typeof errorOfKind>): EaglerayError {
  const error = errorOfKind(...parts);
  return error.code === 'ERR_EAGLERAY_INTERNAL' ? error : hideOwnFrames(error);
}

/**
 * `kind` is a class name with or without `Error`, or a code, in any spelling of words (`WorkerCrashed`,
 * `worker-crashed`, `ERR_EAGLERAY_WORKER_CRASHED`). An unknown kind is a defect and becomes a plain `EaglerayError`
 * that says so, never an exception of its own.
 */
function errorOfKind(
  kind: string,
  message: string,
  details: Readonly<Record<string, unknown>> = {},
  options?: ErrorOptions,
): EaglerayError {
  const plain = plainName(kind);
  const known = KIND_BY_NAME.get(plain);
  if (known !== undefined) {
    const given = detailsOfCore(details);
    return outOfMemory(known, message, given) ?? known.create(message, given, options);
  }
  return new EaglerayError(
    'ERR_EAGLERAY_INTERNAL',
    plain === 'internal' || plain === 'eagleray' ? message : `${kind}: ${message}`,
    options,
  );
}

/** The errors that say why an object has no value. */
const ERRORS_OF_OBJECTS = [
  WorkerCrashedError,
  ActorDiedError,
  ActorUnavailableError,
  ObjectLostError,
  OwnerDiedError,
  OutOfMemoryError,
  TaskCancelledError,
];

/**
 * What `get` shall throw for a task or method that threw `thrown`. Errors that say why an object has no value
 * (a crash, a dead actor, a lost object) stay what they are however many tasks they pass through; a `TaskError` stays
 * one error and notes the task; everything else becomes the cause of a new `TaskError`.
 */
export function errorOfTask(thrown: unknown, taskName: string, pid: number): EaglerayError {
  // Before any `instanceof`, which a proxy may answer by throwing.
  if (isError(thrown)) {
    if (thrown instanceof TaskError) return thrown.through(taskName, pid);
    const stays = ERRORS_OF_OBJECTS.find((each) => thrown instanceof each);
    if (stays !== undefined) return thrown as EaglerayError;
  }
  return new TaskError('', { taskName, pid }, { cause: thrown });
}

/** How V8 ends a process that is out of its heap; a shell shows the first of them as an exit code. */
const FATAL_SIGNALS = new Set<unknown>(['SIGABRT', 'SIGTRAP', 'SIGILL']);
const FATAL_EXIT_CODE = 134;

/**
 * The error for a process that ran out of V8's heap; undefined for any other end. Of an actor's process it is the cause
 * of the error that the actor is dead.
 */
function outOfMemory(
  kind: ErrorKind,
  message: string,
  details: Record<string, unknown>,
): EaglerayError | undefined {
  const isCrash = kind.code === 'ERR_EAGLERAY_WORKER_CRASHED';
  if (!isCrash && kind.code !== 'ERR_EAGLERAY_ACTOR_DIED') return undefined;
  const { exitCode, signal, stderrTail } = details;
  if (!FATAL_SIGNALS.has(signal) && exitCode !== FATAL_EXIT_CODE) return undefined;
  const fatal = Array.isArray(stderrTail) ? readFatalMemory(stderrTail as string[]) : undefined;
  if (fatal === undefined) return undefined;
  const given = { ...details, stderrTail: withoutDump(stderrTail as string[]) };
  const error = new OutOfMemoryError('', { ...given, ...fatal });
  if (isCrash)
    return message === '' ? error : withBeginning(error, message, { ...given, ...fatal });
  const cause = new OutOfMemoryError('', { ...given, ...fatal, stderrTail: [] });
  // Where the error was made says nothing, and that of the actor shows the stack of its cause.
  setStack(cause, `OutOfMemoryError: ${cause.message}`);
  const reason = cause.message.replace(/^the worker/, 'its process');
  return kind.create(message, { ...given, reason }, { cause });
}

/** What the core said goes first, such as that no worker starts; it repeats the last lines, which hold the dump. */
function withBeginning(
  error: OutOfMemoryError,
  message: string,
  details: Record<string, unknown>,
): OutOfMemoryError {
  const [beginning] = message.split('\n', 1);
  return new OutOfMemoryError(`${beginning}: ${error.message}`, details);
}

/** `WorkerCrashedError`, `worker-crashed` and `ERR_EAGLERAY_WORKER_CRASHED` are one name. */
function plainName(kind: string): string {
  return kind
    .replace(/^ERR_EAGLERAY_/, '')
    .replace(/[^A-Za-z]/g, '')
    .replace(/Error$/i, '')
    .toLowerCase();
}

/** The native core says `null` for "none", and may give the last lines of a process as one text. */
function detailsOfCore(details: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const given = Object.fromEntries(Object.entries(details).filter(([, value]) => value !== null));
  if (typeof given['stderrTail'] === 'string') {
    given['stderrTail'] = given['stderrTail'].split('\n').filter((line) => line !== '');
  }
  return given;
}
