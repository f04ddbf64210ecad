/**
 * `AbortSignal`s that travel: each is a value that its process will have later, the reason of its abort, and whoever
 * is given the signal waits for that value.
 *
 * Invariants:
 * 1. A signal has one ref, however often it is sent, also by those that it was sent to; at home it is itself again.
 * 2. A signal that arrived with a task lives until the task ends, whoever holds it. One that arrived otherwise, or in an
 *    actor, lives while somebody holds it or listens to it, as Node's own do that depend on others.
 * 3. A signal that was made here is not kept alive because it was sent. Once it is collected nobody can abort it any
 *    more, and whoever waits for it waits no longer.
 */

import { addAbortListener } from 'node:events';

import { describeThrown } from '../describe-value.ts';
import { NotInitializedError, ObjectLostError, OwnerDiedError } from '../errors.ts';
import type { NativeRuntime } from '../native.ts';
import { type ObjectRefImplementation, makeRef } from '../object-ref.ts';
import type { ReadyListener, Runtime, WaitLimits } from './runtime.ts';
import { type Encoded, type TravellingSignals, type Values, partNested } from './values.ts';
import type { CurrentTask } from './waits.ts';
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

const UNLIMITED: WaitLimits = { timeoutMs: null, signal: null };

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

export class AbortSignals implements TravellingSignals {
  private readonly host: AbortSignalHost;
  /** The refs of all signals that travel, whoever made them. */
  private readonly refs = new WeakMap<AbortSignal, ObjectRefImplementation>();
  /** What aborts the signals of other processes. */
  private readonly controllers = new WeakMap<AbortSignal, AbortController>();
  /** Those that were made here and have not aborted, by the handles of their refs. */
  private readonly own = new Map<number, WeakRef<AbortSignal>>();
  private readonly ownCollected = new FinalizationRegistry<ObjectRefImplementation>((ref) =>
    this.settle(ref, []),
  );
  private readonly followerCollected = new FinalizationRegistry<Follower>((follower) => {
    if (this.host.isClosed) return;
    this.host.watches.stopOne(follower.watch);
    this.host.letGo(follower.ref);
  });

  constructor(host: AbortSignalHost) {
    this.host = host;
  }

  // ---- signals that leave

  /** The ref of a signal that has not aborted. */
  refOf(signal: AbortSignal): ObjectRefImplementation {
    const known = this.refs.get(signal);
    if (known !== undefined && known.handle !== -1) return known;
    const sequence = this.host.newSequence();
    this.host.native.promise(sequence);
    // Not one of those that the garbage collector lets go of: its signal does.
    const ref = makeRef(this.host, sequence);
    this.refs.set(signal, ref);
    this.own.set(sequence, new WeakRef(signal));
    this.ownCollected.register(signal, ref, ref);
    // A listener before it may stop the event: this one hears of it all the same.
    addAbortListener(signal, this.aborted);
    return ref;
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
    for (const [handle, weak] of this.own) {
      this.own.delete(handle);
      const signal = weak.deref();
      const ref = signal === undefined ? undefined : this.refs.get(signal);
      if (ref === undefined) continue;
      this.ownCollected.unregister(ref);
      signal!.removeEventListener('abort', this.aborted);
      this.settle(ref, []);
    }
  }

  // ---- signals that arrive

  /** The signal of a ref that has arrived. */
  signalOf(ref: ObjectRefImplementation): AbortSignal {
    const original = this.own.get(ref.handle)?.deref();
    if (original !== undefined) {
      this.host.letGo(ref);
      return original;
    }
    const controller = new AbortController();
    const task = this.host.current();
    const outlives = task.token === 0 || this.host.isActor;
    const signal = outlives ? AbortSignal.any([controller.signal]) : controller.signal;
    if (task.token !== 0) (task.signals ??= []).push(signal);
    this.refs.set(signal, ref);
    this.controllers.set(signal, controller);
    const follower = new Follower(ref, signal, this.tell);
    this.followerCollected.register(signal, follower, follower);
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
