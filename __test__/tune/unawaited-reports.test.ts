/** What a report that nobody awaits holds: what was there when it was made, whatever the trial does meanwhile. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { init, shutdown } from 'eagleray';
import { Tuner, report } from 'eagleray/tune';
import { afterAll, beforeAll, expect, test } from 'vitest';

let folder = '';
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-unawaited-'));
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

const QUIET = { reporter: 'silent', handleSignals: false, outputs: [] } as const;
const STEPS = [1, 2, 3, 4, 5];

/** Plain data; what only eagleray keeps; and what is large. */
const STATES = ['plain', 'instance', 'large'] as const;

test.each([
  ['disk', 'plain'],
  ['disk', 'instance'],
  ['disk', 'large'],
  ['memory', 'plain'],
  ['memory', 'instance'],
  ['memory', 'large'],
] as const)('on %s a checkpoint is what it was at the call: %s', async (where, kind) => {
  const results = await new Tuner(
    async (config: { kind: (typeof STATES)[number]; steps: readonly number[] }) => {
      class State {
        step = 0;
        metrics = { nested: [0] };
        weights = new Float64Array(config.kind === 'large' ? 50_000 : 4);
      }
      const made = new State();
      const state = config.kind === 'instance' ? made : { ...made };
      const metrics = { step: 0, nested: [0] };
      for (const step of config.steps) {
        state.step = step;
        state.metrics.nested[0] = step;
        state.weights.fill(step);
        metrics.step = step;
        metrics.nested[0] = step;
        void report(metrics, { checkpoint: state });
        // Before anything of it can have been sent.
        state.step = -1;
        state.weights.fill(-1);
        metrics.nested[0] = -1;
      }
    },
    {
      ...QUIET,
      name: kind,
      storagePath: where === 'disk' ? folder : null,
      space: { kind, steps: STEPS },
      checkpoints: { numToKeep: Infinity },
      metric: 'step',
      mode: 'min',
    },
  ).fit();
  expect(results.errors).toEqual([]);
  const [trial] = results;
  expect(trial!.history.map(({ step, nested }) => [step, nested])).toEqual(
    STEPS.map((step) => [step, [step]]),
  );
  expect(trial!.bestCheckpoints.map(({ iteration }) => iteration)).toEqual(STEPS);
  for (const checkpoint of trial!.bestCheckpoints) {
    const { iteration } = checkpoint;
    const state = (await checkpoint.load()) as {
      step: number;
      metrics: { nested: number[] };
      weights: Float64Array;
    };
    expect([state.step, state.metrics.nested[0], state.weights[3]]).toEqual([
      iteration,
      iteration,
      iteration,
    ]);
  }
});

test('one that can not be stored is refused, and those around it are kept', async () => {
  const results = await new Tuner(
    async () => {
      const first = report({ step: 1 });
      const refused = report({ step: 2 }, { checkpoint: { later: Promise.resolve() } });
      const last = report({ step: 3 });
      const names = await Promise.allSettled([first, refused, last]);
      await report({
        step: 4,
        outcomes: names.map((each) => (each.status === 'rejected' ? String(each.reason) : 'kept')),
      });
    },
    { ...QUIET, storagePath: null },
  ).fit();
  expect(results.errors).toEqual([]);
  expect(results.at(0)!.history.map(({ step }) => step)).toEqual([1, 3, 4]);
  const [first, refused, last] = results.at(0)!.metrics['outcomes'] as string[];
  expect([first, last]).toEqual(['kept', 'kept']);
  expect(refused).toContain('SerializationError');
});
