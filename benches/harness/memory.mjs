// The state of memory that a case wants to start from.

import { freemem } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const LIVE_OBJECTS = 1_500_000;
const PAGE_BYTES = 4_096;
const PART_BYTES = 800_000_000;

/** Keeps the heap of `growRealisticHeap` alive. */
const liveObjects = [];

/**
 * Fills the heap with 1.5 million live objects, as a real application has them.
 *
 * A garbage collection takes time in proportion to what is alive. With an empty heap a `get` that makes V8 collect
 * looks free.
 */
export function growRealisticHeap() {
  for (let i = 0; i < LIVE_OBJECTS; i++) {
    liveObjects.push({ index: i, text: `text ${i}`, list: [i] });
  }
}

/**
 * Collects all garbage now. The flag is set here and not on the command line, because the workers start with the
 * flags of this process.
 */
export function collectGarbage() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

/**
 * Writes to `bytes` of new memory and lets it go again.
 *
 * On a virtual machine the first use of a page ever also makes the host find one, which takes several times as long as
 * a page fault does. Whoever is measured first would pay for that.
 *
 * @param {number} bytes at most half of what is free is used
 */
export function touchFreshMemory(bytes) {
  let left = Math.min(bytes, freemem() / 2);
  const parts = [];
  for (; left > 0; left -= PART_BYTES) {
    const part = new Uint8Array(Math.min(left, PART_BYTES));
    for (let offset = 0; offset < part.length; offset += PAGE_BYTES) part[offset] = 1;
    parts.push(part);
  }
  parts.length = 0;
  collectGarbage();
}
