/** Experiments that are gone on with: what stays, what may change, what is refused, and their files. */

import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { init, shutdown } from 'eagleray';
import {
  Tuner,
  allOf,
  asha,
  choice,
  grid,
  gridSearch,
  loadResults,
  maximumIterationStopper,
  readJournal,
  sampleFrom,
  sobol,
  stagnationStopper,
  timeoutStopper,
  tpe,
  uniform,
  writeOutputs,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { JournalWriter } from '../../bindings/typescript/src/tune/journal/writer.ts';

let folder = '';
let count = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-restore-'));
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

const QUIET = { reporter: 'silent', metric: 'loss', mode: 'min', seed: 5, outputs: [] } as const;

/** Options of an experiment with a folder of its own. */
function placed() {
  return { ...QUIET, storagePath: folder, name: `experiment-${count++}` } as const;
}

function pathOf({ name }: { readonly name: string }): string {
  return join(folder, name);
}

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function thrown(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}

/** Five reports, a checkpoint with each. */
async function train(config: { x: number }, trial: TrialContext): Promise<void> {
  let i = ((await trial.checkpoint?.load()) ?? 0) as number;
  while (i < 5) {
    i += 1;
    await trial.report({ loss: config.x * i }, { checkpoint: i });
  }
}

/** Runs it until a callback throws at a report: as if it was interrupted there. */
async function interrupted(trainable: typeof train, options: object, at: number): Promise<void> {
  let reports = 0;
  const callback = {
    onTrialResult() {
      if (++reports === at) throw new Error('interrupted');
    },
  };
  const tuner = new Tuner(trainable as never, { ...options, callbacks: [callback] } as never);
  expect(await rejection(tuner.fit())).toMatchObject({ message: 'interrupted' });
}

const iterationsOf = (results: Iterable<{ readonly history: readonly object[] }>) =>
  [...results].map(({ history }) =>
    history.map((row) => (row as { trainingIteration: number }).trainingIteration),
  );

describe('a restore', () => {
  test('goes on with unfinished trials and makes the new ones, with the options of the journal', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 6, search: sobol() };
    const whole = await new Tuner(train, { ...options, name: `${options.name}-whole` }).fit();
    await interrupted(train, options, 8);
    const before = loadResults(pathOf(options));
    expect(before.length).toBeLessThan(6);
    expect([...before].map(({ status }) => status)).not.toContain('RUNNING');
    const results = await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      callbacks: [],
    }).fit();
    expect(results).toHaveLength(6);
    expect([...results].map(({ config }) => config)).toEqual(
      [...whole].map(({ config }) => config),
    );
    expect(iterationsOf(results)).toEqual(Array.from({ length: 6 }, () => [1, 2, 3, 4, 5]));
    expect(loadResults(pathOf(options)).best.config).toEqual(whole.best.config);
  });

  test('of a finished experiment changes nothing, and with more samples adds them, twice', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 2 };
    const first = await new Tuner(train, options).fit();
    const pids = [...first].map(({ metrics }) => metrics['pid']);
    const again = await Tuner.restore(pathOf(options), train, { reporter: 'silent' }).fit();
    expect([...again].map(({ metrics }) => metrics['pid'])).toEqual(pids);
    expect(again).toHaveLength(2);
    for (const numSamples of [4, 5]) {
      const more = await Tuner.restore(pathOf(options), train, {
        numSamples,
        reporter: 'silent',
      }).fit();
      expect(more).toHaveLength(numSamples);
      expect([...more].slice(0, 2).map(({ metrics }) => metrics['pid'])).toEqual(pids);
    }
    // What was changed last stays.
    const last = await Tuner.restore(pathOf(options), train, { reporter: 'silent' }).fit();
    expect(last).toHaveLength(5);
  });

  test('of one that runs says so, rather than what is missing', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) } };
    const call = { reporter: 'silent' } as const;
    const errors: unknown[] = [];
    const attempts = [
      () => Tuner.restore(pathOf(options), train, call),
      async () => new Tuner(train, { ...options, ifExists: 'resume' }).fit(),
    ];
    const onTrialComplete = async (): Promise<void> => {
      for (const attempt of attempts) {
        try {
          await attempt();
        } catch (error) {
          errors.push(error);
        }
      }
    };
    await new Tuner(train, { ...options, callbacks: [{ onTrialComplete }] }).fit();
    const locked = expect.objectContaining({ name: 'ExperimentLockedError' }) as unknown;
    expect(errors).toEqual([locked, locked]);
    // Now it does not run, and callbacks have to be given again.
    expect(attempts[0]).toThrow('give again: callbacks');
  });

  test('with ifExists takes from the journal what the search needs, and without one says what is missing', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, search: tpe() };
    await new Tuner(train, options).fit();
    const { storagePath, name, space } = options;
    const given = { storagePath, space, search: tpe(), reporter: 'silent', outputs: [] } as const;
    const more = new Tuner(train, { ...given, name, ifExists: 'resume', numSamples: 3 });
    expect(await more.fit()).toHaveLength(3);
    const missing = new Tuner(train, { ...given, name: `${name}-other`, ifExists: 'resume' });
    await expect(missing.fit()).rejects.toMatchObject({ argument: 'metric' });
  });

  test('of an experiment that had no trial yet, or no header, begins it', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 2 };
    await new Tuner(train, options).fit();
    const journal = join(pathOf(options), 'journal.log');
    const lines = readFileSync(journal, 'utf8').split('\n');
    const header = lines.findIndex((line) => line.includes('eagleray:experiment'));
    writeFileSync(journal, `${lines.slice(0, header + 1).join('\n')}\n`);
    expect(Tuner.canRestore(pathOf(options))).toBe(true);
    const results = await Tuner.restore(pathOf(options), train, { reporter: 'silent' }).fit();
    expect(results).toHaveLength(2);
    writeFileSync(journal, lines[0]!.slice(0, 20));
    expect(Tuner.canRestore(pathOf(options))).toBe(false);
    const anew = await new Tuner(train, { ...options, ifExists: 'resume' }).fit();
    expect(anew).toHaveLength(2);
  });

  test('cuts off a torn line, skips foreign ones, and removes checkpoints that nobody knows', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 3 };
    await interrupted(train, options, 4);
    const journal = join(pathOf(options), 'journal.log');
    appendFileSync(
      journal,
      `${JSON.stringify({ op_code: 2, worker_id: 'dashboard', study_id: 0, user_attr: { note: 'x' } })}\n`,
    );
    appendFileSync(journal, '{"op_code":9,"worker_id":"eagle');
    const trial = join(pathOf(options), 'trials', '00000');
    mkdirSync(join(trial, 'checkpoint_000099.123.writing'), { recursive: true });
    mkdirSync(join(trial, 'checkpoint_000098'));
    writeFileSync(join(trial, 'own.txt'), 'mine');
    const results = await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      callbacks: [],
    }).fit();
    expect(iterationsOf(results)).toEqual(Array.from({ length: 3 }, () => [1, 2, 3, 4, 5]));
    const names = readdirSync(trial);
    expect(names).toContain('own.txt');
    expect(names.filter((name) => /99|98/.test(name))).toEqual([]);
  });

  test('begins anew where a checkpoint is gone', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 2 };
    await interrupted(train, options, 5);
    rmSync(join(pathOf(options), 'trials'), { recursive: true });
    const results = await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      callbacks: [],
    }).fit();
    expect(iterationsOf(results)).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
    ]);
  });

  test('makes new trials of those that failed: from their checkpoints, or anew, each once', async () => {
    const flag = join(folder, `good-${count}`);
    const fails = async (config: { a: number }, trial: TrialContext): Promise<void> => {
      let i = ((await trial.checkpoint?.load()) ?? 0) as number;
      while (i < 4) {
        i += 1;
        await trial.report({ loss: config.a }, { checkpoint: i });
        if (i === 2 && config.a === 2 && !existsSync(flag)) throw new Error('bad');
      }
    };
    const options = { ...placed(), space: { a: gridSearch([1, 2, 3]) } };
    const first = await new Tuner(fails, { ...options, numSamples: 1 }).fit();
    expect(first.numErrors).toBe(1);
    writeFileSync(flag, '');
    const path = pathOf(options);
    const quiet = { reporter: 'silent' } as const;
    const resumed = await Tuner.restore(path, fails, { ...quiet, resumeErrored: true }).fit();
    expect(iterationsOf(resumed)).toEqual([
      [1, 2, 3, 4],
      [1, 2],
      [1, 2, 3, 4],
      [3, 4],
    ]);
    expect(resumed.at(3)!.config).toEqual({ a: 2 });
    const again = await Tuner.restore(path, fails, { ...quiet, restartErrored: true }).fit();
    expect(again).toHaveLength(4);
    // Those that were made of others are no samples: the grid goes on where it was.
    const more = await Tuner.restore(path, fails, { ...quiet, numSamples: 2 }).fit();
    expect([...more].map(({ config }) => config.a)).toEqual([1, 2, 3, 2, 1, 2, 3]);
  });

  test('makes new trials of those that failed, and whose checkpoints somebody has removed, from what is there', async () => {
    const flag = join(folder, `good-${count}`);
    const fails = async (_config: object, trial: TrialContext): Promise<void> => {
      let i = ((await trial.checkpoint?.load()) ?? 0) as number;
      while (i < 4) {
        i += 1;
        await trial.report({ loss: i }, { checkpoint: i });
        if (i === 3 && !existsSync(flag)) throw new Error('bad');
      }
    };
    const options = placed();
    // The latest, and the best: the first.
    const failed = await new Tuner(fails, { ...options, numSamples: 2 }).fit();
    for (const { checkpoint, bestCheckpoints, number } of failed) {
      const kept = [bestCheckpoints[0]!, checkpoint!];
      expect(kept.map(({ iteration }) => iteration)).toEqual([1, 3]);
      for (const { path } of kept.slice(1 - number)) rmSync(path!, { recursive: true });
    }
    writeFileSync(flag, '');
    const again = { reporter: 'silent', resumeErrored: true } as const;
    const results = await Tuner.restore(pathOf(options), fails, again).fit();
    expect(iterationsOf(results).slice(2)).toEqual([
      [2, 3, 4],
      [1, 2, 3, 4],
    ]);
    expect(results.at(0)!.checkpoint!.iteration).toBe(1);
    expect(results.at(1)!.checkpoint).toBeNull();
  });

  test('begins failed trials anew with restartErrored', async () => {
    const flag = join(folder, `good-${count}`);
    const fails = async (_config: object, trial: TrialContext): Promise<void> => {
      await trial.report({ loss: 1 }, { checkpoint: 1 });
      if (!existsSync(flag)) throw new Error('bad');
    };
    const options = placed();
    await new Tuner(fails, options).fit();
    writeFileSync(flag, '');
    const results = await Tuner.restore(pathOf(options), fails, {
      reporter: 'silent',
      restartErrored: true,
    }).fit();
    expect(iterationsOf(results)).toEqual([[1], [1]]);
    expect(results.at(1)!.status).toBe('TERMINATED');
  });

  test('gives callbacks their states', async () => {
    class Counter {
      results = 0;
      onTrialResult(): void {
        this.results++;
      }
      getState(): Map<string, number> {
        return new Map([['results', this.results]]);
      }
      setState(state: Map<string, number>): void {
        this.results = state.get('results')!;
      }
    }
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 2 };
    await new Tuner(train, { ...options, callbacks: [new Counter()] }).fit();
    const counter = new Counter();
    await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      callbacks: [counter],
      numSamples: 3,
    }).fit();
    expect(counter.results).toBe(15);
  });

  test('sums the time budget up', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 1 };
    await interrupted(
      async (config, trial) => {
        await new Promise((resolve) => setTimeout(resolve, 50));
        return train(config, trial);
      },
      options,
      2,
    );
    const results = await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      callbacks: [],
      numSamples: 50,
      timeBudgetMs: 1,
    }).fit();
    expect([...results].map(({ stopReason }) => stopReason)).toEqual(['timeBudget']);
  });

  test('keeps our stoppers, also within others, and asks for functions within them', async () => {
    const within = allOf({ trainingIteration: 2 }, maximumIterationStopper(3));
    const options = {
      ...placed(),
      space: { x: uniform(0, 1) },
      numSamples: 3,
      stop: [within, stagnationStopper({ trials: 20 }), timeoutStopper(1e9)],
    };
    await interrupted(train, options, 4);
    const results = await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      callbacks: [],
    }).fit();
    expect(iterationsOf(results)).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
    const hidden = { ...options, ...placed(), stop: allOf(() => true, maximumIterationStopper(3)) };
    await interrupted(train, hidden, 1);
    expect(thrown(() => Tuner.restore(pathOf(hidden), train, { callbacks: [] }))).toMatchObject({
      name: 'InvalidArgumentError',
      argument: 'stop',
      message: expect.stringMatching(/give again: stop \(for /) as string,
    });
  });

  test('takes another stop condition, also for what was reported before', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 1 };
    await interrupted(train, options, 3);
    const results = await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      callbacks: [],
      stop: { trainingIteration: 2 },
    }).fit();
    expect(results.at(0)!.stopReason).toBe('stopper');
    expect(results.at(0)!.history.length).toBeLessThanOrEqual(3);
  });

  test('gives configs back what is no data', async () => {
    class Optimizer {
      readonly rate = 0.5;
    }
    const space = () => ({
      made: choice([new Optimizer(), new Optimizer()]),
      when: choice([new Date(5)]),
      big: choice([7n]),
      sum: sampleFrom((config: { big: bigint }) => Number(config.big) + 1),
    });
    const uses = async (
      config: { made: { rate: number }; when: Date; big: bigint; sum: number },
      trial: TrialContext,
    ): Promise<void> => {
      let i = ((await trial.checkpoint?.load()) ?? 0) as number;
      while (i < 3) {
        i += 1;
        const loss = config.made.rate + config.when.getTime() + Number(config.big) + config.sum;
        await trial.report({ loss }, { checkpoint: i });
      }
    };
    const options = { ...placed(), space: space(), numSamples: 1 };
    await interrupted(uses as never, options, 1);
    const path = pathOf(options);
    const error = thrown(() => Tuner.restore(path, uses, { callbacks: [] }));
    expect((error as Error).message).toMatch(/give again: space \(for made.*sum\)/);
    const results = await Tuner.restore(path, uses, {
      reporter: 'silent',
      callbacks: [],
      space: space(),
    }).fit();
    expect(results.at(0)!.history.map(({ loss }) => loss)).toEqual([20.5, 20.5, 20.5]);
  });

  test('tells searchers again: a grid goes on, and TPE knows its results', async () => {
    const options = {
      ...placed(),
      space: { x: choice([1, 2, 3, 4, 5]) },
      search: grid({ shuffle: true }),
    };
    await interrupted(train, options, 12);
    const results = await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      callbacks: [],
    }).fit();
    expect([...results].map(({ config }) => config.x).toSorted()).toEqual([1, 2, 3, 4, 5]);
    const two = { ...placed(), space: { x: uniform(0, 1) }, search: tpe(), numSamples: 15 };
    await interrupted(train, two, 60);
    const more = await Tuner.restore(pathOf(two), train, {
      reporter: 'silent',
      callbacks: [],
      numSamples: 25,
    }).fit();
    expect(more.best.config.x).toBeLessThan(0.15);
  });
});

describe('what is refused', () => {
  test.each([
    [{ metric: 'other', mode: 'min' }, 'metric'],
    [{ mode: 'max' }, 'mode'],
    [{ space: { x: uniform(0, 2) } }, 'space'],
    [{ search: tpe() }, 'search'],
    [{ scheduler: asha() }, 'scheduler'],
    [{ seed: 6 }, 'seed'],
    [{ name: 'another' }, 'name'],
    [{ storagePath: '/elsewhere' }, 'storagePath'],
    [{ ifExists: 'resume' }, 'ifExists'],
    [{ resumeErrored: 1 }, 'resumeErrored'],
    [{ resumeErrored: true, restartErrored: true }, 'restartErrored'],
    [{ numSample: 3 }, 'numSample'],
    [{ pointsToEvaluate: [{ x: 0.5 }] }, 'pointsToEvaluate'],
  ])('%j', async (options, argument) => {
    const path = join(folder, 'refused');
    if (!existsSync(path)) {
      await new Tuner(train, {
        ...QUIET,
        storagePath: folder,
        name: 'refused',
        space: { x: uniform(0, 1) },
      }).fit();
    }
    expect(thrown(() => Tuner.restore(path, train, options as never))).toMatchObject({
      name: 'InvalidArgumentError',
      argument,
    });
    // The same again is not another one.
    Tuner.restore(path, train, {
      space: { x: uniform(0, 1) },
      metric: ['loss'],
      mode: 'min',
      seed: 5,
      numSamples: 3,
    });
  });

  test('functions that are not given again, all of them listed', async () => {
    const options = {
      ...placed(),
      space: { x: uniform(0, 1) },
      resources: () => ({ numCpus: 1 }),
      stop: () => false,
      callbacks: [{ onStepEnd() {} }],
      parameterConstraints: [() => true],
    };
    await new Tuner(train, options).fit();
    const error = thrown(() => Tuner.restore(pathOf(options), train)) as Error;
    expect(error.name).toBe('InvalidArgumentError');
    for (const name of ['resources', 'stop', 'callbacks', 'parameterConstraints']) {
      expect(error.message).toContain(name);
    }
    const { resources, stop, callbacks, parameterConstraints } = options;
    const results = await Tuner.restore(pathOf(options), train, {
      reporter: 'silent',
      resources,
      stop,
      callbacks,
      parameterConstraints,
    }).fit();
    expect(results).toHaveLength(1);
  });

  test('folders without an experiment, damaged journals, and a second writer', async () => {
    expect(Tuner.canRestore(join(folder, 'nowhere'))).toBe(false);
    const nowhere = thrown(() => Tuner.restore(join(folder, 'nowhere'), train));
    expect(nowhere).toMatchObject({ name: 'JournalError' });
    expect(thrown(() => loadResults(join(folder, 'nowhere')))).toMatchObject({
      name: 'JournalError',
    });
    expect(thrown(() => Tuner.canRestore(''))).toMatchObject({ name: 'InvalidArgumentError' });
    const options = { ...placed(), space: { x: uniform(0, 1) } };
    await new Tuner(train, options).fit();
    const journal = join(pathOf(options), 'journal.log');
    const writer = JournalWriter.open(journal, { fsync: 'never', study: options.name });
    try {
      const restored = Tuner.restore(pathOf(options), train, { reporter: 'silent' });
      expect(await rejection(restored.fit())).toMatchObject({ name: 'ExperimentLockedError' });
      const over = new Tuner(train, { ...options, ifExists: 'overwrite' });
      expect(await rejection(over.fit())).toMatchObject({ name: 'ExperimentLockedError' });
      expect(await rejection(writeOutputs(pathOf(options), ['jsonl']))).toMatchObject({
        name: 'ExperimentLockedError',
      });
      expect(loadResults(pathOf(options))).toHaveLength(1);
    } finally {
      writer.close();
    }
    const size = readFileSync(journal).length;
    appendFileSync(journal, 'nonsense\n{"op_code":10,"worker_id":"x"}\n');
    expect(thrown(() => Tuner.restore(pathOf(options), train))).toMatchObject({
      name: 'JournalError',
    });
    truncateSync(journal, size);
    Tuner.restore(pathOf(options), train);
  });
});

describe('ifExists', () => {
  test('resume goes on, and takes what is not given from the journal', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 4 };
    await interrupted(train, options, 6);
    const { name, storagePath } = options;
    const results = await new Tuner(train as never, {
      name,
      storagePath,
      ifExists: 'resume',
      reporter: 'silent',
      callbacks: [],
    }).fit();
    expect(results).toHaveLength(4);
    const other = new Tuner(train as never, { ...options, metric: 'other', ifExists: 'resume' });
    expect(await rejection(other.fit())).toMatchObject({ argument: 'metric' });
    expect(
      thrown(() => new Tuner(train as never, { storagePath: null, ifExists: 'resume' })),
    ).toMatchObject({ name: 'NotSupportedError' });
  });

  test('overwrite removes what was written, and no more', async () => {
    const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 3 };
    const outputs = ['csv', 'jsonl', 'html', 'tensorboard'] as const;
    await new Tuner(train, { ...options, outputs }).fit();
    const path = pathOf(options);
    writeFileSync(join(path, 'notes.txt'), 'mine');
    writeFileSync(join(path, 'trials', '00001', 'picture.png'), 'mine');
    // Names that tuning would give, for what it has not done.
    const foreign = ['00002/checkpoint_000777', '00009/checkpoint_000001'];
    for (const name of foreign) mkdirSync(join(path, 'trials', name), { recursive: true });
    const results = await new Tuner(train, {
      ...options,
      numSamples: 1,
      ifExists: 'overwrite',
    }).fit();
    expect(results).toHaveLength(1);
    expect(readdirSync(path).toSorted()).toEqual(['journal.log', 'notes.txt', 'trials']);
    expect(readdirSync(join(path, 'trials')).toSorted()).toEqual([
      '00000',
      '00001',
      '00002',
      '00009',
    ]);
    for (const name of foreign) expect(existsSync(join(path, 'trials', name))).toBe(true);
    expect(readdirSync(join(path, 'trials', '00001'))).toEqual(['picture.png']);
  });
});

test('an experiment can be read, and its outputs written again, without its trainable', async () => {
  const options = { ...placed(), space: { x: uniform(0, 1) }, numSamples: 3 };
  const results = await new Tuner(train, options).fit();
  const path = pathOf(options);
  const loaded = loadResults<{ x: number }>(path);
  expect([...loaded].map(({ config }) => config)).toEqual([...results].map(({ config }) => config));
  expect(await loaded.best.checkpoint!.load()).toBe(5);
  await writeOutputs(path, ['csv', 'jsonl']);
  const lines = (name: string) => readFileSync(join(path, name), 'utf8').trim().split('\n');
  expect(lines('results.csv')).toHaveLength(4);
  expect(lines('reports.jsonl')).toHaveLength(15);
  const known = readJournal<{ x: number }>(join(path, 'journal.log'));
  expect(known).toHaveLength(3);
  const more = await new Tuner(train, {
    ...placed(),
    space: options.space,
    search: tpe(),
    knownResults: known,
  }).fit();
  expect(more).toHaveLength(1);
});
