/**
 * `AbortSignal`s that travel: each is a value that its process will have later, the reason of its abort, and whoever
 * is given the signal waits for that value.
 *
 * Invariants:
 * 1. A signal has one ref, however often it is sent, also by those that it was sent to; at home it is itself again.
 * 2. A signal that arrived with a task hears until the task ends, whoever holds it, and no longer. One that arrived
 *    otherwise, or in an actor, hears while somebody holds it or listens to it, as Node's own do that depend on others.
 * 3. A signal that was made here is listened to while somebody elsewhere may want to hear of it, and that is all: Node
 *    keeps one that depends on others alive for its listeners. Once a signal is collected nobody can abort it any more,
 *    and whoever waits for it waits no longer.
 */

import { addAbortListener } from 'node:events';

import { describeThrown } from '../describe-value.ts';
import { NotInitializedError, ObjectLostError, OwnerDiedError } from '../errors.ts';
import type { NativeRuntime } from '../native.ts';
import { type ObjectRefImplementation, makeRef } from '../object-ref.ts';
import type { ReadyListener, Runtime, WaitLimits } from './runtime.ts';
import { type Encoded, type TravellingSignals, type Values, partNested } from './values.ts';
import type { CurrentTask, TaskSignal } from './waits.ts';
import type { Watches } from './watches.ts';

/** What signals need of their session. */
export interface AbortSignalHost extends Runtime {
  readonly native: NativeRuntime;
  readonly isClosed: boolean;
  /** This process is an actor: it may use what came with a call after the call. */
  readonly isActor: boolean;
  readonly values: Values;
  readonly watches: Watches;
  readonly outbox: { scheduleTurn(): void };
  readonly current: () => CurrentTask;
  /** The number of a new object of this process. */
  newSequence(): number;
  /** Lets go of a ref that no `get` or `wait` of the program can have. */
  letGo(ref: ObjectRefImplementation): void;
}

/** What a signal's ref gives: a list with the reason, or an empty one if it aborts no more. */
type Settled = readonly [] | readonly [reason: unknown];

/** The largest reason of an abort, in bytes as it travels. */
const REASON_BYTES_MAX = 2 ** 16;

/** How much is shown of a reason that can't travel, in characters. */
const SHOWN_OF_REASON = 1000;

const UNLIMITED: WaitLimits = { timeoutMs: null, signal: null, keepCpus: false };

/** Once so many signals are listened to, those are looked for that nobody elsewhere wants to hear of any more. */
const HEARD_MIN = 256;

/** A signal that was made here and has not aborted. Does not hold it. */
interface Own {
  readonly signal: WeakRef<AbortSignal>;
  /** It is listened to. */
  isHeard: boolean;
}

/** A signal of another process that has not aborted. Does not hold it. */
class Follower implements ReadyListener {
  readonly ref: ObjectRefImplementation;
  readonly signal: WeakRef<AbortSignal>;
  /** The number of its watch; 0 while there is none. */
  watch = 0;
  private readonly tell: (follower: Follower) => void;

  constructor(
    ref: ObjectRefImplementation,
    signal: AbortSignal,
    tell: (follower: Follower) => void,
  ) {
    this.ref = ref;
    this.signal = new WeakRef(signal);
    this.tell = tell;
  }

  ready(): void {
    this.watch = 0;
    this.tell(this);
  }
}

/** Holds a signal that arrived with a task. */
class HeldSignal implements TaskSignal {
  readonly signal: AbortSignal;
  private readonly end: (() => void) | undefined;

  constructor(signal: AbortSignal, end: (() => void) | undefined) {
    this.signal = signal;
    this.end = end;
  }

  taskEnded(): void {
    this.end?.();
  }
}

export class AbortSignals implements TravellingSignals {
  private readonly host: AbortSignalHost;
  /** The refs of all signals that travel, whoever made them. */
  private readonly refs = new WeakMap<AbortSignal, ObjectRefImplementation>();
  /** What aborts the signals of other processes. */
  private readonly controllers = new WeakMap<AbortSignal, AbortController>();
  /** Those that were made here and have not aborted, by the handles of their refs. */
  private readonly own = new Map<number, Own>();
  /** How many of those are listened to. */
  private heardCount = 0;
  /** When so many are, they are looked through. */
  private sweepAt = HEARD_MIN;
  private isSweepDue = false;
  private readonly ownCollected = new FinalizationRegistry<ObjectRefImplementation>((ref) =>
    this.settle(ref, []),
  );
  private readonly followerCollected = new FinalizationRegistry<Follower>((follower) =>
    this.unfollow(follower),
  );

  constructor(host: AbortSignalHost) {
    this.host = host;
  }

  // ---- signals that leave

  /** The ref of a signal that has not aborted. */
  refOf(signal: AbortSignal): ObjectRefImplementation {
    const known = this.refs.get(signal);
    if (known !== undefined && known.handle !== -1) {
      const own = this.own.get(known.handle);
      if (own !== undefined) this.hear(signal, own);
      return known;
    }
    const sequence = this.host.newSequence();
    this.host.native.promise(sequence);
    // Not one of those that the garbage collector lets go of: its signal does.
    const ref = makeRef(this.host, sequence);
    this.refs.set(signal, ref);
    const own: Own = { signal: new WeakRef(signal), isHeard: false };
    this.own.set(sequence, own);
    this.ownCollected.register(signal, ref, ref);
    this.hear(signal, own);
    return ref;
  }

  private hear(signal: AbortSignal, own: Own): void {
    if (own.isHeard) return;
    own.isHeard = true;
    // A listener before it may stop the event: this one hears of it all the same.
    addAbortListener(signal, this.aborted);
    if (++this.heardCount < this.sweepAt || this.isSweepDue) return;
    this.isSweepDue = true;
    // Not now, because a value is being encoded of which the native module does not know.
    setImmediate(() => this.sweep()).unref();
  }

  private unhear(own: Own): void {
    if (!own.isHeard) return;
    own.isHeard = false;
    this.heardCount--;
    own.signal.deref()?.removeEventListener('abort', this.aborted);
  }

  /** Does not listen any more to signals that have come back from everywhere, until they are sent again. */
  private sweep(): void {
    this.isSweepDue = false;
    if (this.host.isClosed) return;
    const heard = [...this.own].filter(([, own]) => own.isHeard).map(([handle]) => handle);
    let unheld: number[];
    try {
      unheld = this.host.native.unheld(heard);
    } catch (error) {
      // The raylet is gone. The session is told that as well, and ends.
      if (error instanceof NotInitializedError) return;
      throw error;
    }
    for (const handle of unheld) this.unhear(this.own.get(handle)!);
    // As many again have to be sent before the next one: what it costs is a part of that.
    this.sweepAt = Math.max(HEARD_MIN, 2 * this.heardCount);
  }

  /** One for all signals, so that it holds none. */
  private readonly aborted = (event: Event): void => {
    const signal = event.target as AbortSignal;
    const ref = this.refs.get(signal);
    if (ref === undefined) return;
    this.ownCollected.unregister(ref);
    this.settle(ref, [signal.reason]);
  };

  private settle(ref: ObjectRefImplementation, settled: Settled): void {
    const own = this.own.get(ref.handle);
    if (own !== undefined) this.unhear(own);
    this.own.delete(ref.handle);
    if (this.host.isClosed || ref.handle === -1) return;
    const { meta, nested } = this.encoded(settled);
    const { actors, refs } = partNested(nested);
    this.host.native.settle(ref.handle, meta, refs, actors);
    this.host.letGo(ref);
    this.host.outbox.scheduleTurn();
  }

  /** What others are told. A reason that can't travel, or is too large for that, is described. */
  private encoded(settled: Settled): Encoded {
    const { values } = this.host;
    try {
      const encoded = values.encode(settled, 'reason');
      if (encoded.buffers.length === 0 && encoded.meta.length <= REASON_BYTES_MAX) return encoded;
    } catch {
      // It holds what can't be stored.
    }
    const text = describeThrown(settled[0]).slice(0, SHOWN_OF_REASON);
    return values.encode([new DOMException(text, 'AbortError')], 'reason');
  }

  /** Nothing here aborts a signal any more, because this process or its runtime ends. */
  end(): void {
    for (const [handle, own] of this.own) {
      const signal = own.signal.deref();
      const ref = signal === undefined ? undefined : this.refs.get(signal);
      // One that was collected just now is settled when the garbage collector says so.
      if (ref?.handle !== handle) continue;
      this.ownCollected.unregister(ref);
      this.settle(ref, []);
    }
  }

  // ---- signals that arrive

  /** The signal of a ref that has arrived. */
  signalOf(ref: ObjectRefImplementation): AbortSignal {
    const original = this.own.get(ref.handle)?.signal.deref();
    if (original !== undefined) {
      this.host.letGo(ref);
      return original;
    }
    const controller = new AbortController();
    const task = this.host.current();
    const outlives = task.token === 0 || this.host.isActor;
    const signal = outlives ? AbortSignal.any([controller.signal]) : controller.signal;
    this.refs.set(signal, ref);
    this.controllers.set(signal, controller);
    const follower = new Follower(ref, signal, this.tell);
    this.followerCollected.register(signal, follower, follower);
    if (task.token !== 0) {
      const end = outlives ? undefined : (): void => this.forget(follower);
      (task.signals ??= []).push(new HeldSignal(signal, end));
    }
    // Later, because the value that it came with is still being read, of the memory that answers arrive in.
    queueMicrotask(() => this.follow(follower));
    return signal;
  }

  private follow(follower: Follower): void {
    if (this.host.isClosed || follower.ref.handle === -1) return;
    follower.watch = this.host.watches.start(follower.ref, follower, 0);
    if (follower.watch === 0) this.tell(follower);
    else this.host.outbox.scheduleTurn();
  }

  /** Nobody hears of its abort any more. */
  private forget(follower: Follower): void {
    this.followerCollected.unregister(follower);
    this.unfollow(follower);
  }

  private unfollow(follower: Follower): void {
    if (this.host.isClosed) return;
    this.host.watches.stopOne(follower.watch);
    this.host.letGo(follower.ref);
  }

  private readonly tell = (follower: Follower): void => {
    this.host.get([follower.ref], UNLIMITED).then(
      ([settled]) => this.told(follower, settled as Settled),
      (error: unknown) => this.told(follower, isEndOfOwner(error) ? [] : [error]),
    );
  };

  private told(follower: Follower, settled: Settled): void {
    this.followerCollected.unregister(follower);
    this.host.letGo(follower.ref);
    const signal = follower.signal.deref();
    if (signal === undefined) return;
    const controller = this.controllers.get(signal);
    this.controllers.delete(signal);
    if (settled.length === 1) controller?.abort(settled[0]);
  }
}

/** Whoever could abort the signal has ended. */
function isEndOfOwner(error: unknown): boolean {
  return (
    error instanceof OwnerDiedError ||
    error instanceof ObjectLostError ||
    error instanceof NotInitializedError
  );
}
