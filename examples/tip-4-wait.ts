/**
 * Tip 4 of Ray's "tips for first-time users": process results as they come, with wait().
 *
 * `get` of a list waits for the slowest task before the first result can be used. `wait` gives the
 * results in the order in which they are ready, and the work on them overlaps with the tasks
 * that still run.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { get, init, remote, shutdown, wait } from 'eagleray';
import { timed } from './stopwatch.ts';

const durationsMs = [400, 100, 300, 200];

async function doSomeWork(durationMs: number): Promise<number> {
  await sleep(durationMs); // Stands for real work, of which some takes longer.
  return durationMs;
}

async function processResult(result: number): Promise<number> {
  await sleep(100); // Stands for 100 ms of real work.
  return result;
}

const work = remote(doSomeWork);

// The work sleeps, so that four tasks can run at once whatever the machine has.
await init({ numCpus: durationsMs.length });
await get(durationsMs.map(() => work.remote(0))); // Most of the workers have started by then.

const slow = await timed('slow, all results first', async () => {
  const processed: number[] = [];
  for (const result of await get(durationsMs.map((durationMs) => work.remote(durationMs)))) {
    processed.push(await processResult(result));
  }
  return processed;
});

const fast = await timed('fast, each result as it comes', async () => {
  const processed: number[] = [];
  let pending = durationsMs.map((durationMs) => work.remote(durationMs));
  while (pending.length > 0) {
    const [ready, rest] = await wait(pending);
    for (const ref of ready) {
      processed.push(await processResult(await get(ref)));
    }
    pending = rest;
  }
  return processed;
});

console.log(`order of processing: ${slow.join(' ')} and ${fast.join(' ')}`);
await shutdown();
