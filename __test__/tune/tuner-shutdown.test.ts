/** The runtime ends while an experiment runs: `fit` says so, and no trial has failed by it. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { NotInitializedError, init, shutdown } from 'eagleray';
import { Tuner, gridSearch, loadResults, report } from 'eagleray/tune';
import { describe, expect, test } from 'vitest';

import { isLocked } from '../../bindings/typescript/src/tune/journal/lock.ts';

const DRIVER = fileURLToPath(new URL('./fixtures/shutdown-driver.mjs', import.meta.url));

test('an experiment whose runtime is shut down can be gone on with', async () => {
  const storagePath = mkdtempSync(path.join(tmpdir(), 'eagleray-tune-'));
  try {
    await init({ numCpus: 2 });
    const train = async (config: { a: number }): Promise<void> => {
      for (let i = 0; i < 4; i++) await report({ loss: config.a });
      // Until somebody ends it, the first time.
      if (config.a > 0) await new Promise(() => undefined);
    };
    let reports = 0;
    const options = { metric: 'loss', mode: 'min', storagePath, name: 'ended' } as const;
    const fitting = new Tuner(train, {
      ...options,
      space: { a: gridSearch([0, 1, 2]) },
      reporter: 'silent',
      callbacks: [
        {
          onTrialResult: () => {
            if (++reports === 12) void shutdown();
          },
        },
      ],
    }).fit();
    await expect(fitting).rejects.toThrow(NotInitializedError);
    const results = loadResults(path.join(storagePath, 'ended'));
    expect([...results].map(({ status }) => status)).toEqual(['TERMINATED', 'PENDING', 'PENDING']);
    expect(results.numErrors).toBe(0);
    const restored = Tuner.restore(
      path.join(storagePath, 'ended'),
      async (config: { a: number }) => {
        await report({ loss: config.a });
      },
      { reporter: 'silent', callbacks: [] },
    );
    const after = await restored.fit();
    expect([...after].map(({ metrics }) => metrics['loss'])).toEqual([0, 1, 2]);
  } finally {
    await shutdown();
    rmSync(storagePath, { recursive: true });
  }
});

describe.each(['function', 'class'])(
  'a runtime that ends under trials of a %s that never end',
  (kind) => {
    test.each([
      ['abort, shutdown', 'the reason', false],
      ['abort, restart', 'the reason', true],
      ['shutdown', 'NotInitializedError', false],
      ['restart', 'NotInitializedError', true],
    ])('%s: fit rejects with %s, and leaves no timer', async (way, told, isInitialized) => {
      const storagePath = mkdtempSync(path.join(tmpdir(), 'eagleray-tune-'));
      try {
        const given = JSON.stringify({ way, kind, storagePath });
        const { stdout, stderr } = await promisify(execFile)(process.execPath, [DRIVER, given]);
        expect(JSON.parse(stdout)).toEqual({ told, timers: [], uncaught: [], isInitialized });
        expect(stderr).toBe('');
        const folder = path.join(storagePath, 'ended');
        // The journal is closed, and no trial has failed.
        expect(Tuner.canRestore(folder)).toBe(true);
        const statuses = new Set([...loadResults(folder)].map(({ status }) => status));
        expect([...statuses]).toEqual(['PENDING']);
        expect(isLocked(path.join(folder, 'journal.log'))).toBe(false);
      } finally {
        rmSync(storagePath, { recursive: true });
      }
    });
  },
);

describe('an abort', () => {
  test.each([null, undefined, 0, 'enough', new Error('enough')])(
    'with %s rejects with what the platform says',
    async (reason) => {
      await init({ numCpus: 1 });
      try {
        const controller = new AbortController();
        const fitting = new Tuner(
          async () => {
            await report({ loss: 1 });
            await report({ loss: 1 });
          },
          {
            metric: 'loss',
            mode: 'min',
            storagePath: null,
            reporter: 'silent',
            callbacks: [{ onTrialResult: () => controller.abort(reason) }],
          },
        ).fit({ signal: controller.signal });
        const thrown: unknown = await fitting.then(
          () => 'fulfilled',
          (error: unknown) => error,
        );
        expect(controller.signal.aborted).toBe(true);
        expect(thrown).toBe(controller.signal.reason);
      } finally {
        await shutdown();
      }
    },
  );
});
