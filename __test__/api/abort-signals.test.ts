/** An `AbortSignal` travels: its abort reaches whatever it was given to, wherever that runs and however it came there. */

import { getEventListeners, once } from 'node:events';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import {
  type ObjectRef,
  availableResources,
  get,
  getSync,
  init,
  kill,
  put,
  remote,
  shutdown,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';

import { runProgram } from '../examples/run-program.ts';
import { collectGarbage } from '../setup/collect-garbage.ts';

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
});

/** Tells when tasks have come somewhere. */
const gate = () =>
  remote(
    class {
      reached = 0;
      waiting: (() => void)[] = [];
      async pass(): Promise<void> {
        this.reached++;
        for (const go of this.waiting.splice(0)) go();
      }
      async until(count: number): Promise<void> {
        while (this.reached < count) await new Promise<void>((go) => this.waiting.push(go));
      }
    },
  ).remote();

type Gate = ReturnType<typeof gate>;

/** Passes the gate, and gives the reason of the abort. */
const reasonOf = remote(async (signal: AbortSignal, started: Gate) => {
  started.pass.remote();
  if (!signal.aborted) await once(signal, 'abort');
  return signal.reason as unknown;
});

describe('the abort reaches', () => {
  test('a task that runs, with its reason', async () => {
    const started = gate();
    const controller = new AbortController();
    const ref = reasonOf.remote(controller.signal, started);
    await get(started.until.remote(1));
    controller.abort({ why: ['enough', 1n] });
    expect(await get(ref)).toEqual({ why: ['enough', 1n] });
    kill(started);
  });

  test('every task that was given it, before they start and afterwards', async () => {
    const started = gate();
    const controller = new AbortController();
    const refs = Array.from({ length: 6 }, () => reasonOf.remote(controller.signal, started));
    await get(started.until.remote(2));
    controller.abort();
    for (const reason of await get(refs)) {
      expect(reason).toBeInstanceOf(DOMException);
      expect((reason as DOMException).name).toBe('AbortError');
    }
    const late = reasonOf.remote(controller.signal, started);
    expect(await get(late)).toMatchObject({ name: 'AbortError' });
    kill(started);
  });

  test('where it went on to: nested tasks, objects in the store, captured variables', async () => {
    const started = gate();
    const controller = new AbortController();
    const { signal } = controller;
    const nested = remote(async (inner: AbortSignal, passed: Gate) =>
      get(reasonOf.remote(inner, passed)),
    ).remote(signal, started);
    const stored = remote(async ({ object }: { object: ObjectRef<{ signal: AbortSignal }> }) => {
      const { signal: held } = await get(object);
      started.pass.remote();
      await once(held, 'abort');
      return held.reason as unknown;
    }).remote({ object: put({ signal, beside: new Float64Array(20_000) }) });
    await get(started.until.remote(2));
    const captured = remote(async () => {
      started.pass.remote();
      if (!signal.aborted) await once(signal, 'abort');
      return signal.reason as unknown;
    }).remote();
    controller.abort('all');
    expect(await get([nested, stored, captured])).toEqual(['all', 'all', 'all']);
    kill(started);
  });

  test('an actor that keeps it, and only calls that are still at work', async () => {
    const holder = remote(
      class {
        readonly heard: unknown[] = [];
        readonly signal: AbortSignal;
        readonly aborted: Promise<unknown>;
        constructor(signal: AbortSignal) {
          this.signal = signal;
          this.aborted = once(signal, 'abort');
        }
        async first(): Promise<unknown> {
          await this.aborted;
          return this.signal.reason as unknown;
        }
        look(): boolean {
          return this.signal.aborted;
        }
      },
    );
    const controller = new AbortController();
    const actor = holder.options({ maxConcurrency: 2 }).remote(controller.signal);
    const reason = actor.first.remote();
    expect(await get(actor.look.remote())).toBe(false);
    controller.abort(1);
    expect(await get(reason)).toBe(1);
    kill(actor);
  });

  test('what an actor listens with after the call that brought it', async () => {
    const listening = remote(
      class {
        private readonly heard: unknown[] = [];
        private told: (() => void) | undefined;
        listen({ signal }: { signal: AbortSignal }): void {
          signal.addEventListener('abort', () => {
            this.heard.push(signal.reason);
            this.told?.();
          });
        }
        /** Nobody but its listeners knows of the signal any more. */
        async afterGarbage(): Promise<void> {
          const { setFlagsFromString } = await import('node:v8');
          const { runInNewContext } = await import('node:vm');
          setFlagsFromString('--expose-gc');
          for (let round = 0; round < 5; round++) {
            (runInNewContext('gc') as () => void)();
            await new Promise((resolve) => setImmediate(resolve));
          }
        }
        async all(): Promise<unknown[]> {
          while (this.heard.length === 0) await new Promise<void>((go) => (this.told = go));
          return this.heard;
        }
      },
    );
    const controller = new AbortController();
    const actor = listening.options({ maxConcurrency: 2 }).remote();
    await get(actor.listen.remote({ signal: controller.signal }));
    await get(actor.afterGarbage.remote());
    const heard = actor.all.remote();
    controller.abort('later');
    expect(await get(heard)).toEqual(['later']);
    kill(actor);
  });

  test('others, though a listener at home stops the event', async () => {
    const started = gate();
    const controller = new AbortController();
    controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
    const ref = reasonOf.remote(controller.signal, started);
    await get(started.until.remote(1));
    controller.abort('stopped');
    expect(await get(ref)).toBe('stopped');
    kill(started);
  });

  test('nothing, once what it was given to has ended', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = remote((given: AbortSignal) => given.aborted);
    expect(await get(aborted.remote(signal))).toBe(false);
    controller.abort('too late');
    expect(await get(aborted.remote(signal))).toBe(true);
  });

  test('a driver that a task gave it to', async () => {
    const maker = remote(
      class {
        controller = new AbortController();
        signal(): AbortSignal {
          return this.controller.signal;
        }
        abort(reason: unknown): void {
          this.controller.abort(reason);
        }
      },
    ).remote();
    const signal = await get(maker.signal.remote());
    expect(signal).toBeInstanceOf(AbortSignal);
    expect(signal.aborted).toBe(false);
    const heard = once(signal, 'abort');
    maker.abort.remote('from there');
    await heard;
    expect(signal.reason).toBe('from there');
    kill(maker);
  });

  test('what depends on it there: fetch, timers', async () => {
    const server = http.createServer(() => undefined).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const controller = new AbortController();
    const fetched = remote(async (address: string, signal: AbortSignal) => {
      try {
        return await fetch(address, { signal });
      } catch (error) {
        return (error as Error).name;
      }
    }).remote(`http://127.0.0.1:${port}/`, controller.signal);
    await once(server, 'request');
    controller.abort();
    expect(await get(fetched)).toBe('AbortError');
    server.closeAllConnections();
    server.close();
    const slept = remote(async (signal: AbortSignal) => delay(1e8, undefined, { signal })).remote(
      controller.signal,
    );
    await expect(get(slept)).rejects.toMatchObject({ cause: { name: 'AbortError' } });
  });

  test('what was given a signal of several, or of a time', async () => {
    const started = gate();
    const controller = new AbortController();
    const any = AbortSignal.any([controller.signal, new AbortController().signal]);
    const of = reasonOf.remote(any, started);
    const timed = reasonOf.remote(AbortSignal.timeout(50), started);
    expect(await get(timed)).toMatchObject({ name: 'TimeoutError' });
    controller.abort('one of them');
    expect(await get(of)).toBe('one of them');
    kill(started);
  });
});

/** Makes signals, and aborts them. */
const owner = remote(
  class {
    controller = new AbortController();
    signal(): AbortSignal {
      return this.controller.signal;
    }
  },
);

describe('where its owner has ended', () => {
  test('it aborts no more, here or where it goes on to', async () => {
    const maker = owner.remote();
    const signal = await get(maker.signal.remote());
    const heard = vi.fn<() => void>();
    signal.addEventListener('abort', heard);
    const started = gate();
    const controller = new AbortController();
    const waits = remote(async (lost: AbortSignal, live: AbortSignal, passed: Gate) => {
      passed.pass.remote();
      await once(live, 'abort');
      return lost.aborted;
    }).remote(signal, controller.signal, started);
    await get(started.until.remote(1));
    kill(maker);
    await expect(get(maker.signal.remote())).rejects.toThrow(/killed|ended|died/i);
    const given = remote((lost: AbortSignal) => lost.aborted);
    expect(await get(given.remote(signal))).toBe(false);
    controller.abort();
    expect(await get(waits)).toBe(false);
    expect(heard).not.toHaveBeenCalled();
    expect(signal.aborted).toBe(false);
    kill(started);
  });

  test('a program with such a signal ends', async () => {
    const program = `
      import { get, init, kill, remote } from 'eagleray';
      await init({ numCpus: 1 });
      class Owner { controller = new AbortController(); signal() { return this.controller.signal; } }
      const maker = remote(Owner).remote();
      globalThis.signal = await get(maker.signal.remote());
      signal.addEventListener('abort', () => console.log('aborted'));
      kill(maker);
      console.log(await get(remote((signal) => signal.aborted).remote(signal)));
    `;
    const outcome = await runProgram(program, { execArgv: ['--input-type=module', '-e'] });
    expect(outcome).toEqual({ code: 0, stdout: 'false\n', stderr: '' });
  });
});

describe('what it is', () => {
  test('one signal: at home itself, and once inside a value', async () => {
    const { signal } = new AbortController();
    const back = await get(remote((given: unknown) => given).remote({ a: signal, b: [signal] }));
    expect(back).toEqual({ a: signal, b: [signal] });
    expect((back as { a: unknown }).a).toBe(signal);
    expect(getSync(put({ signal })).signal).toBe(signal);
    const same = await get(
      remote((a: { s: unknown }) => Object.values(a).every((each) => each === a.s)).remote({
        s: signal,
        t: signal,
      } as { s: unknown }),
    );
    expect(same).toBe(true);
  });

  test('at home itself, also out of an actor', async () => {
    const echo = remote(
      class {
        kept: unknown;
        give(options: { signal: AbortSignal }): AbortSignal {
          this.kept = options;
          return options.signal;
        }
        again(): unknown {
          return this.kept;
        }
      },
    ).remote();
    const { signal } = new AbortController();
    expect(await get(echo.give.remote({ signal }))).toBe(signal);
    expect(((await get(echo.again.remote())) as { signal: unknown }).signal).toBe(signal);
    kill(echo);
  });

  test('one that has aborted arrives so', async () => {
    const look = remote((signal: AbortSignal) => [signal.aborted, signal.reason as unknown]);
    expect(await get(look.remote(AbortSignal.abort('before')))).toEqual([true, 'before']);
    const [aborted, reason] = await get(look.remote(AbortSignal.abort()));
    expect(aborted).toBe(true);
    expect(reason).toBeInstanceOf(DOMException);
  });

  test('a reason that can not travel is described', async () => {
    const started = gate();
    const controller = new AbortController();
    const ref = reasonOf.remote(controller.signal, started);
    await get(started.until.remote(1));
    controller.abort(new WeakMap());
    expect(await get(ref)).toMatchObject({ name: 'AbortError', message: /WeakMap/ });
    kill(started);
  });
});

describe('nothing is kept', () => {
  // The API doesn't count objects. The native module does, in the same answer that available resources are taken from.
  const dist = dirname(fileURLToPath(import.meta.resolve('eagleray')));
  const binary = readdirSync(dist).find((name) => name.endsWith('.node'))!;
  const native = createRequire(import.meta.url)(join(dist, binary)) as {
    Runtime: { prototype: { node(): { objects: number } } };
  };
  const node = vi.spyOn(native.Runtime.prototype, 'node');

  afterAll(() => node.mockRestore());

  /** Objects of which more than one process knows. */
  function objects(): number {
    availableResources();
    const { value } = node.mock.results.at(-1) as { value: { objects: number } };
    node.mockClear();
    return value.objects;
  }

  /** Collects garbage until few objects are left. It never is, if something keeps them. */
  async function untilFew(most: number): Promise<void> {
    while (objects() > most) {
      collectGarbage();
      await turn();
    }
  }
  const look = remote((signal: AbortSignal) => signal.aborted);

  test('signals whose tasks have ended leave nothing in the runtime', async () => {
    const before = objects();
    await Promise.all(
      Array.from({ length: 300 }, () => get(look.remote(new AbortController().signal))),
    );
    expect(objects()).toBeGreaterThan(before + 200);
    // Some of the last turn may still be on the stack.
    await untilFew(before + 20);
  });

  test('one signal for many tasks has one object, and one listener', async () => {
    const controller = new AbortController();
    const before = objects();
    for (let round = 0; round < 20; round++) {
      await Promise.all(Array.from({ length: 50 }, () => get(look.remote(controller.signal))));
    }
    expect(objects()).toBeLessThan(before + 20);
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(1);
    controller.abort();
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
    expect(await get(look.remote(controller.signal))).toBe(true);
  });

  test('signals that depend on a long-lived one, or on a time, are kept no longer than they are used', async () => {
    const long = new AbortController();
    const before = objects();
    for (const make of [
      () => AbortSignal.any([long.signal, new AbortController().signal]),
      () => AbortSignal.timeout(1e8),
    ]) {
      for (let round = 0; round < 20; round++) {
        await Promise.all(Array.from({ length: 100 }, () => get(look.remote(make()))));
      }
      // Those of the last rounds are looked through when more have come.
      await untilFew(before + 600);
    }
  });

  test('a signal that is still used somewhere is heard, however many others come and go', async () => {
    const long = new AbortController();
    const dependent = (): AbortSignal => AbortSignal.any([long.signal]);
    const started = gate();
    const keeper = remote(
      class {
        kept: AbortSignal[] = [];
        keep(signal: AbortSignal): void {
          this.kept.push(signal);
        }
        async reasons(): Promise<unknown[]> {
          for (const signal of this.kept) if (!signal.aborted) await once(signal, 'abort');
          return this.kept.map((signal) => signal.reason as unknown);
        }
      },
    )
      .options({ maxConcurrency: 2 })
      .remote();
    const runs = reasonOf.remote(dependent(), started);
    // A task that has ended gave it on.
    await get(
      remote((actor: typeof keeper, signal: AbortSignal) => get(actor.keep.remote(signal))).remote(
        keeper,
        dependent(),
      ),
    );
    const stored = put({ signal: dependent(), beside: new Float64Array(20_000) });
    const again = dependent();
    await get(started.until.remote(1));
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 100 }, () => get(look.remote(dependent()))));
      expect(await get(look.remote(again))).toBe(false);
      collectGarbage();
    }
    const late = reasonOf.remote(again, started);
    const outOfStore = remote(async (value: { signal: AbortSignal }, passed: Gate) => {
      passed.pass.remote();
      await once(value.signal, 'abort');
      return value.signal.reason as unknown;
    }).options({ numCpus: 0 });
    const last = outOfStore.remote(stored, started);
    await get(started.until.remote(3));
    const reasons = keeper.reasons.remote();
    long.abort('at last');
    expect(await get([runs, late, last])).toEqual(['at last', 'at last', 'at last']);
    expect(await get(reasons)).toEqual(['at last']);
    kill(started);
    kill(keeper);
  });

  test('a signal that outlives runtimes has no listener of theirs', async () => {
    const program = `
      import { getEventListeners } from 'node:events';
      import { get, init, remote, shutdown } from 'eagleray';
      const controller = new AbortController();
      const look = remote((signal) => signal.aborted);
      for (let i = 0; i < 3; i++) {
        await init({ numCpus: 1 });
        await get(look.remote(controller.signal));
        await shutdown();
        console.log(getEventListeners(controller.signal, 'abort').length);
      }
      controller.abort();
    `;
    const outcome = await runProgram(program, { execArgv: ['--input-type=module', '-e'] });
    expect(outcome).toEqual({ code: 0, stdout: '0\n0\n0\n', stderr: '' });
  });

  test('a signal that nobody aborts keeps no program and no worker', async () => {
    const program = `
      import { get, init, remote, shutdown } from 'eagleray';
      await init({ numCpus: 1 });
      const keep = remote((signal) => (globalThis.kept = signal).aborted, { maxCalls: 1 });
      for (let i = 0; i < 3; i++) console.log(await get(keep.remote(new AbortController().signal)));
    `;
    const outcome = await runProgram(program, { execArgv: ['--input-type=module', '-e'] });
    expect(outcome).toEqual({ code: 0, stdout: 'false\nfalse\nfalse\n', stderr: '' });
  });
});
