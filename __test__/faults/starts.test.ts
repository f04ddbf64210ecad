/**
 * Worker processes that do not start: that take too long, end by themselves, or are killed by somebody else. What waits
 * for them gets an error that says so, or, where nothing was wrong with them, its worker.
 */

import { readFileSync, readdirSync } from 'node:fs';

import { ActorDiedError, WorkerCrashedError, get, init, remote, shutdown } from 'eagleray';
import { afterEach, describe, expect, test } from 'vitest';

import { rejection } from '../api/rejection.ts';

const PATIENCE = { timeoutMs: 30_000 };

afterEach(() => shutdown());

/** Node's arguments that run a text of JavaScript in each worker before anything else. */
const beforeAnything = (text: string): string[] => [
  '--import',
  `data:text/javascript,${encodeURIComponent(text)}`,
];

/** The processes that this one has started and that have not ended. */
function children(): number[] {
  return readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'utf8')
      .split(' ')
      .filter(Boolean)
      .map(Number),
  );
}

describe('a worker that is not ready in time', () => {
  const STARTS = { numCpus: 2, workerStartTimeoutMs: 300, logToDriver: false };
  const late = expect.stringMatching(/not ready within 300 ms.*workerStartTimeoutMs/);

  test.each([
    ['loops', 'for (;;);'],
    ['waits for good', 'await new Promise(() => setInterval(() => undefined, 1000));'],
    ['is blocked', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);'],
    ['has stopped itself', 'process.kill(process.pid, "SIGSTOP"); for (;;);'],
    [
      'takes no signal',
      'process.on("SIGTERM", () => undefined); await new Promise(() => setInterval(() => undefined, 9));',
    ],
  ])('and %s fails what waits for it', async (_, text) => {
    await init({ ...STARTS, workerExecArgv: beforeAnything(text) });
    const error = await rejection(get(remote(() => 1).remote(), PATIENCE));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ message: late });
  });

  test('fails each of many tasks, and an actor, and leaves no process', async () => {
    await init({ ...STARTS, workerExecArgv: beforeAnything('for (;;);') });
    const refs = Array.from({ length: 50 }, (_, index) => remote(() => index).remote());
    const errors = await Promise.all(refs.map((ref) => rejection(get(ref, PATIENCE))));
    expect(errors).toEqual(refs.map(() => expect.objectContaining({ message: late })));
    class Idle {
      ready() {}
    }
    const actor = remote(Idle).remote();
    expect(await rejection(get(actor.ready.remote(), PATIENCE))).toMatchObject({ message: late });
    await shutdown();
    expect(children()).toEqual([]);
  });

  test('shows what it has written before', async () => {
    const text = 'process.stderr.write("cannot reach the disk\\n"); for (;;);';
    // On a busy machine Node itself may take as long as that.
    await init({ ...STARTS, workerStartTimeoutMs: 3000, workerExecArgv: beforeAnything(text) });
    const error = await rejection(get(remote(() => 1).remote(), PATIENCE));
    expect(error).toMatchObject({ message: expect.stringContaining('cannot reach the disk') });
  });

  test('concerns tasks of its environment alone', async () => {
    await init({ ...STARTS, numCpus: 1, workerStartTimeoutMs: 3000 });
    const hung = remote(() => 1, {
      env: { NODE_OPTIONS: `--import "data:text/javascript,for(;;);"` },
    }).remote();
    const refused = rejection(get(hung, PATIENCE));
    for (let round = 0; round < 10; round += 1) {
      expect(await get(remote(() => 2).remote(), PATIENCE)).toBe(2);
    }
    expect(await refused).toBeInstanceOf(WorkerCrashedError);
    expect(await get(remote(() => 3).remote(), PATIENCE)).toBe(3);
  });

  test('is nothing to a task that takes longer than that', async () => {
    await init({ numCpus: 1, workerStartTimeoutMs: 3000 });
    const wait = remote(
      (milliseconds: number) =>
        new Promise((resolve) => void setTimeout(resolve, milliseconds, 'done')),
    );
    expect(await get(wait.remote(3500), PATIENCE)).toBe('done');
  });
});

describe('a worker that ends by itself while it starts', () => {
  test.each([
    ['exits', 'process.exit(7);', /exit code 7/],
    ['aborts', 'process.kill(process.pid, "SIGSEGV");', /SIGSEGV/],
    ['throws', 'throw new Error("no configuration");', /no configuration/],
    [
      'gets no thread of the system',
      'process.stderr.write("node[7]: pthread_create: Resource temporarily unavailable\\n"); process.abort();',
      /SIGABRT.*ulimit -u/,
    ],
  ])('and %s fails what waits for it', async (_, text, message) => {
    await init({ numCpus: 2, logToDriver: false, workerExecArgv: beforeAnything(text) });
    const error = await rejection(get(remote(() => 1).remote(), PATIENCE));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ message: expect.stringMatching(message) });
    class Idle {
      ready() {}
    }
    const died = await rejection(get(remote(Idle).remote().ready.remote(), PATIENCE));
    expect(died).toBeInstanceOf(ActorDiedError);
    expect(died).toMatchObject({ message: expect.stringMatching(message) });
  });
});

describe('workers that somebody kills while they start', () => {
  test.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    'by %s are started again, and no task fails',
    async (signal) => {
      await init({ numCpus: 2, logToDriver: false });
      const increment = remote((value: number) => value + 1, { maxRetries: -1 });
      const refs = Array.from({ length: 200 }, (_, index) => increment.remote(index));
      const killed = new Set<number>();
      const timer = setInterval(() => {
        for (const child of children()) {
          if (killed.size === 8 || killed.has(child)) continue;
          killed.add(child);
          process.kill(child, signal);
        }
      }, 5);
      const values = await get(refs, PATIENCE).finally(() => clearInterval(timer));
      expect(values).toEqual(refs.map((_, index) => index + 1));
      expect(killed.size).toBeGreaterThan(1);
    },
  );
});
