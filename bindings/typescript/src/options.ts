/**
 * Turns the options that users write into complete, frozen records, or throws `InvalidArgumentError`.
 *
 * Invariants:
 * 1. An unknown option is refused, never ignored; one that is `undefined` counts as not given.
 * 2. Each option is checked by itself when it is given (`check…`). What depends on several options at once (defaults,
 *    "needs a name") is decided when a call is made (`normalize…`), because `.options()` may still add to them.
 * 3. Of several faults, a wrong form is reported before a feature that does not exist yet.
 */

import { describeValue, InvalidArgumentError, NotSupportedError } from './errors.ts';
import {
  type Check,
  type Checked,
  abortSignal,
  beginning,
  bytes,
  callback,
  checkName,
  checkNameInside,
  checkOptions,
  count,
  customResources,
  flag,
  invalid,
  isRecord,
  milliseconds,
  resourceChecks,
  text,
} from './option-checks.ts';
import type { ActorOptions, ErrorClass, MethodOptions, TaskOptions } from './option-types.ts';

/** See `workerStartTimeoutMs` of `init`. */
const WORKER_START_TIMEOUT_MS = 60_000;

/** The most results of one task: each has a ref, and all are made before the call returns. */
export const NUM_RETURNS_MAX = 1_000_000;
/** The smallest object store, in bytes. */
export const OBJECT_STORE_MEMORY_MIN = 2 ** 20;
export const TASK_MAX_RETRIES_DEFAULT = 3;
/** `maxConcurrency` of an actor all of whose methods are async functions; of any other it is 1. */
export const ASYNC_ACTOR_MAX_CONCURRENCY_DEFAULT = 1000;
/** The longest `NAME=value` of an environment, in bytes: what Linux passes to a program (`MAX_ARG_STRLEN`). */
export const VARIABLE_BYTES_MAX = 128 * 1024 - 1;
/** All variables of an option `env` together, in bytes. Linux passes about 2 MiB to a program, the driver's own included. */
export const ENVIRONMENT_BYTES_MAX = 2 ** 20;
/** The version that will join clusters. */
const CLUSTERS_SINCE = '0.4.0';

/** `init` options. `null` stands for "find out". */
export interface NormalizedInitOptions {
  readonly numCpus: number | null;
  readonly numGpus: number | null;
  readonly resources: Readonly<Record<string, number>>;
  readonly objectStoreMemory: number | null;
  readonly namespace: string | null;
  readonly logToDriver: boolean;
  readonly workerExecArgv: readonly string[] | null;
  readonly workerStartTimeoutMs: number;
  readonly env: Readonly<Record<string, string>>;
  readonly spillDirectory: string | null;
  readonly ignoreReinitError: boolean;
}

/** What a thrown error must be an instance of to be retried. */
export type RetryExceptions = boolean | readonly ErrorClass[];

/** Task options with every default filled in. */
export interface NormalizedTaskOptions {
  /** `CPU`, `GPU` and custom resources in units (1 is one CPU); those of quantity 0 are left out. */
  readonly resources: Readonly<Record<string, number>>;
  /** Bytes. */
  readonly memory: number;
  /** `null`: the function's own name. */
  readonly name: string | null;
  readonly numReturns: number;
  /** -1: for ever. */
  readonly maxRetries: number;
  readonly retryExceptions: RetryExceptions;
  /** 0: never replaced. */
  readonly maxCalls: number;
  readonly env: Readonly<Record<string, string>>;
}

/** Actor options with every default filled in. */
export interface NormalizedActorOptions {
  /** What has to be free for the actor to start: `CPU`, `GPU` and custom resources in units, none of them 0. */
  readonly placement: Readonly<Record<string, number>>;
  /** What the actor holds while it lives, in the same form. */
  readonly held: Readonly<Record<string, number>>;
  /** Bytes, to be placed and held. */
  readonly memory: number;
  readonly name: string | null;
  /** `null`: the namespace of `init`. */
  readonly namespace: string | null;
  readonly detached: boolean;
  readonly getIfExists: boolean;
  /** -1: for ever. */
  readonly maxRestarts: number;
  /** -1: for ever. */
  readonly maxTaskRetries: number;
  /** `null`: 1, or `ASYNC_ACTOR_MAX_CONCURRENCY_DEFAULT` when every method is an async function. */
  readonly maxConcurrency: number | null;
  /** -1: no limit. */
  readonly maxPendingCalls: number;
  readonly env: Readonly<Record<string, string>>;
}

/** Method options with every default filled in. */
export interface NormalizedMethodOptions {
  readonly numReturns: number;
  /** `null`: that of the actor. */
  readonly maxTaskRetries: number | null;
  readonly retryExceptions: RetryExceptions;
}

export interface NormalizedGetOptions {
  /** `null`: no limit. */
  readonly timeoutMs: number | null;
  readonly signal: AbortSignal | null;
  /** A task that waits keeps its CPUs. */
  readonly keepCpus: boolean;
}

export interface NormalizedWaitOptions extends NormalizedGetOptions {
  readonly numReturns: number;
  readonly fetchLocal: boolean;
}

export interface NormalizedPerProcessOptions {
  readonly dispose: ((value: unknown) => unknown) | undefined;
}

export interface NormalizedAsCompletedOptions {
  /** `null`: no limit. */
  readonly concurrency: number | null;
  readonly signal: AbortSignal | null;
}

export interface NormalizedMapOptions extends NormalizedAsCompletedOptions {
  readonly ordered: boolean;
}

export interface NormalizedCancelOptions {
  readonly force: boolean;
  readonly recursive: boolean;
}

export interface NormalizedKillOptions {
  readonly noRestart: boolean;
}

export interface NormalizedGetActorOptions {
  readonly namespace: string | null;
}

const NOTHING: Readonly<Record<string, never>> = Object.freeze({});

export function normalizeInitOptions(options?: unknown): NormalizedInitOptions {
  const given = checkOptions('init()', INIT_CHECKS, options);
  if (given.address !== undefined) {
    throw new NotSupportedError(
      `init({ address: ${describeValue(given.address)} }): joining a cluster is not supported yet; ` +
        `eagleray ${CLUSTERS_SINCE} will have it. Leave address out to start a runtime on this machine`,
      { feature: 'address', since: CLUSTERS_SINCE },
    );
  }
  return Object.freeze({
    numCpus: given.numCpus ?? null,
    numGpus: given.numGpus ?? null,
    resources: given.resources ?? NOTHING,
    objectStoreMemory: given.objectStoreMemory ?? null,
    namespace: given.namespace ?? null,
    logToDriver: given.logToDriver ?? true,
    workerExecArgv: given.workerExecArgv ?? null,
    workerStartTimeoutMs: given.workerStartTimeoutMs ?? WORKER_START_TIMEOUT_MS,
    env: given.env ?? NOTHING,
    spillDirectory: given.spillDirectory ?? null,
    ignoreReinitError: given.ignoreReinitError ?? false,
  });
}

/** Checks each task option by itself. `call` is named in errors, such as `remote()` or `square.options()`. */
export function checkTaskOptions(options: unknown, call: string): TaskOptions<number> {
  // The checks read every option once and give values of exactly these types.
  return checkOptions(call, TASK_CHECKS, options) as TaskOptions<number>;
}

/** Checks each actor option by itself. */
export function checkActorOptions(options: unknown, call: string): ActorOptions {
  return checkOptions(call, ACTOR_CHECKS, options) as ActorOptions;
}

/** Checks each method option by itself. */
export function checkMethodOptions(options: unknown, call: string): MethodOptions<number> {
  return checkOptions(call, METHOD_CHECKS, options) as MethodOptions<number>;
}

/**
 * The options of `.options()` over those of `remote()`. An option that is given replaces the earlier one as a whole,
 * `resources` and `env` included, as in Ray.
 */
export function mergeOptions<Options extends object>(base: Options, over: Options): Options {
  const given = Object.entries(over).filter(([, value]) => value !== undefined);
  return Object.freeze({ ...base, ...Object.fromEntries(given) });
}

export function normalizeTaskOptions(options?: unknown, call = 'remote()'): NormalizedTaskOptions {
  const given = checkOptions(call, TASK_CHECKS, options);
  const resources = resourcesOf(given, given.numCpus ?? 1);
  return Object.freeze({
    resources,
    memory: given.memory ?? 0,
    name: given.name ?? null,
    numReturns: given.numReturns ?? 1,
    maxRetries: given.maxRetries ?? TASK_MAX_RETRIES_DEFAULT,
    retryExceptions: given.retryExceptions ?? false,
    // GPU libraries seldom give memory back before their process ends.
    maxCalls: given.maxCalls ?? ('GPU' in resources ? 1 : 0),
    env: given.env ?? NOTHING,
  });
}

export function normalizeActorOptions(
  options?: unknown,
  call = 'remote()',
): NormalizedActorOptions {
  const given = checkOptions(call, ACTOR_CHECKS, options);
  if (given.name === undefined) {
    if (given.lifetime !== undefined) {
      throw needsName(call, 'lifetime', given.lifetime);
    }
    if (given.getIfExists === true) throw needsName(call, 'getIfExists', true);
  }
  return Object.freeze({
    // An idle actor costs next to nothing, so that by default it needs a CPU only to be placed.
    placement: resourcesOf(given, given.numCpus ?? 1),
    held: resourcesOf(given, given.numCpus ?? 0),
    memory: given.memory ?? 0,
    name: given.name ?? null,
    namespace: given.namespace ?? null,
    detached: given.lifetime === 'detached',
    getIfExists: given.getIfExists ?? false,
    maxRestarts: given.maxRestarts ?? 0,
    maxTaskRetries: given.maxTaskRetries ?? 0,
    maxConcurrency: given.maxConcurrency ?? null,
    maxPendingCalls: given.maxPendingCalls ?? -1,
    env: given.env ?? NOTHING,
  });
}

export function normalizeMethodOptions(
  options?: unknown,
  call = 'options()',
): NormalizedMethodOptions {
  const given = checkOptions(call, METHOD_CHECKS, options);
  return Object.freeze({
    numReturns: given.numReturns ?? 1,
    maxTaskRetries: given.maxTaskRetries ?? null,
    retryExceptions: given.retryExceptions ?? false,
  });
}

export function normalizeGetOptions(options?: unknown): NormalizedGetOptions {
  if (options === undefined) return GET_DEFAULTS;
  const given = checkOptions('get()', GET_CHECKS, options);
  return {
    timeoutMs: given.timeoutMs ?? null,
    signal: given.signal ?? null,
    keepCpus: given.keepCpus ?? false,
  };
}

export function normalizeGetSyncOptions(options?: unknown): NormalizedGetOptions {
  if (options === undefined) return GET_DEFAULTS;
  const given = checkOptions('getSync()', GET_SYNC_CHECKS, options);
  return { timeoutMs: given.timeoutMs ?? null, signal: null, keepCpus: given.keepCpus ?? false };
}

/** `refCount` is the number of refs to wait for, which bounds `numReturns`. */
export function normalizeWaitOptions(options: unknown, refCount: number): NormalizedWaitOptions {
  if (options === undefined && refCount > 0) return WAIT_DEFAULTS;
  return waitOptions('wait()', checkOptions('wait()', WAIT_CHECKS, options), refCount);
}

export function normalizeWaitSyncOptions(
  options: unknown,
  refCount: number,
): NormalizedWaitOptions {
  if (options === undefined && refCount > 0) return WAIT_DEFAULTS;
  return waitOptions('waitSync()', checkOptions('waitSync()', WAIT_SYNC_CHECKS, options), refCount);
}

export function normalizeAsCompletedOptions(options?: unknown): NormalizedAsCompletedOptions {
  const given = checkOptions('asCompleted()', AS_COMPLETED_CHECKS, options);
  return { concurrency: given.concurrency ?? null, signal: given.signal ?? null };
}

/** `concurrency` is `null` where the number of CPUs decides. */
export function normalizeMapOptions(options?: unknown): NormalizedMapOptions {
  const given = checkOptions('map()', MAP_CHECKS, options);
  return {
    concurrency: given.concurrency ?? null,
    ordered: given.ordered ?? true,
    signal: given.signal ?? null,
  };
}

export function normalizeCancelOptions(options?: unknown): NormalizedCancelOptions {
  const given = checkOptions('cancel()', { force: flag, recursive: flag }, options);
  return { force: given.force ?? false, recursive: given.recursive ?? true };
}

export function normalizeKillOptions(options?: unknown): NormalizedKillOptions {
  const given = checkOptions('kill()', { noRestart: flag }, options);
  return { noRestart: given.noRestart ?? true };
}

export function normalizeGetActorOptions(options?: unknown): NormalizedGetActorOptions {
  const given = checkOptions('getActor()', { namespace: checkName }, options);
  return { namespace: given.namespace ?? null };
}

export function normalizePerProcessOptions(options?: unknown): NormalizedPerProcessOptions {
  const given = checkOptions('perProcess()', { dispose: callback }, options);
  return { dispose: given.dispose };
}

// The checks of single options. Each gives the value in its normal form, or throws.

function needsName(call: string, name: string, value: unknown): InvalidArgumentError {
  return new InvalidArgumentError(
    `${call}: ${name} is ${describeValue(value)}, but the actor has no name; give it one with the option name`,
    { argument: name, value, allowed: 'together with the option name' },
  );
}

/** Like `count`, with -1 for "no limit" below the minimum. */
function countOrUnlimited(minimum: number): Check<number> {
  const check = count(minimum, ', or -1 for no limit');
  return (value, place) => (value === -1 ? -1 : check(value, place));
}

const detached: Check<'detached'> = (value, place) => {
  if (value !== 'detached') throw invalid(place, value, "'detached', or nothing");
  return value;
};

const textList: Check<readonly string[]> = (value, place) => {
  if (!Array.isArray(value)) throw invalid(place, value, 'an array of strings');
  return Object.freeze(
    value.map((each, index) => text(each, { ...place, name: `${place.name}[${index}]` })),
  );
};

const errorClasses: Check<RetryExceptions> = (value, place) => {
  if (typeof value === 'boolean') return value;
  const allowed = 'true, false, or an array of error classes';
  if (!Array.isArray(value)) throw invalid(place, value, allowed);
  for (const [index, each] of value.entries()) {
    const mayBeClass = typeof each === 'function' && typeof each.prototype === 'object';
    if (!mayBeClass) throw invalid({ ...place, name: `${place.name}[${index}]` }, each, allowed);
  }
  return value.length === 0 ? false : Object.freeze([...value]);
};

const environment: Check<Readonly<Record<string, string>>> = (value, place) => {
  if (!isRecord(value)) throw invalid(place, value, 'an object of strings by name');
  let sum = 0;
  for (const [name, each] of Object.entries(value)) {
    checkNameInside(name, place);
    const at = { ...place, name: `${place.name}.${name}` };
    if (name === '' || /[=\0]/.test(name)) throw invalid(at, each, 'a name without = in it');
    if (typeof each !== 'string' || each.includes('\0')) throw invalid(at, each, 'a string');
    const own = Buffer.byteLength(name) + 1 + Buffer.byteLength(each);
    if (own > VARIABLE_BYTES_MAX) {
      const allowed = `at most ${VARIABLE_BYTES_MAX} bytes, the name included`;
      throw invalid(at, beginning(each), allowed);
    }
    sum += own;
  }
  if (sum > ENVIRONMENT_BYTES_MAX) {
    throw invalid(place, value, `at most ${ENVIRONMENT_BYTES_MAX} bytes in all`);
  }
  return Object.freeze({ ...(value as Record<string, string>) });
};

const RUN_CHECKS = { ...resourceChecks, env: environment };

const INIT_CHECKS = {
  numCpus: count(0, ''),
  numGpus: count(0, ''),
  resources: customResources,
  objectStoreMemory: bytes(OBJECT_STORE_MEMORY_MIN),
  namespace: checkName,
  logToDriver: flag,
  workerExecArgv: textList,
  workerStartTimeoutMs: count(1, ' of milliseconds'),
  env: environment,
  spillDirectory: text,
  ignoreReinitError: flag,
  address: text,
};

const TASK_CHECKS = {
  ...RUN_CHECKS,
  name: checkName,
  numReturns: count(0, '', NUM_RETURNS_MAX),
  maxRetries: countOrUnlimited(0),
  retryExceptions: errorClasses,
  maxCalls: count(0, ', where 0 is no limit'),
};

const ACTOR_CHECKS = {
  ...RUN_CHECKS,
  name: checkName,
  namespace: checkName,
  lifetime: detached,
  getIfExists: flag,
  maxRestarts: countOrUnlimited(0),
  maxTaskRetries: countOrUnlimited(0),
  maxConcurrency: count(1, ''),
  maxPendingCalls: countOrUnlimited(1),
};

const METHOD_CHECKS = {
  numReturns: count(0, '', NUM_RETURNS_MAX),
  maxTaskRetries: countOrUnlimited(0),
  retryExceptions: errorClasses,
};

const TIMEOUT_CHECKS = { timeoutMs: milliseconds };

const GET_SYNC_CHECKS = { ...TIMEOUT_CHECKS, keepCpus: flag };

const GET_CHECKS = { ...GET_SYNC_CHECKS, signal: abortSignal };

const WAIT_SYNC_CHECKS = { ...TIMEOUT_CHECKS, numReturns: count(1, ''), fetchLocal: flag };

const WAIT_CHECKS = { ...WAIT_SYNC_CHECKS, signal: abortSignal };

const AS_COMPLETED_CHECKS = { concurrency: count(1, ''), signal: abortSignal };

const MAP_CHECKS = { ...AS_COMPLETED_CHECKS, ordered: flag };

const GET_DEFAULTS: NormalizedGetOptions = Object.freeze({
  timeoutMs: null,
  signal: null,
  keepCpus: false,
});

const WAIT_DEFAULTS: NormalizedWaitOptions = Object.freeze({
  numReturns: 1,
  timeoutMs: null,
  signal: null,
  keepCpus: false,
  fetchLocal: true,
});

function waitOptions(
  call: string,
  given: Checked<typeof WAIT_SYNC_CHECKS & { signal: Check<AbortSignal> }>,
  refCount: number,
): NormalizedWaitOptions {
  const numReturns = given.numReturns ?? Math.min(1, refCount);
  if (numReturns > refCount) {
    throw invalid(
      { call, name: 'numReturns' },
      numReturns,
      `1 to the number of refs, which is ${refCount}`,
    );
  }
  return {
    numReturns,
    timeoutMs: given.timeoutMs ?? null,
    signal: given.signal ?? null,
    keepCpus: false,
    fetchLocal: given.fetchLocal ?? true,
  };
}

function resourcesOf(
  given: Checked<typeof RUN_CHECKS>,
  cpus: number,
): Readonly<Record<string, number>> {
  return withoutZeros({ CPU: cpus, GPU: given.numGpus ?? 0, ...given.resources });
}

function withoutZeros(
  resources: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.freeze(
    Object.fromEntries(Object.entries(resources).filter(([, amount]) => amount > 0)),
  );
}
