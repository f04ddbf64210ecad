import { existsSync } from 'node:fs';
import {
  InvalidArgumentError,
  TaskCancelledError,
  cancel,
  get,
  getRuntimeContext,
  getSync,
  init,
  availableResources,
  put,
  remote,
  shutdown,
  type ObjectRef,
} from 'eagleray';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate, passGateSync } from './gates.ts';
import { rejection } from './rejection.ts';

const gates = makeGates();

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

describe('cancel of a queued task', () => {
  test('drops it', async () => {
    const [started, end, marker] = [gates.next(), gates.next(), gates.next()];
    const block = remote(
      async (begun: string, path: string) => {
        openGate(begun);
        await passGate(path);
      },
      { numCpus: 2 },
    );
    const touch = remote((path: string) => openGate(path), { numCpus: 2 });
    const blocker = block.remote(started, end);
    await passGate(started);
    const queued = touch.remote(marker);
    cancel(queued);
    expect(await rejection(get(queued))).toBeInstanceOf(TaskCancelledError);
    openGate(end);
    await get(blocker);
    expect(await get(remote(() => 1, { numCpus: 2 }).remote())).toBe(1);
    expect(existsSync(marker)).toBe(false);
  });

  test('drops it while it waits for an argument', async () => {
    const [end, marker] = [gates.next(), gates.next()];
    const pending = remote(async (path: string) => passGate(path)).remote(end);
    const touch = remote((_x: unknown, path: string) => openGate(path));
    const queued = touch.remote(pending as ObjectRef<unknown>, marker);
    cancel(queued);
    const error = await rejection<TaskCancelledError>(get(queued));
    expect(error).toBeInstanceOf(TaskCancelledError);
    expect(error.code).toBe('ERR_EAGLERAY_TASK_CANCELLED');
    openGate(end);
    await get(pending);
    expect(existsSync(marker)).toBe(false);
  });

  test('fails what depends on it', async () => {
    const end = gates.next();
    const pending = remote(async (path: string) => passGate(path)).remote(end);
    const identity = remote((x: unknown) => x);
    const queued = identity.remote(pending as ObjectRef<unknown>);
    const dependent = identity.remote(queued);
    cancel(queued);
    expect(await rejection(get(dependent))).toBeInstanceOf(TaskCancelledError);
    openGate(end);
    await get(pending);
  });
});

describe('cancel of a running task', () => {
  test('rejects get at once and fires its signal', async () => {
    const [started, aborted] = [gates.next(), gates.next()];
    const task = remote(async (begun: string, seen: string) => {
      const { signal } = getRuntimeContext();
      openGate(begun);
      await new Promise((resolve) => signal!.addEventListener('abort', resolve));
      openGate(seen);
      return 'dropped';
    });
    const ref = task.options({ name: 'listener' }).remote(started, aborted);
    await passGate(started);
    cancel(ref);
    const error = await rejection(get(ref));
    expect(error).toBeInstanceOf(TaskCancelledError);
    expect(error).toMatchObject({ taskName: 'listener', taskId: ref.id });
    await passGate(aborted);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
  });

  test('isCanceled tells the truth in a loop that never yields', async () => {
    const [started, seen] = [gates.next(), gates.next()];
    const task = remote((begun: string, ended: string) => {
      openGate(begun);
      while (!getRuntimeContext().isCanceled);
      openGate(ended);
    });
    const ref = task.remote(started, seen);
    await passGate(started);
    cancel(ref);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    await passGate(seen);
  });

  test('isCanceled is false in the next task of that worker', async () => {
    const flags = await get(
      Array.from({ length: 4 }, () => remote(() => getRuntimeContext().isCanceled).remote()),
    );
    expect(flags).toEqual([false, false, false, false]);
  });

  test('force kills its worker, and it does not run again', async () => {
    const started = gates.next();
    const task = remote(
      (begun: string) => {
        openGate(begun);
        for (;;);
      },
      { maxRetries: 3 },
    );
    const ref = task.remote(started);
    await passGate(started);
    cancel(ref, { force: true });
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    expect(await get(remote(() => 1, { numCpus: 2 }).remote())).toBe(1);
  });

  test('force kills it also after it was cancelled without', async () => {
    const started = gates.next();
    const ref = remote((begun: string) => {
      openGate(begun);
      for (;;);
    }).remote(started);
    await passGate(started);
    cancel(ref);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    cancel(ref, { force: true });
    expect(await get(remote(() => 1, { numCpus: 2 }).remote())).toBe(1);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
  });

  test('leaves the tasks alone that run next in its worker', async () => {
    const seesIt = remote(() => {
      while (!getRuntimeContext().isCanceled);
    });
    const child = remote(() => 1, { numCpus: 0 });
    const innocent = remote(async () => {
      const { signal } = getRuntimeContext();
      for (let round = 0; round < 3; round++) await get(child.remote());
      return signal!.aborted;
    });
    for (let round = 0; round < 30; round++) {
      const [cancelled, ...others] = [seesIt.remote(), innocent.remote(), innocent.remote()];
      await sleep(round % 6);
      cancel(cancelled!);
      expect(await rejection(get(cancelled!))).toBeInstanceOf(TaskCancelledError);
      expect(await get(others)).toEqual([false, false]);
    }
  });

  test('leaves the tasks alone that an earlier task of its worker had started', async () => {
    const [end, started] = [gates.next(), gates.next()];
    const late = remote(async (path: string) => passGate(path), { numCpus: 0 });
    const parent = remote((path: string) => [late.remote(path)]);
    const [child] = await get(parent.remote(end));
    // Both CPUs are taken, so one of these runs where the parent ran.
    const names = [gates.next(), gates.next()];
    const waits = remote(async (begun: string, go: string) => {
      openGate(begun);
      await passGate(go);
    });
    const refs = names.map((name) => waits.remote(name, started));
    for (const name of names) await passGate(name);
    for (const ref of refs) cancel(ref);
    for (const ref of refs) expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    openGate(started);
    openGate(end);
    expect(await get(child!)).toBeUndefined();
  });

  test('reaches the tasks that it started', async () => {
    const [started, seen] = [gates.next(), gates.next()];
    const outer = remote(async (begun: string, ended: string) => {
      const inner = remote((b: string, e: string) => {
        openGate(b);
        while (!getRuntimeContext().isCanceled);
        openGate(e);
      });
      await get(inner.remote(begun, ended));
    });
    const ref = outer.remote(started, seen);
    await passGate(started);
    cancel(ref);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    await passGate(seen);
  });

  test('recursive: false leaves the tasks that it started alone', async () => {
    const [started, end, done] = [gates.next(), gates.next(), gates.next()];
    const outer = remote(async (begun: string, go: string, finished: string) => {
      const inner = remote(async (b: string, g: string, f: string) => {
        openGate(b);
        await passGate(g);
        if (!getRuntimeContext().isCanceled) openGate(f);
      });
      await get(inner.remote(begun, go, finished));
    });
    const ref = outer.remote(started, end, done);
    await passGate(started);
    cancel(ref, { recursive: false });
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    openGate(end);
    await passGate(done);
  });

  test.each(['get', 'getSync', 'wait', 'waitSync'] as const)(
    'interrupts a %s in it',
    async (how) => {
      const [started, end, name] = [gates.next(), gates.next(), gates.next()];
      const slow = remote(async (path: string) => passGate(path), { numCpus: 0 });
      const pending = slow.remote(end);
      const outer = remote(
        async (way: string, begun: string, seen: string, [ref]: [ObjectRef<void>]) => {
          const ray = await import('eagleray');
          openGate(begun);
          try {
            if (way === 'get') await ray.get(ref);
            if (way === 'getSync') ray.getSync(ref);
            if (way === 'wait') await ray.wait([ref]);
            if (way === 'waitSync') ray.waitSync([ref]);
          } catch (error) {
            if (error instanceof ray.TaskCancelledError && (await ray.get(ray.put(7))) === 7)
              openGate(seen);
          }
        },
      );
      const ref = outer.remote(how, started, name, [pending]);
      await passGate(started);
      cancel(ref, { recursive: false });
      expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
      await passGate(name);
      openGate(end);
      await get(pending);
    },
  );
});

test.each(['getSync', 'waitSync'] as const)(
  'a %s for a child that was cancelled with its parent ahead of it is interrupted all the same',
  async (how) => {
    const [started, ended, seen] = [gates.next(), gates.next(), gates.next()];
    const outer = remote(async (way: string, begun: string, over: string, told: string) => {
      const ray = await import('eagleray');
      const child = remote((path: string, end: string) => {
        openGate(path);
        while (!getRuntimeContext().isCanceled);
        openGate(end);
      });
      const ref = child.remote(begun, over);
      // The child is cancelled by this process, which so knows by now that its own task is.
      passGateSync(over);
      try {
        if (way === 'getSync') ray.getSync(ref);
        else ray.waitSync([ref]);
      } catch (error) {
        if (error instanceof ray.TaskCancelledError) openGate(told);
      }
    });
    const ref = outer.remote(how, started, ended, seen);
    await passGate(started);
    cancel(ref);
    await passGate(seen);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
  },
);

test.each(['getSync', 'waitSync'] as const)(
  'a %s for a child that is cancelled with its parent is interrupted, too',
  async (how) => {
    const [started, seen] = [gates.next(), gates.next()];
    const outer = remote(async (way: string, begun: string, told: string) => {
      const ray = await import('eagleray');
      const child = remote(async (path: string) => {
        openGate(path);
        await new Promise((resolve) =>
          getRuntimeContext().signal!.addEventListener('abort', resolve),
        );
      });
      const ref = child.remote(begun);
      try {
        if (way === 'getSync') ray.getSync(ref);
        else ray.waitSync([ref]);
      } catch (error) {
        if (error instanceof ray.TaskCancelledError) openGate(told);
      }
    });
    const ref = outer.remote(how, started, seen);
    await passGate(started);
    cancel(ref);
    await passGate(seen);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
  },
);

describe('cancel of a task that computes', () => {
  // The cancellation arrives before the task waits: availableResources() answers when the raylet has passed it on.
  test.each(['get', 'getSync', 'wait', 'waitSync'] as const)(
    'interrupts its next %s, once',
    async (how) => {
      const [started, go, seen, end] = [gates.next(), gates.next(), gates.next(), gates.next()];
      const slow = remote(async (path: string) => passGate(path), { numCpus: 0 });
      const pending = slow.remote(end);
      const quick = remote(() => 7, { numCpus: 0 });
      const outer = remote(
        async (way: string, begun: string, on: string, told: string, [ref]: [ObjectRef<void>]) => {
          const ray = await import('eagleray');
          openGate(begun);
          if (way.endsWith('Sync')) passGateSync(on);
          else await passGate(on);
          try {
            if (way === 'get') await ray.get(ref);
            if (way === 'getSync') ray.getSync(ref);
            if (way === 'wait') await ray.wait([ref]);
            if (way === 'waitSync') ray.waitSync([ref]);
          } catch (error) {
            if (!(error instanceof ray.TaskCancelledError)) return;
            // What cleans up may wait.
            if ((await ray.get(quick.remote())) === 7 && ray.getSync(quick.remote()) === 7)
              openGate(told);
          }
        },
      );
      const ref = outer.remote(how, started, go, seen, [pending]);
      await passGate(started);
      cancel(ref, { recursive: false });
      availableResources();
      openGate(go);
      await passGate(seen);
      expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
      openGate(end);
      await get(pending);
    },
  );

  test.each(['isCanceled', 'signal'] as const)(
    'does not interrupt what it awaits after it has seen it by %s',
    async (how) => {
      const [started, seen] = [gates.next(), gates.next()];
      const quick = remote(() => 7, { numCpus: 0 });
      const outer = remote(async (way: string, begun: string, ended: string) => {
        const ray = await import('eagleray');
        const { signal } = ray.getRuntimeContext();
        openGate(begun);
        if (way === 'isCanceled') while (!ray.getRuntimeContext().isCanceled);
        else await new Promise((resolve) => signal!.addEventListener('abort', resolve));
        if ((await ray.get(quick.remote())) === 7) openGate(ended);
      });
      const ref = outer.remote(how, started, seen);
      await passGate(started);
      cancel(ref, { recursive: false });
      await passGate(seen);
      expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    },
  );
});

describe('cancel does nothing', () => {
  test('to a task that has ended', async () => {
    const ref = remote(() => 5).remote();
    await get(ref);
    cancel(ref);
    expect(await get(ref)).toBe(5);
  });

  test('to what was put', async () => {
    const [small, large] = [put(1), put(new Float64Array(20_000))];
    cancel(small);
    cancel(large);
    expect(await get(small)).toBe(1);
    expect(await get(large)).toHaveLength(20_000);
  });

  test('and returns nothing', () => {
    expect(cancel(put(1))).toBeUndefined();
  });

  test('twice', async () => {
    const end = gates.next();
    const ref = remote(async (path: string) => passGate(path)).remote(end);
    cancel(ref);
    cancel(ref);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    openGate(end);
  });
});

describe('cancel of an actor call', () => {
  class Worker {
    log: string[] = [];
    async run(begun: string, end: string): Promise<void> {
      openGate(begun);
      await passGate(end);
    }
    note(text: string): string[] {
      this.log.push(text);
      return this.log;
    }
    spin(begun: string): boolean {
      openGate(begun);
      while (!getRuntimeContext().isCanceled);
      this.log.push('cancelled');
      return true;
    }
  }

  test('a queued one never runs and does not hold up others', async () => {
    const [started, end] = [gates.next(), gates.next()];
    const actor = remote(Worker).remote();
    const running = actor.run.remote(started, end);
    await passGate(started);
    const dropped = actor.note.remote('dropped');
    const kept = actor.note.remote('kept');
    cancel(dropped);
    expect(await rejection(get(dropped))).toBeInstanceOf(TaskCancelledError);
    openGate(end);
    await get(running);
    expect(await get(kept)).toEqual(['kept']);
  });

  test('a running one sees it, and the actor lives on', async () => {
    const started = gates.next();
    const actor = remote(Worker).remote();
    const ref = actor.spin.remote(started);
    await passGate(started);
    cancel(ref);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    expect(await get(actor.note.remote('after'))).toEqual(['cancelled', 'after']);
  });

  test('force is an InvalidArgumentError', async () => {
    const actor = remote(Worker).remote();
    const ref = actor.note.remote('x');
    expect(() => cancel(ref, { force: true })).toThrow(InvalidArgumentError);
    expect(await get(ref)).toEqual(['x']);
    // Also of one that has ended, so that it does not depend on who was faster.
    expect(() => cancel(ref, { force: true })).toThrow(InvalidArgumentError);
    const pair = actor.note.options({ numReturns: 2 }).remote('y') as unknown as (typeof ref)[];
    for (const part of pair) {
      expect(() => cancel(part, { force: true })).toThrow(InvalidArgumentError);
    }
    await get(pair);
  });

  test('a cancelled task reaches the calls that it made', async () => {
    const started = gates.next();
    const actor = remote(Worker).remote();
    const outer = remote(async (handle: typeof actor, begun: string) =>
      get(handle.spin.remote(begun)),
    );
    const ref = outer.remote(actor, started);
    await passGate(started);
    cancel(ref);
    expect(await rejection(get(ref))).toBeInstanceOf(TaskCancelledError);
    expect(await get(actor.note.remote('after'))).toEqual(['cancelled', 'after']);
  });
});

test.each([1, null, {}, []])('cancel(%o) is an InvalidArgumentError', (wrong) => {
  expect(() => cancel(wrong as unknown as ObjectRef<unknown>)).toThrow(InvalidArgumentError);
});

test('an unknown option is an InvalidArgumentError', () => {
  expect(() => cancel(put(1), { forced: true } as never)).toThrow(InvalidArgumentError);
});

test('blocking in a task is no obstacle to others', async () => {
  const [a, b] = [gates.next(), gates.next()];
  const meet = remote((mine: string, other: string) => {
    openGate(mine);
    passGateSync(other);
    return getSync(put(1));
  });
  expect(await get([meet.remote(a, b), meet.remote(b, a)])).toEqual([1, 1]);
});
