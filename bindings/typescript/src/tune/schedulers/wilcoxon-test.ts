/**
 * Wilcoxon's signed-rank test, one-sided, with zeros split between both sides: what `scipy.stats.wilcoxon` computes with
 * `alternative="greater", zero_method="zsplit", method="auto"`.
 *
 * - WT-1 Up to 13 differences, and up to 50 that are all different and not zero, all 2^n choices of signs are counted: the result is
 *   exact. Else the statistic is taken for normally distributed.
 */

import { ascending } from './order-statistics.ts';

/** Up to here choices of signs are counted even if ranks are tied. */
const TIED_EXACT_MAX = 13;
/** Up to here they are counted if no ranks are. */
const EXACT_MAX = 50;

/** How likely the differences are to be as large as they are, or larger, if their signs are a matter of chance. NaN for none. */
export function wilcoxonPValue(differences: readonly number[]): number {
  const { length } = differences;
  if (length === 0) return Number.NaN;
  const { ranks, tieSizes } = ranksOf(differences.map(Math.abs));
  let statistic = 0;
  let zeros = 0;
  for (const [at, difference] of differences.entries()) {
    if (difference > 0) statistic += ranks[at]!;
    if (difference === 0) {
      statistic += ranks[at]! / 2;
      zeros += 1;
    }
  }
  const isTied = zeros > 0 || tieSizes.some((size) => size > 1);
  if (length <= (isTied ? TIED_EXACT_MAX : EXACT_MAX)) {
    return exactPValue(
      ranks.filter((_, at) => differences[at] !== 0),
      statistic,
      ranks.reduce((sum, rank, at) => (differences[at] === 0 ? sum + rank / 2 : sum), 0),
    );
  }
  return normalPValue(length, tieSizes, statistic);
}

/** Average ranks from 1 on, and how many share each. */
function ranksOf(sizes: readonly number[]): { ranks: number[]; tieSizes: number[] } {
  const order = sizes
    .map((_, at) => at)
    .sort((one, other) => ascending(sizes[one]!, sizes[other]!));
  const ranks = new Array<number>(sizes.length);
  const tieSizes: number[] = [];
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && sizes[order[end]!] === sizes[order[start]!]) end += 1;
    for (let at = start; at < end; at++) ranks[order[at]!] = (start + 1 + end) / 2;
    tieSizes.push(end - start);
    start = end;
  }
  return { ranks, tieSizes };
}

/** The share of all choices of signs whose positive ranks, with `fixed` added, sum up to the statistic or more. */
function exactPValue(ranks: readonly number[], statistic: number, fixed: number): number {
  // Average ranks are multiples of 1/2: doubled they are places. At most 2^50 choices: exact in a double.
  const doubled = ranks.map((rank) => rank * 2);
  const total = doubled.reduce((sum, rank) => sum + rank, 0);
  const choices = new Array<number>(total + 1).fill(0);
  choices[0] = 1;
  let reached = 0;
  for (const rank of doubled) {
    reached += rank;
    for (let sum = reached; sum >= rank; sum--) choices[sum]! += choices[sum - rank]!;
  }
  const least = Math.round((statistic - fixed) * 2);
  let asLarge = 0;
  for (let sum = Math.max(0, least); sum <= total; sum++) asLarge += choices[sum]!;
  return asLarge / 2 ** ranks.length;
}

function normalPValue(length: number, tieSizes: readonly number[], statistic: number): number {
  const mean = (length * (length + 1)) / 4;
  const ties = tieSizes.reduce((sum, size) => sum + size ** 3 - size, 0);
  const variance = (length * (length + 1) * (2 * length + 1) - ties / 2) / 24;
  return normalTail((statistic - mean) / Math.sqrt(variance));
}

/** The probability that a standard normal number is larger. */
export function normalTail(z: number): number {
  if (z < 0) return 1 - normalTail(-z);
  const x = z / Math.SQRT2;
  return x < 2 ? (1 - errorFunction(x)) / 2 : complementaryErrorFunction(x) / 2;
}

/** For small arguments: a series without cancellation (Abramowitz and Stegun 7.1.6). */
function errorFunction(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 1; term > sum * 2 ** -54; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

/** For arguments from 2 up: a continued fraction (Abramowitz and Stegun 7.1.14), from the inside out. */
function complementaryErrorFunction(x: number): number {
  let fraction = x;
  for (let n = 80; n >= 1; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}
