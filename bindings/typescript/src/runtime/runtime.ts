/**
 * What the public API asks of a runtime, and nothing else: the one seam behind which another runtime can take the place
 * of the native one (a cluster, or one inside this process). `session.ts` has the native one.
 */

import type { FoundActor, NodeState, Quantity } from '../native.ts';
import type { ObjectRefImplementation, RefKeeper } from '../object-ref.ts';
import type { PendingCalls } from './pending-calls.ts';

/** What all processes of a runtime are told at their start. */
export interface Settings {
  readonly jobId: string;
  readonly nodeId: string;
  readonly sessionDir: string;
  readonly namespace: string;
  readonly resources: Readonly<Record<string, number>>;
  readonly entryUrls: readonly string[];
}

/** What `get` or `wait` was asked to do besides. */
export interface WaitLimits {
  readonly timeoutMs: number | null;
  readonly signal: AbortSignal | null;
  /** Whether a task that waits keeps its CPUs. */
  readonly keepCpus: boolean;
}

/** Whoever watches refs. */
export interface ReadyListener {
  /** A ref is ready. `index` is the number that it was watched under. */
  ready(index: number, ref: ObjectRefImplementation): void;
}

/** A wait that whoever began it settles. */
export interface LocalWait<R> {
  readonly promise: Promise<R>;
  /** False once anything has ended it. */
  isOpen(): boolean;
  /** Ends it, unless something else has ended it before. */
  settle(value: R): void;
  /** Ends it with an error, unless something else has ended it before. */
  fail(error: unknown): void;
}

/** A function or class that workers can be told of. */
export interface Exported {
  /** 16 bytes: equal content has equal ids, unless it holds large memory. */
  readonly id: Uint8Array;
  /** The object that holds it. */
  readonly ref: ObjectRefImplementation;
  /** What has to be known to export the same function once more: its part of the object's envelope, and its buffers. */
  readonly functionLength: number;
  readonly bufferCount: number;
  readonly holders: readonly object[];
  /** It is worth while to look for its end as soon as the store needs room. */
  readonly isLarge: boolean;
}

/** A remote function with certain options. */
export interface FunctionDeclaration {
  readonly exported: Exported;
  /** What errors call its tasks. */
  readonly name: string;
  readonly resources: readonly Quantity[];
  readonly environment: number;
  /** Several calls may be sent to a worker at a time; not so if workers retire after some calls. */
  readonly pipelined: boolean;
  readonly maxRetries: number;
}

/** A remote function with certain options, as the native module knows it; that forgets it when this is garbage. */
export interface DeclaredFunction {
  readonly number: number;
  /** Keeps the exported function in the store. */
  readonly exported: Exported;
  /** How many calls were made. Counting one when it is submitted keeps all this from being garbage before that. */
  calls: number;
}

/** An actor to create. */
export interface ActorDeclaration {
  readonly exported: Exported;
  readonly className: string;
  /** Empty: it has none. */
  readonly name: string;
  readonly namespace: string;
  readonly detached: boolean;
  readonly maxRestarts: number;
  readonly placement: Quantity[];
  readonly held: Quantity[];
  readonly environment: number;
  readonly maxConcurrency: number;
  readonly methods: string[];
  /** What makes a handle, as JSON. */
  readonly handle: string;
  readonly getIfExists: boolean;
}

export interface Runtime extends RefKeeper {
  readonly settings: Settings;
  readonly processNumber: number;
  /** True once it has ended: every further call but `dispose…` fails. */
  readonly isClosed: boolean;
  /** True once `shutDown` was called. */
  readonly isEnding: boolean;

  // Objects
  put(value: unknown): ObjectRefImplementation;
  get(refs: readonly ObjectRefImplementation[], limits: WaitLimits): Promise<unknown[]>;
  getSync(refs: readonly ObjectRefImplementation[], limits: WaitLimits): unknown[];
  /** The positions of the refs that are ready. */
  wait(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    limits: WaitLimits,
  ): Promise<number[]>;
  waitSync(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    timeoutMs: number | null,
  ): number[];
  /**
   * Has a listener told when a ref is ready, once, by the index that it gives. True if it is ready already; then it is not
   * told.
   */
  watch(ref: ObjectRefImplementation, listener: ReadyListener, index: number): boolean;
  /** The same for several, whose indices ascend from `first`: the positions of those that are ready. */
  watchAll(
    refs: readonly ObjectRefImplementation[],
    listener: ReadyListener,
    first: number,
  ): number[];
  /** Takes in what has happened by now, so that listeners are told. */
  takeEvents(): void;
  /** Nothing more is told to a listener. */
  unwatch(listener: ReadyListener): void;
  /**
   * A wait of the code that runs now that ends when somebody here says so, or as every other wait does: when its time is
   * over, by its signal, with the task that it is of, or with the runtime.
   */
  waitLocally<R>(
    limits: WaitLimits,
    refs: readonly ObjectRefImplementation[],
    timedOut: () => R,
  ): LocalWait<R>;
  allocate(byteLength: number, shared: boolean): ArrayBufferLike;
  cancel(ref: ObjectRefImplementation, force: boolean, recursive: boolean): void;
  /** A ref of an object of this process that has no value until `settle` is called. */
  promise(): ObjectRefImplementation;
  /** The object of `promise` is ready: whoever waits for it, anywhere, is told. The ref is disposed. */
  settle(ref: ObjectRefImplementation): void;
  /** A further ref of the object of an id. */
  refOf(id: Uint8Array): ObjectRefImplementation;

  // Tasks
  /** Refuses what this runtime can never have. */
  requireFeasible(asked: Readonly<Record<string, number>>, name: string): void;
  /** Number of an environment; 0 is the default one. */
  environment(variables: Readonly<Record<string, string>>): number;
  /**
   * Stores a function or class, so that workers can be told of it.
   *
   * @param source the function or class, which is captured now; or an export of it: then as it was captured for that.
   * @param use what workers are told of it besides.
   */
  export(source: Function | Exported, use: object, name: string): Exported;
  /** Makes a remote function with certain options known. What it holds is freed when what this returns is garbage. */
  declareFunction(declaration: FunctionDeclaration): DeclaredFunction;
  /** Submits a task: a ref, a list of refs, or undefined, by the number of results. */
  submit(
    declared: DeclaredFunction,
    resultCount: number,
    values: readonly unknown[],
    name: string,
  ): unknown;

  // Actors
  createActor(declaration: ActorDeclaration, values: readonly unknown[]): FoundActor;
  findActor(name: string, namespace: string): FoundActor | null;
  /** This process's number for an actor, with one more count on it. */
  actorNumber(id: Uint8Array, ordered: boolean): number;
  registerActor(holder: object, actor: number): void;
  disposeActor(holder: object, actor: number): void;
  /**
   * Calls a method. `repeatsErrors`: the last value says which errors repeat the call. `pending` is told of the call.
   */
  call(
    actor: number,
    method: number,
    repeatsErrors: boolean,
    resultCount: number,
    retries: number,
    values: readonly unknown[],
    name: string,
    pending: PendingCalls | undefined,
  ): unknown;
  /** Calls that this process made of the actor and that have not ended, by the numbers that `pending` was told. */
  openCalls(actor: number): number[];
  killActor(id: Uint8Array, mayRestart: boolean): void;
  /** Ends an actor after the calls that this process has queued. */
  terminate(actor: number): void;

  // What is seen of it
  node(): NodeState;
  /** The GPUs of the running task or actor. */
  gpuIds(): string[];
  isCancelled(token: number): boolean;
  shutDown(): Promise<void>;
  /** Lets go of everything at once: the process ends. */
  end(): void;
}
