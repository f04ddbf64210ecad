/**
 * Which `SharedArrayBuffer`s are snapshots: eagleray made them over memory of the store, because that spares the garbage
 * collector work, and nobody in another process ever sees what is written to them.
 *
 * Every other one is shared between threads of the program. No other process can share it, and a copy would part from it
 * in silence, so it is not stored. JavaScript can't tell the two apart; so each that is handed out is noted here.
 */

import { types } from 'node:util';

const snapshots = new WeakSet<object>();

/** Notes a buffer that is handed out. */
export function noteSnapshot<Memory extends ArrayBufferLike>(buffer: Memory): Memory {
  if (types.isSharedArrayBuffer(buffer)) snapshots.add(buffer);
  return buffer;
}

/** True for memory that other threads may change: no snapshot, and no memory of this thread. */
export function isSharedByThreads(buffer: ArrayBufferLike): boolean {
  return types.isSharedArrayBuffer(buffer) && !snapshots.has(buffer);
}
