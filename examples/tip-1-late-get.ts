/**
 * Tip 1 of Ray's "tips for first-time users": delay calling get() as much as possible.
 *
 * `get` waits. Called after every `.remote()` it lets one task run at a time; called once, after
 * all of them were started, it lets them run in parallel.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { get, init, remote, shutdown } from 'eagleray';
import { timed } from './stopwatch.ts';

async function doSomeWork(x: number): Promise<number> {
  await sleep(200); // Stands for 200 ms of real work.
  return x;
}

const work = remote(doSomeWork);
const inputs = [0, 1, 2, 3];

// The work sleeps, so that four tasks can run at once whatever the machine has.
await init({ numCpus: 4 });
await get(inputs.map((x) => work.remote(x))); // Starts the four workers, so that both forms find them warm.

const slow = await timed('slow, get after each call', async () => {
  const results: number[] = [];
  for (const x of inputs) {
    results.push(await get(work.remote(x)));
  }
  return results;
});

const fast = await timed('fast, get after all calls', () => get(inputs.map((x) => work.remote(x))));

console.log(`results: ${slow.join(' ')} and ${fast.join(' ')}`);
await shutdown();
