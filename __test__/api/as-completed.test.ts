/** `asCompleted`: refs in the order in which they become ready. */

import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

import {
  InvalidArgumentError,
  NotInitializedError,
  TaskCancelledError,
  actorReady,
  asCompleted,
  cancel,
  get,
  getRuntimeContext,
  init,
  put,
  remote,
  shutdown,
  type ObjectRef,
} from 'eagleray';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';
import { rejection, thrown } from './rejection.ts';

const gates = makeGates();

/** Answers calls when a test says so. */
class Doors {
  private readonly waiting = new Map<number, () => void>();
  private readonly opened = new Set<number>();

  async pass(number: number): Promise<number> {
    if (!this.opened.has(number)) {
      await new Promise<void>((resolve) => this.waiting.set(number, resolve));
    }
    if (number < 0) throw new RangeError(`door ${number}`);
    return number;
  }

  async open(numbers: number[]): Promise<void> {
    for (const number of numbers) {
      this.opened.add(number);
      this.waiting.get(number)?.();
      // One after the other, so that it is known which is ready first.
      await turn();
    }
  }
}

let doors: ReturnType<typeof newDoors>;

function newDoors() {
  return remote(Doors, { maxConcurrency: 1000 }).remote();
}

beforeAll(async () => {
  await init({ numCpus: 2 });
});

beforeEach(async () => {
  doors = newDoors();
  await get(actorReady(doors));
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

const pass = (...numbers: number[]): ObjectRef<number>[] =>
  numbers.map((number) => doors.pass.remote(number));

const open = (...numbers: number[]): Promise<void> => get(doors.open.remote(numbers));

async function all<Item>(iterable: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of iterable) items.push(item);
  return items;
}

describe('gives', () => {
  test('every ref once, in the order in which they become ready', async () => {
    const refs = pass(0, 1, 2, 3);
    const completed = asCompleted(refs);
    const first = completed.next();
    await open(2, 0, 3, 1);
    expect(await first).toEqual({ done: false, value: refs[2] });
    expect(await all(completed)).toEqual([refs[0], refs[3], refs[1]]);
    expect(await completed.next()).toEqual({ done: true, value: undefined });
  });

  test('those that are ready already in the order of the list, before the others', async () => {
    const refs = pass(0, 1, 2, 3);
    await open(3, 1);
    await get([refs[1]!, refs[3]!]);
    const completed = asCompleted(refs);
    expect([(await completed.next()).value, (await completed.next()).value]).toEqual([
      refs[1],
      refs[3],
    ]);
    const next = completed.next();
    await open(0, 2);
    expect(await next).toEqual({ done: false, value: refs[0] });
  });

  test('refs of values, of failures, and one that stands twice as often as it stands', async () => {
    const [failed, cancelled] = pass(-1, 1);
    await open(-1);
    cancel(cancelled!);
    const value = put({ a: 1 });
    const given = await all(asCompleted([failed!, value, cancelled!, value]));
    expect(given.toSorted(byId)).toEqual([failed, value, cancelled, value].toSorted(byId as never));
    expect(await get(value)).toEqual({ a: 1 });
    expect(await rejection(get(failed!))).toMatchObject({ cause: { message: 'door -1' } });
    expect(await rejection(get(cancelled!))).toBeInstanceOf(TaskCancelledError);
  });

  test('nothing for nothing', async () => {
    expect(await all(asCompleted([]))).toEqual([]);
    expect(await all(asCompleted(new Set<ObjectRef<number>>()))).toEqual([]);
  });

  test('the refs of any iterable, and those of an array as they were at the call', async () => {
    const refs = [put(1), put(2), put(3)];
    const given = asCompleted(refs);
    refs.length = 0;
    const kept = await all(given);
    expect(await get(kept)).toEqual([1, 2, 3]);
    function* generator(): Iterable<ObjectRef<number>> {
      yield* kept;
    }
    async function* asynchronous(): AsyncIterable<ObjectRef<number>> {
      for (const ref of kept) {
        await sleep(1);
        yield ref;
      }
    }
    for (const iterable of [new Set(kept), generator(), asynchronous(), kept.values()]) {
      expect(await all(asCompleted(iterable as Iterable<ObjectRef<number>>))).toEqual(kept);
    }
  });

  test('what is ready of an asynchronous iterable while it still makes others', async () => {
    const [first, second] = pass(0, 1);
    const gate = gates.next();
    async function* slow(): AsyncIterable<ObjectRef<number>> {
      yield first!;
      await passGate(gate);
      yield second!;
    }
    const completed = asCompleted(slow());
    const next = completed.next();
    await open(0, 1);
    expect(await next).toEqual({ done: false, value: first });
    openGate(gate);
    expect(await all(completed)).toEqual([second]);
  });

  test('each of several calls of next that wait at once its own', async () => {
    const refs = pass(0, 1, 2);
    const completed = asCompleted(refs);
    const asked = [completed.next(), completed.next(), completed.next(), completed.next()];
    await open(1, 2, 0);
    expect(await Promise.all(asked)).toEqual([
      { done: false, value: refs[1] },
      { done: false, value: refs[2] },
      { done: false, value: refs[0] },
      { done: true, value: undefined },
    ]);
  });

  test('10,000 refs of tasks', async () => {
    const identity = remote((value: number) => value);
    const refs = Array.from({ length: 10_000 }, (_, index) => identity.remote(index));
    const values: number[] = [];
    for await (const ref of asCompleted(refs)) values.push(await get(ref));
    expect(values.toSorted((a, b) => a - b)).toEqual([...refs.keys()]);
  });
});

describe('with concurrency', () => {
  test('takes no more refs than that which are not given, also of an endless iterable', async () => {
    const identity = remote((value: number) => value);
    let made = 0;
    let closed = false;
    function* endless(): Iterable<ObjectRef<number>> {
      try {
        for (;;) yield identity.remote(made++);
      } finally {
        closed = true;
      }
    }
    let given = 0;
    for await (const ref of asCompleted(endless(), { concurrency: 5 })) {
      expect(await get(ref)).toBeLessThan(given + 5);
      given++;
      // The one that takes the place of the ref that was given is on its way already.
      expect(made).toBe(given + 5);
      if (given === 100) break;
    }
    expect(closed).toBe(true);
    expect(made).toBe(105);
  });

  test('begins with the first next, and takes nothing before', async () => {
    let taken = 0;
    function* counted(): Iterable<ObjectRef<number>> {
      for (;;) {
        taken++;
        yield put(1);
      }
    }
    const completed = asCompleted(counted(), { concurrency: 3 });
    await turn();
    expect(taken).toBe(0);
    await completed.next();
    expect(taken).toBe(4);
    await completed.return!();
  });
});

describe('ends', () => {
  test('by break: nothing is cancelled, and the iterable is told', async () => {
    const refs = pass(0, 1, 2);
    let told = 0;
    const iterable = {
      *[Symbol.iterator]() {
        try {
          yield* refs;
          yield put(0);
        } finally {
          told++;
        }
      },
    };
    await open(1);
    for await (const ref of asCompleted(iterable, { concurrency: 2 })) {
      expect(ref).toBe(refs[1]);
      break;
    }
    expect(told).toBe(1);
    await open(0, 2);
    expect(await get(refs)).toEqual([0, 1, 2]);
  });

  test('by break while an async iterable waits for its next ref, which it is told of all the same', async () => {
    const ref = put(1);
    let release!: () => void;
    const released = new Promise<void>((resolve) => (release = resolve));
    let told!: () => void;
    const isTold = new Promise<void>((resolve) => (told = resolve));
    async function* refs(): AsyncGenerator<typeof ref> {
      try {
        yield ref;
        await released;
        yield ref;
      } finally {
        told();
      }
    }
    for await (const given of asCompleted(refs())) {
      expect(given).toBe(ref);
      break;
    }
    release();
    await isTold;
  });

  test('by return, also for those who wait', async () => {
    const completed = asCompleted(pass(0, 1));
    const asked = [completed.next(), completed.next()];
    expect(await completed.return!()).toEqual({ done: true, value: undefined });
    expect(await Promise.all(asked)).toEqual([
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
    expect(await completed.next()).toEqual({ done: true, value: undefined });
    expect(await completed.return!()).toEqual({ done: true, value: undefined });
  });

  test('with the block of an await using', async () => {
    const completed = asCompleted(pass(0));
    await completed[Symbol.asyncDispose]();
    expect(await all(completed)).toEqual([]);
  });

  test('by its signal, with the reason: while it waits, and at the next next', async () => {
    const controller = new AbortController();
    const refs = pass(0, 1);
    const completed = asCompleted(refs, { signal: controller.signal });
    const waiting = completed.next();
    await turn();
    controller.abort(new Error('enough'));
    expect(await rejection(waiting)).toEqual(new Error('enough'));
    expect(await completed.next()).toEqual({ done: true, value: undefined });

    const aborted = asCompleted([put(1)], { signal: controller.signal });
    expect(await rejection(aborted.next())).toEqual(new Error('enough'));
    expect(await all(aborted)).toEqual([]);
    await open(0, 1);
    expect(await get(refs)).toEqual([0, 1]);
  });

  test('by the error of the iterable, after all refs that it gave', async () => {
    const refs = pass(0, 1);
    function* failing(): Iterable<ObjectRef<number>> {
      yield* refs;
      throw new TypeError('no more');
    }
    const completed = asCompleted(failing());
    const asked = [completed.next(), completed.next(), completed.next(), completed.next()];
    const settled = Promise.allSettled(asked);
    await open(1, 0);
    expect(await settled).toMatchObject([
      { value: { value: refs[1] } },
      { value: { value: refs[0] } },
      { reason: { message: 'no more' } },
      { value: { done: true } },
    ]);
    async function* rejecting(): AsyncIterable<ObjectRef<number>> {
      yield put(1);
      throw new TypeError('no more');
    }
    const later = asCompleted(rejecting());
    expect((await later.next()).done).toBe(false);
    expect(await rejection(later.next())).toEqual(new TypeError('no more'));
  });

  test('with the task that iterates, when that is cancelled', async () => {
    const [begun, never] = [gates.next(), gates.next()];
    const iterate = remote(async (tell: string, gate: string) => {
      const waits = remote(async (path: string) => passGate(path), { numCpus: 0 });
      const completed = asCompleted([waits.remote(gate), waits.remote(gate)]);
      const waiting = completed.next();
      openGate(tell);
      try {
        await waiting;
      } catch (error) {
        openGate(`${tell}-${(error as Error).name}-${getRuntimeContext().isCanceled}`);
        throw error;
      }
    });
    const ref = iterate.remote(begun, never);
    await passGate(begun);
    cancel(ref);
    await passGate(`${begun}-TaskCancelledError-true`);
    openGate(never);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
  });
});

describe('refs that are disposed of', () => {
  test('while they are awaited come out all the same', async () => {
    const refs = pass(0, 1);
    const completed = asCompleted(refs);
    const waiting = completed.next();
    refs[1]!.dispose();
    await open(1, 0);
    expect(await waiting).toEqual({ done: false, value: refs[1] });
    expect(await all(completed)).toEqual([refs[0]]);
  });

  test('by the iterable that has given them', async () => {
    const [first, second] = pass(0, 1);
    function* letGo(): Iterable<ObjectRef<number>> {
      yield first!;
      first!.dispose();
      yield second!;
    }
    const completed = asCompleted(letGo());
    const waiting = completed.next();
    await open(0, 1);
    expect([(await waiting).value, ...(await all(completed))]).toEqual([first, second]);
  });

  test('between the call and the first next are refused, after those before them', async () => {
    const refs = [put(1), put(2), put(3)];
    const completed = asCompleted(refs);
    refs[1]!.dispose();
    expect((await completed.next()).value).toBe(refs[0]);
    expect(await rejection(completed.next())).toBeInstanceOf(InvalidArgumentError);
    expect(await completed.next()).toEqual({ done: true, value: undefined });
  });

  test('when they are given', async () => {
    let count = 0;
    for await (const ref of asCompleted(Array.from({ length: 200 }, (_, index) => put([index])))) {
      ref.dispose();
      count++;
    }
    expect(count).toBe(200);
  });
});

test('a task that iterates gives its CPU back', async () => {
  const one = remote((value: number) => value + 1);
  const sum = remote(
    async (count: number) => {
      let total = 0;
      const refs = Array.from({ length: count }, (_, index) => one.remote(index));
      for await (const ref of asCompleted(refs)) total += await get(ref);
      return total;
    },
    { numCpus: 2 },
  );
  expect(await get(sum.remote(50), { timeoutMs: 30_000 })).toBe(1275);
});

describe('refuses', () => {
  test.each<[string, unknown, RegExp]>([
    ['nothing', undefined, /asCompleted\(\) takes an iterable.*undefined/],
    ['a single ref', 'ref', /asCompleted\(\) takes an iterable.*"ref"/],
    ['a number', 5, /takes an iterable.*5/],
    ['an object', { a: 1 }, /takes an iterable/],
    ['a list with another thing', [put.name], /element \[0\] takes an ObjectRef/],
  ])('%s at the call', (_, value, words) => {
    const error = thrown<InvalidArgumentError>(() => asCompleted(value as never));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toMatch(words);
  });

  test('a disposed ref in a list at the call', () => {
    const ref = put(1);
    ref.dispose();
    expect(() => asCompleted([put(1), ref])).toThrow(/element \[1\].*disposed/);
  });

  test.each([
    [{ concurrency: 0 }, 'concurrency'],
    [{ concurrency: 1.5 }, 'concurrency'],
    [{ signal: {} }, 'signal'],
    [{ timeoutMs: 5 }, 'timeoutMs'],
    [5, 'options'],
  ])('the options %o', (options, name) => {
    let taken = 0;
    function* items(): Iterable<ObjectRef<number>> {
      taken++;
      yield put(1);
    }
    const error = thrown<InvalidArgumentError>(() => asCompleted(items(), options as never));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.argument).toBe(name);
    expect(taken).toBe(0);
  });

  test('what is no ref in an iterable, at its place, and tells the iterable', async () => {
    const ref = put(1);
    let told = false;
    function* mixed(): Iterable<ObjectRef<number>> {
      try {
        yield ref;
        yield 5 as never;
      } finally {
        told = true;
      }
    }
    const completed = asCompleted(mixed());
    expect((await completed.next()).value).toBe(ref);
    const error = await rejection(completed.next());
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect((error as Error).message).toMatch(/asCompleted\(\) takes an ObjectRef.*5/);
    expect(told).toBe(true);
    expect(await completed.next()).toEqual({ done: true, value: undefined });
  });
});

test('the end of the runtime ends it with an error', async () => {
  const completed = asCompleted(pass(0, 1));
  const waiting = completed.next();
  const idle = asCompleted(pass(2));
  const ended = rejection(waiting);
  await shutdown();
  expect(await ended).toBeInstanceOf(NotInitializedError);
  expect(await completed.next()).toEqual({ done: true, value: undefined });
  expect(await rejection(idle.next())).toBeInstanceOf(NotInitializedError);
  await init({ numCpus: 2 });
});

function byId(a: ObjectRef<unknown>, b: ObjectRef<unknown>): number {
  return a.id < b.id ? -1 : 1;
}
