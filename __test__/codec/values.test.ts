import { describe, expect, test } from 'vitest';

import { Loopback } from './loopback.ts';
import { difference } from './same-value.ts';
import { checkCase, checkSame, valueMatrix } from './value-matrix.ts';

const loopback = new Loopback();

test('the matrix has at least 80 values, each with a name of its own', () => {
  expect(valueMatrix.length).toBeGreaterThanOrEqual(80);
  expect(new Set(valueMatrix.map((each) => each.name)).size).toBe(valueMatrix.length);
});

describe('every value comes back as it was', () => {
  test.each(valueMatrix)('$name', (each) => {
    const before = each.make();
    checkCase(each, before, loopback.roundTrip(before));
  });
});

describe('also inside an array, an object, a Map and a Set, and twice', () => {
  test.each(valueMatrix)('$name', (each) => {
    const value = each.make();
    const before = [{ value, again: value }, new Map([['value', value]]), new Set([value])];
    const [object, map, set] = loopback.roundTrip(before) as typeof before as [
      { value: unknown; again: unknown },
      Map<string, unknown>,
      Set<unknown>,
    ];
    if (each.only !== true) checkSame(before, [object, map, set]);
    each.check?.(value as never, object.value as never);
    if (typeof object.value === 'object') {
      expect(object.again).toBe(object.value);
      expect(map.get('value')).toBe(object.value);
      expect(set.has(object.value)).toBe(true);
    }
  });
});

describe('also 150 levels deep, where contents are deferred', () => {
  test.each(valueMatrix)('$name', (each) => {
    const value = each.make();
    let before: unknown = value;
    for (let level = 0; level < 150; level++) before = [before];
    let after = loopback.roundTrip(before);
    for (let level = 0; level < 150; level++) after = (after as unknown[])[0];
    checkCase(each, value, after);
  });
});

describe('as structuredClone has it', () => {
  test.each(valueMatrix.filter((each) => each.sameAsClone))('$name', (each) => {
    const value = each.make();
    const found = difference(structuredClone(value), loopback.roundTrip(value), {
      // Named groups of a match have no prototype, which structured clone does not keep.
      ignorePrototypes: true,
    });
    expect(found).toBeUndefined();
  });
});
