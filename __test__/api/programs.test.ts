import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';

import { type Outcome, isAlive, numberIn, runProgram } from '../examples/run-program.ts';

/** Runs a program of the directory `programs`. */
const run = (name: string): Promise<Outcome> => runProgram(programPath(name), { execArgv: [] });

function programPath(name: string): string {
  return fileURLToPath(new URL(`programs/${name}`, import.meta.url));
}

/** Runs a program whose outputs are files. */
async function runInto(
  program: string,
  args: string[],
): Promise<{ stdout: string; stderr: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'eagleray-programs-'));
  try {
    const files = ['stdout', 'stderr'].map((name) => join(folder, name)) as [string, string];
    const [output, errors] = files.map((file) => openSync(file, 'w')) as [number, number];
    const driver = spawn(process.execPath, [program, ...args], {
      stdio: ['ignore', output, errors],
    });
    closeSync(output);
    closeSync(errors);
    await once(driver, 'exit');
    return { stdout: readFileSync(files[0], 'utf8'), stderr: readFileSync(files[1], 'utf8') };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

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

  // Into a file: what a full pipe has no room for, Node itself drops when a program calls process.exit().
  test.each(['shutdown', 'return', 'exit', 'throw'])(
    'is printed to its last line, also what was under way at the end: %s',
    async (how) => {
      const { stderr, stdout } = await runInto(programPath('last-lines.mjs'), [how]);
      const lines = stdout.split('\n').map((line) => line.replace(/^\(talk pid=\d+\) /, ''));
      const printed = lines.filter((line) => line.startsWith('line '));
      expect(printed.map((line) => Number(line.split(' ')[1]))).toEqual(
        Array.from({ length: 20_000 }, (_, index) => index),
      );
      expect(lines).toContain(`long ${'y'.repeat(300_000)}`);
      expect(stderr).toMatch(/^\(talk pid=\d+\) the last words$/m);
    },
  );

  test('is printed to its last line into a pipe also by a program that exits without another turn', async () => {
    const driver = spawn(process.execPath, [programPath('last-lines.mjs'), 'exit at once'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const lines = (await text(driver.stdout)).split('\n');
    expect(lines.filter((line) => line.includes(') line '))).toHaveLength(20_000);
    expect(lines.filter((line) => line.includes(') long '))).toHaveLength(1);
  });

  test('does not keep a program that exits when nobody reads it', async () => {
    const driver = spawn(process.execPath, [programPath('last-lines.mjs'), 'exit at once'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // Without a listener nothing is read, and the pipe fills.
    const [code] = (await once(driver, 'exit')) as [number | null];
    expect(code).toBe(0);
    driver.stdout.destroy();
  });

  test('does not end a program whose reader has gone', async () => {
    const driver = spawn(process.execPath, [programPath('last-lines.mjs'), 'shutdown'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    driver.stdout.destroy();
    const errors = text(driver.stderr);
    const [code] = (await once(driver, 'exit')) as [number | null];
    expect(code).toBe(0);
    expect(await errors).toMatch(/^\(talk pid=\d+\) the last words\n$/);
  });

  test('is printed to its last line into a pipe whose reader is late', async () => {
    const driver = spawn(process.execPath, [programPath('last-lines.mjs'), 'return'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    // The first piece is taken; then the reader leaves the driver time to end with a full pipe.
    await once(driver.stdout, 'readable');
    await sleep(500);
    const lines = (await text(driver.stdout)).split('\n');
    expect(lines.filter((line) => line.includes(') line '))).toHaveLength(20_000);
    expect(lines.filter((line) => line.includes(') long '))).toHaveLength(1);
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
