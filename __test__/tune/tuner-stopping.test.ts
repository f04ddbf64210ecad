/** What ends trials, with real trials in real processes: stoppers, schedulers around others, and names that nobody has reported. */
import { availableResources, init, shutdown } from 'eagleray';
import {
  Tuner,
  allOf,
  experimentPlateauStopper,
  fifo,
  gridSearch,
  maximumIterationStopper,
  medianStopping,
  patientStopping,
  pbt,
  resourceChanging,
  stagnationStopper,
  thresholdStopping,
  timeoutStopper,
  trialPlateauStopper,
  uniform,
  wilcoxonStopping,
  Trainable,
  type ResultGrid,
  type Scheduler,
  type StopCondition,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterEach(async () => {
  await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
});

afterAll(async () => {
  await shutdown();
});

const QUIET = {
  storagePath: null,
  reporter: 'silent',
  metric: 'loss',
  mode: 'min',
  maxConcurrentTrials: 1,
} as const;

/** Reports the elements of its list, and the last one again and again. */
async function follow(config: { losses: readonly number[] }, trial: TrialContext): Promise<void> {
  for (let at = trial.iteration; ; at++) {
    const loss = config.losses[Math.min(at, config.losses.length - 1)]!;
    await trial.report({ loss, half: loss / 2 }, { checkpoint: at });
  }
}

function lengthsOf(results: ResultGrid): number[] {
  return [...results].map(({ history }) => history.length);
}

function reasonsOf(results: ResultGrid): unknown[] {
  return [...results].map(({ stopReason }) => stopReason);
}

const FALLING = [9, 8, 7, 6, 5, 4, 3, 2, 1];

function run(stop: StopCondition, losses: readonly (readonly number[])[]) {
  return new Tuner(follow, { ...QUIET, space: { losses: gridSearch(losses) }, stop }).fit();
}

describe('stoppers', () => {
  test('bounds: at most for what is to be less, at least for all else', async () => {
    const results = await run({ loss: 6, trainingIteration: 5 }, [FALLING, [20]]);
    expect(lengthsOf(results)).toEqual([4, 5]);
    expect(reasonsOf(results)).toEqual(['stopper', 'stopper']);
    expect(lengthsOf(await run({ half: 4.5 }, [FALLING]))).toEqual([1]);
  });

  test('a function, a list, maximumIterationStopper and allOf', async () => {
    expect(lengthsOf(await run((_id, { loss }) => (loss as number) < 4, [FALLING]))).toEqual([7]);
    expect(lengthsOf(await run([{ loss: 2 }, maximumIterationStopper(3)], [FALLING]))).toEqual([3]);
    const both = allOf({ loss: 6 }, maximumIterationStopper(6));
    expect(lengthsOf(await run(both, [FALLING, [1]]))).toEqual([6, 6]);
  });

  test('trialPlateauStopper ends a trial whose metric has settled', async () => {
    const stop = [trialPlateauStopper({ metric: 'loss' }), maximumIterationStopper(8)];
    expect(lengthsOf(await run(stop, [[5, 4, 3, 3], FALLING]))).toEqual([6, 8]);
  });

  test('experimentPlateauStopper and stagnationStopper end the experiment', async () => {
    const plateau = await run(
      [experimentPlateauStopper({ metric: 'loss', top: 3 }), maximumIterationStopper(2)],
      [[4], [3, 1], [1], [1], [1], [1]],
    );
    expect(lengthsOf(plateau)).toEqual([2, 2, 2]);
    expect(reasonsOf(plateau)).toEqual(['stopper', 'stopper', 'stopper']);
    const stagnation = await run(
      [stagnationStopper({ trials: 2 }), maximumIterationStopper(1)],
      [[4], [3], [5], [6], [1], [1]],
    );
    // Neither of the last two is run.
    expect(lengthsOf(stagnation)).toEqual([1, 1, 1, 1]);
    expect(stagnation.best.number).toBe(1);
  });

  test('timeoutStopper and stopAll of an own one end what runs', async () => {
    const timeout = await run(timeoutStopper(200), [FALLING, FALLING]);
    expect(timeout.at(0)!.status).toBe('TERMINATED');
    let reports = 0;
    const own = { onResult: () => ++reports < 0, stopAll: () => reports >= 3 };
    const stopped = await run(own, [FALLING, FALLING]);
    expect(stopped.at(0)!).toMatchObject({ stopReason: 'experiment' });
    expect(stopped.at(0)!.history).toHaveLength(3);
  });
});

describe('a name in stop that no report has had', () => {
  async function warningsOf(fit: () => Promise<unknown>): Promise<string[]> {
    const warnings: string[] = [];
    const listen = ({ name, message }: Error): void => {
      if (name === 'TuneWarning') warnings.push(message);
    };
    process.on('warning', listen);
    try {
      await fit();
      // Node tells of a warning in the next turn.
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off('warning', listen);
    }
    return warnings;
  }

  test('is told of once', async () => {
    const warnings = await warningsOf(() =>
      run({ trainingIteration: 2, los: 0.1, 'a.b': 3 }, [FALLING, FALLING, FALLING]),
    );
    expect(warnings).toEqual([expect.stringContaining('no report has had los, a.b so far')]);
  });

  test('is told of while trials run on that nothing stops', async () => {
    const controller = new AbortController();
    const warnings = await warningsOf(async () => {
      process.once('warning', () => controller.abort(new Error('enough')));
      const tuner = new Tuner(follow, {
        ...QUIET,
        space: { losses: [1] as readonly number[] },
        stop: { los: 0.1 },
      });
      await expect(tuner.fit({ signal: controller.signal })).rejects.toThrow('enough');
    });
    expect(warnings).toHaveLength(1);
  });

  test('is none if one report had it', async () => {
    const warnings = await warningsOf(() =>
      run({ trainingIteration: 2, half: 100, loss: 0 }, [FALLING, FALLING]),
    );
    expect(warnings).toEqual([]);
  });
});

describe('schedulers', () => {
  test('patientStopping lets trials go on that still become better', async () => {
    const bad = [20, 19, 18, 17, 18, 19, 20, 21];
    const fit = (scheduler: Scheduler) =>
      new Tuner(follow, {
        ...QUIET,
        space: { losses: gridSearch([FALLING, bad]) },
        scheduler,
        stop: { trainingIteration: 9 },
      }).fit();
    const inner = () => thresholdStopping({ upper: 15 });
    expect(lengthsOf(await fit(inner()))).toEqual([9, 1]);
    const results = await fit(patientStopping(inner(), { patience: 1 }));
    // The best of the last two is worse than what was before first at its sixth report: 18 and 19 after 17.
    expect(lengthsOf(results)).toEqual([9, 6]);
    expect(reasonsOf(results)).toEqual(['stopper', 'scheduler']);
    const around = patientStopping(
      medianStopping({ timeAttr: 'trainingIteration', gracePeriod: 1, minSamplesRequired: 1 }),
      { patience: 0 },
    );
    expect(lengthsOf(await fit(around))).toEqual([9, 5]);
  });

  test('wilcoxonStopping stops what is worse in nearly every step', async () => {
    const steps = (offset: number) => Array.from({ length: 12 }, (_, at) => (at % 3) + offset);
    const results = await new Tuner(
      async (config, trial) => {
        for (const loss of config.losses) await trial.report({ loss });
        const { losses } = config;
        return { loss: losses.reduce((sum, loss) => sum + loss, 0) / losses.length };
      },
      {
        ...QUIET,
        space: { losses: gridSearch([steps(0), steps(5), steps(-1), steps(0.5)]) },
        scheduler: wilcoxonStopping({ pThreshold: 0.1 }),
      },
    ).fit();
    expect(reasonsOf(results)).toEqual(['finished', 'scheduler', 'finished', 'scheduler']);
    expect(results.at(1)!.history.length).toBeLessThan(8);
    expect(results.best.number).toBe(2);
  });

  test('resourceChanging: a trial goes on with other resources, from its checkpoint', async () => {
    const results = await new Tuner(
      async (_config: object, trial: TrialContext) => {
        const seen = ((await trial.checkpoint?.load()) ?? []) as number[];
        for (;;) {
          seen.push(trial.resources.numCpus ?? -1);
          await trial.report({ loss: -seen.length }, { checkpoint: seen });
        }
      },
      {
        ...QUIET,
        numSamples: 2,
        scheduler: resourceChanging(fifo(), {
          allocate: (_trial, { trainingIteration }) =>
            trainingIteration === 3 ? { numCpus: 2 } : undefined,
        }),
        stop: { trainingIteration: 6 },
      },
    ).fit();
    for (const { checkpoint, error, history } of results) {
      expect(error).toBeNull();
      expect(await checkpoint!.load()).toEqual([1, 1, 1, 2, 2, 2]);
      expect(history.map(({ trainingIteration }) => trainingIteration)).toEqual([1, 2, 3, 4, 5, 6]);
    }
  });

  test('resourceChanging: not before a report that has a checkpoint', async () => {
    const results = await new Tuner(
      async (_config: object, trial: TrialContext) => {
        const seen = ((await trial.checkpoint?.load()) ?? []) as number[];
        for (;;) {
          seen.push(trial.resources.numCpus ?? -1);
          const options = seen.length % 4 === 0 ? { checkpoint: seen } : {};
          await trial.report({ loss: 0 }, options);
        }
      },
      {
        ...QUIET,
        scheduler: resourceChanging(fifo(), { allocate: () => ({ numCpus: 2 }) }),
        stop: { trainingIteration: 8 },
      },
    ).fit();
    // Nothing is done twice: what comes after a checkpoint is not lost for more CPUs.
    expect(await results.at(0)!.checkpoint!.load()).toEqual([1, 1, 1, 1, 2, 2, 2, 2]);
    expect(new Set(results.at(0)!.history.map(({ pid }) => pid)).size).toBeLessThanOrEqual(2);
  });

  test('resourceChanging: a trial that is to have what it has runs on', async () => {
    const attempts: number[][] = [];
    for (const allocate of [
      () => ({ numCpus: 1 }),
      // What there is not changes nothing, and back from there is no change either.
      (_trial: unknown, { trainingIteration }: { trainingIteration: number }) => ({
        numCpus: trainingIteration === 2 ? 99 : 1,
      }),
    ]) {
      const results = await new Tuner(
        async (_config: object, trial: TrialContext) => {
          for (let at = trial.iteration; ; at++) {
            await trial.report({ loss: 0, attempt: trial.attempt }, { checkpoint: at });
          }
        },
        {
          ...QUIET,
          scheduler: resourceChanging(fifo(), { allocate }),
          stop: { trainingIteration: 4 },
        },
      ).fit();
      attempts.push(results.at(0)!.history.map(({ attempt }) => attempt as number));
    }
    expect(attempts).toEqual([
      [1, 1, 1, 1],
      [1, 1, 1, 1],
    ]);
  });

  test('resourceChanging: a class saves itself for it, and other resources than there are change nothing', async () => {
    class Count extends Trainable {
      n = 0;
      seen: number[] = [];
      step(): { loss: number } {
        this.n++;
        this.seen.push(this.trial.resources.numCpus ?? -1);
        return { loss: -this.n };
      }
      override saveCheckpoint(): object {
        return { n: this.n, seen: this.seen };
      }
      override loadCheckpoint(state: { n: number; seen: number[] }): void {
        Object.assign(this, state);
      }
    }
    const results = await new Tuner(Count, {
      ...QUIET,
      checkpoints: { atEnd: true },
      scheduler: resourceChanging(fifo(), {
        allocate: (_trial, { trainingIteration }) =>
          trainingIteration === 2
            ? { numCpus: 2 }
            : trainingIteration === 4
              ? { numCpus: 99 }
              : undefined,
      }),
      stop: { trainingIteration: 5 },
    }).fit();
    expect(await results.at(0)!.checkpoint!.load()).toEqual({ n: 5, seen: [1, 1, 2, 2, 2] });
  });

  test('resourceChanging around pbt is a population still', async () => {
    const results = await new Tuner(
      async (config, trial) => {
        let x = ((await trial.checkpoint?.load()) ?? 0) as number;
        for (;;) await trial.report({ loss: (x -= config.lr) }, { checkpoint: x });
      },
      {
        ...QUIET,
        maxConcurrentTrials: 2,
        numSamples: 4,
        space: { lr: uniform(0, 1) },
        seed: 3,
        scheduler: resourceChanging(
          pbt({
            timeAttr: 'trainingIteration',
            perturbationInterval: 2,
            synch: true,
            hyperparamMutations: { lr: uniform(0, 1) },
          }),
          { allocate: () => undefined },
        ),
        stop: { trainingIteration: 7 },
      },
    ).fit();
    expect([...results].every(({ error }) => error === null)).toBe(true);
    expect([...results].some(({ configs }) => configs.length > 1)).toBe(true);
  });
});

test('thirty experiments hang on one signal, and Node warns of nothing', async () => {
  const warnings: Error[] = [];
  const note = (warning: Error): void => void warnings.push(warning);
  process.on('warning', note);
  const controller = new AbortController();
  const reason = new Error('enough');
  const wait = async (_config: unknown, trial: TrialContext): Promise<void> => {
    for (;;) await trial.report({ loss: 1 });
  };
  const fits = Array.from({ length: 30 }, async () =>
    new Tuner(wait, QUIET).fit({ signal: controller.signal }).catch((error: unknown) => error),
  );
  const short = await new Tuner(() => ({ loss: 1 }), { ...QUIET, resources: { numCpus: 0 } }).fit({
    signal: controller.signal,
  });
  expect(short).toHaveLength(1);
  controller.abort(reason);
  expect(await Promise.all(fits)).toEqual(Array.from({ length: 30 }, () => reason));
  process.off('warning', note);
  expect(warnings.filter(({ name }) => name === 'MaxListenersExceededWarning')).toEqual([]);
});
