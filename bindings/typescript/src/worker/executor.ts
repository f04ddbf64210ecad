/**
 * Executes tasks and actor calls: takes them from the native module one after the other, runs them, and answers.
 *
 * A task has its process for itself until it ends. An actor runs one method at a time, or, with `maxConcurrency`,
 * lets `async` methods interleave at their `await`s.
 */

import { AsyncLocalStorage } from 'node:async_hooks';

import type { ExportedClass, HandleParts } from '../actor.ts';
import { ownHandle } from '../actor.ts';
import { requiredModules } from '../codec/index.ts';
import { useActor, useRunning } from '../context.ts';
import { textWithStack } from '../error-stack.ts';
import { EaglerayError, describeValue, errorOfTask } from '../errors.ts';
import type { ExportedFunction } from '../remote-function.ts';
import { disposeOfAll, hasDisposals } from '../runtime/disposals.ts';
import { lengthOf } from '../runtime/inbox.ts';
import { NONE_UNLOADED, type Unloaded, isLoadFailure, loadModules } from '../runtime/modules.ts';
import type { NativeSession } from '../runtime/session.ts';
import { type Encoded, isInline, partNested, takeEncoded } from '../runtime/values.ts';
import {
  type Records,
  STATUS_RETRYABLE_ERROR,
  STATUS_USER_ERROR,
  STATUS_VALUE,
} from '../runtime/records.ts';
import { NO_TASK } from '../runtime/waits.ts';
import { CALL_REPEATS_ERRORS } from '../runtime/submissions.ts';
import { Delivery } from '../shipping/index.ts';
import { ActorExit, allowExit } from './exit-actor.ts';
import { markOutput, nameOutput } from './output-names.ts';
import {
  CONSTRUCTOR_ERROR_BYTES_MAX,
  Running,
  type TaskRecord,
  describedError,
  isA,
  mayRetry,
  shortenedError,
} from './running.ts';

const RECORD_TASK = 1;
const RECORD_CALL = 2;
const RECORD_CREATE = 3;
const RECORD_TERMINATE = 4;

/** Instead of a task: other callbacks of the event loop get their turn. */
const SLICE_OVER = -1;

/** Room for the inline results of a task, to begin with. */
const RESULTS_BYTES = 64 * 1024;

/** The inline results of the task that is being answered: items of its reply, all aligned to 8 bytes. */
interface Results {
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
}

interface LoadedFunction {
  readonly exported: ExportedFunction;
  readonly target: Function;
  calls: number;
}

interface LoadedActor {
  readonly exported: ExportedClass;
  readonly instance: Record<string, (...values: unknown[]) => unknown>;
  /** What a call of each method is called, by its index. */
  readonly taskNames: readonly string[];
}

export class Executor {
  private readonly session: NativeSession;
  /** By the native module's numbers, which are never used twice. */
  private readonly functions = new Map<number, LoadedFunction>();
  /** Functions that are being loaded, and nobody has let go of since. */
  private readonly loading = new Set<number>();
  private readonly storage = new AsyncLocalStorage<Running>();
  /** By token: those of the native module are small and used again. */
  private readonly runningByToken: (Running | undefined)[] = [];
  private actor: LoadedActor | undefined;
  /** The task or method that runs, where only one does. */
  private single: Running | undefined;
  /** Whose arguments are being read. */
  private reading: Running | undefined;
  private runningCount = 0;
  private limit = 1;
  private looking = false;
  private leaving = false;
  private terminating = false;
  /** A further look for tasks follows in this turn of the event loop. */
  private lookFollows = false;
  private results: Results;
  private resultsLength = 0;
  private visibleGpus: string | undefined;

  constructor(session: NativeSession) {
    this.session = session;
    this.results = this.newResults(RESULTS_BYTES);
  }

  start(): void {
    markOutput();
    useRunning(() => this.current());
    this.session.current = () => this.reading ?? this.current() ?? NO_TASK;
    this.session.lookForTasks = () => this.look();
    this.session.takesTasks = () => this.takesTasks();
    this.session.native.ready();
    this.look();
  }

  private current(): Running | undefined {
    if (this.limit === 1) return this.single;
    const running = this.storage.getStore();
    return running?.hasEnded === true ? undefined : running;
  }

  cancelled(token: number): void {
    const running = this.runningByToken[token];
    if (running === undefined) return;
    // A task that has its signal is told by it, and may wait for what it needs to clean up.
    if (running.hasController) this.session.calls.tellCancellation(token);
    running.controller.abort();
  }

  /** Nobody calls a function here any more. */
  functionForgotten(number: number): void {
    this.functions.delete(number);
    this.loading.delete(number);
  }

  /** Runs nothing any more. The process ends when what it has begun towards others is done: see `exit`. */
  leave(reason: string): void {
    if (this.leaving) return;
    this.leaving = true;
    this.session.signals.end();
    this.session.native.leave(reason);
    this.session.takeEvents();
  }

  /** Ends this process: nothing that it has begun is open. */
  exit(): void {
    this.leaving = true;
    const end = (): never => {
      this.session.reportUnseen();
      this.session.native.sayFarewell();
      process.exit(0);
    };
    // Nothing runs here: whoever has no values to dispose of ends at once.
    if (hasDisposals()) void disposeOfAll().then(end);
    else end();
  }

  /** The runtime ends, whatever runs here; nobody listens any more. */
  runtimeEnds(): void {
    this.leaving = true;
    // Before anything is awaited: what ends with the runtime has failed for nobody.
    this.session.reportUnseen();
    void disposeOfAll().then(() => process.exit(0));
  }

  /** True if this process would take a task now; while it looks for some anyway, nobody need ask it to. */
  private takesTasks(): boolean {
    return (
      this.runningCount < this.limit &&
      !this.looking &&
      !this.lookFollows &&
      !this.leaving &&
      !this.terminating
    );
  }

  /** Takes and starts tasks while there are any and this process may run another one. */
  private look(): void {
    if (!this.takesTasks()) return;
    this.looking = true;
    let begins = 1;
    try {
      while (this.runningCount < this.limit && !this.terminating) {
        // What runs goes on when this returns, and may have its result by then: no time to spin.
        const length = this.session.calls.nextTask(this.runningCount === 0 ? 1 : 0, begins);
        begins = 0;
        if (length === SLICE_OVER) break;
        if (length === 0) {
          // Nothing comes to pass unnoticed: the doorbell rings from here on.
          if (this.session.calls.prepareToSleep(1) === 0) return;
          // What has come in may be an event: nobody else reads those before the next wake-up.
          this.session.takeEvents();
          if (this.leaving) return;
        } else {
          this.begin(this.session.inbox.received(length), lengthOf(length));
        }
      }
      if (this.runningCount < this.limit && !this.terminating) {
        this.lookFollows = true;
        setImmediate(() => {
          this.lookFollows = false;
          this.look();
        });
      }
      // A task goes on by events, so these must ring although no further task is looked for.
      else this.session.takeEvents();
    } finally {
      this.looking = false;
    }
  }

  private begin(shared: Records, length: number): void {
    const { f64, u32 } = shared;
    const task: TaskRecord = {
      kind: u32[1]!,
      token: u32[2]!,
      target: u32[3]!,
      resultCount: u32[4]!,
      argumentCount: u32[5]!,
      sequence: f64[4]!,
      records: shared,
      argumentsAt: 40,
    };
    this.runningCount++;
    if (task.kind === RECORD_TASK) this.beginTask(task, length);
    else if (task.kind === RECORD_CALL) this.beginCall(task, length);
    else if (task.kind === RECORD_CREATE)
      void this.create({ ...task, records: shared.copy(0, length) });
    else if (task.kind === RECORD_TERMINATE) this.terminate();
  }

  private ended(): void {
    this.runningCount--;
    if (this.terminating && this.runningCount === 0) this.leave('its user ended it');
    else this.look();
  }

  /** No call that comes later starts any more; those that run go on. */
  private terminate(): void {
    this.terminating = true;
    this.ended();
  }

  // ---- tasks

  private beginTask(task: TaskRecord, length: number): void {
    const loaded = this.functions.get(task.target);
    if (loaded !== undefined) {
      this.runTask(task, loaded, length);
      return;
    }
    // Loading the function uses the inbox, and may take its time.
    const kept = { ...task, records: task.records.copy(0, length) };
    this.loadFunction(task.target).then(
      (fresh) => this.runTask(kept, fresh, length),
      (error: unknown) => this.failToLoad(kept, error),
    );
  }

  private async loadFunction(number: number): Promise<LoadedFunction> {
    this.loading.add(number);
    try {
      const [target, exported] = (await this.readFunction(number)) as [Function, ExportedFunction];
      const loaded = { exported, target, calls: 0 };
      if (this.loading.has(number)) this.functions.set(number, loaded);
      return loaded;
    } finally {
      this.loading.delete(number);
    }
  }

  private readFunction(number: number): Promise<unknown> {
    const length = this.session.native.function(number);
    if (length === 0) {
      const message = 'the function did not arrive ahead of its task';
      return Promise.reject(new EaglerayError('ERR_EAGLERAY_INTERNAL', message));
    }
    const records = this.session.inbox.received(length).copy(0, lengthOf(length));
    return this.session.values.decodeExport(records, 0);
  }

  private failToLoad(task: TaskRecord, error: unknown): void {
    // The module may well load in a fresh process.
    const running = this.newRunning(task, 'task', false, {}, isLoadFailure(error));
    this.answer(running, error);
  }

  private newRunning(
    task: TaskRecord,
    taskName: string,
    retryExceptions: Running['retryExceptions'],
    resources: Readonly<Record<string, number>>,
    retire: boolean,
  ): Running {
    const running = new Running(
      this.session,
      task,
      taskName,
      resources,
      retryExceptions,
      retire,
      this.actor === undefined,
    );
    if (task.token !== 0) this.runningByToken[task.token] = running;
    return running;
  }

  private runTask(task: TaskRecord, loaded: LoadedFunction, length: number): void {
    const { exported } = loaded;
    loaded.calls++;
    const retire = exported.maxCalls > 0 && loaded.calls >= exported.maxCalls;
    const running = this.newRunning(
      task,
      exported.name,
      exported.retryExceptions,
      exported.resources,
      retire,
    );
    this.single = running;
    nameOutput(exported.name);
    this.showGpus('GPU' in exported.resources || task.token === 0);
    this.run(running, task, length, loaded.target, undefined);
  }

  /** Tasks without GPUs see none; those of a lease see the lease's. */
  private showGpus(wanted: boolean): void {
    const visible = wanted ? this.session.native.gpuIds().join(',') : '';
    if (visible !== this.visibleGpus) {
      this.visibleGpus = visible;
      process.env['CUDA_VISIBLE_DEVICES'] = visible;
    }
  }

  /** Decodes the arguments, calls the function, and answers with what comes of it. */
  private run(
    running: Running,
    task: TaskRecord,
    length: number,
    target: Function,
    self: unknown,
  ): void {
    let result: unknown;
    try {
      const values = this.readArguments(running, task, length);
      if (values instanceof Promise) {
        values
          .then((loaded) => this.call(running, target, self, loaded))
          .then(
            (value) => this.answerValue(running, value),
            (error: unknown) => {
              // As for functions; an actor is this very process.
              running.retire ||= this.actor === undefined && isLoadFailure(error);
              this.answer(running, error);
            },
          );
        return;
      }
      result = this.call(running, target, self, values);
      if (isThenable(result)) {
        Promise.resolve(result).then(
          (value) => this.answerValue(running, value),
          (error: unknown) => this.answer(running, error),
        );
        return;
      }
    } catch (error) {
      this.answer(running, error);
      return;
    }
    this.answerValue(running, result);
  }

  private call(running: Running, target: Function, self: unknown, values: unknown[]): unknown {
    if (running.retryExceptions === 'last argument') {
      running.retryExceptions = values.pop() as true | readonly Function[];
    }
    if (this.limit > 1)
      return this.storage.run(running, () => Reflect.apply(target, self, values) as unknown);
    return Reflect.apply(target, self, values) as unknown;
  }

  private readArguments(
    running: Running,
    task: TaskRecord,
    length: number,
  ): unknown[] | Promise<unknown[]> {
    if (task.argumentCount === 0) return [];
    const loading = this.modulesOf(task);
    if (loading === undefined) return this.readLoaded(running, task, length, NONE_UNLOADED);
    const kept = { ...task, records: task.records.copy(0, length) };
    return loading.then((unloaded) => this.readLoaded(running, kept, length, unloaded));
  }

  private readLoaded(
    running: Running,
    task: TaskRecord,
    length: number,
    unloaded: Unloaded,
  ): unknown[] {
    this.reading = running;
    try {
      return this.readValues(task, length, unloaded);
    } finally {
      this.reading = undefined;
    }
  }

  private readValues(task: TaskRecord, length: number, unloaded: Unloaded): unknown[] {
    const { argumentCount, records } = task;
    const values: unknown[] = [];
    // One value by itself needs nothing that keeps it together with others.
    const delivery =
      argumentCount > 1 || unloaded !== NONE_UNLOADED ? new Delivery(unloaded) : undefined;
    let at = task.argumentsAt;
    // Decoding may run user code (custom states) that uses the inbox: then it must not be read any more.
    const stable = argumentCount > 1 ? records.copy(0, length) : records;
    for (let index = 0; index < argumentCount; index++) {
      const kind = stable.u32[at >>> 2]!;
      const size = stable.u32[(at >>> 2) + 1]!;
      const start = at + 8;
      values.push(
        kind === 0
          ? this.session.values.decode(stable.bytes, start, start + size, 0, delivery)
          : this.session.values.decodeLoaded(stable, start, delivery),
      );
      at = (at + 8 + size + 7) & ~7;
    }
    return values;
  }

  /** Loads the modules that the arguments need; undefined if there are none to load. */
  private modulesOf(task: TaskRecord): Promise<Unloaded> | undefined {
    const { records } = task;
    let at = task.argumentsAt;
    let needed: string[] | undefined;
    for (let index = 0; index < task.argumentCount; index++) {
      const kind = records.u32[at >>> 2]!;
      const size = records.u32[(at >>> 2) + 1]!;
      const modules =
        kind === 0
          ? requiredModules(records.bytes, at + 8, at + 8 + size)
          : this.session.values.modulesOf(records, at + 8);
      if (modules.length > 0) (needed ??= []).push(...modules);
      at = (at + 8 + size + 7) & ~7;
    }
    return needed === undefined ? undefined : loadModules(needed);
  }

  // ---- answers

  private answerValue(running: Running, value: unknown): void {
    const { resultCount } = running;
    try {
      if (resultCount === 1) {
        this.addResult(running, 0, STATUS_VALUE, value);
      } else if (resultCount > 1) {
        this.addResults(running, value);
      }
    } catch (error) {
      this.resultsLength = 0;
      this.answer(running, error);
      return;
    }
    this.finish(running);
  }

  /** A buffer for results, from which the native module reads them. */
  private newResults(byteLength: number): Results {
    const memory = new ArrayBuffer(byteLength);
    const bytes = new Uint8Array(memory);
    this.session.native.attachResults(bytes);
    return { bytes, u32: new Uint32Array(memory) };
  }

  private addResults(running: Running, value: unknown): void {
    const { resultCount } = running;
    if (!Array.isArray(value) || value.length !== resultCount) {
      const got = Array.isArray(value) ? `an array of ${value.length}` : describeValue(value);
      throw new TypeError(
        `${running.taskName} has numReturns: ${resultCount}, so it must return an array of ${resultCount}; it returned ${got}`,
      );
    }
    for (let index = 0; index < resultCount; index++)
      this.addResult(running, index, STATUS_VALUE, value[index]);
  }

  /** Answers with an error: what the function threw, or why its result could not be stored. */
  private answer(running: Running, thrown: unknown): void {
    if (isA(thrown, ActorExit)) {
      this.leave('exitActor');
      return;
    }
    const status = mayRetry(thrown, running.retryExceptions)
      ? STATUS_RETRYABLE_ERROR
      : STATUS_USER_ERROR;
    const error = errorOfTask(thrown, running.taskName, process.pid);
    // An answer is what one attempt has returned, or its error: never some of both.
    if (running.hasStored) this.session.native.discardResults(running.token);
    if (running.resultCount === 0) {
      process.stderr.write(`${textWithStack(error)}\n`);
    }
    for (let index = 0; index < running.resultCount; index++) {
      try {
        this.addResult(running, index, status, error);
      } catch (unstorable) {
        this.addResult(running, index, status, describedError(error, unstorable, running.taskName));
      }
    }
    this.finish(running);
  }

  private addResult(running: Running, index: number, status: number, value: unknown): void {
    const name =
      running.resultCount === 1 ? running.resultName : `${running.resultName} → [${index}]`;
    const encoder = this.session.values.encodeAlone(value, name);
    if (!isInline(encoder)) {
      const { buffers, meta, nested } = takeEncoded(encoder);
      const { actors, refs } = partNested(nested);
      running.hasStored = true;
      this.session.withRoom((patient) =>
        this.session.native.storeResult(
          running.token,
          index,
          status,
          meta,
          buffers,
          refs,
          actors,
          patient,
        ),
      );
      return;
    }
    const { bytes: envelope, length } = encoder;
    const start = this.resultsLength;
    const end = (start + 16 + length + 7) & ~7;
    if (end > this.results.bytes.length) {
      const larger = this.newResults(Math.max(end, this.results.bytes.length * 2));
      larger.bytes.set(this.results.bytes.subarray(0, start));
      this.results = larger;
    }
    const { bytes, u32 } = this.results;
    const word = start >>> 2;
    u32[word] = status;
    u32[word + 1] = 0;
    u32[word + 2] = index;
    u32[word + 3] = length;
    if (length < 32) for (let at = 0; at < length; at++) bytes[start + 16 + at] = envelope[at]!;
    else bytes.set(envelope.subarray(0, length), start + 16);
    this.resultsLength = end;
  }

  private finish(running: Running): void {
    const { token } = running;
    running.hasEnded = true;
    this.runningByToken[token] = undefined;
    // What it still waits for, nobody waits for any more: its worker is free for the next task.
    running.givesCpuBack = false;
    for (; running.openWaits > 0; running.openWaits--) this.session.calls.leaveWait();
    this.single = undefined;
    const length = this.resultsLength;
    this.resultsLength = 0;
    this.session.calls.finish(token, length, running.retire ? 1 : 0);
    if (running.signals !== undefined) {
      // Not before its results are taken: a signal may be one of them.
      for (const signal of running.signals) signal.taskEnded();
      running.signals = undefined;
    }
    this.ended();
  }

  // ---- actors

  private async create(task: TaskRecord): Promise<void> {
    try {
      const [target, exported] = (await this.readFunction(task.target)) as [
        new (...values: unknown[]) => LoadedActor['instance'],
        ExportedClass,
      ];
      this.becomeActor(task, exported);
      const running = this.newRunning(
        task,
        `${exported.className}.constructor`,
        false,
        exported.resources,
        false,
      );
      this.single = running;
      const values = await this.readArguments(running, task, task.records.bytes.length);
      const instance = this.storage.run(running, () => new target(...values));
      refusePromise(instance, exported.className);
      this.actor = { ...this.actor!, instance };
      this.single = undefined;
      this.report(STATUS_VALUE, undefined);
      this.limit = exported.maxConcurrency;
    } catch (error) {
      if (error instanceof ActorExit) {
        this.leave('exitActor');
        return;
      }
      // What was thrown itself: it becomes the cause of every call's error.
      this.report(STATUS_USER_ERROR, error);
    }
    this.ended();
  }

  private becomeActor(task: TaskRecord, exported: ExportedClass): void {
    const { session } = this;
    session.isActor = true;
    allowExit(() => this.leave('exitActor'));
    nameOutput(exported.actorName ?? exported.className);
    this.showGpus('GPU' in exported.resources);
    const id = actorIdOf(session, task);
    const parts: HandleParts = {
      className: exported.className,
      methods: exported.methods,
      generators: exported.generators,
      ordered: exported.maxConcurrency <= 1,
      maxTaskRetries: 0,
      maxPendingCalls: -1,
      name: exported.actorName,
    };
    useActor({
      actorId: Buffer.from(id).toString('hex'),
      actorName: exported.actorName,
      resources: exported.resources,
      handle: () => ownHandle(id, parts) as never,
    });
    this.actor = {
      exported,
      instance: {},
      taskNames: exported.methods.map((method) => `${exported.className}.${method}`),
    };
  }

  private report(status: number, value: unknown): void {
    const { native, values } = this.session;
    let { encoded, stored } = this.encodedReport(value);
    const { byteLength } = encoded.meta;
    if (byteLength > CONSTRUCTOR_ERROR_BYTES_MAX) {
      const shortened = shortenedError(value, byteLength, 'constructor');
      encoded = values.encode(shortened, 'error');
      stored = undefined;
    }
    if (stored === undefined) native.actorStarted(status, encoded.meta);
    else native.actorFailed(stored);
  }

  /** What the constructor reports; if it has arrays, refs or handles, with the number of the object that it is stored as. */
  private encodedReport(value: unknown): { encoded: Encoded; stored: number | undefined } {
    const { session } = this;
    try {
      const encoded = session.values.encode(value, 'error');
      const { buffers, meta, nested } = encoded;
      const travels = buffers.length === 0 && nested.length === 0;
      const isTooLong = meta.byteLength > CONSTRUCTOR_ERROR_BYTES_MAX;
      const stored = travels || isTooLong ? undefined : session.storeEncoded(encoded);
      return { encoded, stored };
    } catch (unstorable) {
      const described = describedError(value, unstorable, 'constructor');
      return { encoded: session.values.encode(described, 'error'), stored: undefined };
    }
  }

  private beginCall(task: TaskRecord, length: number): void {
    const { actor } = this;
    const repeatsErrors = task.target >= CALL_REPEATS_ERRORS;
    const method = repeatsErrors ? task.target - CALL_REPEATS_ERRORS : task.target;
    const name = actor?.exported.methods[method];
    if (actor === undefined || name === undefined) {
      const running = this.newRunning(task, 'method', false, {}, false);
      this.answer(
        running,
        new EaglerayError(
          'ERR_EAGLERAY_INTERNAL',
          'a call for a method that this actor does not have',
        ),
      );
      return;
    }
    const running = this.newRunning(
      task,
      actor.taskNames[method]!,
      repeatsErrors ? 'last argument' : false,
      actor.exported.resources,
      false,
    );
    if (this.limit === 1) this.single = running;
    this.run(running, task, length, methodOf(actor, method), actor.instance);
  }
}

/** A constructor may give another object than `this`, a proxy of it for example; calls can't go to one that comes later. */
function refusePromise(instance: unknown, className: string): void {
  if (!isA(instance, Promise)) return;
  throw new TypeError(
    `the constructor of ${className} returned a promise, which has none of its methods; do what is asynchronous in an async method, and call that first`,
  );
}

/** The instance's own method, or one that throws what stands in its place, so that the caller learns of it. */
function methodOf({ exported, instance, taskNames }: LoadedActor, index: number): Function {
  const method: unknown = instance[exported.methods[index]!];
  if (typeof method === 'function') return method;
  return () => {
    throw new TypeError(
      `${taskNames[index]} is ${describeValue(method)} in the actor's instance and not a function: a property that its constructor set hides the method, or the constructor returned another object`,
    );
  };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    typeof value === 'object' &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

function actorIdOf(session: NativeSession, task: TaskRecord): Uint8Array {
  return session.native.taskId(task.token, task.sequence);
}
