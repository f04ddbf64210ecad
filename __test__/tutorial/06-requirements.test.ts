import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  availableResources,
  clusterResources,
  get,
  getRuntimeContext,
  init,
  remote,
  shutdown,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** Writes into `log` when it starts and when it ends, and does not end before `count` calls have started. */
function logged(log: string, count: number): void {
  appendFileSync(log, 'start\n');
  const clock = new Int32Array(new SharedArrayBuffer(4));
  while (readFileSync(log, 'utf8').split('start').length - 1 < count) {
    Atomics.wait(clock, 0, 0, 2);
  }
  appendFileSync(log, 'end\n');
}

/** How many calls ran at once at most. */
function largestConcurrency(log: string): number {
  let running = 0;
  let largest = 0;
  for (const line of readFileSync(log, 'utf8').trim().split('\n')) {
    running += line === 'start' ? 1 : -1;
    largest = Math.max(largest, running);
  }
  return largest;
}

class Actor {
  assigned(): { resources: Readonly<Record<string, number>>; gpus: string[] } {
    const context = getRuntimeContext();
    return { resources: context.assignedResources, gpus: context.acceleratorIds.GPU };
  }
}

describe('requirements of tasks and actors', () => {
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'eagleray-tutorial-'));
    await init({ numCpus: 8, numGpus: 4, resources: { Custom: 2 } });
  });

  afterAll(async () => {
    await shutdown();
    rmSync(directory, { recursive: true });
  });

  test('"@ray.remote(num_cpus=2, num_gpus=0.5)" on a task: it gets what it asked for', async () => {
    const task = remote(
      () => ({
        resources: getRuntimeContext().assignedResources,
        gpus: getRuntimeContext().acceleratorIds.GPU,
        visible: process.env['CUDA_VISIBLE_DEVICES'],
      }),
      { numCpus: 2, numGpus: 0.5 },
    );
    const { resources, gpus, visible } = await get(task.remote());
    expect(resources).toEqual({ CPU: 2, GPU: 0.5 });
    expect(gpus).toHaveLength(1);
    expect(visible).toBe(gpus[0]);
  });

  test('tasks of 2 CPUs each run four at a time on 8 CPUs, and never five', async () => {
    const log = join(directory, 'two-cpus');
    const task = remote(logged, { numCpus: 2 });
    await get(Array.from({ length: 8 }, () => task.remote(log, 4)));
    expect(largestConcurrency(log)).toBe(4);
  });

  test('a custom resource limits as CPUs do: two tasks at a time hold the 2 Custom', async () => {
    const log = join(directory, 'custom');
    const task = remote(logged, { numCpus: 0, resources: { Custom: 1 } });
    await get(Array.from({ length: 4 }, () => task.remote(log, 2)));
    expect(largestConcurrency(log)).toBe(2);
  });

  test('"@ray.remote(num_cpus=2, num_gpus=0.5) class Actor": an actor holds its resources while it lives', async () => {
    const RemoteActor = remote(Actor, { numCpus: 2, numGpus: 0.5 });
    const first = RemoteActor.remote();
    const second = RemoteActor.remote();
    const [one, two] = await get([first.assigned.remote(), second.assigned.remote()]);
    expect(one.resources).toEqual({ CPU: 2, GPU: 0.5 });
    expect(two.resources).toEqual({ CPU: 2, GPU: 0.5 });
    expect(two.gpus).toEqual(one.gpus); // Two halves fit on one GPU.
    expect(clusterResources()['CPU']! - availableResources()['CPU']!).toBe(4);
    expect(clusterResources()['GPU']! - availableResources()['GPU']!).toBe(1);
  });
});
