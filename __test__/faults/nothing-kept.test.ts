/**
 * What nobody wants any more goes, however much there is of it, and what somebody still has stays. Programs that could
 * end with a signal, or need the garbage collector, are processes of their own.
 */

import { spawn } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

import {
  TaskCancelledError,
  WorkerCrashedError,
  availableResources,
  cancel,
  get,
  clusterResources,
  init,
  put,
  remote,
  shutdown,
  type ActorHandle,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from '../api/gates.ts';
import { rejection } from '../api/rejection.ts';
import { whenAllIsGivenBack } from '../random/given-back.ts';
import { type Outcome, numberIn, runProgram } from '../examples/run-program.ts';

const PATIENCE_MS = 20_000;
const PATIENCE = { timeoutMs: PATIENCE_MS };

/** Runs a program of the directory `fixtures`. */
const run = (name: string, ...args: string[]): Promise<Outcome> =>
  runProgram(join(import.meta.dirname, 'fixtures', name), { execArgv: ['--expose-gc'], args });

test('10,000 tasks that depend on each other fail with the first', async () => {
  expect(await run('chain.mjs', '10000')).toEqual({
    code: 0,
    stdout: 'RangeError: the first\n2\n',
    stderr: '',
  });
});

test('a linked list of 100,000 objects goes with its head', async () => {
  expect(await run('list.mjs', '100000')).toEqual({
    code: 0,
    stdout: 'ended\n',
    stderr: '',
  });
});

describe('lines of a task that a blocked driver prints', () => {
  const COUNT = 100_000;
  const fixture = join(import.meta.dirname, 'fixtures', 'chatty.mjs');
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'eagleray-lines-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each(['a file', 'a pipe', 'nowhere'])('leave nothing in memory: into %s', async (target) => {
    const file = join(folder, 'lines');
    const stdout =
      target === 'a pipe' ? 'pipe' : openSync(target === 'a file' ? file : '/dev/null', 'w');
    const driver = spawn(process.execPath, ['--expose-gc', fixture, String(COUNT)], {
      stdio: ['ignore', stdout, 'pipe'],
    });
    const [stderr, piped] = await Promise.all([
      text(driver.stderr!),
      driver.stdout === null ? '' : text(driver.stdout),
    ]);
    if (typeof stdout === 'number') closeSync(stdout);
    // The last 10,000 lines are remembered, so that others like them are folded.
    expect(numberIn(stderr, /^(-?\d+) MB$/m)).toBeLessThan(12);
    if (target === 'nowhere') return;
    const lines = target === 'a file' ? readFileSync(file, 'utf8') : piped;
    const found = lines.matchAll(/^\(talk pid=\d+\) line (\d+) \.{200}$/gm);
    const numbers = Array.from(found, ([, number]) => Number(number));
    const upTo = (end: number) => Array.from({ length: end }, (_, index) => index);
    expect(numbers).toEqual([...upTo(1000), ...upTo(COUNT)]);
  });
});

test('an allocated array can be read after shutdown and a garbage collection', async () => {
  expect(await run('outlive.mjs')).toEqual({ code: 0, stdout: '7\n', stderr: '' });
});

test('calls of options() with the same options leave nothing in memory', async () => {
  const { code, stderr, stdout } = await run('options.mjs', '2000');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  // One copy of the function for each call would be 100 MB.
  expect(numberIn(stdout, /^(-?\d+)$/m)).toBeLessThan(30);
});

describe.each([
  ['function', 300, 1e6],
  ['argument', 300, 1e6],
  // Each is a process.
  ['class', 100, 3e6],
])('what a %s has captured goes with it, %i times %i bytes', (what, count, bytes) => {
  // A hundred processes, one after the other, take their time on a busy machine.
  test.each(['array', 'rows'])('of %s', { timeout: 240_000 }, async (content) => {
    const { code, stderr, stdout } = await run(
      'closures.mjs',
      `${count}`,
      what,
      content,
      `${bytes}`,
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const curves = [...stdout.matchAll(/driver (\d+) MB, worker (\d+) MB, store (\d+) MB/g)];
    expect(curves).toHaveLength(11);
    // Caches and V8's young generation have filled after a few.
    const [, early, ...later] = curves.map((each) => each.slice(1).map(Number)).slice(2);
    for (const each of later) {
      for (const [index, megabytes] of each.entries()) {
        // Kept, it would be 200 MB more by the end.
        expect(megabytes - early![index]!, stdout).toBeLessThan(80);
      }
      expect(each[2], stdout).toBeLessThan(30);
    }
  });
});

test('a remote function works as long as somebody has it, also where equal ones have gone', async () => {
  const { code, stderr, stdout } = await run('equal-functions.mjs');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  // One function of each kind and round would be 20 MB.
  expect(numberIn(stdout, /^(-?\d+)$/m)).toBeLessThan(10);
});

describe('an idle process keeps nothing that nobody uses, without being asked for it', () => {
  class Accumulator {
    total = 0;
    add(value: number) {
      return (this.total += value);
    }
  }
  const RemoteAccumulator = remote(Accumulator, { numCpus: 1 });
  const ignore = remote((_value: unknown) => undefined);
  const bytes = () => new Uint8Array(200_000);

  beforeAll(() => init({ numCpus: 3, objectStoreMemory: 64 * 2 ** 20 }));
  afterAll(() => shutdown());

  test.each<[string, () => Promise<unknown> | void]>([
    ['a ref in the result of a task', () => get(remote(() => ({ inside: put(bytes()) })).remote())],
    [
      'a ref in a list in the result of a task',
      () => get(remote(() => [[put(bytes())], put(bytes())]).remote()),
    ],
    ['a ref in an argument', () => get(ignore.remote({ inside: put(bytes()) }))],
    ['a ref in an object of the store', () => void put({ inside: put(bytes()) })],
    [
      'a ref that another task has put',
      () => get(remote(async () => get(remote(() => [put(bytes())]).remote())).remote()),
    ],
    ['an actor', () => void RemoteAccumulator.remote()],
    ['an actor that was called', () => get(RemoteAccumulator.remote().add.remote(1))],
    ['an actor whose handle was an argument', () => get(ignore.remote(RemoteAccumulator.remote()))],
    [
      'an actor whose handle was an argument of a task that nobody waits for',
      () => void ignore.remote([RemoteAccumulator.remote()]),
    ],
    [
      'an actor that a task has called',
      async () => {
        const call = remote(async (actor: ActorHandle<Accumulator>) => get(actor.add.remote(1)));
        expect(await get(call.remote(RemoteAccumulator.remote()))).toBe(1);
      },
    ],
    [
      'an actor that a task has made',
      () => get(remote(() => [RemoteAccumulator.remote()]).remote()),
    ],
    ['an actor in an object of the store', () => void put({ inside: RemoteAccumulator.remote() })],
  ])('%s', async (_, use) => {
    // What it gives must not stay in a variable of this function that nobody sees.
    await Promise.resolve(use()).then(() => undefined);
    expect(await whenAllIsGivenBack(PATIENCE_MS)).toEqual(clusterResources());
  });
});

describe('the room in the store comes back', () => {
  const gates = makeGates();
  const room = (): number => availableResources()['objectStoreMemory']!;

  beforeAll(async () => {
    await init({ numCpus: 2, objectStoreMemory: 512e6 });
  });
  afterAll(async () => {
    await shutdown();
    gates.dispose();
  });

  test('from the result of a task that was cancelled while it ran', async () => {
    const before = room();
    const make = remote(async (begun: string, gate: string) => {
      openGate(begun);
      await passGate(gate);
      return new Float64Array(2e6).fill(1);
    });
    const usesAllCpus = remote(() => 1, { numCpus: 2 });
    for (let round = 0; round < 5; round++) {
      const [started, end] = [gates.next(), gates.next()];
      const ref = make.remote(started, end);
      await passGate(started);
      cancel(ref);
      expect(await rejection(get(ref, PATIENCE))).toBeInstanceOf(TaskCancelledError);
      ref.dispose();
      openGate(end);
      // Its worker has ended it, and with it the making of the result.
      expect(await get(usesAllCpus.remote(), PATIENCE)).toBe(1);
    }
    await expect.poll(room, { timeout: PATIENCE_MS }).toBe(before);
  });

  test('from the results that a worker had made when it died over the next one', async () => {
    const before = room();
    const make = remote(
      (): [Float64Array, { readonly x: number }] => [
        new Float64Array(2e6).fill(1),
        {
          get x(): number {
            return process.exit(1);
          },
        },
      ],
      { numReturns: 2, maxRetries: 0 },
    );
    for (let round = 0; round < 3; round++) {
      const refs = make.remote();
      for (const ref of refs) {
        expect(await rejection(get(ref, PATIENCE))).toBeInstanceOf(WorkerCrashedError);
        ref.dispose();
      }
    }
    await expect.poll(room, { timeout: PATIENCE_MS }).toBe(before);
  });
});
