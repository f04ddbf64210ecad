import { readFileSync } from 'node:fs';
import { get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const megabyte = 2 ** 20;
const arrayBytes = 80 * megabyte;
const arrayLength = arrayBytes / Float64Array.BYTES_PER_ELEMENT;

/** How much memory a process uses, by the kernel's own account. */
interface Resident {
  pid: number;
  privateBytes: number;
  sharedBytes: number;
}

function resident(): Resident {
  const status = readFileSync('/proc/self/status', 'utf8');
  const bytes = (field: string): number =>
    1024 * Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status)![1]);
  return { pid: process.pid, privateBytes: bytes('RssAnon'), sharedBytes: bytes('RssShmem') };
}

/** Reads every page of `array`, and tells how much memory its process uses while it holds the array. */
function readAll(array: Float64Array): Resident & { sum: number } {
  let sum = 0;
  for (let i = 0; i < array.length; i++) {
    sum += array[i]!;
  }
  return { sum, ...resident() };
}

const remoteResident = remote(resident);
const remoteReadAll = remote(readAll);

describe('zero copy', () => {
  beforeAll(async () => {
    // One worker, so that its memory can be compared from task to task.
    await init({ numCpus: 1, objectStoreMemory: 512 * megabyte });
  });

  afterAll(async () => {
    await shutdown();
  });

  test('"the get call is zero-copy and returns arrays backed by shared object store memory"', async () => {
    const ref = put(new Float64Array(arrayLength).fill(0.5));
    const before = resident();
    const array = await get(ref);
    expect(array).toBeInstanceOf(Float64Array);
    const after = readAll(array);
    expect(after.sum).toBe(arrayLength / 2);
    expect(after.privateBytes - before.privateBytes).toBeLessThan(arrayBytes / 4);
    ref.dispose();
  });

  test('a task reads an array that was put in shared memory, too', async () => {
    const ref = put(new Float64Array(arrayLength).fill(0.5));
    const before = await get(remoteResident.remote());
    const after = await get(remoteReadAll.remote(ref));
    expect(after.pid).toBe(before.pid);
    expect(after.sum).toBe(arrayLength / 2);
    expect(after.sharedBytes).toBeGreaterThan(0.9 * arrayBytes);
    expect(after.privateBytes - before.privateBytes).toBeLessThan(arrayBytes / 4);
    ref.dispose();
  });

  test('"... or a collection of numpy arrays": arrays inside an object are views as well', async () => {
    const ref = put({ name: 'halves', array: new Float64Array(arrayLength).fill(0.5) });
    const readInside = remote((holder: { name: string; array: Float64Array }) => ({
      name: holder.name,
      ...readAll(holder.array),
    }));
    const before = await get(remoteResident.remote());
    const after = await get(readInside.remote(ref));
    expect(after.name).toBe('halves');
    expect(after.pid).toBe(before.pid);
    expect(after.sum).toBe(arrayLength / 2);
    expect(after.sharedBytes).toBeGreaterThan(0.9 * arrayBytes);
    expect(after.privateBytes - before.privateBytes).toBeLessThan(arrayBytes / 4);
    ref.dispose();
  });

  test('a view is private to whoever got it: writing to it is seen by nobody else', async () => {
    const ref = put(new Float64Array(100_000).fill(1));
    const write = remote((array: Float64Array) => {
      array.fill(2);
      return array[0]! + array[99_999]!;
    });
    expect(await get(write.remote(ref))).toBe(4);
    const mine = await get(ref);
    mine[0] = 3;
    const again = await get(ref);
    expect(again[0]).toBe(1);
    expect(again[99_999]).toBe(1);
  });

  test('"Otherwise, we deserialize the object data": every get makes a new plain object', async () => {
    const ref = put({ nested: { list: [1, 2, 3] } });
    const first = await get(ref);
    const second = await get(ref);
    expect(second).toEqual(first);
    expect(second).not.toBe(first);
    expect(second.nested.list).not.toBe(first.nested.list);
  });
});
