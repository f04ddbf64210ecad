/** What each scheduler does in small, exact cases: driven by hand, as users can. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from 'vitest';

import { InvalidArgumentError } from '../../bindings/typescript/src/errors.ts';
import { JournalError } from '../../bindings/typescript/src/tune/errors.ts';
import { asha } from '../../bindings/typescript/src/tune/schedulers/asha.ts';
import { fifo } from '../../bindings/typescript/src/tune/schedulers/fifo.ts';
import { hyperbandForBohb } from '../../bindings/typescript/src/tune/schedulers/hyperband-for-bohb.ts';
import { hyperband } from '../../bindings/typescript/src/tune/schedulers/hyperband.ts';
import { medianStopping } from '../../bindings/typescript/src/tune/schedulers/median-stopping.ts';
import { percentileOf } from '../../bindings/typescript/src/tune/schedulers/order-statistics.ts';
import { patientStopping } from '../../bindings/typescript/src/tune/schedulers/patient-stopping.ts';
import { PolicyFiles } from '../../bindings/typescript/src/tune/schedulers/pbt-policy.ts';
import { pbtReplay } from '../../bindings/typescript/src/tune/schedulers/pbt-replay.ts';
import { pbt } from '../../bindings/typescript/src/tune/schedulers/pbt.ts';
import type { PbtOptions } from '../../bindings/typescript/src/tune/schedulers/pbt.ts';
import { percentileStopping } from '../../bindings/typescript/src/tune/schedulers/percentile-stopping.ts';
import { RandomSource } from '../../bindings/typescript/src/tune/schedulers/random.ts';
import { resourceChanging } from '../../bindings/typescript/src/tune/schedulers/resource-changing.ts';
import { rungsOf } from '../../bindings/typescript/src/tune/schedulers/rungs.ts';
import { schedulerFrom } from '../../bindings/typescript/src/tune/schedulers/scheduler-from.ts';
import type {
  Decision,
  Scheduler,
  SchedulerControl,
} from '../../bindings/typescript/src/tune/schedulers/scheduler.ts';
import { thresholdStopping } from '../../bindings/typescript/src/tune/schedulers/threshold-stopping.ts';
import { wilcoxonStopping } from '../../bindings/typescript/src/tune/schedulers/wilcoxon-stopping.ts';
import type { Mode, TrialStatus } from '../../bindings/typescript/src/tune/types.ts';
import { reportOf } from './toy-controller.ts';

interface HandTrial {
  id: string;
  number: number;
  status: TrialStatus;
  config: unknown;
  metrics: Record<string, never>;
}

/** Trials that a test moves by hand, and what the scheduler asked for. */
class Hand {
  readonly scheduler: Scheduler;
  readonly trials: HandTrial[] = [];
  readonly calls: unknown[][] = [];
  hasCheckpoints = true;
  hasAllTrials = false;
  readonly control: SchedulerControl;

  constructor(scheduler: Scheduler, mode: Mode = 'min', metric: string | undefined = 'loss') {
    this.scheduler = scheduler;
    const { trials, calls } = this;
    const hasAllTrials = (): boolean => this.hasAllTrials;
    this.control = {
      trials,
      get hasAllTrials() {
        return hasAllTrials();
      },
      stop: (id) => {
        calls.push(['stop', Number(id)]);
        const trial = trials[Number(id)]!;
        trial.status = 'TERMINATED';
        scheduler.onTrialRemove?.(trial, this.control);
      },
      exploit: (id, from, config) => {
        const trial = trials[Number(id)]!;
        if (!this.hasCheckpoints && trial.status !== 'PENDING') return false;
        calls.push(['exploit', Number(id), Number(from), config]);
        trial.config = config;
        return true;
      },
      setResources: (id, resources) => void calls.push(['resources', Number(id), resources]),
    };
    scheduler.setup?.({ metric, mode, seed: 7 });
  }

  add(...configs: unknown[]): this {
    for (const config of configs) {
      const number = this.trials.length;
      const trial: HandTrial = {
        id: String(number).padStart(5, '0'),
        number,
        status: 'PENDING',
        config,
        metrics: {},
      };
      this.trials.push(trial);
      this.scheduler.onTrialAdd?.(trial, this.control);
    }
    return this;
  }

  report(number: number, iteration: number, loss: number | undefined): Decision {
    const trial = this.trials[number]!;
    trial.status = 'RUNNING';
    const metrics = reportOf({ id: trial.id, iteration }, loss);
    const decision = this.scheduler.onTrialResult(trial, metrics, this.control);
    if (decision === 'PAUSE') trial.status = 'PAUSED';
    if (decision === 'STOP') this.complete(number, iteration, loss);
    return decision;
  }

  complete(number: number, iteration: number, loss: number | undefined): void {
    const trial = this.trials[number]!;
    trial.status = 'TERMINATED';
    const metrics = reportOf({ id: trial.id, iteration }, loss);
    this.scheduler.onTrialComplete?.(trial, metrics, this.control);
  }

  error(number: number): void {
    this.trials[number]!.status = 'ERROR';
    this.scheduler.onTrialError?.(this.trials[number]!, this.control);
  }

  choose(): number | undefined {
    const id = this.scheduler.chooseTrialToRun(this.control);
    return id === undefined ? undefined : Number(id);
  }
}

const every: [name: string, make: (options: object) => Scheduler][] = [
  ['asha()', asha],
  ['hyperband()', hyperband],
  ['hyperbandForBohb()', hyperbandForBohb],
  ['medianStopping()', medianStopping],
  ['percentileStopping()', percentileStopping],
  ['wilcoxonStopping()', wilcoxonStopping],
  ['thresholdStopping()', (options) => thresholdStopping({ upper: 1, ...options })],
  ['patientStopping()', (options) => patientStopping(asha(), { patience: 1, ...options })],
  ['pbt()', (options) => pbt({ hyperparamMutations: { rate: [1, 2] }, ...options })],
];

describe.each(every)('%s', (name, make) => {
  it('needs a metric', () => {
    const setup = { metric: undefined, mode: 'min', seed: 0 } as const;
    expect(() => make({}).setup?.(setup)).toThrow(`${name}: there is no metric`);
    expect(() => make({ metric: 'loss' }).setup?.(setup)).not.toThrow();
  });

  it('belongs to one experiment', () => {
    const scheduler = make({ metric: 'loss', mode: 'min' });
    const setup = { metric: undefined, mode: undefined, seed: 0 };
    scheduler.setup?.(setup);
    expect(() => scheduler.setup?.(setup)).toThrow('make one for each');
  });

  it('refuses unknown options and wrong values', () => {
    expect(() => make({ metrik: 'loss' })).toThrow('Did you mean metric?');
    expect(() => make({ mode: 'least' })).toThrow(`${name}: mode is "least"; allowed: 'min' or`);
    expect(() => make({ seed: -1 })).toThrow(InvalidArgumentError);
  });

  it('skips reports without the metric', () => {
    const hand = new Hand(make({})).add({ rate: 1 });
    expect(hand.report(0, 1, undefined)).toBe('CONTINUE');
  });

  it('says what it was made with', () => {
    expect(make({ metric: 'loss' }).description).toMatchObject({
      name: name.slice(0, -2),
      options: { metric: 'loss' },
    });
  });
});

it('a scheduler is made again from its description, also one around another', () => {
  const outer = resourceChanging(patientStopping(asha({ maxT: 7 }), { patience: 3 }), {
    allocate: () => ({ numCpus: 2 }),
  });
  const again = schedulerFrom(outer.description!);
  expect(again.description).toEqual(outer.description);
  const hand = new Hand(again).add(0);
  expect(hand.report(0, 1, 1)).toBe('CONTINUE');
  expect(hand.calls).toEqual([['resources', 0, { numCpus: 2 }]]);
  const replay = pbtReplay('some.txt');
  expect(schedulerFrom(replay.description!).description).toEqual(replay.description);
  for (const [, make] of every) {
    const { description } = make({ seed: 3 });
    expect(schedulerFrom(description!).description).toEqual(description);
  }
  // Around one that is not ours there is nothing that could be described.
  const { description: _, ...own } = fifo();
  expect(patientStopping(own, { patience: 1 }).description).toBeUndefined();
  expect(() => schedulerFrom({ name: 'toString', options: {} })).toThrow(InvalidArgumentError);
});

describe('options', () => {
  it.each([
    [() => asha({ gracePeriod: 5, maxT: 4 }), 'gracePeriod is 5; allowed: a number up to maxT, 4'],
    [() => asha({ reductionFactor: 1 }), 'reductionFactor is 1; allowed: a finite number above 1'],
    [() => asha({ reductionFactor: 1.0001, maxT: 1e6 }), 'more than 1000 rungs'],
    [() => asha({ maxT: Infinity }), 'maxT is Infinity'],
    [() => asha({ type: 'promoting' as 'promotion' }), "allowed: 'stopping' or 'promotion'"],
    [() => hyperband({ maxT: 0 }), 'maxT is 0'],
    [() => thresholdStopping({}), 'lower is undefined; allowed: a number here or for upper'],
    [() => thresholdStopping({ lower: 2, upper: 1 }), 'lower is 2; allowed: a number up to upper'],
    [() => percentileStopping({ percentile: 101 }), 'percentile is 101'],
    [() => wilcoxonStopping({ pThreshold: -1 }), 'pThreshold is -1'],
    [() => patientStopping(asha(), {} as { patience: number }), 'patience is undefined'],
    [() => patientStopping(hyperband(), { patience: 1 }), 'a scheduler that pauses no trials'],
    [() => patientStopping({} as Scheduler, { patience: 1 }), 'allowed: a scheduler, such as'],
    [() => resourceChanging(fifo(), {} as never), 'allocate is undefined; allowed: a function'],
    [() => pbt({}), 'mutations here, or a customExploreFn, or both'],
    [() => pbt({ hyperparamMutations: { rate: [] } }), 'hyperparamMutations.rate is []'],
    [() => pbt({ hyperparamMutations: { a: { b: 3 } } as never }), 'hyperparamMutations.a.b is 3'],
    [() => pbt({ customExploreFn: (c) => c, quantileFraction: 0.6 }), 'quantileFraction is 0.6'],
    [() => pbt({ customExploreFn: (c) => c, perturbationFactors: [] }), 'perturbationFactors'],
    [() => pbtReplay(''), 'file is ""'],
  ])('%#: a wrong one is named', (make, message) => {
    expect(make).toThrow(InvalidArgumentError);
    expect(make).toThrow(message);
  });
});

describe('asha', () => {
  it('has all rungs that are exact powers', () => {
    expect(rungsOf({ gracePeriod: 1, reductionFactor: 3, maxT: 243 }, '')).toEqual([
      1, 3, 9, 27, 81, 243,
    ]);
    expect(rungsOf({ gracePeriod: 2, reductionFactor: 2.5, maxT: 12.5 }, '')).toEqual([2, 5, 12.5]);
  });

  it('judges at the last rung where Ray has lost it', () => {
    const hand = new Hand(asha({ maxT: 243, reductionFactor: 3, stopLastTrials: false })).add(1, 2);
    const run = (number: number, loss: number): Decision[] =>
      [1, 3, 9, 27, 81, 243].map((iteration) => hand.report(number, iteration, loss));
    expect(run(0, 1)).toEqual(Array(6).fill('CONTINUE'));
    for (const iteration of [1, 3, 9, 27, 81]) hand.report(1, iteration, 0.5);
    expect(hand.report(1, 243, 2)).toBe('STOP');
  });

  it('stops what is worse than the cut-off, and takes NaN and infinite values for worst', () => {
    const hand = new Hand(asha({ reductionFactor: 2 })).add(1, 2, 3, 4, 5);
    expect(hand.report(0, 1, 1)).toBe('CONTINUE');
    expect(hand.report(1, 1, 2)).toBe('STOP');
    expect(hand.report(2, 1, Number.NaN)).toBe('STOP');
    expect(hand.report(3, 1, -Infinity)).toBe('STOP');
    expect(hand.report(4, 1, 1)).toBe('CONTINUE');
  });

  it('stops at maxT, unless it is told not to', () => {
    expect(new Hand(asha({ maxT: 4 })).add(1).report(0, 4, 1)).toBe('STOP');
    const hand = new Hand(asha({ maxT: 4, stopLastTrials: false })).add(1);
    expect(hand.report(0, 4, 1)).toBe('CONTINUE');
  });

  it('puts trials on brackets, more on those with more rungs', () => {
    const hand = new Hand(asha({ brackets: 3, maxT: 16, reductionFactor: 4, seed: 3 }));
    hand.add(...Array(300).keys());
    for (let number = 0; number < 300; number++) hand.report(number, 1, 1);
    // Whoever is on the first bracket is judged at 1: with equal values none stops, with a worse one all of these do.
    const again = new Hand(asha({ brackets: 3, maxT: 16, reductionFactor: 4, seed: 3 }));
    again.add(...Array(300).keys());
    const stopped = [...Array(300).keys()].filter((n) => again.report(n, 1, n) === 'STOP').length;
    expect(stopped).toBeGreaterThan(150);
    expect(stopped).toBeLessThan(240);
  });

  it('promotes: pauses at a rung, and goes on with the best', () => {
    const hand = new Hand(asha({ type: 'promotion', maxT: 9, reductionFactor: 3 })).add(1, 2, 3, 4);
    expect([0, 1].map((number) => hand.report(number, 1, 2 - number))).toEqual(['PAUSE', 'PAUSE']);
    // One of two is not in the top third.
    expect(hand.choose()).toBe(2);
    hand.report(2, 1, 3);
    expect(hand.choose()).toBe(1);
    // Asked again before it runs, it is the same.
    expect(hand.choose()).toBe(1);
    expect(hand.report(1, 2, 1)).toBe('CONTINUE');
    expect(hand.choose()).toBe(3);
    expect(hand.report(1, 3, 1)).toBe('PAUSE');
    hand.error(3);
    expect(hand.choose()).toBeUndefined();
  });

  it('promotes from the highest rung first', () => {
    const hand = new Hand(asha({ type: 'promotion', maxT: 9, reductionFactor: 2 }));
    hand.add(0, 1, 2, 3, 4, 5);
    for (const number of [0, 1, 2, 3]) hand.report(number, 1, number);
    hand.report(0, 2, 0);
    hand.report(1, 2, 1);
    // Now one could go on from 1 as well.
    for (const number of [4, 5]) hand.report(number, 1, -1);
    expect(hand.choose()).toBe(0);
    hand.trials[0]!.status = 'RUNNING';
    expect(hand.choose()).toBe(4);
  });

  it('promotes from the last rung to maxT, and stops there', () => {
    const hand = new Hand(asha({ type: 'promotion', maxT: 5, reductionFactor: 2 })).add(1, 2);
    hand.report(0, 1, 1);
    hand.report(1, 1, 2);
    expect(hand.choose()).toBe(0);
    expect(hand.report(0, 5, 1)).toBe('STOP');
  });

  it('goes on with a promoted trial that was interrupted', () => {
    const hand = new Hand(asha({ type: 'promotion', maxT: 9, reductionFactor: 2 })).add(1, 2, 3, 4);
    hand.report(0, 1, 1);
    hand.report(1, 1, 2);
    expect(hand.choose()).toBe(0);
    // It dies before it has reported: it is retried.
    hand.trials[0]!.status = 'PENDING';
    hand.report(2, 1, 0);
    expect(hand.choose()).toBe(0);
    hand.trials[0]!.status = 'RUNNING';
    expect(hand.choose()).toBe(2);
  });
});

describe('hyperband', () => {
  // maxT 4, factor 2: brackets of 3 trials from 4 on, of 3 from 2 on, of 4 from 1 on.
  const make = (): Hand =>
    new Hand(hyperband({ maxT: 4, reductionFactor: 2 })).add(0, 1, 2, 3, 4, 5);

  it('keeps a bracket until all have come to the milestone, and halves it', () => {
    const hand = make();
    expect(hand.report(3, 1, 3)).toBe('CONTINUE');
    expect(hand.report(3, 2, 3)).toBe('PAUSE');
    expect(hand.report(4, 2, 1)).toBe('PAUSE');
    expect(hand.report(5, 2, 2)).toBe('CONTINUE');
    expect(hand.calls).toEqual([['stop', 3]]);
    for (const number of [0, 1, 2]) hand.trials[number]!.status = 'RUNNING';
    expect(hand.choose()).toBe(4);
  });

  it('goes on when the trial that others wait for fails after the first halving (ray#6780)', () => {
    const hand = make();
    hand.report(3, 2, 3);
    hand.report(4, 2, 1);
    hand.report(5, 2, 2);
    expect(hand.report(4, 4, 1)).toBe('PAUSE');
    hand.hasAllTrials = true;
    hand.error(5);
    // Ray lets trial 4 wait for ever; here the bracket is over.
    expect(hand.calls).toEqual([
      ['stop', 3],
      ['stop', 4],
    ]);
  });

  it('lets no bracket wait whose trials are all beyond the next milestone', () => {
    const hand = new Hand(hyperband({ maxT: 16, reductionFactor: 2 })).add(...Array(10).keys());
    // The second bracket has 5 trials, halves at 8, and is over at 16: they report once, at 16.
    for (const number of [5, 6, 7, 8]) expect(hand.report(number, 16, number)).toBe('PAUSE');
    expect(hand.report(9, 16, 9)).toBe('STOP');
    expect(hand.trials.slice(5).map(({ status }) => status)).toEqual(Array(5).fill('TERMINATED'));
  });

  it('waits with a bracket that may still be filled, until nobody runs', () => {
    const hand = new Hand(hyperband({ maxT: 4, reductionFactor: 2 })).add(0, 1);
    expect(hand.report(0, 4, 0)).toBe('PAUSE');
    expect(hand.report(1, 4, 1)).toBe('PAUSE');
    hand.add(2);
    expect(hand.choose()).toBe(2);
    // Now it is full, and over.
    expect(hand.report(2, 4, 2)).toBe('STOP');
    expect(hand.calls).toEqual([
      ['stop', 0],
      ['stop', 1],
    ]);
    // And the next one will never be full.
    hand.add(3);
    expect(hand.report(3, 2, 0)).toBe('PAUSE');
    expect(hand.choose()).toBe(3);
  });

  it('takes NaN for the worst', () => {
    const hand = make();
    hand.report(3, 2, 3);
    hand.report(4, 2, Number.NaN);
    hand.report(5, 2, 2);
    expect(hand.calls).toEqual([['stop', 4]]);
  });

  it('for BOHB fills a bracket first, and goes on with it if nobody is left to do so', () => {
    const hand = new Hand(hyperbandForBohb({ maxT: 4, reductionFactor: 2 })).add(0, 1, 2);
    expect([0, 1, 2].map((number) => hand.report(number, 1, number))).toEqual(
      Array(3).fill('PAUSE'),
    );
    // It has room for a fourth one.
    hand.add(3);
    expect(hand.choose()).toBe(3);
    hand.trials[3]!.status = 'RUNNING';
    expect(hand.choose()).toBeUndefined();
    hand.error(3);
    expect(hand.choose()).toBe(0);
    expect(hand.calls).toEqual([['stop', 2]]);
  });
});

describe('stopping rules', () => {
  it('medianStopping stops what is worse than the median of averages', () => {
    const rule = medianStopping({ timeAttr: 'trainingIteration', gracePeriod: 1 });
    const hand = new Hand(rule).add(0, 1, 2, 3);
    for (const number of [0, 1, 2]) {
      hand.report(number, 1, number);
      hand.complete(number, 1, number);
    }
    expect(hand.report(3, 1, 1)).toBe('CONTINUE');
    hand.add(4);
    expect(hand.report(4, 1, 1.5)).toBe('STOP');
  });

  it('medianStopping makes room for those who wait while it knows too little', () => {
    const hand = new Hand(
      medianStopping({ timeAttr: 'trainingIteration', gracePeriod: 1, minTimeSlice: 2 }),
    ).add(0, 1);
    expect(hand.report(0, 1, 1)).toBe('PAUSE');
    expect(hand.report(0, 3, 1)).toBe('CONTINUE');
    expect(hand.report(0, 4, 1)).toBe('PAUSE');
    hand.error(1);
    expect(hand.report(0, 8, 1)).toBe('CONTINUE');
  });

  it('medianStopping drops what was reported after the checkpoint that a trial goes on from', () => {
    const hand = new Hand(
      medianStopping({ timeAttr: 'trainingIteration', gracePeriod: 1, minSamplesRequired: 1 }),
    ).add(0, 1);
    for (const [iteration, loss] of [
      [1, 0],
      [2, 0],
      [2, 8],
    ] as const) {
      hand.report(0, iteration, loss);
    }
    // Its average at 2 is 4, not 8/3.
    expect(hand.report(1, 2, 3.9)).toBe('CONTINUE');
    hand.add(2);
    hand.error(1);
    expect(hand.report(2, 2, 4.1)).toBe('STOP');
  });

  it('percentileStopping does not count those that it has stopped itself', () => {
    const hand = new Hand(percentileStopping({ numStartupTrials: 2 })).add(0, 1, 2, 3, 4);
    for (const number of [0, 1]) {
      hand.report(number, 1, number);
      hand.complete(number, 1, number);
    }
    expect(hand.report(2, 1, 0.6)).toBe('STOP');
    // Would it count, the median were 0.6.
    expect(hand.report(3, 1, 0.55)).toBe('STOP');
    expect(hand.report(4, 1, 0.5)).toBe('CONTINUE');
  });

  it('percentileStopping counts a last report that only the stopper has seen', () => {
    const hand = new Hand(percentileStopping({ numStartupTrials: 1 })).add(0, 1);
    hand.complete(0, 1, 1);
    expect(hand.report(1, 1, 2)).toBe('STOP');
  });

  it('thresholdStopping stops beyond the bounds, NaN and infinite ones too', () => {
    const hand = new Hand(thresholdStopping({ lower: 0, numWarmupSteps: 1 })).add(1);
    expect(hand.report(0, 1, 0)).toBe('CONTINUE');
    expect(hand.report(0, 2, -0.1)).toBe('STOP');
    for (const loss of [Number.NaN, Infinity, -Infinity]) {
      expect(new Hand(thresholdStopping({ lower: 0 })).add(1).report(0, 1, loss)).toBe('STOP');
    }
  });

  it('wilcoxonStopping stops what is surely worse, not what has the better mean', () => {
    const hand = new Hand(wilcoxonStopping()).add(0, 1, 2);
    for (const step of [1, 2, 3, 4, 5]) hand.report(0, step, 1);
    hand.complete(0, 5, 1);
    const verdicts = [1, 2, 3, 4].map((step) => hand.report(1, step, 2));
    expect(verdicts).toEqual(['CONTINUE', 'CONTINUE', 'CONTINUE', 'STOP']);
    // Worse by a hair four times, better by far once.
    expect(hand.report(2, 1, -50)).toBe('CONTINUE');
    for (const step of [2, 3, 4, 5]) expect(hand.report(2, step, 1.1)).toBe('CONTINUE');
  });

  it('patientStopping holds a stop back while the trial becomes better', () => {
    const inner = asha({ reductionFactor: 2, maxT: 100 });
    const hand = new Hand(patientStopping(inner, { patience: 1 })).add(0, 1);
    for (const iteration of [1, 2, 4, 8]) hand.report(0, iteration, 0);
    expect([1, 2].map((iteration) => hand.report(1, iteration, 9 - iteration))).toEqual([
      'CONTINUE',
      'CONTINUE',
    ]);
    expect(hand.report(1, 3, 8)).toBe('CONTINUE');
    expect(hand.report(1, 4, 8)).toBe('STOP');
  });

  it('patientStopping tells the scheduler within that a trial was not stopped', () => {
    const inner = percentileStopping({ numStartupTrials: 1 });
    const hand = new Hand(patientStopping(inner, { patience: 5 })).add(0, 1, 2);
    hand.report(0, 1, 1);
    hand.complete(0, 1, 1);
    expect(hand.report(1, 1, 5)).toBe('CONTINUE');
    // It has come to its end, and so it counts: the median of 1 and 5 is 3.
    hand.complete(1, 1, 5);
    hand.report(2, 1, 2);
    expect(hand.choose()).toBeUndefined();
    expect(
      inner.onTrialResult(
        hand.trials[2]!,
        reportOf({ id: '00002', iteration: 1 }, 2.9),
        hand.control,
      ),
    ).toBe('CONTINUE');
  });
});

describe('pbt', () => {
  const base = { timeAttr: 'trainingIteration', perturbationInterval: 2, mode: 'max' } as const;

  /** The config that the worse one of two trials gets. */
  function explored(config: unknown, options: PbtOptions, seed = 1): unknown {
    const hand = new Hand(pbt({ ...base, seed, ...options })).add(config, { from: 'nowhere' });
    hand.calls.length = 0;
    hand.trials[1]!.status = 'RUNNING';
    hand.report(0, 2, 2);
    hand.report(1, 2, 1);
    expect(hand.calls.map(([call, id, from]) => [call, id, from])).toEqual([['exploit', 1, 0]]);
    return hand.calls[0]![3];
  }

  /** With many seeds, all that can come of a config. */
  function outcomes(config: unknown, options: PbtOptions): unknown[] {
    const all = Array.from({ length: 60 }, (_, seed) =>
      JSON.stringify(explored(config, options, seed)),
    );
    return [...new Set(all)].sort().map((text): unknown => JSON.parse(text));
  }

  it('multiplies numbers, rounds whole ones, and leaves what is not to be changed', () => {
    const mutate = { hyperparamMutations: { rate: () => 0.5 }, resampleProbability: 0 };
    expect(outcomes({ rate: 0.5, other: 3 }, mutate)).toEqual([
      { rate: 0.4, other: 3 },
      { rate: 0.6, other: 3 },
    ]);
    expect(outcomes({ rate: 10 }, mutate)).toEqual([{ rate: 12 }, { rate: 8 }]);
    // Halves go to the even number, as in Python.
    expect(outcomes({ rate: 5 }, { ...mutate, perturbationFactors: [0.5] })).toEqual([{ rate: 2 }]);
  });

  it('samples anew, and keeps booleans', () => {
    const sample = { hyperparamMutations: { rate: () => 0.7 }, resampleProbability: 1 };
    expect(outcomes({ rate: 0.5 }, sample)).toEqual([{ rate: 0.7 }]);
    expect(outcomes({ rate: false }, sample)).toEqual([{ rate: true }]);
    expect(outcomes({ rate: true }, { ...sample, resampleProbability: 0 })).toEqual([
      { rate: true },
    ]);
  });

  it('moves along a list, and takes any element if the value is none of it', () => {
    const shift = { hyperparamMutations: { size: [1, [2], 3] }, resampleProbability: 0 };
    expect(outcomes({ size: [2] }, shift)).toEqual([{ size: 1 }, { size: 3 }]);
    expect(outcomes({ size: 1 }, shift)).toEqual([{ size: 1 }, { size: [2] }]);
    expect(outcomes({ size: 9 }, shift)).toEqual([{ size: 1 }, { size: 3 }, { size: [2] }]);
  });

  it('changes nested configs, and leaves those of the better trial alone', () => {
    const source = { optimizer: { rate: 0.5, name: 'sgd' }, list: [1] };
    const nested = {
      hyperparamMutations: { optimizer: { rate: () => 0.7 } },
      resampleProbability: 1,
      customExploreFn: (config: Record<string, unknown>) => {
        (config['list'] as number[]).push(2);
        return config;
      },
    };
    expect(explored(source, nested)).toEqual({
      optimizer: { rate: 0.7, name: 'sgd' },
      list: [1, 2],
    });
    expect(source).toEqual({ optimizer: { rate: 0.5, name: 'sgd' }, list: [1] });
    expect(() => explored({}, { customExploreFn: () => undefined })).toThrow(
      'customExploreFn has to return a config',
    );
  });

  it('samples what a config lacks when its trial is added', () => {
    const hand = new Hand(
      pbt({ ...base, hyperparamMutations: { rate: () => 0.3, nested: { size: [5] } } }),
    ).add({ rate: 1 }, { nested: { depth: 2 } }, { rate: 1, nested: { size: 6 } });
    expect(hand.calls).toEqual([
      ['exploit', 0, 0, { rate: 1, nested: { size: 5 } }],
      ['exploit', 1, 1, { rate: 0.3, nested: { depth: 2, size: 5 } }],
    ]);
  });

  it('drops an exploit without a checkpoint, and goes on', () => {
    const scheduler = pbt({ ...base, hyperparamMutations: { rate: [1] } });
    const hand = new Hand(scheduler).add({ rate: 1 }, { rate: 1 });
    hand.hasCheckpoints = false;
    hand.trials[1]!.status = 'RUNNING';
    hand.report(0, 2, 2);
    expect(hand.report(1, 2, 1)).toBe('CONTINUE');
    expect(hand.calls).toEqual([]);
  });

  it('pauses a trial if others wait, and lets the one that is least far go on', () => {
    const hand = new Hand(pbt({ ...base, hyperparamMutations: { rate: [1] } }));
    hand.add({ rate: 1 }, { rate: 1 }, { rate: 1 });
    expect(hand.report(0, 2, 2)).toBe('PAUSE');
    expect(hand.choose()).toBe(1);
    expect(hand.report(1, 4, 3)).toBe('PAUSE');
    expect(hand.choose()).toBe(2);
    hand.error(2);
    expect(hand.choose()).toBe(0);
  });

  it('exploits no trial that has no finite score', () => {
    const hand = new Hand(pbt({ ...base, hyperparamMutations: { rate: [1] } }));
    hand.add({ rate: 1 }, { rate: 1 });
    hand.trials[1]!.status = 'RUNNING';
    hand.report(0, 2, Number.NaN);
    hand.report(1, 2, Infinity);
    expect(hand.calls).toEqual([]);
    // One that has gone wrong takes over from one that has not.
    hand.report(1, 4, 1);
    hand.report(0, 4, Number.NaN);
    expect(hand.calls).toEqual([['exploit', 0, 1, { rate: 1 }]]);
  });

  it('synchronous: goes on when the one that all wait for has ended', () => {
    const hand = new Hand(pbt({ ...base, synch: true, hyperparamMutations: { rate: [1] } }));
    hand.add({ rate: 1 }, { rate: 1 }, { rate: 1 });
    expect(hand.report(0, 2, 2)).toBe('PAUSE');
    expect(hand.report(1, 2, 1)).toBe('PAUSE');
    hand.trials[2]!.status = 'RUNNING';
    expect(hand.choose()).toBeUndefined();
    hand.error(2);
    expect(hand.calls).toEqual([['exploit', 1, 0, { rate: 1 }]]);
    expect(hand.choose()).toBe(0);
  });

  it('synchronous: goes on when all have passed the next perturbation at once', () => {
    const hand = new Hand(pbt({ ...base, synch: true, hyperparamMutations: { rate: [1] } }));
    hand.add({ rate: 1 });
    hand.report(0, 10, 1);
    expect(hand.choose()).toBe(0);
  });
});

describe('policies', () => {
  const lines = [
    '["00001","00000",2,2,{"rate":0.1},{"rate":1}]\n',
    '["00002","00001",5,6,{"rate":1},{"rate":2}]\n',
  ];

  it('are the lineage of a trial, and can be replayed', () => {
    const files = new PolicyFiles(folder);
    const first = { id: '00001', sourceId: '00000', iteration: 2, sourceIteration: 2 };
    files.record({ ...first, sourceConfig: { rate: 0.1 }, config: { rate: 1 } });
    const path = join(folder, 'pbt_policy_00001.txt');
    expect(readFileSync(path, 'utf8')).toBe(lines[0]);
    const second = { id: '00002', sourceId: '00001', iteration: 5, sourceIteration: 6 };
    // Another process goes on with the files that there are.
    const later = new PolicyFiles(folder);
    later.record({ ...second, sourceConfig: { rate: 1 }, config: { rate: 2 } });
    const lineage = join(folder, 'pbt_policy_00002.txt');
    expect(readFileSync(lineage, 'utf8')).toBe(lines.join(''));
    const replay = new Hand(pbtReplay(lineage)).add({});
    expect(replay.calls).toEqual([['exploit', 0, 0, { rate: 0.1 }]]);
    for (const iteration of [1, 2, 3, 4, 5, 6, 7]) replay.report(0, iteration, 1);
    expect(replay.calls.slice(1)).toEqual([
      ['exploit', 0, 0, { rate: 1 }],
      ['exploit', 0, 0, { rate: 2 }],
    ]);
  });

  it('that can’t be written are a StorageError', () => {
    const exploit = { id: '1', sourceId: '0', iteration: 1, sourceIteration: 1 };
    const files = new PolicyFiles(join(folder, 'nowhere'));
    expect(() => files.record({ ...exploit, sourceConfig: {}, config: {} })).toThrow(
      expect.objectContaining({ name: 'StorageError' }) as Error,
    );
  });
});

describe('pbtReplay', () => {
  it('reads Ray’s lines, and leaves out what came before a break in the lineage', () => {
    const text = [
      '["a", "b", 3, 4, {"x": 0}, {"x": 1}]',
      '["c", "d", 5, 6, {"x": 2}, {"x": 3}]',
      '["e", "c", 7, 8, {"x": 3}, {"x": 4}]',
      '',
    ].join('\n');
    const hand = new Hand(pbtReplay(fileOf(text)), 'min', undefined).add({ x: 9 });
    for (let iteration = 1; iteration < 10; iteration++) hand.report(0, iteration, undefined);
    expect(hand.calls.map(([, , , config]) => config)).toEqual([{ x: 2 }, { x: 3 }, { x: 4 }]);
  });

  it('tries again at the next report if there is no checkpoint', () => {
    const hand = new Hand(pbtReplay(fileOf('["a","b",1,1,{"x":0},{"x":1}]\n'))).add({});
    hand.hasCheckpoints = false;
    hand.report(0, 1, 1);
    hand.hasCheckpoints = true;
    hand.report(0, 2, 1);
    expect(hand.calls.map(([, , , config]) => config)).toEqual([{ x: 0 }, { x: 1 }]);
  });

  it('takes one trial, whose config it needs if the file is empty', () => {
    const hand = new Hand(pbtReplay(fileOf(''))).add({ x: 1 });
    expect(() => hand.add({ x: 2 })).toThrow('set numSamples to 1');
    expect(() => new Hand(pbtReplay(fileOf(''))).add({})).toThrow('nor has the trial a config');
  });

  it('says which line it can’t read', () => {
    const read =
      (text: string): (() => Hand) =>
      () =>
        new Hand(pbtReplay(fileOf(text)));
    expect(read('["a","b",1,1,{},{}]\n{"a":1}\n')).toThrow(JournalError);
    expect(read('["a","b",1,1,{},{}]\n{"a":1}\n')).toThrow('line 2');
    expect(read('["a","b",1,1,{},')).toThrow('line 1');
    expect(() => new Hand(pbtReplay('/nowhere/at/all.txt'))).toThrow("can't be read");
  });
});

describe('resourceChanging', () => {
  it('hands on what allocate says, if it is new and the trial goes on', () => {
    const wishes = [{ numCpus: 2 }, { numCpus: 2 }, undefined, { numCpus: 1 }];
    const seen: unknown[] = [];
    const hand = new Hand(
      resourceChanging(asha({ maxT: 5 }), {
        allocate: (trial, metrics, controller) => {
          seen.push([trial.id, metrics.trainingIteration, controller.trials[0] === trial]);
          return wishes.shift();
        },
      }),
    ).add(0);
    for (const iteration of [1, 2, 3, 4, 5]) hand.report(0, iteration, 1);
    expect(hand.calls).toEqual([
      ['resources', 0, { numCpus: 2 }],
      ['resources', 0, { numCpus: 1 }],
    ]);
    expect(seen).toEqual([1, 2, 3, 4].map((iteration) => ['00000', iteration, true]));
  });

  it('refuses what is no resources', () => {
    const hand = new Hand(resourceChanging(fifo(), { allocate: () => 2 as never })).add(0);
    expect(() => hand.report(0, 1, 1)).toThrow('what allocate returned is 2');
  });
});

describe('numbers', () => {
  it('come from the seed, evenly', () => {
    const draw = (seed: number): number[] => {
      const random = new RandomSource(seed);
      return Array.from({ length: 4000 }, random.next);
    };
    const numbers = draw(1);
    expect(numbers).toEqual(draw(1));
    expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
    for (const seed of [0, 1, 2, 2 ** 40, 2 ** 40 + 2 ** 33]) {
      const mean = draw(seed).reduce((sum, number) => sum + number, 0) / 4000;
      expect(Math.abs(mean - 0.5), `seed ${seed}`).toBeLessThan(0.02);
    }
    expect(new Set([0, 1, 2, 2 ** 40, 2 ** 40 + 2 ** 33].map((seed) => draw(seed)[0])).size).toBe(
      5,
    );
  });

  it('percentiles are NumPy’s, and know infinite ones', () => {
    expect(percentileOf([1, 2, 4], 75)).toBe(3);
    expect(percentileOf([5], 30)).toBe(5);
    expect(percentileOf([-Infinity, 4], 50)).toBe(-Infinity);
    expect(percentileOf([-Infinity, -Infinity, 4], 50)).toBe(-Infinity);
    expect(percentileOf([4, Infinity], 0)).toBe(4);
    expect(percentileOf([4, Infinity], 50)).toBe(Infinity);
  });
});

const folder = mkdtempSync(join(tmpdir(), 'tune-schedulers-'));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

function fileOf(text: string): string {
  const path = join(folder, `pbt_policy_${files++}.txt`);
  writeFileSync(path, text);
  return path;
}
