/**
 * The runtime of a process: the SDK's implementation over the native core worker.
 *
 * Everything that the public API does to a cluster passes the methods of this class and no others; a second
 * implementation (a real Ray cluster) replaces this file, not the API.
 *
 * JavaScript works in *turns*: the first operation of a turn is handed over at once, so that work begins while the
 * program goes on; further ones are written into a buffer and handed over some at a time, when the turn ends (a
 * microtask), or by the native module's pacemaker if the program computes for long without ending its turn.
 */

import { createHash, randomBytes } from 'node:crypto';
import v8 from 'node:v8';
import vm from 'node:vm';

import {
  Decoder,
  type ConstructedFunction,
  type DecodeHooks,
  type EncodeHooks,
  Encoder,
  type FunctionSkeleton,
  type OutOfBand,
  type Reference,
  type ValuePath,
  requiredModules,
} from '../codec/index.ts';
import {
  EaglerayError,
  GetTimeoutError,
  InfeasibleResourcesError,
  InvalidArgumentError,
  NotInitializedError,
  ObjectStoreFullError,
  TaskCancelledError,
} from '../errors.ts';
import { type FoundActor, type HotCalls, type NativeRuntime, OVERFLOW, native } from '../native.ts';
import { type LocalValue, ObjectRefImplementation } from '../object-ref.ts';
import {
  constructFunction,
  describe,
  load,
  moduleNamespace,
  moduleUrl,
} from '../shipping/index.ts';
import { constructRemote, describeRemote } from './remote-values.ts';
import {
  EVENT_CANCELLED,
  EVENT_COLLECT,
  EVENT_EXIT,
  EVENT_GET,
  EVENT_OUTPUT,
  EVENT_RAYLET_GONE,
  EVENT_UNHANDLED,
  EVENT_WAIT,
  Records,
  STATUS_SYSTEM_ERROR,
  STATUS_VALUE,
  fromNative,
  readSystemError,
  readValue,
} from './records.ts';
import {
  type Argument,
  OPERATION_CALL,
  OPERATION_CREATE,
  OPERATION_MAX,
  OPERATION_TASK,
  OPERATION_TERMINATE,
  type Submission,
  Submissions,
} from './submissions.ts';

/** An envelope above this goes to the store; also the largest value that stays in JavaScript only. */
export const INLINE_MAX = 64 * 1024;
const INBOX_BYTES = 1 << 20;
/** In a turn that makes many calls, so many are handed over at a time: workers begin while others are written. */
const CALLS_PER_FLUSH = 32;
const HANDLES_MIN = 4096;

/** What all processes of a runtime are told at their start. */
export interface Settings {
  readonly jobId: string;
  readonly nodeId: string;
  readonly sessionDir: string;
  readonly namespace: string;
  readonly resources: Readonly<Record<string, number>>;
  readonly entryUrls: readonly string[];
}

/** What runs in this process at the moment; the driver has none. */
export interface CurrentTask {
  /** The native module's token; 0 in the driver and in constructors. */
  readonly token: number;
  /** `get`s of tasks give their CPU back; those of actors don't. */
  readonly givesCpuBack: boolean;
}

/** The task was cancelled, and has just been told by the call that returned this. */
const CANCELLED_FRESH = 1;

const NO_TASK: CurrentTask = { token: 0, givesCpuBack: false };

interface PendingWait {
  readonly token: number;
  /** What it waits for. */
  readonly refs: readonly object[];
  /** The task knew that it was cancelled when it began to wait, so that this wait is for cleaning up. */
  readonly knowing: boolean;
  /** Refs that were disposed meanwhile: they are let go when it has ended. */
  disposed?: { readonly ref: object; readonly handle: number }[];
  settle(records: Records, at: number, count: number): void;
  fail(error: unknown): void;
}

/** What the session reports to the process that it belongs to. */
export interface SessionListener {
  output(name: string, pid: number, isError: boolean, text: string): void;
  unhandled(error: unknown): void;
  cancelled(token: number): void;
  exit(): void;
  /** The raylet is gone; nothing can be done with this session any more. */
  ended(): void;
}

/** An encoded value, as the native module takes it. */
interface Encoded {
  readonly meta: Uint8Array;
  readonly buffers: Uint8Array[];
  /** Handles of refs; actors as their number below zero, less one. */
  readonly nested: number[];
}

/** True if a value that was encoded by itself can travel without the store. */
export function isInline(encoder: Encoder): boolean {
  return (
    encoder.length <= INLINE_MAX && encoder.buffers.length === 0 && encoder.nested.length === 0
  );
}

/** Refs of one value that are let go together. */
interface RefGroup {
  count: number;
  current: number[] | undefined;
  owner: object | undefined;
}

/** So many refs of a value are let go one by one; further ones in groups of `GROUP_SIZE`. */
const UNGROUPED_REFS_MAX = 256;
const GROUP_SIZE = 32;

/** What `get` was asked to do besides. */
export interface WaitLimits {
  readonly timeoutMs: number | null;
  readonly signal: AbortSignal | null;
}

/** The longest delay that Node's timers take; longer ones are waited for in parts. */
const TIMER_MAX_MS = 2 ** 31 - 1;

export class NativeSession {
  readonly native: NativeRuntime;
  readonly calls: HotCalls;
  readonly settings: Settings;
  readonly processNumber: number;
  /** Whether the process is kept alive also when nothing is awaited. */
  private readonly alwaysHeld: boolean;
  private readonly listener: SessionListener;
  private readonly submissions = new Submissions();
  private inbox = new Records(INBOX_BYTES);
  private handles = new Float64Array(HANDLES_MIN);
  private readonly waits = new Map<number, PendingWait>();
  private nextSequence = 1;
  private turnOpen = false;
  /** Calls that were written in this turn since the last flush. */
  private turnCalls = 0;
  private held = false;
  private closed = false;
  private shuttingDown: Promise<void> | undefined;
  private readonly encoder: Encoder;
  private readonly decoder = new Decoder();
  private readonly encodeHooks: EncodeHooks;
  private readonly registry = new FinalizationRegistry((handle: number) =>
    this.releaseLater(handle),
  );
  /**
   * Fresh refs: the results of this process's own calls. There is one for each number, so they do without the token by
   * which a registration could be withdrawn, and which costs more than the registration; `disposed` withdraws it.
   */
  private readonly freshRegistry = new FinalizationRegistry((handle: number) => {
    if (!this.disposed.delete(handle)) this.releaseLater(handle);
  });
  /** Fresh refs that were disposed: the end of their JavaScript object, which comes later, means nothing. */
  private readonly disposed = new Set<number>();
  private readonly groupRegistry = new FinalizationRegistry((handles: number[]) => {
    for (const handle of handles) this.releaseLater(handle);
  });
  private readonly actorRegistry = new FinalizationRegistry((actor: number) =>
    this.releaseActorLater(actor),
  );
  /** The task that runs here now. */
  current: () => CurrentTask = () => NO_TASK;
  /** Runs after all records of a wake-up were read: a worker looks for tasks. */
  afterWake: (() => void) | undefined;

  constructor(runtime: NativeRuntime, listener: SessionListener, alwaysHeld: boolean) {
    this.native = runtime;
    this.calls = runtime.hotCalls();
    this.listener = listener;
    this.alwaysHeld = alwaysHeld;
    this.settings = JSON.parse(runtime.settings()) as Settings;
    this.processNumber = runtime.processNumber();
    this.encodeHooks = {
      reference: (value) => this.referenceOf(value),
      describeFunction: (fn, path: ValuePath) => describeRemote(fn) ?? describe(fn, path),
      moduleUrl,
    };
    this.encoder = new Encoder(this.encodeHooks);
    runtime.attach(this.submissions.bytes, this.handles, this.inbox.bytes);
    runtime.watch(() => this.wake());
    if (alwaysHeld) this.hold();
  }

  // ---- turns

  /** Hands over what was written, and sees to it that the rest of this turn follows. */
  private openTurn(): void {
    if (!this.turnOpen) this.scheduleTurn();
    else if (++this.turnCalls < CALLS_PER_FLUSH) return;
    this.turnCalls = 0;
    this.calls.flush(1);
    this.submissions.reset();
  }

  private scheduleTurn(): void {
    if (this.turnOpen) return;
    this.turnOpen = true;
    queueMicrotask(this.endTurn);
  }

  private readonly endTurn = (): void => {
    this.turnOpen = false;
    this.turnCalls = 0;
    if (this.closed) return;
    this.calls.flush(0);
    this.submissions.reset();
    this.poll(this.waits.size > 0);
  };

  /** Makes the native module read all operations now, and looks for events when the turn ends. */
  private handOver(): void {
    this.scheduleTurn();
    this.calls.flush(0);
    this.submissions.reset();
  }

  private reserve(byteLength: number): void {
    if (this.submissions.fits(byteLength)) return;
    this.handOver();
    if (!this.submissions.fits(byteLength)) {
      throw new InvalidArgumentError(
        `a single remote call takes ${byteLength} bytes besides what is in the store; at most ${OPERATION_MAX} are ` +
          'possible. Pass fewer arguments, or one array that holds them',
        { argument: 'args', value: byteLength, allowed: `at most ${OPERATION_MAX} bytes` },
      );
    }
  }

  private wake(): void {
    if (this.closed) return;
    this.calls.woken();
    this.poll(false);
    this.afterWake?.();
  }

  /** Reads the events that a look for tasks has brought along, and has the doorbell rung for the next ones. */
  takeEvents(): void {
    if (!this.closed) this.poll(false);
  }

  /** Reads all events. */
  private poll(spin: boolean): void {
    let maySpin = spin ? 1 : 0;
    do {
      for (;;) {
        const length = this.calls.collect(maySpin);
        maySpin = 0;
        if (length === 0) break;
        this.readEvents(this.received(length), length >= OVERFLOW ? length - OVERFLOW : length);
        if (this.closed) return;
      }
    } while (this.calls.prepareToSleep(0) !== 0);
    this.hold();
  }

  private hold(): void {
    const hold = !this.closed && (this.alwaysHeld || this.waits.size > 0);
    if (hold === this.held) return;
    this.held = hold;
    this.native.hold(hold);
  }

  /** The records of a call: the inbox, or a buffer of their own if they were too many. */
  received(length: number): Records {
    if (length < OVERFLOW) return this.inbox;
    const records = new Records(length - OVERFLOW);
    this.native.takeOverflow(records.bytes);
    return records;
  }

  private readEvents(shared: Records, length: number): void {
    // Settling may start calls that use the inbox, so events are read from a copy of their own.
    const records = shared === this.inbox ? shared.copy(0, length) : shared;
    let at = 0;
    while (at < length) {
      const word = at >>> 2;
      const size = records.u32[word]!;
      this.readEvent(records, at, records.u32[word + 1]!);
      at += size;
    }
  }

  private readEvent(records: Records, at: number, kind: number): void {
    const word = at >>> 2;
    const { u32 } = records;
    switch (kind) {
      case EVENT_GET:
      case EVENT_WAIT: {
        const number = u32[word + 2]!;
        const wait = this.waits.get(number);
        this.waits.delete(number);
        wait?.settle(records, at + 16, u32[word + 3]!);
        return;
      }
      case EVENT_UNHANDLED:
        this.withValue(records, at + 8, (error) => this.listener.unhandled(error));
        return;
      case EVENT_OUTPUT: {
        const nameEnd = at + 24 + u32[word + 4]!;
        const text = (start: number, end: number) =>
          Buffer.from(records.bytes.buffer, start, end - start).toString();
        this.listener.output(
          text(at + 24, nameEnd),
          u32[word + 2]!,
          u32[word + 3] === 1,
          text(nameEnd, nameEnd + u32[word + 5]!),
        );
        return;
      }
      case EVENT_CANCELLED:
        this.interrupt(u32[word + 2]!);
        return;
      case EVENT_EXIT:
        this.listener.exit();
        return;
      case EVENT_COLLECT:
        collectGarbage();
        // What the collector frees is reported by finalizers, which run in later turns.
        setTimeout(() => {
          if (!this.closed) this.native.collected();
        }, 0).unref();
        return;
      case EVENT_RAYLET_GONE:
        this.end();
    }
  }

  /** A task that runs here was cancelled: what it waits for is interrupted. */
  private interrupt(token: number): void {
    this.listener.cancelled(token);
    for (const [number, wait] of this.waits) {
      if (wait.token !== token || wait.knowing) continue;
      this.waits.delete(number);
      this.calls.withdraw(number);
      // This tells the task; if it waits for nothing now, its next wait does.
      this.calls.tellCancellation(token);
      wait.fail(new TaskCancelledError(''));
    }
  }

  /** The runtime is over: whoever waits is told. */
  end(): void {
    if (this.closed) return;
    this.closed = true;
    const pending = [...this.waits.values()];
    this.waits.clear();
    this.native.close();
    for (const wait of pending) wait.fail(new NotInitializedError('the runtime has ended'));
    this.listener.ended();
  }

  get isClosed(): boolean {
    return this.closed;
  }

  private requireOpen(): void {
    if (this.closed)
      throw new NotInitializedError('the runtime has ended; call init() to start a new one');
  }

  // ---- values

  private referenceOf(value: object): Reference | undefined {
    if (value instanceof ObjectRefImplementation) {
      this.requireOwn(value);
      this.define(value);
      return { kind: 'ref', bytes: this.idOf(value), handle: value.handle } as Reference;
    }
    if (value instanceof ActorReference) {
      return { kind: 'actor', bytes: value.id, handle: -value.number - 1 } as Reference;
    }
    return undefined;
  }

  private requireOwn(ref: ObjectRefImplementation): void {
    if (ref.handle === -1 || ref.session !== this) {
      throw new InvalidArgumentError(
        ref.handle === -1
          ? 'a value holds a ref that was disposed'
          : 'a value holds a ref of a runtime that has ended',
        { argument: 'value', value: 'an ObjectRef', allowed: 'refs that this runtime still holds' },
      );
    }
  }

  /** The numbers of refs and actors inside what was encoded. */
  private nestedOf(references: readonly Reference[]): number[] {
    return references.map((reference) => (reference as Reference & { handle: number }).handle);
  }

  /** 16 bytes: owner, node, sequence. */
  idOf(ref: ObjectRefImplementation): Uint8Array {
    if (ref.handle === -1) {
      throw new InvalidArgumentError('the ref was disposed', {
        argument: 'ref',
        value: 'a disposed ref',
      });
    }
    const id = new Uint8Array(16);
    if (ref.handle < 2 ** 52) {
      const view = new DataView(id.buffer);
      view.setUint32(0, this.processNumber, true);
      view.setBigUint64(8, BigInt(ref.handle), true);
      return id;
    }
    return this.native.objectId(ref.handle) ?? id;
  }

  /**
   * A ref inside a value. Long lists of refs are let go in groups: registering each with the garbage collector would
   * cost more than all the rest.
   */
  adoptNested(bytes: Uint8Array, group: RefGroup): ObjectRefImplementation {
    const handle = this.borrow(bytes);
    if (++group.count <= UNGROUPED_REFS_MAX) return this.adopt(handle);
    let { current } = group;
    if (current === undefined || current.length === GROUP_SIZE) {
      current = group.current = [];
      const owner = {};
      this.groupRegistry.register(owner, current);
      group.owner = owner;
    }
    const ref = new ObjectRefImplementation(this, handle);
    current.push(handle);
    ref.group = { handles: current, owner: group.owner! };
    return ref;
  }

  /** The handle of an id (16 bytes), with one more count on it. */
  borrow(id: Uint8Array): number {
    idBytes.set(id);
    return this.calls.borrow(idWords[0]!, idWords[1]!, idWords[2]! + idWords[3]! * 2 ** 32);
  }

  /** A ref for a handle on which the native module holds one count for it. */
  adopt(handle: number): ObjectRefImplementation {
    const ref = new ObjectRefImplementation(this, handle);
    this.registry.register(ref, handle, ref);
    return ref;
  }

  /** A ref of a result of this process's own calls. */
  private adoptFresh(sequence: number): ObjectRefImplementation {
    const ref = new ObjectRefImplementation(this, sequence);
    ref.fresh = true;
    this.freshRegistry.register(ref, sequence);
    return ref;
  }

  /** Decodes the value at a place of a record. Returns a promise if modules have to be loaded first. */
  decodeAt(records: Records, at: number): { value: unknown } | Promise<{ value: unknown }> {
    const record = readValue(records, at);
    let { bytes } = records;
    let { metaStart, metaEnd } = record;
    if (record.fetch) {
      bytes = this.native.fetchMeta(record.handle) ?? new Uint8Array(0);
      metaStart = 0;
      metaEnd = bytes.length;
    }
    if (record.status === STATUS_SYSTEM_ERROR) {
      throw readSystemError(bytes.slice(metaStart, metaEnd), (status, meta) =>
        this.decodeCause(status, meta),
      );
    }
    const finish = (): { value: unknown } => {
      const value = this.decoder.decode(
        bytes,
        metaStart,
        metaEnd,
        new ArrivingValue(this, record.handle),
      );
      if (record.status !== STATUS_VALUE) throw value;
      return { value };
    };
    const loading = load(requiredModules(bytes, metaStart, metaEnd));
    if (loading === undefined) return finish();
    return loading.then(finish);
  }

  /** Decodes an envelope whose modules are loaded. */
  decodeBytes(bytes: Uint8Array, start: number, end: number): unknown {
    return this.decoder.decode(bytes, start, end, new ArrivingValue(this, 0));
  }

  /** The modules that the value at a place of a record needs. */
  modulesOfValue(records: Records, at: number): readonly string[] {
    const record = readValue(records, at);
    if (!record.fetch) return requiredModules(records.bytes, record.metaStart, record.metaEnd);
    return requiredModules(this.native.fetchMeta(record.handle) ?? new Uint8Array(0));
  }

  private decodeCause(status: number, meta: Uint8Array): unknown {
    try {
      if (status === STATUS_SYSTEM_ERROR) {
        return readSystemError(meta, (inner, bytes) => this.decodeCause(inner, bytes));
      }
      return this.decoder.decode(meta, 0, meta.length, new ArrivingValue(this, 0));
    } catch (error) {
      // The cause explains an error that is being reported; one that can't be read is replaced by why.
      return error;
    }
  }

  /** Calls back with the value at a place, or with the error that it is. */
  private withValue(records: Records, at: number, use: (value: unknown) => void): void {
    try {
      const decoded = this.decodeAt(records, at);
      if (decoded instanceof Promise) decoded.then(({ value }) => use(value), use);
      else use(decoded.value);
    } catch (error) {
      use(error);
    }
  }

  /** An encoder that is not in use: user code that runs while one encodes may call the API. */
  private freeEncoder(): Encoder {
    const encoder = this.encoder.busy ? new Encoder(this.encodeHooks) : this.encoder;
    encoder.reset();
    return encoder;
  }

  /** Encodes one value by itself. What is in the encoder stays until the next value is encoded. */
  encodeAlone(value: unknown, root: string): Encoder {
    const encoder = this.freeEncoder();
    encoder.encode(value, root);
    return encoder;
  }

  /** Encodes one value by itself, as the native module takes it. */
  encode(value: unknown, root: string): Encoded {
    return this.takeEncoded(this.encodeAlone(value, root));
  }

  /** What was encoded, as the native module takes it. */
  takeEncoded(encoder: Encoder): Encoded {
    return {
      meta: encoder.bytes.subarray(0, encoder.length),
      buffers: encoder.buffers.map(bytesOf),
      nested: this.nestedOf(encoder.nested),
    };
  }

  // ---- objects

  /** Stores a value. */
  put(value: unknown): ObjectRefImplementation {
    this.requireOpen();
    const sequence = this.nextSequence++;
    if (isPrimitive(value)) {
      return new ObjectRefImplementation(this, sequence, { kind: 'primitive', value });
    }
    const encoder = this.encodeAlone(value, 'value');
    if (isInline(encoder)) {
      // A copy that is no Buffer: `bytes` is the encoder's own memory.
      const bytes = new Uint8Array(encoder.bytes.subarray(0, encoder.length));
      return new ObjectRefImplementation(this, sequence, { kind: 'envelope', bytes });
    }
    const { meta, buffers, nested } = this.takeEncoded(encoder);
    this.store(sequence, meta, buffers, nested);
    return this.adopt(sequence);
  }

  private store(sequence: number, meta: Uint8Array, buffers: Uint8Array[], nested: number[]): void {
    const refs = nested.filter((handle) => handle >= 0);
    const actors = nested.filter((handle) => handle < 0).map((handle) => -handle - 1);
    this.withRoom((patient) => this.native.put(sequence, meta, buffers, refs, actors, patient));
  }

  /** Runs what needs room in the store; if it is full, once more after collecting garbage here and elsewhere. */
  withRoom<R>(action: (patient: boolean) => R): R {
    try {
      return action(false);
    } catch (error) {
      const first = fromNative(error);
      if (!(first instanceof ObjectStoreFullError)) throw first;
    }
    collectGarbage();
    this.handOver();
    try {
      return action(true);
    } catch (error) {
      throw fromNative(error);
    }
  }

  /** Tells the native module of a value that only JavaScript knew. */
  define(ref: ObjectRefImplementation): void {
    const { local } = ref;
    if (local === undefined) return;
    ref.local = undefined;
    const meta = this.envelopeOf(local);
    this.reserve(meta.length + 64);
    this.submissions.define(ref.handle, [], meta);
    this.registry.register(ref, ref.handle, ref);
    this.scheduleTurn();
  }

  /** The envelope, until the next use of an encoder. */
  private envelopeOf(local: LocalValue): Uint8Array {
    if (local.kind === 'envelope') return local.bytes;
    const encoder = this.encoder.busy ? new Encoder(this.encodeHooks) : this.encoder;
    const start = encoder.length;
    encoder.encode(local.value);
    return encoder.bytes.subarray(start, encoder.length);
  }

  disposeRef(ref: ObjectRefImplementation): void {
    const { handle } = ref;
    if (handle === -1) return;
    ref.handle = -1;
    if (ref.local !== undefined || this.closed) return;
    if (ref.fresh) {
      this.disposed.add(handle);
    } else if (ref.group === undefined) {
      this.registry.unregister(ref);
    } else {
      const { handles } = ref.group;
      handles.splice(handles.indexOf(handle), 1);
    }
    this.releaseUnawaited(ref, handle);
  }

  /** Lets go of a disposed ref, unless somebody still waits for it: then the end of that wait does. */
  private releaseUnawaited(ref: object, handle: number): void {
    for (const wait of this.waits.values()) {
      if (!wait.refs.includes(ref)) continue;
      (wait.disposed ??= []).push({ ref, handle });
      return;
    }
    this.releaseLater(handle);
  }

  /** A wait has ended, and what it waited for is read. */
  private releaseDisposed({ disposed }: PendingWait): void {
    if (disposed === undefined) return;
    for (const { handle, ref } of disposed) this.releaseUnawaited(ref, handle);
  }

  private releaseLater(handle: number): void {
    if (this.closed) return;
    this.reserve(16);
    this.submissions.release(handle);
    this.scheduleTurn();
  }

  /** Counts an actor handle that JavaScript holds. */
  registerActor(holder: object, actor: number): void {
    this.actorRegistry.register(holder, actor, holder);
  }

  disposeActor(holder: object, actor: number): void {
    this.actorRegistry.unregister(holder);
    this.releaseActorLater(actor);
  }

  private releaseActorLater(actor: number): void {
    if (this.closed) return;
    this.reserve(16);
    this.submissions.releaseActor(actor);
    this.scheduleTurn();
  }

  private fillHandles(refs: readonly ObjectRefImplementation[]): void {
    if (refs.length > this.handles.length) {
      this.handles = new Float64Array(Math.max(refs.length, this.handles.length * 2));
      this.native.attachHandles(this.handles);
    }
    const { handles } = this;
    for (let index = 0; index < refs.length; index++) {
      const ref = refs[index]!;
      if (ref.local !== undefined) this.define(ref);
      handles[index] = ref.handle;
    }
  }

  /** The value of a ref that only JavaScript knows. */
  private localValue(local: LocalValue): unknown {
    if (local.kind === 'primitive') return local.value;
    const loading = load(requiredModules(local.bytes));
    if (loading !== undefined) return undefined;
    return this.decoder.decode(local.bytes, 0, local.bytes.length, new ArrivingValue(this, 0));
  }

  /** The values of refs, in order. */
  get(refs: readonly ObjectRefImplementation[], limits: WaitLimits): Promise<unknown[]> {
    if (this.closed) return Promise.reject(new NotInitializedError('the runtime has ended'));
    if (limits.signal?.aborted === true) return Promise.reject(limits.signal.reason as Error);
    const single = refs.length === 1 ? refs[0]! : undefined;
    if (single !== undefined) {
      if (single.failure !== undefined) return Promise.reject(single.failure.error as Error);
      if (single.local !== undefined) return this.getLocal(single.local);
    }
    try {
      this.fillHandles(refs);
      const result = this.calls.get(refs.length);
      if (result > 0) {
        const records = this.received(result);
        return this.readValues(records, 16, records.u32[3]!, refs);
      }
      return this.pending(-result, limits, refs, (records, at, count) =>
        this.readValues(records, at, count, refs),
      );
    } catch (error) {
      return Promise.reject(fromNative(error) as Error);
    }
  }

  private getLocal(local: LocalValue): Promise<unknown[]> {
    try {
      if (local.kind === 'envelope') {
        const loading = load(requiredModules(local.bytes));
        if (loading !== undefined) return loading.then(() => [this.localValue(local)]);
      }
      return Promise.resolve([this.localValue(local)]);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  /** Reads `count` values: those of all refs, or the one error. */
  private readValues(
    records: Records,
    at: number,
    count: number,
    refs: readonly ObjectRefImplementation[],
  ): Promise<unknown[]> {
    const values: unknown[] = [];
    const loading: Promise<void>[] = [];
    let position = at;
    // Decoding may use the inbox again (a getter that calls `get`), so nothing is read after user code has run.
    const stable =
      records === this.inbox && count > 0
        ? records.copy(0, endOfValues(records, at, count))
        : records;
    try {
      for (let index = 0; index < count; index++) {
        const decoded = this.decodeAt(stable, position);
        if (decoded instanceof Promise) {
          values.push(undefined);
          const from = position;
          const fail = (error: unknown): never => {
            throw this.rememberFailure(stable, from, refs, error);
          };
          loading.push(decoded.then(({ value }) => void (values[index] = value), fail));
        } else {
          values.push(decoded.value);
        }
        position = readValue(stable, position).end;
      }
    } catch (error) {
      return Promise.reject(this.rememberFailure(stable, position, refs, error) as Error);
    }
    if (loading.length === 0) return Promise.resolve(values);
    return Promise.all(loading).then(() => values);
  }

  /** The error that a failed ref shows each time: the first one that was made of it. */
  private rememberFailure(
    records: Records,
    at: number,
    refs: readonly ObjectRefImplementation[],
    error: unknown,
  ): unknown {
    const record = readValue(records, at);
    if (record.status === STATUS_VALUE) return error;
    let failure: ObjectRefImplementation['failure'];
    for (const ref of refs) {
      if (ref.handle !== record.handle) continue;
      failure ??= ref.failure ?? { error };
      ref.failure = failure;
    }
    return failure === undefined ? error : failure.error;
  }

  /** A promise for the end of a wait of the native module. */
  private pending<R>(
    number: number,
    limits: WaitLimits,
    keep: readonly ObjectRefImplementation[],
    settle: (records: Records, at: number, count: number) => Promise<R> | R,
    timedOut?: () => R,
  ): Promise<R> {
    // Whoever asks to wait looks at what has come in, also if it does not wait after all.
    this.scheduleTurn();
    const task = this.current();
    const cancellation = task.token === 0 ? 0 : this.calls.tellCancellation(task.token);
    if (cancellation === CANCELLED_FRESH) {
      this.calls.withdraw(number);
      return Promise.reject(new TaskCancelledError(''));
    }
    return new Promise<R>((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      const { signal, timeoutMs } = limits;
      const clean = (): void => {
        if (timer !== undefined) clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        if (task.givesCpuBack && !this.closed) this.calls.leaveWait();
      };
      const giveUp = (action: () => void): void => {
        const wait = this.waits.get(number);
        if (wait === undefined) return;
        this.waits.delete(number);
        this.releaseDisposed(wait);
        this.calls.withdraw(number);
        clean();
        this.hold();
        action();
      };
      const abort = (): void => giveUp(() => reject(signal!.reason as Error));
      const expire = (): void =>
        giveUp(() => {
          if (timedOut === undefined) reject(this.timeoutError(timeoutMs!, keep));
          else resolve(timedOut());
        });
      if (timeoutMs === 0) {
        this.calls.withdraw(number);
        if (timedOut === undefined) reject(this.timeoutError(0, keep));
        else resolve(timedOut());
        return;
      }
      if (timeoutMs !== null) {
        const deadline = performance.now() + timeoutMs;
        const tick = (): void => {
          const left = deadline - performance.now();
          if (left <= 0) expire();
          else timer = setTimeout(tick, Math.min(Math.ceil(left), TIMER_MAX_MS));
        };
        timer = setTimeout(tick, Math.min(Math.ceil(timeoutMs), TIMER_MAX_MS));
      }
      signal?.addEventListener('abort', abort, { once: true });
      if (task.givesCpuBack) this.calls.enterWait();
      const wait: PendingWait = {
        token: task.token,
        refs: keep,
        knowing: cancellation !== 0,
        settle: (records, at, count) => {
          clean();
          const result = settle(records, at, count);
          resolve(result);
          if (wait.disposed === undefined) return;
          // Values whose modules are still being loaded are read after that.
          const release = (): void => this.releaseDisposed(wait);
          Promise.resolve(result).then(release, release);
        },
        fail: (error) => {
          clean();
          this.releaseDisposed(wait);
          reject(error as Error);
        },
      };
      this.waits.set(number, wait);
      this.hold();
    });
  }

  private timeoutError(
    timeoutMs: number,
    refs: readonly ObjectRefImplementation[],
  ): GetTimeoutError {
    const held = refs.filter((ref) => ref.handle !== -1);
    this.fillHandles(held);
    const ready = this.received(this.native.readyNow(held.length, held.length)).u32[3]!;
    return new GetTimeoutError('', { timeoutMs, missing: held.length - ready });
  }

  /** The refs that are ready, by their positions. */
  wait(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    limits: WaitLimits,
  ): Promise<number[]> {
    if (this.closed) return Promise.reject(new NotInitializedError('the runtime has ended'));
    if (limits.signal?.aborted === true) return Promise.reject(limits.signal.reason as Error);
    try {
      this.fillHandles(refs);
      const result = this.calls.wait(refs.length, needed);
      if (result > 0) {
        const records = this.received(result);
        return Promise.resolve(readPositions(records, 16, records.u32[3]!));
      }
      return this.pending(-result, limits, refs, readPositions, () => {
        this.fillHandles(refs);
        const ready = this.received(this.native.readyNow(refs.length, needed));
        return readPositions(ready, 16, ready.u32[3]!);
      });
    } catch (error) {
      return Promise.reject(this.waitError(error) as Error);
    }
  }

  private waitError(error: unknown): unknown {
    if (error instanceof Error && error.message.startsWith('eagleray-duplicate:')) {
      const position = Number(error.message.split(':')[1]);
      return new InvalidArgumentError(
        `wait() takes each ref once; the one at position ${position} stands twice`,
        {
          argument: 'refs',
          value: `a list with the ref at [${position}] twice`,
          allowed: 'a list of different refs',
        },
      );
    }
    return fromNative(error);
  }

  /** Blocks this thread until the values are there. */
  getSync(refs: readonly ObjectRefImplementation[], timeoutMs: number | null): unknown[] {
    this.requireOpen();
    const single = refs.length === 1 ? refs[0]! : undefined;
    if (single?.failure !== undefined) throw single.failure.error;
    if (single?.local !== undefined) {
      const { local } = single;
      if (local.kind === 'envelope') requireLoaded(requiredModules(local.bytes));
      return [this.localValue(local)];
    }
    const records = this.block(refs, -1, timeoutMs);
    const count = records.u32[3]!;
    const values: unknown[] = [];
    let at = 16;
    const stable =
      records === this.inbox ? records.copy(0, endOfValues(records, at, count)) : records;
    try {
      for (let index = 0; index < count; index++) {
        const decoded = this.decodeAt(stable, at);
        if (decoded instanceof Promise) {
          decoded.catch(() => undefined);
          requireLoaded(['a module']);
        } else {
          values.push(decoded.value);
        }
        at = readValue(stable, at).end;
      }
    } catch (error) {
      throw this.rememberFailure(stable, at, refs, error);
    }
    return values;
  }

  /** Blocks this thread until enough refs are ready. */
  waitSync(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    timeoutMs: number | null,
  ): number[] {
    this.requireOpen();
    const records = this.block(refs, needed, timeoutMs);
    return readPositions(records, 16, records.u32[3]!);
  }

  private block(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    timeoutMs: number | null,
  ): Records {
    this.fillHandles(refs);
    let result: number;
    try {
      const { token } = this.current();
      result = this.native.block(refs.length, needed, timeoutMs ?? -1, token);
      this.submissions.reset();
    } catch (error) {
      this.submissions.reset();
      throw this.waitError(error);
    }
    if (result === -1) throw this.timeoutError(timeoutMs ?? 0, refs);
    if (result === -2) throw new TaskCancelledError('');
    if (result === -3) throw new NotInitializedError('the runtime has ended');
    return this.received(result);
  }

  /** Memory of the store, to be filled in place. */
  allocate(byteLength: number, shared: boolean): ArrayBufferLike {
    this.requireOpen();
    return this.withRoom((patient) => this.native.allocate(byteLength, shared, patient));
  }

  cancel(ref: ObjectRefImplementation, force: boolean, recursive: boolean): void {
    this.requireOpen();
    if (ref.local !== undefined) return;
    if (!this.native.cancel(ref.handle, force, recursive)) {
      throw new InvalidArgumentError(
        'cancel() of an actor call can not be forced: the process is the whole actor. Use kill(handle) to end that',
        { argument: 'force', value: force, allowed: 'false for calls of actors' },
      );
    }
    this.scheduleTurn();
  }

  // ---- tasks and actors

  /** Stores a function or class, so that workers can be told of it: its id and the object that holds it. */
  export(value: unknown, root: string): { id: Uint8Array; ref: ObjectRefImplementation } {
    this.requireOpen();
    const { meta, buffers, nested } = this.encode(value, root);
    const id =
      buffers.length === 0
        ? new Uint8Array(createHash('sha256').update(meta).digest().subarray(0, 16))
        : new Uint8Array(randomBytes(16));
    const sequence = this.nextSequence++;
    this.store(sequence, meta, buffers, nested);
    return { id, ref: this.adopt(sequence) };
  }

  /** Refuses what this cluster can never have. */
  requireFeasible(asked: Readonly<Record<string, number>>, name: string): void {
    const total = this.settings.resources;
    for (const [resource, quantity] of Object.entries(asked)) {
      if (quantity > (total[resource] ?? 0)) {
        throw new InfeasibleResourcesError('', { asked, total, name } as never);
      }
    }
  }

  /** Number of an environment; 0 is the default one. */
  environment(variables: Readonly<Record<string, string>>): number {
    const names = Object.keys(variables).toSorted();
    if (names.length === 0) return 0;
    return this.native.declareEnvironment(names.map((name) => ({ name, value: variables[name]! })));
  }

  private readonly submission: Submission & { nested: number[]; arguments: Argument[] } = {
    operation: 0,
    target: 0,
    resultCount: 0,
    sequence: 0,
    parent: 0,
    actor: 0,
    retries: 0,
    nested: [],
    arguments: [],
    argumentCount: 0,
  };

  /** Encodes arguments; large ones become objects of their own. */
  private prepareArguments(
    values: readonly unknown[],
    name: string,
  ): { encoder: Encoder; hidden: ObjectRefImplementation[] } {
    const encoder = this.freeEncoder();
    const { submission } = this;
    const hidden: ObjectRefImplementation[] = [];
    submission.argumentCount = values.length;
    for (let index = 0; index < values.length; index++) {
      const argument = (submission.arguments[index] ??= { handle: -1, start: 0, end: 0 });
      const value = values[index];
      argument.handle = -1;
      argument.start = argument.end = encoder.length;
      if (value instanceof ObjectRefImplementation) {
        this.requireOwn(value);
        if (value.local === undefined) {
          argument.handle = value.handle;
          continue;
        }
        if (value.local.kind === 'envelope') {
          this.define(value);
          argument.handle = value.handle;
          continue;
        }
        encoder.encode(value.local.value);
        argument.end = encoder.length;
        continue;
      }
      const buffersBefore = encoder.buffers.length;
      encoder.encode(value, isPrimitive(value) ? 'argument' : `${name} → argument ${index + 1}`);
      argument.end = encoder.length;
      if (encoder.buffers.length > buffersBefore || argument.end - argument.start > INLINE_MAX) {
        // Encoded a second time, by itself: rare, and what is large costs far more to copy.
        const ref = this.putLarge(value, name, index);
        hidden.push(ref);
        argument.handle = ref.handle;
      }
    }
    return { encoder, hidden };
  }

  private putLarge(value: unknown, name: string, index: number): ObjectRefImplementation {
    const encoder = new Encoder(this.encodeHooks);
    encoder.encode(value, `${name} → argument ${index + 1}`);
    const sequence = this.nextSequence++;
    this.store(
      sequence,
      encoder.bytes.subarray(0, encoder.length),
      encoder.buffers.map(bytesOf),
      this.nestedOf(encoder.nested),
    );
    return this.adopt(sequence);
  }

  private send(
    operation: number,
    target: number,
    resultCount: number,
    values: readonly unknown[],
    name: string,
    actor: number,
    retries: number,
  ): number {
    const { encoder, hidden } = this.prepareArguments(values, name);
    const { submission } = this;
    const sequence = this.nextSequence;
    this.nextSequence += Math.max(resultCount, 1);
    submission.operation = operation;
    submission.target = target;
    submission.resultCount = resultCount;
    submission.sequence = sequence;
    submission.parent = this.current().token;
    submission.actor = actor;
    submission.retries = retries;
    submission.nested =
      encoder.nested.length === 0 ? NOTHING_NESTED : this.nestedOf(encoder.nested);
    this.reserve(Submissions.sizeOf(submission));
    this.submissions.submit(submission, encoder.bytes);
    for (const ref of hidden) this.disposeRef(ref);
    this.openTurn();
    return sequence;
  }

  private results(sequence: number, count: number): ObjectRefImplementation[] {
    const refs: ObjectRefImplementation[] = [];
    for (let index = 0; index < count; index++) refs.push(this.adoptFresh(sequence + index));
    return refs;
  }

  /** Submits a task of a template. */
  submit(template: number, resultCount: number, values: readonly unknown[], name: string): unknown {
    this.requireOpen();
    const sequence = this.send(OPERATION_TASK, template, resultCount, values, name, 0, 0);
    if (resultCount === 1) return this.adoptFresh(sequence);
    return resultCount === 0 ? undefined : this.results(sequence, resultCount);
  }

  /** Calls a method of an actor. */
  call(
    actor: number,
    method: number,
    resultCount: number,
    retries: number,
    values: readonly unknown[],
    name: string,
  ): unknown {
    this.requireOpen();
    const sequence = this.send(OPERATION_CALL, method, resultCount, values, name, actor, retries);
    if (resultCount === 1) return this.adoptFresh(sequence);
    return resultCount === 0 ? undefined : this.results(sequence, resultCount);
  }

  /** Ends an actor after the calls that this process has queued. */
  terminate(actor: number): void {
    this.requireOpen();
    this.send(OPERATION_TERMINATE, 0, 0, [], 'terminate', actor, 0);
  }

  /** Creates an actor. */
  createActor(
    creation: Omit<Parameters<NativeRuntime['createActor']>[0], 'sequence'>,
    values: readonly unknown[],
    name: string,
  ): FoundActor {
    this.requireOpen();
    const { encoder, hidden } = this.prepareArguments(values, name);
    const { submission } = this;
    const sequence = this.nextSequence++;
    submission.operation = OPERATION_CREATE;
    submission.target = 0;
    submission.resultCount = 0;
    // The creation has a number of its own, because the actor's is that of its ready ref.
    submission.sequence = this.nextSequence++;
    submission.parent = this.current().token;
    submission.actor = 0;
    submission.retries = 0;
    submission.nested = this.nestedOf(encoder.nested);
    const record = new Submissions(Submissions.sizeOf(submission) + 64);
    record.submit(submission, encoder.bytes);
    try {
      return this.native.createActor({ ...creation, sequence }, record.only());
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('eagleray-taken:')) {
        throw new InvalidArgumentError(
          `there is a live actor of the name ${JSON.stringify(creation.name)} already; set getIfExists to use it`,
          { argument: 'name', value: creation.name, allowed: 'a name that no live actor has' },
        );
      }
      throw fromNative(error);
    } finally {
      for (const ref of hidden) this.disposeRef(ref);
      this.scheduleTurn();
    }
  }

  /** Ends the runtime and waits until all workers are gone. */
  shutDown(): Promise<void> {
    if (this.closed) return Promise.resolve();
    return (this.shuttingDown ??= this.beginShutDown());
  }

  private async beginShutDown(): Promise<void> {
    this.handOver();
    this.native.shutDown();
    await new Promise<void>((resolve) => {
      this.waits.set(-1, {
        token: 0,
        refs: [],
        knowing: false,
        settle: () => resolve(),
        fail: () => resolve(),
      });
      this.hold();
    });
  }
}

/** What the decoder asks while it makes one value. A class, because one is made for every value. */
class ArrivingValue implements DecodeHooks, RefGroup {
  count = 0;
  current: number[] | undefined = undefined;
  owner: object | undefined = undefined;
  private readonly session: NativeSession;
  /** The object whose buffers it may attach. */
  private readonly handle: number;

  constructor(session: NativeSession, handle: number) {
    this.session = session;
    this.handle = handle;
  }

  reference(kind: Reference['kind'], bytes: Uint8Array): object {
    return kind === 'ref'
      ? this.session.adoptNested(bytes, this)
      : new ActorReference(bytes.slice(), this.session, 0);
  }

  constructFunction(skeleton: FunctionSkeleton): ConstructedFunction {
    return constructRemote(skeleton) ?? constructFunction(skeleton);
  }

  moduleNamespace(url: string): object {
    return moduleNamespace(url);
  }

  attach(index: number, _byteLength: number, shared: boolean): ArrayBufferLike {
    try {
      return this.session.native.attachView(this.handle, index, shared);
    } catch (error) {
      throw fromNative(error);
    }
  }
}

/** The id of an actor inside a value. The number is 0 until somebody makes a handle of it. */
export class ActorReference {
  readonly id: Uint8Array;
  readonly session: NativeSession;
  readonly number: number;

  constructor(id: Uint8Array, session: NativeSession, number: number) {
    this.id = id;
    this.session = session;
    this.number = number;
  }
}

const NOTHING_NESTED: number[] = [];

/** An id, to be read as numbers: owner, node, and the two halves of the sequence number. */
const idBytes = new Uint8Array(16);
const idWords = new Uint32Array(idBytes.buffer);

function isPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return true;
    case 'string':
      return value.length < 1024;
    default:
      return value === null;
  }
}

function bytesOf({ buffer, byteLength, byteOffset }: OutOfBand): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function endOfValues(records: Records, at: number, count: number): number {
  let end = at;
  for (let index = 0; index < count; index++) end = readValue(records, end).end;
  return end;
}

function readPositions(records: Records, at: number, count: number): number[] {
  const positions: number[] = [];
  for (let index = 0; index < count; index++) positions.push(records.u32[(at >>> 2) + index]!);
  return positions;
}

function requireLoaded(modules: readonly string[]): void {
  if (load(modules) === undefined) return;
  throw new EaglerayError(
    'ERR_EAGLERAY_NOT_SUPPORTED',
    'the value holds functions or classes of a module that this process has not loaded, and modules load ' +
      'asynchronously; use await get(ref) instead of getSync(ref)',
  );
}

let collect: (() => void) | undefined;

/** Runs V8's garbage collector, so that refs and views that nobody uses let go. */
export function collectGarbage(): void {
  if (collect === undefined) {
    v8.setFlagsFromString('--expose-gc');
    collect = vm.runInNewContext('gc') as () => void;
  }
  collect();
}

/** What this Node can do. */
export const capabilities = Object.freeze({ externalSharedArrayBuffer: native.hasSharedViews() });
