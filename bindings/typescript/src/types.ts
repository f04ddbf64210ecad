/**
 * The public API as types: what a user's editor shows and what compiles.
 *
 * Everything here is erased. `index.ts` exports values of the `…Signature` types, so that an implementation that does
 * not keep this contract does not compile.
 *
 * What types can't know:
 * - An overloaded function counts as its last overload, a generic one as its constraint (`unknown` where there is none).
 * - A field that holds a function looks like a method; only methods of the prototype chain exist on a handle.
 * - A ref given as a direct argument is resolved before the task starts, also where the parameter itself is an
 *   `ObjectRef`. To hand over a ref as a ref, put it into an array or object.
 */

import type {
  ActorOptions,
  AsCompletedOptions,
  CancelOptions,
  GetActorOptions,
  GetOptions,
  GetSyncOptions,
  InitOptions,
  KillOptions,
  MapOptions,
  MethodOptions,
  PerProcessOptions,
  TaskOptions,
  WaitOptions,
  WaitSyncOptions,
} from './option-types.ts';

export type * from './option-types.ts';

declare const valueType: unique symbol;
declare const instanceType: unique symbol;

/**
 * A value that is, or will be, in the store. It is plain data and no promise: `await` gives the ref itself, `get` its
 * value. Refs of the same object have the same `id`.
 */
export interface ObjectRef<out T> {
  readonly id: string;
  /** Lets go of the object now rather than when the garbage collector finds the ref. Further use is an error. */
  dispose(): void;
  [Symbol.dispose](): void;
  /** Never there: it only tells refs of different types apart. */
  readonly [valueType]?: () => T;
}

/** The class of refs, for `value instanceof ObjectRef`. Constructing one throws `InvalidArgumentError`. */
export type ObjectRefClass = (abstract new (never: never) => ObjectRef<unknown>) & {
  readonly prototype: ObjectRef<unknown>;
};

/** A parameter of a remote call: the value, or a ref to it. */
export type Refable<T> = T | ObjectRef<T>;

/** The parameters of a remote call; optional and rest parameters stay what they are. */
export type Refables<Args extends readonly unknown[]> = { [K in keyof Args]: Refable<Args[K]> };

/** The value type of a ref; any other type stays what it is. */
export type Unref<T> = T extends ObjectRef<infer Value> ? Value : T;

/** The numeric arrays, which may come back over a `SharedArrayBuffer`. */
export type NumericArray =
  | Int8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | Float32Array
  | Float64Array
  | BigInt64Array
  | BigUint64Array;

/** Every typed array that `allocate` can make. */
export type TypedArray = NumericArray | Uint8Array;

type SameArray<V, Plain, Shareable> = V extends Plain ? (Plain extends V ? Shareable : V) : V;

type Widened<V> = V extends Float64Array
  ? SameArray<V, Float64Array<ArrayBuffer>, Float64Array>
  : V extends Float32Array
    ? SameArray<V, Float32Array<ArrayBuffer>, Float32Array>
    : V extends Int32Array
      ? SameArray<V, Int32Array<ArrayBuffer>, Int32Array>
      : V extends Uint32Array
        ? SameArray<V, Uint32Array<ArrayBuffer>, Uint32Array>
        : V extends Int16Array
          ? SameArray<V, Int16Array<ArrayBuffer>, Int16Array>
          : V extends Uint16Array
            ? SameArray<V, Uint16Array<ArrayBuffer>, Uint16Array>
            : V extends Int8Array
              ? SameArray<V, Int8Array<ArrayBuffer>, Int8Array>
              : V extends Uint8ClampedArray
                ? SameArray<V, Uint8ClampedArray<ArrayBuffer>, Uint8ClampedArray>
                : V extends BigInt64Array
                  ? SameArray<V, BigInt64Array<ArrayBuffer>, BigInt64Array>
                  : V extends BigUint64Array
                    ? SameArray<V, BigUint64Array<ArrayBuffer>, BigUint64Array>
                    : V;

/**
 * What comes out of the store for what a function returned: a promise is unwrapped, and a numeric array may be over
 * any kind of buffer.
 */
export type Stored<R> = 0 extends 1 & R ? R : unknown extends R ? R : Widened<Awaited<R>>;

type TupleOf<
  Element,
  Length extends number,
  Tuple extends Element[] = [],
> = Tuple['length'] extends Length ? Tuple : TupleOf<Element, Length, [...Tuple, Element]>;

/** Tuples of 1,000 and more elements are beyond what the compiler builds; such calls give an array type. */
type RefTuple<
  Element,
  Length extends number,
> = `${Length}` extends `${infer _1}${infer _2}${infer _3}${infer _4}${string}`
  ? ObjectRef<Element>[]
  : TupleOf<ObjectRef<Element>, Length>;

type ElementRefs<R, N extends number> = R extends readonly unknown[]
  ? number extends R['length']
    ? RefTuple<Widened<R[number]>, N>
    : R['length'] extends N
      ? { -readonly [K in keyof R]: ObjectRef<Widened<R[K]>> }
      : never
  : never;

/**
 * What a call gives with `numReturns: N`: `undefined` for 0, one ref for 1, else a tuple of refs to the elements.
 * `never` where the result is no array, or a tuple of another length. With an N that is only known to be a `number`,
 * it is one of these.
 */
export type Returns<R, N extends number> = number extends N
  ? undefined | ObjectRef<R> | (R extends readonly (infer Element)[] ? ObjectRef<Element>[] : never)
  : N extends 0
    ? undefined
    : N extends 1
      ? ObjectRef<R>
      : 0 extends 1 & R
        ? RefTuple<R, N>
        : unknown extends R
          ? RefTuple<unknown, N>
          : ElementRefs<R, N>;

/** `never` is the default of a type parameter that options did not set. */
type ReturnsOr<Unchanged, R, N extends number> = [N] extends [never] ? Unchanged : Returns<R, N>;

/**
 * A function that runs in a worker. `R` is its result after `await`, `Result` what a call gives: by default one ref.
 * Calling it directly throws `InvalidArgumentError`, which is why it has no call signature.
 */
export interface RemoteFunction<Args extends readonly unknown[], R, Result = ObjectRef<R>> {
  /** Queues a call and returns at once. */
  remote(...args: Refables<Args>): Result;
  /** The same function with other options; those that are not given stay. */
  options<N extends number = never>(
    options: TaskOptions<N>,
  ): RemoteFunction<Args, R, ReturnsOr<Result, R, N>>;
}

/** Any class that can be made an actor. */
export type ActorClass = new (...args: never[]) => object;

/** A class whose instances live in processes of their own. */
export interface RemoteClass<C extends ActorClass> {
  /** Starts an actor and returns its handle at once. */
  remote(...args: Refables<ConstructorParameters<C>>): ActorHandle<InstanceType<C>>;
  /** The same class with other options; those that are not given stay. */
  options(options: ActorOptions): RemoteClass<C>;
}

/** A method on a handle. */
export interface ActorMethod<Args extends readonly unknown[], R, Result = ObjectRef<R>> {
  /** Queues a call and returns at once. Calls of one caller start in the order in which they were made. */
  remote(...args: Refables<Args>): Result;
  /** The same method with other options; those that are not given stay. */
  options<N extends number = never>(
    options: MethodOptions<N>,
  ): ActorMethod<Args, R, ReturnsOr<Result, R, N>>;
}

/** What every handle has, whatever its class. A method of the class with one of these names is not reachable. */
export interface AnyActorHandle {
  readonly actorId: string;
  /** Lets go of this handle. An actor that is not detached ends with its last handle. */
  dispose(): void;
  [Symbol.dispose](): void;
}

type AnyMethod = (...args: never[]) => unknown;

/** `remote`, `options` and `then` can't be names of methods; `remote(class)` refuses a class that has one. */
type MethodName<Instance> = {
  [K in keyof Instance]: K extends 'remote' | 'options' | 'then' | keyof AnyActorHandle | symbol
    ? never
    : Instance[K] extends AnyMethod
      ? K
      : never;
}[keyof Instance];

type ActorMethods<Instance> = {
  readonly [K in MethodName<Instance>]: Instance[K] extends (...args: infer Args) => infer R
    ? ActorMethod<Args, Stored<R>>
    : never;
};

/** A handle of an actor whose class has instances of type `Instance`. It can be sent to tasks and other actors. */
export type ActorHandle<Instance extends object> = AnyActorHandle &
  ActorMethods<Instance> & {
    /** Never there: it tells handles of different classes apart. */
    readonly [instanceType]?: () => Instance;
  };

/** The class of handles, for `value instanceof ActorHandle`. Constructing one throws `InvalidArgumentError`. */
export type ActorHandleClass = (abstract new (never: never) => AnyActorHandle) & {
  readonly prototype: AnyActorHandle;
};

/** The values of refs: of one, or of each element of an array; tuples stay tuples. */
export type GetResult<Refs> = Refs extends readonly unknown[]
  ? { -readonly [K in keyof Refs]: Unref<Refs[K]> }
  : Unref<Refs>;

/** The refs that are ready, and the others, each in the order in which they were given. */
export type WaitResult<Ref extends ObjectRef<unknown>> = [ready: Ref[], notReady: Ref[]];

/** What `init` gives. `await using context = await init()` shuts down at the end of the block. */
export interface InitContext extends AsyncDisposable {
  /** Where other drivers could reach this runtime; `null` while clusters are not supported. */
  readonly address: string | null;
  readonly nodeId: string;
  /** Where this session puts its files. It exists only while there are any, and is gone after `shutdown`. */
  readonly sessionDir: string;
  /** What the cluster has in all, by name. */
  readonly resources: Readonly<Record<string, number>>;
}

/** One machine of the cluster. */
export interface NodeInfo {
  readonly nodeId: string;
  readonly alive: boolean;
  readonly hostname: string;
  readonly resources: Readonly<Record<string, number>>;
}

/** What this version of Node can do for shared memory. */
export interface Capabilities {
  /** Numeric arrays come back over a `SharedArrayBuffer`, which costs the garbage collector nothing. */
  readonly externalSharedArrayBuffer: boolean;
}

/** Where this code runs: the driver, a task or an actor. `null` where there is no such thing. */
export interface RuntimeContext {
  readonly jobId: string;
  readonly nodeId: string;
  readonly workerId: string;
  readonly taskId: string | null;
  readonly taskName: string | null;
  readonly actorId: string | null;
  readonly actorName: string | null;
  readonly namespace: string;
  /** What this task or actor holds, by resource name. */
  readonly assignedResources: Readonly<Record<string, number>>;
  /** The GPUs that this task or actor may use, as in `CUDA_VISIBLE_DEVICES`. */
  readonly acceleratorIds: { readonly GPU: string[] };
  /** Whether this task was cancelled: the truth at each reading, also in a loop that never yields. */
  readonly isCanceled: boolean;
  /** Fires when this task is cancelled, as soon as the event loop comes round. */
  readonly signal: AbortSignal | null;
  /** A handle of the actor that this code runs in. */
  readonly currentActor: AnyActorHandle | null;
  readonly capabilities: Capabilities;
}

export interface RemoteSignature {
  /** Makes a class remote: each `.remote()` starts an actor. */
  <C extends ActorClass>(actorClass: C, options?: ActorOptions): RemoteClass<C>;
  /** Makes a function remote: each `.remote()` runs it in a worker. */
  <Args extends unknown[], R, N extends number = 1>(
    task: (...args: Args) => R,
    options?: TaskOptions<N>,
  ): RemoteFunction<Args, Stored<R>, Returns<Stored<R>, N>>;
}

/** Makes a function that gives a value of the process in which it is called; see `perProcess`. */
export type PerProcessSignature = <T>(make: () => T, options?: PerProcessOptions<T>) => () => T;

/**
 * The value of a ref, or the values of an array of refs in their order. Rejects with the error of the first task that
 * failed; what the others give is not lost.
 */
export type GetSignature = <const Refs extends ObjectRef<unknown> | readonly ObjectRef<unknown>[]>(
  refs: Refs,
  options?: GetOptions,
) => Promise<GetResult<Refs>>;

/** As `get`, but blocks this thread. */
export type GetSyncSignature = <
  const Refs extends ObjectRef<unknown> | readonly ObjectRef<unknown>[],
>(
  refs: Refs,
  options?: GetSyncOptions,
) => GetResult<Refs>;

export interface PutSignature {
  /** Stores the value once and returns a ref. */
  <A extends NumericArray>(value: A): ObjectRef<Stored<A>>;
  <T>(value: T): ObjectRef<T>;
}

/** Waits until `numReturns` of the refs are ready, or the time is over. */
export type WaitSignature = <Ref extends ObjectRef<unknown>>(
  refs: readonly Ref[],
  options?: WaitOptions,
) => Promise<WaitResult<Ref>>;

/** As `wait`, but blocks this thread. */
export type WaitSyncSignature = <Ref extends ObjectRef<unknown>>(
  refs: readonly Ref[],
  options?: WaitSyncOptions,
) => WaitResult<Ref>;

/**
 * An iterator that can be left before its end: by `break`, by `return()`, or at the end of the block that it was made
 * in by `await using`.
 */
export type Iteration<T> = AsyncIterableIterator<T, undefined> & AsyncDisposable;

/** The refs in the order in which they become ready, whether with a value or with an error. */
export type AsCompletedSignature = <Ref extends ObjectRef<unknown>>(
  refs: Iterable<Ref> | AsyncIterable<Ref>,
  options?: AsCompletedOptions,
) => Iteration<Ref>;

/** Anything where one argument is enough for a call; else what can never be given. */
type OneArgument<Args extends readonly unknown[]> = Args extends readonly []
  ? unknown
  : [Args[0]] extends Args
    ? unknown
    : { readonly 'map() calls it with one argument': never };

/** What `map` takes the first arguments of calls from. A function without parameters may be called with anything. */
type Items<Args extends readonly unknown[]> = Args extends readonly []
  ? Iterable<unknown> | AsyncIterable<unknown>
  : Iterable<Refable<Args[0]>> | AsyncIterable<Refable<Args[0]>>;

export interface MapSignature {
  /** The values that a remote function gives for each item. */
  <Args extends readonly unknown[], R>(
    items: Items<Args>,
    remoteFunction: OneArgument<Args> & RemoteFunction<Args, R>,
    options?: MapOptions,
  ): Iteration<R>;
  /** The values that a method of an actor gives for each item. */
  <Args extends readonly unknown[], R>(
    items: Items<Args>,
    method: OneArgument<Args> & ActorMethod<Args, R>,
    options?: MapOptions,
  ): Iteration<R>;
}

/** A typed array in the store's own memory, which `put` seals without a copy. */
export type AllocateSignature = <A extends TypedArray>(
  constructor: { readonly prototype: A; readonly BYTES_PER_ELEMENT: number },
  length: number,
) => A;

export type CancelSignature = (ref: ObjectRef<unknown>, options?: CancelOptions) => void;

export type KillSignature = (handle: AnyActorHandle, options?: KillOptions) => void;

/** Lets the actor end after the calls that are queued already. */
export type TerminateSignature = (handle: AnyActorHandle) => void;

/** A ref that is ready when the actor's constructor has run. */
export type ActorReadySignature = (handle: AnyActorHandle) => ObjectRef<void>;

/** The live actor of that name. The type of its instances is the caller's word: `getActor<Counter>('counter')`. */
export type GetActorSignature = <Instance extends object>(
  name: string,
  options?: GetActorOptions,
) => ActorHandle<Instance>;

/** Ends the actor that calls it. Does not return. */
export type ExitActorSignature = () => never;

export type InitSignature = (options?: InitOptions) => Promise<InitContext>;
export type ShutdownSignature = () => Promise<void>;
export type IsInitializedSignature = () => boolean;
export type ResourcesSignature = () => Record<string, number>;
export type NodesSignature = () => NodeInfo[];
export type RuntimeContextSignature = () => RuntimeContext;
