/** `ObjectRef` and `ActorHandle` as classes: for `instanceof`, and for nothing else. */

import {
  ActorHandle,
  InvalidArgumentError,
  ObjectRef,
  actorReady,
  get,
  getActor,
  getRuntimeContext,
  init,
  put,
  remote,
  shutdown,
} from 'eagleray';
import * as ray from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

class Counter {
  value = 0;

  increment(by = 1): number {
    return (this.value += by);
  }

  /** What an actor sees of what it is given, and of itself. */
  sees(inside: { ref: unknown; handle: unknown }): boolean[] {
    const { currentActor } = getRuntimeContext();
    return [
      inside.ref instanceof ObjectRef,
      inside.handle instanceof ActorHandle,
      currentActor instanceof ActorHandle,
      inside.ref instanceof ActorHandle,
      inside.handle instanceof ObjectRef,
    ];
  }
}

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
});

test('every ref is an ObjectRef, however it came to be', async () => {
  const pair = remote(() => [1, 2], { numReturns: 2 }).remote();
  const counter = remote(Counter).remote();
  const nested = await get(remote(() => [put(5)]).remote());
  for (const ref of [
    put(1),
    put({ a: 1 }),
    put(new Float64Array(100_000)),
    remote(() => 1).remote(),
    ...pair,
    counter.increment.remote(),
    actorReady(counter),
    nested[0]!,
  ]) {
    expect(ref instanceof ObjectRef).toBe(true);
    expect(ref instanceof ActorHandle).toBe(false);
    expect(ref.constructor).toBe(ObjectRef);
  }
  const disposed = put(1);
  disposed.dispose();
  expect(disposed instanceof ObjectRef).toBe(true);
});

test('the members of a ref hold no part of the runtime', () => {
  const ref = put({ a: 1 });
  const reached = new Set<unknown>();
  const walk = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || reached.has(value)) return;
    reached.add(value);
    for (const key of Reflect.ownKeys(value))
      walk((value as Record<symbol, unknown>)[key as never]);
  };
  walk(ref);
  // The ref, what it keeps of its value, and nothing else.
  expect(reached.size).toBeLessThan(5);
});

test('every handle is an ActorHandle, however it came to be', async () => {
  const counter = remote(Counter, { name: 'classes' }).remote();
  const given = await get(remote((handle: ActorHandle<Counter>) => [handle]).remote(counter));
  for (const handle of [counter, getActor<Counter>('classes'), given[0]!, await counter]) {
    expect(handle instanceof ActorHandle).toBe(true);
    expect(handle instanceof ObjectRef).toBe(false);
    expect(handle.constructor).toBe(ActorHandle);
  }
  expect(counter.increment instanceof ActorHandle).toBe(false);
});

test('nothing else is one', () => {
  const ref = put(1);
  const lookalike = { id: ref.id, dispose() {}, handle: 1, session: {} };
  for (const value of [
    lookalike,
    ref.id,
    null,
    undefined,
    remote(() => 1),
    remote(Counter),
    Promise.resolve(ref),
    ObjectRef,
  ]) {
    expect((value as unknown) instanceof ObjectRef).toBe(false);
    expect((value as unknown) instanceof ActorHandle).toBe(false);
  }
});

test('in tasks and actors they are the classes of that process', async () => {
  const counter = remote(Counter).remote();
  const inside = { ref: put(1), handle: counter };
  const sees = remote((given: typeof inside) => [
    given.ref instanceof ObjectRef,
    given.handle instanceof ActorHandle,
    put(1) instanceof ray.ObjectRef,
    given.ref instanceof ActorHandle,
    given.handle instanceof ObjectRef,
  ]);
  expect(await get(sees.remote(inside))).toEqual([true, true, true, false, false]);
  expect(await get(counter.sees.remote(inside))).toEqual([true, true, true, false, false]);
});

test('the classes travel as themselves', async () => {
  const both = await get(remote((classes: unknown[]) => classes).remote([ObjectRef, ActorHandle]));
  expect(both).toEqual([ObjectRef, ActorHandle]);
});

describe.each([
  ['ObjectRef', ObjectRef, /\.remote\(\) of a remote function or method, and by put\(\)/],
  ['ActorHandle', ActorHandle, /\.remote\(\) of a remote class, and by getActor\(\)/],
])('%s', (name, exported, words) => {
  const Constructor = exported as unknown as new (...values: unknown[]) => object;

  test('has its name', () => {
    expect(Constructor.name).toBe(name);
  });

  test.each([
    ['nothing', []],
    [
      'what looks like a runtime',
      [{ isClosed: false, registerActor() {} }, 1, {}, { methods: [] }],
    ],
  ])('can not be constructed with %s', (_, values) => {
    expect(() => new Constructor(...values)).toThrow(InvalidArgumentError);
    expect(() => new Constructor(...values)).toThrow(words);
  });

  test('can not be constructed by a subclass', () => {
    class Own extends Constructor {}
    expect(() => new Own()).toThrow(InvalidArgumentError);
    expect(() => Reflect.construct(Constructor, [], Object)).toThrow(InvalidArgumentError);
  });
});
