/**
 * Values that name so many refs or buffers that their description is longer than a ring's frame: as results, arguments,
 * captured variables of functions and classes, and state of actors.
 */
import { get, init, put, remote, shutdown, type ObjectRef } from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';

const COUNT = 20_000;

let refs: ObjectRef<number>[] = [];

beforeAll(async () => {
  await init({ numCpus: 2 });
  refs = Array.from({ length: COUNT }, (_, index) => put(index));
});

afterAll(async () => {
  await shutdown();
});

test('as a result, and the refs are good', async () => {
  const make = remote(async (count: number) => {
    const ray = await import('eagleray');
    return Array.from({ length: count }, (_, index) => ray.put(index));
  });
  const made = await get(make.remote(COUNT));
  expect(made).toHaveLength(COUNT);
  const values = await get(made);
  expect(values).toEqual(Array.from({ length: COUNT }, (_, index) => index));
});

test('as an argument, directly and by a ref', async () => {
  const last = remote(async (list: ObjectRef<number>[]) => {
    const ray = await import('eagleray');
    return ray.get(list.at(-1)!);
  });
  expect(await get([last.remote(refs), last.remote(put(refs))])).toEqual([COUNT - 1, COUNT - 1]);
});

test('as a variable that a task uses, also when it came to a worker that was waiting', async () => {
  const use = remote(async (position: number) => {
    const ray = await import('eagleray');
    return ray.get(refs[position]!);
  });
  expect(await get(Array.from({ length: 8 }, (_, index) => use.remote(index)))).toEqual([
    0, 1, 2, 3, 4, 5, 6, 7,
  ]);
});

test('as a variable that an actor uses, as its state and as the result of a method', async () => {
  class Keeper {
    list = refs;
    all() {
      return this.list;
    }
  }
  const keeper = remote(Keeper).remote();
  const all = await get(keeper.all.remote());
  expect(all).toHaveLength(COUNT);
  expect(await get(all[COUNT - 1]!)).toBe(COUNT - 1);
});

test('thousands of large arrays in one result', async () => {
  const make = remote((count: number) =>
    Array.from({ length: count }, (_, index) => new Uint8Array(65_536).fill(index)),
  );
  const arrays = await get(make.remote(3_000));
  expect(arrays).toHaveLength(3_000);
  expect(arrays.every((array, index) => array[0] === index % 256)).toBe(true);
});
