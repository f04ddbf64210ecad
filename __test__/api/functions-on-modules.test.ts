/**
 * Functions of a program that hang on modules of Node: listeners, members that somebody added or replaced. They are the
 * program's, and travel as its other functions do.
 */

import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { get, init, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { runProgram } from '../examples/run-program.ts';

beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(() => shutdown());

type Members = Record<string, unknown>;

// In a program of its own: what Node has is looked up when the first function travels.
test('functions that hang on modules of Node and on globals travel as what they are', async () => {
  const program = fileURLToPath(new URL('programs/hung-functions.mjs', import.meta.url));
  const { code, stderr, stdout } = await runProgram(program, { execArgv: [] });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const results = JSON.parse(stdout) as Record<string, Record<string, string>>;
  expect(Object.keys(results).length).toBe(14);
  for (const [where, ways] of Object.entries(results)) {
    const right = `mine ${where === 'a listener of its own' ? 'nested' : where}`;
    expect([where, new Set(Object.values(ways))]).toEqual([where, new Set([right])]);
  }
});

test("a listener that is added when functions have travelled already is the program's, too", async () => {
  const call = remote((fn: () => unknown) => fn());
  await get(call.remote(() => 1));
  const word = 'mine';
  const fn = (): string => word;
  process.on('SIGUSR2', fn);
  try {
    expect(await get(call.remote(fn))).toBe('mine');
  } finally {
    process.off('SIGUSR2', fn);
  }
});

test("functions of Node's own are still the receiver's, two members deep", async () => {
  const functions = {
    'hrtime.bigint': process.hrtime.bigint,
    'memoryUsage.rss': process.memoryUsage.rss,
    cwd: process.cwd,
  };
  const own = remote((given: Members) => [
    given['hrtime.bigint'] === process.hrtime.bigint,
    given['memoryUsage.rss'] === process.memoryUsage.rss,
    given['cwd'] === process.cwd,
  ]);
  expect(await get(own.remote(functions))).toEqual([true, true, true]);
});

test("functions of Node's own that are bound are the receiver's", async () => {
  // A console's methods are bound to it.
  const { log } = process.getBuiltinModule('node:console');
  const own = remote((given: unknown) => given === process.getBuiltinModule('node:console').log);
  expect(await get(own.remote(log))).toBe(true);
});
