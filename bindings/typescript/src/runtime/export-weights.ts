/**
 * What exported functions and classes take outside of this process's heap, told to the garbage collector: a remote function is a small
 * object, but what its closure holds is in the store, and once more in each worker that has loaded it. Nobody there lets go of it before
 * the collector here has found the remote function, and without being told it sees no reason to look.
 *
 * V8 begins a collection for about each 64 MiB that it is told of. How much that is of exports depends on the heap that a collection has
 * to go through: an eighth of it may be garbage elsewhere, and 6 MiB always. With 16, a worker of a server that makes a remote function
 * for each request took up to 40 MB more, and the server 3 % more requests.
 */

import { v8Module } from '../late-modules.ts';

/** What is smaller is not worth the telling. */
const TOLD_MIN = 4096;

/** V8's `kExternalAllocationSoftLimit`. */
const COLLECTED_FOR = 64 * 2 ** 20;

const GARBAGE_ELSEWHERE_MIN = 6 * 2 ** 20;
const GARBAGE_ELSEWHERE_SHARE = 1 / 8;

export class ExportWeights {
  private readonly adjust: (change: number) => void;
  private readonly collected: FinalizationRegistry<number>;

  /** `adjust` tells V8 of so many bytes more. */
  constructor(adjust: (change: number) => void) {
    this.adjust = adjust;
    this.collected = new FinalizationRegistry((weight) => adjust(-weight));
  }

  /** An export is there of so many bytes, until `holder` is collected. */
  add(holder: object, byteLength: number): void {
    if (byteLength < TOLD_MIN) return;
    const garbageMax = Math.max(
      GARBAGE_ELSEWHERE_MIN,
      v8Module().getHeapStatistics().used_heap_size * GARBAGE_ELSEWHERE_SHARE,
    );
    const weight = Math.ceil((byteLength * COLLECTED_FOR) / garbageMax);
    this.adjust(weight);
    this.collected.register(holder, weight);
  }
}
