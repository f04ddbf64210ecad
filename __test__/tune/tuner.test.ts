/** `fit`, with real trials in real processes. */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import {
  type TaskError,
  WorkerCrashedError,
  availableResources,
  get,
  init,
  put,
  remote,
  shutdown,
} from 'eagleray';
import {
  Trainable,
  Tuner,
  asha,
  choice,
  cmaes,
  concurrencyLimiter,
  grid,
  gridSearch,
  hyperband,
  loguniform,
  patientStopping,
  pbt,
  pbtReplay,
  report,
  reportSync,
  tpe,
  uniform,
  withParameters,
  writeOutputs,
  type SchedulerControl,
  type TrialContext,
  type TrialStoppedError,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

const QUIET = { storagePath: null, reporter: 'silent', metric: 'loss', mode: 'min' } as const;

let folder = '';

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-tune-'));
  await init({ numCpus: 2 });
});

afterEach(async () => {
  // Whatever a test does, its trials leave nothing behind.
  await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

describe('what is refused', () => {
  test('a signal that has fired already: nothing is made', async () => {
    const tuner = new Tuner(() => ({ loss: 1 }), {
      ...QUIET,
      storagePath: folder,
      name: 'never-begun',
    });
    const reason = new Error('too late');
    expect(await rejection(tuner.fit({ signal: AbortSignal.abort(reason) }))).toBe(reason);
    expect(existsSync(path.join(folder, 'never-begun'))).toBe(false);
  });

  test('options of fit that there are not, and what is no signal', async () => {
    const fit = async (options: unknown): Promise<unknown> =>
      rejection(new Tuner(() => ({ loss: 1 }), QUIET).fit(options as never));
    for (const options of [{ timeoutMs: 5 }, { signal: 5 }, null, 5]) {
      expect(await fit(options)).toMatchObject({ code: 'ERR_EAGLERAY_INVALID_ARGUMENT' });
    }
  });

  test.each([
    ['space', null],
    ['resources', { resources: 5 }],
    ['resources', { resources: { unicorn: -1 } }],
    ['knownResults', [{ config: {}, metrics: { loss: () => 1 } }]],
    ['knownResults', [{ config: {}, metrics: {} }]],
  ])('the option %s that is %j', (name, value) => {
    expect(() => new Tuner(() => ({ loss: 1 }), { ...QUIET, [name]: value })).toThrow(name);
  });

  test('what functions of the user answer that is no answer', async () => {
    const fit = async (options: object): Promise<unknown> =>
      rejection(new Tuner(() => ({ loss: 1 }), { ...QUIET, ...options }).fit());
    const scheduler = {
      onTrialResult: async () => 'CONTINUE',
      chooseTrialToRun: ({ trials: [trial] }: { trials: { id: string }[] }) => trial?.id,
    };
    const refused = { code: 'ERR_EAGLERAY_INVALID_ARGUMENT' };
    expect(await fit({ scheduler })).toMatchObject(refused);
  });

  test('a folder that can not be made', async () => {
    const file = path.join(folder, 'file');
    writeFileSync(file, '');
    const tuner = new Tuner(() => ({ loss: 1 }), { ...QUIET, storagePath: file, name: 'x' });
    expect(await rejection(tuner.fit())).toMatchObject({
      code: 'ERR_EAGLERAY_TUNE_STORAGE',
      path: path.join(file, 'x'),
    });
  });

  test('no constant of a config: outputs name what they have no word for', async () => {
    class Model {}
    const results = await new Tuner(() => ({ loss: 1 }), {
      ...QUIET,
      storagePath: folder,
      name: 'constants',
      outputs: ['csv', 'jsonl', 'html', 'tensorboard'],
      space: {
        big: 10n,
        round: Math.max,
        at: new Date(0),
        rows: new Float64Array(3),
        table: new Map([[1, 2]]),
        model: choice([{ of: 5n }]),
        Model,
        nothing: null,
      },
    }).fit();
    const [names, row] = readFileSync(path.join(results.path!, 'results.csv'), 'utf8').split(
      '\r\n',
    );
    const cells = Object.fromEntries(
      names!.split(',').map((name, place) => [name, row!.split(',')[place]]),
    );
    expect(cells).toMatchObject({
      'config.big': '10n',
      'config.round': '[max]',
      'config.at': '1970-01-01T00:00:00.000Z',
      'config.rows': '[Float64Array]',
      'config.table': '[Map]',
      'config.model.of': '5n',
    });
    expect(results.toCsv()).toContain('Float64Array');
  });

  test('reports of more than 1 MiB, and steps that give none', async () => {
    const large = await new Tuner(
      (_config, { number }) => ({ loss: 1, text: 'x'.repeat(2 ** 20 - 1000 + number * 2000) }),
      { ...QUIET, numSamples: 2 },
    ).fit();
    expect(large.at(0)!.status).toBe('TERMINATED');
    expect((large.at(1)!.error as TaskError).cause).toMatchObject({
      code: 'ERR_EAGLERAY_INVALID_ARGUMENT',
    });
    class Silent extends Trainable {
      step() {
        return undefined as never;
      }
    }
    const silent = await new Tuner(Silent, QUIET).fit();
    expect((silent.at(0)!.error as TaskError).cause).toMatchObject({
      code: 'ERR_EAGLERAY_INVALID_ARGUMENT',
    });
  });
});

describe('trainables', () => {
  test('a function reports on its way, and what it returns is one more report', async () => {
    const results = await new Tuner(
      async (config, trial) => {
        await trial.report({ loss: config.x });
        await report({ loss: config.x / 2, nested: { a: [1, null, 'text'] } });
        return { loss: 0 };
      },
      { ...QUIET, space: { x: choice([4, 8]) }, numSamples: 3, seed: 1 },
    ).fit();
    expect(results).toHaveLength(3);
    for (const { config, history, status, stopReason } of results) {
      expect([status, stopReason]).toEqual(['TERMINATED', 'finished']);
      expect(history.map(({ loss }) => loss)).toEqual([config.x, config.x / 2, 0]);
      expect(history.map(({ trainingIteration }) => trainingIteration)).toEqual([1, 2, 3]);
      expect(history.map(({ done }) => done)).toEqual([false, false, true]);
      expect(history[1]!['nested']).toEqual({ a: [1, null, 'text'] });
      expect(history[0]!.pid).not.toBe(process.pid);
    }
  });

  test('a synchronous function blocks in reportSync', async () => {
    const results = await new Tuner(
      () => {
        reportSync({ loss: 2 });
        reportSync({ loss: 1 });
        return { loss: 3 };
      },
      { ...QUIET, numSamples: 2 },
    ).fit();
    expect([...results].map(({ history }) => history.map(({ loss }) => loss))).toEqual([
      [2, 1, 3],
      [2, 1, 3],
    ]);
  });

  test('a trial keeps its CPUs while it waits for the answer to a report, and lends them to tasks that it waits for', async () => {
    const free: number[] = [];
    const results = await new Tuner(
      async () => {
        await report({ loss: 2 });
        // Needs one of the two that the trial has.
        await report({ loss: await get(remote(() => 1).remote()) });
      },
      {
        ...QUIET,
        resources: { numCpus: 2 },
        callbacks: [
          {
            async onTrialResult() {
              // The raylet has heard of what the trial does when it has let another task run.
              await get(remote(() => 0, { numCpus: 0 }).remote());
              free.push(availableResources()['CPU'] ?? 0);
            },
          },
        ],
      },
    ).fit();
    expect(results.at(0)!.history.map(({ loss }) => loss)).toEqual([2, 1]);
    expect(free).toEqual([0, 0]);
  });

  test('a generator yields its reports, and is left at a stop', async () => {
    const results = await new Tuner(
      async function* (_config: unknown, trial: TrialContext) {
        let i = (await trial.checkpoint?.load()) as number | undefined;
        for (i ??= 1; ; i++) yield [{ loss: 10 - i }, { checkpoint: i }] as const;
      },
      { ...QUIET, stop: { trainingIteration: 4 } },
    ).fit();
    expect(results.at(0)!.history.map(({ loss }) => loss)).toEqual([9, 8, 7, 6]);
    expect(results.at(0)!.stopReason).toBe('stopper');
    expect(await results.at(0)!.checkpoint!.load()).toBe(4);
  });

  test('a class is an actor that steps, saves at its end and goes on from what it saved', async () => {
    class Net extends Trainable {
      n = 0;
      override setup(): void {
        this.n = 0;
      }
      step(): { loss: number } {
        this.n++;
        if (this.n === 3 && this.trial.attempt === 1) throw new Error('once');
        return { loss: 10 - this.n };
      }
      override saveCheckpoint(): { n: number } {
        return { n: this.n };
      }
      override loadCheckpoint(state: { n: number }): void {
        this.n = state.n;
      }
    }
    const results = await new Tuner(Net, {
      ...QUIET,
      numSamples: 3,
      stop: { trainingIteration: 5 },
      maxFailures: 1,
      checkpoints: { frequency: 2, atEnd: true },
    }).fit();
    for (const result of results) {
      expect(result.error).toBeNull();
      expect(result.failures).toBe(1);
      expect(result.history.map(({ loss }) => loss)).toEqual([9, 8, 7, 6, 5]);
      expect(await result.checkpoint!.load()).toEqual({ n: 5 });
    }
  });

  test('get values that were stored once', async () => {
    const data = new Float64Array(1e6).fill(2);
    const results = await new Tuner(
      withParameters(
        (config: { a: number }, _trial: TrialContext, params: { data: Float64Array }) => ({
          loss: params.data[5]! * config.a,
        }),
        { data },
      ),
      { ...QUIET, space: { a: gridSearch([1, 2, 3]) } },
    ).fit();
    expect([...results].map(({ metrics }) => metrics['loss'])).toEqual([2, 4, 6]);
  });

  test('get values that were stored once: classes, too, refs resolved', async () => {
    class Scaled extends Trainable<{ a: number }, { data: Float64Array; offset: number }> {
      value = 0;
      override setup(
        config: { a: number },
        _trial: TrialContext,
        params: { data: Float64Array; offset: number },
      ): void {
        this.value = params.data[5]! * config.a + params.offset;
      }
      override step() {
        return { loss: this.value, done: true };
      }
    }
    const stored = { data: new Float64Array(1e6).fill(2), offset: put(1) };
    const results = await new Tuner(withParameters(Scaled, stored), {
      ...QUIET,
      space: { a: gridSearch([1, 2, 3]) },
    }).fit();
    expect([...results].map(({ metrics }) => metrics['loss'])).toEqual([3, 5, 7]);
  });
});

describe('failures', () => {
  test('are retried from the last checkpoint, deaths of the process included', async () => {
    const results = await new Tuner(
      async (_config, trial) => {
        const from = ((await trial.checkpoint?.load()) ?? { i: 0 }) as { i: number };
        for (let i = from.i; i < 6; i++) {
          await report({ loss: 10 - i }, { checkpoint: { i: i + 1 } });
          if (i === 3 && trial.attempt === 1) throw new Error('boom');
          if (i === 4 && trial.attempt === 2) process.kill(process.pid, 'SIGKILL');
        }
      },
      { ...QUIET, maxFailures: 2 },
    ).fit();
    const { status, failures, history } = results.at(0)!;
    expect([status, failures]).toEqual(['TERMINATED', 2]);
    expect(history.map(({ trainingIteration }) => trainingIteration)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  test('are in error.txt of the trial, which can be made again', async () => {
    const results = await new Tuner(
      (config: { a: number }) => {
        if (config.a === 2) throw new RangeError('two is too many');
        return { loss: config.a };
      },
      { ...QUIET, space: { a: gridSearch([1, 2, 3]) }, storagePath: folder, name: 'error-files' },
    ).fit();
    const file = path.join(results.path!, 'trials/00001/error.txt');
    expect(readFileSync(file, 'utf8')).toContain('RangeError: two is too many');
    expect(readdirSync(path.join(results.path!, 'trials'))).toEqual(['00001']);
    rmSync(file);
    await writeOutputs(results.path!, ['csv']);
    expect(readFileSync(file, 'utf8')).toContain('RangeError: two is too many');
  });

  test('of a scheduler end the experiment, and trials are told so by their reports', async () => {
    const broken = {
      setup: () => undefined,
      onTrialResult(): never {
        throw new Error('the scheduler broke');
      },
      chooseTrialToRun: ({ trials }: SchedulerControl) =>
        trials.find(({ status }) => status === 'PENDING')?.id,
    };
    const said = path.join(folder, 'told');
    const tuner = new Tuner(
      async () => {
        await report({ loss: 1 }).catch((error: unknown) => {
          writeFileSync(said, String((error as TrialStoppedError).reason));
          throw error;
        });
      },
      { ...QUIET, scheduler: broken },
    );
    expect(await rejection(tuner.fit())).toMatchObject({ message: 'the scheduler broke' });
    expect(readFileSync(said, 'utf8')).toBe('interrupted');
  });

  test('end a trial, and not the experiment', async () => {
    const results = await new Tuner(
      (config) => {
        if (config.how === 'throw') throw new RangeError('nope');
        if (config.how === 'die') process.exit(3);
        return { loss: 1 };
      },
      { ...QUIET, space: { how: gridSearch(['throw', 'die', 'live']) } },
    ).fit();
    expect(results.numErrors).toBe(2);
    expect((results.at(0)!.error as TaskError).cause).toBeInstanceOf(RangeError);
    expect(results.at(1)!.error).toBeInstanceOf(WorkerCrashedError);
    expect(results.best.number).toBe(2);
  });

  test('reject fit with failFast', async () => {
    const error = await rejection(
      new Tuner(
        () => {
          throw new Error('x');
        },
        { ...QUIET, failFast: true },
      ).fit(),
    );
    expect(error).toMatchObject({ name: 'TrialFailedError', trialId: '00000' });
  });

  test('a trial that runs too long is killed', async () => {
    const results = await new Tuner(
      () => {
        for (;;);
      },
      { ...QUIET, trialTimeoutMs: 300, maxFailures: 5 },
    ).fit();
    expect(results.at(0)!).toMatchObject({
      status: 'ERROR',
      failures: 0,
      error: { name: 'TrialTimeoutError', timeoutMs: 300 },
    });
  });

  test('a metric that was never reported, or is no number, is an error that says what was', async () => {
    const results = await new Tuner(
      (config) => (config.is === 'missing' ? { other: 1 } : { loss: 'low' }),
      { ...QUIET, space: { is: gridSearch(['missing', 'text']) }, maxFailures: 3 },
    ).fit();
    expect([...results].map(({ error }) => error?.name)).toEqual(['MetricError', 'MetricError']);
    expect(results.at(0)!.error!.message).toContain('it reported other');
    expect(results.at(1)!.error!.message).toContain('"low"');
  });
});

describe('ends', () => {
  test('the time budget stops what runs, and fit resolves', async () => {
    const results = await new Tuner(
      async (_config, trial) => {
        for (;;) {
          await new Promise((resolve) => setTimeout(resolve, 5));
          await trial.report({ loss: 1 });
        }
      },
      { ...QUIET, numSamples: Infinity, timeBudgetMs: 500 },
    ).fit();
    expect([...results].map(({ stopReason }) => stopReason)).toContain('timeBudget');
  });

  test('a signal stops what runs, and fit rejects with its reason', async () => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(new Error('enough')), 300);
    const error = await rejection(
      new Tuner(
        async (_config, trial) => {
          for (;;) {
            await new Promise((resolve) => setTimeout(resolve, 5));
            await trial.report({ loss: 1 });
          }
        },
        { ...QUIET, numSamples: 4 },
      ).fit({ signal: controller.signal }),
    );
    expect(error).toMatchObject({ message: 'enough' });
  });

  test('what can never run is refused before any trial', async () => {
    const tuner = new Tuner(() => ({ loss: 1 }), { ...QUIET, resources: { numCpus: 64 } });
    expect(await rejection(tuner.fit())).toMatchObject({ name: 'InfeasibleResourcesError' });
  });

  test('what a callback throws rejects fit, and callbacks are told in order', async () => {
    const told: string[] = [];
    const hooks = ['setup', 'onTrialStart', 'onTrialResult', 'onTrialComplete', 'onExperimentEnd'];
    const callback = Object.fromEntries(hooks.map((name) => [name, () => void told.push(name)]));
    await new Tuner(() => ({ loss: 1 }), { ...QUIET, callbacks: [callback] }).fit();
    expect(told).toEqual(hooks);
    const angry = {
      onTrialResult() {
        throw new Error('angry');
      },
    };
    const tuner = new Tuner(() => ({ loss: 1 }), { ...QUIET, callbacks: [angry] });
    expect(await rejection(tuner.fit())).toMatchObject({ message: 'angry' });
  });
});

test('callbacks that take their time lose nothing of what comes in meanwhile', async () => {
  const slow = { onStepEnd: () => new Promise<void>((resolve) => setTimeout(resolve, 2)) };
  const results = await new Tuner(
    async (_config, trial) => {
      await trial.report({ loss: 1 });
      return { loss: 2 };
    },
    { ...QUIET, numSamples: 60, callbacks: [slow] },
  ).fit();
  expect(results.numTerminated).toBe(60);
  expect([...results].every(({ history }) => history.length === 2)).toBe(true);
});

describe('schedulers', () => {
  test('ASHA promotes: few are trained to the end, and the best is among them', async () => {
    const results = await new Tuner(
      async (config, trial) => {
        const from = ((await trial.checkpoint?.load()) ?? 0) as number;
        for (let i = from + 1; i <= 27; i++) {
          await trial.report({ loss: config.x + 1 / i }, { checkpoint: i });
        }
      },
      {
        ...QUIET,
        space: { x: uniform(0, 10) },
        numSamples: 30,
        scheduler: asha({ type: 'promotion', maxT: 27, reductionFactor: 3 }),
        seed: 3,
      },
    ).fit();
    const lengths = [...results].map(({ history }) => history.length);
    expect([...results].every(({ status }) => status === 'TERMINATED')).toBe(true);
    expect(lengths.filter((length) => length === 1).length).toBeGreaterThanOrEqual(10);
    expect(results.best.history).toHaveLength(27);
    expect(Math.min(...[...results].map(({ config }) => config.x))).toBe(results.best.config.x);
  });

  test('population-based training exploits, from checkpoints on disk', async () => {
    const results = await new Tuner(
      async (config, trial) => {
        let x = ((await trial.checkpoint?.load()) ?? 0) as number;
        for (;;) {
          x += config.lr;
          await trial.report({ loss: -x }, { checkpoint: x });
        }
      },
      {
        ...QUIET,
        storagePath: folder,
        name: 'pbt',
        space: { lr: uniform(0, 1) },
        numSamples: 4,
        scheduler: pbt({
          timeAttr: 'trainingIteration',
          perturbationInterval: 3,
          hyperparamMutations: { lr: [0.5, 1, 2] },
          synch: true,
        }),
        stop: { trainingIteration: 12 },
        seed: 3,
      },
    ).fit();
    for (const { error, metrics, configs } of results) {
      expect(error).toBeNull();
      expect(metrics['trainingIteration']).toBe(12);
      expect(configs.length).toBeGreaterThanOrEqual(1);
    }
    expect([...results].some(({ configs }) => configs.length > 1)).toBe(true);
    const { checkpoint, metrics } = results.best;
    expect(await checkpoint!.load()).toBe(-(metrics['loss'] as number));
  });

  test('HyperBand ends every trial', async () => {
    const results = await new Tuner(
      async (config, trial) => {
        for (let i = 0; i < 30; i++) await trial.report({ loss: config.x + 1 / (i + 1) });
      },
      {
        ...QUIET,
        space: { x: uniform(0, 1) },
        numSamples: 9,
        scheduler: hyperband({ maxT: 9 }),
        seed: 3,
      },
    ).fit();
    expect([...results].every(({ status }) => status === 'TERMINATED')).toBe(true);
  });
});

describe('files', () => {
  test('a folder has the journal, a table, the reports and a page, and no second experiment', async () => {
    const options = {
      ...QUIET,
      storagePath: folder,
      name: 'files',
      space: { lr: loguniform(1e-4, 1) },
      numSamples: 4,
      search: tpe(),
      seed: 5,
    } as const;
    const train = async (config: { lr: number }) => {
      await report({ loss: config.lr }, { checkpoint: { lr: config.lr } });
      return { loss: config.lr / 2 };
    };
    const results = await new Tuner(train, options).fit();
    expect(readdirSync(results.path!).toSorted()).toEqual([
      'journal.log',
      'report.html',
      'reports.jsonl',
      'results.csv',
      'trials',
    ]);
    const rows = readFileSync(path.join(results.path!, 'results.csv'), 'utf8')
      .trim()
      .split(/\r?\n/);
    expect(rows).toHaveLength(5);
    const reports = readFileSync(path.join(results.path!, 'reports.jsonl'), 'utf8');
    expect(reports.trim().split('\n')).toHaveLength(8);
    const { checkpoint, config } = results.best;
    expect(existsSync(checkpoint!.path!)).toBe(true);
    expect(await checkpoint!.load()).toEqual({ lr: config.lr });
    expect(await rejection(new Tuner(train, options).fit())).toMatchObject({
      name: 'ExperimentExistsError',
      path: results.path,
    });
    const again = await new Tuner(train, { ...options, ifExists: 'overwrite' }).fit();
    // One seed, and one result after the other: the same configs.
    expect(again).toHaveLength(4);
  });
});

describe('wrong options', () => {
  test.each([
    [{ metric: 'loss' }, 'mode'],
    [{ mode: 'max' }, 'metric'],
    [{ metric: ['a', 'b'], mode: ['min'] }, 'mode'],
    [{ numSamples: 0 }, 'numSamples'],
    [{ numSample: 1 }, 'numSample'],
    [{ space: { 'a.b': uniform(0, 1) } }, 'a.b'],
    [{ space: [] }, 'space'],
    [{ name: 'a/b' }, 'name'],
    [{ seed: -1 }, 'seed'],
    [{ resources: { cpus: 1 } }, 'resources.cpus'],
    [{ scheduler: {} }, 'scheduler'],
    [{ search: {} }, 'search'],
    [{ outputs: ['pdf'] }, 'outputs'],
    [{ callbacks: [{}] }, 'callbacks[0]'],
    [{ reporter: 'loud' }, 'reporter'],
    [{ reporter: { report() {}, maxReportFrequencyMs: 'often' } }, 'reporter.maxReportFrequencyMs'],
    [
      { reporter: { report() {}, maxReportFrequencyMs: Number.NaN } },
      'reporter.maxReportFrequencyMs',
    ],
    [{ reporter: { report() {}, maxProgressRows: -1 } }, 'reporter.maxProgressRows'],
    [{ reporter: { report() {}, sortByMetric: 'loss' } }, 'reporter.sortByMetric'],
    [{ deterministic: true }, 'maxConcurrentTrials'],
    [{ checkpoints: { keep: 1 } }, 'keep'],
    [{ space: { x: uniform(0, 1) }, pointsToEvaluate: [{ x: 7 }] }, 'x'],
    [{ space: { x: uniform(0, 1) }, pointsToEvaluate: [{ y: 7 }] }, 'y'],
  ])('%j: %s', (options, argument) => {
    const make = () => new Tuner(() => ({ loss: 1 }), options as never);
    expect(make).toThrow(expect.objectContaining({ name: 'InvalidArgumentError', argument }));
  });

  test('a reporter of one’s own may have what it likes besides', () => {
    const reporter = { report() {}, maxReportFrequencyMs: Infinity, lines: [], maxRows: 'many' };
    expect(() => new Tuner(() => ({ loss: 1 }), { reporter })).not.toThrow();
  });

  function* generator(): Generator<{ readonly loss: number }> {
    yield { loss: 1 };
  }
  test.each([
    ['a generator', generator(), 'trainable is a Generator;'],
    [
      'an instance',
      new (class Net extends Trainable {
        step() {
          return { loss: 1 };
        }
      })(),
      'trainable is a Net;',
    ],
    ['one of no name', new (class {})(), 'trainable is an object of a class without a name;'],
    ['a class that is none', class Foo {}, 'trainable is class Foo;'],
    [
      'a class without step',
      class Half extends (Trainable as new () => object) {},
      'trainable is class Half, which has no method step();',
    ],
    ['what a function gives', Promise.resolve(), 'trainable is a Promise;'],
  ])('%s is no trainable', (_what, trainable, message) => {
    const allowed = / allowed: a function of a config, a generator function, or a class/;
    for (const make of [
      () => new Tuner(trainable as never),
      () => withParameters(trainable as never, {}),
    ]) {
      expect(make).toThrow(expect.objectContaining({ argument: 'trainable' }));
      expect(make).toThrow(message);
      expect(make).toThrow(allowed);
    }
    expect(() => new Tuner(trainable as never)).toThrow('new Tuner(): ');
    expect(() => withParameters(trainable as never, {})).toThrow('withParameters(): ');
  });

  test('parameters that can not be stored are named', async () => {
    const params = { good: 1, bad: { deep: [new WeakMap()] } };
    const tuner = new Tuner(
      withParameters(() => ({ loss: 1 }), params),
      QUIET,
    );
    const error = await rejection(tuner.fit());
    expect(error).toMatchObject({
      name: 'SerializationError',
      path: ['params.bad', 'key "deep"', '[0]', 'WeakMap'],
    });
    expect((error as Error).message).toContain("withParameters(): params.bad can't be stored");
  });

  const space = { x: uniform(0, 1) };
  const [metric, mode] = [
    ['a', 'b'],
    ['min', 'min'],
  ];
  test.each([
    ['tpe without a metric', { space, search: tpe() }, 'metric'],
    ['a limited tpe without a metric', { space, search: concurrencyLimiter(tpe(), { maxConcurrent: 2 }) }, 'metric'], // prettier-ignore
    ['cmaes with two metrics', { space, metric, mode, search: cmaes() }, 'metric'],
    ['gridSearch with tpe', { space: { x: gridSearch([1, 2]) }, metric: 'a', mode: 'min', search: tpe() }, 'search'], // prettier-ignore
    ['grid of what has no end', { space, search: grid() }, 'x'],
    ['asha without a metric', { space, scheduler: asha() }, 'metric'],
    ['asha with two metrics', { space, metric, mode, scheduler: asha() }, 'metric'],
    ['a patient asha without a metric', { space, scheduler: patientStopping(asha(), { patience: 2 }) }, 'metric'], // prettier-ignore
    ['too many trials', { numSamples: 1e7 }, 'numSamples'],
    ['too many trials of a grid', { space: { x: gridSearch([1, 2]) }, numSamples: 6e5 }, 'numSamples'], // prettier-ignore
  ])('%s', (_what, options, argument) => {
    const make = () => new Tuner(() => ({ loss: 1 }), options as never);
    expect(make).toThrow(expect.objectContaining({ name: 'InvalidArgumentError', argument }));
  });

  test('without doing anything to what is given', async () => {
    let calls = 0;
    const setup = (): void => {
      calls++;
    };
    const own = { setup, ask: () => ({ x: 0.5 }), tell() {} };
    const tuner = new Tuner(() => ({ loss: 1 }), { ...QUIET, space, search: own });
    expect(calls).toBe(0);
    await tuner.fit();
    expect(calls).toBe(1);
    // One scheduler belongs to one experiment: the constructor has taken it for none.
    const scheduler = asha();
    const options = { ...QUIET, space, scheduler, search: tpe() };
    expect(new Tuner(() => ({ loss: 1 }), options)).toBeInstanceOf(Tuner);
    expect((await new Tuner(() => ({ loss: 1 }), options).fit()).length).toBe(1);
    const replay = { ...QUIET, space, scheduler: pbtReplay('/nowhere/pbt_policy_00000.txt') };
    expect(new Tuner(() => ({ loss: 1 }), replay)).toBeInstanceOf(Tuner);
  });

  test('nothing that could be trained', () => {
    for (const trainable of [undefined, 7, {}, class {}]) {
      expect(() => new Tuner(trainable as never, {})).toThrow(/a function of a config/);
    }
  });

  test('without an end', async () => {
    const tuner = new Tuner(() => ({ loss: 1 }), { ...QUIET, numSamples: Infinity });
    expect(await rejection(tuner.fit())).toMatchObject({ name: 'InvalidArgumentError' });
  });

  test('a report outside of a trial', async () => {
    expect(await rejection(report({ loss: 1 }))).toMatchObject({ name: 'InvalidArgumentError' });
    expect(() => reportSync({ loss: 1 })).toThrow(/outside of a trial/);
  });
});
