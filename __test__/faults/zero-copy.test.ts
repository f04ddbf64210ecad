/**
 * Zero copy by the kernel's own figures (`proc_pid_smaps(5)`): the proportional set size counts a page that n
 * processes have mapped as one n-th in each, so that its sum over all processes is what the memory really takes;
 * private dirty and anonymous pages are what a process copied or made.
 */

import { readFileSync } from 'node:fs';

import {
  type ActorHandle,
  allocate,
  availableResources,
  get,
  init,
  put,
  remote,
  shutdown,
} from 'eagleray';
import { afterEach, beforeEach, expect, test } from 'vitest';

const MEGABYTE = 10 ** 6;
const LENGTH = 100 * MEGABYTE;
const BYTES = LENGTH * Float64Array.BYTES_PER_ELEMENT;
const READERS = 8;
/** What a process may take besides: far less than an array. */
const MARGIN = 80 * MEGABYTE;

/** Bytes of one process. */
interface Memory {
  pid: number;
  /**
   * Of the segment's mappings: the share of the pages that other processes have mapped, too, what was copied on write,
   * and what is mapped at all. (The driver alone has the pages that the store keeps ready for objects to come.)
   */
  proportional: number;
  copied: number;
  resident: number;
  /** Of the whole process: pages of its own, the heap among them. */
  anonymous: number;
}

function memory(): Memory {
  const found = { pid: process.pid, proportional: 0, copied: 0, resident: 0, anonymous: 0 };
  const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[\da-f]+-[\da-f]+ )/m);
  for (const mapping of mappings) {
    const bytes = (field: string) =>
      1024 * Number(new RegExp(`^${field}: +(\\d+) kB$`, 'm').exec(mapping)?.[1] ?? 0);
    found.anonymous += bytes('Anonymous');
    if (!mapping.slice(0, mapping.indexOf('\n')).includes('/memfd:eagleray')) continue;
    found.proportional += bytes('Pss') - bytes('Private_Clean') - bytes('Private_Dirty');
    found.copied += bytes('Anonymous');
    found.resident += bytes('Rss');
  }
  return found;
}

function sumOf(array: Float64Array): number {
  let sum = 0;
  for (let index = 0; index < array.length; index++) sum += array[index]!;
  return sum;
}

/** Holds an array, and tells how much memory its process takes. */
class Reader {
  #array: Float64Array | undefined;

  read(array: Float64Array): number {
    this.#array = array;
    return sumOf(array);
  }

  /** Writes one number into each of the first pages. */
  write(pages: number): number {
    for (let page = 0; page < pages; page++) this.#array![page * 512] = -1;
    return sumOf(this.#array!);
  }

  sum(): number {
    return sumOf(this.#array!);
  }

  memory(): Memory {
    return memory();
  }
}

const RemoteReader = remote(Reader);

beforeEach(async () => {
  await init({ numCpus: 1, objectStoreMemory: 2.5 * BYTES });
});

afterEach(async () => {
  await shutdown();
});

/** An array of ones whose memory is the store's already, put there. */
function putOnes() {
  return put(allocate(Float64Array, LENGTH).fill(1) as Float64Array);
}

test('eight workers that read one array of 800 MB hold its pages once', async () => {
  const array = putOnes();
  const readers: ActorHandle<Reader>[] = Array.from({ length: READERS }, () =>
    RemoteReader.remote(),
  );
  const before = await get(readers.map((reader) => reader.memory.remote()));
  expect(new Set(before.map(({ pid }) => pid)).size).toBe(READERS);
  const sums = await get(readers.map((reader) => reader.read.remote(array)));
  expect(sums).toEqual(Array(READERS).fill(LENGTH));

  const after = await get(readers.map((reader) => reader.memory.remote()));
  for (const [index, reader] of after.entries()) {
    // Each has all of it mapped and read, and none of it for itself.
    expect(reader.resident).toBeGreaterThanOrEqual(BYTES);
    expect(reader.copied).toBeLessThan(MEGABYTE);
    expect(reader.anonymous - before[index]!.anonymous).toBeLessThan(MARGIN);
  }
  // The array's pages, shared out over the readers and the driver: once in all, not eight times.
  const total = [...after, memory()].reduce((sum, { proportional }) => sum + proportional, 0);
  expect(total).toBeGreaterThan(BYTES - MARGIN);
  expect(total).toBeLessThan(BYTES + MARGIN);

  // What one of them writes is its own: so many pages, and nobody else sees them.
  const pages = 1000;
  const [writer, other] = readers as [ActorHandle<Reader>, ActorHandle<Reader>];
  expect(await get(writer.write.remote(pages))).toBe(LENGTH - 2 * pages);
  expect(await get(other.sum.remote())).toBe(LENGTH);
  const written = await get(writer.memory.remote());
  expect(written.copied).toBeGreaterThanOrEqual(pages * 4096);
  expect(written.copied).toBeLessThan(pages * 4096 + MARGIN);
  expect((await get(other.memory.remote())).copied).toBeLessThan(MEGABYTE);
  const mine = await get(array);
  expect([mine[0], mine[512]]).toEqual([1, 1]);
}, 120_000);

test('a later task in the same worker sees the array as it was put', async () => {
  const array = putOnes();
  const spoil = remote((view: Float64Array) => {
    for (let page = 0; page < 1000; page++) view[page * 512] = -1;
    return { pid: process.pid, first: view[0] };
  });
  const read = remote((view: Float64Array) => ({ pid: process.pid, sum: sumOf(view) }));
  const spoiled = await get(spoil.remote(array));
  expect(spoiled.first).toBe(-1);
  expect(await get(read.remote(array))).toEqual({ pid: spoiled.pid, sum: LENGTH });
}, 120_000);

test('an allocated array of 800 MB is put without a copy, and stays private', async () => {
  const roomBefore = availableResources()['objectStoreMemory']!;
  const array = allocate(Float64Array, LENGTH) as Float64Array;
  array.fill(1);
  const before = memory();
  const ref = put(array);
  const after = memory();
  // Not a page was copied: neither into this process nor within the store, which holds one array.
  expect(after.anonymous - before.anonymous).toBeLessThan(MARGIN);
  expect(after.copied).toBeLessThan(MEGABYTE);
  const taken = roomBefore - availableResources()['objectStoreMemory']!;
  expect(taken).toBeGreaterThanOrEqual(BYTES);
  expect(taken).toBeLessThan(BYTES + MARGIN);

  // What was sealed is a snapshot: the array can be written, privately.
  array[0] = 7;
  expect(array[0]).toBe(7);
  expect((await get(ref))[0]).toBe(1);
}, 120_000);

test('an allocated array of 800 MB is returned from a task without a copy', async () => {
  const make = remote((length: number) => {
    const array = allocate(Float64Array, length) as Float64Array;
    array.fill(2);
    return { array, memory: memory() };
  });
  const tell = remote(() => memory());
  const idle = await get(tell.remote());
  const roomBefore = availableResources()['objectStoreMemory']!;
  const own = memory();
  const { array, memory: filled } = await get(make.remote(LENGTH));
  const later = await get(tell.remote());
  expect(later.pid).toBe(idle.pid);
  expect(filled.pid).toBe(idle.pid);
  // Filled in the store, not in the worker's heap; and sealed, sent and read without a copy.
  expect(filled.anonymous - idle.anonymous).toBeLessThan(MARGIN);
  expect(later.anonymous - idle.anonymous).toBeLessThan(MARGIN);
  expect(sumOf(array)).toBe(2 * LENGTH);
  expect(memory().anonymous - own.anonymous).toBeLessThan(MARGIN);
  const taken = roomBefore - availableResources()['objectStoreMemory']!;
  expect(taken).toBeGreaterThanOrEqual(BYTES);
  expect(taken).toBeLessThan(BYTES + MARGIN);
}, 120_000);
