/** Values of numeric domains for schedulers: drawn from random numbers, with no searcher and no space around them. */

import { type NumericDomain, NORMAL_CUT, multipleOf } from '../space/domain.ts';

/** A value of the domain, by as many random numbers in [0, 1) as it takes. */
export function sampleOf({ range }: NumericDomain, random: () => number): number {
  switch (range.form) {
    case 'float': {
      const value = between(range.low, range.high, range.isLog, random());
      // Rounding can reach the upper end, which is no value of it.
      return value < range.high ? Math.max(value, range.low) : range.low;
    }
    case 'multiples': {
      const { first, last, isLog, step, digits } = range;
      // All have equal parts; on the logarithmic scale they are cut at half steps.
      const index = isLog
        ? Math.round(between(first - 0.5, last + 0.5, true, random()))
        : first + Math.floor(random() * (last - first + 1));
      return multipleOf(Math.min(Math.max(index, first), last), step, digits);
    }
    case 'normal': {
      const value = range.mean + range.sd * normal(random);
      return range.step === null ? value : multipleOf(Math.round(value / range.step), range.step);
    }
  }
}

/** Whether all of its values are whole numbers. */
export function isWhole({ range }: NumericDomain): boolean {
  return range.form !== 'float' && Number.isInteger(range.step);
}

function between(low: number, high: number, isLog: boolean, unit: number): number {
  if (!isLog) return low * (1 - unit) + high * unit;
  return Math.exp(Math.log(low) * (1 - unit) + Math.log(high) * unit);
}

/** By Box and Muller ("A note on the generation of random normal deviates", 1958). */
function normal(random: () => number): number {
  const radius = Math.sqrt(-2 * Math.log(1 - random()));
  return Math.min(radius * Math.cos(2 * Math.PI * random()), NORMAL_CUT);
}
