/**
 * π by throwing darts: the share of random points of a square that lie within its inscribed circle
 * is π/4. Tasks throw the darts, and tell an actor how far they are, whose handle they were given.
 */
import { clusterResources, get, init, remote, shutdown, wait } from 'eagleray';
import type { ActorHandle } from 'eagleray';

const dartsPerTask = 10_000_000;
const dartsPerReport = 1_000_000;

/** Keeps count of the darts that were thrown so far, by all tasks. */
class Progress {
  thrown = 0;

  report(darts: number): void {
    this.thrown += darts;
  }

  soFar(): number {
    return this.thrown;
  }
}

/** Throws `darts` darts and gives the number of those within the circle. */
async function throwDarts(
  darts: number,
  dartsBetweenReports: number,
  progress: ActorHandle<Progress>,
): Promise<number> {
  const reports = [];
  let inside = 0;
  for (let first = 0; first < darts; first += dartsBetweenReports) {
    const last = Math.min(first + dartsBetweenReports, darts);
    for (let dart = first; dart < last; dart++) {
      const x = Math.random() * 2 - 1;
      const y = Math.random() * 2 - 1;
      if (x * x + y * y <= 1) {
        inside += 1;
      }
    }
    reports.push(progress.report.remote(last - first));
  }
  await get(reports);
  return inside;
}

const RemoteProgress = remote(Progress);
const sample = remote(throwDarts);

await init();
const taskCount = 2 * Math.ceil(clusterResources()['CPU']!);
const dartCount = taskCount * dartsPerTask;

const progress = RemoteProgress.remote();
const counts = Array.from({ length: taskCount }, () =>
  sample.remote(dartsPerTask, dartsPerReport, progress),
);

let unfinished = counts;
while (unfinished.length > 0) {
  [, unfinished] = await wait(counts, { numReturns: counts.length, timeoutMs: 100 });
  const thrown = await get(progress.soFar.remote());
  console.log(`${((100 * thrown) / dartCount).toFixed(0).padStart(3)} % of ${dartCount} darts`);
}

const inside = (await get(counts)).reduce((total, count) => total + count, 0);
console.log(`π is about ${((4 * inside) / dartCount).toFixed(4)}`);
await shutdown();
