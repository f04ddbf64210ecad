import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, getRuntimeContext, init, put, remote, shutdown, wait } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const megabyte = 2 ** 20;

/** Writes into `log` when it starts and when it ends, and does not end before `count` calls have started. */
function doSomeWork(log: string, count: number, x: number): number {
  appendFileSync(log, `start ${x}\n`);
  const clock = new Int32Array(new SharedArrayBuffer(4));
  while (readFileSync(log, 'utf8').split('start').length - 1 < count) {
    Atomics.wait(clock, 0, 0, 2);
  }
  appendFileSync(log, `end ${x}\n`);
  return x;
}

describe('the four tips', () => {
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'eagleray-tutorial-'));
    // There is room for one array of 80 MB and not for two.
    await init({ numCpus: 4, objectStoreMemory: 128 * megabyte });
  });

  afterAll(async () => {
    await shutdown();
    rmSync(directory, { recursive: true });
  });

  const linesOf = (log: string): string[] => readFileSync(log, 'utf8').trim().split('\n');

  test('"calling it after each remote operation means ... no parallelism"', async () => {
    const log = join(directory, 'early-get');
    const results: number[] = [];
    for (const x of [0, 1, 2, 3]) {
      results.push(await get(remote(doSomeWork).remote(log, 1, x)));
    }
    expect(results).toEqual([0, 1, 2, 3]);
    expect(linesOf(log)).toEqual([0, 1, 2, 3].flatMap((x) => [`start ${x}`, `end ${x}`]));
  });

  test('"Tip 1: Delay calling ray.get() as much as possible": all four tasks run at once', async () => {
    const log = join(directory, 'late-get');
    const work = remote(doSomeWork);
    const results = await get([0, 1, 2, 3].map((x) => work.remote(log, 4, x)));
    expect(results).toEqual([0, 1, 2, 3]);
    // No task ended before all of them had started.
    expect(linesOf(log).slice(0, 4).sort()).toEqual(['start 0', 'start 1', 'start 2', 'start 3']);
  });

  test('"Tip 2: remote tasks should take at least several milliseconds": ten batches do the work of 10,000 tasks', async () => {
    const tiny = remote((x: number) => ({
      taskId: getRuntimeContext().taskId,
      result: Math.sqrt(x),
    }));
    const batch = remote((first: number, last: number) => ({
      taskId: getRuntimeContext().taskId,
      results: Array.from({ length: last - first }, (_, i) => Math.sqrt(first + i)),
    }));
    const expected = Array.from({ length: 10_000 }, (_, x) => Math.sqrt(x));

    const tinyResults = await get(expected.map((_, x) => tiny.remote(x)));
    expect(tinyResults.map(({ result }) => result)).toEqual(expected);
    expect(new Set(tinyResults.map(({ taskId }) => taskId)).size).toBe(10_000);

    const batches = await get(
      Array.from({ length: 10 }, (_, i) => batch.remote(1_000 * i, 1_000 * (i + 1))),
    );
    expect(batches.flatMap(({ results }) => results)).toEqual(expected);
    expect(new Set(batches.map(({ taskId }) => taskId)).size).toBe(10);
  });

  test('"Tip 3: use ray.put() to store it once in the object store and then pass its ID"', async () => {
    const length = (80 * megabyte) / Float64Array.BYTES_PER_ELEMENT;
    const ref = put(new Float64Array(length).fill(1));
    const lengthAndLast = remote((array: Float64Array) => [array.length, array.at(-1)]);
    // The store could not hold a second copy: all ten tasks read the one that was put.
    const results = await get(Array.from({ length: 10 }, () => lengthAndLast.remote(ref)));
    expect(results).toEqual(Array.from({ length: 10 }, () => [length, 1]));
    ref.dispose();
  });

  test('"Tip 4: Use ray.wait() to process results as soon as they become available"', async () => {
    const gateOf = (x: number): string => join(directory, `gate-${x}`);
    const task = remote(async (gate: string, x: number) => {
      while (!existsSync(gate)) {
        await sleep(2);
      }
      return x;
    });
    let pending = [0, 1, 2, 3].map((x) => task.remote(gateOf(x), x));
    const order = [2, 0, 3, 1];
    const processed: number[] = [];
    for (const x of order) {
      // Each gate opens only when the result before was processed: `get` of the list would never end.
      writeFileSync(gateOf(x), '');
      const [ready, rest] = await wait(pending);
      processed.push(...(await get(ready)));
      pending = rest;
    }
    expect(processed).toEqual(order);
    expect(pending).toEqual([]);
  });
});
