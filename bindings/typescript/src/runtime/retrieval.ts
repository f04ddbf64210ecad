/** `get` and `wait` of one process: asks the native module, reads its records, and begins what has to be awaited. */

import { requiredModules } from '../codec/index.ts';
import {
  GetTimeoutError,
  InvalidArgumentError,
  NotInitializedError,
  TaskCancelledError,
} from '../errors.ts';
import { type NativeRuntime, native } from '../native.ts';
import type { LocalValue, ObjectRefImplementation } from '../object-ref.ts';
import type { Garbage } from './garbage.ts';
import type { Inbox } from './inbox.ts';
import { loadModules, notLoaded } from './modules.ts';
import type { Outbox } from './outbox.ts';
import { type Records, STATUS_VALUE, readValue } from './records.ts';
import type { WaitLimits } from './runtime.ts';
import type { Values } from './values.ts';
import type { WaitHost, Waits } from './waits.ts';

/** The numbers of so many refs fit into their buffer to begin with. */
const HANDLES_MIN = 4096;

/** What retrieving needs of its session. */
export interface RetrievalHost extends WaitHost {
  readonly native: NativeRuntime;
  readonly inbox: Inbox;
  readonly outbox: Outbox;
  readonly values: Values;
  readonly waits: Waits;
  readonly garbage: Garbage;
  /** Lets the event loop turn before a value is handed out, if the store fills up and it has not turned since garbage was collected. */
  afterViews<R>(values: Promise<R>): Promise<R>;
  /** Makes the native module know a ref that only JavaScript knew. */
  define(ref: ObjectRefImplementation): void;
  /** Prints lines of workers that have come. */
  readLines(): void;
}

/**
 * A worker thread blocks so long at a time. Nothing tells native code that its thread was asked to end, be it by
 * `terminate()` or because the process exits; V8 ends it as soon as it comes back.
 */
const THREAD_BLOCKS_MS = 100;

export class Retrieval {
  private readonly host: RetrievalHost;
  /** Where the native module reads the numbers of refs. */
  handles = new Float64Array(HANDLES_MIN);

  /** So long a thread blocks at a time. */
  private readonly blockingPartMs: number;

  constructor(host: RetrievalHost) {
    this.host = host;
    this.blockingPartMs = native().isMainThread() ? Infinity : THREAD_BLOCKS_MS;
  }

  private fillHandles(refs: readonly ObjectRefImplementation[]): void {
    if (refs.length > this.handles.length) {
      this.handles = new Float64Array(Math.max(refs.length, this.handles.length * 2));
      this.host.native.attachHandles(this.handles);
    }
    const { handles } = this;
    for (let index = 0; index < refs.length; index++) {
      const ref = refs[index]!;
      if (ref.local !== undefined) this.host.define(ref);
      handles[index] = ref.handle;
    }
  }

  /** The values of refs, in order. */
  get(refs: readonly ObjectRefImplementation[], limits: WaitLimits): Promise<unknown[]> {
    if (this.host.isClosed) return Promise.reject(new NotInitializedError('the runtime has ended'));
    if (limits.signal?.aborted === true) return Promise.reject(limits.signal.reason as Error);
    const single = refs.length === 1 ? refs[0]! : undefined;
    if (single !== undefined) {
      if (single.failure !== undefined) return Promise.reject(single.failure.error as Error);
      if (single.local !== undefined) return this.getLocal(single.local);
    }
    try {
      this.fillHandles(refs);
      const result = this.host.calls.get(refs.length);
      if (result > 0) {
        const records = this.host.inbox.received(result);
        return this.host.afterViews(this.readValues(records, 16, records.u32[3]!, refs));
      }
      // Whoever asks to wait looks at what has come in, also if it does not wait after all.
      this.host.outbox.scheduleTurn();
      const handles = limits.timeoutMs === null ? [] : handlesOf(refs);
      return this.host.waits.begin(-result, limits, refs, {
        settle: (records, at, count) => this.readValues(records, at, count, refs),
        timedOut: () => {
          throw this.timeoutError(limits.timeoutMs ?? 0, handles);
        },
      });
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  private getLocal(local: LocalValue): Promise<unknown[]> {
    try {
      if (local.kind === 'envelope') {
        const loading = loadModules(requiredModules(local.bytes));
        if (loading !== undefined) return loading.then(() => [this.host.values.localValue(local)]);
      }
      return Promise.resolve([this.host.values.localValue(local)]);
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
      records === this.host.inbox.records && count > 0
        ? records.copy(0, endOfValues(records, at, count))
        : records;
    try {
      for (let index = 0; index < count; index++) {
        const decoded = this.decodeFor(refs[index]!, stable, position);
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
      // The first error is the one that is shown; what is still loading may fail, and nobody awaits it any more.
      for (const pending of loading) pending.catch(() => undefined);
      return Promise.reject(this.rememberFailure(stable, position, refs, error) as Error);
    }
    if (loading.length === 0) return Promise.resolve(values);
    return Promise.all(loading).then(() => values);
  }

  /** Decodes the value of a ref. One that has buffers is large, so its ref must let go in time. */
  private decodeFor(
    ref: ObjectRefImplementation,
    records: Records,
    at: number,
    atOnce = false,
  ): ReturnType<Values['decodeAt']> {
    const { garbage, values } = this.host;
    const { bufferCount } = garbage;
    const decoded = values.decodeAt(records, at, atOnce);
    if (garbage.bufferCount !== bufferCount) garbage.watch(ref);
    return decoded;
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

  private timeoutError(timeoutMs: number, handles: readonly number[]): GetTimeoutError {
    const missing = handles.length - this.readyNow(handles, handles.length).length;
    return new GetTimeoutError('', { timeoutMs, missing });
  }

  /** The positions of those that are ready now, at most `most` of them. */
  private readyNow(handles: readonly number[], most: number): number[] {
    this.handles.set(handles);
    const ready = this.host.inbox.received(this.host.native.readyNow(handles.length, most));
    return readPositions(ready, 16, ready.u32[3]!);
  }

  /** The refs that are ready, by their positions. */
  wait(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    limits: WaitLimits,
  ): Promise<number[]> {
    if (this.host.isClosed) return Promise.reject(new NotInitializedError('the runtime has ended'));
    if (limits.signal?.aborted === true) return Promise.reject(limits.signal.reason as Error);
    try {
      this.fillHandles(refs);
      const result = this.host.calls.wait(refs.length, needed);
      if (result > 0) {
        const records = this.host.inbox.received(result);
        return Promise.resolve(readPositions(records, 16, records.u32[3]!));
      }
      this.host.outbox.scheduleTurn();
      const handles = limits.timeoutMs === null ? [] : handlesOf(refs);
      return this.host.waits.begin(-result, limits, refs, {
        settle: readPositions,
        timedOut: () => this.readyNow(handles, needed),
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
    return error;
  }

  /** Blocks this thread until the values are there. */
  getSync(
    refs: readonly ObjectRefImplementation[],
    { timeoutMs, keepCpus }: WaitLimits,
  ): unknown[] {
    const single = refs.length === 1 ? refs[0]! : undefined;
    if (single?.failure !== undefined) throw single.failure.error;
    if (single?.local !== undefined) {
      const { local } = single;
      if (local.kind === 'envelope' && loadModules(requiredModules(local.bytes)) !== undefined) {
        throw notLoaded();
      }
      return [this.host.values.localValue(local)];
    }
    const records = this.block(refs, -1, timeoutMs, keepCpus);
    const count = records.u32[3]!;
    const values: unknown[] = [];
    let at = 16;
    const stable =
      records === this.host.inbox.records
        ? records.copy(0, endOfValues(records, at, count))
        : records;
    try {
      for (let index = 0; index < count; index++) {
        const decoded = this.decodeFor(refs[index]!, stable, at, true);
        if (decoded instanceof Promise) {
          decoded.catch(() => undefined);
          throw notLoaded();
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
    const records = this.block(refs, needed, timeoutMs, false);
    return readPositions(records, 16, records.u32[3]!);
  }

  private blockOnce(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    timeoutMs: number,
    keepCpus: boolean,
  ): number {
    this.fillHandles(refs);
    const { token } = this.host.current();
    try {
      return this.host.native.block(refs.length, needed, timeoutMs, token, keepCpus);
    } catch (error) {
      throw this.waitError(error);
    } finally {
      this.host.outbox.wasRead();
    }
  }

  /** Does what a blocked thread was left for. False if it was not left for anything. */
  private didOnTheWay(result: number): boolean {
    if (result === COLLECT_FIRST) {
      if (this.host.garbage.collectIfAsked()) this.host.outbox.handOver();
      return true;
    }
    if (result === PRINT_FIRST) {
      this.host.readLines();
      return true;
    }
    return false;
  }

  /** Whether `block` has ended because the time was over: a `waitSync` then has a record of what is ready. */
  private isTimeOver(result: number, needed: number): boolean {
    if (needed < 0 || result < 0) return result === -1;
    return this.host.inbox.received(result).u32[3]! < needed;
  }

  private block(
    refs: readonly ObjectRefImplementation[],
    needed: number,
    timeoutMs: number | null,
    keepCpus: boolean,
  ): Records {
    const deadline = timeoutMs === null ? Infinity : performance.now() + timeoutMs;
    const part = (): number => {
      const left = Math.max(0, deadline - performance.now());
      const most = Math.min(left, this.blockingPartMs);
      return most === Infinity ? -1 : most;
    };
    let result = this.blockOnce(refs, needed, part(), keepCpus);
    for (;;) {
      if (this.didOnTheWay(result)) result = this.host.native.blockAgain(part());
      else if (performance.now() < deadline && this.isTimeOver(result, needed))
        result = this.blockOnce(refs, needed, part(), keepCpus);
      else break;
    }
    if (result === -1) throw this.timeoutError(timeoutMs ?? 0, handlesOf(refs));
    if (result === -2) throw new TaskCancelledError('');
    if (result === -3) throw new NotInitializedError('the runtime has ended');
    return this.host.inbox.received(result);
  }
}

/** `block` of the native module: garbage has to be collected before it makes sense to wait on. */
const COLLECT_FIRST = -4;

/** `block` of the native module: workers have printed lines, which are shown while the thread waits. */
const PRINT_FIRST = -5;

/** The numbers of refs as they are when a wait begins: one that is disposed of meanwhile has none any more. */
function handlesOf(refs: readonly ObjectRefImplementation[]): number[] {
  return refs.map(({ handle }) => handle);
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
