/**
 * The native module: the one file that loads it, and its interface.
 *
 * What comes back as a number of bytes is a record in the inbox; `OVERFLOW` plus the length means that the inbox is
 * too small. Records are described in `crates/core-worker/src/events.rs` and `executor.rs`.
 */

import { createRequire } from 'node:module';

import { type LoadFailure, cannotLoad, platformName, requireNode } from './platform.ts';
import type { Parser, Probe } from './shipping/index.ts';

/** Added to the length of a record that does not fit into the inbox. */
export const OVERFLOW = 2 ** 36;

export interface Quantity {
  name: string;
  quantity: number;
}

export interface Variable {
  name: string;
  value: string;
}

export interface FoundActor {
  /** 16 bytes. */
  id: Uint8Array;
  /** The actor's number in this process; 0 if an actor was found and not created. */
  number: number;
  /** What makes a handle, as JSON. */
  handle: string;
}

export interface ActorCreation {
  sequence: number;
  class: Uint8Array;
  exportHandle: number;
  className: string;
  name: string;
  namespace: string;
  detached: boolean;
  maxRestarts: number;
  placement: Quantity[];
  held: Quantity[];
  environment: number;
  maxConcurrency: number;
  methods: string[];
  handle: string;
  getIfExists: boolean;
}

export interface NodeState {
  total: Quantity[];
  available: Quantity[];
  storeUsed: number;
  storeTotal: number;
  workerPids: number[];
  objects: number;
  actors: number;
}

/** The calls that every task makes. They take and return numbers only: a flag is 1 or 0, nothing is 0. */
export interface HotCalls {
  /** Reads all operations; 1 if further ones may follow in this turn without saying so. */
  flush(more: number): number;
  /** The length of the events' records. */
  collect(spin: number): number;
  /** 1 if something has come in meanwhile; tasks count only if this process would take one now. */
  prepareToSleep(takesTasks: number): number;
  woken(): number;
  /** The length of the record, or the number of the wait, negated. */
  get(count: number): number;
  wait(count: number, needed: number): number;
  /** A `wait` for each single one that is not there: the length of the record, which lists those that are. */
  watch(count: number): number;
  withdraw(wait: number): number;
  /** The length of the next task's record; 0 if there is none, -1 if the slice that began with a call is over. */
  nextTask(spin: number, begins: number): number;
  /** Answers a task with the first `length` bytes of the results' buffer. */
  finish(token: number, length: number, retire: number): number;
  /** The handle of an id, with one more count on it. */
  borrow(owner: number, node: number, sequence: number): number;
  enterWait(): number;
  leaveWait(): number;
  /** 0: not cancelled. 1: cancelled, and this call counts as telling it. 2: cancelled, and told before. */
  tellCancellation(token: number): number;
}

/** A driver's or worker's runtime. */
export interface NativeRuntime {
  attach(submissions: Uint8Array, handles: Float64Array, inbox: Uint8Array): void;
  attachHandles(handles: Float64Array): void;
  attachResults(results: Uint8Array): void;
  hotCalls(): HotCalls;
  takeOverflow(target: Uint8Array): void;
  watch(wake: () => void): void;
  hold(hold: boolean): void;
  /** 16 bytes: the id of a running task, or with token 0 that of this process's actor. */
  taskId(token: number, sequence: number): Uint8Array;
  readyNow(count: number, needed: number): number;
  /**
   * The length of the record; -1: the time was over, -2: the task was cancelled, -3: the runtime has ended. Or what to do
   * before `blockAgain`: -4: collect garbage, -5: print lines.
   */
  block(count: number, needed: number, timeoutMs: number, token: number, keepCpus: boolean): number;
  blockAgain(timeoutMs: number): number;
  objectId(handle: number): Uint8Array | null;
  publish(handles: number[]): void;
  /** Makes room in the table for a value that this process will have later. */
  promise(sequence: number): void;
  /** Gives a promised value, which is small; the first one stands. */
  settle(handle: number, meta: Uint8Array, refs: number[], actors: number[]): void;
  /** Those of this process's objects that nobody refers to but whoever asks, here or elsewhere. Asks the raylet. */
  unheld(handles: number[]): number[];
  put(
    sequence: number,
    meta: Uint8Array,
    buffers: Uint8Array[],
    refs: number[],
    actors: number[],
    patient: boolean,
  ): void;
  allocate(length: number, shared: boolean, patient: boolean): ArrayBufferLike;
  attachView(handle: number, index: number, shared: boolean): ArrayBufferLike;
  /** A copy of what `attachView` gives, in memory of V8. */
  copyBuffer(handle: number, index: number): ArrayBuffer;
  /** Watches an object for its end without keeping it alive; its number. */
  watchObject(object: object): number;
  unwatchObject(number: number): void;
  /** The numbers of the watched objects that have been collected since the last time. */
  sweepObjects(): number[];
  /** Gives the store the room of collected buffers whose finalizers wait for a turn of the event loop. */
  copyGarbageOut(): void;
  /** Whether the raylet has asked for garbage to be collected; told once. */
  shallCollect(): boolean;
  fetchMeta(handle: number): Uint8Array | null;
  declareClass(resources: Quantity[], environment: number, pipelined: boolean): number;
  declareEnvironment(variables: Variable[]): number;
  declareTemplate(options: {
    function: Uint8Array;
    name: string;
    exportHandle: number;
    class: number;
    maxRetries: number;
  }): number;
  /** Takes back one use of a template, which each `declareTemplate` counts. */
  releaseTemplate(number: number): void;
  /** Tells V8's garbage collector of memory outside of its heap that objects in it keep. */
  adjustExternalMemory(change: number): void;
  createActor(creation: ActorCreation, record: Uint8Array): FoundActor;
  actorNumber(id: Uint8Array, ordered: boolean): number;
  openCalls(actor: number): number[];
  killActor(id: Uint8Array, mayRestart: boolean): void;
  findActor(name: string, namespace: string): FoundActor | null;
  /** False if it is refused: calls of actors can't be forced. */
  cancel(handle: number, force: boolean, recursive: boolean): boolean;
  node(): NodeState;
  ready(): void;
  function(number: number): number;
  storeResult(
    token: number,
    index: number,
    status: number,
    meta: Uint8Array,
    buffers: Uint8Array[],
    refs: number[],
    actors: number[],
    patient: boolean,
  ): void;
  /** What `storeResult` has stored for a task is no result of it after all. */
  discardResults(token: number): void;
  actorStarted(status: number, meta: Uint8Array): void;
  /** The constructor has thrown an error that was `put` under this number; it is let go of. */
  actorFailed(stored: number): void;
  isCancelled(token: number): boolean;
  gpuIds(): string[];
  collected(): void;
  /** Makes events of the failed results that nobody has looked at, before the runtime ends. */
  reportUnseen(): void;
  /** Runs nothing any more; an event follows when what this process has begun is done. */
  leave(reason: string): void;
  /** Says whether this worker has something to do when the runtime ends; then an event tells it. */
  endsInOrder(wanted: boolean): void;
  /** Waits until all that this process has said is out of it. */
  sayFarewell(): void;
  settings(): string;
  processNumber(): number;
  isEnded(): boolean;
  statistics(): { finished: number; open: number; inFlight: number; objects: number };
  shutDown(): void;
  /** Ends the runtime before it returns. The lines that workers had written can be collected afterwards. */
  endAtOnce(): void;
  /** Makes events of the lines that workers have written by now. */
  drainOutput(): void;
  close(): void;
}

/** What a driver starts with. */
export interface DriverOptions {
  resources: Quantity[];
  gpuIds: string[];
  storeBytes: number;
  program: string;
  arguments: string[];
  workingDirectory: string;
  environment: Variable[];
  settings: string;
  workerStartTimeoutMs: number;
}

/** A search algorithm with all that it was told (`bindings/native/src/search.rs`). Values are one number for each parameter. */
export interface NativeSearch {
  /** 0: the target has the values; 1: not before further trials are told; 2: there is nothing left. */
  ask(number: number, target: Float64Array): number;
  /** Random values. */
  sample(number: number, attempt: number, target: Float64Array): void;
  begin(number: number, values: Float64Array): void;
  /** What has come of a trial, also instead of what was told. 1: complete, 2: pruned, 3: failed. False if there is no such trial. */
  end(
    number: number,
    state: number,
    objectives: number[],
    lastStep: number,
    violation: number,
  ): boolean;
  /** False if no such trial runs. */
  report(number: number, step: number, objective: number): boolean;
  /** By parameter; NaN where nothing can be said. Throws where all results are the same. */
  importances(evaluator: string): number[];
  forget(number: number): void;
  score(values: Float64Array): {
    acquisition: number;
    parts: { name: string; value: number }[];
  } | null;
}

interface NativeModule extends Parser, Probe {
  startDriver(options: DriverOptions): NativeRuntime;
  connectWorker(): NativeRuntime;
  hasSharedViews(): boolean;
  detectMachine(): { cpus: number; cpusSource: string; memory: number; gpuIds: string[] };
  gpuIdsFor(count: number): string[];
  randomId(byteLength: number): string;
  contentId(bytes: Uint8Array): Uint8Array;
  isWorkerProcess(): boolean;
  isMainThread(): boolean;
  SearchEngine: new (
    parameters: object[],
    algorithm: object,
    metrics: number,
    seed: number,
  ) => NativeSearch;
  /** All is the better the less it is. */
  hypervolumeOf(points: number[][], reference: number[]): number;
  /** The places of those that no other one dominates. */
  firstFrontOf(points: number[][]): number[];
  /** What a population has gained, with bounds for each hyper-parameter. */
  BanditPopulation: new (low: number[], high: number[]) => NativeBandit;
}

/** A population's model. */
export interface NativeBandit {
  /** When a period has ended, the reward at its beginning, and how much it has risen in a unit of time. */
  observe(time: number, reward: number, change: number, values: number[]): void;
  /** The hyper-parameters for the next period; null if nothing is known. */
  next(question: {
    running: number[][];
    time: number;
    reward: number;
    seed: number;
    number: number;
  }): number[] | null;
}

/** By their names, as `require` takes them here: a build in the working copy first; users have the platform's package. */
function candidates(platform: string): string[] {
  return [`./eagleray.${platform}.node`, `eagleray-${platform}`];
}

function load(): NativeModule {
  requireNode();
  const platform = platformName();
  const require = createRequire(import.meta.url);
  const failures: LoadFailure[] = [];
  for (const specifier of candidates(platform)) {
    try {
      return require(specifier) as NativeModule;
    } catch (error) {
      failures.push({ specifier, path: pathOf(require, specifier), error: error as Error });
    }
  }
  throw cannotLoad(platform, failures, (specifier) => pathOf(require, specifier) !== undefined);
}

/** Where a module is; undefined if it is nowhere. */
function pathOf(require: NodeJS.Require, specifier: string): string | undefined {
  try {
    return require.resolve(specifier);
  } catch {
    return undefined;
  }
}

let loaded: NativeModule | undefined;

/**
 * The native module, loaded at the first call: whoever only imports the SDK needs none.
 *
 * @throws NotSupportedError where there is none for this platform, it can't be loaded, or this is not Node
 */
export function native(): NativeModule {
  return (loaded ??= load());
}

/** What this Node can do for shared memory. */
export function capabilities(): { readonly externalSharedArrayBuffer: boolean } {
  return (known ??= Object.freeze({ externalSharedArrayBuffer: native().hasSharedViews() }));
}

let known: { readonly externalSharedArrayBuffer: boolean } | undefined;
