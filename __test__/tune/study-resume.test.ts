/** `Study` with `ifExists: 'resume'`, and what ends a study. */

import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { InvalidArgumentError } from 'eagleray';
import {
  ExperimentExistsError,
  ExperimentLockedError,
  SearchExhaustedError,
  Study,
  basicVariant,
  choice,
  bohb,
  cmaes,
  concurrencyLimiter,
  gp,
  grid,
  halton,
  loadResults,
  maximumIterationStopper,
  medianStopping,
  nsga2,
  pbt,
  repeater,
  sampleFrom,
  sobol,
  stagnationStopper,
  tpe,
  uniform,
  type Searcher,
} from 'eagleray/tune';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { thrown } from '../api/rejection.ts';

let storagePath: string;

beforeEach(() => {
  storagePath = mkdtempSync(join(tmpdir(), 'eagleray-study-'));
});

afterEach(() => {
  rmSync(storagePath, { recursive: true });
});

const PLANE = {
  space: { x: uniform(0, 1), y: uniform(0, 1) },
  metric: 'loss',
  mode: 'min',
} as const;

const lossOf = ({ x, y }: { x: number; y: number }): number => (x - 0.3) ** 2 + y ** 2;

const SEARCHERS: Readonly<Record<string, () => Searcher>> = {
  basicVariant: () => basicVariant(),
  sobol: () => sobol(),
  tpe: () => tpe({ numStartupTrials: 2 }),
  cmaes: () => cmaes({ numStartupTrials: 2 }),
};

/** Asks for 7, tells the first 4, fails the fifth. */
function work(study: Study<(typeof PLANE)['space']>): void {
  for (let number = 0; number < 7; number++) {
    const trial = study.ask();
    if (number < 4) study.tell(trial, { loss: lossOf(trial.config) });
    if (number === 4) study.fail(trial, new Error('lost'));
    if (number === 5) trial.report({ loss: 9 });
  }
}

describe.each(Object.entries(SEARCHERS))('%s', (_name, search) => {
  test('a study that is gone on with asks for what one asks for that was never interrupted', () => {
    const whole = new Study({ ...PLANE, search: search(), seed: 5 });
    work(whole);
    const options = { storagePath, name: 'plane', ifExists: 'resume' } as const;
    {
      using first = new Study({ ...PLANE, search: search(), seed: 5, ...options });
      work(first);
    }
    // Everything that is data is known from before.
    using study = new Study<(typeof PLANE)['space']>(options);
    expect(study.trials.map(({ status }) => status)).toEqual([
      ...Array.from({ length: 4 }, () => 'TERMINATED'),
      'ERROR',
      'PENDING',
      'PENDING',
    ]);
    expect(study.best.config).toEqual(whole.best.config);
    const again = [study.ask(), study.ask()];
    expect(again.map(({ number }) => number)).toEqual([5, 6]);
    for (const { number, id, config, seed } of again) {
      const before = whole.trials[number]!;
      expect({ id, config }).toEqual({ id: before.trialId, config: before.config });
      expect(seed).toBeTypeOf('number');
    }
    // Those that are asked for after them.
    const next = [whole.ask(), study.ask()];
    expect(next[1]).toMatchObject({ number: 7, config: next[0]!.config, seed: next[0]!.seed });
    for (const trial of [...again, next[1]!]) study.tell(trial, { loss: lossOf(trial.config) });
    expect(study.results.numTerminated).toBe(7);
  });
});

describe.each<readonly [string, () => Searcher]>([
  ['basicVariant', () => basicVariant()],
  ['sobol', () => sobol()],
  ['halton', () => halton()],
  ['tpe', () => tpe({ numStartupTrials: 4 })],
  ['cmaes', () => cmaes()],
  ['gp', () => gp({ numStartupTrials: 6 })],
  ['nsga2', () => nsga2({ populationSize: 4 })],
  ['bohb', () => bohb({ minPointsInModel: 4 })],
  ['a limiter of nsga2', () => concurrencyLimiter(nsga2({ populationSize: 4 }), { maxConcurrent: 6 })], // prettier-ignore
  ['a repeater of cmaes', () => repeater(cmaes({ populationSize: 4 }), { repeat: 2 })],
])('%s', (_name, search) => {
  type Plane = Study<(typeof PLANE)['space']>;
  const TRIALS = 40;
  /** Up to three are open; they end in another order than they began in, and some of them are enqueued, fail or are pruned. */
  function goOn(study: Plane, asked: unknown[], from: number, to: number): void {
    const open = from === 0 ? [] : Array.from({ length: Math.min(from, 3) }, () => study.ask());
    for (let number = from; number < to; number++) {
      if (number % 13 === 5) study.enqueue({ x: 0.25 });
      const trial = study.ask();
      asked.push(trial.config);
      open.push(trial);
      if (open.length <= 3) continue;
      const [ended] = open.splice((number * 7) % 4, 1);
      const loss = lossOf(ended!.config);
      if (ended!.number % 7 === 3) study.fail(ended!);
      else if (ended!.number % 7 === 5) {
        ended!.report({ loss });
        study.prune(ended!);
      } else study.tell(ended!, { loss });
    }
  }

  test('a study of so many trials asks for the same, wherever it was stopped', () => {
    const expected: unknown[] = [];
    goOn(new Study({ ...PLANE, search: search(), seed: 5 }), expected, 0, TRIALS);
    for (const stop of [1, 7, 12, 18, 27]) {
      const options = { storagePath, name: `stopped-${stop}`, ifExists: 'resume' } as const;
      const asked: unknown[] = [];
      {
        using first = new Study({ ...PLANE, search: search(), seed: 5, ...options });
        goOn(first, asked, 0, stop);
      }
      {
        using second = new Study<(typeof PLANE)['space']>(options);
        goOn(second, asked, stop, stop + 5);
      }
      using third = new Study<(typeof PLANE)['space']>(options);
      goOn(third, asked, stop + 5, TRIALS);
      expect(asked, `stopped after ${stop}`).toEqual(expected);
    }
  });
});

test('repetitions are the same config, wherever a study was stopped', () => {
  const options = {
    ...PLANE,
    // No data: the journal can't keep it.
    space: { ...PLANE.space, any: sampleFrom((_config, random) => new Map([['drawn', random()]])) },
    seed: 5,
    storagePath,
    ifExists: 'resume',
    search: repeater(tpe(), { repeat: 3 }),
  } as const;
  const configs = [2, 3].flatMap((count) => {
    using study = new Study(options);
    return Array.from({ length: count }, () => study.ask().config);
  });
  // Those that nobody has told are asked for again.
  expect(configs[2]).toEqual(configs[0]);
  expect(configs[4]).toEqual(configs[0]);
  expect(configs.every(({ any }) => any instanceof Map)).toBe(true);
});

test('what a killed process has told is there', () => {
  const program = `
    import { Study, uniform } from 'eagleray/tune';
    const study = new Study({ space: { x: uniform(0, 1) }, metric: 'loss', mode: 'min', seed: 3, storagePath: process.argv[1] });
    for (let n = 0; n < 20; n++) { const trial = study.ask(); study.tell(trial, { loss: trial.config.x }); }
    study.ask();
    process.kill(process.pid, 'SIGKILL');`;
  thrown(() =>
    execFileSync(process.execPath, ['--input-type=module', '-e', program, storagePath], {
      stdio: 'ignore',
    }),
  );
  using study = new Study({
    space: { x: uniform(0, 1) },
    metric: 'loss',
    mode: 'min',
    storagePath,
    ifExists: 'resume',
    numSamples: 22,
  });
  expect(study.results.numTerminated).toBe(20);
  const rest = [study.ask(), study.ask()];
  expect(rest.map(({ number }) => number)).toEqual([20, 21]);
  for (const trial of rest) study.tell(trial.number, { loss: trial.config.x });
  expect(thrown(() => study.ask())).toMatchObject({ name: 'SearchExhaustedError', waiting: false });
  const { results } = study;
  const configs = (all: Iterable<{ readonly config: unknown }>): unknown[] =>
    [...all].map(({ config }) => config);
  expect(configs(loadResults(join(storagePath, 'study')))).toEqual(configs(results));
});

test('where there is none, resume begins one', () => {
  using study = new Study({ ...PLANE, storagePath, ifExists: 'resume' });
  expect(study.trials).toEqual([]);
  expect(thrown(() => new Study({ ...PLANE, storagePath }))).toBeInstanceOf(ExperimentExistsError);
  expect(thrown(() => new Study({ storagePath, ifExists: 'resume' }))).toBeInstanceOf(
    ExperimentLockedError,
  );
});

test('where there is none, resume says so unless a new one has a space', () => {
  const options = { storagePath, name: 'nowhere', ifExists: 'resume' } as const;
  expect(thrown(() => new Study(options))).toMatchObject({
    code: 'ERR_EAGLERAY_INVALID_ARGUMENT',
    argument: 'space',
    message: expect.stringContaining(join(storagePath, 'nowhere')) as unknown,
  });
  expect(existsSync(join(storagePath, 'nowhere'))).toBe(false);
  new Study({ ...options, space: {} }).close();
  new Study(options).close();
});

test('what decides about configs stays the same, and what is no data is given again', () => {
  const constraint = ({ x, y }: { x: number; y: number }): boolean => x + y < 1;
  new Study({ ...PLANE, seed: 1, storagePath, parameterConstraints: [constraint] }).close();
  const resume = { storagePath, ifExists: 'resume' } as const;
  const refused = (options: object): unknown => thrown(() => new Study({ ...options, ...resume }));
  const parameterConstraints = [constraint];
  expect(refused({})).toMatchObject({
    name: 'InvalidArgumentError',
    message: expect.stringMatching(/give again: parameterConstraints/) as string,
  });
  for (const [options, argument] of [
    [{ space: { x: uniform(0, 2), y: uniform(0, 1) } }, 'space'],
    [{ metric: 'other' }, 'metric'],
    [{ mode: 'max' }, 'mode'],
    [{ search: sobol() }, 'search'],
    [{ seed: 2 }, 'seed'],
    [{ scheduler: medianStopping() }, 'scheduler'],
  ] as const) {
    const error = refused({ parameterConstraints, ...options });
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error).toMatchObject({ argument });
  }
  // The lock was given back each time.
  using study = new Study<(typeof PLANE)['space']>({ parameterConstraints, ...resume });
  for (let n = 0; n < 20; n++) expect(constraint(study.ask().config)).toBe(true);
});

test('a broken restore gives the lock back', () => {
  const search = (): Searcher => ({
    setup() {
      if (broken) throw new Error('no');
    },
    ask: () => ({ x: 0.5, y: 0.5 }),
    tell() {},
  });
  let broken = false;
  const options = { ...PLANE, storagePath, ifExists: 'resume' } as const;
  new Study({ ...options, search: search() }).close();
  broken = true;
  expect(thrown(() => new Study({ ...options, search: search() }))).toMatchObject({
    message: 'no',
  });
  broken = false;
  new Study({ ...options, search: search() }).close();
});

test('grids, limits and points are gone on with', () => {
  const options = {
    space: { a: choice([1, 2, 3]), b: choice(['x', 'y']) },
    metric: 'loss',
    mode: 'min',
    seed: 1,
    storagePath,
    ifExists: 'resume',
  } as const;
  const search = (): Searcher => concurrencyLimiter(grid(), { maxConcurrent: 2 });
  {
    using first = new Study({ ...options, search: search(), pointsToEvaluate: [{ a: 3, b: 'y' }] });
    expect(first.ask().config).toEqual({ a: 3, b: 'y' });
    // A point is nobody's proposal, and no place of the limiter is for it.
    expect([first.ask().number, first.ask().number]).toEqual([1, 2]);
    expect(thrown(() => first.ask())).toMatchObject({ waiting: true });
  }
  using study = new Study({ ...options, search: search() });
  expect(study.ask()).toMatchObject({ number: 0, config: { a: 3, b: 'y' } });
  expect([study.ask().number, study.ask().number]).toEqual([1, 2]);
  study.tell(0, { loss: 1 });
  expect(thrown(() => study.ask())).toMatchObject({ waiting: true });
  study.tell(1, { loss: 1 });
  expect(study.ask().number).toBe(3);
});

test('a trial of somebody else keeps its number', () => {
  using study = new Study({ ...PLANE, storagePath, search: basicVariant(), seed: 1 });
  study.tell(study.ask(), { loss: 1 });
  appendFileSync(
    join(storagePath, 'study/journal.log'),
    `${JSON.stringify({ op_code: 4, worker_id: 'somebody', study_id: 0, datetime_start: null })}\n`,
  );
  expect(study.ask().number).toBe(2);
});

test('a stopper that ends all ends the asking; what is open is told all the same', () => {
  const study = new Study({ ...PLANE, seed: 1, stop: stagnationStopper({ trials: 2 }) });
  const open = [study.ask(), study.ask(), study.ask(), study.ask()] as const;
  study.tell(open[0], { loss: 1 });
  study.tell(open[1], { loss: 2 });
  expect(study.ask().number).toBe(4);
  study.tell(open[2], { loss: 3 });
  const error = thrown(() => study.ask());
  expect(error).toBeInstanceOf(SearchExhaustedError);
  expect(error).toMatchObject({ waiting: false });
  study.tell(open[3], { loss: 0 });
  expect(study.best.metrics).toMatchObject({ loss: 0 });
});

test('a report while all is over is answered STOP, and its trial is ended by its caller', () => {
  let isOver = false;
  const study = new Study({
    ...PLANE,
    seed: 1,
    stop: { onResult: () => false, stopAll: () => isOver },
  });
  const [one, other] = [study.ask(), study.ask()];
  expect(one.report({ loss: 3 })).toBe('CONTINUE');
  isOver = true;
  expect(one.report({ loss: 2 })).toBe('STOP');
  expect(other.report({ loss: 1 })).toBe('STOP');
  study.prune(one);
  study.tell(other, { loss: 1 });
  expect(study.trials.map(({ stopReason }) => stopReason)).toEqual(['experiment', 'finished']);
  expect(study.best.metrics).toMatchObject({ loss: 1 });
});

test('our stoppers are data', () => {
  const options = { ...PLANE, storagePath, ifExists: 'resume' } as const;
  {
    using first = new Study({ ...options, stop: [maximumIterationStopper(2)] });
    first.ask().report({ loss: 1 });
  }
  using study = new Study<(typeof PLANE)['space']>({ storagePath, ifExists: 'resume' });
  const trial = study.ask();
  expect(trial.report({ loss: 1 })).toBe('CONTINUE');
  expect(trial.report({ loss: 1 })).toBe('STOP');
});

test('schedulers that pause are refused as ever', () => {
  const scheduler = pbt({ hyperparamMutations: { x: uniform(0, 1) }, perturbationInterval: 2 });
  expect(
    thrown(() => new Study({ ...PLANE, storagePath, scheduler, search: basicVariant() })),
  ).toMatchObject({ name: 'NotSupportedError' });
});

test('what can not be kept has not happened', () => {
  const study = new Study({ ...PLANE, seed: 1, search: basicVariant(), storagePath });
  const told = study.ask();
  study.tell(told, { loss: 1 });
  const open = study.ask();
  study.close();
  expect(thrown(() => study.ask())).toMatchObject({ name: 'StorageError' });
  expect(thrown(() => study.tell(open, { loss: 2 }))).toMatchObject({ name: 'StorageError' });
  expect(study.trials.map(({ status }) => status)).toEqual(['TERMINATED', 'RUNNING']);
  expect(loadResults(join(storagePath, 'study')).length).toBe(2);
});

test('a config that was asked for is its caller’s, and what is recorded is not', () => {
  const space = { x: uniform(0, 1), nested: { list: [uniform(0, 1)] } };
  const study = new Study({ space, metric: 'loss', mode: 'min', seed: 1, storagePath });
  const trial = study.ask();
  const before = structuredClone(trial.config);
  trial.config.x = 100;
  trial.config.nested.list[0] = 100;
  study.tell(trial, { loss: 1 });
  expect(study.best.config).toEqual(before);
  expect(loadResults(join(storagePath, 'study')).best.config).toEqual(before);
  study.close();
});

test('a trial of another study is none of this one', () => {
  const [one, other] = [new Study({ ...PLANE, seed: 1 }), new Study({ ...PLANE, seed: 2 })];
  const [own, foreign] = [one.ask(), other.ask()];
  for (const call of [
    () => one.tell(foreign, { loss: 1 }),
    () => one.prune(foreign),
    () => one.fail(foreign),
    () => one.tell('00000' as never, { loss: 1 }),
  ]) {
    expect(thrown(call)).toMatchObject({ name: 'InvalidArgumentError', argument: 'trial' });
  }
  one.tell(own, { loss: 1 });
  other.tell(foreign.number, { loss: 1 });
});

test('a finite space is gone through to its end, however rare the configs are that meet the constraints', () => {
  const side = Array.from({ length: 60 }, (_, index) => index);
  const study = new Study({
    space: { a: choice(side), b: choice(side) },
    search: grid(),
    parameterConstraints: [({ a, b }) => a === 59 && b >= 58],
  });
  const found = [study.ask().config, study.ask().config];
  expect(found.map(({ b }) => b).sort()).toEqual([58, 59]);
  expect(thrown(() => study.ask())).toMatchObject({ name: 'SearchExhaustedError', waiting: false });
});

test('what constraints and callers do with a config or a point changes nothing', () => {
  const point = { x: 0.25, y: 0.5 };
  const study = new Study({
    ...PLANE,
    seed: 1,
    pointsToEvaluate: [point],
    parameterConstraints: [
      (config) => {
        (config as { x: number }).x = 999;
        return true;
      },
    ],
  });
  const next = { x: 0.75, y: 0.5 };
  study.enqueue(next);
  point.x = 5;
  next.x = 5;
  expect([study.ask().config.x, study.ask().config.x]).toEqual([0.25, 0.75]);
  expect(study.ask().config.x).toBeLessThan(1);
});
