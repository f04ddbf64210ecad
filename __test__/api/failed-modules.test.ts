/** A module that failed to load in a worker is tried again: in another process, because Node remembers the failure. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { get, init, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { rejection } from './rejection.ts';

interface Module {
  job(x: number): number;
  Job: new () => { value: number };
}

const directory = mkdtempSync(join(tmpdir(), 'failed-modules-'));
const flag = (name: string): string => join(directory, `${name}.flag`);

beforeAll(async () => {
  await init({ numCpus: 1, logToDriver: false });
});
afterAll(async () => {
  await shutdown();
  rmSync(directory, { recursive: true });
});

/** A module that can't be loaded while its flag is up. */
async function moduleThatMayFail(name: string, extension: 'mjs' | 'cjs'): Promise<Module> {
  const file = join(directory, `${name}.${extension}`);
  const body = `if (fs.existsSync(${JSON.stringify(flag(name))})) throw new Error('no connection yet');`;
  const job = 'function job(x) { return x + 1; } class Job { value = 7; }';
  writeFileSync(
    file,
    extension === 'mjs'
      ? `import fs from 'node:fs'; ${body} ${job} export { job, Job };`
      : `const fs = require('node:fs'); ${body} ${job} module.exports = { job, Job };`,
  );
  return (await import(/* @vite-ignore */ pathToFileURL(file).href)) as Module;
}

describe.each(['mjs', 'cjs'] as const)('an .%s module', (extension) => {
  test('of a function', async () => {
    const { job } = await moduleThatMayFail(`function-${extension}`, extension);
    const run = remote(job);
    writeFileSync(flag(`function-${extension}`), '');
    for (const n of [1, 2]) {
      expect((await rejection<Error>(get(run.remote(n)))).message).toContain('no connection yet');
    }
    rmSync(flag(`function-${extension}`));
    // Calls in a row: those that the failed process had at hand go to another one.
    expect(await get([1, 2, 3].map((n) => run.remote(n)))).toEqual([2, 3, 4]);
  });

  test('of an argument', async () => {
    const { Job } = await moduleThatMayFail(`argument-${extension}`, extension);
    const run = remote((job: { value: number }) => job.value);
    writeFileSync(flag(`argument-${extension}`), '');
    expect((await rejection<Error>(get(run.remote(new Job())))).message).toContain(
      'no connection yet',
    );
    rmSync(flag(`argument-${extension}`));
    expect(await get([1, 2].map(() => run.remote(new Job())))).toEqual([7, 7]);
  });
});

describe('an import() in a function that fails', () => {
  const attempt = remote(async (specifier: string) => {
    try {
      return (await import(/* @vite-ignore */ specifier)) as object;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      return { code, message, isRange: error instanceof RangeError };
    }
  });

  test('says what Node says: programs look for packages that are optional', async () => {
    const found = await get(attempt.remote('a-package-that-nobody-has'));
    expect(found).toMatchObject({ code: 'ERR_MODULE_NOT_FOUND' });
  });

  test('rejects with the error that the module threw', async () => {
    const file = join(directory, 'throws.mjs');
    writeFileSync(file, "throw new RangeError('not today');");
    const found = await get(attempt.remote(pathToFileURL(file).href));
    expect(found).toEqual({ code: undefined, message: 'not today', isRange: true });
  });
});
