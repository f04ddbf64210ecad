/** The model of `pb2`, which is in the native module (`crates/search/src/pb2.rs`): numbers in, numbers out. */

import { native } from '../../native.ts';
import type { NativeBandit } from '../../native.ts';

/** What a trial has gained with the same hyperparameters. */
export interface Period {
  /** When it has ended. */
  readonly time: number;
  /** The reward at its beginning, the more the better. */
  readonly reward: number;
  /** How much it has risen in a unit of time. */
  readonly change: number;
  readonly values: readonly number[];
}

/** What is known when the next period begins. */
export interface BanditQuestion {
  /** The hyperparameters of periods that began at the same time. */
  readonly running: readonly (readonly number[])[];
  readonly start: { readonly time: number; readonly reward: number };
  readonly seed: number;
  /** Which time something is asked. */
  readonly number: number;
}

/** What a population has gained. Its size is bounded: the model takes the latest periods only. */
export class BanditModel {
  readonly #population: NativeBandit;

  constructor(bounds: readonly { readonly low: number; readonly high: number }[]) {
    this.#population = new (native().BanditPopulation)(
      bounds.map(({ low }) => low),
      bounds.map(({ high }) => high),
    );
  }

  /** A period has ended. */
  observe({ time, reward, change, values }: Period): void {
    this.#population.observe(time, reward, change, Array.from(values));
  }

  /** The hyperparameters that promise most; undefined if nothing is known. */
  next({ running, start, seed, number }: BanditQuestion): number[] | undefined {
    const next = this.#population.next({
      running: running.map((values) => Array.from(values)),
      time: start.time,
      reward: start.reward,
      seed,
      number,
    });
    return next ?? undefined;
  }
}
