import { existsSync } from 'node:fs';
import {
  ActorDiedError,
  InvalidArgumentError,
  OwnerDiedError,
  SerializationError,
  TaskError,
  WorkerCrashedError,
  availableResources,
  get,
  init,
  kill,
  put,
  remote,
  shutdown,
  type ActorHandle,
  type ObjectRef,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';
import { rejection } from './rejection.ts';

const gates = makeGates();

beforeAll(async () => {
  await init({ numCpus: 2, numGpus: 1 });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

describe('errors that travel', () => {
  test('a WorkerCrashedError stays what it is, through an argument and through a task', async () => {
    const crash = remote(() => process.exit(9), { maxRetries: 0 });
    const identity = remote((x: unknown) => x);
    const asArgument = await rejection<Error>(get(identity.remote(crash.remote())));
    expect(asArgument).toBeInstanceOf(WorkerCrashedError);
    const outer = remote(async () =>
      get(remote(() => process.exit(9), { maxRetries: 0 }).remote()),
    );
    const nested = await rejection<Error>(get(outer.remote()));
    expect(nested).toBeInstanceOf(WorkerCrashedError);
  });

  test('an ActorDiedError stays what it is', async () => {
    class Mortal {
      run(): number {
        return 1;
      }
    }
    const actor = remote(Mortal).remote();
    kill(actor);
    const call = remote(async (handle: ActorHandle<Mortal>) => get(handle.run.remote()));
    expect(await rejection(get(call.remote(actor)))).toBeInstanceOf(ActorDiedError);
  });
});

describe('when a process dies', () => {
  test('the tasks that it started end', async () => {
    const [started, end, finished] = [gates.next(), gates.next(), gates.next()];
    const outer = remote(
      async (...paths: string[]) => {
        const inner = remote(async (begun: string, go: string, done: string) => {
          openGate(begun);
          await passGate(go);
          openGate(done);
        });
        void inner.remote(paths[0]!, paths[1]!, paths[2]!);
        await passGate(paths[0]!);
        process.exit(1);
      },
      { maxRetries: 0 },
    );
    expect(await rejection(get(outer.remote(started, end, finished)))).toBeInstanceOf(
      WorkerCrashedError,
    );
    // Both CPUs are free only when the inner task has ended, too.
    expect(await get(remote(() => 1, { numCpus: 2 }).remote())).toBe(1);
    openGate(end);
    expect(existsSync(finished)).toBe(false);
  });

  test('what it had stored lives on, and what only it had is an OwnerDiedError', async () => {
    class Owner {
      make(): [ObjectRef<Float64Array>, ObjectRef<number>] {
        const pending = remote(() => new Promise<number>(() => undefined), { numCpus: 0 });
        return [put(new Float64Array(20_000).fill(4)), pending.remote()];
      }
    }
    const owner = remote(Owner).remote();
    const [stored, pending] = await get(owner.make.remote());
    kill(owner);
    expect((await get(stored)).at(-1)).toBe(4);
    expect(await rejection(get(pending))).toBeInstanceOf(OwnerDiedError);
  });
});

describe('values', () => {
  test('custom states travel by the hooks of their class', async () => {
    class Celsius {
      #degrees: number;
      constructor(degrees: number) {
        this.#degrees = degrees;
      }
      get degrees(): number {
        return this.#degrees;
      }
      static [Symbol.for('eagleray.serialize')](value: Celsius): unknown {
        return { degrees: value.#degrees };
      }
      static [Symbol.for('eagleray.deserialize')](state: { degrees: number }): Celsius {
        return new Celsius(state.degrees);
      }
    }
    const value = await get(put(new Celsius(21)));
    expect(value).toBeInstanceOf(Celsius);
    expect(value.degrees).toBe(21);
  });

  test('a hook that makes an instance of its state and throws is named, with what it threw', async () => {
    class Fragile {
      value = 1;
      static [Symbol.for('eagleray.serialize')](): unknown {
        return {};
      }
      static [Symbol.for('eagleray.deserialize')](): Fragile {
        throw new RangeError('no degrees');
      }
    }
    const error = await rejection(get(put(new Fragile())));
    expect(error).toBeInstanceOf(SerializationError);
    expect((error as Error).message).toMatch(/Fragile.*threw RangeError: no degrees/);
    expect((error as Error).cause).toBeInstanceOf(RangeError);
  });

  test('a view stores what is covered by views, not the rest of its buffer', async () => {
    const view = await get(put(new Uint8Array(new ArrayBuffer(1_000_000), 10, 4)));
    expect(view).toHaveLength(4);
    expect(view.buffer.byteLength).toBeLessThan(1_000);
  });

  test('URLs, sparse arrays and undefined come back', async () => {
    const sparse: number[] = [];
    sparse[3] = 1;
    const value = await get(
      put({ url: new URL('https://example.org/a?b=c'), sparse, none: undefined }),
    );
    expect(value.url).toBeInstanceOf(URL);
    expect(value.url.href).toBe('https://example.org/a?b=c');
    expect(0 in value.sparse).toBe(false);
    expect(value.sparse).toHaveLength(4);
    expect('none' in value).toBe(true);
  });
});

describe('workers', () => {
  test('an error outside of the awaited promise ends the worker', async () => {
    const task = remote(
      () => {
        setImmediate(() => {
          throw new RangeError('outside');
        });
        return new Promise<never>(() => undefined);
      },
      { maxRetries: 0 },
    );
    const error = await rejection<WorkerCrashedError>(get(task.remote()));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error.message).toContain('outside');
  });

  test('a rejection outside of the awaited promise ends the worker', async () => {
    const task = remote(
      () => {
        void Promise.reject(new RangeError('outside'));
        return new Promise<never>(() => undefined);
      },
      { maxRetries: 0 },
    );
    expect(await rejection(get(task.remote()))).toBeInstanceOf(WorkerCrashedError);
  });

  test('GPU tasks have a process each by default', async () => {
    const pid = remote(() => process.pid, { numGpus: 1 });
    const first = await get(pid.remote());
    expect(await get(pid.remote())).not.toBe(first);
  });

  test('maxRetries is one budget for crashes and retryExceptions', async () => {
    const log = gates.next();
    const task = remote(
      async (path: string) => {
        const { appendFileSync, readFileSync } = await import('node:fs');
        appendFileSync(path, 'x');
        if (readFileSync(path, 'utf8').length === 1) process.exit(1);
        throw new RangeError('again');
      },
      { maxRetries: 2, retryExceptions: true },
    );
    expect(await rejection(get(task.remote(log)))).toBeInstanceOf(TaskError);
    const { readFileSync } = await import('node:fs');
    expect(readFileSync(log, 'utf8')).toBe('xxx');
  });
});

describe('resources', () => {
  test('quantities finer than 1/10,000 are rounded', async () => {
    const task = remote(() => availableResources()['CPU'], { numCpus: 0.500_01 });
    expect(await get(task.remote())).toBe(1.5);
  });

  test('a task that waits keeps its GPU and gives its CPU', async () => {
    const outer = remote(
      async () => {
        const look = remote(() => availableResources(), { numCpus: 1 });
        return get(look.remote());
      },
      { numCpus: 2, numGpus: 1 },
    );
    expect(await get(outer.remote())).toMatchObject({ CPU: 1, GPU: 0 });
  });

  test('an actor that waits keeps what it holds', async () => {
    class Waiting {
      async look(): Promise<Record<string, number>> {
        return get(remote(() => availableResources(), { numCpus: 0 }).remote());
      }
    }
    const actor = remote(Waiting, { numCpus: 1 }).remote();
    expect(await get(actor.look.remote())).toMatchObject({ CPU: 1 });
  });
});

describe('bad input comes before everything else', () => {
  test('an InvalidArgumentError before an InfeasibleResourcesError', () => {
    expect(() =>
      remote(() => 1, { numCpus: 100, unknown: 1 } as unknown as { numCpus: number }).remote(),
    ).toThrow(InvalidArgumentError);
  });

  test('a disposed ref among the arguments queues nothing', () => {
    const ref = put(1);
    ref.dispose();
    expect(() => remote((x: number[]) => x).remote([ref as unknown as number])).toThrow(
      InvalidArgumentError,
    );
  });
});
