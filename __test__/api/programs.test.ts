import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

import { type Outcome, isAlive, numberIn, runProgram } from '../examples/run-program.ts';

/** Runs a program of the directory `programs`. */
const run = (name: string): Promise<Outcome> =>
  runProgram(fileURLToPath(new URL(`programs/${name}`, import.meta.url)), { execArgv: [] });

describe('the output of workers', () => {
  test('comes with the name and the process it is of, on its own stream', async () => {
    const { code, stderr, stdout } = await run('output.mjs');
    expect(code).toBe(0);
    const [task, actor, named] = /pids (\d+) (\d+) (\d+)/.exec(stdout)!.slice(1);
    const lines = stdout.split('\n');
    expect(lines).toContain(`(speaking pid=${task}) from the task`);
    expect(lines).toContain(`(speaking pid=${task}) two`);
    expect(lines).toContain(`(speaking pid=${task}) lines`);
    expect(lines).toContain(`(Speaker pid=${actor}) from the actor`);
    expect(lines).toContain(`(orator pid=${named}) from the named actor`);
    expect(stderr.split('\n')).toContain(`(speaking pid=${task}) from the task on stderr`);
  });

  test('has the name also where Node itself prints an uncaught error', async () => {
    const { code, stderr, stdout } = await run('crash.mjs');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'WorkerCrashedError\n' });
    expect(stderr).toMatch(/^\(crashing pid=\d+\) RangeError: outside$/m);
  });

  test('stays away with logToDriver: false', async () => {
    const { code, stderr, stdout } = await run('silent.mjs');
    expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout: 'ended\n' });
  });
});

describe('an error that nobody asked for', () => {
  test('is reported once on stderr and does not end the driver', async () => {
    const { code, stderr, stdout } = await run('unhandled.mjs');
    expect(code).toBe(0);
    expect(stdout).toBe('ended\n');
    expect(stderr.match(/Unhandled task error/g)).toHaveLength(1);
    expect(stderr).toContain('nobody asked');
    expect(stderr).not.toContain('somebody asked');
  });
});

describe('the event loop', () => {
  test('is not kept alive by a runtime in which nothing is awaited', async () => {
    const { code, stdout } = await run('idle.mjs');
    expect(code).toBe(0);
    const actor = numberIn(stdout, /actor (\d+)/);
    // The workers end with the driver.
    while (isAlive(actor)) await sleep(5);
  });

  test('is kept alive while something is awaited', async () => {
    expect(await run('awaited.mjs')).toMatchObject({ code: 0, stdout: 'late\n' });
  });
});

test('an error that the driver does not catch ends it, with its file and line', async () => {
  const { code, stderr } = await run('failing.mjs');
  expect(code).toBe(1);
  expect(stderr).toContain('not caught');
  expect(stderr).toMatch(/programs\/failing\.mjs:7/);
});

test('the entry file runs once', async () => {
  const { code, stdout } = await run('entry.mjs');
  expect(code).toBe(0);
  expect(stdout.match(/entry/g)).toHaveLength(1);
});
