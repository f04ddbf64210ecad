/** The front of many trials: what comparing all pairs gives, at a cost that does not grow with their square. */

import { describe, expect, test } from 'vitest';

import { undominatedPlaces } from '../../bindings/typescript/src/tune/results/undominated.ts';
import { undominated } from './results-oracle.ts';
import { randomOf } from './results-fixture.ts';

type Point = readonly number[];

/** As they have to be: in lexical order, each once. */
function prepared(points: readonly Point[]): Point[] {
  const once = new Map(points.map((point) => [point.join(), point]));
  return [...once.values()].sort((one, other) => {
    const place = one.findIndex((value, at) => value !== other[at]);
    return one[place]! - other[place]!;
  });
}

/** Points of which none is better than another: the sum is the same. */
function allInFront(count: number, dimensions: number, random: () => number): Point[] {
  return Array.from({ length: count }, () => {
    const point = Array.from({ length: dimensions - 1 }, () => random());
    return [...point, -point.reduce((sum, value) => sum + value, 0)];
  });
}

describe.each([1, 2, 3, 4, 5, 7])('with %i coordinates', (dimensions) => {
  const modes = Array.from({ length: dimensions }, () => 'min' as const);

  // Few values, so that many are equal in some coordinates; many; and sizes around those of halves.
  test.each([2, 3, 10, 1000])('of %i values it is what comparing all pairs gives', (values) => {
    const random = randomOf(dimensions * 1000 + values);
    for (const size of [0, 1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 150]) {
      for (let round = 0; round < 8; round++) {
        const points = prepared(
          Array.from({ length: size }, () =>
            Array.from({ length: dimensions }, () => Math.floor(random() * values) - 1),
          ),
        );
        expect(undominatedPlaces(points)).toEqual(undominated(points, modes));
      }
    }
  });

  test('it is so where nearly all are in the front', () => {
    const points = prepared(allInFront(300, dimensions, randomOf(dimensions)));
    const worse = points.slice(0, 50).map((point) => point.map((value) => value + 0.01));
    const all = prepared([...points, ...worse]);
    expect(undominatedPlaces(all)).toEqual(undominated(all, modes));
  });
});

/** How often coordinates are read while the front is found. */
function readsOf(points: readonly Point[]): number {
  let reads = 0;
  const watched = points.map(
    (point) =>
      new Proxy(point, {
        get(target, key) {
          reads++;
          return Reflect.get(target, key) as unknown;
        },
      }),
  );
  undominatedPlaces(watched);
  return reads;
}

test.each([3, 4])(
  'twice as many points take less than three times the steps, with %i',
  (dimensions) => {
    const random = randomOf(dimensions);
    const [few, many] = [4_000, 8_000].map((count) =>
      readsOf(prepared(allInFront(count, dimensions, random))),
    );
    // Pairs would be four times as many, and 8,000 points have 32 million of them.
    expect(many! / few!).toBeLessThan(3);
    expect(many).toBeLessThan(12_000_000);
  },
);
