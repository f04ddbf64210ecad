/** The `get`s and `wait`s of this process that have not ended: how each ends, by whatever comes first. */

import { addAbortListener } from 'node:events';

import { NotInitializedError, TaskCancelledError } from '../errors.ts';
import type { HotCalls } from '../native.ts';
import { Records } from './records.ts';
import type { LocalWait, WaitLimits } from './runtime.ts';

/** What runs in this process at the moment; the driver has none. */
export interface CurrentTask {
  /** The native module's token; 0 in the driver and in constructors. */
  readonly token: number;
  /** `get`s of tasks give their CPU back; those of actors don't, and neither do those that outlive their task. */
  readonly givesCpuBack: boolean;
  /** `get`s and `wait`s that it is in and for which its CPU was given back. */
  openWaits: number;
  /** Signals that arrived with it: they live until it ends, although nobody else may hold what aborts them. */
  signals?: TaskSignal[] | undefined;
}

/** A signal that arrived with a task. */
export interface TaskSignal {
  /** The task has ended. */
  taskEnded(): void;
}

export const NO_TASK: CurrentTask = { token: 0, givesCpuBack: false, openWaits: 0 };

/** The task was cancelled, and has just been told by the call that returned this. */
const CANCELLED_FRESH = 1;

/** The longest delay that Node's timers take; longer ones are waited for in parts. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** The number of the wait for the end of the runtime; those of the native module are above 0. */
const END = -1;

/** The waits that this process settles itself have numbers from here down. */
const LOCAL = -2;

/** What a local wait is settled with holds no record. */
const NO_RECORDS = new Records(0);

/** What waits need of their session. */
export interface WaitHost {
  readonly calls: HotCalls;
  readonly isClosed: boolean;
  readonly current: () => CurrentTask;
  /** The number of open waits has changed. */
  waitsChanged(): void;
  release(handle: number): void;
}

/** How a wait ends that ends by itself. */
export interface WaitEnds<R> {
  /** With a record of the native module. */
  settle(records: Records, at: number, count: number): Promise<R> | R;
  /** When its time is over; may throw. */
  timedOut(): R;
}

interface OpenWait {
  readonly token: number;
  /** What it waits for. */
  readonly refs: readonly object[];
  /** The task knew that it was cancelled when it began to wait, so that this wait is for cleaning up. */
  readonly isKnowing: boolean;
  /** Refs that were disposed meanwhile: they are let go when it has ended. */
  disposed?: DisposedRef[] | undefined;
  settle(records: Records, at: number, count: number): void;
  fail(error: unknown): void;
}

interface DisposedRef {
  readonly ref: object;
  readonly handle: number;
}

export class Waits {
  readonly host: WaitHost;
  private nextLocal = LOCAL;
  private readonly open = new Map<number, OpenWait>();
  private readonly aborts = new AbortListeners();

  constructor(host: WaitHost) {
    this.host = host;
  }

  get size(): number {
    return this.open.size;
  }

  /** A wait that the native module knows nothing of: whatever else ends a wait ends it too. */
  beginLocal<R>(limits: WaitLimits, refs: readonly object[], timedOut: () => R): LocalWait<R> {
    const number = this.nextLocal--;
    let result: R;
    const promise = this.host.isClosed
      ? Promise.reject<R>(new NotInitializedError('the runtime has ended'))
      : this.begin(number, limits, refs, { settle: () => result, timedOut });
    return {
      promise,
      isOpen: () => this.open.has(number),
      settle: (value) => {
        result = value;
        this.settle(number, NO_RECORDS, 0, 0);
        this.host.waitsChanged();
      },
      fail: (error) => {
        const wait = this.open.get(number);
        this.open.delete(number);
        wait?.fail(error);
        this.host.waitsChanged();
      },
    };
  }

  private withdraw(number: number): void {
    if (number > 0) this.host.calls.withdraw(number);
  }

  /** A promise for the end of a wait, by its number. */
  begin<R>(
    number: number,
    limits: WaitLimits,
    refs: readonly object[],
    ends: WaitEnds<R>,
  ): Promise<R> {
    const { host } = this;
    const task = host.current();
    const cancellation = task.token === 0 ? 0 : host.calls.tellCancellation(task.token);
    if (cancellation === CANCELLED_FRESH) {
      this.withdraw(number);
      return Promise.reject(new TaskCancelledError(''));
    }
    const { signal, timeoutMs, keepCpus } = limits;
    if (timeoutMs === 0) {
      this.withdraw(number);
      return new Promise((resolve) => resolve(ends.timedOut()));
    }
    return new Promise<R>((resolve, reject) => {
      const wait = new RequestedWait(this, task, refs, cancellation !== 0, ends, resolve, reject);
      if (timeoutMs !== null) wait.endAfter(timeoutMs, () => this.giveUp(number, wait));
      if (signal !== null) wait.endWith(signal, this.aborts, () => this.giveUp(number, wait));
      if (task.givesCpuBack && !keepCpus) {
        wait.gaveCpuBack = true;
        task.openWaits++;
        host.calls.enterWait();
      }
      this.open.set(number, wait);
      host.waitsChanged();
    });
  }

  /** Ends a wait before what it waits for. False if it has ended. */
  private giveUp<R>(number: number, wait: RequestedWait<R>): boolean {
    if (this.open.get(number) !== wait) return false;
    this.open.delete(number);
    this.withdraw(number);
    wait.clean();
    this.host.waitsChanged();
    return true;
  }

  /** A promise for the end of the runtime. */
  untilEnd(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => resolve();
      this.open.set(END, { token: 0, refs: [], isKnowing: false, settle: done, fail: done });
      this.host.waitsChanged();
    });
  }

  /** A wait has ended: what the native module says of it is in a record. */
  settle(number: number, records: Records, at: number, count: number): void {
    const wait = this.open.get(number);
    this.open.delete(number);
    wait?.settle(records, at, count);
  }

  /** A task that runs here was cancelled: what it waits for is interrupted. */
  interrupt(token: number): void {
    for (const [number, wait] of this.open) {
      if (wait.token !== token || wait.isKnowing) continue;
      this.open.delete(number);
      this.withdraw(number);
      // This tells the task; if it waits for nothing now, its next wait does.
      this.host.calls.tellCancellation(token);
      wait.fail(new TaskCancelledError(''));
    }
  }

  /** The runtime has ended. */
  failAll(error: Error): void {
    const pending = [...this.open.values()];
    this.open.clear();
    for (const wait of pending) wait.fail(error);
  }

  /** Lets go of a disposed ref, unless somebody still waits for it: then the end of that wait does. */
  release(ref: object, handle: number): void {
    for (const wait of this.open.values()) {
      if (!wait.refs.includes(ref)) continue;
      (wait.disposed ??= []).push({ ref, handle });
      return;
    }
    this.host.release(handle);
  }

  /** A wait has ended, and what it waited for is read. */
  releaseDisposed({ disposed }: OpenWait): void {
    if (disposed === undefined) return;
    for (const { handle, ref } of disposed) this.release(ref, handle);
  }
}

/**
 * A `get` or `wait` that is open. A class and no closures: there is one for each, and most have neither a time nor a signal to end
 * with.
 */
class RequestedWait<R> implements OpenWait {
  readonly token: number;
  readonly refs: readonly object[];
  readonly isKnowing: boolean;
  disposed: DisposedRef[] | undefined;
  /** Its task gave its CPU back for it. */
  gaveCpuBack = false;
  private readonly waits: Waits;
  private readonly task: CurrentTask;
  private readonly ends: WaitEnds<R>;
  private readonly resolve: (result: R | PromiseLike<R>) => void;
  private readonly reject: (error: unknown) => void;
  private timer: NodeJS.Timeout | undefined;
  /** Takes it off its signal. */
  private stopListening: (() => void) | undefined;

  constructor(
    waits: Waits,
    task: CurrentTask,
    refs: readonly object[],
    isKnowing: boolean,
    ends: WaitEnds<R>,
    resolve: (result: R | PromiseLike<R>) => void,
    reject: (error: unknown) => void,
  ) {
    this.token = task.token;
    this.refs = refs;
    this.isKnowing = isKnowing;
    this.disposed = undefined;
    this.waits = waits;
    this.task = task;
    this.ends = ends;
    this.resolve = resolve;
    this.reject = reject;
    this.timer = undefined;
    this.stopListening = undefined;
  }

  /** `giveUp` ends it, unless it has ended. */
  endAfter(timeoutMs: number, giveUp: () => boolean): void {
    const deadline = performance.now() + timeoutMs;
    const tick = (): void => {
      const left = deadline - performance.now();
      if (left > 0) {
        this.timer = setTimeout(tick, Math.min(Math.ceil(left), TIMER_MAX_MS));
        return;
      }
      if (!giveUp()) return;
      try {
        this.resolve(this.ends.timedOut());
      } catch (error) {
        this.reject(error);
      }
      // Whoever is told what is ready after the time is over asks for the disposed ones, too.
      this.waits.releaseDisposed(this);
    };
    this.timer = setTimeout(tick, Math.min(Math.ceil(timeoutMs), TIMER_MAX_MS));
  }

  endWith(signal: AbortSignal, listeners: AbortListeners, giveUp: () => boolean): void {
    const abort = (): void => {
      if (!giveUp()) return;
      this.reject(signal.reason);
      this.waits.releaseDisposed(this);
    };
    listeners.add(signal, abort);
    this.stopListening = () => listeners.remove(signal, abort);
  }

  settle(records: Records, at: number, count: number): void {
    this.clean();
    const result = this.ends.settle(records, at, count);
    this.resolve(result);
    if (this.disposed === undefined) return;
    // Values whose modules are still being loaded are read after that.
    const release = (): void => this.waits.releaseDisposed(this);
    Promise.resolve(result).then(release, release);
  }

  fail(error: unknown): void {
    this.clean();
    this.waits.releaseDisposed(this);
    this.reject(error);
  }

  clean(): void {
    if (this.timer !== undefined) clearTimeout(this.timer);
    this.stopListening?.();
    const { task, waits } = this;
    // The end of a task has closed the waits that it left behind, as a race does.
    if (!this.gaveCpuBack || task.openWaits === 0 || waits.host.isClosed) return;
    task.openWaits--;
    waits.host.calls.leaveWait();
  }
}

/** What waits with a signal, and the listener that ends all of it. */
interface Listening {
  readonly actions: Set<() => void>;
  readonly abort: () => void;
}

/**
 * One listener for each signal, however many wait with it: Node warns of more than ten. It goes with the last of them,
 * because Node keeps what `AbortSignal.any` and `AbortSignal.timeout` give for as long as somebody listens.
 */
class AbortListeners {
  private readonly listening = new WeakMap<AbortSignal, Listening>();

  add(signal: AbortSignal, action: () => void): void {
    let listening = this.listening.get(signal);
    if (listening === undefined) {
      const actions = new Set<() => void>();
      listening = {
        actions,
        abort: () => {
          for (const each of actions) each();
        },
      };
      this.listening.set(signal, listening);
      // A listener before it may stop the event: this one hears of it all the same.
      addAbortListener(signal, listening.abort);
    }
    listening.actions.add(action);
  }

  remove(signal: AbortSignal, action: () => void): void {
    const listening = this.listening.get(signal);
    if (listening?.actions.delete(action) !== true || listening.actions.size > 0) return;
    this.listening.delete(signal);
    signal.removeEventListener('abort', listening.abort);
  }
}
