/** The options of every public call, as users write them. What they become is in `options.ts`. */

/** An error class, for `retryExceptions`. Subclasses of it count too. */
export type ErrorClass = abstract new (...args: never[]) => Error;

/**
 * Custom resources by name. `CPU`, `GPU`, `memory` and `objectStoreMemory` have options of their own and are refused
 * here.
 */
export type CustomResources = Readonly<Record<string, number>> & {
  readonly CPU?: never;
  readonly GPU?: never;
  readonly memory?: never;
  readonly objectStoreMemory?: never;
};

/** Options of `init`. */
export interface InitOptions {
  /** CPUs that tasks and actors may hold in all. @default what the cgroup or affinity mask allows, at least 1 */
  readonly numCpus?: number | undefined;
  /** GPUs that tasks and actors may hold in all. @default what is detected */
  readonly numGpus?: number | undefined;
  /** Custom resources, such as `{ Custom: 2 }`. @default none */
  readonly resources?: CustomResources | undefined;
  /** Bytes of the object store. @default 30 % of the memory that the cgroup allows */
  readonly objectStoreMemory?: number | undefined;
  /** Where names of actors are looked up; at most 1,024 characters. @default an anonymous namespace of this driver */
  readonly namespace?: string | undefined;
  /** Print the output of workers, and a progress line on a terminal. @default true */
  readonly logToDriver?: boolean | undefined;
  /** Node's own arguments for workers. @default the driver's, without debugger, test and watch flags */
  readonly workerExecArgv?: readonly string[] | undefined;
  /**
   * Milliseconds that a worker process may take until it is ready. One that takes longer is ended and counts as a failed
   * start; after several in a row, what waits for a worker fails with `WorkerCrashedError`.
   *
   * @default 60_000
   */
  readonly workerStartTimeoutMs?: number | undefined;
  /**
   * Environment variables for workers, on top of the driver's: at most 128 KiB each, and 1 MiB together.
   *
   * @default none
   */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Where objects go when the store is full. @default a folder in the session's directory */
  readonly spillDirectory?: string | undefined;
  /** Do nothing when the runtime runs already, instead of throwing. @default false */
  readonly ignoreReinitError?: boolean | undefined;
  /** A cluster to join. Reserved: throws `NotSupportedError` until clusters work. */
  readonly address?: string | undefined;
}

/** What a task or an actor asks for. Quantities are at least 0 and rounded to 1/10,000. */
export interface ResourceOptions {
  /** CPUs. @default 1 for a task; for an actor 1 to be placed and 0 while it lives */
  readonly numCpus?: number | undefined;
  /** GPUs: a fraction of one, or a whole number of them. @default 0 */
  readonly numGpus?: number | undefined;
  /** Custom resources. @default none */
  readonly resources?: CustomResources | undefined;
  /** Bytes of memory to reserve. Used for placement, not enforced. @default 0 */
  readonly memory?: number | undefined;
  /**
   * Environment variables of the worker, on top of those of `init`: at most 128 KiB each, and 1 MiB together.
   *
   * @default none
   */
  readonly env?: Readonly<Record<string, string>> | undefined;
}

/** Options of `remote(function)` and `.options()` of a remote function. */
export interface TaskOptions<NumReturns extends number = 1> extends ResourceOptions {
  /** Shown in errors and before the worker's output; at most 1,024 characters. @default the function's name */
  readonly name?: string | undefined;
  /**
   * How many refs a call gives. With 2 and more the result must be an array of that length, and each element gets a
   * ref of its own; with 0 a call gives `undefined`. At most 1,000,000. @default 1
   */
  readonly numReturns?: NumReturns | undefined;
  /**
   * How often the task is run again when its worker died, or when it threw one of `retryExceptions`; -1 for ever.
   * @default 3
   */
  readonly maxRetries?: number | undefined;
  /** Whether thrown errors are retried as well: all of them, or those of the given classes. @default false */
  readonly retryExceptions?: boolean | readonly ErrorClass[] | undefined;
  /** After how many calls of this function a worker is replaced; 0 for never. @default 0; 1 for tasks with a GPU */
  readonly maxCalls?: number | undefined;
}

/** Options of `remote(class)` and `.options()` of a remote class. */
export interface ActorOptions extends ResourceOptions {
  /** A name for `getActor`; at most 1,024 characters. @default none */
  readonly name?: string | undefined;
  /** The namespace of the name. @default that of `init` */
  readonly namespace?: string | undefined;
  /** `'detached'`: lives until it is killed or the runtime ends. Needs a name. @default ends with its last handle */
  readonly lifetime?: 'detached' | undefined;
  /** Give the live actor of this name instead of failing. Needs a name. @default false */
  readonly getIfExists?: boolean | undefined;
  /** How often its process is started again when it dies; -1 for ever. @default 0 */
  readonly maxRestarts?: number | undefined;
  /** How often a call is repeated when its process died under it; -1 for ever. @default 0 */
  readonly maxTaskRetries?: number | undefined;
  /** How many calls may be under way at once. @default 1; 1000 when every method is an async function */
  readonly maxConcurrency?: number | undefined;
  /** How many calls of one handle may be queued or running; -1 for no limit. @default -1 */
  readonly maxPendingCalls?: number | undefined;
}

/** Options of `handle.method.options()`. */
export interface MethodOptions<NumReturns extends number = 1> {
  /** As for tasks. @default 1 */
  readonly numReturns?: NumReturns | undefined;
  /** As the actor's option, for this method. @default the actor's `maxTaskRetries` */
  readonly maxTaskRetries?: number | undefined;
  /** As for tasks. @default false */
  readonly retryExceptions?: boolean | readonly ErrorClass[] | undefined;
}

/** Options of `perProcess`, whose `make` returns a `T`. */
export interface PerProcessOptions<T> {
  /**
   * Gets the value, awaited, when its process ends in order or its function is given back. A promise that it returns is
   * waited for; all of a process take three seconds at most. @default nothing
   */
  readonly dispose?: ((value: Awaited<T>) => unknown) | undefined;
}

/** What limits `get`, `wait` and their blocking twins. */
export interface TimeoutOptions {
  /** Milliseconds to wait at most; 0 answers at once. @default no limit */
  readonly timeoutMs?: number | undefined;
}

/** Options of `getSync`. */
export interface GetSyncOptions extends TimeoutOptions {
  /**
   * Inside a task: keep its CPUs while it waits, which otherwise run other tasks meanwhile. For short waits for what has a CPU
   * already, such as an actor: to give CPUs back and take them again costs more than these. Waiting for what needs those CPUs
   * never ends. An actor keeps its own in any case. @default false
   */
  readonly keepCpus?: boolean | undefined;
}

/** Options of `get`. */
export interface GetOptions extends GetSyncOptions {
  /** Ends the waiting when it fires; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `waitSync`. */
export interface WaitSyncOptions extends TimeoutOptions {
  /** How many refs have to be ready: 1 up to the number of refs. @default 1 */
  readonly numReturns?: number | undefined;
  /** Count a ref as ready only when its value is on this machine. @default true */
  readonly fetchLocal?: boolean | undefined;
}

/** Options of `wait`. */
export interface WaitOptions extends WaitSyncOptions {
  /** Ends the waiting when it fires; the promise rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `asCompleted`. */
export interface AsCompletedOptions {
  /**
   * How many refs are taken from the iterable and not given yet. An endless one needs it. @default all that there are
   */
  readonly concurrency?: number | undefined;
  /** Ends the waiting when it fires; the iteration throws its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `map`. */
export interface MapOptions {
  /** How many calls are in flight or unread at a time. @default twice the number of CPUs */
  readonly concurrency?: number | undefined;
  /** Give the values in the order of their items, and not in the order in which they are ready. @default true */
  readonly ordered?: boolean | undefined;
  /** Ends the iteration when it fires, which throws its reason, and cancels what is in flight. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `cancel`. */
export interface CancelOptions {
  /**
   * End the worker of a task that runs already: at once, or after five seconds where its process is stopped or stuck. Not for actor
   * calls.
   *
   * @default false
   */
  readonly force?: boolean | undefined;
  /** Cancel the tasks that the task has started as well. @default true */
  readonly recursive?: boolean | undefined;
}

/** Options of `kill`. */
export interface KillOptions {
  /** Do not restart the actor, whatever its `maxRestarts` says. @default true */
  readonly noRestart?: boolean | undefined;
}

/** Options of `getActor`. */
export interface GetActorOptions {
  /** The namespace to look in. @default that of `init` */
  readonly namespace?: string | undefined;
}
