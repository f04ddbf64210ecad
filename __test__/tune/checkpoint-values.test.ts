/**
 * A checkpoint is any value that `put` takes: in memory, on disk, and in other processes than the one that saved it, nothing of it is
 * lost. What means something to one runtime only is refused where it would have to outlive it.
 */

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { SerializationError, init, perProcess, put, remote, shutdown } from 'eagleray';
import { Tuner, gridSearch, loadResults, report } from 'eagleray/tune';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { rejection } from '../api/rejection.ts';
import { KINDS, complaint } from './fixtures/stored-values.mjs';

const QUIET = { reporter: 'silent', handleSignals: false, outputs: [] } as const;
const driver = join(import.meta.dirname, 'fixtures', 'stored-values-driver.mjs');

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-values-'));
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

test('every kind of value comes back from memory, in trials that go on with it too', async () => {
  const results = await new Tuner(
    async (config: { kind: string }, trial) => {
      if (trial.checkpoint === null) {
        await report({ complaint: '' }, { checkpoint: KINDS[config.kind]!.make() });
        throw new Error('to be tried again');
      }
      await report({ complaint: complaint(config.kind, await trial.checkpoint.load()) });
    },
    {
      ...QUIET,
      storagePath: null,
      maxFailures: 1,
      space: { kind: gridSearch(Object.keys(KINDS)) },
    },
  ).fit();
  expect(results.errors).toEqual([]);
  for (const { checkpoint, config, metrics } of results) {
    expect(metrics['complaint']).toBe('');
    expect(complaint(config.kind, await checkpoint!.load())).toBe('');
  }
});

test('every kind of value comes back from disk, in another process and in its trials', async () => {
  for (const action of ['save', 'restore']) {
    const { stdout } = await promisify(execFile)(process.execPath, [driver, folder, action]);
    expect(JSON.parse(stdout)).toEqual([]);
  }
});

test('an instance of a class of the main file is one of it where the process has sent the class', async () => {
  const main = join(import.meta.dirname, 'fixtures', 'main-class-driver.mjs');
  const printed: Record<string, string> = {};
  for (const action of ['save', 'load', 'put']) {
    const { stdout } = await promisify(execFile)(process.execPath, [main, folder, action]);
    printed[action] = stdout.trim();
  }
  expect(printed).toEqual({
    save: 'Model 4 true',
    load: 'Model 4 false',
    put: 'Model 4 true',
  });
});

/** What belongs to a runtime or a process, and the words that say so. */
const REFUSED: Readonly<Record<string, readonly [make: () => unknown, message: RegExp]>> = {
  'a ref': [
    () => ({ ref: put(1) }),
    /ends with this runtime.*: checkpoint → key "ref" → ObjectRef$/,
  ],
  'an actor handle': [
    () => ({ actor: remote(class Counter {}, { numCpus: 0 }).remote() }),
    /ends with this runtime.*key "actor"/,
  ],
  'a signal that may fire': [
    () => ({ signal: new AbortController().signal }),
    /key "signal" → AbortSignal/,
  ],
  'a value of each process': [() => [perProcess(() => 1)], /gives a value of the process.*→ \[0\]/],
  'a Promise': [() => ({ later: Promise.resolve(1) }), /await it.*key "later" → Promise$/],
  'a WeakMap': [() => new Map([['a', new WeakMap()]]), /WeakMap/],
  'memory of threads': [() => new Uint8Array(new SharedArrayBuffer(8)), /SharedArrayBuffer/],
};

test.each(Object.entries(REFUSED))('%s is refused on disk, by name', async (kind, [, message]) => {
  const results = await new Tuner(
    async (config: { kind: string }) =>
      report({ loss: 1 }, { checkpoint: REFUSED[config.kind]![0]() }),
    {
      ...QUIET,
      storagePath: folder,
      ifExists: 'overwrite',
      name: 'refused',
      space: { kind },
      maxFailures: 3,
    },
  ).fit();
  const [failed] = results;
  expect(failed!.error!.cause).toBeInstanceOf(SerializationError);
  expect((failed!.error!.cause as Error).message).toMatch(message);
  // It would fail again.
  expect(failed!.failures).toBe(0);
});

test.each(['typed arrays', 'instances of classes'])(
  'a file that is cut off, or of another version, is no checkpoint, and says so: %s',
  async (kind) => {
    const results = await new Tuner(
      async (config: { kind: string }) =>
        report({ loss: 1 }, { checkpoint: KINDS[config.kind]!.make() }),
      { ...QUIET, storagePath: folder, name: 'cut', ifExists: 'overwrite', space: { kind } },
    ).fit();
    const { path } = results.at(0)!.checkpoint!;
    const [name] = readdirSync(path!);
    const file = join(path!, name!);
    const whole = readFileSync(file);
    const load = (): Promise<unknown> => loadResults(results.path!).at(0)!.checkpoint!.load();
    for (let length = 0; length < whole.length; length += 7) {
      writeFileSync(file, whole.subarray(0, length));
      const error = await rejection<Error>(load());
      expect(error).toBeInstanceOf(SerializationError);
      expect(error.message).toContain(file);
    }
    if (kind === 'instances of classes') {
      writeFileSync(file, Buffer.from(whole).fill(9, 8, 9));
      expect((await rejection<Error>(load())).message).toContain('format 9');
    }
    writeFileSync(file, whole);
    expect(complaint(kind, await load())).toBe('');
  },
);
