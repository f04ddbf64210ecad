/**
 * What `bind` makes of a package's functions travels as what it is made of: the function, its `this` and its first arguments.
 * What a program itself binds is refused.
 */

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

import { SerializationError, get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, describe, expect, test } from 'vitest';

import { type UserProject, makeUserProject } from '../examples/user-project.ts';

const project: UserProject = makeUserProject();
mkdirSync(`${project.folder}/node_modules/binding`);
project.write('node_modules/binding/package.json', '{ "name": "binding", "type": "module" }');
project.write(
  'node_modules/binding/index.js',
  `export function tell(...all) { return [this, ...all]; }
   export function three(_a, _b, _c) {}
   export function read() { return this.n; }
   export function itself() { return this; }
   export const identity = async (n) => n;
   export class Counter {
     count = 0;
     constructor() { this.increment = this.add.bind(this, 1); }
     add(by) { return (this.count += by); }
   }
   export class Point {
     constructor(x, y) { this.x = x; this.y = y; }
     sum(more) { return this.x + this.y + more; }
   }
   export const twice = { factor: 2, of: (n) => 2 * n };`,
);

type AnyFunction = (...all: never[]) => unknown;

interface Counter {
  count: number;
  readonly increment: () => number;
}

interface Point {
  readonly x: number;
  readonly y: number;
  sum(more: number): number;
}

interface Binding {
  tell(this: unknown, ...all: unknown[]): unknown[];
  three(a: number, b: number, c: number): void;
  read(this: { n: number }): number;
  itself<T>(this: T): T;
  identity(n: number): Promise<number>;
  readonly Counter: new () => Counter;
  readonly Point: new (x: number, y: number) => Point;
  readonly twice: { factor: number; of(n: number): number };
}

const url = pathToFileURL(`${project.folder}/node_modules/binding/index.js`).href;
const { Counter, Point, identity, itself, read, tell, three, twice } = (await import(
  url
)) as Binding;

await init({ numCpus: 1 });

afterAll(async () => {
  await shutdown();
  project.remove();
});

const self = { name: 'self' };

const cases: readonly [name: string, fn: AnyFunction, args: unknown[], gives: unknown][] = [
  ['an object', tell.bind(self), [1], [self, 1]],
  ['an object and arguments', tell.bind(self, 1, [2]), [3], [self, 1, [2], 3]],
  ['nothing', tell.bind(undefined), [], [undefined]],
  ['null', tell.bind(null, 1), [], [null, 1]],
  ['a number', tell.bind(7), [], [7]],
  ['a text', tell.bind('t', ''), [], ['t', '']],
  ['a Map', tell.bind(new Map([[1, self]])), [], [new Map([[1, self]])]],
  ['another bound function', tell.bind(self, 1).bind(null, 2), [3], [self, 1, 2, 3]],
  ['a method', twice.of.bind(twice), [4], 8],
  ['an async function', identity.bind(null, 5), [], 5],
  ['a method of an instance', new Point(1, 2).sum.bind(new Point(3, 4)), [5], 12],
];

const call = remote((fn: AnyFunction, args: unknown[]) => fn(...(args as never[])));

describe('a function that is bound to', () => {
  test.each(cases)('%s does what it did at home', async (_, fn, args, gives) => {
    expect(await (fn(...(args as never[])) as unknown)).toEqual(gives);
    // As an argument, captured, by itself, as a result, and from one worker to the next.
    expect(await get(call.remote(fn, args))).toEqual(gives);
    expect(await get(remote(() => fn(...(args as never[]))).remote())).toEqual(gives);
    expect(await get((remote(fn) as typeof call).remote(...(args as [never, never])))).toEqual(
      gives,
    );
    const returned = await get(remote((given: AnyFunction) => given).remote(fn));
    expect(await returned(...(args as never[]))).toEqual(gives);
    const on = remote(async (given: AnyFunction, all: unknown[]) => get(call.remote(given, all)));
    expect(await get(on.remote(fn, args))).toEqual(gives);
    expect(await ((await get(put(fn)))(...(args as never[])) as unknown)).toEqual(gives);
  });
});

test('name, length and properties stay', async () => {
  const key = Symbol.for('of all');
  const fn = Object.assign(tell.bind(self, 1), { note: [1], [key]: 2 });
  Object.defineProperty(fn, 'hidden', { value: 3, enumerable: false });
  const look = remote((given: typeof fn & { hidden?: number }) => [
    given.name,
    given.length,
    Object.keys(given),
    given.note,
    given[Symbol.for('of all') as typeof key],
    given.hidden,
    Object.hasOwn(given, 'prototype'),
  ]);
  expect(await get(look.remote(fn))).toEqual(['bound tell', 0, ['note'], [1], 2, 3, false]);
  const lengths = remote((given: AnyFunction) => given.length);
  expect(await get(lengths.remote(three.bind(null, 1)))).toBe(2);
});

test('an accessor of one is refused by its name', () => {
  const fn = Object.defineProperty(tell.bind(self), 'state', { get: () => 1 });
  expect(() => call.remote(fn, [])).toThrow(/accessor of a bound function.*static "state"/s);
});

test('what it is bound to is shared with what travels beside it', async () => {
  const counter = new Counter();
  const count = remote((given: { counter: Counter; increment: () => number }) => {
    given.increment();
    given.counter.increment();
    return given.counter.count;
  });
  expect(await get(count.remote({ counter, increment: counter.increment }))).toBe(2);
  const apart = remote((given: Counter, increment: () => number) => {
    increment();
    given.increment();
    return [given.count, increment()];
  });
  // The first argument holds the function that the second one is.
  expect(await get(apart.remote(counter, counter.increment))).toEqual([2, 3]);
  expect(counter.count).toBe(0);
});

test('an object may hold methods that are bound to it', async () => {
  interface Node {
    name: string;
    self: () => Node;
  }
  const node = { name: 'n' } as Node;
  node.self = itself.bind(node) as () => Node;
  const check = remote((given: Node) => given.self() === given && given.self().name === 'n');
  expect(await get(check.remote(node))).toBe(true);
  expect(await get(remote(() => node.self() === node).remote())).toBe(true);
});

test('a bound class makes instances of the class', async () => {
  const Bound = Point.bind(null, 1);
  const make = remote((Given: typeof Bound, Class: typeof Point) => {
    const point = new Given(2);
    return [point.x, point.y, point instanceof Class, point instanceof Given];
  });
  expect(await get(make.remote(Bound, Point))).toEqual([1, 2, true, true]);
  const returned = await get(remote((Given: typeof Bound) => new Given(3)).remote(Bound));
  expect(returned).toBeInstanceOf(Point);
  const refused = remote((Given: typeof Bound) => (Given as unknown as () => Point)());
  await expect(get(refused.remote(Bound))).rejects.toThrow(/without 'new'/);
});

test('a bound function that can not travel names what holds it back', () => {
  const fn = tell.bind({ db: new WeakMap() });
  expect(() => call.remote(fn, [])).toThrow(/bound tell → its this → key "db" → WeakMap/);
});

test('each call gets what the object holds then', async () => {
  const state = { n: 1 };
  const bound = read.bind(state);
  expect(await get(call.remote(bound, []))).toBe(1);
  state.n = 2;
  expect(await get(call.remote(bound, []))).toBe(2);
});

class Own {
  count = 0;
  readonly increment: () => number;

  constructor() {
    this.increment = this.add.bind(this);
  }

  add(): number {
    return (this.count += 1);
  }
}

const double = (n: number): number => 2 * n;

describe('refused, with the advice to write an arrow function, is', () => {
  test.each<[string, AnyFunction]>([
    ["a program's function", double.bind(null)],
    ["a method of a program's class", new Own().increment],
    ['what was bound twice', double.bind(null).bind(null, 1)],
    ['a function of the language', Math.max.bind(null, 5)],
    ['a function of Node', path.join.bind(null, 'a')],
  ])('%s', (_, fn) => {
    const advice = /a bound function can't be sent; wrap it in an arrow function/;
    for (const attempt of [
      () => call.remote(fn, []),
      () => remote(fn).remote(),
      () => remote(() => fn()).remote(),
      () => put({ deep: [fn] }),
    ]) {
      expect(attempt).toThrow(SerializationError);
      expect(attempt).toThrow(advice);
    }
  });
});
