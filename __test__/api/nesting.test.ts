import { get, getSync, init, remote, shutdown, wait, waitSync, availableResources } from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';

/** With one CPU, everything that waits has to give it back. */
beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(async () => {
  await shutdown();
});

const leaf = remote((x: number) => x + 1);

test('a task that waits in get gives its CPU back', async () => {
  const outer = remote(async (x: number) => (await get(leaf.remote(x))) * 2);
  expect(await get(outer.remote(1))).toBe(4);
});

test('a task that waits in getSync gives its CPU back', async () => {
  const outer = remote((x: number) => getSync(leaf.remote(x)) * 2);
  expect(await get(outer.remote(1))).toBe(4);
});

test('a task that waits in wait gives its CPU back', async () => {
  const outer = remote(async (x: number) => {
    const [ready] = await wait([leaf.remote(x)]);
    return get(ready[0]!);
  });
  expect(await get(outer.remote(1))).toBe(2);
});

test('a task that waits in waitSync gives its CPU back', async () => {
  const outer = remote((x: number) => {
    const [ready] = waitSync([leaf.remote(x)]);
    return getSync(ready[0]!);
  });
  expect(await get(outer.remote(1))).toBe(2);
});

test('nesting is five deep on one CPU', async () => {
  const deep = remote(async function deep(n: number): Promise<number> {
    return n === 0 ? 0 : (await get(remote(deep).remote(n - 1))) + 1;
  });
  expect(await get(deep.remote(5))).toBe(5);
});

test('several gets of one task at once count once', async () => {
  const outer = remote(async () => {
    const values = await Promise.all([1, 2, 3].map((x) => get(leaf.remote(x))));
    return values.reduce((a, b) => a + b);
  });
  expect(await get([outer.remote(), outer.remote()])).toEqual([9, 9]);
});

test('a task makes an actor and uses it', async () => {
  class Counter {
    value = 0;
    add(by: number): number {
      return (this.value += by);
    }
  }
  const outer = remote(async () => {
    const counter = remote(Counter).remote();
    await get(counter.add.remote(2));
    return get(counter.add.remote(3));
  });
  expect(await get(outer.remote())).toBe(5);
});

test('the CPU is back afterwards', async () => {
  expect(await get(leaf.remote(1))).toBe(2);
  expect(availableResources()['CPU']).toBe(1);
});

test('no more tasks run at once than there are CPUs, also after one has waited beside another', async () => {
  class Door {
    private open: () => void = () => undefined;
    private readonly opened = new Promise<void>((resolve) => {
      this.open = resolve;
    });

    async pass(): Promise<void> {
      await this.opened;
    }

    async unlock(): Promise<void> {
      this.open();
    }
  }
  const door = remote(Door, { numCpus: 0 }).remote();
  const passing = remote(async (to: typeof door) => {
    await get(to.pass.remote());
  });
  const unlocking = remote(async (to: typeof door) => {
    await get(to.unlock.remote());
  });
  // The second one runs while the first one waits, so that two workers are there, and both are leased.
  await get([passing.remote(door), unlocking.remote(door)]);
  const spin = remote((ms: number): [number, number] => {
    const begin = Date.now();
    while (Date.now() - begin < ms) continue;
    return [begin, Date.now()];
  });
  // The lease that is too much comes back with the end of a task, once it has been for a while.
  const spans = (await get(Array.from({ length: 100 }, () => spin.remote(10)))).slice(50);
  const overlaps = spans.filter(([begin], index) =>
    spans.some(([from, to], other) => other !== index && from < begin && begin < to),
  );
  expect(overlaps).toEqual([]);
  expect(availableResources()['CPU']).toBe(1);
});
