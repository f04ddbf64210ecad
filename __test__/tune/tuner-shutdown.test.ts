/** The runtime ends while an experiment runs: `fit` says so, and no trial has failed by it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { NotInitializedError, init, shutdown } from 'eagleray';
import { Tuner, gridSearch, loadResults, report } from 'eagleray/tune';
import { expect, test } from 'vitest';

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
