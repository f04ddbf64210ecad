import { get, init, remote, shutdown } from 'eagleray';
import type { ActorHandle } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

class Counter {
  value = 0;

  increment(): number {
    this.value += 1;
    return this.value;
  }
}

/** An actor that uses another one. */
class Clerk {
  counter: ActorHandle<Counter>;

  constructor(counter: ActorHandle<Counter>) {
    this.counter = counter;
  }

  async countTwice(): Promise<number> {
    await get(this.counter.increment.remote());
    return get(this.counter.increment.remote());
  }
}

async function incrementThrice(counter: ActorHandle<Counter>): Promise<number[]> {
  return get([0, 1, 2].map(() => counter.increment.remote()));
}

const RemoteCounter = remote(Counter);

describe('handles as arguments', () => {
  beforeAll(async () => {
    await init({ numCpus: 4 });
  });

  afterAll(async () => {
    await shutdown();
  });

  test('"Actor handles can be passed into other tasks"', async () => {
    const counter = RemoteCounter.remote();
    const task = remote(incrementThrice);
    const seen = await get([0, 1, 2, 3].map(() => task.remote(counter)));
    // Four tasks shared one counter: every value from 1 to 12 was given out once.
    expect(seen.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
    expect(await get(counter.increment.remote())).toBe(13);
  });

  test('handles can be passed to other actors', async () => {
    const counter = RemoteCounter.remote();
    const clerk = remote(Clerk).remote(counter);
    expect(await get(clerk.countTwice.remote())).toBe(2);
    expect(await get(counter.increment.remote())).toBe(3);
  });

  test('handles can be stored inside objects', async () => {
    const counter = RemoteCounter.remote();
    const task = remote(async (office: { counters: ActorHandle<Counter>[] }) =>
      get(office.counters[0]!.increment.remote()),
    );
    expect(await get(task.remote({ counters: [counter] }))).toBe(1);
    expect(await get(counter.increment.remote())).toBe(2);
  });
});
