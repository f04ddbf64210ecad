/**
 * Loops of `wait` over what the last one has left. `wait` keeps what it knows of a list that it has returned; nothing that
 * a program does to the list, or to its refs, may make that wrong.
 */

import { setTimeout as sleep } from 'node:timers/promises';

import {
  InvalidArgumentError,
  TaskCancelledError,
  actorReady,
  cancel,
  get,
  init,
  put,
  remote,
  shutdown,
  wait,
  type ObjectRef,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';
import { rejection } from './rejection.ts';

const gates = makeGates();
const COUNT = 40;

/** Answers calls in the order in which a test opens them: each with its number, when its gate is opened. */
class Doors {
  private readonly open = new Map<number, () => void>();
  private readonly opened = new Set<number>();

  async pass(number: number): Promise<number> {
    if (!this.opened.has(number)) {
      await new Promise<void>((resolve) => this.open.set(number, resolve));
    }
    return number;
  }

  async unlock(number: number): Promise<void> {
    this.opened.add(number);
    this.open.get(number)?.();
  }
}

const makeDoors = remote(Doors, { maxConcurrency: 1000 });

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

/** Refs that become ready when a test says so, in whatever order. */
async function doors(count = COUNT): Promise<{
  refs: ObjectRef<number>[];
  open(...numbers: number[]): Promise<void>;
}> {
  const handle = makeDoors.remote();
  await get(actorReady(handle));
  const refs = Array.from({ length: count }, (_, number) => handle.pass.remote(number));
  return {
    refs,
    async open(...numbers) {
      await get(numbers.map((number) => handle.unlock.remote(number)));
      await get(numbers.map((number) => refs[number]!));
    },
  };
}

/** After two waits `wait` knows the list: from the third on it looks at what it knows. */
async function begun(count = COUNT): Promise<{
  refs: ObjectRef<number>[];
  left: ObjectRef<number>[];
  open(...numbers: number[]): Promise<void>;
}> {
  const { refs, open } = await doors(count);
  await open(0, 1, 2);
  let left = refs;
  for (let round = 0; round < 3; round++) [, left] = await wait(left);
  expect(left).toEqual(refs.slice(3));
  return { refs, left, open };
}

test('every ref comes out once, whatever the order in which they become ready', async () => {
  const { refs, open } = await doors();
  const order = refs.map((_, index) => (index * 17 + 5) % COUNT);
  const seen: ObjectRef<number>[] = [];
  let left = refs;
  for (const number of order) {
    await open(number);
    const [ready, notReady] = await wait(left);
    expect(ready).toEqual([refs[number]]);
    expect(notReady).toEqual(left.filter((ref) => ref !== refs[number]));
    seen.push(...ready);
    left = notReady;
  }
  expect(left).toEqual([]);
  expect(seen).toEqual(order.map((number) => refs[number]));
});

test('of several that are ready, the first ones of the list come out, in its order', async () => {
  const { refs, left, open } = await begun();
  await open(30, 7, 21, 11);
  const [two, after] = await wait(left, { numReturns: 2 });
  expect(two).toEqual([refs[7], refs[11]]);
  const [rest, others] = await wait(after, { numReturns: after.length, timeoutMs: 0 });
  expect(rest).toEqual([refs[21], refs[30]]);
  expect(others).toEqual(refs.filter((_, index) => index > 2 && ![7, 11, 21, 30].includes(index)));
});

test('what is waited for is given when it comes', async () => {
  const { refs, left, open } = await begun();
  const waiting = wait(left, { numReturns: 2 });
  await open(20);
  await open(9);
  expect((await waiting)[0]).toEqual([refs[9], refs[20]]);
});

test('values that only this process knows are ready', async () => {
  const { refs, left, open } = await begun();
  const value = put(5);
  const [ready, rest] = await wait([...left, value]);
  expect(ready).toEqual([value]);
  await open(4);
  rest.push(put(6));
  expect((await wait(rest, { numReturns: 2 }))[0]).toEqual([refs[4], rest.at(-1)]);
});

test('failed and cancelled refs are ready', async () => {
  const { refs, left } = await begun();
  cancel(refs[8]!);
  const [ready, rest] = await wait(left);
  expect(ready).toEqual([refs[8]]);
  expect(await rejection(get(ready[0]!))).toBeInstanceOf(TaskCancelledError);
  expect(rest).toHaveLength(left.length - 1);
});

describe('a list that is returned', () => {
  test('is an array like any other, and nobody changes it later', async () => {
    const { left, open } = await begun();
    expect(Reflect.ownKeys(left)).toEqual([...left.keys(), 'length'].map(String));
    expect(Object.getPrototypeOf(left)).toBe(Array.prototype);
    const copy = [...left];
    await open(3, 4);
    const [, next] = await wait(left);
    await wait(next);
    expect(left).toEqual(copy);
    expect(next).toEqual(copy.slice(1));
  });

  test('can be waited for again, and so can any before it', async () => {
    const { refs, left, open } = await begun();
    await open(10);
    const [, next] = await wait(left);
    expect(await wait(left)).toEqual([[refs[10]], next]);
    expect(await wait(refs.slice(0, 20), { numReturns: 4 })).toEqual([
      [refs[0], refs[1], refs[2], refs[10]],
      refs.slice(3, 20).filter((ref) => ref !== refs[10]),
    ]);
    await open(12);
    expect((await wait(next))[0]).toEqual([refs[12]]);
  });

  test('can be waited for by several at once', async () => {
    const { refs, left, open } = await begun();
    const waiting = [wait(left), wait(left, { numReturns: 2 }), wait(left, { timeoutMs: 20 })];
    expect(await waiting[2]).toEqual([[], left]);
    await open(5);
    await open(6);
    expect((await waiting[0]!)[0]).toEqual([refs[5]]);
    expect((await waiting[1]!)[0]).toEqual([refs[5], refs[6]]);
  });

  test('may get further refs behind, over and over', async () => {
    const { left, open, refs } = await begun();
    const more = await doors();
    let pending: ObjectRef<number>[] = left;
    for (let number = 3; number < COUNT; number++) {
      pending.push(more.refs[number]!);
      await open(number);
      const [ready, notReady] = await wait(pending);
      expect(ready).toEqual([refs[number]]);
      pending = notReady;
    }
    await more.open(20, 30);
    expect((await wait(pending, { numReturns: 2 }))[0]).toEqual([more.refs[20], more.refs[30]]);
  });

  test.each<[string, (left: ObjectRef<number>[], more: ObjectRef<number>[]) => void]>([
    ['reversed', (left) => void left.reverse()],
    ['shortened', (left) => void left.splice(5, 10)],
    ['cut', (left) => void (left.length = 8)],
    ['given another ref in the place of one', (left, more) => void (left[4] = more[0]!)],
    ['given a ref at its beginning', (left, more) => void left.unshift(more[0]!)],
    ['given the same refs in another order', (left) => void left.push(...left.splice(0, 3))],
  ])('may be %s', async (_, change) => {
    const { left, open, refs } = await begun();
    const more = await doors(2);
    for (let round = 0; round < 3; round++) {
      change(left, [more.refs[round === 0 ? 0 : 1]!]);
      if (new Set(left).size < left.length) break;
      const expected = [...left];
      await open(
        ...expected
          .map((ref) => refs.indexOf(ref))
          .filter((index) => index >= 0)
          .slice(0, 1),
      );
      const ready = expected.find((ref) => refs.includes(ref))!;
      expect(await wait(left)).toEqual([[ready], expected.filter((ref) => ref !== ready)]);
    }
  });
});

describe('refuses', () => {
  test('a disposed ref wherever it stands, and goes on without it', async () => {
    const { refs, left, open } = await begun();
    refs[25]!.dispose();
    await open(5);
    const error = await rejection<InvalidArgumentError>(wait(left));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toMatch(/^wait\(\): element \[22\] .*disposed/);
    left.splice(22, 1);
    expect((await wait(left))[0]).toEqual([refs[5]]);
  });

  test('no list for refs that are ready and were disposed of', async () => {
    const { refs, open } = await doors();
    let left = refs;
    for (let number = 0; number < COUNT; number++) {
      await open(number);
      const [ready, notReady] = await wait(left);
      expect(ready).toEqual([refs[number]]);
      ready[0]!.dispose();
      left = notReady;
    }
    expect(left).toEqual([]);
  });

  test.each<[string, (left: ObjectRef<number>[]) => unknown[], RegExp]>([
    ['what is no ref', (left) => [...left, 5], /element \[37\].*ObjectRef.*5/],
    ['a hole', (left) => withLength(left, 50), /element \[37\]/],
    ['a ref that stands twice', (left) => [...left, left[3]!], /position 37 stands twice/],
    [
      'two of the same that are new',
      (left) => [...left, ...twice(put(1))],
      /position 38 stands twice/,
    ],
  ])('%s', async (_, change, words) => {
    for (const isBegun of [true, false]) {
      const { left, open } = await begun();
      const changed = change(left) as ObjectRef<number>[];
      // The same array with what was added, or another one.
      const list = isBegun ? Object.assign(left, changed) : changed;
      await open(4);
      const error = await rejection<InvalidArgumentError>(wait(list));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error.message).toMatch(words);
    }
  });

  test('numReturns above what is left', async () => {
    const { left } = await begun();
    const error = await rejection<InvalidArgumentError>(
      wait(left, { numReturns: left.length + 1 }),
    );
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toMatch(/which is 37/);
  });
});

describe('a wait that ends before its refs are ready', () => {
  test('by its signal leaves the list as it was', async () => {
    const { refs, left, open } = await begun();
    const controller = new AbortController();
    const waiting = wait(left, { signal: controller.signal });
    controller.abort(new Error('enough'));
    expect(await rejection(waiting)).toEqual(new Error('enough'));
    expect(await rejection(wait(left, { signal: controller.signal }))).toEqual(new Error('enough'));
    await open(6);
    expect((await wait(left))[0]).toEqual([refs[6]]);
  });

  test('by its time gives what is ready by then', async () => {
    const { refs, left, open } = await begun();
    expect(await wait(left, { timeoutMs: 0 })).toEqual([[], left]);
    const waiting = wait(left, { numReturns: 3, timeoutMs: 30 });
    await open(14);
    const [ready, notReady] = await waiting;
    expect(ready).toEqual([refs[14]]);
    expect(notReady).toHaveLength(left.length - 1);
    await open(15, 3);
    expect((await wait(notReady, { timeoutMs: 0 }))[0]).toEqual([refs[3]]);
  });
});

test('in a task it gives the CPU back, and is interrupted when the task is cancelled', async () => {
  const one = remote((number: number) => number);
  const loop = remote(
    async (count: number) => {
      let left = Array.from({ length: count }, (_, number) => one.remote(number));
      let sum = 0;
      while (left.length > 0) {
        const [ready, notReady] = await wait(left);
        sum += await get(ready[0]!);
        left = notReady;
      }
      return sum;
    },
    { numCpus: 2 },
  );
  // With both CPUs held, no task of the loop could ever run.
  expect(await get(loop.remote(COUNT), { timeoutMs: 30_000 })).toBe(((COUNT - 1) * COUNT) / 2);

  const [inLoop, never] = [gates.next(), gates.next()];
  const blocked = remote(
    async (tell: string, gate: string) => {
      const pass = remote(async (path: string) => passGate(path), { numCpus: 0 });
      let left = [
        ...Array.from({ length: 20 }, () => put(0)),
        pass.remote(gate),
      ] as ObjectRef<unknown>[];
      left.push(...Array.from({ length: 20 }, () => pass.remote(gate)));
      while (left.length > 21) [, left] = await wait(left);
      openGate(tell);
      try {
        await wait(left);
      } catch (error) {
        openGate(`${tell}-${(error as Error).name}`);
        throw error;
      }
    },
    { numCpus: 0 },
  );
  const ref = blocked.remote(inLoop, never);
  await passGate(inLoop);
  await sleep(20);
  cancel(ref);
  expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
  await passGate(`${inLoop}-TaskCancelledError`);
  openGate(never);
});

test('random programs give what a list of the ready ones says', async () => {
  let seed = 20_261_128;
  const random = (below: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * below);
  };
  const { refs, open } = await doors(600);
  const isOpen = new Set<ObjectRef<number>>();
  let unused = refs.slice(100);
  let left = refs.slice(0, 100);
  const lists: ObjectRef<number>[][] = [left];
  for (let round = 0; round < 400 && left.length > 1; round++) {
    const numbers = Array.from({ length: 1 + random(4) }, () =>
      refs.indexOf(left[random(left.length)]!),
    );
    await open(...numbers);
    for (const number of numbers) isOpen.add(refs[number]!);
    const readyNow = left.filter((ref) => isOpen.has(ref));
    const numReturns = 1 + random(readyNow.length + (random(3) === 0 ? 2 : 0));
    if (numReturns > left.length) continue;
    const options =
      numReturns > readyNow.length ? { numReturns, timeoutMs: random(3) } : { numReturns };
    const before = [...left];
    const [ready, notReady] = await wait(left, options);
    expect(ready).toEqual(readyNow.slice(0, numReturns));
    expect(notReady).toEqual(before.filter((ref) => !ready.includes(ref)));
    expect(left).toEqual(before);
    lists.push(notReady);
    left = random(20) === 0 ? lists[random(lists.length)]! : notReady;
    if (left.length < 2) break;
    switch (random(12)) {
      case 0:
        left.reverse();
        break;
      case 1:
        left.splice(random(left.length - 1), 1);
        break;
      case 2:
      case 3:
      case 4:
        left.push(...unused.splice(0, random(4)));
        break;
      case 5:
        left = left.slice();
        break;
      default:
    }
    unused = unused.filter((ref) => !left.includes(ref));
  }
});

function withLength<Item>(list: Item[], length: number): Item[] {
  list.length = length;
  return list;
}

function twice<Item>(item: Item): [Item, Item] {
  return [item, item];
}
