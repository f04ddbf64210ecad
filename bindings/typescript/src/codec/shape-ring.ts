/**
 * The lists of keys that were written last. A record whose keys are among them names the list by its place. Encoder
 * and decoder keep the same ring by the same rule, so nothing but the place is sent.
 */

import { SHAPE_COUNT, SHAPE_KEYS_MAX } from './wire.ts';

export class ShapeRing {
  private readonly shapes: (readonly string[])[] = [];
  private readonly special: boolean[] = [];
  private length = 0;
  private next = 0;
  private latest = 0;

  /** The place of a list of keys, or -1. */
  find(keys: readonly string[]): number {
    const { shapes, latest, length } = this;
    if (length === 0) return -1;
    if (latest < length && same(shapes[latest]!, keys)) return latest;
    for (let index = 0; index < length; index++) {
      if (same(shapes[index]!, keys)) {
        this.latest = index;
        return index;
      }
    }
    return -1;
  }

  /** The list at a place; undefined if there is none. */
  at(place: number): readonly string[] | undefined {
    return place < this.length ? this.shapes[place] : undefined;
  }

  /** True if the list at a place was added as a special one, which is the decoder's business. */
  isSpecial(place: number): boolean {
    return this.special[place] === true;
  }

  add(keys: readonly string[], special = false): void {
    if (keys.length > SHAPE_KEYS_MAX) return;
    this.shapes[this.next] = keys;
    this.special[this.next] = special;
    this.latest = this.next;
    if (this.next === this.length) this.length++;
    this.next = (this.next + 1) % SHAPE_COUNT;
  }

  /** Forgets the lists. Their memory stays: at most a few short lists of names. */
  clear(): void {
    this.length = 0;
    this.next = 0;
    this.latest = 0;
  }
}

function same(left: readonly string[], right: readonly string[]): boolean {
  const { length } = left;
  if (length !== right.length) return false;
  for (let index = 0; index < length; index++) if (left[index] !== right[index]) return false;
  return true;
}
