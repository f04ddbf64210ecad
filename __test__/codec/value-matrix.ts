/**
 * Values that must survive every way through eagleray: the codec alone, `put` and `get`, task arguments, results and
 * the state of actors. `sameAsClone` marks those for which the result must equal that of `structuredClone`.
 */

import { Readable } from 'node:stream';

import { expect } from 'vitest';

import { difference } from './same-value.ts';
import * as classes from './value-classes.ts';

export interface ValueCase {
  readonly name: string;
  /** A new value each time. */
  make(): unknown;
  /** Beyond {@link checkSame}, or in place of it where `only` is true. */
  check?(before: never, after: never): void;
  /** True if `check` says all: the value is not kept exactly as it was. */
  readonly only?: boolean;
  /** True if `structuredClone` keeps as much as the codec does. */
  readonly sameAsClone?: boolean;
}

/** Fails if a value is not what it was, in every detail that the codec promises. */
export function checkSame(before: unknown, after: unknown): void {
  expect(difference(before, after)).toBeUndefined();
}

/** Applies the check of a case. */
export function checkCase(each: ValueCase, before: unknown, after: unknown): void {
  if (each.only !== true) checkSame(before, after);
  each.check?.(before as never, after as never);
}

function simple(name: string, make: () => unknown): ValueCase {
  return { name, make, sameAsClone: true };
}

function own(
  name: string,
  make: () => unknown,
  check?: (before: never, after: never) => void,
): ValueCase {
  return check === undefined ? { name, make } : { name, make, check };
}

const LARGE = 100_000;

function large(constructor: { new (length: number): ArrayLike<unknown> }): unknown {
  const array = new constructor(LARGE) as unknown as Record<number, unknown>;
  const isBig = constructor.name.startsWith('Big');
  for (let index = 0; index < LARGE; index++)
    array[index] = isBig ? BigInt(index % 100) : index % 100;
  return array;
}

const float16 = (globalThis as unknown as { Float16Array?: typeof Float32Array }).Float16Array;

const primitives: ValueCase[] = [
  simple('undefined', () => undefined),
  simple('null', () => null),
  simple('true and false', () => [true, false]),
  simple('small integers', () => [0, 1, 127, 128, 255, 256, -1, -128]),
  simple('integers at the limits', () => [
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 31,
    2 ** 53 - 1,
    -(2 ** 53),
  ]),
  simple('-0', () => -0),
  simple('NaN', () => NaN),
  simple('infinities', () => [Infinity, -Infinity]),
  simple('fractions', () => [0.1, 1e-320, 5e-324, Number.MAX_VALUE, Number.EPSILON]),
  simple('an empty text', () => ''),
  simple('short texts', () => ['a', 'héllo', 'ÿ', '\u0000', '日本', '😀']),
  simple('texts of all short lengths', () =>
    Array.from({ length: 70 }, (_, length) => 'abcdefghij'.repeat(7).slice(0, length)),
  ),
  simple('wide texts of all short lengths', () =>
    Array.from({ length: 70 }, (_, length) => 'äö日'.repeat(24).slice(0, length)),
  ),
  simple('lone surrogates', () => ['\ud800', 'a\udfff', `${'x'.repeat(50)}\ud83d`]),
  simple('a large Latin-1 text', () => 'é'.repeat(200_000)),
  simple('a large wide text', () => '語'.repeat(200_000)),
  simple('small BigInts', () => [0n, 1n, -1n, 2n ** 63n - 1n, -(2n ** 63n)]),
  simple('large BigInts', () => [2n ** 63n, -(2n ** 63n) - 1n, 10n ** 500n, -(10n ** 500n)]),
  own('well-known symbols', () => [
    Symbol.iterator,
    Symbol.asyncIterator,
    Symbol.toStringTag,
    Symbol.dispose,
    Symbol.asyncDispose,
  ]),
  own('registered symbols', () => [Symbol.for('eagleray.test'), Symbol.for('')]),
];

const containers: ValueCase[] = [
  simple('an empty object', () => ({})),
  simple('a plain object', () => ({ a: 1, b: 'x', c: [1, 2, 3] })),
  simple('the order of keys', () => ({ b: 1, 2: 'two', a: 2, 1: 'one', '-1': 0, '01': 0 })),
  simple('keys that every object has', () => ({ toString: 1, constructor: 2, hasOwnProperty: 3 })),
  {
    name: 'an own key __proto__',
    make: () => JSON.parse('{"__proto__": {"polluted": true}, "a": 1}') as unknown,
    check: (_before, after: object) => {
      expect(Object.getPrototypeOf(after)).toBe(Object.prototype);
      expect('polluted' in after).toBe(false);
    },
    sameAsClone: true,
  },
  simple('keys of any characters', () => ({
    '': 1,
    ключ: 2,
    é: 3,
    '\ud800': 4,
    ['k'.repeat(300)]: 5,
  })),
  own('an object without a prototype', () =>
    Object.assign(Object.create(null) as object, { a: 1 }),
  ),
  own('symbols as keys', () => ({
    [Symbol.for('key')]: 1,
    [Symbol.toStringTag]: 'Tagged',
    plain: 2,
  })),
  simple('undefined as a property', () => ({ a: undefined, b: [undefined, null] })),
  simple('many objects of a shape', () =>
    Array.from({ length: 200 }, (_, id) => ({ id, name: `item ${id}`, half: id / 2 })),
  ),
  simple('many shapes in turn', () =>
    Array.from({ length: 200 }, (_, id) => ({ [`key${id % 40}`]: id, [`other${id % 7}`]: id })),
  ),
  simple('a dictionary of 5,000 keys', () =>
    Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`key ${index}`, index])),
  ),
  {
    name: 'getters, which are read',
    make: () => ({
      get value(): number {
        return 42;
      },
    }),
    check: (_before, after: object) => {
      expect(Object.getOwnPropertyDescriptor(after, 'value')).toEqual({
        value: 42,
        writable: true,
        enumerable: true,
        configurable: true,
      });
    },
    sameAsClone: true,
  },
  ...[() => undefined, async () => undefined, function* () {}].map((kind): ValueCase => ({
    name: `an object under the prototype of ${kind.constructor.name}, as bundlers make it`,
    make: () => Object.assign(Object.create(Object.getPrototypeOf(kind)) as object, { default: 1 }),
    only: true,
    check: (_before, after: object) => {
      expect(after).toEqual({ default: 1 });
      expect(Object.getPrototypeOf(after)).toBe(Object.prototype);
    },
  })),
  {
    name: 'a frozen object, which thaws',
    make: () => Object.freeze({ list: Object.freeze([1]) }),
    check: (_before, after: object) => {
      expect(Object.isFrozen(after)).toBe(false);
    },
    sameAsClone: true,
  },
  simple('an empty array', () => []),
  simple('an array of mixed values', () => [1, 'a', null, undefined, { a: [] }, [[]], 1.5]),
  simple('an array of 100,000 integers', () =>
    Array.from({ length: LARGE }, (_, index) => index - 50),
  ),
  simple('an array of 100,000 fractions', () =>
    Array.from({ length: LARGE }, (_, index) => index / 3),
  ),
  simple('numbers with NaN and -0 among them', () => [...Array<number>(40).fill(1), NaN, -0, 2]),
  simple('-0 among integers', () => [...Array<number>(40).fill(1), -0, 2]),
  simple('numbers, and then not', () => [...Array<unknown>(5000).fill(7), 'end']),
  // prettier-ignore
  // oxlint-disable-next-line no-sparse-arrays
  simple('holes', () => [, 1, , undefined, ,]),
  simple('an array of holes only', () => new Array(5)),
  simple('holes in a long array', () => {
    const array = Array.from({ length: 500 }, (_, index) => index);
    delete array[250];
    return array;
  }),
  simple('a sparse array of four billion', () => {
    const array: string[] = [];
    array[4_294_967_290] = 'far';
    array[3] = 'near';
    return array;
  }),
  simple('an array with named properties', () =>
    Object.assign([1, 2], { name: 'pair', 2.5: true }),
  ),
  simple('a long array with named properties', () =>
    Object.assign(Array<number>(1000).fill(1), { label: 'ones' }),
  ),
  simple('what a match gives', () => 'eagleray'.match(/e(?<vowel>a)/)),
  simple(
    'a Map',
    () =>
      new Map<unknown, unknown>([
        ['a', 1],
        [NaN, 2],
        [undefined, 3],
        [{ key: 1 }, []],
      ]),
  ),
  simple('a Set', () => new Set<unknown>([1, 'a', NaN, null, [1], new Set()])),
  simple('a Map with properties', () => Object.assign(new Map([[1, 2]]), {})),
  own('a Map with named properties', () => Object.assign(new Map([[1, 2]]), { unit: 'm' })),
];

const graphs: ValueCase[] = [
  simple('one object twice', () => {
    const shared = { a: 1 };
    return [shared, shared, { shared }];
  }),
  simple('an object that holds itself', () => {
    const object: Record<string, unknown> = { name: 'loop' };
    object['self'] = object;
    return object;
  }),
  simple('an array that holds itself', () => {
    const array: unknown[] = [1];
    array.push(array);
    return array;
  }),
  simple('a Map that is its own key and value', () => {
    const map = new Map<unknown, unknown>();
    map.set(map, map);
    return map;
  }),
  simple('a Set that holds itself', () => {
    const set = new Set<unknown>([1]);
    set.add(set);
    return set;
  }),
  simple('a ring through every container', () => {
    const ring: Record<string, unknown> = {};
    ring['next'] = [new Map([['next', new Set([{ ring }])]])];
    return ring;
  }),
  simple('the same Date, RegExp and boxed number twice', () => {
    const date = new Date(5);
    const pattern = /x/u;
    const boxed = Object(5) as object;
    return [date, date, pattern, pattern, boxed, boxed];
  }),
  simple('a doubly linked list', () => {
    interface Link {
      index: number;
      next?: Link;
      previous?: Link;
    }
    const first: Link = { index: 0 };
    let last = first;
    for (let index = 1; index < 300; index++) {
      const next: Link = { index, previous: last };
      last.next = next;
      last = next;
    }
    return first;
  }),
  own('a list of 20,000 links', () => {
    let list: object | null = null;
    for (let index = 0; index < 20_000; index++) list = { index, list };
    return list;
  }),
  own('arrays, Maps, Sets and errors 5,000 deep in turn', () => {
    let value: unknown = 'core';
    for (let index = 0; index < 5000; index++) {
      const kinds = [[value], new Map([[index, value]]), new Set([value]), { value }];
      value = index % 5 === 4 ? new Error('layer', { cause: value }) : kinds[index % 5];
    }
    return value;
  }),
  own('shared objects deep inside', () => {
    const shared = { shared: [1] };
    let value: unknown = [shared];
    for (let index = 0; index < 1000; index++) value = { value, shared, list: [shared] };
    return value;
  }),
  simple('10,000 objects, each held twice', () => {
    const objects = Array.from({ length: 10_000 }, (_, id) => ({ id }));
    return [objects, [...objects].reverse()];
  }),
];

const builtIns: ValueCase[] = [
  simple('a Date', () => new Date(1_700_000_000_123)),
  simple('a Date before 1970 and an invalid one', () => [new Date(-1), new Date(NaN)]),
  simple('regular expressions', () => [
    /a/,
    /[/]\//gimsuy,
    /\u{1F600}(?<name>x)/du,
    new RegExp(''),
  ]),
  {
    name: 'a regular expression in use',
    make: () => Object.assign(/a/g, { lastIndex: 3 }),
    only: true,
    check: (_before, after: RegExp) => {
      expect([String(after), after.lastIndex]).toEqual(['/a/g', 0]);
    },
  },
  simple('boxed primitives', () => [
    Object(1),
    Object(-0),
    Object('text'),
    Object(false),
    Object(5n),
  ]),
  own('a URL', () => new URL('https://user:pass@example.org:8080/päth?q=1#hash')),
  own(
    'URL parameters',
    () =>
      new URLSearchParams([
        ['a', '1'],
        ['a', '2'],
        ['ü', ' &='],
      ]),
  ),
  own('Math, JSON and console, which stand for those of the receiver', () => [
    Math,
    JSON,
    console,
    globalThis,
  ]),
];

const errors: ValueCase[] = [
  own('an Error', () => new Error('broken')),
  own('errors of every built-in class', () => [
    new TypeError('type'),
    new RangeError('range'),
    new SyntaxError('syntax'),
    new ReferenceError('reference'),
    new EvalError('eval'),
    new URIError('uri'),
  ]),
  own('an AggregateError', () => new AggregateError([new Error('one'), 'two'], 'both')),
  own('a DOMException', () => new DOMException('stopped', 'AbortError')),
  own(
    'an error with causes',
    () => new Error('outer', { cause: new TypeError('inner', { cause: { reason: 'data' } }) }),
  ),
  own('an error whose cause is undefined', () => new Error('e', { cause: undefined })),
  own('an error without a message', () => new Error()),
  own('an error with properties', () =>
    Object.assign(new Error('e'), { code: 'E_TEST', details: [1] }),
  ),
  own('an error that is its own cause', () => {
    const error: Error = new Error('loop');
    error.cause = error;
    return error;
  }),
  own('an error with a name and a stack of its own', () => {
    const error = new Error('named');
    error.name = 'SpecialError';
    error.stack = 'SpecialError: named\n    at nowhere';
    return error;
  }),
  own('an error of the file system', () => {
    try {
      process.chdir('/no/such/directory');
    } catch (error) {
      return error;
    }
    throw new Error('the directory exists');
  }),
  {
    name: 'an error of Node, whose class is an internal one',
    make: () => {
      try {
        Buffer.alloc(-1);
      } catch (error) {
        return error;
      }
      throw new Error('a negative length was taken');
    },
    only: true,
    check: (before: NodeJS.ErrnoException, after: NodeJS.ErrnoException) => {
      expect(Object.getPrototypeOf(after)).toBe(RangeError.prototype);
      expect(after.code).toBe('ERR_OUT_OF_RANGE');
      expect([after.name, after.message, after.stack]).toEqual([
        before.name,
        before.message,
        before.stack,
      ]);
    },
  },
  {
    name: 'an AbortError of Node, which keeps its name and code',
    make: () => {
      let found: unknown;
      const controller = new AbortController();
      const stream = new Readable({ signal: controller.signal });
      // Destroying with an error reports it at once to `destroy`, before any event.
      stream._destroy = (error) => (found = error);
      controller.abort();
      return found;
    },
    only: true,
    check: (before: NodeJS.ErrnoException, after: NodeJS.ErrnoException) => {
      expect(after).toBeInstanceOf(Error);
      expect([after.name, after.code, after.message]).toEqual([
        before.name,
        before.code,
        before.message,
      ]);
    },
  },
  own(
    'an error of a class of the user',
    () => new classes.HttpError(404, 'not found', { cause: new Error('socket') }),
    (_before, after: classes.HttpError) => {
      expect(after).toBeInstanceOf(classes.HttpError);
      expect(after.stack).toContain('not found');
    },
  ),
  own('an error of a class under RangeError', () => new classes.RetryError('again')),
];

const memory: ValueCase[] = [
  simple('small typed arrays of every kind', () => [
    new Int8Array([-1, 2]),
    new Uint8Array([1, 255]),
    new Uint8ClampedArray([1, 300]),
    new Int16Array([-1, 2]),
    new Uint16Array([1, 2]),
    new Int32Array([-1, 2]),
    new Uint32Array([1, 2]),
    new Float32Array([1.5, NaN]),
    new Float64Array([1.1, -0]),
    new BigInt64Array([-1n]),
    new BigUint64Array([2n ** 64n - 1n]),
  ]),
  simple('empty memory', () => [
    new Uint8Array(0),
    new ArrayBuffer(0),
    new DataView(new ArrayBuffer(0)),
  ]),
  simple('a small ArrayBuffer', () => new Uint8Array([1, 2, 3]).buffer),
  simple('a large ArrayBuffer', () => (large(Uint8Array) as Uint8Array).buffer),
  ...[
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
  ].map((each) => simple(`a large ${each.name}`, () => large(each as never))),
  ...[Float32Array, Float64Array, BigInt64Array, BigUint64Array].map((each) =>
    simple(`a large ${each.name}`, () => large(each as never)),
  ),
  ...(float16 === undefined
    ? []
    : [simple('Float16Arrays', () => [new float16([1.5, NaN]), large(float16 as never)])]),
  simple('a DataView', () => new DataView(new Uint8Array([1, 2, 3, 4]).buffer, 1, 2)),
  own(
    'a large DataView',
    () => new DataView((large(Uint8Array) as Uint8Array).buffer as ArrayBuffer),
  ),
  own('a small Buffer', () => Buffer.from('eagleray')),
  own('a large Buffer', () => Buffer.alloc(LARGE, 'abc')),
  own('an empty Buffer', () => Buffer.alloc(0)),
  own('Buffers of the pool', () => [Buffer.from('one'), Buffer.from('two'), Buffer.from('three')]),
  {
    name: 'a slice of the pool, which does not drag the pool along',
    make: () => Buffer.from('slice'),
    check: (_before, after: Buffer) => {
      expect(after.buffer.byteLength).toBe(5);
    },
  },
  {
    name: 'Buffers of the pool that overlap',
    make: () => {
      const whole = Buffer.from('overlapping');
      return [whole, whole.subarray(4, 8)];
    },
    check: (_before, [whole, part]: [Buffer, Buffer]) => {
      expect(part.buffer).toBe(whole.buffer);
      whole[4] = 0x58;
      expect(part[0]).toBe(0x58);
    },
  },
  {
    name: 'one view twice',
    make: () => {
      const view = new Float32Array([1, 2, 3]);
      return { first: view, second: view };
    },
  },
  {
    name: 'views that share a small buffer',
    make: () => {
      const buffer = new ArrayBuffer(32);
      return [
        new Uint8Array(buffer, 3, 5),
        new Float64Array(buffer, 8, 2),
        new Int16Array(buffer, 4, 1),
      ];
    },
    check: (_before, [bytes, numbers, shorts]: [Uint8Array, Float64Array, Int16Array]) => {
      expect(bytes.buffer).toBe(numbers.buffer);
      expect(bytes.buffer).toBe(shorts.buffer);
      expect(bytes.buffer).toBeInstanceOf(ArrayBuffer);
      expect(numbers.byteOffset - bytes.byteOffset).toBe(5);
    },
  },
  {
    name: 'views that share a large buffer',
    make: () => {
      const buffer = (large(Float64Array) as Float64Array).buffer;
      return [new Float64Array(buffer, 800, 9000), new Uint32Array(buffer, 1600, 20_000)];
    },
    check: (_before, [doubles, integers]: [Float64Array, Uint32Array]) => {
      expect(doubles.buffer).toBe(integers.buffer);
      expect(doubles.buffer).toBeInstanceOf(ArrayBuffer);
      // From the first covered byte to the last one, and not the rest of the buffer.
      expect(doubles.buffer.byteLength).toBe(1600 + 80_000 - 800);
      doubles[100] = 0;
      expect(integers[0]).toBe(0);
    },
  },
  {
    name: 'a buffer and a view of it',
    make: () => {
      const view = new Int32Array([1, 2, 3, 4]);
      return { view: view.subarray(1, 3), buffer: view.buffer };
    },
    check: (_before, after: { view: Int32Array; buffer: ArrayBuffer }) => {
      expect(after.view.buffer).toBe(after.buffer);
    },
  },
  {
    name: 'a part of a large array',
    make: () => (large(Float64Array) as Float64Array).subarray(10, 50_000),
    check: (_before, after: Float64Array) => {
      expect(after.buffer.byteLength).toBe(49_990 * 8);
    },
  },
  own('typed arrays deep inside', () => ({
    layers: [
      { weights: large(Float32Array), bias: new Float32Array(3) },
      { weights: large(Float64Array) },
    ],
    labels: new Map([['train', large(Uint8Array)]]),
  })),
  {
    name: 'a resizable buffer, which becomes a fixed one',
    make: () => {
      const Resizable = ArrayBuffer as unknown as new (
        length: number,
        options: { maxByteLength: number },
      ) => ArrayBuffer;
      return new Uint8Array(new Resizable(8, { maxByteLength: 64 })).fill(1);
    },
    check: (_before, after: Uint8Array) => {
      expect((after.buffer as { resizable?: boolean }).resizable).toBe(false);
    },
  },
];

const shipped: ValueCase[] = [
  own(
    'an instance of a class',
    () => new classes.Point(3, 4),
    (_before, after: classes.Point) => {
      expect(after).toBeInstanceOf(classes.Point);
      expect(after.length()).toBe(5);
    },
  ),
  own(
    'an instance of a subclass',
    () => new classes.Point3(2, 3, 6),
    (_before, after: classes.Point3) => {
      expect(after.length()).toBe(7);
    },
  ),
  own('a hundred instances', () => Array.from({ length: 100 }, (_, x) => new classes.Point(x, -x))),
  own('instances that hold each other', () => {
    const first = new classes.Node('first');
    first.next = new classes.Node('second');
    first.next.next = first;
    return first;
  }),
  own('10,000 instances in a chain', () => {
    let list: classes.Node<number> | null = null;
    for (let index = 0; index < 10_000; index++) {
      const node: classes.Node<number> = new classes.Node(index);
      node.next = list;
      list = node;
    }
    return list;
  }),
  own(
    'an own property under an accessor',
    () =>
      Object.defineProperty(new classes.Guarded(), 'level', {
        value: 5,
        enumerable: true,
        writable: true,
        configurable: true,
      }),
    () => {
      expect(classes.Guarded.sets).toBe(0);
    },
  ),
  own('an instance with symbols as keys', () =>
    Object.assign(new classes.Point(1, 2), { [Symbol.for('note')]: 'n' }),
  ),
  own(
    'an instance of a class that extends Map',
    () => new classes.CountingMap().set('a', { b: 1 }),
    (_before, after: classes.CountingMap<string, unknown>) => {
      expect([after.twice(), after.count]).toEqual([2, 1]);
    },
  ),
  own('an instance of a class that extends Set', () => new classes.Tags(['a', 'b'])),
  own(
    'an instance of a class that extends Array',
    () => classes.Stack.from([1, 2, { three: 3 }]),
    (_before, after: classes.Stack<unknown>) => {
      expect(after.top()).toEqual({ three: 3 });
    },
  ),
  own(
    'an instance of a class that extends Float64Array',
    () => classes.Vector.from([3, 4]),
    (_before, after: classes.Vector) => {
      expect(after.norm()).toBe(5);
    },
  ),
  own(
    'an instance of a class that extends Date',
    () => new classes.Day(0),
    (_before, after: classes.Day) => {
      expect(after.day()).toBe('1970-01-01');
    },
  ),
  own(
    'an instance of a class that extends RegExp',
    () => new classes.Pattern('^a', 'i'),
    (_before, after: classes.Pattern) => {
      expect(after.hits('Abc')).toBe(true);
    },
  ),
  own(
    'custom state with a private member',
    () => new classes.Account('Ada', 100),
    (_before, after: classes.Account) => {
      expect(after.balance).toBe(100);
    },
  ),
  own(
    'custom state within custom state, and one of them twice',
    () => {
      const account = new classes.Account('Ada', 5);
      return [
        new classes.Safe(
          new Map([
            ['first', account],
            ['again', account],
          ]),
        ),
        account,
      ];
    },
    (_before, [safe, account]: [classes.Safe, classes.Account]) => {
      expect(safe.accounts.get('first')).toBe(account);
      expect(safe.accounts.get('again')).toBe(account);
      expect(account.balance).toBe(5);
    },
  ),
  own('functions and classes', () => [classes.double, classes.Point, { double: classes.double }]),
];

/** All values. */
export const valueMatrix: readonly ValueCase[] = [
  ...primitives,
  ...containers,
  ...graphs,
  ...builtIns,
  ...errors,
  ...memory,
  ...shipped,
];
