/** Populations with real trials in real processes: whose state is taken over, what is written of it, and its replay. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { availableResources, init, shutdown } from 'eagleray';
import {
  Trainable,
  Tuner,
  pb2,
  pbt,
  pbtReplay,
  randint,
  tpe,
  uniform,
  type PbtOptions,
  type Result,
  type ResultGrid,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-populations-'));
  await init({ numCpus: 2 });
});

afterEach(async () => {
  await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

const QUIET = { reporter: 'silent', metric: 'score', mode: 'max', seed: 3 } as const;
const EVERY_3 = { timeAttr: 'trainingIteration', perturbationInterval: 3 } as const;

interface Path {
  readonly x: number;
  readonly steps: readonly { readonly by: number; readonly lr: number }[];
}

/** Its checkpoint says which trial has made each of its steps, with what. */
async function walk(config: { lr: number }, trial: TrialContext): Promise<void> {
  let state = ((await trial.checkpoint?.load()) ?? { x: 0, steps: [] }) as Path;
  for (;;) {
    const steps = [...state.steps, { by: trial.number, lr: config.lr }];
    state = { x: state.x + config.lr, steps };
    await trial.report({ score: state.x }, { checkpoint: state });
  }
}

/** What the states of trials say is what their configs and histories say. */
async function checkLineages(results: Iterable<Result>): Promise<void> {
  for (const { error, checkpoint, configs, history, metrics, number, config } of results) {
    expect(error).toBeNull();
    const { x, steps } = (await checkpoint!.load()) as Path;
    expect(x).toBe(metrics['score']);
    expect(steps).toHaveLength(checkpoint!.iteration);
    // What it has done itself since it has taken over a state, it has done with the config of that time.
    const last = configs.at(-1)!;
    expect(last.config).toEqual(config);
    const own = steps.slice(last.iteration);
    expect(own).toEqual(own.map(() => ({ by: number, lr: (config as { lr: number }).lr })));
    expect(own.length).toBeGreaterThan(0);
    expect(history.at(-1)!.trainingIteration).toBe(checkpoint!.iteration);
  }
}

function policiesIn(of: string): Record<string, string> {
  const files = readdirSync(of).filter((each) => each.startsWith('pbt_policy_'));
  return Object.fromEntries(files.map((each) => [each, readFileSync(path.join(of, each), 'utf8')]));
}

function linesOf(file: string): unknown[][] {
  return readFileSync(file, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown[]);
}

describe('pbt', () => {
  test.each([
    ['synchronous', { synch: true }],
    ['asynchronous', { synch: false }],
  ])(
    '%s: trials go on from the states of better ones, and the folder says how',
    async (name, more) => {
      // Who is ahead of whom is up to the machine when nobody waits for the others: on a busy one a trial may have
      // ended before another begins, and nobody copies. Then they run again, from other configs.
      let results: ResultGrid<{ lr: number }>;
      let exploited: Result<{ lr: number }>[] = [];
      for (let round = 0; ; round++) {
        results = await new Tuner(walk, {
          ...QUIET,
          seed: round,
          storagePath: folder,
          name: `${name}-${round}`,
          space: { lr: uniform(0, 1) },
          numSamples: 5,
          scheduler: pbt({ ...EVERY_3, ...more, hyperparamMutations: { lr: uniform(0, 1) } }),
          stop: { trainingIteration: 13 },
        }).fit();
        expect(results).toHaveLength(5);
        await checkLineages(results);
        exploited = [...results].filter(({ configs }) => configs.length > 1);
        if (exploited.length > 0) break;
        expect(more.synch, 'a population whose trials wait for each other copies').toBe(false);
      }
      for (const { config } of results) {
        expect(config.lr).toBeGreaterThanOrEqual(0);
        expect(config.lr).toBeLessThanOrEqual(1);
      }
      const files = readdirSync(results.path!).filter((each) => each.startsWith('pbt_policy_'));
      expect(files.toSorted()).toEqual(
        exploited.map(({ trialId }) => `pbt_policy_${trialId}.txt`).toSorted(),
      );
      for (const { trialId, configs } of exploited) {
        const lines = linesOf(path.join(results.path!, `pbt_policy_${trialId}.txt`));
        const [id, source, , iteration, , config] = lines.at(-1)!;
        expect([id, iteration, config]).toEqual([
          trialId,
          configs.at(-1)!.iteration,
          configs.at(-1)!.config,
        ]);
        expect(source).not.toBe(trialId);
      }
    },
  );

  test('a population that does not fit shares the machine', async () => {
    const results = await new Tuner(walk, {
      ...QUIET,
      storagePath: null,
      space: { lr: uniform(0, 1) },
      numSamples: 6,
      maxConcurrentTrials: 2,
      scheduler: pbt({ ...EVERY_3, hyperparamMutations: { lr: uniform(0, 1) } }),
      stop: { trainingIteration: 7 },
    }).fit();
    await checkLineages(results);
    const startedAt = [...results].map((result) => result.startedAt!);
    const firstEnd = Math.min(...[...results].map(({ history }) => history.at(-1)!.timestamp));
    // The last one has begun before the first one has ended.
    expect(Math.max(...startedAt)).toBeLessThanOrEqual(firstEnd);
  });

  test.each([[true], [false]])('classes are saved for others, synch: %s', async (synch) => {
    const signs = mkdtempSync(path.join(folder, 'begun-'));
    class Walk extends Trainable<{ lr: number }> {
      state: Path = { x: 0, steps: [] };
      async step(): Promise<{ score: number }> {
        // Both have reported before one goes ahead, so that neither has ended when the other one is looked at.
        if (this.trial.iteration === 1) {
          writeFileSync(path.join(signs, String(this.trial.number)), '');
        }
        do await new Promise((resolve) => setTimeout(resolve, 5));
        while (this.trial.iteration > 0 && readdirSync(signs).length < 2);
        const { lr } = this.config;
        const steps = [...this.state.steps, { by: this.trial.number, lr }];
        this.state = { x: this.state.x + lr, steps };
        return { score: this.state.x };
      }
      override saveCheckpoint(): Path {
        return this.state;
      }
      override loadCheckpoint(state: Path): void {
        this.state = state;
      }
    }
    const results = await new Tuner(Walk, {
      ...QUIET,
      storagePath: null,
      space: { lr: uniform(0, 1) },
      numSamples: 2,
      scheduler: pbt({ ...EVERY_3, synch, hyperparamMutations: { lr: uniform(0, 1) } }),
      checkpoints: { atEnd: true },
      stop: { trainingIteration: 40 },
    }).fit();
    await checkLineages(results);
    expect([...results].some(({ configs }) => configs.length > 1)).toBe(true);
  });

  test('who has copied whom is written over all interruptions, and again if it is lost', async () => {
    const settings = () =>
      ({
        ...QUIET,
        storagePath: folder,
        space: { lr: uniform(0, 1) },
        numSamples: 4,
        maxConcurrentTrials: 1,
        scheduler: pbt({ ...EVERY_3, synch: true, hyperparamMutations: { lr: uniform(0, 1) } }),
        stop: { trainingIteration: 10 },
      }) as const;
    const undisturbed = await new Tuner(walk, { ...settings(), name: 'undisturbed' }).fit();
    const expected = policiesIn(undisturbed.path!);
    expect(Object.keys(expected).length).toBeGreaterThan(0);
    // Each process ends at its first report: what is decided and not carried out then is carried out by the next one.
    const goOn = async (): Promise<ResultGrid> => {
      const controller = new AbortController();
      const onTrialResult = (): void => controller.abort(new Error('on the way'));
      const fit = new Tuner(walk, {
        ...settings(),
        name: 'interrupted',
        ifExists: 'resume',
        callbacks: [{ onTrialResult }],
      }).fit({ signal: controller.signal });
      return fit.catch((error: unknown) => {
        expect(error).toMatchObject({ message: 'on the way' });
        return goOn();
      });
    };
    const results = await goOn();
    expect([...results].map(({ configs }) => configs)).toEqual(
      [...undisturbed].map(({ configs }) => configs),
    );
    expect(policiesIn(results.path!)).toEqual(expected);
    for (const file of Object.keys(expected)) rmSync(path.join(results.path!, file));
    await Tuner.restore(results.path!, walk, { callbacks: [] }).fit();
    expect(policiesIn(results.path!)).toEqual(expected);
  });

  test('customExploreFn has the last word, and logConfig: false writes nothing', async () => {
    const options: PbtOptions = {
      ...EVERY_3,
      synch: true,
      logConfig: false,
      customExploreFn: (config) => ({ ...config, lr: Math.min(1, (config['lr'] as number) * 2) }),
    };
    const results = await new Tuner(walk, {
      ...QUIET,
      storagePath: folder,
      name: 'custom',
      space: { lr: uniform(0, 0.4) },
      numSamples: 4,
      scheduler: pbt(options),
      stop: { trainingIteration: 7 },
    }).fit();
    await checkLineages(results);
    const first = new Set([...results].map(({ configs }) => configs[0]!.config.lr));
    const doubled = [...results].flatMap(({ configs }) => configs.slice(1));
    expect(doubled.length).toBeGreaterThan(0);
    expect(doubled.some(({ config }) => first.has(config.lr / 2))).toBe(true);
    expect(readdirSync(results.path!).filter((each) => each.startsWith('pbt'))).toEqual([]);
  });

  test('what the space lacks comes of the mutations', async () => {
    const results = await new Tuner(
      (config: { deep?: { n?: number } }) => ({ score: config.deep?.n ?? -1 }),
      {
        ...QUIET,
        storagePath: null,
        numSamples: 3,
        scheduler: pbt({ ...EVERY_3, hyperparamMutations: { deep: { n: randint(5, 8) } } }),
      },
    ).fit();
    for (const { metrics } of results) expect([5, 6, 7]).toContain(metrics['score']);
  });

  test.each([
    [pbt({ hyperparamMutations: { lr: [1] } })],
    [pb2({ hyperparamBounds: { lr: [0, 1] } })],
  ])('a searcher beside it is refused', (scheduler) => {
    expect(() => new Tuner(walk as never, { ...QUIET, scheduler, search: tpe() })).toThrow(
      expect.objectContaining({ name: 'InvalidArgumentError', argument: 'search' }) as Error,
    );
  });
});

describe('pbtReplay', () => {
  test('runs one trial through the configs that another one has had', async () => {
    const population = await new Tuner(walk, {
      ...QUIET,
      storagePath: folder,
      name: 'replayed',
      space: { lr: uniform(0, 1) },
      numSamples: 4,
      scheduler: pbt({ ...EVERY_3, synch: true, hyperparamMutations: { lr: uniform(0, 1) } }),
      stop: { trainingIteration: 13 },
    }).fit();
    const { trialId, checkpoint } = [...population].findLast(({ configs }) => configs.length > 1)!;
    const policy = path.join(population.path!, `pbt_policy_${trialId}.txt`);
    expect(existsSync(policy)).toBe(true);
    const [replayed] = await new Tuner(walk as never, {
      ...QUIET,
      storagePath: null,
      scheduler: pbtReplay(policy),
      stop: { trainingIteration: 13 },
    }).fit();
    const original = (await checkpoint!.load()) as Path;
    const { x, steps } = (await replayed!.checkpoint!.load()) as Path;
    expect(steps.map(({ lr }) => lr)).toEqual(original.steps.map(({ lr }) => lr));
    expect(x).toBe(original.x);
    expect(replayed!.history).toHaveLength(13);
  });

  test('says so where there is no such file', async () => {
    const file = path.join(folder, 'synchronous', 'nothing.txt');
    const tuner = new Tuner(walk as never, {
      ...QUIET,
      storagePath: null,
      scheduler: pbtReplay(file),
    });
    await expect(tuner.fit()).rejects.toMatchObject({ name: 'JournalError' });
  });
});

describe('pb2', () => {
  test('proposes within its bounds, and writes what it did', async () => {
    const results = await new Tuner(walk, {
      ...QUIET,
      storagePath: folder,
      name: 'pb2',
      space: { lr: uniform(0, 0.3) },
      numSamples: 4,
      scheduler: pb2({ ...EVERY_3, synch: true, hyperparamBounds: { lr: [0, 1] } }),
      stop: { trainingIteration: 22 },
    }).fit();
    await checkLineages(results);
    const tried = [...results].flatMap(({ configs }) => configs.map(({ config }) => config.lr));
    expect(tried.length).toBeGreaterThan(6);
    for (const lr of tried) expect(lr >= 0 && lr <= 1).toBe(true);
    // The score rises by the rate: the model has seen that more is better, also beyond where trials began.
    expect(Math.max(...tried)).toBeGreaterThan(0.6);
    expect(readdirSync(results.path!).some((each) => each.startsWith('pbt_policy_'))).toBe(true);
  });
});
