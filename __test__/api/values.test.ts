/**
 * Every value of the matrix comes back as it was by each way through a real runtime: `put` and `get`, as an argument
 * and result of a task, and as the state of an actor; both inline in messages and stored beside a large array.
 */

import { type ObjectRef, get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { checkCase, valueMatrix } from '../codec/value-matrix.ts';

/** Enough bytes for the store: 800 kB. */
const LARGE = 100_000;

/** A value, and what sends it into the store. */
interface Sent {
  readonly value: unknown;
  readonly beside: Float64Array | null;
}

class Keeper {
  #kept: Sent[] = [];

  keep(...sent: Sent[]): number {
    this.#kept.push(...sent);
    return this.#kept.length;
  }

  kept(index: number): Sent {
    return this.#kept[index]!;
  }
}

const same = remote((sent: Sent) => sent);
const sameOfList = remote((list: Sent[]) => list);
const RemoteKeeper = remote(Keeper);

beforeAll(async () => {
  await init({ numCpus: 2, objectStoreMemory: 2 ** 30 });
});

afterAll(async () => {
  await shutdown();
});

test('the matrix has at least 80 values', () => {
  expect(valueMatrix.length).toBeGreaterThanOrEqual(80);
});

/** All values at once by one way; each is then checked under its own name. */
type Way = (all: Sent[]) => Promise<Sent[]>;

const ways: Record<string, Way> = {
  'put and get': (all) => get(all.map((sent) => put(sent))),
  'an argument and the result of a task': (all) => get(all.map((sent) => same.remote(sent))),
  'a ref as the argument of a task': (all) => get(all.map((sent) => same.remote(put(sent)))),
  'many in one argument': (all) => get(sameOfList.remote(all)),
  'the result of a task as the argument of the next': (all) =>
    get(all.map((sent) => same.remote(same.remote(sent) as ObjectRef<Sent>))),
  'the state of an actor': async (all) => {
    using keeper = RemoteKeeper.remote();
    const counts = await get(all.map((sent) => keeper.keep.remote(sent)));
    expect(counts.at(-1)).toBe(all.length);
    return get(all.map((_, index) => keeper.kept.remote(index)));
  },
};

describe.each(Object.entries(ways))('%s', (_name, way) => {
  describe.each([
    { path: 'in messages', beside: () => null },
    { path: 'in the store', beside: (index: number) => new Float64Array(LARGE).fill(index) },
  ])('$path', ({ beside }) => {
    let before: Sent[];
    let after: Sent[];

    beforeAll(async () => {
      before = valueMatrix.map((each, index) => ({ value: each.make(), beside: beside(index) }));
      after = await way(before);
    });

    test.each(valueMatrix.map((each, index) => ({ each, index, name: each.name })))(
      '$name',
      ({ each, index }) => {
        checkCase(each, before[index]!.value, after[index]!.value);
        const array = after[index]!.beside;
        if (before[index]!.beside === null) {
          expect(array).toBeNull();
        } else {
          expect(array).toHaveLength(LARGE);
          expect([array![0], array![LARGE - 1]]).toEqual([index, index]);
        }
      },
    );
  });
});
