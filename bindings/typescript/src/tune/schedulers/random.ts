/** Random numbers of schedulers: from a seed, by which splitmix32 fills the state of the generator. */

import { sfc32 } from '../random-bits.ts';

/** A source of random numbers that depends on its seed only. */
export class RandomSource {
  /** Uniform in [0, 1), with 53 bits, as `Math.random`. */
  readonly next: () => number;

  /** @param seed a whole number from 0 to 2^53 − 1 */
  constructor(seed: number) {
    const state = splitmix(seed >>> 0);
    const [a, b] = [state(), state()];
    // The upper bits of a long seed count as well.
    this.next = sfc32(a, b, (state() ^ Math.floor(seed / 2 ** 32)) | 0);
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  /** One element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[Math.floor(this.next() * list.length)]!;
  }

  /** A place in a list of weights that are not all 0. */
  weighted(weights: readonly number[]): number {
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    let rest = this.next() * total;
    for (const [place, weight] of weights.entries()) {
      rest -= weight;
      if (rest < 0) return place;
    }
    return weights.length - 1;
  }
}

function splitmix(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return mixed ^ (mixed >>> 15);
  };
}
