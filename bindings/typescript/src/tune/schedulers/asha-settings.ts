/** What both forms of asynchronous successive halving know, and how both choose a bracket. */

import type { RandomSource } from './random.ts';

/** The options of `asha`, all of them given. */
export interface AshaSettings {
  readonly timeAttr: string;
  readonly maxT: number;
  readonly gracePeriod: number;
  readonly reductionFactor: number;
  readonly brackets: number;
  readonly stopLastTrials: boolean;
}

/** One of several brackets, the more likely the more rungs it has: softmax of their numbers, as in Ray. */
export function chooseBracket<Bracket extends { readonly rungs: readonly unknown[] }>(
  brackets: readonly Bracket[],
  random: RandomSource,
): Bracket {
  if (brackets.length === 1) return brackets[0]!;
  const most = Math.max(...brackets.map(({ rungs }) => rungs.length));
  return brackets[random.weighted(brackets.map(({ rungs }) => Math.exp(rungs.length - most)))]!;
}
