import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { get, init, put, remote, shutdown, wait } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** Runs until the file `gate` exists. */
async function untilOpen(gate: string): Promise<string> {
  while (!existsSync(gate)) {
    await sleep(2);
  }
  return 'the gate is open';
}

describe('refs', () => {
  let directory: string;

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'eagleray-tutorial-'));
    await init({ numCpus: 2 });
  });

  afterAll(async () => {
    await shutdown();
    rmSync(directory, { recursive: true });
  });

  test('"a remote function does not give its result but returns a ref at once"', async () => {
    const gate = join(directory, 'returns-at-once');
    // The task cannot have ended when .remote() returns: only this test opens its gate, afterwards.
    const ref = remote(untilOpen).remote(gate);
    expect(typeof ref.id).toBe('string');
    expect(ref).not.toHaveProperty('then');
    writeFileSync(gate, '');
    expect(await get(ref)).toBe('the gate is open');
  });

  test('"the function runs in the background": this process goes on meanwhile', async () => {
    const gate = join(directory, 'in-the-background');
    const inBackground = remote(untilOpen).remote(gate);
    const other = await get(remote((x: number) => x + 1).remote(1));
    expect(other).toBe(2);
    expect(await wait([inBackground], { timeoutMs: 0 })).toEqual([[], [inBackground]]);
    writeFileSync(gate, '');
    expect(await get(inBackground)).toBe('the gate is open');
  });

  test('"the result can be fetched by the ref", as often as one likes', async () => {
    const ref = remote((x: number) => ({ square: x * x })).remote(7);
    expect(await get(ref)).toEqual({ square: 49 });
    expect(await get(ref)).toEqual({ square: 49 });
  });

  test('every call gives a ref of its own', () => {
    const one = remote(() => 1);
    const refs = [one.remote(), one.remote(), put(1), put(1)];
    expect(new Set(refs.map((ref) => ref.id)).size).toBe(4);
  });

  test('a ref given as an argument arrives as its value', async () => {
    const add = remote((a: number, b: number) => a + b);
    const three = add.remote(1, 2);
    expect(await get(add.remote(three, put(4)))).toBe(7);
  });
});
