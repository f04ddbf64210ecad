/** Populations that are gone on with, with real trials in real processes: which configs their results have. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { init, shutdown } from 'eagleray';
import {
  Tuner,
  loadResults,
  pb2,
  pbt,
  uniform,
  type Result,
  type Scheduler,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-restore-populations-'));
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

interface Config {
  readonly lr: number;
  readonly momentum: number;
}

interface Path {
  readonly x: number;
  /** Which trial has made each step, with which config. */
  readonly steps: readonly { readonly by: number; readonly config: Config }[];
}

/** Its checkpoint says with what each of its steps was made. */
async function walk(config: Config, trial: TrialContext): Promise<void> {
  let state = ((await trial.checkpoint?.load()) ?? { x: 0, steps: [] }) as Path;
  for (;;) {
    const { lr, momentum } = config;
    const x = state.x + lr * (1 - (lr - momentum) ** 2);
    state = { x, steps: [...state.steps, { by: trial.number, config: { lr, momentum } }] };
    await trial.report({ score: x }, { checkpoint: state });
  }
}

const QUIET = { reporter: 'silent', metric: 'score', mode: 'max', seed: 3 } as const;
const EVERY_3 = { timeAttr: 'trainingIteration', perturbationInterval: 3 } as const;
const DOMAIN = uniform(0, 1);

const SCHEDULERS: Record<string, (synch: boolean) => Scheduler> = {
  pbt: (synch) => pbt({ ...EVERY_3, synch, hyperparamMutations: { lr: DOMAIN, momentum: DOMAIN } }),
  pb2: (synch) => pb2({ ...EVERY_3, synch, hyperparamBounds: { lr: [0, 1], momentum: [0, 1] } }),
};

function optionsOf(name: string, kind: string, synch: boolean) {
  return {
    ...QUIET,
    storagePath: folder,
    name,
    space: { lr: DOMAIN, momentum: DOMAIN },
    numSamples: 4,
    scheduler: SCHEDULERS[kind]!(synch),
    stop: { trainingIteration: 16 },
  };
}

/** Throws at a report: the experiment is interrupted there. */
function interruption(at: number): { onTrialResult(): void } {
  let reports = 0;
  return {
    onTrialResult() {
      if (++reports === at) throw new Error('interrupted');
    },
  };
}

/** Interrupted at a report, gone on with, interrupted again, and gone on with to the end. */
async function disturbed(name: string, kind: string, synch: boolean, reports: readonly number[]) {
  const [first, ...others] = reports;
  const path = join(folder, name);
  const tuner = new Tuner(walk, {
    ...optionsOf(name, kind, synch),
    callbacks: [interruption(first!)],
  });
  await expect(tuner.fit()).rejects.toThrow('interrupted');
  checkReread(path);
  for (const at of others) {
    const again = Tuner.restore(path, walk, {
      reporter: 'silent',
      callbacks: [interruption(at)],
    });
    await expect(again.fit()).rejects.toThrow('interrupted');
    checkReread(path);
  }
  return Tuner.restore(path, walk, { reporter: 'silent', callbacks: [] }).fit();
}

/** What is read of an experiment that was interrupted has the latest configs. */
function checkReread(path: string): void {
  for (const { config, configs } of loadResults(path)) {
    expect(config).toEqual(configs.at(-1)!.config);
  }
}

const configsOf = (results: Iterable<Result>) =>
  [...results].map(({ config, configs }) => ({ config, configs: [...configs] }));

/** A trial has the config that it was given last, and has trained with it. */
async function checkLatest(results: Iterable<Result>): Promise<number> {
  let changes = 0;
  for (const { number, config, configs, error, checkpoint } of results) {
    expect(error).toBeNull();
    const last = configs.at(-1)!;
    expect(config).toEqual(last.config);
    const { steps } = (await checkpoint!.load()) as Path;
    const own = steps.slice(last.iteration);
    expect(own.length).toBeGreaterThan(0);
    expect(own).toEqual(own.map(() => ({ by: number, config })));
    changes += configs.length - 1;
  }
  return changes;
}

/** At the first perturbation and behind it, before one is complete, and between two. */
const INTERRUPTIONS = [[13], [12, 1], [24], [26, 9], [37, 6, 5]];

describe.each(Object.keys(SCHEDULERS))('%s', (kind) => {
  test('synchronous: the configs are those of a run that was left alone', async () => {
    const whole = await new Tuner(walk, optionsOf(`${kind}-whole`, kind, true)).fit();
    expect(await checkLatest(whole)).toBeGreaterThan(3);
    for (const reports of INTERRUPTIONS) {
      const results = await disturbed(`${kind}-${reports.join('-')}`, kind, true, reports);
      await checkLatest(results);
      expect(configsOf(results), `interrupted at ${reports.join()}`).toEqual(configsOf(whole));
    }
  }, 120_000);

  test('asynchronous: the config is the latest, and what the trial has trained with', async () => {
    let changes = 0;
    // Who is ahead of whom is up to the machine: on a busy one a trial may have ended before another begins, and nobody copies.
    for (let round = 0; changes === 0; round++) {
      for (const reports of INTERRUPTIONS.slice(2)) {
        const name = `${kind}-asynchronous-${round}-${reports.join('-')}`;
        changes += await checkLatest(await disturbed(name, kind, false, reports));
      }
    }
  }, 120_000);
});
