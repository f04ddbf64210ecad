/** What eagleray hands out is a snapshot wherever it goes, whether this Node has it over a `SharedArrayBuffer` or not. */

import { SerializationError, allocate, get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { rejection, thrown } from './rejection.ts';

beforeAll(async () => {
  await init({ numCpus: 2, objectStoreMemory: 2 ** 28 });
});

afterAll(async () => {
  await shutdown();
});

const LENGTH = 20_000;
const numbers = (): Float64Array => new Float64Array(LENGTH).fill(3);
const sum = remote((array: Float64Array) => array.reduce((total, each) => total + each, 0));
const same = remote((value: unknown) => value);

describe('an array that was handed out travels on', () => {
  const stored = (): Promise<Float64Array> => get(put(numbers()));
  const result = async (): Promise<Float64Array> =>
    (await get(same.remote(numbers()))) as Float64Array;
  const inside = async (): Promise<Float64Array> =>
    (await get(put({ list: [numbers()] }))).list[0]!;
  const allocated = async (): Promise<Float64Array> => allocate(Float64Array, LENGTH).fill(3);
  const small = async (): Promise<Float64Array> => allocate(Float64Array, 20).fill(3000);

  test.each([
    ['from put', stored],
    ['from a task', result],
    ['from inside a value', inside],
    ['from allocate', allocated],
    ['from allocate, small', small],
  ])('%s', async (_name, make) => {
    const array = await make();
    expect(await get(sum.remote(array))).toBe(60_000);
    expect(await get(sum.remote(put(array)))).toBe(60_000);
    expect(await get(put({ part: array.subarray(0, 2) }))).toEqual({ part: array.slice(0, 2) });
    const { buffer } = (await get(same.remote({ buffer: array.buffer }))) as {
      buffer: ArrayBufferLike;
    };
    expect(new Float64Array(buffer)).toEqual(array.slice());
    // Once more, from where it came.
    expect(await get(sum.remote(new Float64Array(buffer)))).toBe(60_000);
    const captured = remote(() => array[1]);
    expect(await get(captured.remote())).toBe(array[1]);
  });

  test('from an argument of a task, into further tasks and back', async () => {
    const pass = remote(async (array: Float64Array, add: typeof sum) => {
      const total = await get(add.remote(array));
      return { total, array, first: array.subarray(0, 3) };
    });
    const { array, first, total } = await get(pass.remote(numbers(), sum));
    expect({ total, length: array.length, first: [...first] }).toEqual({
      total: 60_000,
      length: LENGTH,
      first: [3, 3, 3],
    });
    expect(first.buffer).toBe(array.buffer);
  });
});

describe('memory that the program shares between its threads is refused', () => {
  const flag = new Int32Array(new SharedArrayBuffer(4));

  test.each<[string, () => unknown]>([
    ['as an argument', () => same.remote(flag)],
    ['inside an argument', () => same.remote({ flag: flag.buffer })],
    ['by put', () => put([flag])],
    ['in a variable', () => remote(() => flag[0]).remote()],
  ])('%s', (_name, call) => {
    const error = thrown<SerializationError>(call);
    expect(error).toBeInstanceOf(SerializationError);
    expect(error.message).toMatch(/can't be shared with other processes.*actor.*\.slice\(\)/);
  });

  test('as a result', async () => {
    const make = remote(() => new Int32Array(new SharedArrayBuffer(8)));
    const error = await rejection<Error>(get(make.remote()));
    expect(error.cause).toBeInstanceOf(SerializationError);
    expect(error.message).toContain('result of');
  });
});
