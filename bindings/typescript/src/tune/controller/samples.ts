/**
 * How many trials there will be: samples, and those that were made again from failed ones, which are no samples.
 *
 * - SA-1 Once it is said that there are no more, there are no more.
 */

import type { Trial } from './trial.ts';

/** See the file. */
export class Samples {
  readonly #trials: readonly Trial[];
  /** Infinity if nobody knows. */
  readonly #total: number;
  #remade = 0;
  #isExhausted = false;

  constructor(trials: readonly Trial[], total: number) {
    this.#trials = trials;
    this.#total = total;
  }

  /** How many trials there will be; Infinity if nobody knows. */
  get total(): number {
    return this.#total + this.#remade;
  }

  /** Whether it is known how many there will be. */
  get isFinite(): boolean {
    return this.#total !== Infinity;
  }

  /** How many samples there are: the place of the next one. */
  get begun(): number {
    return this.#trials.length - this.#remade;
  }

  get isExhausted(): boolean {
    return this.#isExhausted;
  }

  /** Whether no new ones will come. */
  get areComplete(): boolean {
    return this.#isExhausted || this.areBegun;
  }

  /** Whether as many samples are there as were asked for. */
  get areBegun(): boolean {
    return this.begun >= this.#total;
  }

  /** SA-1. */
  exhaust(): void {
    this.#isExhausted = true;
  }

  /** One of the trials, now or in a moment, is no sample. */
  remake(): void {
    this.#remade++;
  }

  /** Those of an earlier process are there. */
  resume(): void {
    this.#remade = this.#trials.filter(({ record }) => record.header.source !== null).length;
  }
}
