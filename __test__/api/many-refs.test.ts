/**
 * Values that name so many refs or buffers that their description is longer than a ring's frame: as results, arguments,
 * captured variables of functions and classes, and state of actors.
 */
import {
  availableResources,
  get,
  init,
  put,
  remote,
  shutdown,
  wait,
  type ObjectRef,
} from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { collectGarbage } from '../setup/collect-garbage.ts';

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

test('of a burst of calls: what is held stays, and all else is given back', async () => {
  // Large enough for the store.
  const make = remote((index: number) => new Float64Array(10_000).fill(index));
  const room = (): number => availableResources()['objectStoreMemory']!;
  const before = room();
  const startBurst = async (): Promise<ObjectRef<Float64Array>> => {
    // Longer than what is let go one by one.
    const made = Array.from({ length: 1_500 }, (_, index) => make.remote(index));
    await wait(made, { numReturns: made.length });
    expect(room()).toBeLessThan(before - 1_400 * 80_000);
    made[700]!.dispose();
    expect(() => made[700]!.dispose()).not.toThrow();
    expect(await get(made[701]!)).toHaveLength(10_000);
    return made[1_000]!;
  };
  const held = await startBurst();
  const collected = (least: number): Promise<void> =>
    expect
      .poll(
        () => {
          collectGarbage();
          return room();
        },
        { timeout: 30_000 },
      )
      .toBeGreaterThanOrEqual(least);
  // Its neighbours may stay as long as it does.
  await collected(before - 100 * 80_000);
  expect((await get(held)).at(-1)).toBe(1_000);
  held.dispose();
  await collected(before - 80_000);
});
