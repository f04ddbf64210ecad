/**
 * eagleray: Ray for TypeScript.
 *
 * ```ts
 * import { get, remote } from 'eagleray';
 *
 * const square = remote((x: number) => x * x);
 * console.log(await get([1, 2, 3].map((x) => square.remote(x)))); // [1, 4, 9]
 * ```
 */

import * as actor from './actor.ts';
import { asCompleted as completed } from './as-completed.ts';
import { exitActor as leaveActor } from './worker/exit-actor.ts';
import { getRuntimeContext as readContext } from './context.ts';
import { isClass } from './describe-value.ts';
import * as driver from './driver.ts';
import * as errors from './errors.ts';
import { InvalidArgumentError, describeValue } from './errors.ts';
import { map as mapped } from './map.ts';
import { native } from './native.ts';
import * as objects from './objects.ts';
import { ObjectRefImplementation } from './object-ref.ts';
import { perProcess as makePerProcess } from './per-process.ts';
import { remoteFunction } from './remote-function.ts';
import { perProcessOf } from './runtime/per-process-values.ts';
import { remoteParts } from './runtime/remote-values.ts';
import { bytesOfValue, valueOfBytes } from './runtime/stored-values.ts';
import { ActorReference } from './runtime/values.ts';
import { useParser, useProbe, useSdkExports } from './shipping/index.ts';
import type * as types from './types.ts';

export * from './error-classes.ts';
export type * from './types.ts';

/**
 * Makes a function or class remote.
 *
 * `remote(fn).remote(...args)` queues a call and returns a ref at once; `remote(Class).remote(...args)` starts an actor
 * and returns its handle. Options are those of Ray: `numCpus` (default 1), `numGpus`, `resources`, …
 *
 * @throws InvalidArgumentError for what is neither a function nor a class, and for unknown options.
 * @throws NotSupportedError for generator functions. A generator method of a class throws it at its own `.remote()`.
 * @see https://docs.ray.io/en/latest/ray-core/tasks.html
 */
export const remote = ((target: unknown, options?: unknown) => {
  if (typeof target !== 'function') {
    throw new InvalidArgumentError(
      `remote() takes a function or a class; got ${describeValue(target)}`,
      {
        argument: 'target',
        value: target,
        allowed: 'a function or a class',
      },
    );
  }
  if (remoteParts(target) !== undefined) {
    throw new InvalidArgumentError(
      'remote() was given what is remote already; use its .options()',
      {
        argument: 'target',
        value: 'a remote function or class',
        allowed: 'a function or a class',
      },
    );
  }
  const title = perProcessOf(target)?.title;
  if (title !== undefined) {
    throw new InvalidArgumentError(
      `remote() was given ${title}, which gives a value of the process that calls it; make a function remote that calls it`,
      {
        argument: 'target',
        value: title,
        allowed: 'a function that calls it',
      },
    );
  }
  return isClass(target) ? actor.remoteClass(target, options) : remoteFunction(target, options);
}) as unknown as types.RemoteSignature;

/**
 * What belongs to one process: a logger, a pool of connections, a model that is dear to load.
 *
 * ```ts
 * const log = perProcess(() => pino());
 * const work = remote((n: number) => log().info({ n }));
 * ```
 *
 * `log()` is this process's own: made by `make` at the first call here, and shared by all tasks and actors in the process.
 * If `make` is async, all callers get one promise; a failed `make` is forgotten, so that the next call tries again. The
 * function travels like a remote function: with what `make` uses, as it is when the function travels first.
 *
 * `dispose(value)` runs when the process ends in order (also at `shutdown`), or after the function was given back: when
 * whoever made it has it no more, and nobody in this process has. All of a process take three seconds at most; what fails
 * is printed. It does not run in a process that crashes or is killed.
 *
 * @throws InvalidArgumentError for what is no function, for unknown options; and, at a call, if `make` calls its own
 *   function
 */
export const perProcess = makePerProcess as unknown as types.PerProcessSignature;

/** Stores a value once and returns a ref. Synchronous. @throws SerializationError, ObjectStoreFullError */
export const put = objects.put as unknown as types.PutSignature;
// For checkpoints of tuning, which is another file of the package and has of the SDK what users import: what `put` takes, in files.
Object.defineProperty(put, Symbol.for('eagleray.storedValues'), {
  value: { bytesOfValue, valueOfBytes },
});

/**
 * The value of a ref, or the values of a list of refs, in order.
 *
 * @throws the error of a task that failed, `GetTimeoutError`, or the signal's reason (as rejections).
 */
export const get = ((refs: unknown, options?: unknown) => {
  const done = driver.showWaiting();
  if (done === nothing) return objects.get(refs, options);
  return objects.get(refs, options).finally(done);
}) as types.GetSignature;

// For tuning, which says itself what it waits for, or nothing: its waits are no news for the terminal.
Object.defineProperty(get, Symbol.for('eagleray.getUnseen'), { value: objects.get });

/** As `get`, but blocks this thread. */
export const getSync = objects.getSync as unknown as types.GetSyncSignature;

/** Waits until `numReturns` refs (default 1) are ready or the time is over: `[ready, notReady]`. */
export const wait = objects.wait as unknown as types.WaitSignature;

/** As `wait`, but blocks this thread. */
export const waitSync = objects.waitSync as unknown as types.WaitSyncSignature;

/**
 * The refs of an iterable in the order in which they become ready, whether with a value or with an error.
 *
 * ```ts
 * for await (const ref of asCompleted(refs)) console.log(await get(ref));
 * ```
 *
 * A ref costs the same however many there are. Ending the iteration cancels no task.
 *
 * @throws InvalidArgumentError for what is no iterable of refs, and as rejections for elements that are no refs
 */
export const asCompleted = completed as unknown as types.AsCompletedSignature;

/**
 * The values that a remote function gives for each item of an iterable, in the order of the items.
 *
 * ```ts
 * for await (const page of map(urls, fetchPage, { concurrency: 20 })) console.log(page.title);
 * ```
 *
 * Items are taken as there is room: at most `concurrency` calls are in flight or unread. A failure is thrown where its
 * value would be given; it cancels the calls that are in flight, as `break` and the `signal` do.
 *
 * @throws InvalidArgumentError for what is no iterable or no remote function of one result; the error of a call that
 *   failed, and what the iterable throws, as rejections
 */
export const map = mapped as unknown as types.MapSignature;

/**
 * A typed array in the store's own memory: `put` of it, or returning it from a task, copies nothing. As with
 * `Buffer.allocUnsafe`, it may hold what was stored there before: fill it.
 */
export const allocate = objects.allocate as unknown as types.AllocateSignature;

/** Cancels the task that makes a ref: dropped if queued, signalled if running, killed with `force`. */
export const cancel = objects.cancel as types.CancelSignature;

/** Ends an actor at once; its open calls fail with `ActorDiedError`. */
export const kill = actor.kill as types.KillSignature;

/** Ends an actor after the calls that are queued already. */
export const terminate = actor.terminate as types.TerminateSignature;

/** A ref that resolves when the actor's constructor has run. */
export const actorReady = actor.actorReady as unknown as types.ActorReadySignature;

/** A value that is, or will be, in the store. See `ObjectRef` in `types.ts`. */
export type ObjectRef<T> = types.ObjectRef<T>;
/** The class of refs: `value instanceof ObjectRef`. @throws InvalidArgumentError when it is constructed */
export const ObjectRef = ObjectRefImplementation as unknown as types.ObjectRefClass;

/** A handle of an actor whose class has instances of type `Instance`. */
export type ActorHandle<Instance extends object> = types.ActorHandle<Instance>;
/** The class of handles: `value instanceof ActorHandle`. @throws InvalidArgumentError when it is constructed */
export const ActorHandle = actor.ActorHandleImplementation as unknown as types.ActorHandleClass;

/** The live actor of a name. @throws ActorNotFoundError */
export const getActor = actor.getActor as unknown as types.GetActorSignature;

/** Ends the actor that calls it. @throws InvalidArgumentError outside of an actor */
export const exitActor = leaveActor as types.ExitActorSignature;

/** Starts the runtime. Optional: the first remote call starts it with defaults. @throws AlreadyInitializedError */
export const init = driver.init as types.InitSignature;

/** Ends the runtime: its workers, its memory, its files. */
export const shutdown = driver.shutdown as types.ShutdownSignature;

/** Whether a runtime is running. */
export const isInitialized = driver.isInitialized as types.IsInitializedSignature;

/** What the cluster has in all. @throws NotInitializedError */
export const clusterResources = driver.clusterResources as types.ResourcesSignature;

/** What is not in use; idle leases count as available. @throws NotInitializedError */
export const availableResources = driver.availableResources as types.ResourcesSignature;

/** The machines of the cluster. @throws NotInitializedError */
export const nodes = driver.nodes as types.NodesSignature;

/** Where this code runs. @throws NotInitializedError */
export const getRuntimeContext = readContext as types.RuntimeContextSignature;

const nothing = driver.NOTHING_SHOWN;

useParser({
  breakableOffsets: (source) => native().breakableOffsets(source),
  freeVariables: (source) => native().freeVariables(source),
  analyseModule: (source, typescript) => native().analyseModule(source, typescript),
  variableChanges: (source) => native().variableChanges(source),
});
useProbe({
  functionOrigin: (fn) => native().functionOrigin(fn),
  learnScopes: (...functions) => native().learnScopes(...functions),
  scopesOf: (fn, target) => native().scopesOf(fn, target),
  isMainThread: () => native().isMainThread(),
  randomId: (byteLength) => native().randomId(byteLength),
});
useSdkExports({
  ...errors,
  ActorReference,
  ActorHandle,
  ObjectRef,
  actorReady,
  allocate,
  asCompleted,
  availableResources,
  cancel,
  clusterResources,
  exitActor,
  get,
  getActor,
  getRuntimeContext,
  getSync,
  init,
  isInitialized,
  kill,
  map,
  nodes,
  perProcess,
  put,
  remote,
  shutdown,
  terminate,
  wait,
  waitSync,
});
