/**
 * How many of given points come up to a place and have a value that is not above a limit, in the logarithm of their number.
 *
 * A wavelet matrix: Claude, Navarro and Ordóñez, "The wavelet matrix" (2015). The points stand in the order of their places, each by the
 * rank of its value. For each bit of the ranks, the highest one first, it is kept which have it; then those without it are put before
 * those with it, each in the order in which they were. So a range of places stays one or two ranges all the way down.
 */

const WORD_BITS = 32;

/** One bit of the ranks. */
interface Level {
  /** Which do not have it, bit by bit. */
  readonly zeros: Uint32Array;
  /** How many do not, before each word of these. */
  readonly before: Uint32Array;
  /** How many do not at all. */
  readonly sum: number;
}

/** See the file. */
export class DominanceCounts {
  /** In ascending order. */
  readonly places: Float64Array;
  /** In the order of the places. */
  readonly values: Float64Array;
  /** The values in ascending order. */
  readonly #sorted: Float64Array;
  /** The highest bit first. */
  readonly #levels: Level[] = [];

  /** The places ascend. */
  constructor({
    places,
    values,
  }: {
    readonly places: Float64Array;
    readonly values: Float64Array;
  }) {
    this.places = places;
    this.values = values;
    this.#sorted = Float64Array.from(values).sort();
    let ranks = new Uint32Array(values.length);
    for (let at = 0; at < values.length; at++) ranks[at] = lowerPlace(this.#sorted, values[at]!);
    for (let bit = bitsOf(values.length) - 1; bit >= 0; bit--) {
      const level = levelOf(ranks, bit);
      this.#levels.push(level);
      ranks = withZerosFirst(ranks, bit, level.sum);
    }
  }

  count(place: number, limit: number): number {
    let end = upperPlace(this.places, place);
    const rank = upperPlace(this.#sorted, limit);
    if (rank === this.#sorted.length) return end;
    // Of the ranks in the range from `begin` up to before `end`: how many are below `rank`.
    let begin = 0;
    let count = 0;
    for (let at = 0, bit = this.#levels.length - 1; bit >= 0 && begin < end; at++, bit--) {
      const level = this.#levels[at]!;
      const zerosBefore = zerosUpTo(level, begin);
      const zerosWithin = zerosUpTo(level, end) - zerosBefore;
      if (((rank >>> bit) & 1) === 1) {
        count += zerosWithin;
        begin += level.sum - zerosBefore;
        end += level.sum - zerosBefore - zerosWithin;
      } else {
        begin = zerosBefore;
        end = zerosBefore + zerosWithin;
      }
    }
    return count;
  }
}

/** How many bits the ranks of so many values take. */
function bitsOf(length: number): number {
  return WORD_BITS - Math.clz32(length);
}

function levelOf(ranks: Uint32Array, bit: number): Level {
  // One more: a range may end behind the last one.
  const words = (ranks.length >>> 5) + 1;
  const zeros = new Uint32Array(words);
  const before = new Uint32Array(words);
  for (let at = 0; at < ranks.length; at++) {
    if (((ranks[at]! >>> bit) & 1) === 0) zeros[at >>> 5]! |= 1 << (at & 31);
  }
  let sum = 0;
  for (let word = 0; word < words; word++) {
    before[word] = sum;
    sum += onesIn(zeros[word]!);
  }
  return { zeros, before, sum };
}

function withZerosFirst(ranks: Uint32Array, bit: number, zeros: number): Uint32Array<ArrayBuffer> {
  const moved = new Uint32Array(ranks.length);
  let [zero, one] = [0, zeros];
  for (const rank of ranks) moved[((rank >>> bit) & 1) === 0 ? zero++ : one++] = rank;
  return moved;
}

function zerosUpTo({ zeros, before }: Level, at: number): number {
  const word = at >>> 5;
  const mask = (1 << (at & 31)) - 1;
  return before[word]! + onesIn(zeros[word]! & mask);
}

/** How many bits of a word are set. */
function onesIn(word: number): number {
  let pairs = word - ((word >>> 1) & 0x55555555);
  pairs = (pairs & 0x33333333) + ((pairs >>> 2) & 0x33333333);
  return Math.imul((pairs + (pairs >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

/** The first place of a number that is not less. */
function lowerPlace(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The first place of a number that is greater. */
function upperPlace(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
