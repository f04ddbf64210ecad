// Classes that are only there to be stored have few members or none.
/* oxlint-disable typescript/no-extraneous-class */

import { describe, expect, test } from 'vitest';

import { Encoder } from '../../bindings/typescript/src/codec/index.ts';
import { SerializationError } from '../../bindings/typescript/src/errors.ts';
import { encodeHooks, Handle, Loopback } from './loopback.ts';
import { RandomValues, seeded } from './random-values.ts';
import { difference } from './same-value.ts';
import * as classes from './value-classes.ts';
import { valueMatrix } from './value-matrix.ts';

const loopback = new Loopback();

test('2,000 random graphs come back as they were, and as structuredClone has them', () => {
  for (let seed = 0; seed < 2000; seed++) {
    const value = new RandomValues(seed).value();
    const after = loopback.roundTrip(value);
    const found = difference(value, after) ?? difference(structuredClone(value), after);
    if (found !== undefined) expect.fail(`seed ${seed}: ${found}`);
  }
});

test('what came back is encoded to the same bytes again', () => {
  for (let seed = 0; seed < 500; seed++) {
    const value = new RandomValues(seed, 100).value();
    const bytes = loopback.bytesOf(value);
    const again = loopback.bytesOf(loopback.roundTrip(value));
    // Views are stored by their offset in the original buffer, which is another one afterwards.
    if (hasMemory(bytes)) continue;
    expect(Buffer.compare(bytes, again), `seed ${seed}`).toBe(0);
  }
});

function hasMemory(bytes: Uint8Array): boolean {
  return bytes[0] !== 0;
}

describe('damaged bytes end in a SerializationError', () => {
  /** Decodes what may be anything; fails unless that works or is refused in the right way. */
  function decodeAnything(bytes: Uint8Array, what: string): boolean {
    try {
      loopback.decoder.decode(bytes, 0, bytes.length, {
        ...loopback.decodeHooks(),
        // The real hooks check what they are given; here only the codec is on trial.
        constructFunction: () => ({ value: classes.Point }),
        moduleNamespace: () => classes,
      });
      return true;
    } catch (error) {
      if (error instanceof SerializationError) return false;
      throw new Error(`${what} ended in ${String(error)}`, { cause: error });
    }
  }

  const samples = valueMatrix
    .map((each) => ({ name: each.name, bytes: new Loopback().bytesOf(each.make()) }))
    .filter(({ bytes }) => bytes.length < 20_000);

  test('every cut of every small value', () => {
    for (const { name, bytes } of samples) {
      loopback.encoder.reset();
      const step = Math.max(1, Math.floor(bytes.length / 200));
      for (let length = 0; length < bytes.length; length += step) {
        const whole = decodeAnything(bytes.subarray(0, length), `${name} cut at ${length}`);
        expect(whole, `${name} cut at ${length} was taken for a whole value`).toBe(false);
      }
    }
  });

  test('20,000 changes of single bytes', () => {
    const random = seeded(1);
    for (let turn = 0; turn < 20_000; turn++) {
      const { name, bytes } = samples[Math.floor(random() * samples.length)]!;
      const changed = Uint8Array.from(bytes);
      const position = Math.floor(random() * changed.length);
      changed[position] = Math.floor(random() * 256);
      decodeAnything(changed, `${name} with another byte at ${position}`);
    }
  });

  test('20,000 texts of random bytes', () => {
    const random = seeded(2);
    for (let turn = 0; turn < 20_000; turn++) {
      const bytes = new Uint8Array(1 + Math.floor(random() * 60));
      // Tags of objects, mostly, because other bytes seldom get far.
      for (let index = 0; index < bytes.length; index++) {
        bytes[index] = random() < 0.6 ? 0xa0 + Math.floor(random() * 0x38) : random() * 256;
      }
      bytes[0] = Math.floor(random() * 4);
      decodeAnything(bytes, `random bytes of turn ${turn}`);
    }
  });

  test.each([
    ['an array of 2^50 elements', [0, 0xba, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 2]],
    ['packed numbers beyond the end', [0, 0xbd, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 2, 3]],
    ['a text beyond the end', [0, 0xa6, 0xfe, 0xff, 0xff, 0xff, 0x0f, 65]],
    ['a Map of four billion entries', [0, 0xbe, 0xff, 0xff, 0xff, 0xff]],
    ['a number without an end', [0, 0xba, ...Array<number>(30).fill(0xff)]],
    [
      'arrays in arrays, 100,000 deep',
      [0, ...Array.from({ length: 100_000 }, () => [0xba, 1]).flat(), 0],
    ],
    ['a reference to nothing', [0, 0xb0, 5]],
    ['memory without a list of it', [0, 0xc6, 1, 0, 0, 4]],
    ['a trailer longer than all', [2, 0xa0, 0xff, 0xff, 0xff, 0x7f]],
    ['more modules than bytes', [1, 0xa0, 0xff, 0x7f, 2, 0, 0, 0]],
    ['unknown flags', [0x80, 0xa0]],
    ['an unknown tag', [0, 0xff]],
    ['something after the value', [0, 1, 2]],
    ['nothing', []],
    ['one byte', [0]],
  ])('%s', (name, bytes) => {
    expect(decodeAnything(Uint8Array.from(bytes), name)).toBe(false);
  });

  test('a custom state that refers to its own instance is refused before the class sees it', () => {
    let seen = false;
    class Custom {
      static [Symbol.for('eagleray.deserialize')](): Custom {
        seen = true;
        return new Custom();
      }
    }
    // A class without a name and module, and an instance whose state is the object with the number 1: itself.
    const bytes = Uint8Array.from([0, 0xb1, 0xd2, 0, 0, 0, 0xcb, 0, 0xb0, 1]);
    const hooks = { ...loopback.decodeHooks(), constructFunction: () => ({ value: Custom }) };
    expect(() => loopback.decoder.decode(bytes, 0, bytes.length, hooks)).toThrow(
      'an object that is not there',
    );
    expect(seen).toBe(false);
  });

  test.each([
    ['an array of 16 million elements', [0, 0xba, 0x80, 0x80, 0x80, 8, 1]],
    ['a Map of 16 million entries', [0, 0xbe, 0, 0, 0, 1, 1, 1]],
    ['16 million packed numbers', [0, 0xbc, 0x80, 0x80, 0x80, 8, 1]],
    ['16 million keys', [0, 0xb8, 0, 0x80, 0x80, 0x80, 8, 0, 1]],
  ])('%s in a few bytes are refused before memory is taken for them', (_name, bytes) => {
    const all = Uint8Array.from(bytes);
    expect(() => loopback.decoder.decode(all, 0, all.length, loopback.decodeHooks())).toThrow(
      'items are more than it can hold',
    );
  });

  test('a sparse array of any length takes no memory for its holes', () => {
    const encoder = new Encoder(encodeHooks);
    const array: unknown[] = [];
    array.length = 30_000_000;
    encoder.encode(array);
    const before = process.memoryUsage().heapUsed;
    const after = loopback.decoder.decode(encoder.bytes, 0, encoder.length, loopback.decodeHooks());
    expect((after as unknown[]).length).toBe(30_000_000);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100 * 2 ** 20);
  });
});

test('random values with refs, instances and errors among them', () => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new RandomValues(seed, 30);
    const shared = random.value();
    const point = Object.assign(new classes.Point(seed, 1), { shared });
    const error = Object.assign(new classes.HttpError(seed, 'e', { cause: point }), { shared });
    const value = [random.value(), point, new Handle('ref', seed), { error, shared }, error];
    const found = difference(value, loopback.roundTrip(value));
    if (found !== undefined) expect.fail(`seed ${seed}: ${found}`);
  }
});
