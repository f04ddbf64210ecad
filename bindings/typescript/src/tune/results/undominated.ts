/**
 * The points that no other point is at least as good as in all of their coordinates, of a million points in seconds.
 *
 * By halves, as Kung, Luccio and Preparata (1975): the front of each half is found, and what the first one dominates is taken out of
 * the second. For that, both are parted by a coordinate, so that it need not be looked at any more between the parts (Bentley, 1980).
 * It takes n · log(n)^(coordinates − 1) steps at most, where pairs would take n².
 *
 * - UD-1 Less is better.
 * - UD-2 Points are in lexical order, and no two are equal: so one that is no worse in all coordinates is better, and comes earlier.
 */

type Point = readonly number[];

/** Points of at least one coordinate, in lexical order without repetition: the places of those in the front, in order. */
export function undominatedPlaces(points: readonly Point[]): number[] {
  const places = new Map(points.map((point, place) => [point, place]));
  const front = frontWithin(points, 0, points.length);
  return front.map((point) => places.get(point)!).sort((one, other) => one - other);
}

function frontWithin(points: readonly Point[], from: number, to: number): readonly Point[] {
  if (to - from <= 1) return points.slice(from, to);
  const middle = (from + to) >> 1;
  const first = frontWithin(points, from, middle);
  const second = frontWithin(points, middle, to);
  return [...first, ...survivors(first, second, points[from]!.length - 1)];
}

/**
 * Those of `points` that none of `rivals` is at least as good as in the coordinates from 1 to `last`. In all others the rivals are
 * known to be.
 */
function survivors(
  rivals: readonly Point[],
  points: readonly Point[],
  last: number,
): readonly Point[] {
  if (rivals.length === 0 || points.length === 0) return points;
  // The first coordinate is the order, and there is no other.
  if (last === 0) return [];
  if (rivals.length === 1 || points.length === 1) {
    return points.filter((point) => !rivals.some((rival) => isNoWorse(rival, point, last)));
  }
  if (last === 1) {
    const best = rivals.reduce((least, rival) => Math.min(least, rival[1]!), Infinity);
    return points.filter((point) => point[1]! < best);
  }
  if (last === 2) return sweptSurvivors(rivals, points);
  const pivot = pivotOf(rivals, points, last);
  if (pivot === undefined) return survivors(rivals, points, last - 1);
  const [lowRivals, highRivals] = parted(rivals, last, pivot);
  const [low, high] = parted(points, last, pivot);
  return [
    ...survivors(lowRivals, low, last),
    // Between these the coordinate is settled. High rivals are worse in it than low points.
    ...survivors(lowRivals, survivors(highRivals, high, last), last - 1),
  ];
}

/** The same for two coordinates: along the first one, by the best that rivals have had of the second one until there. */
function sweptSurvivors(rivals: readonly Point[], points: readonly Point[]): Point[] {
  const sorted = rivals.toSorted(byFirst);
  let next = 0;
  let best = Infinity;
  return points.toSorted(byFirst).filter((point) => {
    for (; next < sorted.length && sorted[next]![1]! <= point[1]!; next++) {
      best = Math.min(best, sorted[next]![2]!);
    }
    return point[2]! < best;
  });
}

function byFirst(one: Point, other: Point): number {
  return one[1]! - other[1]!;
}

/** A value that parts all: the median, or the next above the least one; undefined where all are equal. */
function pivotOf(
  rivals: readonly Point[],
  points: readonly Point[],
  coordinate: number,
): number | undefined {
  const values = Float64Array.from([...rivals, ...points], (point) => point[coordinate]!).sort();
  const median = values[values.length >> 1]!;
  return median > values[0]! ? median : values.find((value) => value > values[0]!);
}

/** Those below a value, and the others. */
function parted(points: readonly Point[], coordinate: number, pivot: number): [Point[], Point[]] {
  const below: Point[] = [];
  const others: Point[] = [];
  for (const point of points) (point[coordinate]! < pivot ? below : others).push(point);
  return [below, others];
}

function isNoWorse(rival: Point, point: Point, last: number): boolean {
  for (let coordinate = 1; coordinate <= last; coordinate++) {
    if (rival[coordinate]! > point[coordinate]!) return false;
  }
  return true;
}
