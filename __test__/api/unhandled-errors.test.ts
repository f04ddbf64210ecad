/**
 * An error that nobody has looked at is reported once; one that somebody has handled, in whatever process, is not.
 *
 * Every situation has a runtime of its own: at its end all that nobody has looked at is reported, so nothing depends on
 * when garbage is collected.
 */

import {
  asCompleted,
  cancel,
  exitActor,
  get,
  getSync,
  init,
  kill,
  map,
  perProcess,
  put,
  remote,
  shutdown,
  wait,
  waitSync,
  type ObjectRef,
} from 'eagleray';
import { afterAll, describe, expect, test } from 'vitest';

import { isAlive } from '../examples/run-program.ts';
import { makeGates, openGate, passGate } from './gates.ts';

const gates = makeGates();

afterAll(() => gates.dispose());

/** Far beyond what anything here takes; only a defect waits for so long. */
const PATIENCE = { timeout: 20_000 };

/** A module that the driver has not loaded. */
const moduleUrl = new URL('programs/loads-anywhere.mjs', import.meta.url).href;

type Lent = { ref: ObjectRef<unknown> };

const boom = remote((): unknown => {
  throw new RangeError('inner');
});
const boomThree = remote((): [unknown, unknown, unknown] => {
  throw new RangeError('inner');
}).options({ numReturns: 3 });
const lateThree = remote(async (gate: string): Promise<[unknown, unknown, unknown]> => {
  await passGate(gate);
  throw new RangeError('inner');
}).options({ numReturns: 3 });
const same = remote((value: unknown) => value);

/** What a task does that looks at an error. */
async function handle(ref: ObjectRef<unknown>): Promise<string> {
  try {
    await get(ref);
    return 'no error';
  } catch {
    return 'handled';
  }
}

const handling = remote(({ ref }: Lent) => handle(ref));
const ignoring = remote((_lent: Lent) => 'ignored');
const waiting = remote(async ({ ref }: Lent) => (await wait([ref])).length);

class Keeper {
  private kept: ObjectRef<unknown> | undefined;
  keep({ ref }: Lent): number {
    this.kept = ref;
    return process.pid;
  }
  handle(): Promise<string> {
    return handle(this.kept!);
  }
  drop(): void {
    this.kept?.dispose();
    this.kept = undefined;
  }
  /** A ref of an error that this process owns. */
  async make(): Promise<Lent> {
    this.kept = boom.remote();
    await wait([this.kept]);
    return { ref: this.kept };
  }
  async keepForItself(): Promise<void> {
    this.kept = boom.remote();
    await wait([this.kept]);
  }
  leave(): void {
    exitActor();
  }
  fail(): unknown {
    throw new RangeError('inner');
  }
  pid(): number {
    return process.pid;
  }
}

/** A task whose worker leaves afterwards, with the ref of an error that it has for itself. */
const leavesWithErrorOf = (failing: { remote(): ObjectRef<unknown> }) =>
  remote(async () => {
    const ref = failing.remote();
    await wait([ref]);
    return ref === undefined;
  }).options({ maxCalls: 1 });

/** A ref of an error that is there. */
async function failed(): Promise<ObjectRef<unknown>> {
  const ref = boom.remote();
  await wait([ref]);
  return ref;
}

/** What is written on stderr while a situation lasts, with the start and the end of its runtime. */
async function reports(
  situation: (told: () => number) => Promise<unknown>,
): Promise<{ count: number; text: string }> {
  let text = '';
  const count = (): number => text.split('Unhandled task error').length - 1;
  const { write } = process.stderr;
  process.stderr.write = ((piece: string) => (text += String(piece)) !== '') as never;
  try {
    await init({ numCpus: 2 });
    await situation(count);
  } finally {
    await shutdown();
    process.stderr.write = write;
  }
  return { count: count(), text };
}

/** Ends an actor, and waits until its process is gone. */
async function killed(keeper: { pid: { remote(): ObjectRef<number> } }): Promise<void> {
  const pid = await get(keeper.pid.remote());
  kill(keeper as never);
  while (isAlive(pid)) await new Promise((resolve) => setTimeout(resolve, 2));
}

async function expectHandled(result: ObjectRef<unknown>): Promise<void> {
  expect(await get(result)).toBe('handled');
}

describe('is not reported if it was handled', () => {
  const situations: Record<string, () => Promise<unknown>> = {
    'by get in a task': () => expectHandled(handling.remote({ ref: boom.remote() })),
    'by getSync in a task': () =>
      expectHandled(
        remote(({ ref }: Lent) => {
          try {
            return getSync(ref);
          } catch {
            return 'handled';
          }
        }).remote({ ref: boom.remote() }),
      ),
    'by waitSync and then getSync in a task': () =>
      expectHandled(
        remote(({ ref }: Lent) => {
          waitSync([ref]);
          try {
            return getSync(ref);
          } catch {
            return 'handled';
          }
        }).remote({ ref: boom.remote() }),
      ),
    'by asCompleted and get in a task': () =>
      expectHandled(
        remote(async ({ ref }: Lent) => {
          for await (const ready of asCompleted([ref])) return handle(ready);
          return 'nothing';
        }).remote({ ref: boom.remote() }),
      ),
    'as an argument of map in a task': () =>
      expectHandled(
        remote(async ({ ref }: Lent) => {
          try {
            for await (const _ of map([ref], same));
            return 'no error';
          } catch {
            return 'handled';
          }
        }).remote({ ref: boom.remote() }),
      ),
    'by a closure that holds the ref': () => {
      const ref = boom.remote();
      return expectHandled(remote(() => handle(ref)).remote());
    },
    'out of a stored object': async () => {
      const stored = put({ ref: boom.remote() });
      await expectHandled(handling.remote(stored as never));
    },
    'as the failure of a task of another process': () =>
      expectHandled(
        remote(({ ref }: Lent) => handle(same.remote(ref))).remote({ ref: boom.remote() }),
      ),
    'as the failure of the last one of a chain': () =>
      handle(same.remote(same.remote(boom.remote()))),
    'by a task that a task has lent it to': () =>
      expectHandled(
        remote(async ({ ref }: Lent) => get(handling.remote({ ref }))).remote({
          ref: boom.remote(),
        }),
      ),
    'among others that were asked for in a task': async () => {
      const refs = [boom.remote(), boom.remote(), boom.remote()];
      const all = remote(async (list: ObjectRef<unknown>[]) => {
        try {
          return await get(list);
        } catch {
          return 'handled';
        }
      });
      await wait(refs, { numReturns: 3 });
      await expectHandled(all.remote(refs));
    },
    'by an actor, in a later call': async () => {
      const keeper = remote(Keeper).remote();
      await get(keeper.keep.remote({ ref: boom.remote() }));
      await expectHandled(keeper.handle.remote());
    },
    'by an actor, after its owner has let go of it': async () => {
      const keeper = remote(Keeper).remote();
      const ref = boom.remote();
      await wait([ref]);
      await get(keeper.keep.remote({ ref }));
      ref.dispose();
      await get(keeper.pid.remote());
      await expectHandled(keeper.handle.remote());
    },
    'by an actor that is killed then': async () => {
      const keeper = remote(Keeper).remote();
      await get(keeper.keep.remote({ ref: boom.remote() }));
      await expectHandled(keeper.handle.remote());
      await killed(keeper);
    },
    'by one of two that have it': async () => {
      const keeper = remote(Keeper).remote();
      const ref = boom.remote();
      await get(keeper.keep.remote({ ref }));
      await expectHandled(handling.remote({ ref }));
      ref.dispose();
      await get(keeper.drop.remote());
    },
    'by its owner, after others have had it': async () => {
      const ref = boom.remote();
      expect(await get(ignoring.remote({ ref }))).toBe('ignored');
      await handle(ref);
    },
    'by its owner, before others have it': async () => {
      const ref = boom.remote();
      await handle(ref);
      expect(await get(ignoring.remote({ ref }))).toBe('ignored');
    },
    'by another than the actor that owns it': async () => {
      const keeper = remote(Keeper).remote();
      const { ref } = await get(keeper.make.remote());
      await handle(ref);
      await get(keeper.drop.remote());
    },
    'by another than the actor that owned it and was killed': async () => {
      const keeper = remote(Keeper).remote();
      const { ref } = await get(keeper.make.remote());
      await killed(keeper);
      await handle(ref);
    },
    'by a task that got it before it was there': async () => {
      const gate = gates.next();
      const late = remote(async (path: string) => {
        await passGate(path);
        throw new RangeError('inner');
      });
      const handled = handling.remote({ ref: late.remote(gate) });
      openGate(gate);
      await expectHandled(handled);
    },
    'after all its attempts': async () => {
      const retried = boom.options({ maxRetries: 2, retryExceptions: true });
      await expectHandled(handling.remote({ ref: retried.remote() }));
    },
    'by one of the refs of its task': async () => {
      const [first] = boomThree.remote();
      await handle(first);
    },
    'by one of the refs of its task, and the others are gone before it is there': async () => {
      const gate = gates.next();
      const [first, ...others] = lateThree.remote(gate);
      for (const ref of others) ref.dispose();
      openGate(gate);
      await handle(first);
    },
    'by one of the refs of its task, after the others have gone': async () => {
      const [first, ...others] = boomThree.remote();
      await wait([first, ...others], { numReturns: 3 });
      for (const ref of others) ref.dispose();
      await get(boom.remote()).catch(() => undefined);
      await handle(first);
    },
    'in another process, by one of the refs of its task': async () => {
      const refs = boomThree.remote();
      await wait(refs, { numReturns: 3 });
      await expectHandled(handling.remote({ ref: refs[1] }));
    },
    'in another process, by one of the refs of its task before it was there': async () => {
      const gate = gates.next();
      const refs = lateThree.remote(gate);
      const handled = handling.remote({ ref: refs[2] });
      openGate(gate);
      await expectHandled(handled);
    },
    'in another process, by one of several refs of its task that were lent': async () => {
      const refs = boomThree.remote();
      await get(ignoring.remote({ ref: refs[0] }));
      await expectHandled(handling.remote({ ref: refs[1] }));
    },
    'by one of the refs of a task that has failed with it': async () => {
      const both = remote((value: unknown) => [value, value]).options({ numReturns: 2 });
      const [first] = both.remote(boom.remote());
      await handle(first!);
    },
    'and comes from a method': async () => {
      const keeper = remote(Keeper).remote();
      await expectHandled(handling.remote({ ref: keeper.fail.remote() }));
    },
    'and is larger than what travels by itself': () =>
      expectHandled(
        handling.remote({
          ref: remote(() => {
            throw new RangeError('inner '.repeat(40_000));
          }).remote(),
        }),
      ),
  };
  test.each(Object.entries(situations))('%s', async (_, situation) => {
    expect(await reports(situation)).toEqual({ count: 0, text: '' });
  });
});

describe('is reported once if nobody has looked at it', () => {
  const situations: Record<string, (told: () => number) => Promise<unknown>> = {
    'at all': async () => failed(),
    'by any of the refs of its task': async () => wait(boomThree.remote(), { numReturns: 3 }),
    'by any of the refs of its task, which have all gone': async (told) => {
      const refs = boomThree.remote();
      await wait(refs, { numReturns: 3 });
      for (const ref of refs) ref.dispose();
      await expect.poll(told, PATIENCE).toBe(1);
    },
    'by any of the refs of its task, which went before it was there': async (told) => {
      const gate = gates.next();
      for (const ref of lateThree.remote(gate)) ref.dispose();
      openGate(gate);
      await expect.poll(told, PATIENCE).toBe(1);
    },
    'by any of the refs of its task, all of which were lent': async () => {
      const refs = boomThree.remote();
      await wait(refs, { numReturns: 3 });
      for (const ref of refs) await get(ignoring.remote({ ref }));
    },
    'by any of the refs of its task, one of which was lent': async (told) => {
      const keeper = remote(Keeper).remote();
      const refs = boomThree.remote();
      await wait(refs, { numReturns: 3 });
      await get(keeper.keep.remote({ ref: refs[1] }));
      for (const ref of refs) ref.dispose();
      await get(keeper.pid.remote());
      expect(told()).toBe(0);
      await get(keeper.drop.remote());
      await expect.poll(told, PATIENCE).toBe(1);
    },
    'and it was waited for only': async () => {
      const ref = await failed();
      ref.dispose();
    },
    'and it was lent to a task': async () => {
      expect(await get(ignoring.remote({ ref: await failed() }))).toBe('ignored');
    },
    'and a task has waited for it only': async () => {
      await get(waiting.remote({ ref: await failed() }));
    },
    'and it was lent to an actor that was killed': async () => {
      const keeper = remote(Keeper).remote();
      await get(keeper.keep.remote({ ref: await failed() }));
      await killed(keeper);
    },
    'and an actor still has it': async () => {
      const keeper = remote(Keeper).remote();
      const ref = await failed();
      await get(keeper.keep.remote({ ref }));
      ref.dispose();
    },
    'and it was in a stored object': async () => {
      const ref = await failed();
      const stored = put({ ref });
      await get(remote((value: Lent) => Object.keys(value).length).remote(stored as never));
      ref.dispose();
      stored.dispose();
    },
    'and a closure held it': async () => {
      const ref = await failed();
      await get(remote(() => typeof ref).remote());
    },
    'and it failed a task that nobody has looked at': async () =>
      wait([same.remote(await failed())]),
    'and it failed a task of a borrower': async () => {
      await get(
        remote(async ({ ref }: Lent) => {
          const failed = same.remote(ref);
          await wait([failed]);
          failed.dispose();
          return 'ignored';
        }).remote({ ref: await failed() }),
      );
    },
    'and an actor owns it': async () => {
      const keeper = remote(Keeper).remote();
      const { ref } = await get(keeper.make.remote());
      ref.dispose();
    },
    'and its owner has let go of it before': async (told) => {
      const keeper = remote(Keeper).remote();
      const { ref } = await get(keeper.make.remote());
      await get(keeper.drop.remote());
      expect(told()).toBe(0);
      ref.dispose();
    },
    'and the actor that owned it was killed': async (told) => {
      const keeper = remote(Keeper).remote();
      const made = keeper.make.remote();
      const { ref } = await get(made);
      await killed(keeper);
      ref.dispose();
      expect(told()).toBe(0);
      // It is in there, too.
      made.dispose();
      await expect.poll(told, PATIENCE).toBe(1);
    },
    'and the actor that has it for itself leaves': async (told) => {
      const keeper = remote(Keeper).remote();
      await get(keeper.keepForItself.remote());
      keeper.leave.remote();
      await expect.poll(told, PATIENCE).toBe(1);
    },
    'and the runtime ends before the worker that has it for itself, which disposes of a value':
      async () => {
        const own = perProcess(() => ({}), { dispose: () => undefined });
        const keeps = remote(async () => {
          own();
          const ref = boom.remote();
          await wait([ref]);
          Object.assign(globalThis, { kept: ref });
        });
        await get(keeps.remote());
      },
    'and the worker that has it for itself is not used again': async (told) => {
      await get(leavesWithErrorOf(boom).remote());
      await expect.poll(told, PATIENCE).toBe(1);
    },
    'and its class is of a module that is not loaded': async () => {
      const fail = remote(async () => {
        const { AnywhereError } = (await import(moduleUrl)) as { AnywhereError: typeof Error };
        throw new AnywhereError('RangeError: inner');
      });
      await wait([fail.remote()]);
    },
    'as soon as the last one lets go of it': async (told) => {
      const keeper = remote(Keeper).remote();
      const ref = await failed();
      await get(keeper.keep.remote({ ref }));
      ref.dispose();
      await get(keeper.pid.remote());
      expect(told()).toBe(0);
      await get(keeper.drop.remote());
      await expect.poll(told, PATIENCE).toBe(1);
    },
    'as soon as the last one is killed': async (told) => {
      const keeper = remote(Keeper).remote();
      const ref = await failed();
      await get(keeper.keep.remote({ ref }));
      ref.dispose();
      expect(told()).toBe(0);
      await killed(keeper);
      await expect.poll(told, PATIENCE).toBe(1);
    },
    'and its message is larger than what travels by itself': async () => {
      const fail = remote(() => {
        throw new RangeError('inner '.repeat(40_000));
      });
      const ref = fail.remote();
      await wait([ref]);
      ref.dispose();
    },
    'and it has an array, and was lent': async () => {
      const fail = remote(() => {
        throw Object.assign(new RangeError('inner'), { array: new Float64Array(50_000).fill(1) });
      });
      const ref = fail.remote();
      await wait([ref]);
      await get(ignoring.remote({ ref }));
      ref.dispose();
    },
    'and it has an array': async () => {
      const fail = remote(() => {
        throw Object.assign(new RangeError('inner'), { array: new Float64Array(50_000).fill(1) });
      });
      const ref = fail.remote();
      await wait([ref]);
      ref.dispose();
    },
  };
  test.each(Object.entries(situations))('%s', async (_, situation) => {
    const { count, text } = await reports(situation);
    expect({ count, isTheError: text.includes('RangeError: inner') }).toEqual({
      count: 1,
      isTheError: true,
    });
  });
});

/** Its process ends while calls of it run or wait. */
class Mortal {
  crash(): void {
    process.kill(process.pid, 'SIGKILL');
  }
  async stay(gate: string): Promise<void> {
    await passGate(gate);
  }
  leave(): void {
    exitActor();
  }
  pid(): number {
    return process.pid;
  }
}

class Unmade {
  constructor() {
    throw new RangeError('inner');
  }
  call(): string {
    return 'called';
  }
}

const crashing = remote((): unknown => process.kill(process.pid, 'SIGKILL')).options({
  maxRetries: 0,
});

describe('is reported once if nobody has looked at it, though no user code has thrown it', () => {
  const situations: Record<string, [RegExp, (told: () => number) => Promise<unknown>]> = {
    'a task whose process crashed': [/WorkerCrashedError/, () => wait([crashing.remote()])],
    'a task that crashed and whose ref was dropped before': [
      /WorkerCrashedError/,
      async (told) => {
        crashing.remote().dispose();
        await expect.poll(told, PATIENCE).toBe(1);
      },
    ],
    'a task that crashed in each of its attempts': [
      /WorkerCrashedError/,
      () => wait([crashing.options({ maxRetries: 2 }).remote()]),
    ],
    'a task of several results that crashed': [
      /WorkerCrashedError/,
      () =>
        wait(crashing.options({ numReturns: 3 }).remote() as unknown as ObjectRef<unknown>[], {
          numReturns: 3,
        }),
    ],
    'a crashed task whose result was lent': [
      /WorkerCrashedError/,
      async () => {
        const ref = crashing.remote();
        await wait([ref]);
        expect(await get(ignoring.remote({ ref }))).toBe('ignored');
      },
    ],
    'a crashed task that was lent before it crashed': [
      /WorkerCrashedError/,
      async () => {
        const ref = crashing.remote();
        expect(await get(ignoring.remote({ ref }))).toBe('ignored');
        await wait([ref]);
      },
    ],
    'a task that has failed with a crash': [
      /WorkerCrashedError/,
      () => wait([same.remote(crashing.remote())]),
    ],
    'a crashed task of a task': [
      /WorkerCrashedError/,
      async (told) => {
        await get(leavesWithErrorOf(crashing).remote());
        await expect.poll(told, PATIENCE).toBe(1);
      },
    ],
    'a call whose actor crashed': [
      /ActorDiedError/,
      () => wait([remote(Mortal).remote().crash.remote()]),
    ],
    'a call of an actor that has crashed before': [
      /ActorDiedError/,
      async () => {
        const mortal = remote(Mortal).remote();
        await get(mortal.crash.remote()).catch(() => undefined);
        await wait([mortal.pid.remote()]);
      },
    ],
    'a call of an actor that is started again': [
      /ActorUnavailableError/,
      async () => {
        const mortal = remote(Mortal).options({ maxRestarts: 1 }).remote();
        await wait([mortal.crash.remote()]);
        await get(mortal.pid.remote());
      },
    ],
    'a call of an actor whose constructor has thrown': [
      /ActorDiedError[^]*RangeError: inner/,
      () => wait([remote(Unmade).remote().call.remote()]),
    ],
  };
  test.each(Object.entries(situations))('%s', async (_, [pattern, situation]) => {
    const { count, text } = await reports(situation);
    expect({ count, isTheError: pattern.test(text), text }).toEqual({
      count: 1,
      isTheError: true,
      text,
    });
  });
});

describe('is not reported if somebody has asked for it', () => {
  const gated = remote(passGate);
  const situations: Record<string, () => Promise<unknown>> = {
    'that was lost with its owner, and somebody held a signal of that or a ref': async () => {
      const holding = remote(async (_signal: AbortSignal, _lent: object) => 'held');
      const owning = remote(
        async () => {
          const never = remote(() => new Promise<void>(() => undefined)).options({ numCpus: 0 });
          const { signal } = new AbortController();
          return get([1, 2].map(() => holding.remote(signal, { ref: never.remote() })));
        },
        { maxCalls: 1 },
      );
      const gone = owning.remote();
      expect(await get(gone)).toEqual(['held', 'held']);
      // Its process ends with its only call.
      await get(owning.remote());
    },
    'a cancelled task that ran': async () => {
      const ref = gated.remote(gates.next());
      cancel(ref);
      await wait([ref]);
    },
    'a cancelled task that waited': async () => {
      const gate = gates.next();
      const refs = Array.from({ length: 20 }, () => gated.remote(gate));
      for (const ref of refs) cancel(ref);
      await wait(refs, { numReturns: 20 });
    },
    'a task that was cancelled by force': async () => {
      const ref = gated.remote(gates.next());
      await wait([ref], { timeoutMs: 50 });
      cancel(ref, { force: true });
      await wait([ref]);
    },
    'a task whose argument was cancelled': async () => {
      const ref = gated.remote(gates.next());
      const dependent = same.remote(ref);
      cancel(ref);
      await wait([dependent]);
    },
    'a cancelled task that was lent': async () => {
      const ref = gated.remote(gates.next());
      cancel(ref);
      await wait([ref]);
      expect(await get(ignoring.remote({ ref }))).toBe('ignored');
    },
    'a call that ran when its actor was killed': async () => {
      const mortal = remote(Mortal).options({ maxConcurrency: 2 }).remote();
      const call = mortal.stay.remote(gates.next());
      // It has begun by then: calls begin in their order.
      await get(mortal.pid.remote());
      kill(mortal);
      await wait([call]);
    },
    'a call of an actor that was killed, lent or not': async () => {
      const mortal = remote(Mortal).remote();
      await killed(mortal);
      const dead = mortal.pid.remote();
      await wait([dead]);
      expect(await get(ignoring.remote({ ref: dead }))).toBe('ignored');
    },
    'a call that was interrupted because its actor was to start again': async () => {
      const mortal = remote(Mortal).options({ maxConcurrency: 2, maxRestarts: 1 }).remote();
      const call = mortal.stay.remote(gates.next());
      // It has begun by then: calls begin in their order.
      await get(mortal.pid.remote());
      kill(mortal, { noRestart: false });
      await wait([call]);
      await get(mortal.pid.remote());
    },
    'a call of an actor that had no restarts left when it was killed': async () => {
      const mortal = remote(Mortal).options({ maxConcurrency: 2, maxRestarts: 0 }).remote();
      const call = mortal.stay.remote(gates.next());
      // It has begun by then: calls begin in their order.
      await get(mortal.pid.remote());
      kill(mortal, { noRestart: false });
      await wait([call]);
    },
    'a call of an actor that has left': async () => {
      const mortal = remote(Mortal).remote();
      await wait([mortal.leave.remote()]);
      await wait([mortal.pid.remote()]);
    },
    'a task that runs when the runtime ends': async () => {
      await wait([gated.remote(gates.next())], { timeoutMs: 50 });
    },
    'a call that runs when the runtime ends': async () => {
      const mortal = remote(Mortal).remote();
      await get(mortal.pid.remote());
      await wait([mortal.stay.remote(gates.next())], { timeoutMs: 50 });
    },
    'a crash that was handled': () => handle(crashing.remote()),
    'a crash that was handled in a task': () =>
      expectHandled(handling.remote({ ref: crashing.remote() })),
    'a crash of several results, one of which was handled': async () => {
      const refs = crashing.options({ numReturns: 3 }).remote() as unknown as ObjectRef<unknown>[];
      await handle(refs[1]!);
    },
  };
  test.each(Object.entries(situations))('%s', async (_, situation) => {
    expect(await reports(situation)).toEqual({ count: 0, text: '' });
  });
});
