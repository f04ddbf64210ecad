// Classes that are only there to be stored have few members or none.
/* oxlint-disable typescript/no-extraneous-class */

import { EventEmitter } from 'node:events';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { inspect } from 'node:util';

import { describe, expect, test } from 'vitest';

import { Decoder, Encoder } from '../../bindings/typescript/src/codec/index.ts';
import { InvalidArgumentError, SerializationError } from '../../bindings/typescript/src/errors.ts';
import { capture, encodeHooks, Handle, Loopback } from './loopback.ts';
import { Point, Secret } from './value-classes.ts';

const loopback = new Loopback();

function failure(value: unknown): SerializationError {
  let found: unknown;
  try {
    loopback.bytesOf(value);
  } catch (error) {
    found = error;
  }
  expect(found).toBeInstanceOf(SerializationError);
  return found as SerializationError;
}

function* count() {
  yield 1;
}

describe('what can not be stored is named, with the way to it', () => {
  const socket = new Socket();
  test.each<[string, unknown, string]>([
    ['a Promise', Promise.resolve(1), 'value → Promise'],
    ['a property', { config: { db: new WeakMap() } }, 'value → key "config" → key "db" → WeakMap'],
    ['an element', [1, [2, new WeakSet()]], 'value → [1] → [1] → WeakSet'],
    [
      'a value of a Map',
      new Map([['db', [new WeakRef({})]]]),
      'value → value of "db" in the Map → [0] → WeakRef',
    ],
    ['a key of a Map', new Map([[Promise.resolve(), 1]]), 'value → key of the Map → Promise'],
    ['a member of a Set', new Set([Promise.resolve()]), 'value → member of the Set → Promise'],
    ['a symbol', { id: Symbol('id') }, 'value → key "id" → Symbol(id)'],
    ['a symbol as a key', { [Symbol('key')]: 1 }, 'value → Symbol(key)'],
    ['a generator', { list: count() }, 'value → key "list" → Generator'],
    ['an iterator', [[1].values()], 'value → [0] → Array Iterator'],
    ['a bound function', { fn: parseInt.bind(null) }, 'value → key "fn" → bound parseInt'],
    ['an instance of a class that can not travel', [new (class Local {})()], 'value → [0] → Local'],
    ['a socket', { config: { db: socket } }, 'value → key "config" → key "db" → Socket'],
    ['a stream', { input: new Readable() }, 'value → key "input" → Readable'],
    ['a signal', { signal: new AbortController().signal }, 'value → key "signal" → AbortSignal'],
    ['an emitter', { events: new EventEmitter() }, 'value → key "events" → EventEmitter'],
    ['a port', [new MessageChannel().port1], 'value → [0] → MessagePort'],
    ['a number format', [new Intl.NumberFormat()], 'value → [0] → NumberFormat'],
    ['a detached buffer', { gone: detached() }, 'value → key "gone" → ArrayBuffer'],
    ['a view of a detached buffer', { gone: detachedView() }, 'value → key "gone" → Uint8Array'],
    ['an object with the prototype of a Map', Object.create(Map.prototype), 'value → Map'],
    [
      'an object under another object',
      { child: Object.create({ a: 1 }) },
      'value → key "child" → Object',
    ],
    ['the environment', process.env, 'value → Object'],
  ])('%s', (_name, value, path) => {
    const error = failure(value);
    expect(error.path.join(' → ')).toBe(path);
    expect(error.message).toContain(path);
    expect(error.message.length).toBeGreaterThan(path.length + 10);
  });

  function detached(): ArrayBuffer {
    return detachedView().buffer;
  }

  function detachedView(): Uint8Array<ArrayBuffer> {
    const view = new Uint8Array(16);
    structuredClone(view.buffer, { transfer: [view.buffer] });
    return view;
  }

  test('arguments', () => {
    function collect(..._rest: number[]): unknown {
      return arguments;
    }
    expect(failure([collect(1, 2)]).path).toEqual(['value', '[0]', 'Arguments']);
  });

  test('through variables of functions, each with its place', () => {
    const helper = capture(
      function helper() {},
      () => ({ db: Promise.resolve() }),
    );
    const square = capture(
      function square() {},
      () => ({ helper }),
    );
    expect(failure(square).path).toEqual([
      'square (test.ts:1)',
      'helper (test.ts:1)',
      'variable "db"',
      'Promise',
    ]);
    expect(failure({ callback: square }).path).toEqual([
      'value',
      'key "callback"',
      'square (test.ts:1)',
      'helper (test.ts:1)',
      'variable "db"',
      'Promise',
    ]);
  });

  test('through an instance to the variables of its class', () => {
    class Connection {}
    capture(Connection, () => ({ pool: { socket: Promise.resolve() } }));
    expect(failure({ connection: new Connection() }).path).toEqual([
      'value',
      'key "connection"',
      'Connection (test.ts:1)',
      'variable "pool"',
      'key "socket"',
      'Promise',
    ]);
  });

  test('through an instance in a variable of a function', () => {
    class Pool {}
    capture(Pool, () => ({ fine: 1 }));
    const pool = Object.assign(new Pool(), { socket: Promise.resolve() });
    const query = capture(
      function query() {},
      () => ({ pool }),
    );
    expect(failure([query]).path).toEqual([
      'value',
      '[0]',
      'query (test.ts:1)',
      'variable "pool"',
      'key "socket"',
      'Promise',
    ]);
  });

  test('with a word on compile targets, where a WeakMap is a variable', () => {
    const members = new WeakMap();
    const isOpen = capture(
      function isOpen() {},
      () => ({ members }),
    );
    expect(failure(isOpen).message).toContain('#private members');
    expect(failure(isOpen).message).toContain('ES2022');
    expect(failure({ members }).message).not.toContain('#private');
  });

  test('below what is deferred', () => {
    let value: unknown = { end: Promise.resolve() };
    for (let level = 0; level < 250; level++) value = { level: [value] };
    const { path } = failure(value);
    expect(path.slice(0, 4)).toEqual(['value', 'key "level"', '[0]', 'key "level"']);
    expect(path.slice(-3)).toEqual(['[0]', 'key "end"', 'Promise']);
    expect(path).toHaveLength(1 + 500 + 2);
  });

  test('after a function whose variables were deferred', () => {
    let deep: unknown = 'bottom';
    for (let level = 0; level < 150; level++) deep = { deep };
    const first = capture(
      function first() {},
      () => ({ deep }),
    );
    const value = { list: [first, { last: Promise.resolve() }] };
    expect(failure(value).path).toEqual(['value', 'key "list"', '[1]', 'key "last"', 'Promise']);
  });

  test('by the name that the caller gives to the whole', () => {
    const encoder = new Encoder(encodeHooks);
    expect(() => encoder.encode([Promise.resolve()], 'argument 2')).toThrow(
      'argument 2 → [0] → Promise',
    );
  });
});

describe('below the name of a task', () => {
  const helper = capture(
    function helper() {},
    () => ({ db: Promise.resolve() }),
  );
  const square = capture(
    function square() {},
    () => ({ helper }),
  );
  const below = ['helper (test.ts:1)', 'variable "db"', 'Promise'];

  test.each<[string, string[]]>([
    ['square', ['square', ...below]],
    ['anonymous', ['square (test.ts:1)', ...below]],
    ['my task', ['my task', 'square (test.ts:1)', ...below]],
  ])('%s', (name, path) => {
    const encoder = new Encoder(encodeHooks);
    expect(() => encoder.encode([square, {}], name, true)).toThrow(`: ${path.join(' → ')}`);
  });

  test('what belongs to it, such as its options', () => {
    const encoder = new Encoder(encodeHooks);
    const options = { retryExceptions: [Promise.resolve()] };
    const task = capture(
      () => 1,
      () => ({}),
    );
    expect(() => encoder.encode([task, options], 'square', true)).toThrow(
      ': square → key "retryExceptions" → [0] → Promise',
    );
  });
});

test.each<[string, () => object]>([
  ['of an object that is no class', () => Object.create({ x: 1 }) as object],
  [
    'that was replaced by one without a constructor',
    () => {
      function Old() {}
      Old.prototype = { method: () => 1 };
      return Reflect.construct(Old, []) as object;
    },
  ],
])('the reason names a prototype %s', (_name, make) => {
  expect(failure([make()]).message).toMatch(/its prototype belongs to no class.*constructor = A/);
});

test('the reason says what to do', () => {
  expect(failure(Promise.resolve()).message).toContain('await it');
  expect(failure(Symbol('x')).message).toContain('Symbol.for');
  expect(failure(new Secret()).message).toContain('eagleray.serialize');
});

test('a private member is refused, whether the instance itself or a base class declares it', () => {
  expect(failure({ secret: new Secret() }).path).toEqual(['value', 'key "secret"', 'Secret']);
  class Derived extends Secret {}
  capture(Derived, () => ({ Secret }));
  expect(failure(new Derived()).message).toContain('#private');
});

describe('an error always travels', () => {
  class Hidden extends RangeError {
    #secret = 1;
    override name = 'Hidden';
    status = 500;

    secret(): number {
      return this.#secret;
    }
  }

  test('without its class where that has #private members', () => {
    capture(Hidden, () => ({}));
    const error = new Hidden('no luck', { cause: 'me' });
    const [after] = loopback.roundTrip([error]) as [Hidden];
    expect(Object.getPrototypeOf(after)).toBe(RangeError.prototype);
    expect(after).toMatchObject({ name: 'Hidden', message: 'no luck', status: 500, cause: 'me' });
    expect(after.stack).toBe(error.stack);
  });

  test('without its class where that captures what can not be stored', () => {
    class Base extends TypeError {}
    class Captures extends Base {}
    capture(Base, () => ({}));
    capture(Captures, () => ({ Base, db: new WeakMap() }));
    const after = loopback.roundTrip(new Captures('no luck'));
    expect((Object.getPrototypeOf(after) as Error).constructor.name).toBe('Base');
    expect(after).toMatchObject({ message: 'no luck' });
  });

  test('with its class where that class holds an instance of itself', () => {
    class Recent extends Error {
      static last: Recent;
    }
    Recent.last = new Recent('first');
    capture(Recent, () => ({ last: Recent.last }));
    const after = loopback.roundTrip(new Recent('second')) as Error;
    expect(after.constructor.name).toBe('Recent');
  });

  test('with a note in the place of a property that can not be stored', () => {
    const response = { status: 404, socket: new WeakMap() };
    const details = { response, fine: [1], id: Symbol('id'), [Symbol('inner')]: 1 };
    const error = Object.assign(new TypeError('fetch failed'), details);
    Object.defineProperty(error, 'late', {
      enumerable: true,
      get() {
        throw new Error('too late');
      },
    });
    const { after } = loopback.roundTrip({ after: error }) as { after: Record<string, unknown> };
    expect(after).toBeInstanceOf(TypeError);
    expect(after).toMatchObject({
      message: 'fetch failed',
      response: {
        status: 404,
        socket:
          "not stored: weak collections can't be listed, so they can't be stored; send what they hold " +
          'as a Map or a Set, or make them where they are used: value → key "after" → key "response" → key "socket" → WeakMap',
      },
      fine: [1],
      id: expect.stringMatching(/^not stored: a symbol/) as unknown,
      'Symbol(inner)': expect.stringMatching(/^not stored: a symbol/) as unknown,
      late: expect.stringMatching(/^not stored: .*too late/) as unknown,
    });
  });

  test('with an error in the place of a cause that can not be stored', () => {
    const after = loopback.roundTrip(new Error('e', { cause: Promise.resolve() })) as Error;
    expect(after.cause).toBeInstanceOf(SerializationError);
    expect((after.cause as SerializationError).path).toEqual(['value', 'key "cause"', 'Promise']);
  });

  test('with those of its errors that can be stored', () => {
    const fine = new RangeError('fine');
    const error = new AggregateError([fine, Promise.resolve()]);
    const { errors } = loopback.roundTrip(error) as AggregateError;
    expect(errors[0]).toBeInstanceOf(RangeError);
    expect((errors[1] as SerializationError).path).toEqual([
      'value',
      'key "errors"',
      '[1]',
      'Promise',
    ]);
  });

  test('with a long chain of causes, the last of which can not be stored', () => {
    let error = new Error('last', { cause: new WeakMap() });
    for (let level = 0; level < 2000; level++) error = new Error(`${level}`, { cause: { error } });
    let after = loopback.roundTrip(error) as Error;
    for (let level = 0; level < 2000; level++) after = (after.cause as { error: Error }).error;
    expect(after.message).toBe('last');
    expect(after.cause).toBeInstanceOf(SerializationError);
  });

  test('and what it shares with the rest of the value is still shared', () => {
    const shared = { list: [1] };
    const error = Object.assign(new Error('e'), { shared, map: new WeakMap() });
    const after = loopback.roundTrip({ error, shared }) as {
      error: { shared: object };
      shared: object;
    };
    expect(after.error.shared).toBe(after.shared);
  });
});

test('a getter that throws is named, and its error is the cause', () => {
  const cause = new Error('no database');
  const value = {
    list: [
      {
        get broken(): unknown {
          throw cause;
        },
      },
    ],
  };
  const error = failure(value);
  expect(error.cause).toBe(cause);
  expect(error.path).toEqual(['value', 'key "list"', '[0]', 'key "broken"']);
  // Of an object that has symbols among its keys, each property is written by itself.
  const first = value.list[0];
  Object.defineProperty(first, Symbol.for('note'), { value: 1, enumerable: true });
  expect(failure(first).path).toEqual(['value', 'key "broken"']);
});

test('a proxy is read through, and one that throws is an error', () => {
  const proxy = new Proxy({ a: 1 }, {});
  expect(loopback.roundTrip(proxy)).toEqual({ a: 1 });
  const { proxy: revoked, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(failure({ revoked }).path[0]).toBe('value');
});

test('errors of eagleray from the hooks pass as they are', () => {
  const encoder = new Encoder({
    reference: () => {
      throw new InvalidArgumentError('the ref was disposed');
    },
  });
  expect(() => encoder.encode([new Point(1, 2)])).toThrow(InvalidArgumentError);
});

test('without hooks for functions, functions and instances are errors', () => {
  const encoder = new Encoder({ reference: () => undefined });
  expect(() => encoder.encode({ fn: () => 1 })).toThrow('value → key "fn" → fn');
  expect(() => encoder.encode([new Point(1, 2)])).toThrow('value → [0] → Point');
  const bytes = loopback.bytesOf(new Point(1, 2));
  const hooks = { reference: () => ({}), attach: () => new ArrayBuffer(0) };
  expect(() => new Decoder().decode(bytes, 0, bytes.length, hooks)).toThrow(SerializationError);
});

describe('custom state', () => {
  const serialize = Symbol.for('eagleray.serialize');
  const deserialize = Symbol.for('eagleray.deserialize');

  test('that holds its own instance is refused', () => {
    class Loop {
      static [serialize](instance: Loop): unknown {
        return { instance };
      }
      static [deserialize](): Loop {
        return new Loop();
      }
    }
    capture(Loop, () => ({}));
    expect(failure(new Loop()).path).toEqual(['value', 'custom state', 'key "instance"', 'Loop']);
  });

  test('without a way back is refused when it is stored', () => {
    class OneWay {
      static [serialize](): unknown {
        return 1;
      }
    }
    capture(OneWay, () => ({}));
    expect(failure(new OneWay()).message).toContain("without Symbol.for('eagleray.deserialize')");
  });

  test('that throws on its way back is a SerializationError with the cause', () => {
    class Fragile {
      static [Symbol.for('eagleray.serialize')](): unknown {
        return 1;
      }
      static [Symbol.for('eagleray.deserialize')](): unknown {
        throw new RangeError('no way back');
      }
    }
    capture(Fragile, () => ({}));
    const bytes = loopback.bytesOf(new Fragile());
    let found: unknown;
    try {
      loopback.decoder.decode(bytes, 0, bytes.length, loopback.decodeHooks());
    } catch (error) {
      found = error;
    }
    expect(found).toBeInstanceOf(SerializationError);
    expect((found as Error).message).toContain('Fragile');
    expect((found as { cause: Error }).cause.message).toBe('no way back');
  });

  test('that nests without end is a clear error, not a stack overflow', () => {
    class Deep {
      readonly next: Deep | undefined;
      constructor(next?: Deep) {
        this.next = next;
      }
      static [serialize](instance: Deep): unknown {
        return instance.next;
      }
      static [deserialize](next: Deep): Deep {
        return new Deep(next);
      }
    }
    capture(Deep, () => ({}));
    let deep = new Deep();
    for (let level = 0; level < 1000; level++) deep = new Deep(deep);
    expect(failure(deep).message).toContain('100 deep');
  });
});

test('after an error the encoder and the decoder go on as before', () => {
  const encoder = new Encoder(encodeHooks);
  encoder.encode([1, new Float64Array(10_000)]);
  const { length } = encoder;
  const broken = [new Float64Array(10_000), new Handle('ref', 1), [Promise.resolve()]];
  expect(() => encoder.encode(broken)).toThrow();
  expect(encoder.length).toBe(length);
  expect(encoder.buffers).toHaveLength(1);
  expect(encoder.nested).toHaveLength(0);
  encoder.encode({ fine: true });
  const decoder = new Decoder();
  expect(() => decoder.decode(new Uint8Array([0, 0xb8, 0]), 0, 3, loopback.decodeHooks())).toThrow(
    SerializationError,
  );
  expect(decoder.decode(encoder.bytes, length, encoder.length, loopback.decodeHooks())).toEqual({
    fine: true,
  });
});

test('a message never needs the value to behave', () => {
  const nasty = Object.create(
    Object.create(null, {
      constructor: {
        get() {
          throw new Error('no name');
        },
      },
    }) as object,
  ) as object;
  expect(() => inspect(nasty)).not.toThrow();
  expect(failure([nasty]).path).toEqual(['value', '[0]', expect.any(String)]);
});
