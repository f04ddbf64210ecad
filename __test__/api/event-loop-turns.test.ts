/** Whoever executes call after call still has an event loop: its timers and sockets get their turn in between. */

import { get, init, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';

beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(async () => {
  await shutdown();
});

class Ticking {
  ticks = 0;
  readonly timer = setInterval(() => this.ticks++, 1);

  /** Works for a millisecond without a pause, and says how often the timer has come. */
  work(): number {
    const end = performance.now() + 1;
    while (performance.now() < end);
    return this.ticks;
  }
}

test('timers of an actor come while 300 calls of a millisecond each are queued', async () => {
  const actor = remote(Ticking).remote();
  const seen = await get(Array.from({ length: 300 }, () => actor.work.remote()));
  // A slice is 5 ms long, so they come about 60 times; once would mean that a turn ends at all.
  expect(new Set(seen).size).toBeGreaterThan(10);
});

test('timers of a worker come between its tasks', async () => {
  const work = remote((count: number) => {
    const own = globalThis as { ticksOfTest?: { count: number } };
    if (own.ticksOfTest === undefined) {
      const ticks = (own.ticksOfTest = { count: 0 });
      setInterval(() => ticks.count++, 1).unref();
    }
    const end = performance.now() + count;
    while (performance.now() < end);
    return [process.pid, own.ticksOfTest.count] as const;
  });
  const seen = await get(Array.from({ length: 300 }, () => work.remote(1)));
  const byWorker = new Map<number, Set<number>>();
  for (const [pid, ticks] of seen) byWorker.set(pid, (byWorker.get(pid) ?? new Set()).add(ticks));
  expect(Math.max(...[...byWorker.values()].map((ticks) => ticks.size))).toBeGreaterThan(10);
});
