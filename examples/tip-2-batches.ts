/**
 * Tip 2 of Ray's "tips for first-time users": avoid tiny tasks.
 *
 * Starting a task costs some microseconds. A task that does less work than that is slower than a
 * plain call. The cure is a task that does many of them: 100,000 tiny tasks become 100 batches.
 */
import { clusterResources, get, init, remote, shutdown } from 'eagleray';
import { timed } from './stopwatch.ts';

const taskCount = 100_000;
const batchSize = 1_000;

function tinyWork(x: number): number {
  return Math.sqrt(x) % 1;
}

function batchOfWork(first: number, last: number): number[] {
  const results: number[] = [];
  for (let x = first; x < last; x++) {
    results.push(tinyWork(x));
  }
  return results;
}

const tiny = remote(tinyWork);
const batch = remote(batchOfWork);
const inputs = Array.from({ length: taskCount }, (_, x) => x);

await init();
const workers = Math.ceil(clusterResources()['CPU']!);
await get(Array.from({ length: workers }, () => batch.remote(0, 1))); // Both forms find warm workers.

const plain = await timed('plain, no tasks at all', () => inputs.map(tinyWork));

const slow = await timed(`slow, ${taskCount} tiny tasks`, () =>
  get(inputs.map((x) => tiny.remote(x))),
);

const fast = await timed(`fast, ${taskCount / batchSize} batches of ${batchSize}`, async () => {
  const firsts = inputs.filter((x) => x % batchSize === 0);
  const batches = await get(firsts.map((first) => batch.remote(first, first + batchSize)));
  return batches.flat();
});

const same = plain.every((result, i) => result === slow[i] && result === fast[i]);
console.log(`results: ${same ? 'the same' : 'different'}`);
await shutdown();
