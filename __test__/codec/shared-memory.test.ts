/**
 * Memory that is shared with the threads of this process can't be shared with other processes, and is never copied in
 * silence. What eagleray itself hands out over a `SharedArrayBuffer` is no such memory, but a snapshot, and travels on.
 */

import { describe, expect, test } from 'vitest';

import { SerializationError } from '../../bindings/typescript/src/errors.ts';
import { capture, Loopback } from './loopback.ts';

const loopback = new Loopback();

function refusal(value: unknown): SerializationError {
  try {
    loopback.bytesOf(value);
  } catch (error) {
    expect(error).toBeInstanceOf(SerializationError);
    return error as SerializationError;
  }
  throw new Error('it was stored');
}

const shared = (bytes = 16): SharedArrayBuffer => new SharedArrayBuffer(bytes);
const growable = (): SharedArrayBuffer =>
  new (SharedArrayBuffer as unknown as new (length: number, options: object) => SharedArrayBuffer)(
    8,
    { maxByteLength: 64 },
  );
/** The types of Node 20 do not know it. */
const { Memory } = (
  globalThis as unknown as {
    WebAssembly: { Memory: new (options: object) => { readonly buffer: ArrayBuffer } };
  }
).WebAssembly;
const wasmMemory = (options: object = {}) => new Memory({ initial: 1, maximum: 2, ...options });

describe('memory of this process that threads may share is refused', () => {
  test.each<[string, unknown, string]>([
    ['alone', shared(), 'value → SharedArrayBuffer'],
    ['large', shared(1_000_000), 'value → SharedArrayBuffer'],
    ['without a byte', shared(0), 'value → SharedArrayBuffer'],
    ['that can grow', growable(), 'value → SharedArrayBuffer'],
    ['under an Int32Array', new Int32Array(shared()), 'value → Int32Array'],
    ['under a large Float64Array', new Float64Array(shared(1e6)), 'value → Float64Array'],
    ['under a part of a view', new Uint8Array(shared(), 4, 0), 'value → Uint8Array'],
    ['under a DataView', new DataView(shared()), 'value → DataView'],
    ['under a Buffer', Buffer.from(shared() as never), 'value → Buffer'],
    [
      'in objects',
      { flags: [new Uint8Array(8), new Uint8Array(shared())] },
      'value → key "flags" → [1] → Uint8Array',
    ],
    [
      'in a Map',
      new Map([['stop', new BigInt64Array(shared())]]),
      'value → value of "stop" in the Map → BigInt64Array',
    ],
    [
      'in a variable of a function',
      capture(
        function wait() {},
        () => ({ clock: new Int32Array(shared()) }),
      ),
      'wait (test.ts:1) → variable "clock" → Int32Array',
    ],
    ['of WebAssembly', wasmMemory(), 'value → Memory'],
    ['of WebAssembly, shared', wasmMemory({ shared: true }), 'value → Memory'],
    [
      'of WebAssembly, under a view',
      new Uint8Array(wasmMemory({ shared: true }).buffer),
      'value → Uint8Array',
    ],
  ])('%s', (_name, value, path) => {
    const error = refusal(value);
    expect(error.path.join(' → ')).toBe(path);
    expect(error.message).toMatch(/actor/);
  });

  test('with advice that works', () => {
    const array = new Float64Array(shared(1e6)).fill(7);
    expect(refusal(array).message).toContain('array.slice()');
    const copy = loopback.roundTrip(array.slice()) as Float64Array;
    expect([copy.length, copy[3]]).toEqual([125_000, 7]);
    const { buffer } = array;
    expect(refusal(buffer).message).toContain('new Uint8Array(buffer).slice()');
    expect(loopback.roundTrip(new Uint8Array(buffer).slice())).toHaveLength(1e6);
    const bytes = Buffer.from(shared() as never).fill(5);
    expect(refusal(bytes).message).toContain('Buffer.from(array)');
    expect(loopback.roundTrip(Buffer.from(bytes))).toEqual(Buffer.alloc(16, 5));
    const view = new DataView(shared(2));
    expect(refusal(view).message).toContain('new Uint8Array(view.buffer).slice()');
    const memory = wasmMemory();
    new Uint8Array(memory.buffer)[5] = 9;
    expect(refusal(memory).message).toContain('memory.buffer');
    expect(new Uint8Array(loopback.roundTrip(memory.buffer) as ArrayBuffer)[5]).toBe(9);
  });

  test('but an error that holds some arrives', () => {
    const error = Object.assign(new Error('e'), { flags: new Int32Array(shared()), fine: 1 });
    expect(loopback.roundTrip(error)).toMatchObject({
      message: 'e',
      flags: expect.stringMatching(/^not stored: .*Int32Array$/) as unknown,
      fine: 1,
    });
  });
});

describe('what was handed out over a SharedArrayBuffer travels on', () => {
  /** As a Node makes it that has views over external SharedArrayBuffers: the test's hooks always do. */
  const handedOut = (length = 10_000): Float64Array =>
    loopback.roundTrip(new Float64Array(length).fill(3)) as Float64Array;

  test('as itself, as a part, beside others, again and again', () => {
    let array = handedOut();
    expect(array.buffer).toBeInstanceOf(SharedArrayBuffer);
    for (let round = 0; round < 3; round++) array = loopback.roundTrip(array) as Float64Array;
    expect([array.length, array[9999]]).toEqual([10_000, 3]);
    expect(loopback.roundTrip(array.subarray(10, 20))).toEqual(new Float64Array(10).fill(3));
    const both = { array, first: array.subarray(0, 1) };
    const after = loopback.roundTrip(both) as typeof both;
    expect(after.first.buffer).toBe(after.array.buffer);
    expect(after.array).toHaveLength(10_000);
  });

  test('as the buffer alone, whatever its size', () => {
    for (const { buffer } of [handedOut(), handedOut(8192)]) {
      const once = loopback.roundTrip(buffer) as SharedArrayBuffer;
      expect(once).toBeInstanceOf(SharedArrayBuffer);
      const twice = loopback.roundTrip([once]) as [SharedArrayBuffer];
      expect(twice[0].byteLength).toBe(buffer.byteLength);
      expect(new Float64Array(twice[0])[5]).toBe(3);
    }
  });

  test('while one that the program made is refused beside it', () => {
    const array = handedOut();
    expect(refusal([array, new Float64Array(shared())]).path).toEqual([
      'value',
      '[1]',
      'Float64Array',
    ]);
    expect(refusal(structuredClone(array)).message).toContain('array.slice()');
  });
});
