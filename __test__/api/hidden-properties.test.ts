/**
 * Own properties that can't be enumerated belong to an instance as others do: classes keep there what is not to be shown
 * (`Object.defineProperty(this, …)`). An instance that lost them would be half an instance, in silence.
 */

import { get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(() => shutdown());

const mark = Symbol.for('mark');

function hide<T extends object>(object: T, properties: Record<string | symbol, unknown>): T {
  for (const key of Reflect.ownKeys(properties)) {
    Object.defineProperty(object, key, {
      value: properties[key as string],
      configurable: true,
      writable: true,
    });
  }
  return object;
}

class Plain {
  shown = 1;
}
class OnlyHidden {}
class Row extends Array<unknown> {}
class Index extends Map<unknown, unknown> {}
class Group extends Set<unknown> {}
class Day extends Date {}
class Numbers extends Float64Array {}
class Tree {
  left: Tree | undefined = undefined;
}

const deep = (): Tree => {
  let at = hide(new Tree(), { depth: 0 });
  for (let depth = 1; depth <= 300; depth++) {
    at = hide(Object.assign(new Tree(), { left: at }), { depth });
  }
  return at;
};

const cases: readonly [name: string, make: () => object][] = [
  ['a text as its key', () => hide(new Plain(), { kept: 'k' })],
  ['a symbol as its key', () => hide(new Plain(), { [mark]: 'm' })],
  [
    'both, beside symbols that are shown',
    () => hide(Object.assign(new Plain(), { [Symbol.for('s')]: 2 }), { kept: 1, [mark]: 2 }),
  ],
  ['nothing that is shown', () => hide(new OnlyHidden(), { kept: { deep: [1, { a: 2 }] } })],
  ['a name of every object', () => hide(new Plain(), { toString: 'text', __proto: 1 })],
  ['a function', () => hide(new Plain(), { f: () => 5 })],
  ['an array', () => hide(Row.from([1, 2]), { kept: 1 })],
  ['a Map', () => hide(new Index([[1, 2]]), { kept: 1 })],
  ['a Set', () => hide(new Group([1]), { kept: 1 })],
  ['a Date', () => hide(new Day(5), { kept: 1 })],
  ['a view', () => hide(new Numbers([1, 2]), { kept: 1 })],
  ['a list of instances of one shape', () => [1, 2, 3].map((n) => hide(new Plain(), { kept: n }))],
  [
    'instances of one class with and without',
    () => [new Plain(), hide(new Plain(), { kept: 1 }), new Plain()],
  ],
  ['300 levels of them', deep],
];

/** What an object is made of: its own properties of any kind, down to the bottom, without those of functions. */
function anatomy(value: unknown): unknown {
  if (typeof value === 'function') return (value as () => unknown)();
  if (typeof value !== 'object' || value === null) return value;
  return [
    value.constructor?.name,
    ...(value instanceof Map || value instanceof Set ? [...value].map(anatomy) : []),
    ...Reflect.ownKeys(value).map((key) => {
      const descriptor = Object.getOwnPropertyDescriptor(value, key)!;
      return [String(key), descriptor.enumerable, anatomy(descriptor.value)];
    }),
  ].sort((left, right) => String(left).localeCompare(String(right)));
}

describe('an instance keeps what is hidden of it:', () => {
  const anatomyThere = remote((value: unknown, of: typeof anatomy) => JSON.stringify(of(value)));

  test.each(cases)('%s', async (_, make) => {
    const value = make();
    const right = JSON.stringify(anatomy(value));
    expect(await get(anatomyThere.remote(value, anatomy))).toBe(right);
    expect(await get(remote(() => JSON.stringify(anatomy(value))).remote())).toBe(right);
    expect(JSON.stringify(anatomy(await get(put(value))))).toBe(right);
    expect(
      JSON.stringify(anatomy(await get(remote((given: unknown) => given).remote(value)))),
    ).toBe(right);
  });
});

test('an instance that hides itself, or what refers to it, is one', async () => {
  const value = hide(new Plain(), {});
  hide(value, { self: value, parent: { child: value } });
  const check = remote((given: Plain & { self: unknown; parent: { child: unknown } }) => [
    given.self === given,
    given.parent.child === given,
  ]);
  expect(await get(check.remote(value as never))).toEqual([true, true]);
});

test('what is hidden and can not travel is named', () => {
  const value = hide(new Plain(), { db: new WeakMap() });
  expect(() => put({ value })).toThrow(/key "value" → key "db" → WeakMap/);
});

test('a hidden accessor is read, as one that is shown', async () => {
  const value = Object.defineProperty(new Plain(), 'computed', { get: () => 5 });
  const given = await get(put(value));
  expect(Object.getOwnPropertyDescriptor(given, 'computed')).toEqual({
    value: 5,
    enumerable: false,
    configurable: true,
    writable: true,
  });
});
