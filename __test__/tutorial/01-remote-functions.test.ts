import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { get, init, isInitialized, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

function regularFunction(): number {
  return 1;
}

const remoteFunction = remote(regularFunction);

/**
 * Says that `name` has started and blocks its process until `count` calls have started. That ends only if all
 * of them run at the same time, each in a process of its own.
 */
function meet(directory: string, name: string, count: number): number {
  writeFileSync(join(directory, name), '');
  const clock = new Int32Array(new SharedArrayBuffer(4));
  while (readdirSync(directory).length < count) {
    Atomics.wait(clock, 0, 0, 2);
  }
  return process.pid;
}

describe('remote functions and parallelism', () => {
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'eagleray-tutorial-'));
    await init({ numCpus: 4 });
  });

  afterAll(async () => {
    await shutdown();
    rmSync(directory, { recursive: true });
  });

  test('"Start Ray": init() starts the runtime inside this process', () => {
    expect(isInitialized()).toBe(true);
  });

  test('"assert regular_function() == 1": the original function stays as it was', () => {
    expect(regularFunction()).toBe(1);
  });

  test('"assert ray.get(object_id) == 1": a remote function gives the value of the original one', async () => {
    const ref = remoteFunction.remote();
    expect(await get(ref)).toBe(1);
  });

  test('a remote function runs in another process', async () => {
    const pid = await get(remote(() => process.pid).remote());
    expect(pid).toBeGreaterThan(0);
    expect(pid).not.toBe(process.pid);
  });

  test('"These happen serially": a function that was made remote still runs here when it is called as before', async () => {
    const order: string[] = [];
    const logged = (i: number): number => {
      order.push(`start ${i}`);
      const pid = process.pid;
      order.push(`end ${i}`);
      return pid;
    };
    const remoteLogged = remote(logged);
    expect(await get(remoteLogged.remote(9))).not.toBe(process.pid);
    expect([0, 1, 2, 3].map((i) => logged(i))).toEqual(
      Array.from({ length: 4 }, () => process.pid),
    );
    // The call in the worker had a copy of `order`; the calls here followed each other.
    expect(order).toEqual([0, 1, 2, 3].flatMap((i) => [`start ${i}`, `end ${i}`]));
  });

  test('"These happen in parallel": four calls of the remote function run at the same time', async () => {
    const remoteMeet = remote(meet);
    const pids = await get(
      [0, 1, 2, 3].map((i) => remoteMeet.remote(directory, `started-${i}`, 4)),
    );
    expect(new Set(pids).size).toBe(4);
    expect(pids).not.toContain(process.pid);
  });
});
