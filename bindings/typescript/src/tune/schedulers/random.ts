/**
 * Random numbers of schedulers: from a seed, and the same on every machine. sfc32 by Chris Doty-Humphrey (PractRand), its state
 * filled by splitmix32.
 */

/** How often sfc32 has to run before its state has mixed. */
const MIXING_ROUNDS = 12;

/** A source of random numbers that depends on its seed only. */
export class RandomSource {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed a whole number from 0 to 2^53 − 1 */
  constructor(seed: number) {
    const state = splitmix(seed >>> 0);
    this.#a = state();
    this.#b = state();
    // The upper bits of a long seed count as well.
    this.#c = (state() ^ Math.floor(seed / 2 ** 32)) | 0;
    for (let round = 0; round < MIXING_ROUNDS; round++) this.#bits();
  }

  /** Uniform in [0, 1), with 53 bits, as `Math.random`. */
  readonly next = (): number => {
    const upper = this.#bits() >>> 5;
    const lower = this.#bits() >>> 6;
    return (upper * 2 ** 26 + lower) / 2 ** 53;
  };

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

  #bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum;
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
