/**
 * The native runtime of a process, over its core worker in Rust.
 *
 * It keeps what the other files of this folder share, and sends each operation their way: `outbox.ts` out,
 * `records.ts` in, `values.ts` for envelopes, `waits.ts` for what is awaited, `references.ts` for what is held.
 */

import { noteSnapshot } from '../codec/index.ts';
import {
  EaglerayError,
  InfeasibleResourcesError,
  InvalidArgumentError,
  NotInitializedError,
  ObjectStoreFullError,
} from '../errors.ts';
import {
  type FoundActor,
  type HotCalls,
  type NativeRuntime,
  type NodeState,
  capabilities,
  native,
} from '../native.ts';
import { type ObjectRefImplementation, makeRef } from '../object-ref.ts';
import { type AbortSignalHost, AbortSignals } from './abort-signals.ts';
import { type EventHost, Events, type SessionListener } from './events.ts';
import { ExportWeights } from './export-weights.ts';
import { Garbage } from './garbage.ts';
import { Inbox, lengthOf } from './inbox.ts';
import { Outbox } from './outbox.ts';
import { type Records, translatingErrors } from './records.ts';
import type { PendingCalls } from './pending-calls.ts';
import { type RefGroup, References } from './references.ts';
import type {
  ActorDeclaration,
  Exported,
  DeclaredFunction,
  FunctionDeclaration,
  LocalWait,
  ReadyListener,
  Runtime,
  Settings,
  WaitLimits,
} from './runtime.ts';
import { Retrieval, type RetrievalHost } from './retrieval.ts';
import {
  CALL_REPEATS_ERRORS,
  OPERATION_CALL,
  OPERATION_CREATE,
  OPERATION_TASK,
  OPERATION_TERMINATE,
  Submissions,
} from './submissions.ts';
import { type ArgumentHost, TaskArguments } from './task-arguments.ts';
import {
  type Encoded,
  type StoredFunction,
  type ValueEncoder,
  type ValueHost,
  Values,
  INLINE_MAX,
  isInline,
  isKeptAsItIs,
  partNested,
  takeEncoded,
} from './values.ts';
import { type CurrentTask, NO_TASK, Waits } from './waits.ts';
import { Watches } from './watches.ts';

/** After so many bytes of events, the event loop turns before further ones are read. */
const EVENT_BYTES_PER_TURN = 8 << 20;

/** How often as many are read when the output of workers is drained. */
const DRAIN_TURNS_MAX = 64;

export class NativeSession
  implements Runtime, ValueHost, RetrievalHost, ArgumentHost, EventHost, AbortSignalHost
{
  readonly native: NativeRuntime;
  readonly calls: HotCalls;
  readonly settings: Settings;
  readonly processNumber: number;
  /** Whether the process is kept alive also when nothing is awaited. */
  private readonly alwaysHeld: boolean;
  private readonly listener: SessionListener;
  private readonly events: Events;
  readonly outbox: Outbox;
  readonly inbox: Inbox;
  readonly waits: Waits = new Waits(this);
  readonly watches: Watches = new Watches(this);
  private readonly retrieval: Retrieval = new Retrieval(this);
  readonly signals: AbortSignals = new AbortSignals(this);
  readonly values: Values = new Values(this);
  private nextSequence = 1;
  private held = false;
  private closed = false;
  private shuttingDown: Promise<void> | undefined;
  private hasReported = false;
  private readonly references = new References(
    (handle) => this.release(handle),
    (actor) => this.releaseActor(actor),
    (template) => this.releaseTemplate(template),
    (number) => this.native.unwatchObject(number),
  );
  private readonly exportWeights = new ExportWeights((change) =>
    this.native.adjustExternalMemory(change),
  );
  readonly hasSharedViews = capabilities().externalSharedArrayBuffer;
  readonly garbage: Garbage = new Garbage(this, this.references);
  /** The task that runs here now. */
  current: () => CurrentTask = () => NO_TASK;
  /** Set by a worker: it is an actor, and lives longer than the calls that run in it. */
  isActor = false;
  /** Set by a worker: takes the tasks that are there, if it would take one now. */
  lookForTasks: (() => void) | undefined;
  takesTasks: () => boolean = () => false;

  constructor(runtime: NativeRuntime, listener: SessionListener, alwaysHeld: boolean) {
    this.native = translatingErrors(runtime);
    this.calls = runtime.hotCalls();
    this.inbox = new Inbox(runtime);
    this.outbox = new Outbox(this.calls, this.turnEnds);
    this.listener = listener;
    this.events = new Events(this, listener);
    this.alwaysHeld = alwaysHeld;
    this.settings = JSON.parse(runtime.settings()) as Settings;
    this.processNumber = runtime.processNumber();
    runtime.attach(this.outbox.bytes, this.retrieval.handles, this.inbox.records.bytes);
    runtime.watch(() => this.wake());
    if (alwaysHeld) this.hold();
  }

  // ---- events

  private readonly turnEnds = (): void => {
    this.references.endBurst();
    if (this.closed) return;
    this.outbox.flush();
    this.poll(this.waits.size > 0);
    this.hold();
  };

  /**
   * A program that gets without ever waiting for anything keeps the event loop from turning, and views are let go of by
   * finalizers that need it to. When the store fills, it turns before the next value is handed out.
   */
  afterViews<R>(values: Promise<R>): Promise<R> {
    if (!this.garbage.isTurnDue) return values;
    // Taken up at once: a rejection that nobody has handled by the end of this turn ends the process.
    return values.finally(() => new Promise((resolve) => void setImmediate(resolve)));
  }

  private wake(): void {
    if (this.closed) return;
    this.calls.woken();
    this.poll(false);
  }

  /** Reads the events that a look for tasks has brought along, and has the doorbell rung for the next ones. */
  takeEvents(): void {
    if (!this.closed) this.poll(false);
  }

  /** Reads all events, and takes what tasks came with them: whoever sends one to a process awake rings nobody. */
  private poll(spin: boolean): void {
    if (this.readSome(spin)) {
      // Workers may write faster than lines are printed, and the event loop has others to serve. A timer, because a
      // waiting loop wakes for one also when it does not count as a reason to stay alive.
      setTimeout(() => this.takeEvents(), 0).unref();
    }
    this.waitsChanged();
  }

  /** Prints the lines that have come, for a thread that blocks; and whatever else has come is told as always. */
  readLines(): void {
    const result = this.calls.collect(0);
    if (result !== 0) {
      const records = this.inbox.received(result);
      this.listener.whileBlocked(() => this.readEvents(records, lengthOf(result)));
    }
    // Nobody rings before this process has said again that it sleeps.
    this.outbox.scheduleTurn();
  }

  /** Reads events, a limited number of bytes at once; true if there may be more. */
  private readSome(spin: boolean): boolean {
    let maySpin = spin ? 1 : 0;
    let bytes = 0;
    for (;;) {
      for (;;) {
        const result = this.calls.collect(maySpin);
        maySpin = 0;
        if (result === 0) break;
        const length = lengthOf(result);
        this.readEvents(this.inbox.received(result), length);
        if (this.closed) return false;
        bytes += length;
        if (bytes > EVENT_BYTES_PER_TURN) return true;
      }
      const takesTasks = this.takesTasks();
      if (this.calls.prepareToSleep(takesTasks ? 1 : 0) === 0) return false;
      if (takesTasks) this.lookForTasks?.();
    }
  }

  /** Reads all events that there are, for the end of the runtime: nothing is added to them any more. */
  private readAll(): void {
    while (this.readSome(false));
  }

  /** Holds the process at once, and lets it go when the turn ends: most turns in which a wait ends begin another. */
  waitsChanged(): void {
    if (this.held && !this.closed && !this.isToHold) this.outbox.scheduleTurn();
    else this.hold();
  }

  private get isToHold(): boolean {
    return !this.closed && (this.alwaysHeld || this.waits.size > 0);
  }

  private hold(): void {
    const hold = this.isToHold;
    if (hold === this.held) return;
    this.held = hold;
    this.native.hold(hold);
  }

  private readEvents(shared: Records, length: number): void {
    // Settling may start calls that use the inbox, so events are read from a copy of their own.
    const records = shared === this.inbox.records ? shared.copy(0, length) : shared;
    this.events.read(records, length);
  }

  /** The runtime is over: whoever waits is told. */
  end(): void {
    if (this.closed) return;
    this.reportUnseen();
    if (this.isClosed) return;
    this.readAll();
    if (this.isClosed) return;
    this.closed = true;
    this.native.close();
    const reason = this.isEnding ? undefined : this.events.lastWords;
    this.watches.clear();
    this.signals.end();
    this.waits.failAll(
      new NotInitializedError(`the runtime has ended${reason === undefined ? '' : `: ${reason}`}`),
    );
    this.listener.ended(reason);
  }

  /** Ends the runtime without the event loop: for the end of the process. What workers have written is reported. */
  endAtOnce(): void {
    if (this.closed) return;
    this.shuttingDown ??= Promise.resolve();
    this.outbox.handOver();
    this.reportUnseen();
    this.native.endAtOnce();
    this.end();
  }

  /** Reports what workers have written by now. */
  drainOutput(): void {
    if (this.closed) return;
    this.native.drainOutput();
    // A worker may write on without end; what the raylet held when it was asked is less than this.
    for (let turn = 0; turn < DRAIN_TURNS_MAX; turn++) if (!this.readSome(false)) return;
  }

  get isClosed(): boolean {
    return this.closed;
  }

  get isEnding(): boolean {
    return this.shuttingDown !== undefined;
  }

  /** All refs go with the runtime, or with this process, so what failed unseen is reported now. */
  reportUnseen(): void {
    if (this.hasReported) return;
    this.hasReported = true;
    this.native.reportUnseen();
    this.poll(false);
  }

  private requireOpen(): void {
    if (this.closed || this.isEnding)
      throw new NotInitializedError('the runtime has ended; call init() to start a new one');
  }

  // ---- refs

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

  /** The handle of an id (16 bytes), with one more count on it. */
  private borrow(id: Uint8Array): number {
    idBytes.set(id);
    return this.calls.borrow(idWords[0]!, idWords[1]!, idWords[2]! + idWords[3]! * 2 ** 32);
  }

  /** A ref for a handle on which the native module holds one count for it. */
  private adopt(handle: number): ObjectRefImplementation {
    return this.references.keep(makeRef(this, handle));
  }

  /** A ref of a result of this process's own calls. */
  private adoptFresh(sequence: number): ObjectRefImplementation {
    return this.references.keepFresh(makeRef(this, sequence));
  }

  refOf(id: Uint8Array): ObjectRefImplementation {
    return this.adopt(this.borrow(id));
  }

  refInside(id: Uint8Array, group: RefGroup): ObjectRefImplementation {
    return this.references.keepInside(makeRef(this, this.borrow(id)), group);
  }

  // ---- objects

  /** Stores a value. */
  put(value: unknown): ObjectRefImplementation {
    this.requireOpen();
    const sequence = this.nextSequence++;
    if (isKeptAsItIs(value)) {
      return makeRef(this, sequence, { kind: 'primitive', value });
    }
    const encoder = this.values.encodeAlone(value, 'value');
    if (isInline(encoder)) {
      // A copy that is no Buffer: `bytes` is the encoder's own memory.
      const bytes = new Uint8Array(encoder.bytes.subarray(0, encoder.length));
      return makeRef(this, sequence, { kind: 'envelope', bytes });
    }
    const { meta, buffers, nested } = takeEncoded(encoder);
    this.store(sequence, meta, buffers, nested);
    const ref = this.adopt(sequence);
    this.garbage.watch(ref);
    return ref;
  }

  /** The number of a new object. */
  newSequence(): number {
    this.requireOpen();
    return this.nextSequence++;
  }

  /** Stores what was encoded as an object of this process, and gives its number, which has one count. */
  storeEncoded({ buffers, meta, nested }: Encoded): number {
    const sequence = this.newSequence();
    this.store(sequence, meta, buffers, nested);
    return sequence;
  }

  private store(sequence: number, meta: Uint8Array, buffers: Uint8Array[], nested: number[]): void {
    const { actors, refs } = partNested(nested);
    this.withRoom((patient) => this.native.put(sequence, meta, buffers, refs, actors, patient));
  }

  /** Runs what needs room in the store; if it is full, once more after collecting garbage here and elsewhere. */
  withRoom<R>(action: (patient: boolean) => R): R {
    for (let attempt = 0; attempt < 2; attempt++) {
      try {
        const result = action(false);
        // The store fills up: this process may fill it in one turn of the event loop.
        if (this.garbage.collectIfAsked()) this.outbox.handOver();
        return result;
      } catch (error) {
        if (!(error instanceof ObjectStoreFullError)) throw error;
      }
      // V8 sweeps the memory of buffers in the background; the second collection waits for the end of that.
      this.garbage.collectAtOnce();
      this.outbox.handOver();
    }
    return action(true);
  }

  /** Tells the native module of a value that only JavaScript knew. */
  define(ref: ObjectRefImplementation): void {
    const { local } = ref;
    if (local === undefined) return;
    ref.local = undefined;
    this.outbox.define(ref.handle, this.values.envelopeOf(local));
    this.references.keep(ref);
  }

  disposeRef(ref: ObjectRefImplementation): void {
    const { handle } = ref;
    if (handle === -1) return;
    ref.handle = -1;
    if (ref.local !== undefined || this.closed) return;
    this.references.forget(ref, handle);
    if (!this.watches.disposeLater(ref, handle)) this.waits.release(ref, handle);
  }

  letGo(ref: ObjectRefImplementation): void {
    const { handle } = ref;
    if (handle === -1 || this.closed) return;
    ref.handle = -1;
    this.references.forget(ref, handle);
    this.release(handle);
  }

  releaseDisposed(ref: ObjectRefImplementation, handle: number): void {
    this.waits.release(ref, handle);
  }

  promise(): ObjectRefImplementation {
    this.requireOpen();
    const sequence = this.nextSequence++;
    this.native.promise(sequence);
    return this.adopt(sequence);
  }

  settle(ref: ObjectRefImplementation): void {
    if (this.closed) return;
    const nothing = this.values.envelopeOf({ kind: 'primitive', value: undefined });
    this.native.settle(ref.handle, nothing, [], []);
    this.disposeRef(ref);
  }

  /** Where the native module reads the numbers of refs. */
  get handles(): Float64Array {
    return this.retrieval.handles;
  }

  /** One count less on an object. */
  release(handle: number): void {
    if (!this.closed) this.outbox.release(handle);
  }

  /** Counts an actor handle that JavaScript holds. */
  registerActor(holder: object, actor: number): void {
    this.references.keepActor(holder, actor);
  }

  disposeActor(holder: object, actor: number): void {
    this.references.forgetActor(holder);
    this.releaseActor(actor);
  }

  private releaseActor(actor: number): void {
    if (!this.closed) this.outbox.releaseActor(actor);
  }

  get(refs: readonly ObjectRefImplementation[], limits: WaitLimits): Promise<unknown[]> {
    return this.retrieval.get(refs, limits);
  }

  getSync(refs: readonly ObjectRefImplementation[], limits: WaitLimits): unknown[] {
    this.requireOpen();
    return this.retrieval.getSync(refs, limits);
  }

  wait(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    limits: WaitLimits,
  ): Promise<number[]> {
    return this.retrieval.wait(refs, needed, limits);
  }

  watch(ref: ObjectRefImplementation, listener: ReadyListener, index: number): boolean {
    this.requireOpen();
    // Whoever watches looks at what has come in when this turn ends.
    this.outbox.scheduleTurn();
    return this.watches.start(ref, listener, index) === 0;
  }

  watchAll(
    refs: readonly ObjectRefImplementation[],
    listener: ReadyListener,
    first: number,
  ): number[] {
    this.requireOpen();
    this.outbox.scheduleTurn();
    return this.watches.startAll(refs, listener, first);
  }

  unwatch(listener: ReadyListener): void {
    if (!this.closed) this.watches.stop(listener);
  }

  waitLocally<R>(
    limits: WaitLimits,
    refs: readonly ObjectRefImplementation[],
    timedOut: () => R,
  ): LocalWait<R> {
    this.outbox.scheduleTurn();
    return this.waits.beginLocal(limits, refs, timedOut);
  }

  waitSync(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    timeoutMs: number | null,
  ): number[] {
    this.requireOpen();
    return this.retrieval.waitSync(refs, needed, timeoutMs);
  }

  /** Memory of the store, to be filled in place. */
  allocate(byteLength: number, shared: boolean): ArrayBufferLike {
    this.requireOpen();
    return noteSnapshot(
      this.withRoom((patient) => this.native.allocate(byteLength, shared, patient)),
    );
  }

  cancel(ref: ObjectRefImplementation, force: boolean, recursive: boolean): void {
    this.requireOpen();
    if (ref.local !== undefined) return;
    if ((force && ref.ofActorCall) || !this.native.cancel(ref.handle, force, recursive)) {
      throw new InvalidArgumentError(
        'cancel() of an actor call can not be forced: the process is the whole actor. Use kill(handle) to end that',
        { argument: 'force', value: force, allowed: 'false for calls of actors' },
      );
    }
    this.outbox.scheduleTurn();
  }

  // ---- tasks and actors

  export(source: Function | Exported, use: object, name: string): Exported {
    this.requireOpen();
    const fn = typeof source === 'function' ? source : this.storedFunction(source);
    const { buffers, functionLength, holders, meta, nested } = this.values.encodeExport(
      fn,
      use,
      name,
    );
    const id =
      buffers.length === 0
        ? native().contentId(meta)
        : new Uint8Array(Buffer.from(native().randomId(16), 'hex'));
    const sequence = this.nextSequence++;
    this.store(sequence, meta, buffers, nested);
    const ref = this.adopt(sequence);
    const bufferCount = buffers.length;
    const isLarge = bufferCount > 0 || meta.byteLength > INLINE_MAX;
    if (isLarge) this.garbage.watch(ref);
    const exported = { id, ref, functionLength, bufferCount, holders, isLarge };
    const ofBuffers = buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0);
    this.exportWeights.add(exported, meta.byteLength + ofBuffers);
    return exported;
  }

  /** The function of an export, as it was captured then. */
  private storedFunction({ bufferCount, functionLength, holders, ref }: Exported): StoredFunction {
    const meta = this.native.fetchMeta(ref.handle);
    if (meta === null) {
      throw new EaglerayError(
        'ERR_EAGLERAY_INTERNAL',
        'an exported function is not stored any more',
      );
    }
    const buffers = Array.from({ length: bufferCount }, (_, index) => {
      const buffer = this.garbage.buffer(ref.handle, index, false);
      return { buffer, byteOffset: 0, byteLength: buffer.byteLength };
    });
    return { envelope: meta.subarray(0, functionLength), buffers, holders };
  }

  /** Refuses what this cluster can never have. */
  requireFeasible(asked: Readonly<Record<string, number>>, name: string): void {
    const total = this.settings.resources;
    for (const [resource, quantity] of Object.entries(asked)) {
      if (quantity > (total[resource] ?? 0)) {
        throw new InfeasibleResourcesError('', { asked, total, taskName: name });
      }
    }
  }

  /** Number of an environment; 0 is the default one. */
  environment(variables: Readonly<Record<string, string>>): number {
    const names = Object.keys(variables).toSorted();
    if (names.length === 0) return 0;
    return this.native.declareEnvironment(names.map((name) => ({ name, value: variables[name]! })));
  }

  declareFunction(declaration: FunctionDeclaration): DeclaredFunction {
    const { environment, exported, maxRetries, name, pipelined, resources } = declaration;
    const number = this.native.declareTemplate({
      function: exported.id,
      name,
      exportHandle: exported.ref.handle,
      class: this.native.declareClass([...resources], environment, pipelined),
      maxRetries,
    });
    const declared: DeclaredFunction = { number, exported, calls: 0 };
    if (exported.isLarge) this.garbage.watchFor(declared, () => this.releaseTemplate(number));
    else this.references.keepTemplate(declared, number);
    return declared;
  }

  /** A remote function does not use a template any more. */
  private releaseTemplate(number: number): void {
    if (this.closed) return;
    this.native.releaseTemplate(number);
    this.outbox.scheduleTurn();
  }

  private readonly submission: TaskArguments = new TaskArguments(this);

  private filled(values: readonly unknown[], name: string): TaskArguments {
    const submission = this.submission.busy ? new TaskArguments(this) : this.submission;
    submission.fill(values, name);
    return submission;
  }

  private disposeHidden({ hidden }: TaskArguments): void {
    if (hidden !== undefined) for (const ref of hidden) this.disposeRef(ref);
  }

  putApart(value: unknown, root: string, encoder: ValueEncoder): ObjectRefImplementation {
    return this.adopt(
      this.storeEncoded(takeEncoded(this.values.encodeApart(value, root, encoder))),
    );
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
    const submission = this.filled(values, name);
    const sequence = this.nextSequence;
    this.nextSequence += Math.max(resultCount, 1);
    submission.operation = operation;
    submission.target = target;
    submission.resultCount = resultCount;
    submission.sequence = sequence;
    submission.parent = this.current().token;
    submission.actor = actor;
    submission.retries = retries;
    this.outbox.submit(submission, submission.envelopes);
    this.disposeHidden(submission);
    return sequence;
  }

  private results(sequence: number, count: number): ObjectRefImplementation[] {
    const refs: ObjectRefImplementation[] = [];
    for (let index = 0; index < count; index++) refs.push(this.adoptFresh(sequence + index));
    return refs;
  }

  /** Submits a task of a template. */
  submit(
    declared: DeclaredFunction,
    resultCount: number,
    values: readonly unknown[],
    name: string,
  ): unknown {
    this.requireOpen();
    const sequence = this.send(OPERATION_TASK, declared.number, resultCount, values, name, 0, 0);
    declared.calls++;
    if (resultCount === 1) return this.adoptFresh(sequence);
    return resultCount === 0 ? undefined : this.results(sequence, resultCount);
  }

  /** Calls a method of an actor. */
  call(
    actor: number,
    method: number,
    repeatsErrors: boolean,
    resultCount: number,
    retries: number,
    values: readonly unknown[],
    name: string,
    pending: PendingCalls | undefined,
  ): unknown {
    this.requireOpen();
    const target = repeatsErrors ? method + CALL_REPEATS_ERRORS : method;
    const sequence = this.send(OPERATION_CALL, target, resultCount, values, name, actor, retries);
    pending?.note(sequence);
    if (resultCount === 1) return markAsCall(this.adoptFresh(sequence));
    return resultCount === 0 ? undefined : this.results(sequence, resultCount).map(markAsCall);
  }

  /** Ends an actor after the calls that this process has queued. */
  terminate(actor: number): void {
    this.requireOpen();
    this.send(OPERATION_TERMINATE, 0, 0, [], 'terminate', actor, 0);
  }

  /** Creates an actor. */
  createActor(declaration: ActorDeclaration, values: readonly unknown[]): FoundActor {
    const { exported, ...options } = declaration;
    this.requireOpen();
    const submission = this.filled(values, options.className);
    const sequence = this.nextSequence++;
    submission.operation = OPERATION_CREATE;
    submission.target = 0;
    submission.resultCount = 0;
    // The creation has a number of its own, because the actor's is that of its ready ref.
    submission.sequence = this.nextSequence++;
    submission.parent = this.current().token;
    submission.actor = 0;
    submission.retries = 0;
    const record = new Submissions(Submissions.sizeOf(submission) + 64);
    record.submit(submission, submission.envelopes);
    try {
      return this.native.createActor(
        { ...options, class: exported.id, exportHandle: exported.ref.handle, sequence },
        record.only(),
      );
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('eagleray-taken:')) {
        throw new InvalidArgumentError(
          `there is a live actor of the name ${JSON.stringify(options.name)} already; set getIfExists to use it`,
          { argument: 'name', value: options.name, allowed: 'a name that no live actor has' },
        );
      }
      throw error;
    } finally {
      this.disposeHidden(submission);
      this.outbox.scheduleTurn();
    }
  }

  findActor(name: string, namespace: string): FoundActor | null {
    return this.native.findActor(name, namespace);
  }

  actorNumber(id: Uint8Array, ordered: boolean): number {
    return this.native.actorNumber(id, ordered);
  }

  openCalls(actor: number): number[] {
    return this.native.openCalls(actor);
  }

  killActor(id: Uint8Array, mayRestart: boolean): void {
    this.native.killActor(id, mayRestart);
  }

  // ---- what is seen of it

  node(): NodeState {
    return this.native.node();
  }

  gpuIds(): string[] {
    return this.native.gpuIds();
  }

  isCancelled(token: number): boolean {
    return this.native.isCancelled(token);
  }

  /** Ends the runtime and waits until all workers are gone. */
  shutDown(): Promise<void> {
    if (this.closed) return Promise.resolve();
    return (this.shuttingDown ??= this.beginShutDown());
  }

  private async beginShutDown(): Promise<void> {
    this.outbox.handOver();
    this.reportUnseen();
    this.native.shutDown();
    await this.waits.untilEnd();
  }
}

/** An id, to be read as numbers: owner, node, and the two halves of the sequence number. */
const idBytes = new Uint8Array(16);
const idWords = new Uint32Array(idBytes.buffer);

function markAsCall(ref: ObjectRefImplementation): ObjectRefImplementation {
  ref.ofActorCall = true;
  return ref;
}
