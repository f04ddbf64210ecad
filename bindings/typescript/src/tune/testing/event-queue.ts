/**
 * What is going to happen on a virtual clock: a binary heap.
 *
 * - EQ-1 The earliest comes first; of several at one time, the one that was added first.
 */

interface Entry<T> {
  readonly atMs: number;
  readonly order: number;
  readonly event: T;
}

/** See the file. */
export class EventQueue<T> {
  /** Each entry is before both of those at twice its place and one or two more. */
  readonly #heap: Entry<T>[] = [];
  #added = 0;

  /** Something happens at a time. */
  add(atMs: number, event: T): void {
    const entry = { atMs, order: this.#added++, event };
    const heap = this.#heap;
    let place = heap.length;
    heap.push(entry);
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!isBefore(entry, heap[above]!)) break;
      heap[place] = heap[above]!;
      place = above;
    }
    heap[place] = entry;
  }

  /** Takes what happens first; undefined if nothing is going to. */
  take(): { readonly atMs: number; readonly event: T } | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || first === last) return first;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && isBefore(heap[below + 1]!, heap[below]!)) below++;
      if (!isBefore(heap[below]!, last)) break;
      heap[place] = heap[below]!;
      place = below;
    }
    heap[place] = last;
    return first;
  }
}

/** EQ-1. */
function isBefore(one: Entry<unknown>, other: Entry<unknown>): boolean {
  return one.atMs < other.atMs || (one.atMs === other.atMs && one.order < other.order);
}
