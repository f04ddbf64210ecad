/**
 * What hangs on a function travels with it: own properties of any kind, and its prototype where a program has changed it.
 * Libraries with a fluent style are made of that: `chalk.red.bold('x')`.
 */

import { fileURLToPath } from 'node:url';

import { get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { runProgram } from '../examples/run-program.ts';

beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(() => shutdown());

interface Fluent {
  (...all: string[]): string;
  [key: string | symbol]: unknown;
}
type Use = (fn: Fluent) => unknown;

const symbol = Symbol.for('mark');

/** Functions under a class of functions, as chalk makes them. */
function makeStyle(level: number): Fluent {
  const fn = (...all: string[]): string => all.join(' ');
  (fn as unknown as { level: number }).level = level;
  Object.setPrototypeOf(fn, Style.prototype as object);
  return fn as unknown as Fluent;
}

function signed(sign: string, inner: Fluent): Fluent {
  const builder = (...all: string[]): string => sign + inner(...all) + sign;
  return Object.setPrototypeOf(builder, shared) as Fluent;
}

function louder(inner: Fluent): (...all: string[]) => string {
  return (...all) => `${inner(...all)}!`;
}

function Style(this: unknown): Fluent {
  return makeStyle(1);
}
Object.setPrototypeOf(Style.prototype, Function.prototype);
for (const [name, sign] of Object.entries({ bold: '*', red: '!' })) {
  Object.defineProperty(Style.prototype, name, {
    get(this: Fluent) {
      return signed(sign, this);
    },
  });
}
/** A function as the prototype of functions, with accessors that can't be enumerated. */
const shared = Object.defineProperties(() => undefined, {
  loud: {
    get(this: Fluent) {
      return louder(this);
    },
  },
  level: { enumerable: true, get: () => 7 },
});

const base = { factor: 3 };
const derived = Object.assign((n: string) => n, {});
Object.setPrototypeOf(
  derived,
  Object.assign((n: string) => n + n, { base }),
);
async function asynchronous(): Promise<string> {
  return 'a';
}
Object.setPrototypeOf(asynchronous, shared);
class Plain {
  static own = 1;
}
Object.setPrototypeOf(Plain, shared);
const bare = (): string => 'bare';
Object.setPrototypeOf(bare, null);

const hidden = (): string => 'h';
let set = 0;
Object.defineProperties(hidden, {
  data: { value: 5, enumerable: false },
  [symbol]: { value: 6, enumerable: false },
  read: { get: () => 7, enumerable: false },
  both: {
    get: () => set,
    set: (value: number) => {
      set = value;
    },
    enumerable: true,
  },
  length: { value: 4, configurable: true },
  toString: { value: () => 'my own' },
});

const cases: readonly [name: string, fn: unknown, use: Use, gives: unknown][] = [
  ['a prototype with accessors', makeStyle(2), (f) => [f('x'), f['level']], ['x', 2]],
  [
    'a prototype of which accessors make others',
    makeStyle(2),
    (f) => ((f['red'] as Fluent)['loud'] as Fluent)('x'),
    '!x!!',
  ],
  [
    'what such an accessor has made',
    (makeStyle(2) as Record<string, unknown>)['bold'],
    (f) => [f('x'), (f['loud'] as Fluent)('y'), f['level']],
    ['*x*', '*y*!', 7],
  ],
  ['call and apply under a class', makeStyle(2), (f) => f.call({}, 'x'), 'x'],
  [
    'a function as its prototype',
    derived,
    (f) => [f('x'), (f['base'] as { factor: number }).factor, Object.hasOwn(f, 'base')],
    ['x', 3, false],
  ],
  ['such a one that is async', asynchronous, (f) => f['level'], 7],
  ['such a one that is a class', Plain, (f) => [f['level'], f['own']], [7, 1]],
  [
    'no prototype',
    bare,
    (f) => [f(), Object.getPrototypeOf(f), f['call']],
    ['bare', null, undefined],
  ],
  [
    'properties that can not be enumerated',
    hidden,
    (f) => [f['data'], f[Symbol.for('mark')], f['read'], Object.keys(f)],
    [5, 6, 7, ['both']],
  ],
  [
    'accessors in pairs',
    hidden,
    (f) => {
      (f as unknown as { both: number }).both = 9;
      return f['both'];
    },
    9,
  ],
  ['a length of its own', hidden, (f) => f.length, 4],
  ['a toString of its own', hidden, (f) => String(f), 'my own'],
];

const call = remote((fn: Fluent, use: Use) => use(fn));

describe('a function travels with', () => {
  test.each(cases)('%s', async (_, value, use, gives) => {
    const fn = value as Fluent;
    expect(use(fn)).toEqual(gives);
    set = 0;
    expect(await get(call.remote(fn, use))).toEqual(gives);
    expect(await get(remote(() => use(fn)).remote())).toEqual(gives);
    expect(use(await get(remote((given: Fluent) => given).remote(fn)))).toEqual(gives);
    set = 0;
    const on = remote(async (given: Fluent, with_: Use) => get(call.remote(given, with_)));
    expect(await get(on.remote(fn, use))).toEqual(gives);
    expect(use(await get(put(fn)))).toEqual(gives);
    set = 0;
  });
});

test('functions stay one kind when several of a prototype travel together', async () => {
  const check = remote((one: object, other: object) => {
    return Object.getPrototypeOf(one) === Object.getPrototypeOf(other);
  });
  expect(await get(check.remote(makeStyle(1), makeStyle(2)))).toBe(true);
});

test('what its prototype holds is what it holds at the call', async () => {
  const parent = Object.assign(() => undefined, { n: 1 });
  const fn = Object.setPrototypeOf(() => 'x', parent) as Fluent;
  const use: Use = (f) => f['n'];
  expect(await get(call.remote(fn, use))).toBe(1);
  parent.n = 2;
  expect(await get(call.remote(fn, use))).toBe(2);
  Object.setPrototypeOf(
    fn,
    Object.assign(() => undefined, { n: 3 }),
  );
  expect(await get(call.remote(fn, use))).toBe(3);
});

test('a prototype that is no class and no function is refused by name', () => {
  const odd = Object.setPrototypeOf(() => 'x', { a: 1, __proto__: Function.prototype }) as Fluent;
  expect(() => call.remote(odd, (f) => f('x'))).toThrow(
    /its prototype is an object.*perProcess.*argument 1/s,
  );
});

// In a program of its own, because here vitest makes what is imported.
test('a function is found among the exports of a module, by whatever name and wherever its text stands', async () => {
  const program = fileURLToPath(new URL('programs/exported-functions.mjs', import.meta.url));
  const { code, stderr, stdout } = await runProgram(program, { execArgv: [] });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const results = JSON.parse(stdout) as Record<string, unknown>;
  expect(results).toEqual(
    Object.fromEntries(
      Object.keys(results).map((name) => [name, { argument: true, captured: true, result: true }]),
    ),
  );
  expect(Object.keys(results).sort()).toEqual(['default', 'made', 'nested', 'shadowed']);
});
