/** How trials of a study end: its caller says so, whatever scheduler and stoppers have said, also in a process that goes on with it. */

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';

import {
  SearchExhaustedError,
  StorageError,
  Study,
  asha,
  cmaes,
  choice,
  grid,
  maximumIterationStopper,
  percentileStopping,
  thresholdStopping,
  uniform,
  type Scheduler,
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

const LINE = { space: { x: uniform(0, 1) }, metric: 'loss', mode: 'min', seed: 1 } as const;
type Line = (typeof LINE)['space'];

const STATES = ['RUNNING', 'COMPLETE', 'PRUNED', 'FAIL', 'WAITING'];

/** Of Optuna, by number of the trial: as the journal has it. */
function statesOf(name = 'study'): (string | undefined)[] {
  const states: (string | undefined)[] = [];
  const lines = readFileSync(join(storagePath, name, 'journal.log'), 'utf8')
    .trimEnd()
    .split('\n');
  for (const line of lines) {
    const [, trial, state] = /^\{"op_code":6,.*"trial_id":(\d+),"state":(\d)/.exec(line) ?? [];
    if (trial !== undefined) states[Number(trial)] = STATES[Number(state)];
  }
  return states;
}

/** Says STOP to whatever is worse than 0. */
const strict = (): Scheduler => thresholdStopping({ upper: 0 });

describe('what was told has ended by itself', () => {
  test.each([
    ['a scheduler', { scheduler: asha({ maxT: 1, stopLastTrials: true }) }],
    ['a threshold', { scheduler: strict() }],
    ['a stopper', { stop: maximumIterationStopper(1) }],
  ])('also where %s would have stopped it with this very report', (_who, options) => {
    using study = new Study({ ...LINE, ...options, storagePath });
    for (let count = 0; count < 3; count++) study.tell(study.ask(), { loss: count + 1 });
    expect(study.trials.map(({ stopReason }) => stopReason)).toEqual(Array(3).fill('finished'));
    expect(statesOf()).toEqual(Array(3).fill('COMPLETE'));
  });

  test.each([
    ['the scheduler', { scheduler: strict() }, 'scheduler', 'PRUNED'],
    ['a stopper', { stop: maximumIterationStopper(1) }, 'stopper', 'COMPLETE'],
  ] as const)(
    'also after %s has said STOP, and its metrics count',
    (_who, options, reason, state) => {
      using study = new Study({ ...LINE, ...options, storagePath });
      const [told, pruned, failed] = [study.ask(), study.ask(), study.ask()];
      for (const trial of [told, pruned, failed]) expect(trial.report({ loss: 3 })).toBe('STOP');
      // Whoever goes on all the same is told so again.
      expect(told.report({ loss: 2 })).toBe('STOP');
      study.tell(told, { loss: 1 });
      study.prune(pruned);
      study.fail(failed);
      expect(study.trials.map(({ status, stopReason }) => stopReason ?? status)).toEqual([
        'finished',
        reason,
        'ERROR',
      ]);
      expect(study.trials[0]!.history.map(({ loss }) => loss)).toEqual([3, 2, 1]);
      expect(study.best.metrics).toMatchObject({ loss: 1, done: true });
      expect(statesOf()).toEqual(['COMPLETE', state, 'FAIL']);
      for (const trial of [told, pruned, failed]) {
        expect(thrown(() => trial.report({ loss: 0 }))).toMatchObject({
          name: 'InvalidArgumentError',
          message: `report(): trial ${trial.number} has ended`,
        });
      }
    },
  );

  test('also for the scheduler that has said STOP: it goes by what was told as by all that has ended so', () => {
    const scheduler = (): Scheduler => percentileStopping({ numStartupTrials: 1 });
    {
      using study = new Study({ ...LINE, scheduler: scheduler(), storagePath });
      study.tell(study.ask(), { loss: 1 });
      const overruled = study.ask();
      expect(overruled.report({ loss: 5 })).toBe('STOP');
      study.tell(overruled, { loss: 5 });
      // The median of 1 and 5 is 3.
      expect(study.ask().report({ loss: 2 })).toBe('CONTINUE');
    }
    using study = new Study<Line>({ storagePath, ifExists: 'resume', scheduler: scheduler() });
    expect(study.ask().report({ loss: 2 })).toBe('CONTINUE');
    expect(study.ask().report({ loss: 4 })).toBe('STOP');
  });

  test('also where the scheduler wants another trial to end', () => {
    let asked: string | undefined;
    const scheduler: Scheduler = {
      chooseTrialToRun: () => undefined,
      onTrialResult(_trial, _metrics, control) {
        if (asked !== undefined) control.stop(asked);
        return 'CONTINUE';
      },
    };
    const study = new Study({ ...LINE, scheduler });
    const [one, other] = [study.ask(), study.ask()];
    asked = other.id;
    expect(one.report({ loss: 1 })).toBe('CONTINUE');
    asked = undefined;
    expect(study.trials[1]!.status).toBe('RUNNING');
    expect(other.report({ loss: 1 })).toBe('STOP');
    study.tell(other, { loss: 0.5 });
    expect(study.best.metrics).toMatchObject({ loss: 0.5 });
  });
});

test('a scheduler that pauses though it did not say so is refused then, and the trial stays open', () => {
  const scheduler: Scheduler = {
    chooseTrialToRun: () => undefined,
    onTrialResult: () => 'PAUSE',
  };
  const study = new Study({ ...LINE, scheduler });
  const trial = study.ask();
  expect(thrown(() => trial.report({ loss: 1 }))).toMatchObject({
    name: 'NotSupportedError',
    message: expect.stringContaining('PAUSE') as string,
  });
  study.fail(trial);
  expect(study.results.numErrors).toBe(1);
});

test.each([
  ['report', 'abc'],
  ['tell', [1]],
] as const)(
  'a metric that is no number is refused by %s, and the trial stays open',
  (call, loss) => {
    const study = new Study(LINE);
    const trial = study.ask();
    trial.report({ loss: 5 });
    const error = thrown(() =>
      call === 'tell' ? study.tell(trial, { loss }) : trial.report({ loss }),
    );
    expect(error).toMatchObject({ name: 'MetricError', metric: 'loss', reported: ['loss'] });
    expect((error as Error).message).toMatch(
      `${call}(): the metric loss is ${JSON.stringify(loss)}`,
    );
    study.tell(trial, { loss: 1 });
    expect(study.trials[0]!.history.map((row) => row['loss'])).toEqual([5, 1]);
  },
);

test.each([
  [undefined, 'the trial failed'],
  ['text', 'text'],
  [{ code: 7 }, '{"code":7}'],
  [Object.create(null) as unknown, '{}'],
  [Symbol('lost'), 'Symbol(lost)'],
])('a trial may fail with anything, such as %o', (thrownValue, message) => {
  const study = new Study(LINE);
  study.fail(study.ask(), thrownValue);
  expect(study.trials[0]).toMatchObject({ status: 'ERROR', error: { name: 'Error', message } });
});

test('an error of another realm is that error', () => {
  const study = new Study(LINE);
  study.fail(study.ask(), runInNewContext('new RangeError("far")'));
  expect(study.trials[0]).toMatchObject({ error: { name: 'RangeError', message: 'far' } });
});

test('an end that can not be kept has not happened: the trial is open', () => {
  const study = new Study({ ...LINE, storagePath });
  const trial = study.ask();
  study.close();
  for (const call of [
    () => study.fail(trial),
    () => study.prune(trial),
    () => study.tell(trial, { loss: 1 }),
  ]) {
    expect(thrown(call)).toMatchObject({ name: 'StorageError' });
  }
  expect(study.trials).toMatchObject([{ status: 'RUNNING', metrics: {} }]);
});

test('each report says where it was made', () => {
  const study = new Study(LINE);
  const trial = study.ask();
  trial.report({ loss: 2 });
  study.tell(trial, { loss: 1 });
  const rows = study.trials[0]!.history.map((row) => [row.hostname, row.pid]);
  const here = [hostname(), process.pid];
  expect(rows).toEqual([here, here]);
});

describe('in a process that goes on', () => {
  const begin = (count: number, scheduler?: Scheduler): void => {
    using study = new Study({ ...LINE, ...(scheduler && { scheduler }), storagePath });
    for (let number = 0; number < count; number++) study.ask().report({ loss: 10 + number });
  };
  const resume = (scheduler?: Scheduler): Study<Line> =>
    new Study<Line>({ storagePath, ifExists: 'resume', ...(scheduler && { scheduler }) });

  test('trials that are worked on elsewhere are ended by their numbers', () => {
    begin(5);
    using study = resume();
    study.tell(0, { loss: 1 });
    study.prune(2);
    study.fail(3, new Error('lost'));
    expect(study.trials.map(({ status }) => status)).toEqual([
      'TERMINATED',
      'PENDING',
      'TERMINATED',
      'ERROR',
      'PENDING',
    ]);
    // What an earlier process has heard of them is theirs.
    expect(study.trials[0]!.history.map((row) => [row.trainingIteration, row['loss']])).toEqual([
      [1, 10],
      [2, 1],
    ]);
    expect(study.trials[2]!.metrics).toMatchObject({ loss: 12, trainingIteration: 1 });
    // Only the others are asked for again, from their beginning.
    const again = [study.ask(), study.ask()];
    expect(again.map(({ number }) => number)).toEqual([1, 4]);
    study.tell(again[0]!, { loss: 7 });
    expect(study.trials[1]!.history.map((row) => row['loss'])).toEqual([7]);
    expect(study.ask().number).toBe(5);
    study.close();
    expect(statesOf()).toEqual(['COMPLETE', 'COMPLETE', 'PRUNED', 'FAIL', 'RUNNING', 'RUNNING']);
    using third = resume();
    expect(third.trials.map(({ history }) => history.map((row) => row['loss']))).toEqual(
      study.trials.map(({ history }) => history.map((row) => row['loss'])),
    );
  });

  test('one that is told wrongly is still asked for again', () => {
    begin(1);
    using study = resume();
    expect(thrown(() => study.tell(0, { loss: 'none' }))).toMatchObject({ name: 'MetricError' });
    expect(study.ask().number).toBe(0);
    study.tell(0, { loss: 1 });
    for (const number of [0, 1, -1, 0.5, NaN]) {
      const error = thrown(() => study.tell(number, { loss: 1 }));
      expect(error).toMatchObject({ name: 'InvalidArgumentError', argument: 'trial' });
      expect((error as Error).message).toBe(
        number === 0 ? 'tell(): trial 0 has ended' : `tell(): there is no trial ${number}`,
      );
    }
  });

  test('its run time is what was worked on it, and not what lay between', () => {
    begin(2);
    const path = join(storagePath, 'study/journal.log');
    // As if the first process had been there a day ago.
    const day = 86_400_000;
    const shifted = readFileSync(path, 'utf8').replace(
      /"(at|timestamp)":(\d+)/g,
      (_all, name: string, at: string) => `"${name}":${Number(at) - day}`,
    );
    writeFileSync(path, shifted);
    using study = resume();
    study.tell(1, { loss: 1 });
    study.tell(study.ask(), { loss: 1 });
    const [again, goneOn] = study.trials;
    expect(again!.durationMs).toBeLessThan(day);
    expect(goneOn!.durationMs).toBeGreaterThanOrEqual(day);
  });

  test('what the scheduler had wanted is still to be ended by its caller', () => {
    begin(2, strict());
    using study = resume(strict());
    expect(study.trials.map(({ status }) => status)).toEqual(['PENDING', 'PENDING']);
    study.prune(0);
    study.tell(study.ask(), { loss: 1 });
    expect(study.trials.map(({ stopReason }) => stopReason)).toEqual(['scheduler', 'finished']);
  });

  test('what was told is known, though its process was killed before it was recorded as ended', () => {
    {
      using study = new Study({ ...LINE, scheduler: percentileStopping(), storagePath });
      study.tell(study.ask(), { loss: 1 });
    }
    const path = join(storagePath, 'study/journal.log');
    const lines = readFileSync(path, 'utf8').split('\n');
    const told = lines.findIndex((line) => line.includes('eagleray:report'));
    writeFileSync(path, `${lines.slice(0, told + 1).join('\n')}\n`);
    using study = resume(percentileStopping());
    expect(study.trials).toMatchObject([{ status: 'TERMINATED', stopReason: 'finished' }]);
  });
});

test('nothing can be resumed without a folder', () => {
  expect(thrown(() => new Study({ ...LINE, ifExists: 'resume' }))).toMatchObject({
    name: 'NotSupportedError',
    feature: 'resume',
  });
});

test('what is no config is not enqueued, and bounds that nothing keeps are refused', () => {
  const study = new Study(LINE);
  expect(thrown(() => study.enqueue(undefined as never))).toMatchObject({
    name: 'InvalidArgumentError',
    message: 'enqueue(): config is undefined; allowed: an object',
  });
  study.enqueue({});
  expect(study.ask().config.x).toBeLessThan(1);
  expect(
    thrown(() => new Study({ ...LINE, outcomeConstraints: { size: { min: 3, max: 1 } } })),
  ).toMatchObject({
    name: 'InvalidArgumentError',
    message: 'new Study() outcomeConstraints.size: min is 3; allowed: a number up to max, 1',
  });
});

test('where there is no study, one that was to be resumed without a space says so and leaves nothing behind', () => {
  const options = { storagePath, name: 'mistyped', ifExists: 'resume' } as const;
  const error = thrown(() => new Study(options));
  expect(error).toMatchObject({ name: 'InvalidArgumentError', argument: 'space' });
  expect((error as Error).message).toContain(join(storagePath, 'mistyped'));
  new Study({ ...LINE, ...options }).close();
  new Study(options).close();
  // A file of something else is what is wrong then.
  writeFileSync(join(storagePath, 'mistyped/journal.log'), 'nonsense\n');
  expect(thrown(() => new Study(options))).toMatchObject({ name: 'JournalError' });
});

test.each([
  ['an option of the searcher', { search: cmaes({ x0: { z: 1 } }) }],
  [
    'a searcher whose setup throws',
    {
      search: {
        setup() {
          throw new RangeError('no');
        },
        ask: () => ({ x: 0.5 }),
        tell: () => undefined,
      },
    },
  ],
])('%s that is wrong leaves the folder as it was', (_what, wrong) => {
  {
    using study = new Study({ ...LINE, storagePath });
    study.tell(study.ask(), { loss: 1 });
  }
  const before = readFileSync(join(storagePath, 'study', 'journal.log'), 'utf8');
  for (const ifExists of ['overwrite', 'fail'] as const) {
    thrown(() => new Study({ ...LINE, ...wrong, storagePath, ifExists }));
    expect(readFileSync(join(storagePath, 'study', 'journal.log'), 'utf8')).toBe(before);
  }
  thrown(() => new Study({ ...LINE, ...wrong, storagePath, name: 'fresh' }));
  expect(existsSync(join(storagePath, 'fresh'))).toBe(false);
});

test('what is enqueued is tried also where a grid is used up and somebody has asked in vain', () => {
  const study = new Study({ ...LINE, space: { x: choice([1, 2]) }, search: grid() });
  for (let count = 0; count < 2; count++) study.tell(study.ask(), { loss: 1 });
  expect(thrown(() => study.ask())).toBeInstanceOf(SearchExhaustedError);
  study.enqueue({ x: 1 });
  expect(study.ask().config).toEqual({ x: 1 });
  expect(thrown(() => study.ask())).toBeInstanceOf(SearchExhaustedError);
});

test('an enqueued config that breaks the constraints is named as that', () => {
  const study = new Study({ ...LINE, parameterConstraints: [({ x }) => x > 0.5] });
  study.enqueue({ x: 0.25 });
  expect((thrown(() => study.ask()) as Error).message).toMatch(/^enqueue\(\): \{"x":0.25\} breaks/);
});

test('a study that is closed takes nothing to try any more', () => {
  const study = new Study({ ...LINE, storagePath });
  study.close();
  expect(thrown(() => study.enqueue({ x: 0.25 }))).toBeInstanceOf(StorageError);
});
