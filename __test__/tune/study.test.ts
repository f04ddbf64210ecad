/** `Study`: spaces and searchers, asked and told by hand. */
import {
  Study,
  basicVariant,
  bohb,
  choice,
  cmaes,
  concurrencyLimiter,
  gp,
  grid,
  gridSearch,
  halton,
  hyperband,
  loguniform,
  lograndint,
  nsga2,
  percentileStopping,
  qlograndint,
  qloguniform,
  qrandint,
  qrandn,
  quniform,
  randint,
  randn,
  repeater,
  sampleFrom,
  sobol,
  tpe,
  uniform,
  type Searcher,
} from 'eagleray/tune';
import { describe, expect, test } from 'vitest';

const SEARCHERS: Readonly<Record<string, () => Searcher>> = {
  basicVariant: () => basicVariant(),
  sobol: () => sobol(),
  halton: () => halton(),
  tpe: () => tpe(),
  cmaes: () => cmaes(),
  gp: () => gp(),
  nsga2: () => nsga2({ populationSize: 10 }),
  bohb: () => bohb(),
};

const PLANE = {
  space: { x: uniform(0, 1), y: uniform(0, 1) },
  metric: 'loss',
  mode: 'min',
} as const;

function thrownBy(code: () => unknown): unknown {
  try {
    code();
  } catch (error) {
    return error;
  }
  throw new Error('it did not throw');
}

describe.each(Object.entries(SEARCHERS))('%s', (_name, make) => {
  const run = (count: number, order: 'forward' | 'backward') => {
    const study = new Study({ ...PLANE, search: make(), seed: 7 });
    const configs: unknown[] = [];
    for (let round = 0; round < count; round++) {
      const trials = [study.ask(), study.ask()];
      configs.push(...trials.map(({ config }) => config));
      if (order === 'backward') trials.reverse();
      for (const { number, config } of trials) {
        study.tell(number, { loss: (config.x - 0.3) ** 2 + (config.y - 0.7) ** 2 });
      }
    }
    return { study, configs };
  };

  test('finds the neighbourhood of the least, and knows what matters', () => {
    const { study } = run(30, 'forward');
    expect(study.best.metrics['loss']).toBeLessThan(0.05);
    const importances = study.importances();
    expect(Object.keys(importances).toSorted()).toEqual(['x', 'y']);
    expect(Object.values(importances).reduce((sum, part) => sum + part, 0)).toBeCloseTo(1);
  });

  test('proposes the same again, in whatever order it is told', () => {
    expect(run(12, 'backward').configs).toEqual(run(12, 'forward').configs);
  });

  test('takes all kinds of domains, in branches too, and reads back what it gave', () => {
    const study = new Study({
      space: {
        optimizer: choice([
          { kind: 'adam', lr: loguniform(1e-5, 1), beta: choice([0.9, 0.99], { ordered: true }) },
          { kind: 'sgd', momentum: uniform(0, 1), deep: { layers: randint(1, 4) } },
          'none',
        ]),
        list: [lograndint(1, 100), 'constant', qrandint(2, 8, 2)],
        q: quniform(0, 1, 0.1),
        ql: qloguniform(0.1, 10, 0.1),
        n: randn(5, 2),
        qn: qrandn(0, 1, 0.25),
        qli: qlograndint(8, 64, 8),
        constant: { shared: new Map([[1, 2]]) },
        late: sampleFrom((config: { q: number }, random) => [config.q, random()] as const),
      },
      metric: 'loss',
      mode: 'max',
      search: make(),
      seed: 3,
    });
    const kinds = new Set<string>();
    for (let index = 0; index < 40; index++) {
      const { number, config } = study.ask();
      const { optimizer, list, late } = config;
      kinds.add(typeof optimizer === 'string' ? optimizer : optimizer.kind);
      if (optimizer !== 'none' && optimizer.kind === 'adam') {
        expect(Object.keys(optimizer)).toEqual(['kind', 'lr', 'beta']);
        expect(optimizer.lr).toBeGreaterThanOrEqual(1e-5);
      }
      expect(list[1]).toBe('constant');
      expect(list[2] % 2).toBe(0);
      expect(String(config.q).length).toBeLessThanOrEqual(3);
      expect((config.qn / 0.25) % 1).toBeCloseTo(0);
      expect(config.constant.shared.get(1)).toBe(2);
      expect(late[0]).toBe(config.q);
      study.tell(number, { loss: config.n });
    }
    expect([...kinds].toSorted()).toEqual(['adam', 'none', 'sgd']);
  });

  test('takes the upper end of a range from whoever wants it tried, and never gives it itself', () => {
    const study = new Study({
      ...PLANE,
      space: { x: uniform(0, 1), y: loguniform(0.1, 1) },
      search: make(),
      seed: 2,
      pointsToEvaluate: [{ x: 1, y: 1 }],
      knownResults: [{ config: { x: 1, y: 0.5 }, metrics: { loss: 1 } }],
    });
    study.enqueue({ x: 1 });
    for (const config of [{ x: 1 + 1e-9 }, { y: 1.1 }, { x: -1e-9 }]) {
      expect(thrownBy(() => study.enqueue(config))).toMatchObject({
        name: 'InvalidArgumentError',
        argument: Object.keys(config)[0],
      });
    }
    for (let number = 0; number < 30; number++) {
      const trial = study.ask();
      if (number === 0) expect(trial.config).toEqual({ x: 1, y: 1 });
      else if (number === 1) expect(trial.config.x).toBe(1);
      else expect(Math.max(trial.config.x, trial.config.y)).toBeLessThan(1);
      study.tell(trial, { loss: 2 - trial.config.x - trial.config.y });
    }
    expect(study.best.number).toBe(0);
  });

  test('refuses a grid that it can not search', () => {
    const options = { ...PLANE, space: { x: gridSearch([1, 2]) }, search: make() };
    if (_name === 'basicVariant') expect(() => new Study(options)).not.toThrow();
    else expect(thrownBy(() => new Study(options))).toMatchObject({ argument: 'search' });
  });
});

test('grids have every config once, as nested loops', () => {
  const study = new Study({
    space: { a: choice([1, 2]), b: choice(['x', 'y', 'z']) },
    search: grid(),
    parameterConstraints: [(config) => !(config.a === 2 && config.b === 'y')],
  });
  study.enqueue({ a: 2, b: 'z' });
  const seen: string[] = [];
  const error = thrownBy(() => {
    for (;;) seen.push(Object.values(study.ask().config).join(''));
  });
  expect(seen).toEqual(['2z', '1x', '1y', '1z', '2x']);
  expect(error).toMatchObject({ name: 'SearchExhaustedError', waiting: false });
});

test('gridSearch has each element for each sample, the last one fastest', () => {
  const study = new Study({
    space: { a: gridSearch([1, 2]), x: uniform(0, 1), b: gridSearch(['x', 'y']) },
    search: basicVariant({ constantGridSearch: true }),
    numSamples: 2,
    seed: 1,
  });
  const configs = Array.from({ length: 8 }, () => study.ask().config);
  expect(configs.map(({ a, b }) => `${a}${b}`).join(' ')).toBe('1x 1y 2x 2y 1x 1y 2x 2y');
  expect(new Set(configs.map(({ x }) => x)).size).toBe(2);
  expect(() => study.ask()).toThrow(/nothing left/);
});

test('a limiter waits, and trials are told once, with the metric', () => {
  const search = concurrencyLimiter(tpe(), { maxConcurrent: 2 });
  const study = new Study({ ...PLANE, search });
  const [first, second] = [study.ask(), study.ask()];
  expect(thrownBy(() => study.ask())).toMatchObject({ waiting: true });
  expect(thrownBy(() => study.tell(first, { other: 1 }))).toMatchObject({ name: 'MetricError' });
  study.tell(first, { loss: NaN });
  const third = study.ask();
  for (const trial of [first, 99]) {
    expect(thrownBy(() => study.tell(trial, { loss: 1 }))).toMatchObject({
      name: 'InvalidArgumentError',
    });
  }
  study.fail(second, new RangeError('broken'));
  study.tell(third, { loss: 3 });
  expect(study.results.numErrors).toBe(1);
  expect(study.results.errors[0]).toBeInstanceOf(RangeError);
  expect(study.best.number).toBe(third.number);
});

test('a repeater has each config several times, and tells the mean', () => {
  const told: number[] = [];
  const inner: Searcher = {
    setup: () => undefined,
    ask: ({ number }) => ({ x: number / 10, y: 0 }),
    tell: (_trial, { metrics }) => void told.push(metrics['loss'] as number),
  };
  const study = new Study({ ...PLANE, search: repeater(inner, { repeat: 3 }) });
  const trials = Array.from({ length: 6 }, () => study.ask());
  expect(trials.map(({ config }) => config.x)).toEqual([0, 0, 0, 0.3, 0.3, 0.3]);
  for (const [index, trial] of trials.entries()) study.tell(trial, { loss: index });
  expect(told).toEqual([1, 4]);
});

test('several metrics have a front, within constraints', () => {
  const study = new Study({
    space: { x: uniform(0, 1) },
    metric: ['a', 'b'],
    mode: ['min', 'max'],
    search: nsga2({ populationSize: 8 }),
    parameterConstraints: [({ x }) => x > 0.5],
    outcomeConstraints: { b: { max: 0.9 } },
    seed: 1,
  });
  for (let index = 0; index < 40; index++) {
    const { number, config } = study.ask();
    expect(config.x).toBeGreaterThan(0.5);
    study.tell(number, { a: config.x, b: config.x ** 2 });
  }
  const { paretoFront } = study.results;
  expect(paretoFront.length).toBeGreaterThan(3);
  expect(paretoFront.every(({ metrics }) => (metrics['b'] as number) <= 0.9)).toBe(true);
  expect(study.results.hypervolume([2, 0])).toBeGreaterThan(0);
});

test('a config that no draw can make is a SpaceError, and one outside is refused', () => {
  const study = new Study({ ...PLANE, parameterConstraints: [() => false] });
  expect(thrownBy(() => study.ask())).toMatchObject({ name: 'SpaceError' });
  expect(thrownBy(() => study.enqueue({ x: 7 }))).toMatchObject({ argument: 'x' });
  const outside: Searcher = {
    setup: () => undefined,
    ask: () => ({ x: 2, y: 0 }),
    tell: () => undefined,
  };
  const wrong = new Study({ ...PLANE, search: outside });
  expect(thrownBy(() => wrong.ask())).toMatchObject({
    name: 'InvalidArgumentError',
    argument: 'x',
  });
});

test('schedulers say STOP, and those that pause are refused', () => {
  const scheduler = percentileStopping({ numStartupTrials: 2 });
  const study = new Study({ ...PLANE, scheduler });
  for (let index = 0; index < 3; index++) {
    const trial = study.ask();
    expect(trial.report({ loss: 1 })).toBe('CONTINUE');
    study.tell(trial, { loss: 1 });
  }
  const bad = study.ask();
  expect(bad.report({ loss: 100 })).toBe('STOP');
  study.prune(bad);
  expect(study.results.at(3)).toMatchObject({ stopReason: 'scheduler', metrics: { loss: 100 } });
  expect(thrownBy(() => new Study({ ...PLANE, scheduler: hyperband() }))).toMatchObject({
    name: 'NotSupportedError',
  });
});

test.each(Object.entries({ tpe: tpe(), gp: gp() }))(
  '%s learns from each result that was known before: it needs no random start then',
  (_name, search) => {
    const knownResults = Array.from({ length: 30 }, (_, index) => {
      const x = index / 30;
      return { config: { x, y: 0.5 }, metrics: { loss: (x - 0.7) ** 2 } };
    });
    const study = new Study({ ...PLANE, search, seed: 3, knownResults });
    const { x, y } = study.ask().config;
    expect(study.score({ x, y })).toBeDefined();
    expect(x).toBeGreaterThan(0.4);
  },
);

test.each([
  [
    'is not there',
    { value: 1, cost: 2 },
    /knownResults\[1\]\.metrics\.loss is undefined; allowed: a number; the metrics that are given: value, cost/,
  ],
  [
    'is no number',
    { loss: 'low' },
    /knownResults\[1\]\.metrics\.loss is .*low.*; allowed: a number/,
  ],
])('a known result whose metric %s is refused', (_name, metrics, message) => {
  // prettier-ignore
  const config = { x: 0.5, y: 0.5 };
  const known = (last: object) => [
    { config, metrics: { loss: NaN } },
    { config, metrics: last as { loss: number } },
  ];
  for (const search of [tpe(), sobol()]) {
    expect(() => new Study({ ...PLANE, search, knownResults: known(metrics) })).toThrow(message);
    expect(new Study({ ...PLANE, search, knownResults: known({ loss: 1 }) }).trials).toEqual([]);
  }
});

test('what was known before moves no place in a sequence', () => {
  const first = (knownResults: { config: { x: number; y: number }; metrics: { loss: number } }[]) =>
    new Study({ ...PLANE, search: sobol(), seed: 3, knownResults }).ask().config;
  expect(first([{ config: { x: 0.5, y: 0.5 }, metrics: { loss: 1 } }])).toEqual(first([]));
});

test('score says what TPE and a Gaussian process think', () => {
  for (const [search, parts] of [
    [tpe(), ['acquisition', 'logBelow', 'logAbove']],
    [gp(), ['acquisition', 'mean', 'std']],
  ] as const) {
    const study = new Study({ ...PLANE, mode: 'max', search, seed: 1 });
    expect(study.score({ x: 0.5, y: 0.5 })).toBeUndefined();
    for (let index = 0; index < 30; index++) {
      const { number, config } = study.ask();
      study.tell(number, { loss: 10 + config.x });
    }
    const [low, high] = [study.score({ x: 0.05, y: 0.5 })!, study.score({ x: 0.95, y: 0.5 })!];
    expect(Object.keys(low)).toEqual(parts);
    if ('mean' in high) {
      expect(high['mean']).toBeCloseTo(10.95, 1);
      expect(low['mean']).toBeCloseTo(10.05, 1);
    } else expect(high.acquisition).toBeGreaterThan(low.acquisition);
  }
  const random = new Study({ ...PLANE, search: basicVariant() });
  expect(thrownBy(() => random.score({ x: 0, y: 0 }))).toMatchObject({ name: 'NotSupportedError' });
});

test('searches with tpe() unless something else is asked for, and at random without a metric', () => {
  const study = new Study({ ...PLANE, seed: 3 });
  for (let number = 0; number < 12; number++) {
    const trial = study.ask();
    study.tell(trial, { loss: trial.config.x });
  }
  expect(Object.keys(study.score({ x: 0.5, y: 0.5 })!).sort()).toEqual([
    'acquisition',
    'logAbove',
    'logBelow',
  ]);
  const without = new Study({ space: PLANE.space, seed: 3 });
  expect(without.ask().config.x).toBeLessThan(1);
});
