/** The standard deviation, as NumPy's `std`: of all there is, not of a sample. */

/** NaN for none, and where a number is NaN or infinite. */
export function standardDeviation(numbers: readonly number[]): number {
  const mean = numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const squares = numbers.reduce((sum, number) => sum + (number - mean) ** 2, 0);
  return Math.sqrt(squares / numbers.length);
}
