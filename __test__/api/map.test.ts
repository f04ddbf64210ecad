/** `map`: the values that a remote function gives for each item of an iterable. */

import { EventEmitter, on } from 'node:events';
import { existsSync } from 'node:fs';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

import {
  ActorDiedError,
  InvalidArgumentError,
  NotInitializedError,
  SerializationError,
  TaskCancelledError,
  TaskError,
  availableResources,
  cancel,
  get,
  getRuntimeContext,
  init,
  kill,
  map,
  put,
  remote,
  shutdown,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';
import { rejection, thrown } from './rejection.ts';

const gates = makeGates();

beforeAll(async () => {
  await init({ numCpus: 2, objectStoreMemory: 64 * 2 ** 20 });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

const double = remote((value: number) => value * 2);

/** A task for each gate that ends when it is opened; the ones that have begun are known by a gate of their own. */
const pass = remote(
  async (gate: string) => {
    openGate(`${gate}-begun`);
    await passGate(gate);
    if (gate.endsWith('failing')) throw new RangeError(gate);
    return gate;
  },
  { numCpus: 0.1 },
);

/** As `pass`, and says by a gate whether it was cancelled. */
const watch = remote(
  async (gate: string) => {
    const { signal } = getRuntimeContext();
    signal!.addEventListener('abort', () => openGate(`${gate}-cancelled`));
    openGate(`${gate}-begun`);
    await passGate(gate);
    return gate;
  },
  { numCpus: 0.1 },
);

const names = (count: number): string[] => Array.from({ length: count }, () => gates.next());

async function all<Item>(iterable: AsyncIterable<Item>): Promise<Item[]> {
  const items: Item[] = [];
  for await (const item of iterable) items.push(item);
  return items;
}

/** Numbers without an end; tells how many were taken, and whether its end was told. */
function counter(): { taken: number; isClosed: boolean; numbers(): Generator<number> } {
  return {
    taken: 0,
    isClosed: false,
    *numbers() {
      try {
        for (;;) yield this.taken++;
      } finally {
        this.isClosed = true;
      }
    },
  };
}

describe('gives', () => {
  test.each([
    ['an array', () => [1, 2, 3]],
    ['a set', () => new Set([1, 2, 3])],
    ['an iterator', () => [1, 2, 3].values()],
    ['refs and values', () => [put(1), 2, put(3)]],
  ])('a value for each item of %s', async (_, items) => {
    expect(await all(map(items() as Iterable<number>, double))).toEqual([2, 4, 6]);
  });

  test('a value for each item of an asynchronous iterable', async () => {
    async function* items(): AsyncIterable<number> {
      for (const number of [1, 2, 3]) {
        await sleep(1);
        yield number;
      }
    }
    expect(await all(map(items(), double))).toEqual([2, 4, 6]);
    expect(await all(map(items(), double, { concurrency: 1, ordered: false }))).toEqual([2, 4, 6]);
  });

  test('nothing for nothing', async () => {
    expect(await all(map([], double))).toEqual([]);
    expect(await all(map([], double, { ordered: false }))).toEqual([]);
  });

  test('the values in the order of their items, in whatever order they are ready', async () => {
    const items = names(4);
    const values = all(map(items, pass, { concurrency: 4 }));
    for (const index of [2, 3, 1, 0]) openGate(items[index]!);
    expect(await values).toEqual(items);
  });

  test('them as they are ready, without order', async () => {
    const items = names(3);
    const values = map(items, pass, { concurrency: 3, ordered: false });
    for (const index of [1, 2, 0]) {
      const next = values.next();
      openGate(items[index]!);
      expect(await next).toEqual({ done: false, value: items[index] });
    }
    expect(await values.next()).toEqual({ done: true, value: undefined });
  });

  test('undefined, and values that are falsy, as what they are', async () => {
    const values = [undefined, null, 0, '', false, NaN];
    const same = remote((value: unknown) => value);
    expect(await all(map(values, same))).toEqual(values);
  });

  test('the results of a method of an actor', async () => {
    class Sum {
      sum = 0;
      add(value: number): number {
        return (this.sum += value);
      }
    }
    const sum = remote(Sum).remote();
    expect(await all(map([1, 2, 3], sum.add))).toEqual([1, 3, 6]);
    expect(await all(map([1], sum.add.options({ maxTaskRetries: 1 })))).toEqual([7]);
  });

  test('each of several calls of next that wait at once its own', async () => {
    const items = names(3);
    const values = map(items, pass, { concurrency: 3 });
    const asked = [values.next(), values.next(), values.next(), values.next()];
    for (const item of items.toReversed()) openGate(item);
    expect(await Promise.all(asked)).toEqual([
      ...items.map((value) => ({ done: false, value })),
      { done: true, value: undefined },
    ]);
  });

  test('large arrays without keeping them in the store', async () => {
    // All of them are ten times what the store has.
    const make = remote((value: number) => new Float64Array(2 ** 20).fill(value));
    let count = 0;
    for await (const array of map(Array.from({ length: 80 }).keys(), make, { concurrency: 2 })) {
      expect(array[5]).toBe(count++);
    }
    expect(count).toBe(80);
  });
});

describe('with concurrency', () => {
  test.each([
    ['ordered', true],
    ['not ordered', false],
  ])('so many are in flight or unread, of an endless iterable (%s)', async (_, ordered) => {
    const source = counter();
    let read = 0;
    for await (const value of map(source.numbers(), double, { concurrency: 3, ordered })) {
      expect(value % 2).toBe(0);
      read++;
      // The one in the place of the one that was read is on its way already.
      expect(source.taken).toBe(read + 3);
      if (read === 50) break;
    }
    expect(source).toMatchObject({ taken: 53, isClosed: true });
  });

  test('is twice the number of CPUs unless it is given', async () => {
    const source = counter();
    const values = map(source.numbers(), double);
    await values.next();
    expect(source.taken).toBe(1 + 2 * 2);
    await values.return!();
  });

  test('of 1 the next begins when the last was read', async () => {
    const items = names(3);
    const values = map(items, pass, { concurrency: 1 });
    for (const [index, item] of items.entries()) {
      const next = values.next();
      await passGate(`${item}-begun`);
      expect(existsSync(`${items[index + 1]}-begun`)).toBe(false);
      openGate(item);
      expect((await next).value).toBe(item);
    }
    await values.return!();
  });

  test('nothing is taken before the first next', async () => {
    const source = counter();
    const values = map(source.numbers(), double);
    await turn();
    expect(source.taken).toBe(0);
    await values.return!();
    expect(source.isClosed).toBe(false);
    expect(await all(values)).toEqual([]);
  });
});

describe('a failure', () => {
  test('is thrown at its place, and cancels the rest', async () => {
    const others = names(10);
    const [first, failing, running] = [gates.next(), `${gates.next()}-failing`, gates.next()];
    const either = remote(
      async (gate: string) => {
        const { signal } = getRuntimeContext();
        signal!.addEventListener('abort', () => openGate(`${gate}-cancelled`));
        openGate(`${gate}-begun`);
        await passGate(gate);
        if (gate.endsWith('failing')) throw new RangeError('the second');
        return gate;
      },
      { numCpus: 0.1 },
    );
    let isClosed = false;
    function* items(): Generator<string> {
      try {
        yield* [first, failing, running, ...others];
      } finally {
        isClosed = true;
      }
    }
    const values = map(items(), either, { concurrency: 3 });
    const next = values.next();
    await passGate(`${running}-begun`);
    openGate(failing);
    await sleep(20);
    openGate(first);
    expect(await next).toEqual({ done: false, value: first });
    const error = await rejection<TaskError>(values.next());
    expect(error).toBeInstanceOf(TaskError);
    expect(error.cause).toEqual(new RangeError('the second'));
    await passGate(`${running}-cancelled`);
    for (const other of [running, ...others]) openGate(other);
    expect(await values.next()).toEqual({ done: true, value: undefined });
    expect(isClosed).toBe(true);
  });

  test('is thrown as soon as it is ready, without order', async () => {
    const [slow, failing] = [gates.next(), `${gates.next()}-failing`];
    const values = map([slow, failing], pass, { ordered: false });
    const next = values.next();
    openGate(failing);
    expect((await rejection<TaskError>(next)).cause).toBeInstanceOf(RangeError);
    openGate(slow);
  });

  test('of the iterable comes after the values of what it gave', async () => {
    function* items(): Generator<number> {
      yield 1;
      yield 2;
      throw new TypeError('no more');
    }
    async function* later(): AsyncGenerator<number> {
      yield* items();
    }
    for (const iterable of [items(), later()]) {
      const values = map(iterable, double);
      expect([(await values.next()).value, (await values.next()).value]).toEqual([2, 4]);
      expect(await rejection(values.next())).toEqual(new TypeError('no more'));
      expect(await all(values)).toEqual([]);
    }
  });

  test('of an item that can not be sent comes at its place', async () => {
    const values = map([1, new WeakMap() as never, 3], double);
    expect((await values.next()).value).toBe(2);
    const error = await rejection(values.next());
    expect(error).toBeInstanceOf(SerializationError);
    expect((error as Error).message).toMatch(/WeakMap/);
    expect((await values.next()).done).toBe(true);
  });

  test('of an actor that is killed is its error', async () => {
    class Waiter {
      async pass(gate: string): Promise<string> {
        openGate(`${gate}-begun`);
        await passGate(gate);
        return gate;
      }
    }
    const waiter = remote(Waiter).remote();
    const items = names(2);
    const values = map(items, waiter.pass);
    const next = values.next();
    await passGate(`${items[0]!}-begun`);
    kill(waiter);
    for (const item of items) openGate(item);
    expect(await rejection(next)).toBeInstanceOf(ActorDiedError);
  });

  test('leaves nothing that is reported as unhandled, and frees the resources', async () => {
    const reported: string[] = [];
    const { write } = process.stderr;
    process.stderr.write = ((text: string) => reported.push(String(text)) > 0) as never;
    try {
      const failing = `${gates.next()}-failing`;
      const others = names(5);
      const values = map([failing, ...others], pass, { concurrency: 6 });
      const next = values.next();
      openGate(failing);
      await rejection(next);
      for (const other of others) openGate(other);
      await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
      globalThis.gc?.();
      await sleep(50);
    } finally {
      process.stderr.write = write;
    }
    expect(reported.filter((line) => line.includes('Unhandled'))).toEqual([]);
  });
});

describe('ends', () => {
  test.each([
    ['ordered', true],
    ['not ordered', false],
  ])('by break: what is in flight is cancelled (%s)', async (_, ordered) => {
    const items = names(3);
    openGate(items[0]!);
    for await (const value of map(items, watch, { concurrency: 3, ordered })) {
      expect(value).toBe(items[0]);
      await passGate(`${items[1]!}-begun`);
      await passGate(`${items[2]!}-begun`);
      break;
    }
    await passGate(`${items[1]!}-cancelled`);
    await passGate(`${items[2]!}-cancelled`);
    openGate(items[1]!);
    openGate(items[2]!);
  });

  test.each([
    ['ordered', true],
    ['not ordered', false],
  ])('by its signal: what is in flight is cancelled (%s)', async (_, ordered) => {
    const items = names(2);
    const controller = new AbortController();
    const values = map(items, watch, { ordered, signal: controller.signal });
    const next = values.next();
    await passGate(`${items[0]!}-begun`);
    await passGate(`${items[1]!}-begun`);
    controller.abort(new Error('enough'));
    expect(await rejection(next)).toEqual(new Error('enough'));
    await passGate(`${items[0]!}-cancelled`);
    await passGate(`${items[1]!}-cancelled`);
    for (const item of items) openGate(item);
    expect(await all(values)).toEqual([]);
    const aborted = map([1], double, { signal: controller.signal });
    expect(await rejection(aborted.next())).toEqual(new Error('enough'));
  });

  test('by break or a failure while the source waits for its next item', async () => {
    async function* never(first: number): AsyncGenerator<number> {
      yield first;
      await new Promise(() => undefined);
    }
    const given: unknown[] = [];
    for await (const value of map(never(4), double)) {
      given.push(value);
      break;
    }
    expect(given).toEqual([8]);
    const fail = remote((item: number) => {
      throw new Error(`no ${item}`);
    });
    expect((await rejection<Error>(map(never(1), fail).next())).message).toContain('no 1');
    const jobs = new EventEmitter();
    const values = map(
      on(jobs, 'job') as AsyncIterable<[number]>,
      remote(([x]: [number]) => x),
    );
    const first = values.next();
    await turn();
    jobs.emit('job', 5);
    expect(await first).toEqual({ done: false, value: 5 });
    await values.return!();
    expect(jobs.listenerCount('job')).toBe(0);
  });

  test('by return, also for those who wait', async () => {
    const items = names(2);
    const values = map(items, watch);
    const asked = [values.next(), values.next(), values.next()];
    await passGate(`${items[0]!}-begun`);
    expect(await values.return!()).toEqual({ done: true, value: undefined });
    expect(await Promise.all(asked)).toEqual(asked.map(() => ({ done: true, value: undefined })));
    await passGate(`${items[0]!}-cancelled`);
    for (const item of items) openGate(item);
  });

  test('with the error that the end of the iterable throws', async () => {
    function* items(): Generator<number> {
      try {
        for (;;) yield 1;
      } finally {
        // oxlint-disable-next-line no-unsafe-finally
        throw new TypeError('at the end');
      }
    }
    const values = map(items(), double);
    await values.next();
    expect(await rejection(values.return!())).toEqual(new TypeError('at the end'));
  });

  test('with the task that iterates, when that is cancelled', async () => {
    const items = names(2);
    const outer = remote(async (list: string[]) => all(map(list, watch)), { numCpus: 0.1 });
    const ref = outer.remote(items);
    await passGate(`${items[0]!}-begun`);
    cancel(ref);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    await passGate(`${items[0]!}-cancelled`);
    for (const item of items) openGate(item);
  });
});

test('in a task it gives the CPU back', async () => {
  const sum = remote(
    async (count: number) => {
      let total = 0;
      for await (const value of map(Array.from({ length: count }).keys(), double)) total += value;
      return total;
    },
    { numCpus: 2 },
  );
  expect(await get(sum.remote(20), { timeoutMs: 30_000 })).toBe(380);
});

describe('refuses at the call, before anything is taken', () => {
  const source = counter();

  test.each<[string, unknown, unknown, unknown, RegExp]>([
    ['no iterable', 5, double, undefined, /map\(\) takes an iterable.*5/],
    ['a text', 'abc', double, undefined, /takes an iterable.*"abc"/],
    ['nothing', undefined, double, undefined, /takes an iterable.*undefined/],
    [
      'a plain function',
      [1],
      (x: number) => x,
      undefined,
      /map\(\) takes a remote function.*remote\(fn\)/,
    ],
    ['no function', [1], undefined, undefined, /takes a remote function.*undefined/],
    ['a remote class', [1], remote(class A {}), undefined, /got a remote class/],
    ['several results', [1], double.options({ numReturns: 2 }), undefined, /numReturns: 2/],
    ['no result', [1], double.options({ numReturns: 0 }), undefined, /numReturns: 0/],
    ['concurrency 0', [1], double, { concurrency: 0 }, /concurrency is 0/],
    ['ordered 1', [1], double, { ordered: 1 }, /ordered is 1/],
    ['an unknown option', [1], double, { timeoutMs: 1 }, /no option timeoutMs/],
  ])('%s', (_, items, fn, options, words) => {
    const error = thrown<InvalidArgumentError>(() =>
      map(items as never, fn as never, options as never),
    );
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toMatch(words);
  });

  test('and the iterable is as it was', () => {
    expect(() => map(source.numbers(), double, { concurrency: -1 })).toThrow(InvalidArgumentError);
    expect(source.taken).toBe(0);
  });
});

test('the end of the runtime ends it with an error', async () => {
  const items = names(2);
  const values = map(items, pass);
  const ended = rejection(values.next());
  await passGate(`${items[0]!}-begun`);
  await shutdown();
  expect(await ended).toBeInstanceOf(NotInitializedError);
  expect(await all(values)).toEqual([]);
  await init({ numCpus: 2 });
});
