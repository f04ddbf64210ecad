/**
 * Makes V8 collect garbage when the store needs room: shared memory does not count as pressure, so somebody has to ask.
 *
 * What was collected lets go in two ways. Refs of large objects and remote functions are watched, so that they let go at
 * once, also in a loop that never lets the event loop turn. Views and allocated arrays are unmapped by finalizers of
 * Node, which need a turn: for those who can't wait for one, what is garbage is copied out of the store, and until the
 * turn further views are copies, which hold nothing there.
 */

import vm from 'node:vm';

import { v8Module } from '../late-modules.ts';
import type { NativeRuntime } from '../native.ts';
import type { ObjectRefImplementation } from '../object-ref.ts';
import type { References } from './references.ts';

let collect: (() => void) | undefined;

/** Runs V8's garbage collector, so that refs and views that nobody uses let go. */
function collectGarbage(): void {
  if (collect === undefined) {
    v8Module().setFlagsFromString('--expose-gc');
    collect = vm.runInNewContext('gc') as () => void;
  }
  collect();
}

/** What collecting garbage needs of its session. */
export interface GarbageHost {
  readonly native: NativeRuntime;
  readonly isClosed: boolean;
  /** Whether numeric arrays are views over a `SharedArrayBuffer`. */
  readonly hasSharedViews: boolean;
}

/** Frees what this process holds in the store without using it. */
export class Garbage {
  /** Garbage was collected, and the event loop has not turned since. */
  isTurnDue = false;

  /** How many buffers of objects were handed out: whoever compares it knows whether a value has some. */
  bufferCount = 0;

  private readonly host: GarbageHost;
  private readonly references: References;
  private isTurnAwaited = false;

  constructor(host: GarbageHost, references: References) {
    this.host = host;
    this.references = references;
  }

  /** Has a ref of a large object let go as soon as it is collected. */
  watch(ref: ObjectRefImplementation): void {
    if (ref.handle === -1 || ref.watched !== undefined) return;
    this.references.watch(ref, this.host.native.watchObject(ref));
  }

  /** The same for another holder: `letGo` frees what it holds, and does not hold it. */
  watchFor(holder: object, letGo: () => void): void {
    this.references.watchFor(holder, this.host.native.watchObject(holder), letGo);
  }

  /**
   * Collects garbage, and answers the raylet at once: it does not ask again before, and a loop may never let the event
   * loop turn. What could be freed only in a later turn is freed then, and the raylet told of it.
   */
  collect(): void {
    this.collectAndAnswer(false);
  }

  /** As `collect`, for those who can't let the event loop turn: nothing that is garbage has room in the store afterwards. */
  collectAtOnce(): void {
    this.collectAndAnswer(true);
  }

  private collectAndAnswer(atOnce: boolean): void {
    collectGarbage();
    const { native } = this.host;
    this.references.swept(native.sweepObjects());
    if (atOnce) native.copyGarbageOut();
    native.collected();
    this.isTurnDue = true;
    if (this.isTurnAwaited) return;
    this.isTurnAwaited = true;
    setImmediate(() => {
      this.isTurnAwaited = false;
      this.isTurnDue = false;
      if (!this.host.isClosed) native.collected();
    }).unref();
  }

  /** The memory of one buffer of an object: a view, or a copy where a view can't be had or would hold the store too long. */
  buffer(handle: number, index: number, shared: boolean): ArrayBufferLike {
    const { native } = this.host;
    this.bufferCount++;
    // Views over a SharedArrayBuffer are unmapped as soon as they are collected.
    if (this.isTurnDue && !(shared && this.host.hasSharedViews))
      return native.copyBuffer(handle, index);
    try {
      return native.attachView(handle, index, shared);
    } catch {
      // There are as many mappings as there may be, perhaps. What else may be wrong, the copy says too.
      this.collect();
    }
    try {
      return native.attachView(handle, index, shared);
    } catch {
      return native.copyBuffer(handle, index);
    }
  }

  /** Collects garbage if the raylet has asked for it: for those who use the store without letting the event loop turn. */
  collectIfAsked(): boolean {
    if (!this.host.native.shallCollect()) return false;
    this.collectAtOnce();
    return true;
  }
}
