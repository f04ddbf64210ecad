/**
 * How many of many intervals contain a place and have a value that is not above a limit. Intervals come and go in any order. The time that
 * one of them takes, and a question, grows with the logarithm of their number, or its square.
 *
 * An interval from `from` up to before `to` is two points of its value: one more at `from`, one fewer at `to`. What contains a place
 * is the sum of the points up to it. One that goes is the same points the other way round.
 *
 * - IC-1 Points lie in blocks that never change, each larger than the next one; the newest wait until they fill one. So a point is put
 *   into a new block seldom: Bentley and Saxe, "Decomposable searching problems" (1980).
 * - IC-2 Points that cancel each other are left out when blocks become one: memory is that of the intervals that there are.
 */

import { DominanceCounts } from './dominance-counts.ts';

/** So many of the newest intervals are looked at one by one. */
const NEWEST_MAX = 64;

/** Points in ascending order of their places, and for one place of their values. */
interface Points {
  readonly places: Float64Array;
  readonly values: Float64Array;
}

/** What comes to the sum, and what goes from it. */
interface Block {
  readonly more: DominanceCounts;
  readonly fewer: DominanceCounts;
}

/** See the file. */
export class IntervalCounts {
  /** IC-1. The largest one first. */
  readonly #blocks: Block[] = [];
  /** The newest intervals: where the sum grows, where it falls, and their values. */
  readonly #more = new Float64Array(NEWEST_MAX);
  readonly #fewer = new Float64Array(NEWEST_MAX);
  readonly #values = new Float64Array(NEWEST_MAX);
  #newest = 0;

  /** An interval without places counts nowhere. */
  add(from: number, to: number, value: number): void {
    if (from < to) this.#change(from, to, value);
  }

  /** One that was added goes. */
  remove(from: number, to: number, value: number): void {
    if (from < to) this.#change(to, from, value);
  }

  /** How many contain a place, with values up to a limit. */
  count(place: number, limit = Infinity): number {
    let sum = 0;
    for (const { more, fewer } of this.#blocks) {
      sum += more.count(place, limit) - fewer.count(place, limit);
    }
    const [mores, fewers, values] = [this.#more, this.#fewer, this.#values];
    for (let at = 0; at < this.#newest; at++) {
      if (values[at]! > limit) continue;
      if (mores[at]! <= place) sum++;
      if (fewers[at]! <= place) sum--;
    }
    return sum;
  }

  #change(more: number, fewer: number, value: number): void {
    const at = this.#newest++;
    this.#more[at] = more;
    this.#fewer[at] = fewer;
    this.#values[at] = value;
    if (this.#newest === NEWEST_MAX) this.#merge();
  }

  #merge(): void {
    let more = inOrder(this.#more, this.#values);
    let fewer = inOrder(this.#fewer, this.#values);
    this.#newest = 0;
    for (let last = this.#blocks.at(-1); last !== undefined; last = this.#blocks.at(-1)) {
      if (sizeOf(last) > more.places.length + fewer.places.length) break;
      this.#blocks.pop();
      more = merged(more, last.more);
      fewer = merged(fewer, last.fewer);
    }
    [more, fewer] = withoutCommon(more, fewer);
    if (more.places.length + fewer.places.length === 0) return;
    this.#blocks.push({ more: new DominanceCounts(more), fewer: new DominanceCounts(fewer) });
  }
}

function sizeOf({ more, fewer }: Block): number {
  return more.places.length + fewer.places.length;
}

function inOrder(places: Float64Array, values: Float64Array): Points {
  const order = Array.from(places, (_, at) => at);
  order.sort((one, other) => places[one]! - places[other]! || values[one]! - values[other]!);
  return {
    places: Float64Array.from(order, (at) => places[at]!),
    values: Float64Array.from(order, (at) => values[at]!),
  };
}

/** Negative if a point comes before another one. */
function compare(one: Points, at: number, other: Points, otherAt: number): number {
  return one.places[at]! - other.places[otherAt]! || one.values[at]! - other.values[otherAt]!;
}

function merged(one: Points, other: Points): Points {
  const length = one.places.length + other.places.length;
  const places = new Float64Array(length);
  const values = new Float64Array(length);
  let [first, second] = [0, 0];
  for (let at = 0; at < length; at++) {
    const isFirst =
      second === other.places.length ||
      (first < one.places.length && compare(one, first, other, second) <= 0);
    const from = isFirst ? one : other;
    const taken = isFirst ? first++ : second++;
    places[at] = from.places[taken]!;
    values[at] = from.values[taken]!;
  }
  return { places, values };
}

/** IC-2. */
function withoutCommon(one: Points, other: Points): [Points, Points] {
  const kept = [new Uint8Array(one.places.length), new Uint8Array(other.places.length)] as const;
  let [first, second] = [0, 0];
  while (first < one.places.length || second < other.places.length) {
    let order = 0;
    if (first === one.places.length) order = 1;
    else if (second === other.places.length) order = -1;
    else order = compare(one, first, other, second);
    if (order < 0) kept[0][first++] = 1;
    else if (order > 0) kept[1][second++] = 1;
    else {
      first++;
      second++;
    }
  }
  return [only(one, kept[0]), only(other, kept[1])];
}

function only({ places, values }: Points, isKept: Uint8Array): Points {
  let length = 0;
  for (let at = 0; at < isKept.length; at++) length += isKept[at]!;
  if (length === isKept.length) return { places, values };
  const kept = { places: new Float64Array(length), values: new Float64Array(length) };
  for (let at = 0, to = 0; at < isKept.length; at++) {
    if (isKept[at] === 0) continue;
    kept.places[to] = places[at]!;
    kept.values[to++] = values[at]!;
  }
  return kept;
}
