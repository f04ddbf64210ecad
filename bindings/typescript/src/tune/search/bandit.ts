/** The model of `pb2`, which is in the native module (`crates/search/src/pb2.rs`): numbers in, numbers out. */

import { native } from '../../native.ts';

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
  /** In the order in which they were seen. */
  readonly periods: readonly Period[];
  readonly bounds: readonly { readonly low: number; readonly high: number }[];
  /** The hyperparameters of periods that began at the same time. */
  readonly running: readonly (readonly number[])[];
  readonly start: { readonly time: number; readonly reward: number };
  readonly seed: number;
  /** Which time something is asked. */
  readonly number: number;
}

/** The hyperparameters that promise most; undefined if nothing is known. */
export function nextOfBandit(question: BanditQuestion): number[] | undefined {
  const { periods, bounds, running, start, seed, number } = question;
  const next = native().nextOfBandit({
    periods: periods.map(({ time, reward, change, values }) =>
      [time, reward, change].concat(values),
    ),
    low: bounds.map(({ low }) => low),
    high: bounds.map(({ high }) => high),
    running: running.map((values) => Array.from(values)),
    time: start.time,
    reward: start.reward,
    seed,
    number,
  });
  return next ?? undefined;
}
