/**
 * Who wants to know of single refs when they are ready: loops of `wait`, `asCompleted`, and signals that arrived.
 *
 * Each watched ref is one wait of the native module, registered once. A loop that asks for one of many refs each time
 * would register all that are left, each time.
 *
 * 1. A listener is told of each of its refs once, unless it stops before.
 * 2. A watched ref is held, and lets go of its object at the end of the last watch on it, also if it is disposed of before.
 */

import type { HotCalls } from '../native.ts';
import type { ObjectRefImplementation } from '../object-ref.ts';
import type { Inbox } from './inbox.ts';
import type { ReadyListener } from './runtime.ts';

/** What watching needs of its session. */
export interface WatchHost {
  readonly calls: HotCalls;
  /** Where the native module reads the numbers of refs. */
  readonly handles: Float64Array;
  readonly inbox: Inbox;
  /** Lets go of the object of a disposed ref, as soon as nobody waits for it. */
  releaseDisposed(ref: ObjectRefImplementation, handle: number): void;
}

/** The largest number of a wait. */
const NUMBER_MAX = 2 ** 32 - 1;

interface Watch {
  readonly ref: ObjectRefImplementation;
  readonly listener: ReadyListener;
  readonly index: number;
}

export class Watches {
  private readonly host: WatchHost;
  /** By the number of the wait in the native module. */
  private readonly open = new Map<number, Watch>();
  /** What refs that were disposed of while they are watched have to let go of. */
  private readonly disposed = new Map<ObjectRefImplementation, number>();

  constructor(host: WatchHost) {
    this.host = host;
  }

  /** Watches a ref that this process holds: the number of the watch. 0 if it is ready; then nobody is told. */
  start(ref: ObjectRefImplementation, listener: ReadyListener, index: number): number {
    // What only JavaScript knows is a value.
    if (ref.local !== undefined) return 0;
    const { calls, handles } = this.host;
    handles[0] = ref.handle;
    const result = calls.wait(1, 1);
    if (result > 0) return 0;
    ref.watchCount++;
    this.open.set(-result, { ref, listener, index });
    return -result;
  }

  /** Watches several refs that this process holds: the positions of those that are ready, of which nobody is told. */
  startAll(
    refs: readonly ObjectRefImplementation[],
    listener: ReadyListener,
    first: number,
  ): number[] {
    const ready: number[] = [];
    const { length } = this.host.handles;
    for (let from = 0; from < refs.length; from += length) {
      this.startSome(refs, from, Math.min(from + length, refs.length), listener, first, ready);
    }
    return ready;
  }

  /** As many as the native module reads numbers of at a time. */
  private startSome(
    refs: readonly ObjectRefImplementation[],
    from: number,
    to: number,
    listener: ReadyListener,
    first: number,
    ready: number[],
  ): void {
    const { calls, handles, inbox } = this.host;
    let count = 0;
    for (let position = from; position < to; position++) {
      const ref = refs[position]!;
      if (ref.local === undefined) handles[count++] = ref.handle;
    }
    const { u32 } = inbox.received(calls.watch(count));
    let number = u32[2]!;
    let nextReady = 4;
    const endOfReady = nextReady + u32[3]!;
    let known = 0;
    for (let position = from; position < to; position++) {
      const ref = refs[position]!;
      if (ref.local !== undefined) {
        ready.push(position);
      } else if (known++ === u32[nextReady] && nextReady < endOfReady) {
        nextReady++;
        ready.push(position);
      } else {
        ref.watchCount++;
        this.open.set(number, { ref, listener, index: first + position });
        number = number === NUMBER_MAX ? 1 : number + 1;
      }
    }
  }

  /** A wait has ended. False if it is not one of these. */
  settle(number: number): boolean {
    const watch = this.open.get(number);
    if (watch === undefined) return false;
    this.open.delete(number);
    watch.listener.ready(watch.index, watch.ref);
    this.ended(watch.ref);
    return true;
  }

  /** Ends all watches of a listener. */
  stop(listener: ReadyListener): void {
    for (const [number, watch] of this.open) {
      if (watch.listener === listener) this.withdraw(number, watch);
    }
  }

  /** Ends one watch, unless it has ended. */
  stopOne(number: number): void {
    const watch = this.open.get(number);
    if (watch !== undefined) this.withdraw(number, watch);
  }

  private withdraw(number: number, watch: Watch): void {
    this.open.delete(number);
    this.host.calls.withdraw(number);
    this.ended(watch.ref);
  }

  private ended(ref: ObjectRefImplementation): void {
    if (--ref.watchCount > 0) return;
    const handle = this.disposed.get(ref);
    if (handle === undefined) return;
    this.disposed.delete(ref);
    this.host.releaseDisposed(ref, handle);
  }

  /** A ref was disposed of. False if nobody watches it: then there is no reason to wait with letting go. */
  disposeLater(ref: ObjectRefImplementation, handle: number): boolean {
    if (ref.watchCount === 0) return false;
    this.disposed.set(ref, handle);
    return true;
  }

  /** The runtime has ended. */
  clear(): void {
    this.open.clear();
    this.disposed.clear();
  }
}
