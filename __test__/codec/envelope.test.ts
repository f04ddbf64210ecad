// Classes that are only there to be stored have few members or none.
/* oxlint-disable typescript/no-extraneous-class */

import { describe, expect, test } from 'vitest';

import {
  Decoder,
  Encoder,
  OUT_OF_BAND_MIN,
  requiredModules,
} from '../../bindings/typescript/src/codec/index.ts';
import { TaskError, TaskCancelledError } from '../../bindings/typescript/src/errors.ts';
import { capture, encodeHooks, Handle, Loopback } from './loopback.ts';
import { checkSame } from './value-matrix.ts';
import * as classes from './value-classes.ts';

const loopback = new Loopback();

describe('refs and actor handles', () => {
  test('are made again from their ids, once each, and listed', () => {
    const ref = new Handle('ref', 0x1234);
    const value = { ref, list: [ref, new Handle('actor', 7)], map: new Map([[ref, 1]]) };
    const after = loopback.roundTrip(value) as typeof value;
    checkSame(value, after);
    expect(after.list[0]).toBe(after.ref);
    expect(loopback.encoder.nested.map(({ kind }) => kind)).toEqual(['ref', 'actor']);
    expect(loopback.encoder.nested[0]!.bytes).toEqual(ref.bytes);
  });

  test('ten thousand of them', () => {
    const refs = Array.from({ length: 10_000 }, (_, number) => new Handle('ref', number));
    checkSame(refs, loopback.roundTrip(refs));
    expect(loopback.encoder.nested).toHaveLength(10_000);
  });
});

describe('functions by value', () => {
  test('arrive with their variables', () => {
    const factor = { value: 3 };
    const scale = capture(
      function scale(x: number) {
        return x * factor.value;
      },
      () => ({ factor }),
    );
    const after = loopback.roundTrip({ scale, factor }) as {
      scale: typeof scale;
      factor: typeof factor;
    };
    expect(after.scale(5)).toBe(15);
    // The variable and the object beside it are one object there, too.
    after.factor.value = 4;
    expect(after.scale(5)).toBe(20);
  });

  test('that capture each other and themselves', () => {
    const even: (n: number) => boolean = capture(
      (n: number) => (n === 0 ? true : odd(n - 1)),
      () => ({ odd, even }),
    );
    const odd: (n: number) => boolean = capture(
      (n: number) => (n === 0 ? false : even(n - 1)),
      () => ({ even }),
    );
    const [isEven, isOdd] = loopback.roundTrip([even, odd]) as [typeof even, typeof odd];
    expect([isEven(10), isOdd(10), isEven(7)]).toEqual([true, false, false]);
  });

  test('a class that captures one of its own instances', () => {
    class Unit {
      name = 'one';
      static fetch(): Unit {
        return unit;
      }
    }
    const unit = new Unit();
    capture(Unit, () => ({ unit }));
    const after = loopback.roundTrip(unit) as Unit;
    const AfterUnit = after.constructor as typeof Unit;
    expect(after.name).toBe('one');
    expect(AfterUnit).not.toBe(Unit);
    expect(AfterUnit.fetch()).toBe(after);
  });

  test('have all their variables when they are complete, however deep those nest', () => {
    let table: Record<string, unknown> = { bottom: 'reached' };
    for (let level = 0; level < 300; level++) table = { table };
    class Reader {
      static [Symbol.for('eagleray.serialize')](): unknown {
        return null;
      }
      static [Symbol.for('eagleray.deserialize')](): unknown {
        let each: any = table;
        while (each.table !== undefined) each = each.table;
        return { read: each.bottom };
      }
    }
    capture(Reader, () => ({ table }));
    let value: unknown = new Reader();
    for (let level = 0; level < 150; level++) value = [value];
    let after = loopback.roundTrip(value);
    for (let level = 0; level < 150; level++) after = (after as unknown[])[0];
    expect(after).toEqual({ read: 'reached' });
  });

  /** A function that gives what it captured. */
  function holding(held: unknown): () => unknown {
    return capture(
      function holder() {
        return held;
      },
      () => ({ held }),
    );
  }

  function deep(value: unknown, levels: number): unknown {
    let result = value;
    for (let level = 0; level < levels; level++) result = [result];
    return result;
  }

  function undeep(value: unknown, levels: number): unknown {
    let result = value;
    for (let level = 0; level < levels; level++) result = (result as unknown[])[0];
    return result;
  }

  test('may hold each other 10,000 deep', () => {
    let first: unknown = 'end';
    for (let index = 0; index < 10_000; index++) first = holding({ index, next: first });
    let each: unknown = loopback.roundTrip(first);
    for (let index = 9999; index >= 0; index--) {
      const held = (each as () => { index: number; next: unknown })();
      expect(held.index).toBe(index);
      each = held.next;
    }
    expect(each).toBe('end');
  });

  test('that were deferred have their variables when a custom state needs them', () => {
    let bottom = holding('reached') as () => unknown;
    for (let level = 0; level < 300; level++) bottom = holding({ next: bottom }) as () => unknown;
    class Reader {
      static [Symbol.for('eagleray.serialize')](): unknown {
        return bottom;
      }
      static [Symbol.for('eagleray.deserialize')](state: unknown): unknown {
        const read = (from: unknown): unknown => {
          let each: any = from;
          while (typeof each === 'function') each = each()?.next ?? each();
          return each;
        };
        return { ofClass: read(bottom), ofState: read(state) };
      }
    }
    capture(Reader, () => ({ bottom }));
    const instance = new Reader();
    const expected = { ofClass: 'reached', ofState: 'reached' };
    expect(undeep(loopback.roundTrip(deep(instance, 150)), 150)).toEqual(expected);
    // First the function, so that it is deferred when the class needs it; or the class itself.
    for (const before of [bottom, Reader]) {
      const pair = undeep(loopback.roundTrip(deep([before, instance], 150)), 150) as unknown[];
      expect(pair[1]).toEqual(expected);
    }
  });

  test('that were deferred share what they hold with what follows', () => {
    class State {
      static [Symbol.for('eagleray.serialize')](): unknown {
        return 1;
      }
      static [Symbol.for('eagleray.deserialize')](state: unknown): unknown {
        return { state };
      }
    }
    capture(State, () => ({}));
    const instance = new State();
    const value = deep([holding({ instance }), instance, holding({ instance })], 150);
    const after = undeep(loopback.roundTrip(value), 150) as [() => any, object, () => any];
    expect(after[1]).toEqual({ state: 1 });
    expect(after[0]().instance).toBe(after[1]);
    expect(after[2]().instance).toBe(after[1]);
  });

  test('a module namespace goes by reference', () => {
    const [after] = loopback.roundTrip([classes]) as [unknown];
    expect(after).toBe(classes);
    expect(loopback.modules).toEqual(['file:///test/value-classes.ts']);
  });
});

describe('required modules', () => {
  test('are none for data', () => {
    for (const value of [1, 'text', { a: [new Map()] }, new Float64Array(10_000)]) {
      expect(requiredModules(loopback.bytesOf(value))).toEqual([]);
    }
  });

  test('are listed once each, also beside memory and at an offset', () => {
    loopback.roundTrip([classes.double, new classes.Point(1, 2), new Uint8Array(9)]);
    expect(loopback.modules).toEqual(['file:///test/value-classes.ts']);
  });
});

describe('memory', () => {
  function attached(value: unknown): { byteLength: number; shared: boolean }[] {
    loopback.roundTrip(value);
    return loopback.attached;
  }

  test(`of ${OUT_OF_BAND_MIN} bytes and more stays where it is; less is copied`, () => {
    const large = new Uint8Array(OUT_OF_BAND_MIN);
    const encoder = new Encoder(encodeHooks);
    encoder.encode({ large, small: new Uint8Array(OUT_OF_BAND_MIN - 1) });
    expect(encoder.buffers).toEqual([
      { buffer: large.buffer, byteOffset: 0, byteLength: OUT_OF_BAND_MIN },
    ]);
    expect(encoder.buffers[0]!.buffer).toBe(large.buffer);
    expect(encoder.length).toBeLessThan(OUT_OF_BAND_MIN + 100);
  });

  test('only what views cover is handed over', () => {
    const all = new Float64Array(100_000);
    const encoder = new Encoder(encodeHooks);
    encoder.encode([all.subarray(1000, 20_000), all.subarray(10_000, 30_000)]);
    expect(encoder.buffers).toEqual([
      { buffer: all.buffer, byteOffset: 8000, byteLength: 29_000 * 8 },
    ]);
  });

  test('of a pool of Buffers is not stored between them', () => {
    const first = Buffer.from('first');
    const secret = Buffer.from('somebody else');
    Buffer.allocUnsafe(1000);
    const last = Buffer.from('last');
    // All three come from one pool, or this proves nothing.
    expect(new Set([first.buffer, secret.buffer, last.buffer]).size).toBe(1);
    const bytes = loopback.bytesOf([first, last]);
    expect(bytes.length).toBeLessThan(60);
    expect(Buffer.from(bytes).includes('somebody else')).toBe(false);
    const after = loopback.roundTrip([first, last]) as Buffer[];
    checkSame([first, last], after);
    expect(after.map((each) => each.buffer.byteLength)).toEqual([5, 4]);
  });

  test('that shrinks while it is stored is an error, after which nothing is left of the value', () => {
    const buffer = new (
      ArrayBuffer as unknown as new (
        length: number,
        options: { maxByteLength: number },
      ) => ArrayBuffer & { resize(length: number): void }
    )(64, { maxByteLength: 64 });
    const encoder = new Encoder(encodeHooks);
    const value = {
      large: new Float64Array(10_000),
      view: new Uint8Array(buffer),
      get shrink(): number {
        buffer.resize(8);
        return 1;
      },
    };
    expect(() => encoder.encode(value)).toThrow('became smaller');
    expect(encoder.buffers).toHaveLength(0);
    expect(encoder.length).toBe(0);
  });

  test('may be shared if it belongs to one numeric array', () => {
    const byteLength = 800_000;
    expect(attached(new Float64Array(100_000))).toEqual([{ byteLength, shared: true }]);
    expect(attached(new BigInt64Array(100_000))).toEqual([{ byteLength, shared: true }]);
    expect(attached([new Int8Array(byteLength)])).toEqual([{ byteLength, shared: true }]);
    expect(attached(new Uint8Array(byteLength))).toEqual([{ byteLength, shared: false }]);
    expect(attached(Buffer.alloc(byteLength))).toEqual([{ byteLength, shared: false }]);
    expect(attached(new ArrayBuffer(byteLength))).toEqual([{ byteLength, shared: false }]);
    expect(attached(new DataView(new ArrayBuffer(byteLength)))).toEqual([
      { byteLength, shared: false },
    ]);
  });

  test('is not shared if several views see it, but the same view twice is one', () => {
    const array = new Float64Array(100_000);
    const byteLength = 800_000;
    expect(attached([array, array])).toEqual([{ byteLength, shared: true }]);
    expect(attached([array, array.subarray(0)])).toEqual([{ byteLength, shared: false }]);
    expect(attached([array, array.buffer])).toEqual([{ byteLength, shared: false }]);
  });

  test('extents are numbered through all values since reset', () => {
    const encoder = new Encoder(encodeHooks);
    const first = new Float64Array(10_000).fill(1);
    const second = new Float64Array(20_000).fill(2);
    encoder.encode(first);
    const middle = encoder.length;
    encoder.encode(second);
    const asked: number[] = [];
    const hooks = {
      reference: () => ({}),
      attach: (index: number, byteLength: number) => {
        asked.push(index);
        return new ArrayBuffer(byteLength);
      },
    };
    const decoder = new Decoder();
    decoder.decode(encoder.bytes, middle, encoder.length, hooks);
    decoder.decode(encoder.bytes, 0, middle, hooks);
    expect(asked).toEqual([1, 0]);
    const { buffers } = encoder;
    encoder.reset();
    expect(encoder.length).toBe(0);
    expect(encoder.buffers).toHaveLength(0);
    expect(buffers).toHaveLength(2);
  });

  test('a result does not refer to the bytes it came from', () => {
    const value = {
      text: 'x'.repeat(100),
      bytes: new Uint8Array([1, 2, 3]),
      buffer: Buffer.from('abc'),
    };
    const bytes = loopback.bytesOf(value);
    const after = loopback.decoder.decode(bytes, 0, bytes.length, loopback.decodeHooks());
    bytes.fill(0);
    checkSame(value, after);
  });

  test('an extent of another length is refused', () => {
    const bytes = loopback.bytesOf(new Float64Array(10_000));
    const hooks = { ...loopback.decodeHooks(), attach: () => new ArrayBuffer(8) };
    expect(() => loopback.decoder.decode(bytes, 0, bytes.length, hooks)).toThrow('another length');
  });
});

describe('errors of eagleray', () => {
  test('keep class, fields and cause inside a value', () => {
    const cause = new classes.HttpError(500, 'down');
    const before = new TaskError('', { taskName: 'square', pid: 12 }, { cause });
    const [after, cancelled] = loopback.roundTrip([
      before,
      new TaskCancelledError('', { taskName: 'slow' }),
    ]) as [TaskError, TaskCancelledError];
    expect(after).toBeInstanceOf(TaskError);
    expect([after.message, after.stack, after.code]).toEqual([
      before.message,
      before.stack,
      before.code,
    ]);
    expect([after.taskName, after.pid, after.remoteStack]).toEqual([
      'square',
      12,
      before.remoteStack,
    ]);
    checkSame(cause, after.cause);
    expect(cancelled).toBeInstanceOf(TaskCancelledError);
    expect(Object.hasOwn(cancelled, 'cause')).toBe(false);
    expect(cancelled.taskName).toBe('slow');
  });
});

describe('depth', () => {
  test('a list of 200,000 links comes back', () => {
    let list: { next: unknown } | null = null;
    for (let index = 0; index < 200_000; index++) list = { next: list };
    let after = loopback.roundTrip(list) as { next: unknown } | null;
    let count = 0;
    for (; after !== null; after = after.next as { next: unknown } | null) count++;
    expect(count).toBe(200_000);
  });

  test('a wide and deep tree keeps its order', () => {
    interface Tree {
      id: number;
      children: Tree[];
    }
    let id = 0;
    const grow = (depth: number): Tree => ({
      id: id++,
      children: depth === 0 ? [] : [grow(depth - 1), { id: id++, children: [] }],
    });
    const tree = grow(400);
    checkSame(tree, loopback.roundTrip(tree));
  });
});

describe('user code that comes back into the codec', () => {
  test('sees a busy encoder, and the decoder serves it', () => {
    const encoder = new Encoder(encodeHooks);
    let busy = false;
    const value = {
      get nested(): unknown {
        busy = encoder.busy;
        expect(() => encoder.encode(1)).toThrow('busy');
        return 'read';
      },
    };
    encoder.encode(value);
    expect(busy).toBe(true);
    expect(encoder.busy).toBe(false);

    const hooks = loopback.decodeHooks();
    const inner = loopback.bytesOf({ inner: [1] });
    const outer = loopback.bytesOf([new Handle('ref', 1), { after: [2] }]);
    const decoder = new Decoder();
    const found = decoder.decode(outer, 0, outer.length, {
      ...hooks,
      reference: () => decoder.decode(inner, 0, inner.length, hooks) as object,
    });
    expect(found).toEqual([{ inner: [1] }, { after: [2] }]);
  });
});

test('values of another realm are taken for those of this one', async () => {
  const { runInNewContext } = await import('node:vm');
  const value = runInNewContext(
    '({ list: [1, { a: 2 }], map: new Map([[1, 2]]), date: new Date(5), error: new TypeError("t"), bytes: new Uint8Array([1]) })',
  ) as Record<string, unknown>;
  const after = loopback.roundTrip(value) as Record<string, unknown>;
  expect(Object.getPrototypeOf(after)).toBe(Object.prototype);
  expect(after['list']).toEqual([1, { a: 2 }]);
  expect(after['map']).toEqual(new Map([[1, 2]]));
  expect(after['date']).toEqual(new Date(5));
  expect(after['error']).toBeInstanceOf(TypeError);
  expect(after['bytes']).toEqual(new Uint8Array([1]));
});
