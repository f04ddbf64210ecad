/** Corners of the API in which programs were once stuck, or got something else than they had asked for. */
import {
  ActorDiedError,
  InvalidArgumentError,
  NotInitializedError,
  TaskError,
  actorReady,
  exitActor,
  get,
  getActor,
  getRuntimeContext,
  getSync,
  init,
  isInitialized,
  kill,
  put,
  remote,
  shutdown,
  terminate,
  wait,
  type ActorHandle,
  type ObjectRef,
} from 'eagleray';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';
import { rejection } from './rejection.ts';

const gates = makeGates();

afterAll(() => gates.dispose());

describe('actors', () => {
  beforeAll(async () => {
    await init({ numCpus: 4, resources: { Slot: 1 } });
  });
  afterAll(shutdown);

  class Talker {
    async own(): Promise<number> {
      return 1;
    }
    async callsItself(): Promise<number> {
      const { own } = getRuntimeContext().currentActor as unknown as {
        own: { remote(): ObjectRef<number> };
      };
      return get(own.remote());
    }
    async passed(begun: string, path: string, value: number): Promise<number> {
      openGate(begun);
      await passGate(path);
      return value;
    }
  }

  test('an async actor that calls itself gets its answer', async () => {
    expect(await get(remote(Talker).remote().callsItself.remote())).toBe(1);
  });

  test('terminate waits for calls that run, and for those that wait for arguments', async () => {
    const [begun, end, late] = [gates.next(), gates.next(), gates.next()];
    const talker = remote(Talker).remote();
    const running = talker.passed.remote(begun, end, 1);
    await passGate(begun);
    const argument = remote(async (path: string) => {
      await passGate(path);
      return 2;
    }).remote(late);
    const waiting = talker.passed.remote(gates.next(), end, argument);
    terminate(talker);
    openGate(late);
    await get(argument);
    openGate(end);
    expect(await get([running, waiting])).toEqual([1, 2]);
    expect(await rejection(get(talker.own.remote()))).toBeInstanceOf(ActorDiedError);
  });

  test('methods may be called as a handle calls its own things inside', async () => {
    class Names {
      number(): string {
        return 'number';
      }
      session(): string {
        return 'session';
      }
      parts(): string {
        return 'parts';
      }
      override(): string {
        return 'override';
      }
    }
    const names = remote(Names).remote();
    expect(
      await get([names.number.remote(), names.session.remote(), names.parts.remote()]),
    ).toEqual(['number', 'session', 'parts']);
  });

  test.each(['dispose', 'actorId', 'options', 'remote', 'then'])(
    'a method called %s is refused when the class is made remote',
    (name) => {
      const Class = class {};
      Object.defineProperty(Class.prototype, name, { value: () => 1 });
      expect(() => remote(Class)).toThrow(InvalidArgumentError);
    },
  );

  test('exitActor where no method unwinds ends the actor for good', async () => {
    class Leaver {
      later(): number {
        setTimeout(() => exitActor(), 1);
        return process.pid;
      }
    }
    const leaver = remote(Leaver, { maxRestarts: 5 }).remote();
    await get(leaver.later.remote());
    let error: unknown;
    while (error === undefined)
      error = await get(leaver.later.remote()).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    expect(error).toBeInstanceOf(ActorDiedError);
  });

  test('the cause of a constructor error is what it threw, and ids are those of handles', async () => {
    class Broken {
      constructor() {
        throw new RangeError('no');
      }
      method(): void {}
    }
    const broken = remote(Broken).remote();
    const error = await rejection<ActorDiedError>(get(broken.method.remote()));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.actorId).toBe(broken.actorId);
  });

  test('a constructor that returns a promise is refused with what to do instead', async () => {
    class Late {
      constructor() {
        return Promise.resolve(this) as never;
      }
      method(): number {
        return 1;
      }
    }
    const late = remote(Late).remote();
    const error = await rejection<ActorDiedError>(get(late.method.remote()));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.message).toMatch(/constructor of Late returned a promise.* async method/s);
    expect(error.cause).toBeInstanceOf(TypeError);
  });

  test('a method that is no function in the instance is named, and the others work', async () => {
    class Shadowed {
      constructor() {
        Object.defineProperty(this, 'count', { value: 0 });
      }
      count(): number {
        return 1;
      }
      other(): number {
        return 2;
      }
    }
    const shadowed = remote(Shadowed).remote();
    const error = await rejection<TaskError>(get(shadowed.count.remote()));
    expect(error).toBeInstanceOf(TaskError);
    expect(error.message).toMatch(/Shadowed\.count is 0 .*not a function/);
    expect(await get(shadowed.other.remote())).toBe(2);
  });

  test('an actor gets its place when the last handle of the one that has it is garbage', async () => {
    const Holder = remote(Talker, { resources: { Slot: 1 } });
    for (let round = 0; round < 2; round++) {
      const holder = Holder.remote();
      expect(await get(holder.own.remote())).toBe(1);
    }
  });

  test('a task gets its place when the last handle of the actor that has it is garbage', async () => {
    const slot = { resources: { Slot: 1 } };
    const use = async (): Promise<number> => get(remote(Talker, slot).remote().own.remote());
    expect(await use()).toBe(1);
    expect(await get(remote(() => 2, slot).remote())).toBe(2);
  });

  test('the namespace of getActor inside an actor is the one that its context names', async () => {
    class Looker {
      look(): [string, string | undefined] {
        const { namespace } = getRuntimeContext();
        return [namespace, getActor('looked-for').actorId];
      }
    }
    const found = remote(Talker, { name: 'looked-for' }).remote();
    await get(actorReady(found));
    const looker = remote(Looker, { name: 'elsewhere', namespace: 'other' }).remote();
    const { namespace } = getRuntimeContext();
    expect(await get(looker.look.remote())).toEqual([namespace, found.actorId]);
    kill(looker);
  });

  test('an actor may dispose of its own handle, with calls of itself under way', async () => {
    class Recluse {
      private count = 0;
      private own() {
        return getRuntimeContext().currentActor as ActorHandle<Recluse>;
      }
      add(): number {
        return ++this.count;
      }
      async addLater(): Promise<ObjectRef<number>[]> {
        using handle = this.own();
        return [handle.add.remote()];
      }
      async addFirst(): Promise<number> {
        using handle = this.own();
        return get(handle.add.remote());
      }
    }
    const recluse = remote(Recluse, { maxConcurrency: 2 }).remote();
    for (let round = 0; round < 5; round++) {
      const [later] = await get(recluse.addLater.remote());
      expect(await get(later!)).toBe(3 * round + 1);
      expect(await get(recluse.addFirst.remote())).toBe(3 * round + 2);
      // Its rings are its own: another actor that comes up meanwhile gets none of them.
      const other = remote(Recluse).remote();
      expect(await get(other.add.remote())).toBe(1);
      expect(await get(recluse.add.remote())).toBe(3 * round + 3);
    }
  });

  test('what is remote already is not made remote again', () => {
    expect(() => remote(remote(Talker) as never)).toThrow(InvalidArgumentError);
    expect(() => remote(remote(() => 1) as never)).toThrow(InvalidArgumentError);
  });
});

describe('tasks', () => {
  beforeAll(async () => {
    await init({ numCpus: 2, numGpus: 1, objectStoreMemory: 64 << 20 });
  });
  afterAll(shutdown);

  const pass = remote(async (path: string, value: number) => {
    await passGate(path);
    return value;
  });

  test('tasks that differ in maxCalls only take each other’s place', async () => {
    const quick = remote(() => 1);
    expect(await get(quick.remote())).toBe(1);
    expect(await get(quick.options({ maxCalls: 1 }).remote())).toBe(1);
    expect(await get(quick.options({ maxCalls: 5 }).remote())).toBe(1);
    expect(await get(quick.remote())).toBe(1);
  });

  test('a task of another shape takes the idle CPU beside a long one', async () => {
    const [first, second, end] = [gates.next(), gates.next(), gates.next()];
    const both = [pass.remote(first, 1), pass.remote(second, 2)];
    openGate(first);
    openGate(second);
    await get(both);
    const long = pass.remote(end, 3);
    expect(await get(remote(() => 4, { memory: 1000 }).remote())).toBe(4);
    openGate(end);
    expect(await get(long)).toBe(3);
  });

  test('children of a task with a GPU go on when its worker retires', async () => {
    const end = gates.next();
    const parent = remote((path: string) => [pass.remote(path, 5)], { numGpus: 1 });
    const [child] = await get(parent.remote(end));
    openGate(end);
    expect(await get(child!)).toBe(5);
  });

  test('a message about a wrong argument that holds a ref is short', async () => {
    const error = await rejection<InvalidArgumentError>(get([[put(1)]] as never));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toContain('ObjectRef');
    expect(error.message.length).toBeLessThan(300);
  });

  test('a loop that puts, gets and disposes never fills the store', async () => {
    for (let round = 0; round < 30; round++) {
      const ref = put(new Uint8Array(8 << 20).fill(round));
      expect((await get(ref))[8_000_000]).toBe(round);
      ref.dispose();
    }
  });

  test('a result whose then throws, and a thrown proxy, are errors of the task', async () => {
    // oxlint-disable-next-line unicorn/no-thenable -- that is what is tested
    const name = 'then';
    const then = remote(() =>
      Object.defineProperty({}, name, {
        get: () => {
          throw new RangeError('then');
        },
      }),
    );
    expect(await rejection(get(then.remote()))).toBeInstanceOf(TaskError);
    const proxy = remote(() => {
      throw new Proxy(
        {},
        {
          getPrototypeOf: () => {
            throw new Error('trap');
          },
        },
      );
    });
    expect(await rejection(get(proxy.remote()))).toBeInstanceOf(TaskError);
  });

  describe('loops that never let the event loop turn', () => {
    // The store has room for eight of these, and nothing is kept.
    const rounds = 25;
    const fill = (value: number): Float64Array => new Float64Array(1_000_000).fill(value);
    const make = remote(fill);

    test('getSync of results', () => {
      for (let round = 0; round < rounds; round++)
        expect(getSync(make.remote(round))[9]).toBe(round);
    });

    test('getSync of results that are disposed of', () => {
      for (let round = 0; round < rounds; round++) {
        using ref = make.remote(round);
        expect(getSync(ref)[9]).toBe(round);
      }
    });

    test('put', () => {
      for (let round = 0; round < rounds; round++) put(fill(round));
    });

    test('get of what was put', async () => {
      for (let round = 0; round < rounds; round++)
        expect((await get(put(fill(round))))[9]).toBe(round);
    });

    test('put and getSync inside a task', async () => {
      const inside = remote((count: number) => {
        let sum = 0;
        for (let round = 0; round < count; round++) {
          sum += getSync(make.remote(round))[9]!;
          put(new Float64Array(1_000_000));
        }
        return sum;
      });
      expect(await get(inside.remote(rounds))).toBe((rounds * (rounds - 1)) / 2);
    });

    test('more views than a process may map', async () => {
      const ref = put(new Float64Array(10_000).fill(7));
      for (let round = 0; round < 40_000; round++) {
        const array = await get(ref);
        if (array[9] !== 7) expect(array[9]).toBe(7);
      }
    });

    test('what is still held stays as it is', () => {
      const kept = getSync([make.remote(1), make.remote(2)]);
      kept[0]![0] = 5;
      for (let round = 0; round < rounds; round++)
        expect(getSync(make.remote(round))[9]).toBe(round);
      expect([kept[0]![0], kept[0]![9], kept[1]![9]]).toEqual([5, 1, 2]);
    });
  });

  test('a store that fills does not leave a failed get unhandled', async () => {
    const make = remote(() => new Float64Array(500_000));
    const fail = remote(() => {
      throw new RangeError('no');
    });
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    try {
      // The store fills every few rounds, and the get that follows waits for a turn of the event loop before it settles.
      for (let round = 0; round < 60; round++) {
        const failing = fail.remote();
        await wait([failing]);
        await get(make.remote());
        expect(await rejection(get(failing))).toBeInstanceOf(TaskError);
      }
    } finally {
      process.off('unhandledRejection', note);
    }
    expect(unhandled).toEqual([]);
  });
});

describe('ends of a runtime', () => {
  afterEach(shutdown);

  test('a ref of a past runtime starts no new one', async () => {
    await init({ numCpus: 1 });
    const ref = put(1);
    await shutdown();
    expect(await rejection(get(ref))).toBeInstanceOf(InvalidArgumentError);
    expect(isInitialized()).toBe(false);
  });

  test('calls during shutdown are refused, and init waits for its end', async () => {
    await init({ numCpus: 1 });
    const ending = shutdown();
    expect(isInitialized()).toBe(false);
    expect(() => put(1)).toThrow(NotInitializedError);
    await init({ numCpus: 1 });
    await ending;
    expect(await get(put(2))).toBe(2);
  });

  test('a context that is disposed of late leaves a later runtime alone', async () => {
    const context = await init({ numCpus: 1 });
    await shutdown();
    await init({ numCpus: 1 });
    await context[Symbol.asyncDispose]();
    expect(isInitialized()).toBe(true);
  });
});
