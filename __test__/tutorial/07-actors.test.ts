import { get, init, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

class Counter {
  value = 0;

  increment(): number {
    this.value += 1;
    return this.value;
  }

  pid(): number {
    return process.pid;
  }
}

const RemoteCounter = remote(Counter);

describe('actors', () => {
  beforeAll(async () => {
    await init({ numCpus: 4 });
  });

  afterAll(async () => {
    await shutdown();
  });

  test('"obj_id = a1.increment.remote(); ray.get(obj_id) == 1"', async () => {
    const a1 = RemoteCounter.remote();
    const ref = a1.increment.remote();
    expect(await get(ref)).toBe(1);
  });

  test('"An actor is essentially a stateful worker": its state lasts from call to call', async () => {
    const counter = RemoteCounter.remote();
    const values = await get(Array.from({ length: 100 }, () => counter.increment.remote()));
    // The calls of one caller run in the order in which they were made.
    expect(values).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  });

  test('every instance has a state of its own', async () => {
    const a1 = RemoteCounter.remote();
    const a2 = RemoteCounter.remote();
    await get([a1.increment.remote(), a1.increment.remote(), a2.increment.remote()]);
    expect(await get([a1.increment.remote(), a2.increment.remote()])).toEqual([3, 2]);
  });

  test('"Each actor runs in its own Python process", here in its own Node process', async () => {
    const counters = Array.from({ length: 3 }, () => RemoteCounter.remote());
    const pids = await get(counters.map((counter) => counter.pid.remote()));
    expect(new Set([...pids, process.pid]).size).toBe(4);
    // It stays the same process.
    expect(await get(counters.map((counter) => counter.pid.remote()))).toEqual(pids);
  });

  test('the regular class stays as it was', () => {
    const counter = new Counter();
    expect(counter.increment()).toBe(1);
    expect(counter.pid()).toBe(process.pid);
  });
});
