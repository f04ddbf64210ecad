import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, getSync, init, put, remote, shutdown, wait } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** Runs until the file `gate` exists, then gives `value`. */
async function afterOpening(gate: string, value: number): Promise<number> {
  while (!existsSync(gate)) {
    await sleep(2);
  }
  return value;
}

const doSomeWork = remote((x: number) => x * x);
const remoteAfterOpening = remote(afterOpening);

describe('put, get, lists and wait', () => {
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'eagleray-tutorial-'));
    await init({ numCpus: 4 });
  });

  afterAll(async () => {
    await shutdown();
    rmSync(directory, { recursive: true });
  });

  test('"object_id = ray.put(y)": put stores a value and returns its ref', async () => {
    const y = 1;
    const ref = put(y);
    expect(typeof ref.id).toBe('string');
    expect(await get(ref)).toBe(1);
  });

  test('what was put does not change when the original does', async () => {
    const original = { list: [1, 2, 3] };
    const ref = put(original);
    original.list.push(4);
    expect(await get(ref)).toEqual({ list: [1, 2, 3] });
  });

  test('"Get a remote object ... from the object store"', async () => {
    expect(await get(doSomeWork.remote(3))).toBe(9);
  });

  test('"... or a list of remote objects": the values have the order of the refs', async () => {
    const refs = [0, 1, 2, 3].map((x) => doSomeWork.remote(x));
    expect(await get(refs)).toEqual([0, 1, 4, 9]);
    expect(await get([...refs].reverse())).toEqual([9, 4, 1, 0]);
  });

  test('"results is a list of object IDs": without get they are refs, not results', async () => {
    const results = [0, 1, 2, 3].map((x) => doSomeWork.remote(x));
    for (const result of results) {
      expect(typeof result.id).toBe('string');
    }
    expect(await get(results)).toEqual([0, 1, 4, 9]);
  });

  test('"This method blocks until the object ... is available"', async () => {
    const gate = join(directory, 'get-waits');
    const ref = remoteAfterOpening.remote(gate, 5);
    let isSettled = false;
    const value = get(ref).finally(() => {
      isSettled = true;
    });
    await get(doSomeWork.remote(1)); // Another task comes and goes meanwhile.
    expect(isSettled).toBe(false);
    writeFileSync(gate, '');
    expect(await value).toBe(5);
  });

  test('getSync blocks the thread, as ray.get does', () => {
    let turnsOfTheEventLoop = 0;
    const immediate = setImmediate(() => {
      turnsOfTheEventLoop += 1;
    });
    expect(getSync(doSomeWork.remote(6))).toBe(36);
    expect(turnsOfTheEventLoop).toBe(0);
    clearImmediate(immediate);
  });

  test('"ray.wait": gives the refs that are ready and those that are not', async () => {
    const gate = join(directory, 'wait');
    const late = remoteAfterOpening.remote(gate, 1);
    const early = doSomeWork.remote(4);
    const [ready, notReady] = await wait([late, early]);
    expect(ready.map((ref) => ref.id)).toEqual([early.id]);
    expect(notReady.map((ref) => ref.id)).toEqual([late.id]);

    writeFileSync(gate, '');
    const [both, none] = await wait([late, early], { numReturns: 2 });
    expect(both.map((ref) => ref.id)).toEqual([late.id, early.id]);
    expect(none).toEqual([]);
  });

  test('wait ends at its timeout with what is ready by then', async () => {
    const gate = join(directory, 'wait-timeout');
    const late = remoteAfterOpening.remote(gate, 1);
    const [ready, notReady] = await wait([late], { timeoutMs: 20 });
    expect(ready).toEqual([]);
    expect(notReady.map((ref) => ref.id)).toEqual([late.id]);
    writeFileSync(gate, '');
    expect(await get(late)).toBe(1);
  });
});
