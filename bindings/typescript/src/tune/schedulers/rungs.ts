/** At which times successive halving compares trials. */

import { InvalidArgumentError } from '../../index.ts';

/** More comparisons than that are a mistake in `reductionFactor`. */
export const RUNGS_MAX = 1000;

/** The shape of a ladder of rungs. */
export interface Ladder {
  readonly gracePeriod: number;
  readonly reductionFactor: number;
  readonly maxT: number;
}

/**
 * `gracePeriod · reductionFactor^k ≤ maxT`, ascending. Exact products: with logarithms, as Ray takes them, the last rung of 243 with
 * factor 3 is lost. @throws InvalidArgumentError
 */
export function rungsOf({ gracePeriod, reductionFactor, maxT }: Ladder, call: string): number[] {
  const rungs: number[] = [];
  for (let rung = gracePeriod; rung <= maxT; rung *= reductionFactor) {
    if (rungs.length === RUNGS_MAX) {
      throw new InvalidArgumentError(
        `${call}: reductionFactor ${reductionFactor} makes more than ${RUNGS_MAX} rungs up to maxT ${maxT}; take a larger one`,
        { argument: 'reductionFactor', value: reductionFactor },
      );
    }
    rungs.push(rung);
  }
  return rungs;
}
