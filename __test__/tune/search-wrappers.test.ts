/** Searchers around others, where configs are refused, repeated, waited for, and taken up again. */

import {
  Study,
  basicVariant,
  choice,
  concurrencyLimiter,
  grid,
  gridSearch,
  halton,
  loguniform,
  randint,
  repeater,
  sampleFrom,
  sobol,
  tpe,
  uniform,
  type Searcher,
  type ToldTrial,
} from 'eagleray/tune';
import { describe, expect, test } from 'vitest';

import { Controller } from '../../bindings/typescript/src/tune/controller/controller.ts';
import { Proposals } from '../../bindings/typescript/src/tune/controller/proposals.ts';
import type { Trial } from '../../bindings/typescript/src/tune/controller/trial.ts';
import { fifo } from '../../bindings/typescript/src/tune/schedulers/fifo.ts';
import { spaceOf } from '../../bindings/typescript/src/tune/space/descriptions.ts';
import {
  choice as choiceOf,
  uniform as uniformIn,
} from '../../bindings/typescript/src/tune/space/domain.ts';
import { Space } from '../../bindings/typescript/src/tune/space/space.ts';
import { stopperOf } from '../../bindings/typescript/src/tune/stoppers/stopper-of.ts';
import { PLAIN_SETUP } from './controller-setup.ts';

const OBJECTIVE = { metric: 'loss', mode: 'min' } as const;

function thrownBy(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/** Proposes one value after another, and writes down what it is told. */
function listed(values: readonly number[]) {
  let next = 0;
  const told: { number: number; result: ToldTrial }[] = [];
  const observed: number[] = [];
  const searcher: Searcher = {
    setup: () => undefined,
    ask: () => ({ x: values[next++] }),
    observe: ({ number }) => void observed.push(number),
    tell: ({ number }, result) => void told.push({ number, result }),
  };
  return { searcher, told, observed };
}

describe('repeater', () => {
  test('repeats the config that a trial has begun with, not the one that was refused', () => {
    const { searcher, told, observed } = listed([0.1, 0.9]);
    const study = new Study({
      ...OBJECTIVE,
      space: { x: uniform(0, 1) },
      search: repeater(searcher, { repeat: 3 }),
      parameterConstraints: [({ x }) => x > 0.5],
      seed: 4,
    });
    const trials = Array.from({ length: 6 }, () => study.ask());
    const configs = trials.map(({ config }) => config.x);
    expect(new Set(configs.slice(0, 3)).size).toBe(1);
    expect(configs.slice(3)).toEqual([0.9, 0.9, 0.9]);
    for (const [index, trial] of trials.entries()) study.tell(trial, { loss: index });
    expect(observed).toEqual([0]);
    expect(told.map(({ result }) => [result.config, result.metrics['loss']])).toEqual([
      [{ x: configs[0] }, 1],
      [{ x: 0.9 }, 4],
    ]);
  });

  test('has each element of a grid as often as it repeats', () => {
    const study = new Study({
      space: { a: gridSearch([1, 2, 3, 4]) },
      search: repeater(basicVariant(), { repeat: 2 }),
      numSamples: 1,
    });
    const seen = Array.from({ length: 8 }, () => study.ask().config.a);
    expect(seen).toEqual([1, 1, 2, 2, 3, 3, 4, 4]);
    expect(() => study.ask()).toThrow(/nothing left/);
  });

  test.each([
    ['sobol', sobol],
    ['halton', halton],
  ])('leaves out no point of %s', (_name, make) => {
    const space = { x: uniform(0, 1) };
    const plain = new Study({ space, search: make(), seed: 2 });
    const points = Array.from({ length: 4 }, () => plain.ask().config.x);
    const study = new Study({ space, search: repeater(make(), { repeat: 2 }), seed: 2 });
    const seen = Array.from({ length: 8 }, () => study.ask().config.x);
    expect(seen).toEqual(points.flatMap((x) => [x, x]));
  });

  test('leaves a config of grid() out that breaks constraints, and repeats the others', () => {
    const study = new Study({
      space: { a: choice([1, 2, 3]) },
      search: repeater(concurrencyLimiter(grid(), { maxConcurrent: 9 }), { repeat: 2 }),
      parameterConstraints: [({ a }) => a !== 2],
      numSamples: Infinity,
    });
    const seen = Array.from({ length: 4 }, () => study.ask().config.a);
    expect(seen).toEqual([1, 1, 3, 3]);
    expect(thrownBy(() => study.ask())).toMatchObject({ waiting: false });
  });

  test('repeats what was computed, too, in branches as well, and asks nobody about it again', () => {
    const { searcher, told } = listed([0.25, 0.5, 0.75]);
    const seen: number[] = [];
    const study = new Study({
      ...OBJECTIVE,
      space: {
        x: uniform(0, 1),
        late: sampleFrom((_config, random) => random()),
        any: sampleFrom((_config, random) => new Map([['random', random()]])),
      },
      search: repeater(searcher, { repeat: 2 }),
      parameterConstraints: [({ x }) => seen.push(x) > 0],
      seed: 1,
    });
    const trials = Array.from({ length: 6 }, () => study.ask());
    for (const at of [0, 2, 4]) expect(trials[at + 1]!.config).toEqual(trials[at]!.config);
    expect(new Set(trials.map(({ config }) => config.late)).size).toBe(3);
    expect(seen).toEqual([0.25, 0.5, 0.75]);
    for (const [index, trial] of trials.entries()) study.tell(trial, { loss: index });
    expect(told.map(({ number, result }) => [number, result.metrics['loss']])).toEqual([
      [0, 0.5],
      [2, 2.5],
      [4, 4.5],
    ]);
  });

  test('tells mean violations, and that a config was pruned only if each repetition was', () => {
    const { searcher, told } = listed([0.1, 0.2]);
    const study = new Study({
      ...OBJECTIVE,
      space: { x: uniform(0, 1) },
      search: repeater(searcher, { repeat: 2 }),
      outcomeConstraints: { size: { max: 1 } },
    });
    for (const prunes of [
      [true, false],
      [true, true],
    ]) {
      for (const [index, isPruned] of prunes.entries()) {
        const trial = study.ask();
        const metrics = { loss: index, size: 1 + 2 * index };
        if (!isPruned) study.tell(trial, metrics);
        else {
          trial.report(metrics);
          study.prune(trial);
        }
      }
    }
    expect(told.map(({ result }) => [result.stopReason, result.violation])).toEqual([
      ['finished', 1],
      ['scheduler', 1],
    ]);
  });
});

describe('concurrencyLimiter', () => {
  test.each([false, true])(
    'counts no config of grid() that breaks constraints (in batches: %s)',
    (batch) => {
      const study = new Study({
        ...OBJECTIVE,
        space: { a: choice([1, 2, 3, 4, 5, 6]) },
        search: concurrencyLimiter(grid(), { maxConcurrent: 2, batch }),
        parameterConstraints: [({ a }) => a % 2 === 0],
        numSamples: Infinity,
      });
      const [first, second] = [study.ask(), study.ask()];
      expect(thrownBy(() => study.ask())).toMatchObject({ waiting: true });
      study.tell(first, { loss: 1 });
      study.tell(second, { loss: 1 });
      const third = study.ask();
      expect([first, second, third].map(({ config }) => config.a)).toEqual([2, 4, 6]);
      study.tell(third, { loss: 1 });
      expect(thrownBy(() => study.ask())).toMatchObject({ waiting: false });
    },
  );

  test('begins a new batch at each full one when it is taken up again', () => {
    const { searcher, told } = listed([0.5]);
    const limiter = concurrencyLimiter(searcher, { maxConcurrent: 2, batch: true });
    limiter.setup({ parameters: [], metrics: [], seed: 1 });
    const trials = [0, 1, 2].map((number) => ({ number, id: String(number) }));
    const result = { status: 'TERMINATED', config: { x: 0 }, metrics: {} } as const;
    const resume = (number: number): unknown =>
      limiter.resume!(trials[number]!, result.config, undefined);
    expect([resume(0), resume(1), resume(2)]).toEqual([undefined, undefined, 'wait']);
    limiter.tell(trials[1]!, result);
    expect(told).toEqual([]);
    limiter.tell(trials[0]!, result);
    expect(told.map(({ number }) => number)).toEqual([0, 1]);
    expect(resume(2)).toBeUndefined();
    expect(limiter.ask({ number: 3, id: '3' })).toEqual({ x: 0.5 });
    expect(limiter.ask({ number: 4, id: '4' })).toBe('wait');
  });

  test('tells a batch that can not become larger while nobody is pending', () => {
    const told: number[] = [];
    const inner: Searcher = {
      setup: () => undefined,
      // It needs both results before it goes on.
      ask: ({ number }) => (number < 2 || told.length === 2 ? { x: 0.5 } : 'wait'),
      tell: ({ number }) => void told.push(number),
    };
    const study = new Study({
      ...OBJECTIVE,
      space: { x: uniform(0, 1) },
      search: concurrencyLimiter(inner, { maxConcurrent: 4, batch: true }),
    });
    for (const trial of [study.ask(), study.ask()]) study.tell(trial, { loss: 1 });
    expect(study.ask().config.x).toBe(0.5);
    expect(told).toEqual([0, 1]);
  });
});

test('score() of a wrapper around a searcher that never scores is refused', () => {
  const space = { x: uniform(0, 1) };
  const { searcher } = listed([0.5]);
  for (const search of [
    concurrencyLimiter(basicVariant(), { maxConcurrent: 2 }),
    repeater(searcher, { repeat: 2 }),
    repeater(concurrencyLimiter(grid(), { maxConcurrent: 2 }), { repeat: 2 }),
  ]) {
    const of = search.description?.name ?? 'a repeater';
    expect(
      thrownBy(() => search.score!({ x: 0.5 })),
      of,
    ).toMatchObject({
      name: 'NotSupportedError',
    });
  }
  const study = new Study({
    ...OBJECTIVE,
    space,
    search: repeater(tpe(), { repeat: 2 }),
  });
  expect(study.score({ x: 0.5 })).toBeUndefined();
});

describe('parameterConstraints', () => {
  test('what is drawn for them is new where duplicates are skipped', () => {
    const study = new Study({
      ...OBJECTIVE,
      space: { x: randint(0, 200) },
      search: tpe(),
      parameterConstraints: [({ x }) => x % 2 === 0],
      seed: 1,
    });
    const seen = Array.from({ length: 100 }, () => {
      const trial = study.ask();
      study.tell(trial, { loss: Math.abs(trial.config.x - 70) });
      return trial.config.x;
    });
    expect(new Set(seen).size).toBeGreaterThan(95);
  });

  test.each([
    ['a promise', async () => true, /a promise/],
    ['a promise that is rejected', () => Promise.reject(new Error('late')), /a promise/],
    ['a number', () => 1, /number/],
    ['nothing', () => undefined, /undefined/],
  ])('refuse %s', (_name, constraint, message) => {
    const study = new Study({
      space: { x: uniform(0, 1) },
      parameterConstraints: [constraint as unknown as () => boolean],
    });
    expect(thrownBy(() => study.ask())).toMatchObject({
      name: 'InvalidArgumentError',
      argument: 'parameterConstraints',
      message: expect.stringMatching(message) as string,
    });
  });
});

test('what a point leaves open in its branch is random', () => {
  const study = new Study({
    space: {
      o: choice([
        { k: 'a' },
        { k: 'b' },
        { k: 'c' },
        {
          k: 'd',
          lr: uniform(0, 1),
          decay: loguniform(1e-4, 1),
          inner: choice(['p', 'q', { deep: uniform(0, 1) }]),
        },
      ]),
    },
    seed: 1,
  });
  for (let index = 0; index < 30; index++) study.enqueue({ o: { k: 'd' } } as never);
  const branches = Array.from({ length: 30 }, () => study.ask().config.o) as {
    k: string;
    lr: number;
    decay: number;
    inner: string | { deep: number };
  }[];
  expect(new Set(branches.map(({ k }) => k))).toEqual(new Set(['d']));
  expect(new Set(branches.map(({ lr }) => lr)).size).toBe(30);
  expect(new Set(branches.map(({ decay }) => decay)).size).toBe(30);
  const inner = branches.map(({ inner: each }) => (typeof each === 'string' ? each : 'deep'));
  expect(new Set(inner)).toEqual(new Set(['p', 'q', 'deep']));
});

describe('elements that overlap', () => {
  const space = new Space({ x: choiceOf([uniformIn(0, 1), uniformIn(0, 2)]) }, 'test');

  test('a config is read as it was built, and by itself as the first element that it can be', () => {
    const values = [1, NaN, 0.5];
    const config = space.build(values, null) as { x: number };
    expect(space.valuesOf(config, 'test')).toEqual(values);
    expect(space.valuesOf({ x: 0.5 }, 'test')).toEqual([0, 0.5, NaN]);
    // What has changed since then is read as it is.
    config.x = 1.5;
    expect(space.valuesOf(config, 'test')).toEqual([1, NaN, 1.5]);
    const other = space.build([0, 0.5, NaN], null) as { x: number };
    other.x = 1.5;
    expect(space.valuesOf(other, 'test')).toEqual([1, NaN, 1.5]);
  });

  test('a proposal has the numbers that its searcher meant', () => {
    const values = [1, NaN, 0.5];
    // The searcher's own space, of the same parameters.
    const own = spaceOf(space.parameters, 'test');
    const observed: number[][] = [];
    const proposals = new Proposals({
      space,
      searcher: {
        setup: () => undefined,
        ask: () => own.build(values, null),
        tell: () => undefined,
        observe: (_trial, config) => void observed.push(own.valuesWithin(config, 'test')),
      },
      seed: 3,
      pointsToEvaluate: [],
      parameterConstraints: [],
      lag: null,
    });
    const proposal = proposals.next({ number: 0, id: '0' });
    if (typeof proposal === 'string') throw new Error(proposal);
    expect(proposal.values).toEqual(values);
    // As after a restore.
    expect(proposals.resume({ number: 0, id: '0' }, proposal, null)).toBe(proposal.config);
    expect(observed).toEqual([values]);
  });
});

/** What it proposes depends on all that it knows: the results, and who is pending. */
function learner(): Searcher {
  const pending = new Set<number>();
  let sum = 0;
  return {
    isAdaptive: true,
    setup: () => undefined,
    ask: ({ number }) => {
      pending.add(number);
      const all = [...pending].reduce((total, each) => total + Math.sqrt(each + 0.5), sum * 1000);
      return { x: all % 1 };
    },
    tell: ({ number }, { metrics }) => {
      pending.delete(number);
      sum += metrics['loss'] as number;
    },
  };
}

/** Runs trials of one report each, and ends them in an order that depends on `turn`. */
function deterministicRun(search: Searcher, turn: (running: number, step: number) => number) {
  const header = {
    name: 'test',
    parameters: [],
    metrics: ['loss'],
    modes: ['min'],
    seed: 5,
    options: {},
  } as unknown as ConstructorParameters<typeof Controller>[0]['header'];
  const controller = new Controller({
    ...PLAIN_SETUP,
    header,
    space: new Space({ x: uniformIn(0, 1) }, 'test'),
    searcher: search,
    scheduler: fifo(),
    stopper: stopperOf(undefined, header as never),
    numSamples: 24,
    capacity: new Map([['CPU', 30_000]]),
    maxConcurrent: 3,
    deterministic: true,
  });
  const running: Trial[] = [];
  let most = 0;
  const follow = (instructions: ReturnType<Controller['start']>): void => {
    for (const instruction of instructions) {
      if (instruction.kind === 'run') running.push(instruction.trial);
      if (instruction.kind === 'finish' && instruction.end.kind === 'broken') {
        throw instruction.end.error;
      }
    }
    most = Math.max(most, running.length);
  };
  follow(controller.start());
  for (let step = 0; running.length > 0; step++) {
    const [trial] = running.splice(turn(running.length, step), 1) as [Trial];
    const { attempt } = trial;
    const { x } = trial.config as { readonly x: number };
    const shared = { attempt, elapsedMs: 0 };
    follow(
      controller.reported(trial, {
        ...shared,
        report: 1,
        metrics: { loss: (x - 0.3) ** 2 },
        checkpoint: false,
        done: false,
        timestamp: 0,
        pid: 0,
        hostname: '',
      }),
    );
    follow(controller.ended(trial, { ...shared, error: null, saved: null, at: 0 }));
  }
  return { configs: controller.trials.map(({ config }) => config as { readonly x: number }), most };
}

describe('deterministic, with a limiter that lets fewer trials be pending', () => {
  test.each([
    ['one by one', false, 2],
    ['in batches', true, 2],
    ['in larger batches', true, 3],
    ['one at a time', false, 1],
  ])('%s: it comes to its end, and repeats in whatever order trials end', (_name, batch, max) => {
    const search = (): Searcher => concurrencyLimiter(learner(), { maxConcurrent: max, batch });
    const first = deterministicRun(search(), () => 0);
    expect(first.configs).toHaveLength(24);
    expect(first.most).toBe(max);
    expect(new Set(first.configs.map(({ x }) => x)).size).toBe(24);
    const last = deterministicRun(search(), (running) => running - 1);
    const mixed = deterministicRun(search(), (running, step) => (step * 7) % running);
    expect(last.configs).toEqual(first.configs);
    expect(mixed.configs).toEqual(first.configs);
  });
});
