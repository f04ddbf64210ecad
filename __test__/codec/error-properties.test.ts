/**
 * An error keeps all of its own properties, whether they can be enumerated or not, and of what they hold all that can
 * be kept: what can't travel is named in its place, and the error itself always arrives.
 */

import { Agent, IncomingMessage, request } from 'node:http';
import { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { types } from 'node:util';

import { describe, expect, test } from 'vitest';

import {
  EaglerayError,
  SerializationError,
  TaskError,
} from '../../bindings/typescript/src/errors.ts';
import { capture, Loopback } from './loopback.ts';
import { difference } from './same-value.ts';
import { HttpError, RetryError } from './value-classes.ts';

const loopback = new Loopback();

function arrived<E>(error: E): E {
  return loopback.roundTrip(error) as E;
}

/** Own properties as they can be seen: name and whether it is enumerated, in order. */
function shape(error: object): string[] {
  return Reflect.ownKeys(error).map(
    (key) =>
      `${String(key)}${Object.prototype.propertyIsEnumerable.call(error, key) ? '' : ' hidden'}`,
  );
}

function hide(error: object, properties: Record<string | symbol, unknown>): void {
  for (const key of Reflect.ownKeys(properties)) {
    Object.defineProperty(error, key, { value: properties[key], enumerable: false });
  }
}

/** As zod 4 makes it: issues and methods that nobody enumerates. */
function zodError(): Error {
  const issues = [{ code: 'too_small', path: ['age'], message: 'too small' }];
  const error = new Error(JSON.stringify(issues));
  error.name = 'ZodError';
  hide(error, { _zod: { def: issues, output: undefined }, issues });
  Object.defineProperty(error, 'message', { get: () => JSON.stringify(issues), enumerable: true });
  return error;
}

/** As graphql-js makes it. */
function graphQlError(): Error {
  const error = new Error('Cannot query field "x"');
  Object.assign(error, { path: ['user', 0], locations: [{ line: 1, column: 3 }] });
  hide(error, {
    nodes: [{ kind: 'Field' }],
    source: undefined,
    positions: [2],
    originalError: new TypeError('original'),
  });
  Object.assign(error, { extensions: { code: 'GRAPHQL_VALIDATION_FAILED' } });
  return error;
}

const withHidden = (properties: Record<string | symbol, unknown>) => (): Error => {
  const error = new Error('hidden');
  hide(error, properties);
  return error;
};

describe('own properties', () => {
  test.each<[string, () => Error]>([
    ['of a ZodError', zodError],
    ['of a GraphQLError', graphQlError],
    ['that are hidden', withHidden({ issues: [1, { deep: [2] }], code: 'E', nothing: undefined })],
    ['that are hidden and have symbols for names', withHidden({ [Symbol.for('status')]: 404 })],
    ['that have well-known symbols for names', withHidden({ [Symbol.toStringTag]: 'Odd' })],
    ['that are hidden and look like indexes', withHidden({ 0: 'zero', 17: 'seventeen' })],
    ['that are hidden and called as what all objects have', withHidden({ toString: 'text' })],
    [
      'of a name with a meaning',
      withHidden(JSON.parse('{ "__proto__": { "own": 1 } }') as Record<string, unknown>),
    ],
    [
      'that are hidden and shown in turn',
      () => {
        const error = Object.assign(new Error('e'), { a: 1 });
        hide(error, { b: 2 });
        Object.assign(error, { c: 3 });
        hide(error, { d: 4 });
        return Object.assign(error, { e: 5, [Symbol.for('shown')]: 6 });
      },
    ],
    [
      'that every error may have, where they are shown',
      () => {
        const shown = (value: unknown) => ({ value, enumerable: true });
        return Object.defineProperties(new Error('e', { cause: 1 }), {
          message: shown('shown'),
          cause: shown('shown cause'),
          name: shown('Named'),
          code: shown('E_CODE'),
        });
      },
    ],
    [
      'of an AggregateError',
      () => {
        const error = new AggregateError([new Error('one'), { two: 2 }], 'both');
        hide(error, { retried: 3 });
        return Object.assign(error, { code: 'ETIMEDOUT' });
      },
    ],
    [
      'of a DOMException',
      () => {
        const error = new DOMException('gone', 'AbortError');
        hide(error, { cause: new Error('because'), issues: [1] });
        return Object.assign(error, { shown: true });
      },
    ],
    [
      'of an error of a class',
      () => {
        const error = new HttpError(500, 'broken');
        hide(error, { secret: new Map([[1, 2]]) });
        return error;
      },
    ],
    [
      'of an error with a hundred thousand of them',
      () => {
        const error = new Error('many');
        for (let index = 0; index < 50_000; index++) {
          hide(error, { [`hidden ${index}`]: index });
          Object.assign(error, { [`shown ${index}`]: index });
        }
        return error;
      },
    ],
  ])('%s', (_name, make) => {
    const before = make();
    const after = arrived<object>(before);
    expect(types.isNativeError(after) || after instanceof DOMException).toBe(true);
    expect(shape(after)).toEqual(shape(before));
    expect(difference(before, after)).toBeUndefined();
  });

  test('of errors of eagleray, beyond their fields', () => {
    const before = new TaskError('', { taskName: 'f', pid: 7 }, { cause: new Error('inner') });
    hide(before, { hidden: [1], [Symbol.for('status')]: 1 });
    Object.assign(before, { shown: { x: 1 } });
    const after = arrived<object>(before);
    expect(after).toBeInstanceOf(TaskError);
    expect(after).toMatchObject({ hidden: [1], shown: { x: 1 }, taskName: 'f', code: before.code });
    expect((after as unknown as Record<symbol, unknown>)[Symbol.for('status')]).toBe(1);
    for (const key of ['hidden', 'remoteStack', 'stack', 'cause']) {
      expect(Object.prototype.propertyIsEnumerable.call(after, key), key).toBe(false);
    }
    expect(Object.keys(after)).toEqual(Object.keys(before));
  });

  test('with functions of the program', () => {
    const error = new Error('e');
    const format = capture(
      function format(): unknown {
        return (error as unknown as { issues: unknown }).issues;
      },
      () => ({ error }),
    );
    hide(error, { issues: [1, 2], format });
    const after = arrived(error) as Error & { format(): unknown; issues: unknown };
    expect(after.format()).toBe(after.issues);
    expect(after.format()).toEqual([1, 2]);
  });

  test('that are accessors arrive with what they give, or say what they threw', () => {
    const error = new Error('e');
    Object.defineProperties(error, {
      hidden: { get: () => ['given'] },
      broken: {
        get: () => {
          throw new RangeError('not now');
        },
      },
      shown: { get: () => 1, enumerable: true },
    });
    const after = arrived(error) as unknown as Record<string, unknown>;
    expect(after).toMatchObject({ hidden: ['given'], shown: 1 });
    expect(after['broken']).toMatch(/^not stored: .*RangeError: not now/);
    expect(shape(after)).toEqual(shape(error));
  });

  test('with symbols of this process: what is shown is named, what is hidden is nobody else’s', () => {
    const error = Object.assign(new Error('e'), { [Symbol('shown')]: 1 });
    hide(error, { [Symbol('hidden')]: 1 });
    const after = arrived(error) as unknown as Record<string, unknown>;
    expect(after['Symbol(shown)']).toMatch(/^not stored: a symbol/);
    expect(shape(after)).toEqual(['stack hidden', 'message hidden', 'Symbol(shown)']);
  });

  test('a hidden method that can not travel leaves the inherited one', () => {
    const error = new Error('e');
    hide(error, { toString: parseInt.bind(null), other: parseInt.bind(null) });
    const after = arrived(error) as unknown as Record<string, unknown>;
    expect(String(after)).toBe('Error: e');
    expect(after['other']).toMatch(/^not stored: .*bound parseInt$/);
  });

  test('of an error that is frozen', () => {
    const error = Object.assign(new HttpError(404, 'not found'), { list: [1] });
    hide(error, { hidden: 2 });
    expect(difference(error, arrived(Object.freeze(error)))).toBeUndefined();
  });

  test('of an error whose causes go in circles', () => {
    const first: Error & { other?: Error } = new Error('first');
    const second = new Error('second', { cause: first });
    first.cause = second;
    hide(first, { all: new AggregateError([first, second]) });
    const after = arrived(first);
    expect((after.cause as Error).cause).toBe(after);
    expect((after as unknown as { all: AggregateError }).all.errors).toEqual([after, after.cause]);
  });
});

describe('what the classes of an error have, if they can not travel', () => {
  class Hidden extends RangeError {
    #status = 500;

    get status(): number {
      return this.#status;
    }
    get response(): unknown {
      return { status: this.#status, socket: new WeakMap() };
    }
    get broken(): never {
      throw new Error('never');
    }
    method(): number {
      return this.#status;
    }
  }
  Object.defineProperty(Hidden.prototype, 'code', { value: 'E_HIDDEN' });
  Object.defineProperty(Hidden.prototype, Symbol.for('kind'), { value: 'hidden' });
  capture(Hidden, () => ({}));

  class Further extends Hidden {
    override name = 'FurtherError';
    override get status(): number {
      return super.status + 1;
    }
  }
  capture(Further, () => ({ Hidden }));

  test('arrives as properties that are not enumerated', () => {
    const after = arrived(new Further('no luck')) as unknown as Record<string | symbol, unknown>;
    expect(Object.getPrototypeOf(after)).toBe(RangeError.prototype);
    expect(after).toMatchObject({ name: 'FurtherError', status: 501, code: 'E_HIDDEN' });
    expect(after[Symbol.for('kind')]).toBe('hidden');
    expect(after['response']).toEqual({
      status: 500,
      socket: expect.stringMatching(/^not stored: weak collections/) as unknown,
    });
    expect(after['broken']).toMatch(/^not stored: .*never/);
    expect(Object.keys(after)).toEqual(['name']);
    expect(after['method']).toBeUndefined();
  });

  test('and the name of the class, where nothing else tells it', () => {
    const after = arrived(new Hidden('no luck'));
    expect(after.name).toBe('Hidden');
    expect(Object.keys(after)).toEqual([]);
    expect(after.message).toBe('no luck');
  });

  test('but not what the class has that travels', () => {
    class Travels extends Error {
      get status(): number {
        return 1;
      }
    }
    capture(Travels, () => ({}));
    class Stays extends Travels {
      #x = 1;
      get own(): number {
        return this.#x;
      }
    }
    // The test's hooks see this of the fields of a class.
    capture(Stays, () => ({ db: new WeakMap() }));
    const after = arrived(new Stays('e'));
    expect((Object.getPrototypeOf(after) as Error).constructor.name).toBe('Travels');
    expect(Object.hasOwn(after, 'status')).toBe(false);
    expect(after).toMatchObject({ own: 1, name: 'Stays' });
  });
});

const notStored = (reason: RegExp): unknown =>
  expect.stringMatching(new RegExp(`^not stored: ${reason.source}`)) as unknown;

describe('of what a property holds, all that can be stored is kept', () => {
  test('around what can not', () => {
    const response = {
      status: 404,
      headers: { 'content-type': 'text/plain' },
      data: { rows: [1, 2], id: 12n, at: new Date(0), bytes: new Uint8Array([1, 2]) },
      list: [1, Promise.resolve(), [new WeakSet(), 'end']],
      map: new Map<unknown, unknown>([
        ['fine', 1],
        ['db', new WeakMap()],
      ]),
      set: new Set(['fine', Symbol('own')]),
      call: parseInt.bind(null),
    };
    const { response: after } = arrived(Object.assign(new Error('e'), { response }));
    expect(after).toEqual({
      status: 404,
      headers: { 'content-type': 'text/plain' },
      data: response.data,
      list: [1, notStored(/a Promise/), [notStored(/weak/), 'end']],
      map: new Map<unknown, unknown>([
        ['fine', 1],
        ['db', notStored(/weak/)],
      ]),
      set: new Set<unknown>(['fine', notStored(/a symbol/)]),
      call: notStored(/.*bound parseInt/),
    });
    expect(after.map.get('db')).toContain(
      'value → key "response" → key "map" → value of "db" in the Map → WeakMap',
    );
  });

  test('also where it can be reached in circles, and once for all', () => {
    interface Message {
      headers: object;
      request?: Message;
      response?: Message;
      socket: unknown;
    }
    const headers = { a: 1 };
    const request: Message = { headers, socket: new WeakMap() };
    const response: Message = { headers, request, socket: 'fine' };
    request.response = response;
    const error = Object.assign(new Error('e'), { request, response, headers });
    hide(error, { again: [request, response] });
    const after = arrived(error) as unknown as {
      request: Message;
      response: Message;
      headers: object;
      again: Message[];
    };
    expect(after.request.response).toBe(after.response);
    expect(after.response.request).toBe(after.request);
    expect(after.again).toEqual([after.request, after.response]);
    expect(after.again[0]).toBe(after.request);
    expect(after.response.headers).toBe(after.headers);
    expect(after.request).toMatchObject({ socket: notStored(/weak/), headers: { a: 1 } });
    expect(after.response.socket).toBe('fine');
  });

  test('in one form for all errors of a value', () => {
    const config = { url: '/', agent: new Agent() };
    const inner = Object.assign(new Error('inner'), { config });
    const outer = Object.assign(new Error('outer', { cause: inner }), { config });
    const after = loopback.roundTrip([outer, inner]) as [typeof outer, typeof inner];
    expect(after[0].config).toBe(after[1].config);
    expect(after[0].cause).toBe(after[1]);
    expect(after[0].config).toEqual({ url: '/', agent: notStored(/.*Agent$/) });
  });

  test('while outside of errors nothing is left out', () => {
    const response = { status: 404, socket: new WeakMap() };
    const error = Object.assign(new Error('e'), { response });
    expect(() => loopback.roundTrip({ error, response })).toThrow(
      'value → key "response" → key "socket" → WeakMap',
    );
    expect(() => loopback.roundTrip({ response, error })).toThrow(SerializationError);
    // What can be stored whole is one object, inside and outside.
    const shared = { list: [1] };
    const parts = Object.assign(new Error('e'), { parts: { shared, socket: new WeakMap() } });
    const after = loopback.roundTrip({ parts, shared }) as {
      parts: { parts: { shared: object } };
      shared: object;
    };
    expect(after.parts.parts.shared).toBe(after.shared);
  });

  test('with the class of an instance that has it', () => {
    class Reply {
      status = 200;
      socket = new WeakMap();
      isOk(): boolean {
        return this.status === 200;
      }
    }
    capture(Reply, () => ({}));
    const after = arrived(Object.assign(new Error('e'), { reply: new Reply() }));
    expect(after.reply.isOk()).toBe(true);
    expect(after.reply.constructor.name).toBe('Reply');
    expect(after.reply.socket).toEqual(notStored(/weak/));
  });

  test('without the class of an instance that can not have it', () => {
    class Reply {
      status = 200;
      socket = new WeakMap();
    }
    capture(Reply, () => ({ db: Promise.resolve() }));
    const after = arrived(Object.assign(new Error('e'), { reply: new Reply() })) as unknown as {
      reply: object;
    };
    expect(after.reply).toEqual({
      status: 200,
      socket: notStored(/weak/),
      notStored: expect.stringMatching(/a Promise.*Reply.*variable "db" → Promise$/) as unknown,
    });
    expect(Object.getPrototypeOf(after.reply)).toBe(Object.prototype);
  });

  test('of requests and responses of Node and of the web', () => {
    const asking = request('http://127.0.0.1:1/path?x=1', { method: 'POST' });
    asking.on('error', () => undefined);
    asking.setHeader('x-asked', 'yes');
    asking.destroy();
    const message = new IncomingMessage(new Socket());
    Object.assign(message, { statusCode: 503, statusMessage: 'busy' });
    message.headers['retry-after'] = '7';
    const init = { status: 429, headers: { 'x-limit': '3' } };
    const error = Object.assign(new Error('e'), {
      request: asking,
      message,
      response: new Response('slow down', init),
      asked: new Request('http://127.0.0.1:1/', { method: 'PUT' }),
      blob: new Blob(['abc'], { type: 'text/plain' }),
      socket: new Socket(),
      stream: new Readable(),
    });
    const after = arrived(error) as unknown as Record<string, { notStored?: string }>;
    expect(after['request']).toMatchObject({ method: 'POST', path: '/path?x=1' });
    expect(after['request']).toMatchObject({ headers: { 'x-asked': 'yes' } });
    expect(after['message']).toMatchObject({
      statusCode: 503,
      statusMessage: 'busy',
      headers: { 'retry-after': '7' },
    });
    expect(after['response']).toMatchObject({ status: 429, ok: false });
    expect((after['response'] as unknown as Response).headers.get('x-limit')).toBe('3');
    expect(after['asked']).toMatchObject({ method: 'PUT', url: 'http://127.0.0.1:1/' });
    expect(after['blob']).toMatchObject({ size: 3, type: 'text/plain' });
    for (const key of ['request', 'message', 'response', 'asked', 'blob']) {
      expect(after[key]!.notStored, key).toMatch(new RegExp(`→ key "${key}" → `));
    }
    expect(after['stream']).toEqual(notStored(/.*Readable$/));
  });

  test('beside what throws when it is read', () => {
    const revoked = Proxy.revocable({}, {});
    revoked.revoke();
    const details = {
      fine: 1,
      get broken(): unknown {
        throw new Error('late');
      },
      revoked: revoked.proxy,
      odd: new Proxy(
        {},
        {
          ownKeys() {
            throw new TypeError('no keys');
          },
        },
      ),
    };
    const after = arrived(Object.assign(new Error('e'), { details }));
    expect(after.details).toEqual({
      fine: 1,
      broken: notStored(/.*late/),
      revoked: notStored(/.*/),
      odd: notStored(/.*no keys/),
    });
  });

  test('however long the way to what can not be stored is', () => {
    let chain: { next?: unknown; socket?: unknown } = { socket: new WeakMap() };
    for (let level = 0; level < 20_000; level++) chain = { next: chain };
    let after: unknown = arrived(Object.assign(new Error('e'), { chain })).chain;
    for (let level = 0; level < 20_000; level++) after = (after as { next: unknown }).next;
    expect(after).toEqual({ socket: notStored(/weak/) });
  });

  test('as errors where errors are expected', () => {
    const error = new AggregateError([new RangeError('fine'), Promise.resolve()], 'all', {
      cause: { reply: new WeakMap() },
    });
    const after = arrived(error);
    expect(after.errors[0]).toBeInstanceOf(RangeError);
    expect((after.errors[1] as SerializationError).path).toEqual([
      'value',
      'key "errors"',
      '[1]',
      'Promise',
    ]);
    expect(after.cause).toEqual({ reply: notStored(/weak/) });
  });
});

describe('an error that is hard to read arrives all the same', () => {
  test('as a proxy', () => {
    const target = Object.assign(new RangeError('e'), { a: 1 });
    hide(target, { hidden: 2 });
    const after = arrived(new Proxy(target, {}));
    expect(types.isNativeError(after)).toBe(true);
    expect(after).toMatchObject({ message: 'e', a: 1, hidden: 2 });
    expect(Object.getPrototypeOf(after)).toBe(RangeError.prototype);
  });

  test('with properties that are larger than any message', () => {
    const error = new Error('m'.repeat(2_000_000));
    hide(error, { array: new Float64Array(1e6).fill(7), text: 't'.repeat(3_000_000) });
    const after = arrived(error) as unknown as { array: Float64Array; text: string };
    expect(after.array).toHaveLength(1e6);
    expect(after.array.at(-1)).toBe(7);
    expect(after.text).toHaveLength(3_000_000);
  });

  test('of another realm', async () => {
    const { runInNewContext } = await import('node:vm');
    const error = runInNewContext(
      "Object.defineProperty(new RangeError('e'), 'hidden', { value: 1 })",
    ) as Error;
    const after = arrived(error);
    expect(after).toBeInstanceOf(RangeError);
    expect(after).toMatchObject({ message: 'e', hidden: 1 });
  });
});

describe('whose class the receiver can not have', () => {
  /** As where a module can't be imported. */
  function withoutClasses(value: unknown): unknown {
    const bytes = loopback.bytesOf(value);
    const hooks = {
      ...loopback.decodeHooks(),
      constructFunction: (): never => {
        throw new SerializationError("the module 'odd' can't be loaded");
      },
    };
    return loopback.decoder.decode(bytes, 0, bytes.length, hooks);
  }

  test('it arrives as what its class extends, under the name of the class', () => {
    const before = new RetryError('again');
    const after = withoutClasses(before) as RetryError;
    expect(Object.getPrototypeOf(after)).toBe(RangeError.prototype);
    expect(after).toMatchObject({ name: 'RetryError', attempts: 3, message: 'again' });
    expect(after.stack).toBe(before.stack);
    expect(Object.keys(after)).toEqual(['attempts']);
  });

  test('so does one inside of others, each with all that it has', () => {
    const inner = new HttpError(500, 'inner', { cause: new HttpError(501, 'cause') });
    const value = { error: new AggregateError([inner, inner], 'all') };
    const after = withoutClasses(value) as typeof value;
    expect(after.error.errors[0]).toBe(after.error.errors[1]);
    expect(after.error.errors[0]).toMatchObject({
      name: 'HttpError',
      status: 500,
      cause: { status: 501 },
    });
  });

  test('what it holds of such a class is a plain object, and a function is named', () => {
    const error = Object.assign(new Error('e'), {
      reply: new HttpErrorReply(200),
      parse: capture(
        function parse() {},
        () => ({ HttpError }),
      ),
      HttpError,
    });
    const after = withoutClasses(error) as unknown as Record<string, unknown>;
    expect(after['reply']).toEqual({ status: 200 });
    expect(after['parse']).toMatch(/^not stored: .*'odd' can't be loaded/);
    expect(after['HttpError']).toMatch(/^not stored: .*'odd' can't be loaded/);
  });

  test('while outside of errors its absence is an error', () => {
    expect(() => withoutClasses({ HttpError })).toThrow("'odd' can't be loaded");
    expect(() => withoutClasses([new HttpErrorReply(1)])).toThrow("'odd' can't be loaded");
    expect(() => withoutClasses([new HttpError(1, 'e'), HttpError])).toThrow(
      "'odd' can't be loaded",
    );
  });
});

class HttpErrorReply {
  status: number;
  constructor(status: number) {
    this.status = status;
  }
}
capture(HttpErrorReply, () => ({}));

test('an error of eagleray is one', () => {
  expect(arrived(new SerializationError('no', { path: ['a'] }))).toBeInstanceOf(EaglerayError);
});
