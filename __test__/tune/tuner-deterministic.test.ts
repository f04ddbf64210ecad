/** `deterministic: true`: the whole run repeats, however long trials take. */
import { availableResources, init, shutdown } from 'eagleray';
import {
  Tuner,
  asha,
  bohb,
  cmaes,
  fifo,
  gp,
  hyperband,
  hyperbandForBohb,
  medianStopping,
  nsga2,
  patientStopping,
  pb2,
  pbt,
  tpe,
  uniform,
  type Scheduler,
  type Searcher,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

beforeAll(async () => {
  await init({ numCpus: 4 });
});

afterEach(async () => {
  await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(4);
});

afterAll(async () => {
  await shutdown();
});

/** As long as chance has it, with a state that can be taken over. */
async function train(config: { x: number; y: number }, trial: TrialContext): Promise<void> {
  let state = ((await trial.checkpoint?.load()) ?? 0) as number;
  for (let i = trial.iteration; i < 9; i++) {
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 6));
    state += (config.x - 0.3) ** 2 + Math.abs(config.y + 1) / (i + 1);
    await trial.report({ loss: state, other: -state * config.y }, { checkpoint: state });
  }
}

interface Run {
  readonly search?: Searcher;
  readonly scheduler?: Scheduler;
  readonly numSamples?: number;
  readonly metric?: readonly string[];
}

async function resultsOf({
  numSamples = 14,
  metric = ['loss'],
  ...options
}: Run): Promise<unknown[]> {
  const results = await new Tuner(train, {
    storagePath: null,
    reporter: 'silent',
    metric,
    mode: metric.map(() => 'min' as const),
    space: { x: uniform(0, 1), y: uniform(-2, 2) },
    seed: 11,
    deterministic: true,
    maxConcurrentTrials: 4,
    numSamples,
    ...options,
  }).fit();
  return [...results].map(({ number, configs, history, status, stopReason }) => ({
    number,
    configs,
    status,
    stopReason,
    losses: history.map(({ loss, trainingIteration }) => [trainingIteration, loss]),
  }));
}

const times = { timeAttr: 'trainingIteration', perturbationInterval: 3 } as const;

describe.each<[string, () => Run]>([
  ['bohb', () => ({ search: bohb({ minPointsInModel: 4 }) })],
  ['tpe', () => ({ search: tpe({ numStartupTrials: 4 }) })],
  ['cmaes', () => ({ search: cmaes({ populationSize: 4 }) })],
  ['gp', () => ({ search: gp({ numStartupTrials: 4 }) })],
  ['nsga2', () => ({ search: nsga2({ populationSize: 4 }), metric: ['loss', 'other'] })],
  ['tpe with fifo', () => ({ search: tpe({ numStartupTrials: 4 }), scheduler: fifo() })],
  ['hyperband', () => ({ scheduler: hyperband({ maxT: 9 }), numSamples: 18 })],
  [
    'tpe with hyperband',
    () => ({
      search: tpe({ numStartupTrials: 4 }),
      scheduler: hyperband({ maxT: 9 }),
      numSamples: 18,
    }),
  ],
  [
    'synchronous pbt',
    () => ({
      scheduler: pbt({
        ...times,
        synch: true,
        hyperparamMutations: { x: uniform(0, 1), y: uniform(-2, 2) },
      }),
      numSamples: 7,
    }),
  ],
])('%s', (_name, make) => {
  test('repeats', async () => {
    const first = await resultsOf(make());
    expect(await resultsOf(make())).toEqual(first);
    expect(await resultsOf(make())).toEqual(first);
  });
});

test('what is proposed depends on what was told', async () => {
  const proposed = async (numSamples: number, search: Searcher): Promise<string> =>
    JSON.stringify((await resultsOf({ numSamples, search })).at(-1));
  // Else there would be nothing to repeat.
  expect(await proposed(12, tpe({ numStartupTrials: 4 }))).not.toBe(
    await proposed(12, tpe({ numStartupTrials: 100 })),
  );
});

describe('refused', () => {
  test.each<[string, Scheduler]>([
    ['asha', asha()],
    ['asha that promotes', asha({ type: 'promotion' })],
    ['medianStopping', medianStopping()],
    ['hyperbandForBohb', hyperbandForBohb()],
    ['hyperband by the clock', hyperband({ timeAttr: 'timeTotalMs' })],
    ['asynchronous pbt', pbt({ ...times, hyperparamMutations: { x: [1] } })],
    ['pbt by the clock', pbt({ synch: true, hyperparamMutations: { x: [1] } })],
    ['pb2', pb2({ ...times, synch: true, hyperparamBounds: { x: [0, 1] } })],
    ['patientStopping', patientStopping(asha(), { patience: 1 })],
    ['one of a user', { onTrialResult: () => 'CONTINUE', chooseTrialToRun: () => undefined }],
  ])('%s', (_name, scheduler) => {
    const options = { deterministic: true, maxConcurrentTrials: 4, scheduler };
    expect(() => new Tuner(train as never, options)).toThrow(
      expect.objectContaining({ name: 'InvalidArgumentError', argument: 'scheduler' }) as Error,
    );
  });

  test('without maxConcurrentTrials', () => {
    expect(() => new Tuner(train as never, { deterministic: true })).toThrow(
      expect.objectContaining({ argument: 'maxConcurrentTrials' }) as Error,
    );
  });
});
