/** Numbers in ascending order: how they compare, where one belongs, and their percentiles as NumPy's. */

/** For `sort`. Not a difference: that of two infinite numbers is no number. */
export function ascending(one: number, other: number): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

/** The first place of a list that is not before what is looked for; all that are before it come first. */
export function firstPlace<T>(list: readonly T[], isBefore: (item: T) => boolean): number {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (isBefore(list[middle]!)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first place at which a number is not less than the given one. */
export function placeIn(sorted: readonly number[], value: number): number {
  return firstPlace(sorted, (other) => other < value);
}

/** Puts a number where it belongs. */
export function insertSorted(sorted: number[], value: number): void {
  sorted.splice(placeIn(sorted, value), 0, value);
}

/** The percentile (0 to 100) of numbers, with straight lines between them: `numpy.percentile`, to the bit. */
export function percentileOf(sorted: readonly number[], percentile: number): number {
  const position = (sorted.length - 1) * (percentile / 100);
  const before = Math.floor(position);
  const lower = sorted[before]!;
  const upper = sorted[Math.min(before + 1, sorted.length - 1)]!;
  return between(lower, upper, position - before);
}

export function medianOf(numbers: readonly number[]): number {
  // Typed, since that is sorted without a call per comparison.
  const sorted = Float64Array.from(numbers).sort();
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

function between(lower: number, upper: number, fraction: number): number {
  if (fraction === 0 || lower === upper) return lower;
  // On the way to an infinite end there is no other place than that end.
  if (!Number.isFinite(lower)) return lower;
  if (!Number.isFinite(upper)) return upper;
  const difference = upper - lower;
  // NumPy goes from the nearer end, so that the result never leaves the two.
  return fraction >= 0.5 ? upper - difference * (1 - fraction) : lower + difference * fraction;
}
