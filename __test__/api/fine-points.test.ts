import { existsSync } from 'node:fs';
import {
  ActorDiedError,
  type GetTimeoutError,
  ObjectStoreFullError,
  SerializationError,
  TaskCancelledError,
  TaskError,
  availableResources,
  cancel,
  get,
  getRuntimeContext,
  getSync,
  init,
  kill,
  put,
  remote,
  shutdown,
  wait,
  type ActorHandle,
  type ObjectRef,
} from 'eagleray';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';
import { rejection } from './rejection.ts';

const gates = makeGates();
const storeBytes = 64 * 2 ** 20;

beforeAll(async () => {
  await init({ numCpus: 2, objectStoreMemory: storeBytes });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

/** Resolves when the store is empty again. */
const storeEmpty = async (): Promise<void> => {
  while (availableResources()['objectStoreMemory']! < storeBytes) await sleep(2);
};

describe('memory', () => {
  test('is free again when its ref is disposed of', async () => {
    const ref = put(new Float64Array(1_000_000));
    expect(availableResources()['objectStoreMemory']).toBeLessThan(storeBytes);
    ref.dispose();
    await storeEmpty();
  });

  test('of a large argument is free again after the call', async () => {
    const length = remote((array: Float64Array) => array.length);
    const ref = length.remote(new Float64Array(1_000_000));
    expect(await get(ref)).toBe(1_000_000);
    await storeEmpty();
  });

  test('of a large result that nobody asked for is free again', async () => {
    const make = remote(() => new Float64Array(1_000_000));
    const ref = make.remote();
    await wait([ref]);
    ref.dispose();
    await storeEmpty();
  });

  test('that the store has not is an ObjectStoreFullError', async () => {
    expect(() => put(new Float64Array(10_000_000))).toThrow(ObjectStoreFullError);
    const make = remote(() => new Float64Array(10_000_000));
    const error = await rejection<TaskError>(get(make.remote()));
    expect(error.cause).toBeInstanceOf(ObjectStoreFullError);
    await storeEmpty();
  });
});

describe('processes that share a ref', () => {
  test('a borrower may cancel the task behind it', async () => {
    const started = gates.next();
    const spinning = remote(async (begun: string) => {
      openGate(begun);
      await new Promise((resolve) => {
        getRuntimeContext().signal!.addEventListener('abort', resolve);
      });
    }).remote(started);
    await passGate(started);
    const canceller = remote(async ([ref]: [ObjectRef<void>]) => cancel(ref));
    await get(canceller.remote([spinning]));
    expect(await rejection(get(spinning))).toBeInstanceOf(TaskCancelledError);
  });

  test('a borrower that waits with a timeout gives up alone', async () => {
    const gate = gates.next();
    const slow = remote(async (path: string) => {
      await passGate(path);
      return 'value';
    }).remote(gate);
    const impatient = remote(async ([ref]: [ObjectRef<string>]) => {
      try {
        return await get(ref, { timeoutMs: 5 });
      } catch (error) {
        return (error as Error).name;
      }
    });
    expect(await get(impatient.remote([slow]))).toBe('GetTimeoutError');
    openGate(gate);
    expect(await get(slow)).toBe('value');
  });

  test('a borrower that shares it keeps it alive after its owner let go', async () => {
    class Keeper {
      kept: ObjectRef<Float64Array>[] = [];
      keep(refs: ObjectRef<Float64Array>[]): void {
        this.kept = refs;
      }
      async last(): Promise<number | undefined> {
        return (await get(this.kept[0]!)).at(-1);
      }
    }
    const keeper = remote(Keeper).remote();
    const ref = put(new Float64Array(1_000_000).fill(6));
    await get(keeper.keep.remote([ref]));
    ref.dispose();
    expect(await get(keeper.last.remote())).toBe(6);
    kill(keeper);
    await storeEmpty();
  });

  test('several borrowers wait for one pending result', async () => {
    const gate = gates.next();
    const slow = remote(
      async (path: string) => {
        await passGate(path);
        return 5;
      },
      { numCpus: 0 },
    ).remote(gate);
    const read = remote(async ([ref]: [ObjectRef<number>]) => get(ref));
    const readers = [read.remote([slow]), read.remote([slow]), read.remote([slow])];
    openGate(gate);
    expect(await get(readers)).toEqual([5, 5, 5]);
  });
});

describe('actors', () => {
  interface Pinging {
    ping(count: number): Promise<number>;
  }

  class Peer implements Pinging {
    peer: ActorHandle<Pinging> | undefined;
    setPeer([peer]: [ActorHandle<Pinging>]): void {
      this.peer = peer;
    }
    async ping(count: number): Promise<number> {
      return count === 0 ? 0 : 1 + (await get(this.peer!.ping.remote(count - 1)));
    }
  }

  test('that are async call each other back and forth', async () => {
    const RemotePeer = remote(Peer, { maxConcurrency: 10 });
    const [a, b] = [RemotePeer.remote(), RemotePeer.remote()];
    await get([a.setPeer.remote([b]), b.setPeer.remote([a])]);
    expect(await get(a.ping.remote(6))).toBe(6);
    kill(a);
    kill(b);
  });

  test('that call process.exit are dead with the exit code', async () => {
    class Leaving {
      leave(): void {
        process.exit(5);
      }
    }
    const actor = remote(Leaving).remote();
    const error = await rejection<ActorDiedError>(get(actor.leave.remote()));
    expect(error).toBeInstanceOf(ActorDiedError);
    expect(error.exitCode).toBe(5);
  });

  test('that are killed with noRestart: false repeat calls by maxTaskRetries', async () => {
    class Blocking {
      async block(path: string): Promise<string> {
        if (existsSync(path)) return 'repeated';
        openGate(path);
        return new Promise<string>(() => undefined);
      }
    }
    const actor = remote(Blocking, { maxRestarts: 1, maxTaskRetries: 1 }).remote();
    const gate = gates.next();
    const ref = actor.block.remote(gate);
    await passGate(gate);
    kill(actor, { noRestart: false });
    expect(await get(ref)).toBe('repeated');
  });

  test('answer two callers, each in its own order', async () => {
    class Log {
      lines: string[] = [];
      add(line: string): void {
        this.lines.push(line);
      }
      all(): string[] {
        return this.lines;
      }
    }
    const log = remote(Log).remote();
    const write = remote(async (handle: typeof log, name: string) => {
      await get(Array.from({ length: 50 }, (_, i) => handle.add.remote(`${name}${i}`)));
    });
    await get([write.remote(log, 'a'), write.remote(log, 'b')]);
    const lines = await get(log.all.remote());
    for (const name of ['a', 'b']) {
      expect(lines.filter((line) => line.startsWith(name))).toEqual(
        Array.from({ length: 50 }, (_, i) => `${name}${i}`),
      );
    }
  });

  test('give a failed argument as the error of the call, without running it', async () => {
    class Log {
      lines: unknown[] = [];
      add(line: unknown): unknown[] {
        this.lines.push(line);
        return this.lines;
      }
    }
    const log = remote(Log).remote();
    const failed = remote(() => {
      throw new RangeError('no');
    }).remote();
    const error = await rejection<TaskError>(get(log.add.remote(failed)));
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(await get(log.add.remote('next'))).toEqual(['next']);
  });
});

describe('getSync', () => {
  test('of a list gives the values in order, and the first error', () => {
    const square = remote((x: number) => x * x);
    expect(getSync([square.remote(2), put(3), square.remote(4)])).toEqual([4, 3, 16]);
    const bad = remote(() => {
      throw new RangeError('no');
    });
    expect(() => getSync([square.remote(2), bad.remote() as ObjectRef<number>])).toThrow(TaskError);
  });

  test('of a pending actor call blocks until it is there', () => {
    class Slow {
      async answer(): Promise<number> {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return 42;
      }
    }
    expect(getSync(remote(Slow).remote().answer.remote())).toBe(42);
  });
});

describe('timeouts', () => {
  test('of many refs tell how many are missing', async () => {
    const never = remote(() => new Promise<never>(() => undefined), { numCpus: 0 });
    const refs = [put(1), never.remote(), never.remote()];
    const error = await rejection<GetTimeoutError>(get(refs, { timeoutMs: 5 }));
    expect(error.missing).toBe(2);
    for (const ref of refs) cancel(ref, { force: true });
  });

  test('longer than a timer can be are waited for in parts', async () => {
    const gate = gates.next();
    const ref = remote(async (path: string) => {
      await passGate(path);
      return 1;
    }).remote(gate);
    const waiting = get(ref, { timeoutMs: 2 ** 40 });
    openGate(gate);
    expect(await waiting).toBe(1);
  });
});

describe('calls', () => {
  test('maxCalls: 2 changes the process after every second call', async () => {
    const pid = remote(() => process.pid, { maxCalls: 2, numCpus: 2 });
    const pids: number[] = [];
    for (let i = 0; i < 4; i++) pids.push(await get(pid.remote()));
    expect(pids[1]).toBe(pids[0]);
    expect(pids[3]).toBe(pids[2]);
    expect(pids[2]).not.toBe(pids[1]);
  });

  test('with arguments of more than eight megabytes go through the store', async () => {
    const length = remote((text: string) => text.length);
    expect(await get(length.remote('x'.repeat(10_000_000)))).toBe(10_000_000);
  });

  test('with a value that has a getter that fails throw at the call', () => {
    const bad = {
      get broken(): never {
        throw new RangeError('getter');
      },
    };
    expect(() => remote((x: unknown) => x).remote(bad)).toThrow();
  });

  test('with a revoked proxy are a SerializationError, as put() is, wherever the proxy is', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [proxy, { proxy }]) {
      expect(() => remote((x: unknown) => x).remote(value)).toThrow(SerializationError);
      expect(() => put(value)).toThrow(SerializationError);
    }
  });

  test('with hundreds of arguments work', async () => {
    const count = remote((...values: number[]) => values.length);
    expect(await get(count.remote(...Array.from({ length: 500 }, (_, i) => i)))).toBe(500);
  });

  test('numReturns of hundreds work', async () => {
    const many = remote(() => Array.from({ length: 300 }, (_, i) => i), { numReturns: 300 });
    const refs = many.remote() as unknown as ObjectRef<number>[];
    expect(await get(refs)).toEqual(Array.from({ length: 300 }, (_, i) => i));
  });

  test('numReturns of more than a million is refused before refs are made', () => {
    class Many {
      method(): number[] {
        return [];
      }
    }
    const many = remote(Many).remote();
    for (const numReturns of [1_000_001, 2 ** 31 - 1]) {
      expect(() => remote(() => [], { numReturns })).toThrow(/numReturns.*from 0 to 1000000/);
      expect(() => many.method.options({ numReturns })).toThrow(/numReturns.*from 0 to 1000000/);
    }
  });
});
