/** What `pbt` and `pb2` make of configs, with the domains of search spaces and the model of the native module: driven by hand. */

import {
  choice,
  gridSearch,
  loguniform,
  lograndint,
  pb2,
  pbt,
  qloguniform,
  qrandint,
  qrandn,
  quniform,
  randint,
  randn,
  sampleFrom,
  uniform,
  type PbtOptions,
  type ReportedMetrics,
  type ScheduledTrial,
  type Scheduler,
  type SchedulerControl,
} from 'eagleray/tune';
import { describe, expect, it } from 'vitest';

type HandTrial = { -readonly [Key in keyof ScheduledTrial]: ScheduledTrial[Key] };

/** Trials that run side by side, each with a checkpoint, and take over states at once. */
function population(scheduler: Scheduler, configs: readonly object[], seed = 7) {
  const trials: HandTrial[] = [];
  const exploits: { id: string; fromId: string; config: unknown }[] = [];
  const control: SchedulerControl = {
    trials,
    stop: () => undefined,
    setResources: () => undefined,
    exploit(id, fromId, config) {
      if (id !== fromId) exploits.push({ id, fromId, config });
      trials[Number(id)]!.config = config;
      return true;
    },
  };
  scheduler.setup?.({ metric: 'score', mode: 'max', seed });
  for (const [number, config] of configs.entries()) {
    const id = String(number).padStart(5, '0');
    trials.push({ id, number, config, status: 'RUNNING', metrics: {} });
    scheduler.onTrialAdd?.(trials[number]!, control);
  }
  return {
    trials,
    exploits,
    report(number: number, trainingIteration: number, score: number) {
      const metrics = { score, trainingIteration } as unknown as ReportedMetrics;
      return scheduler.onTrialResult(trials[number]!, metrics, control);
    },
  };
}

const base = { timeAttr: 'trainingIteration', perturbationInterval: 1 } as const;

/** What the worse one of two trials gets, with many seeds. */
function explored(config: object, options: PbtOptions, seeds = 80): Record<string, unknown>[] {
  return Array.from({ length: seeds }, (_, seed) => {
    const hand = population(pbt({ ...base, seed, ...options }), [config, { from: 'nowhere' }]);
    hand.report(0, 1, 2);
    hand.report(1, 1, 1);
    return hand.exploits[0]!.config as Record<string, unknown>;
  });
}

function valuesOf(
  domain: unknown,
  current: unknown,
  resampleProbability: number,
  factors?: readonly number[],
): unknown[] {
  const options = {
    hyperparamMutations: { x: domain } as never,
    resampleProbability,
    ...(factors === undefined ? {} : { perturbationFactors: factors }),
  };
  const values = explored({ x: current }, options).map(({ x }) => x);
  return [...new Set(values.map((value) => JSON.stringify(value)))]
    .sort()
    .map((text): unknown => JSON.parse(text));
}

describe('mutations by domains', () => {
  it.each([
    ['uniform', uniform(0, 1), 0.5, [0.4, 0.6]],
    ['uniform, at its end, which is excluded', uniform(0, 1), 0.95, [0.95 * 0.8, 1 - 2 ** -53]],
    ['uniform, from outside', uniform(0, 1), 5, [1 - 2 ** -53]],
    ['loguniform', loguniform(1e-4, 1e-1), 1e-4, [1e-4, 1.2e-4]],
    ['quniform', quniform(0, 1, 0.1), 0.5, [0.4, 0.6]],
    ['quniform, to the nearest multiple', quniform(0, 3, 0.3), 0.9, [0.6, 1.2]],
    ['qloguniform', qloguniform(0.5, 4, 0.5), 4, [3, 4]],
    ['randint, whose end is excluded', randint(1, 10), 9, [7, 9]],
    ['lograndint', lograndint(1, 1000), 100, [120, 80]],
    ['qrandint', qrandint(8, 64, 8), 40, [32, 48]],
    ['randn', randn(0, 1), -2, [-1.6, -2.4]],
    ['qrandn', qrandn(10, 5, 2), 20, [16, 24]],
    ['choice', choice(['a', 'b', 'c']), 'b', ['a', 'c']],
    ['choice, at its end', choice([1, 2, 4]), 4, [2, 4]],
    ['choice of booleans', choice([true, false]), true, [false, true]],
    ['choice, from outside', choice([1, 2]), 7, [1, 2]],
  ])('%s: a value that is near', (_name, domain, current, expected) => {
    expect(valuesOf(domain, current, 0)).toEqual(expected);
  });

  it('whole numbers in the middle go to the even one, as in Python', () => {
    expect(valuesOf(randint(0, 100), 5, 0, [0.5])).toEqual([2]);
    expect(valuesOf(randint(0, 100), 7, 0, [0.5])).toEqual([4]);
  });

  it('samples anew, from all of the domain', () => {
    expect(valuesOf(randint(1, 5), 3, 1)).toEqual([1, 2, 3, 4]);
    expect(valuesOf(choice(['a', 'b', 'c']), 'a', 1)).toEqual(['a', 'b', 'c']);
    const drawn = valuesOf(loguniform(1e-4, 1), 0.5, 1) as number[];
    expect(drawn.length).toBeGreaterThan(70);
    expect(drawn.every((value) => value >= 1e-4 && value < 1)).toBe(true);
    // Each power of ten as likely.
    expect(drawn.filter((value) => value < 1e-2).length).toBeGreaterThan(25);
  });

  it('draws from its seed alone', () => {
    const options = { hyperparamMutations: { x: uniform(0, 1) }, resampleProbability: 1 };
    const twice = [explored({ x: 0.5 }, options, 5), explored({ x: 0.5 }, options, 5)];
    expect(twice[0]).toEqual(twice[1]);
    expect(new Set(twice[0]!.map(({ x }) => x)).size).toBe(5);
  });

  it('moves the parameters of a branch, and leaves it only for a new sample', () => {
    const domain = choice([
      { kind: 'sgd', lr: uniform(0, 1) },
      { kind: 'adam', beta: uniform(0.5, 1) },
    ]);
    const near = valuesOf(domain, { kind: 'sgd', lr: 0.5 }, 0);
    expect(near).toEqual([
      { kind: 'sgd', lr: 0.4 },
      { kind: 'sgd', lr: 0.6 },
    ]);
    const kinds = valuesOf(domain, { kind: 'sgd', lr: 0.5 }, 1).map(
      (value) => (value as { kind: string }).kind,
    );
    expect(new Set(kinds)).toEqual(new Set(['sgd', 'adam']));
  });

  it('finds nested ones by their path, and leaves all else as it is', () => {
    const [config] = explored(
      { optimizer: { lr: 0.5, name: 'sgd' }, layers: [1, 2] },
      { hyperparamMutations: { optimizer: { lr: uniform(0, 1) } }, resampleProbability: 0 },
      1,
    );
    expect(config).toEqual({
      optimizer: { lr: expect.any(Number) as number, name: 'sgd' },
      layers: [1, 2],
    });
    expect([0.4, 0.6]).toContain((config!['optimizer'] as { lr: number }).lr);
  });

  it('fills what a config lacks when its trial is added, at any depth', () => {
    const scheduler = pbt({
      ...base,
      hyperparamMutations: { x: randint(3, 4), optimizer: { lr: uniform(0, 1), size: [8] } },
    });
    const { trials } = population(scheduler, [{ optimizer: { name: 'sgd', lr: 0.25 } }]);
    expect(trials[0]!.config).toEqual({ x: 3, optimizer: { name: 'sgd', lr: 0.25, size: 8 } });
  });

  it.each([
    [{ x: gridSearch([1, 2]) }, 'hyperparamMutations.x'],
    [{ x: { y: sampleFrom(() => 1) } }, 'hyperparamMutations.x.y'],
    [{ x: 3 }, 'hyperparamMutations.x'],
  ])('refuses what is no domain of its own', (hyperparamMutations, argument) => {
    expect(() => pbt({ hyperparamMutations: hyperparamMutations as never })).toThrow(
      expect.objectContaining({ name: 'InvalidArgumentError', argument }) as Error,
    );
  });
});

describe('pb2', () => {
  const bounds = { hyperparamBounds: { x: [0, 1] } } as const;

  it.each([
    [{}, 'hyperparamBounds'],
    [{ hyperparamBounds: {} }, 'hyperparamBounds'],
    [{ hyperparamBounds: { x: [1] } }, 'hyperparamBounds.x'],
    [{ hyperparamBounds: { x: [2, 1] } }, 'hyperparamBounds.x'],
    [{ hyperparamBounds: { x: [0, Infinity] } }, 'hyperparamBounds.x'],
    [{ hyperparamBounds: { x: { y: 'z' } } }, 'hyperparamBounds.x.y'],
    [{ ...bounds, resampleProbability: 0.5 }, 'resampleProbability'],
    [{ ...bounds, burnInPeriod: 5 }, 'burnInPeriod'],
    [{ ...bounds, quantileFraction: 0.6 }, 'quantileFraction'],
    [{ ...bounds, perturbationInterval: 0 }, 'perturbationInterval'],
  ])('refuses %j', (options, argument) => {
    expect(() => pb2(options as never)).toThrow(
      expect.objectContaining({ name: 'InvalidArgumentError', argument }) as Error,
    );
  });

  it('fills what configs lack, within the bounds', () => {
    const scheduler = pb2({ ...base, hyperparamBounds: { a: { lr: [0.1, 0.2] }, b: [5, 5] } });
    const { trials } = population(scheduler, [{ a: { name: 'n' } }, { b: 7 }]);
    const [first, second] = trials.map(({ config }) => config as { a: { lr: number }; b: number });
    expect(first).toEqual({ a: { name: 'n', lr: expect.any(Number) as number }, b: 5 });
    expect(second!.b).toBe(7);
    for (const { a } of [first!, second!]) {
      expect(a.lr).toBeGreaterThanOrEqual(0.1);
      expect(a.lr).toBeLessThanOrEqual(0.2);
    }
  });

  it('keeps the config while a source has been looked at only once', () => {
    const hand = population(pb2({ ...base, ...bounds }), [{ x: 0.3 }, { x: 0.6 }]);
    hand.report(0, 1, 2);
    hand.report(1, 1, 1);
    expect(hand.exploits).toEqual([{ id: '00001', fromId: '00000', config: { x: 0.3 } }]);
    hand.report(0, 2, 4);
    hand.report(1, 2, 3);
    const next = (hand.exploits[1]!.config as { x: number }).x;
    expect(next).not.toBe(0.3);
    expect(next).toBeGreaterThanOrEqual(0);
    expect(next).toBeLessThanOrEqual(1);
  });

  it('refuses configs in which a hyperparameter is no number', () => {
    const hand = population(pb2({ ...base, ...bounds }), [{ x: 'much' }]);
    expect(() => hand.report(0, 1, 1)).toThrow('hyperparamBounds are for numbers');
  });

  it('keeps whole numbers whole', () => {
    const scheduler = pb2({ ...base, hyperparamBounds: { n: [1, 100], x: [0, 1] } });
    const hand = population(
      scheduler,
      [10, 40, 70, 90].map((n, at) => ({ n, x: at / 7 })),
    );
    for (let step = 1; step < 8; step++) {
      for (let trial = 0; trial < 4; trial++) hand.report(trial, step, step * (trial + 1));
    }
    expect(hand.exploits.length).toBeGreaterThan(4);
    for (const { config } of hand.exploits) {
      const { n, x } = config as { n: number; x: number };
      expect(Number.isInteger(n) && n >= 1 && n <= 100).toBe(true);
      expect(x >= 0 && x <= 1).toBe(true);
    }
  });

  it('gives each config to customExploreFn, and takes what that returns', () => {
    const scheduler = pb2({
      ...base,
      ...bounds,
      customExploreFn: (config) => ({ ...config, y: 1 }),
    });
    const hand = population(scheduler, [{ x: 0.3 }, { x: 0.6 }]);
    hand.report(0, 1, 2);
    hand.report(1, 1, 1);
    expect(hand.exploits[0]!.config).toEqual({ x: 0.3, y: 1 });
  });

  /** Trials whose score rises by 1 − |x − best| a step: how far the best one comes. */
  function raised(make: (seed: number) => Scheduler, best: number, seed: number): number {
    const starts = [0.05, 0.15, 0.25, 0.35];
    const scores = [0, 0, 0, 0];
    const hand = population(
      make(seed),
      starts.map((x) => ({ x })),
      seed,
    );
    for (let step = 1; step <= 25; step++) {
      for (const trial of scores.keys()) {
        const { x } = hand.trials[trial]!.config as { x: number };
        scores[trial]! += 1 - Math.abs(x - best);
        const before = hand.exploits.length;
        hand.report(trial, step, scores[trial]!);
        const exploit = hand.exploits[before];
        if (exploit !== undefined) scores[trial] = scores[Number(exploit.fromId)]!;
      }
    }
    return Math.max(...scores);
  }

  it('finds what raises scores, where no trial began near it', () => {
    const ofBandit: number[] = [];
    const unchanged: number[] = [];
    for (let seed = 0; seed < 5; seed++) {
      ofBandit.push(raised((own) => pb2({ ...base, ...bounds, seed: own }), 0.8, seed));
      unchanged.push(
        raised((own) => pbt({ ...base, seed: own, customExploreFn: (c) => c }), 0.8, seed),
      );
    }
    // Without a change the best one gains 1 − |0.35 − 0.8| = 0.55 a step.
    for (const score of unchanged) expect(score).toBeCloseTo(25 * 0.55, 9);
    for (const score of ofBandit) expect(score).toBeGreaterThan(25 * 0.65);
    const again = raised((own) => pb2({ ...base, ...bounds, seed: own }), 0.8, 2);
    expect(again).toBe(ofBandit[2]);
  });
});
