/**
 * `simulate`: the real controller on a virtual clock. And through it, of every scheduler: all trials end, and ASHA keeps its workers
 * busy (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020, sections 3.2 and A.1).
 */

import {
  MetricError,
  asha,
  choice,
  concurrencyLimiter,
  fifo,
  grid,
  gridSearch,
  hyperband,
  hyperbandForBohb,
  maximumIterationStopper,
  medianStopping,
  patientStopping,
  pb2,
  pbt,
  percentileStopping,
  resourceChanging,
  sampleFrom,
  thresholdStopping,
  timeoutStopper,
  tpe,
  uniform,
  wilcoxonStopping,
  type Scheduler,
} from 'eagleray/tune';
import { simulate } from 'eagleray/tune/testing';
import { describe, expect, test } from 'vitest';

import { mulberry32 } from './toy-controller.ts';

const EXPERIMENTS = 500;

/** Of pb2, which thinks for a moment about each config; short ones, too. */
const EXPERIMENTS_OF_BANDITS = 5;
const BANDITS_MAX_T = 10;

const experimentsOf = (name: string): number =>
  name.startsWith('pb2') ? EXPERIMENTS_OF_BANDITS : EXPERIMENTS;

describe('a simulation', () => {
  const plain = {
    space: { x: uniform(0, 1) },
    objective: ({ x }: { x: number }, iteration: number) => ({ loss: x / iteration }),
    metric: 'loss',
    mode: 'min',
    stop: maximumIterationStopper(10),
  } as const;

  test('takes the time that its reports take, on as many workers as there are', () => {
    const { trials, timeMs, busyMs } = simulate({
      ...plain,
      numSamples: 10,
      workers: 4,
      duration: () => 5,
    });
    // Three rounds of four, four and two trials.
    expect(timeMs).toBe(150);
    expect(busyMs).toBe(500);
    expect(trials.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const last = trials.at(-1)!;
    expect(last).toMatchObject({ status: 'TERMINATED', stopReason: 'stopper', startedAt: 100 });
    expect(last).toMatchObject({ durationMs: 50, failures: 0, path: null });
    expect(last.history.map(({ trainingIteration }) => trainingIteration)).toEqual([
      1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
    ]);
    expect(last.history.map(({ timestamp }) => timestamp)).toEqual([
      105, 110, 115, 120, 125, 130, 135, 140, 145, 150,
    ]);
    expect(last.metrics).toMatchObject({ timeThisIterMs: 5, timeTotalMs: 50, done: true });
  });

  test('repeats with its seed, and is another one with another', () => {
    const run = (seed?: number) => {
      const { trials, ...times } = simulate({
        ...plain,
        search: tpe(),
        scheduler: asha({ maxT: 9, reductionFactor: 3 }),
        numSamples: 40,
        workers: 3,
        dropProbability: 0.1,
        duration: (_config, iteration, random) => 1 + iteration * random(),
        ...(seed === undefined ? {} : { seed }),
      });
      return JSON.stringify([times, trials.map(({ config, history }) => [config, history])]);
    };
    expect(run(1)).toBe(run(1));
    expect(run(1)).not.toBe(run(2));
    expect(run()).toBe(run(0));
  });

  test.each([
    ['one after the other', false],
    ['in batches', true],
  ])('has all samples where a limiter waits for paused trials, %s', (_name, batch) => {
    const { trials } = simulate({
      ...plain,
      search: concurrencyLimiter(tpe(), { maxConcurrent: 2, batch }),
      scheduler: asha({ type: 'promotion', maxT: 9, reductionFactor: 3 }),
      numSamples: 20,
      workers: 4,
    });
    // Two that nobody promotes end, and make room for the next.
    expect(trials).toHaveLength(20);
    expect(trials.every(({ status }) => status === 'TERMINATED')).toBe(true);
    expect(Math.max(...trials.map(({ history }) => history.length))).toBe(9);
  });

  test('spends the time of lost reports, and goes on from the last one', () => {
    const iterations: number[] = [];
    const { trials, busyMs, timeMs } = simulate({
      ...plain,
      objective: ({ x }, iteration) => {
        iterations.push(iteration);
        return { loss: x };
      },
      dropProbability: 0.5,
      seed: 3,
    });
    expect(iterations).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    const [trial] = trials;
    expect(trial!.failures).toBeGreaterThan(0);
    expect(busyMs).toBe(10 + trial!.failures);
    expect(timeMs).toBe(busyMs);
    // A run that failed was run time as well.
    expect(trial!.durationMs).toBe(busyMs);
    expect(trial!.metrics['timeTotalMs']).toBe(busyMs);
    expect(trial!.history).toHaveLength(10);
  });

  test('ends trials by themselves, with errors, and without the metric', () => {
    const { trials } = simulate({
      space: { kind: gridSearch(['done', 'throws', 'no metric', 'wrong']) },
      objective: ({ kind }, iteration) => {
        if (kind === 'throws') throw new RangeError('too large');
        if (kind === 'no metric') return { other: 1, done: true };
        if (kind === 'wrong') return { loss: (() => 1) as never };
        return { loss: 1, done: iteration === 3 };
      },
      metric: 'loss',
      mode: 'min',
    });
    expect(trials.map(({ status }) => status)).toEqual(['TERMINATED', 'ERROR', 'ERROR', 'ERROR']);
    const [done, throws, without, wrong] = trials;
    expect(done).toMatchObject({ stopReason: 'finished' });
    expect(done!.history.map((row) => row.done)).toEqual([false, false, true]);
    expect(throws!.error).toBeInstanceOf(RangeError);
    expect(throws!.durationMs).toBe(1);
    expect(without!.error).toBeInstanceOf(MetricError);
    expect(wrong!.error).toMatchObject({ code: 'ERR_EAGLERAY_INVALID_ARGUMENT' });
  });

  test('has checkpoints without states', async () => {
    const { trials } = simulate(plain);
    const { checkpoint } = trials[0]!;
    expect(checkpoint).toMatchObject({ path: null, iteration: 10, metrics: trials[0]!.metrics });
    await expect(checkpoint!.load()).rejects.toMatchObject({
      code: 'ERR_EAGLERAY_NOT_SUPPORTED',
    });
  });

  test('exploits: the state of a better trial, with a changed config', () => {
    const { trials } = simulate({
      space: { rate: gridSearch([1, 2, 3, 4]) },
      objective: ({ rate }, iteration) => ({ score: rate * iteration }),
      metric: 'score',
      mode: 'max',
      workers: 4,
      scheduler: pbt({
        timeAttr: 'trainingIteration',
        perturbationInterval: 5,
        hyperparamMutations: { rate: uniform(1, 10) },
      }),
      stop: { trainingIteration: 20 },
    });
    const changed = trials.filter(({ configs }) => configs.length > 1);
    expect(changed.length).toBeGreaterThan(0);
    expect(changed[0]!.configs.at(-1)!.iteration).toBeGreaterThan(0);
    for (const { history } of trials) {
      expect(history.map((row) => row.trainingIteration)).toEqual(
        Array.from({ length: 20 }, (_, index) => index + 1),
      );
    }
  });

  test('gives a trial more workers, and lets no more run than there are', () => {
    const running: number[] = [];
    const { timeMs, busyMs } = simulate({
      ...plain,
      numSamples: 8,
      workers: 4,
      scheduler: resourceChanging(fifo(), {
        allocate: (_trial, _metrics, { trials }) => {
          running.push(trials.filter(({ status }) => status === 'RUNNING').length);
          return { numCpus: 2 };
        },
      }),
    });
    expect(Math.max(...running)).toBeLessThanOrEqual(4);
    // Nine of ten reports of each trial are made by two workers.
    expect(busyMs).toBe(8 * (1 + 2 * 9));
    expect(timeMs).toBeGreaterThanOrEqual(busyMs / 4);
  });

  test('asks any searcher, and waits where that waits', () => {
    const all = simulate({
      space: { a: choice(['x', 'y']), b: choice([1, 2, 3]), c: sampleFrom(({ b }) => b * 2) },
      search: grid(),
      objective: ({ b }) => ({ loss: b, done: true }),
      metric: 'loss',
      mode: 'min',
      workers: 4,
    });
    expect(all.trials).toHaveLength(6);
    const limited = simulate({
      ...plain,
      search: concurrencyLimiter(tpe(), { maxConcurrent: 2 }),
      numSamples: 20,
      workers: 8,
    });
    expect(limited.timeMs).toBe(100);
  });

  test('refuses wrong options, and ends where nothing else does', () => {
    const codes = { code: 'ERR_EAGLERAY_INVALID_ARGUMENT' };
    const refused = (options: object) => () => simulate({ ...plain, ...options });
    expect(refused({ objective: undefined })).toThrow(/objective is undefined; allowed: a func/);
    expect(refused({ worker: 3 })).toThrow(/no option worker .*Did you mean workers/);
    expect(refused({ workers: 0 })).toThrow(expect.objectContaining(codes));
    expect(refused({ dropProbability: 1 })).toThrow(/no report would ever arrive/);
    expect(refused({ duration: () => -1 })).toThrow(/milliseconds from 0 up/);
    expect(refused({ metric: undefined })).toThrow(/there is mode and no metric/);
    const failing = { ...fifo(), onTrialResult: () => { throw new RangeError('mine'); } }; // prettier-ignore
    expect(refused({ scheduler: failing })).toThrow(RangeError);
    // Nearly every report is lost, and nothing says when to stop.
    expect(refused({ stop: undefined, dropProbability: 0.999 })).toThrow(
      /after 2000000 reports trials still run/,
    );
  });
});

/** Half-normal, as the paper's stragglers are: 1 + |z|. */
function straggling(random: () => number): number {
  const z = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return 1 + Math.abs(z);
}

describe.each(['stopping', 'promotion'] as const)('asha, %s, with 2,000 configs', (type) => {
  function run(workers: number, gracePeriod: number) {
    const inner = asha({ type, maxT: 256, gracePeriod });
    let idle = 0;
    // To count at each report takes as long as all else, so only where there are few.
    const scheduler = {
      ...inner,
      ...(gracePeriod > 1
        ? {}
        : {
            onTrialResult: (trial, metrics, control) => {
              const running = control.trials.filter(({ status }) => status === 'RUNNING').length;
              if (control.trials.length < 2_000 && running < workers) idle++;
              return inner.onTrialResult(trial, metrics, control);
            },
          }),
    } satisfies Scheduler;
    const { trials, timeMs, busyMs } = simulate({
      scheduler,
      space: { x: uniform(0, 1), y: uniform(0, 1) },
      objective: ({ x, y }, iteration) => ({ loss: x + y / iteration }),
      metric: 'loss',
      mode: 'min',
      numSamples: 2_000,
      workers,
      dropProbability: 0.01,
      duration: (_config, _iteration, random) => straggling(random),
    });
    expect(trials).toHaveLength(2_000);
    expect(trials.every(({ status }) => status === 'TERMINATED')).toBe(true);
    expect(trials.filter(({ failures }) => failures > 0).length).toBeGreaterThan(20);
    const allBegunAt = Math.max(...trials.map(({ startedAt }) => startedAt!));
    const reports = trials.reduce((sum, { history }) => sum + history.length, 0);
    return { idle, timeMs, allBegunAt, reports, busy: busyMs / (timeMs * workers) };
  }

  test.each([1, 64])('500 workers are three times as fast as 125, from %d on', (gracePeriod) => {
    const few = run(125, gracePeriod);
    const many = run(500, gracePeriod);
    if (process.env['TESTING_FIGURES'] !== undefined) console.log(type, gracePeriod, few, many);
    expect(few.idle).toBe(0);
    expect(many.idle).toBe(0);
    expect(few.allBegunAt / many.allBegunAt).toBeGreaterThanOrEqual(3);
    // With short rungs the end is that of the one trial that runs longest, however many workers there are.
    if (gracePeriod > 1) expect(few.timeMs / many.timeMs).toBeGreaterThanOrEqual(3);
    else expect(many.timeMs).toBeLessThanOrEqual(few.timeMs);
  });
});

interface Shape {
  readonly maxT: number;
  readonly reductionFactor: number;
  readonly random: () => number;
}

const MAKERS: Readonly<Record<string, (shape: Shape) => Scheduler>> = {
  fifo,
  'asha, stopping': ({ maxT, reductionFactor, random }) =>
    asha({ maxT, reductionFactor, brackets: 1 + whole(random, 3) }),
  'asha, promotion': ({ maxT, reductionFactor, random }) =>
    asha({ type: 'promotion', maxT, reductionFactor, brackets: 1 + whole(random, 3) }),
  hyperband: ({ maxT, reductionFactor, random }) =>
    hyperband({ maxT, reductionFactor, stopLastTrials: random() < 0.7 }),
  hyperbandForBohb: ({ maxT, reductionFactor, random }) =>
    hyperbandForBohb({ maxT, reductionFactor, stopLastTrials: random() < 0.7 }),
  medianStopping: ({ random }) =>
    medianStopping({
      timeAttr: 'trainingIteration',
      gracePeriod: whole(random, 5),
      minSamplesRequired: 1 + whole(random, 4),
      minTimeSlice: whole(random, 3),
      hardStop: random() < 0.5,
    }),
  percentileStopping: ({ random }) =>
    percentileStopping({ percentile: whole(random, 101), numStartupTrials: whole(random, 4) }),
  thresholdStopping: ({ random }) => thresholdStopping({ upper: random(), numWarmupSteps: 3 }),
  wilcoxonStopping: ({ random }) => wilcoxonStopping({ pThreshold: random() }),
  patientStopping: ({ maxT, random }) =>
    patientStopping(
      random() < 0.5 ? asha({ maxT }) : percentileStopping({ percentile: whole(random, 101) }),
      {
        patience: whole(random, 4),
      },
    ),
  'pbt, asynchronous': ({ random }) => population(random, false),
  'pbt, synchronous': ({ random }) => population(random, true),
  'pb2, asynchronous': ({ random }) => bandits(random, false),
  'pb2, synchronous': ({ random }) => bandits(random, true),
  'resourceChanging of fifo': ({ random }) =>
    resourceChanging(fifo(), {
      allocate: () => (random() < 0.3 ? { numCpus: 1 + whole(random, 3) } : undefined),
    }),
  'resourceChanging of hyperband': ({ maxT, reductionFactor, random }) =>
    resourceChanging(hyperband({ maxT, reductionFactor }), {
      allocate: () => (random() < 0.3 ? { numCpus: 1 + whole(random, 3) } : undefined),
    }),
};

function population(random: () => number, synch: boolean): Scheduler {
  return pbt({
    timeAttr: 'trainingIteration',
    perturbationInterval: 1 + whole(random, 8),
    burnInPeriod: whole(random, 2) * 5,
    quantileFraction: [0, 0.25, 0.5][whole(random, 3)]!,
    hyperparamMutations: { x: uniform(0, 1) },
    synch,
  });
}

function bandits(random: () => number, synch: boolean): Scheduler {
  return pb2({
    timeAttr: 'trainingIteration',
    perturbationInterval: 1 + whole(random, 8),
    quantileFraction: [0, 0.25, 0.5][whole(random, 3)]!,
    hyperparamBounds: { x: [0, 1] },
    synch,
  });
}

function whole(random: () => number, below: number): number {
  return Math.floor(random() * below);
}

describe.each(Object.entries(MAKERS))('with %s', (name, make) => {
  const experiments = experimentsOf(name);
  test(`all trials end in ${experiments} random experiments`, () => {
    const wrong: object[] = [];
    let reports = 0;
    for (let seed = 0; seed < experiments; seed++) {
      const random = mulberry32(seed * 7919 + 1);
      const maxT = 1 + whole(random, name.startsWith('pb2') ? BANDITS_MAX_T : 60);
      const reductionFactor = [2, 3, 4, 2.5][whole(random, 4)]!;
      const numSamples = 1 + whole(random, 30);
      const workers = 1 + whole(random, 8);
      const dropProbability = [0, 0.01, 0.1, 0.3][whole(random, 4)]!;
      const errorRate = [0, 0, 0.02][whole(random, 3)]!;
      const noise = mulberry32(seed);
      const shape = { seed, maxT, reductionFactor, numSamples, workers, dropProbability };
      const leftOver = new Set<string>();
      try {
        const { trials, timeMs, busyMs } = simulate({
          scheduler: watched(make({ maxT, reductionFactor, random }), leftOver),
          space: { x: uniform(0, 1) },
          objective: ({ x }, iteration) => {
            if (noise() < errorRate) throw new Error('it fails');
            const done = iteration >= maxT;
            if (noise() < 0.02) return { loss: [NaN, Infinity, -Infinity][whole(noise, 3)]!, done };
            return noise() < 0.02 ? { other: 1, done } : { loss: x + noise(), done };
          },
          metric: 'loss',
          mode: random() < 0.5 ? 'min' : 'max',
          numSamples,
          workers,
          dropProbability,
          duration: (_config, _iteration, draw) => straggling(draw),
          seed,
        });
        reports += trials.reduce((sum, { history }) => sum + history.length, 0);
        const open = trials.filter(
          ({ status }) => status !== 'TERMINATED' && status !== 'ERROR',
        ).length;
        // Only with promotion trials stay paused: those that were never among the best.
        const isLeftOver = leftOver.size > 0 && name !== 'asha, promotion';
        const isBusy = busyMs <= timeMs * workers * (1 + 1e-9);
        if (trials.length !== numSamples || open > 0 || isLeftOver || !isBusy) {
          wrong.push({ ...shape, count: trials.length, open, leftOver: [...leftOver] });
        }
      } catch (error) {
        wrong.push({ ...shape, error });
      }
    }
    expect(wrong.slice(0, 3)).toEqual([]);
    expect(reports).toBeGreaterThan(experiments);
  });
});

/** The same scheduler; `leftOver` gets the ids of those who wait when nobody runs and nobody is chosen. */
function watched(inner: Scheduler, leftOver: Set<string>): Scheduler {
  return {
    ...inner,
    chooseTrialToRun(control) {
      const chosen = inner.chooseTrialToRun(control);
      const isIdle = control.trials.every(({ status }) => status !== 'RUNNING');
      if (chosen !== undefined || !isIdle || control.hasAllTrials !== true) return chosen;
      for (const { id, status } of control.trials) {
        if (status === 'PAUSED' || status === 'PENDING') leftOver.add(id);
      }
      return chosen;
    },
  };
}

test('a timeout counts the time of the simulation', () => {
  const run = (): object => {
    const { timeMs, trials } = simulate({
      objective: () => ({ loss: 1 }),
      duration: () => 7,
      workers: 1,
      numSamples: 1_000,
      stop: [{ trainingIteration: 1 }, timeoutStopper(100)],
      metric: 'loss',
      mode: 'min',
    });
    return { timeMs, trials: trials.length };
  };
  expect(run()).toEqual({ timeMs: 105, trials: 15 });
  expect(run()).toEqual(run());
});
