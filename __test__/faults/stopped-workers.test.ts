/** Workers that do nothing any more, because somebody has stopped their process, are ended like all others, and what they held comes back. */
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';

import {
  ActorDiedError,
  TaskCancelledError,
  availableResources,
  cancel,
  get,
  init,
  kill,
  perProcess,
  remote,
  shutdown,
} from 'eagleray';
import { Trainable, Tuner } from 'eagleray/tune';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { makeGates } from '../api/gates.ts';

/** More than a worker is given to answer, and far beyond what the rest takes. */
const PATIENCE = { timeout: 40_000, interval: 50 };

/** Stops the whole process, with all of its threads. */
const stopProcess = (): void => void process.kill(process.pid, 'SIGSTOP');

/** The state of a process, as one letter; undefined if it is gone. */
function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat[stat.lastIndexOf(')') + 2];
  } catch {
    return undefined;
  }
}

/** The processes that this one has started. */
function children(): number[] {
  return readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'utf8')
      .split(' ')
      .filter((pid) => pid !== '')
      .map(Number),
  );
}

/** The one child that is stopped, as soon as it is. */
async function stoppedChild(): Promise<number> {
  let stopped: number[] = [];
  const look = (): number => (stopped = children().filter((pid) => stateOf(pid) === 'T')).length;
  await expect.poll(look, PATIENCE).toBe(1);
  return stopped[0]!;
}

const isGone = (pid: number) => expect.poll(() => stateOf(pid), PATIENCE).toBeUndefined();

const isFree = () => expect.poll(() => availableResources()['CPU'], PATIENCE).toBe(1);

const square = remote((n: number) => n * n);

beforeEach(async () => {
  await init({ numCpus: 1 });
});

afterEach(async () => {
  await shutdown();
});

describe('a stopped worker', () => {
  test('is killed when its task is cancelled with force', async () => {
    const ref = remote(stopProcess).remote();
    const pid = await stoppedChild();
    cancel(ref, { force: true });
    await expect(get(ref)).rejects.toThrow(TaskCancelledError);
    await isGone(pid);
    await isFree();
    expect(await get(square.remote(3))).toBe(9);
  });

  test('does not keep what waits behind its cancelled task', async () => {
    const ref = remote(stopProcess).remote();
    const after = square.remote(4);
    const pid = await stoppedChild();
    cancel(ref, { force: true });
    expect(await get(after)).toBe(16);
    await isGone(pid);
  });

  test('is killed with its actor', async () => {
    class Stopping {
      async stop(): Promise<void> {
        process.kill(process.pid, 'SIGSTOP');
        await Promise.resolve();
      }
    }
    const actor = remote(Stopping, { numCpus: 1 }).remote();
    const ref = actor.stop.remote();
    const pid = await stoppedChild();
    kill(actor);
    await expect(get(ref)).rejects.toThrow(ActorDiedError);
    await isGone(pid);
    await isFree();
  });

  test.each(['with nothing to do at the end', 'that disposes of a value at the end'])(
    '%s is gone after shutdown()',
    async (what) => {
      const value = perProcess(() => 1, { dispose: () => undefined });
      const disposes = what.includes('disposes');
      const ref = remote(() => {
        if (disposes) value();
        process.kill(process.pid, 'SIGSTOP');
      }).remote();
      const waits = get(ref).catch((error: unknown) => error);
      const pid = await stoppedChild();
      await shutdown();
      expect(stateOf(pid)).toBeUndefined();
      expect(await waits).toMatchObject({ name: 'NotInitializedError' });
    },
  );
});

describe('a trial whose process is stopped', () => {
  class Stopping extends Trainable {
    step(): { loss: number } {
      process.kill(process.pid, 'SIGSTOP');
      return { loss: 1 };
    }
  }

  test.each([
    ['function', stopProcess as () => never],
    ['class', Stopping],
  ])('ends at its timeout: a %s', async (_kind, trainable) => {
    const fitting = new Tuner(trainable, {
      metric: 'loss',
      mode: 'min',
      storagePath: null,
      reporter: 'silent',
      trialTimeoutMs: 3_000,
    }).fit();
    const pid = await stoppedChild();
    const results = await fitting;
    expect(results.at(0)!.error?.name).toBe('TrialTimeoutError');
    await isGone(pid);
    await isFree();
  });
});

describe('a worker that never comes back to its event loop', () => {
  /** What a task has written of its process; 0 while it has not. */
  const pidIn = (file: string): number =>
    existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  const waitForEver = (): void => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
  const turnForEver = (): void => {
    for (;;);
  };

  test.each([
    ['computes', turnForEver],
    ['is in native code', waitForEver],
  ])('is killed when its task is cancelled with force: it %s', async (_how, stuck) => {
    const gates = makeGates();
    try {
      const gate = gates.next();
      // Not before it has begun: a task that is cancelled before that never runs, and its worker lives on.
      const begin = remote((where: string) => {
        writeFileSync(where, String(process.pid));
        stuck();
      });
      const ref = begin.remote(gate);
      await expect.poll(() => pidIn(gate), PATIENCE).toBeGreaterThan(0);
      cancel(ref, { force: true });
      await expect(get(ref)).rejects.toThrow(TaskCancelledError);
      await isGone(pidIn(gate));
      await isFree();
    } finally {
      gates.dispose();
    }
  });
});
