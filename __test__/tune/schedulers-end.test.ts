/**
 * With every scheduler all trials end: in 500 random experiments each, with failing trials, retried ones, removed ones, reports without the metric
 * and NaN. And ASHA's promotion is the paper's, seen with a second, simple implementation beside it.
 */

import { describe, expect, it } from 'vitest';

import { asha } from '../../bindings/typescript/src/tune/schedulers/asha.ts';
import { fifo } from '../../bindings/typescript/src/tune/schedulers/fifo.ts';
import { hyperbandForBohb } from '../../bindings/typescript/src/tune/schedulers/hyperband-for-bohb.ts';
import { hyperband } from '../../bindings/typescript/src/tune/schedulers/hyperband.ts';
import { medianStopping } from '../../bindings/typescript/src/tune/schedulers/median-stopping.ts';
import { patientStopping } from '../../bindings/typescript/src/tune/schedulers/patient-stopping.ts';
import { pbt } from '../../bindings/typescript/src/tune/schedulers/pbt.ts';
import { percentileStopping } from '../../bindings/typescript/src/tune/schedulers/percentile-stopping.ts';
import { resourceChanging } from '../../bindings/typescript/src/tune/schedulers/resource-changing.ts';
import type { Scheduler } from '../../bindings/typescript/src/tune/schedulers/scheduler.ts';
import { thresholdStopping } from '../../bindings/typescript/src/tune/schedulers/threshold-stopping.ts';
import { wilcoxonStopping } from '../../bindings/typescript/src/tune/schedulers/wilcoxon-stopping.ts';
import { mulberry32, runToy } from './toy-controller.ts';
import type { ToyOptions, ToyResult, ToyState } from './toy-controller.ts';

const EXPERIMENTS = 500;

interface Shape {
  readonly maxT: number;
  readonly reductionFactor: number;
  readonly random: () => number;
}

const makers: Record<string, (shape: Shape) => Scheduler> = {
  fifo,
  'asha, stopping': ({ maxT, reductionFactor, random }) =>
    asha({ maxT, reductionFactor, brackets: 1 + whole(random, 3), seed: whole(random, 1000) }),
  'asha, promotion': ({ maxT, reductionFactor, random }) =>
    asha({
      type: 'promotion',
      maxT,
      reductionFactor,
      brackets: 1 + whole(random, 3),
      stopLastTrials: random() < 0.7,
    }),
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
  patientStopping: ({ random }) =>
    patientStopping(medianStopping({ timeAttr: 'trainingIteration', gracePeriod: 1 }), {
      patience: whole(random, 4),
    }),
  'pbt, asynchronous': ({ random }) => population(random, false),
  'pbt, synchronous': ({ random }) => population(random, true),
  'resourceChanging of hyperband': ({ maxT, reductionFactor, random }) =>
    resourceChanging(hyperband({ maxT, reductionFactor }), {
      allocate: () => (random() < 0.5 ? { numCpus: 1 + whole(random, 3) } : undefined),
    }),
};

describe.each(Object.keys(makers))('%s', (name) => {
  it(`ends all trials in ${EXPERIMENTS} random experiments`, () => {
    const open: object[] = [];
    let reports = 0;
    for (let seed = 0; seed < EXPERIMENTS; seed++) {
      const { options, shape } = experiment(name, seed);
      const result = runToy(options);
      reports += result.trials.reduce((sum, trial) => sum + trial.reports, 0);
      const notEnded = result.trials.filter(
        ({ status }) => status !== 'TERMINATED' && status !== 'ERROR',
      );
      // Only with promotion trials stay paused: those that were never among the best.
      const leftOver = name === 'asha, promotion' ? 0 : result.leftOver;
      const isComplete = result.trials.length === options.samples;
      if (notEnded.length > 0 || leftOver > 0 || !isComplete) {
        open.push({ seed, shape, leftOver, notEnded, count: result.trials.length });
      }
    }
    expect(open.slice(0, 3)).toEqual([]);
    expect(reports).toBeGreaterThan(EXPERIMENTS);
  });

  it('decides the same with the same seed', () => {
    for (let seed = 0; seed < 20; seed++) {
      const once = runToy(experiment(name, seed).options);
      const again = runToy(experiment(name, seed).options);
      expect(again.events).toEqual(once.events);
      expect(again.exploits).toEqual(once.exploits);
    }
  });
});

it.each([hyperband, hyperbandForBohb])('%o fills brackets, also with one worker', (make) => {
  const { trials } = run(make({ maxT: 27 }), {
    samples: 60,
    pending: 0,
    metric: (random) => random(),
  });
  const reached = (iteration: number): number =>
    trials.filter((trial) => trial.iteration >= iteration).length;
  // Most end at the milestones before.
  expect(reached(27)).toBeLessThan(20);
  expect(reached(9)).toBeGreaterThan(reached(27));
});

describe('asha, promotion', () => {
  it('leaves no worker idle while there are new trials', () => {
    let idle = 0;
    for (let seed = 0; seed < EXPERIMENTS; seed++) {
      const { options } = experiment('asha, promotion', seed);
      runToy({
        ...options,
        observe: ({ free, unstarted }: ToyState) => {
          if (free > 0 && unstarted > 0) idle += 1;
        },
      });
    }
    expect(idle).toBe(0);
  });

  it('promotes the best of the top of a rung, the highest rung first', () => {
    let promotions = 0;
    for (let seed = 0; seed < EXPERIMENTS; seed++) {
      const random = mulberry32(seed);
      const maxT = 1 + whole(random, 81);
      const reductionFactor = 2 + whole(random, 3);
      const scheduler = asha({ type: 'promotion', maxT, reductionFactor });
      scheduler.setup?.({ metric: 'loss', mode: 'min', seed });
      const watched = new NaivePromotion(scheduler, maxT, reductionFactor);
      const { options } = experiment('asha, promotion', seed);
      runToy({ ...options, scheduler: watched.scheduler, retryRate: 0 });
      expect(watched.differences).toEqual([]);
      promotions += watched.promotions;
    }
    expect(promotions).toBeGreaterThan(EXPERIMENTS);
  });

  it('lets about one in reductionFactor go on at each rung', () => {
    const scheduler = asha({ type: 'promotion', maxT: 27, reductionFactor: 3 });
    const { trials } = run(scheduler, { samples: 81, workers: 4, metric: (random) => random() });
    const reached = (iteration: number): number =>
      trials.filter((trial) => trial.iteration >= iteration).length;
    // A few more: who is promoted early may not be among the best in the end.
    for (const [rung, share] of [
      [1, 81],
      [3, 27],
      [9, 9],
      [27, 3],
    ] as const) {
      expect(reached(rung)).toBeGreaterThanOrEqual(share);
      expect(reached(rung)).toBeLessThanOrEqual(share * 1.4);
    }
  });
});

/** The paper's algorithm as it is written there, and whether a scheduler follows it. One bracket. */
class NaivePromotion {
  readonly differences: string[] = [];
  readonly scheduler: Scheduler;
  promotions = 0;
  readonly #rungs: {
    readonly milestone: number;
    readonly entries: { id: string; score: number }[];
  }[] = [];
  readonly #rungOf = new Map<string, number>();
  readonly #promoted = new Set<string>();

  constructor(inner: Scheduler, maxT: number, reductionFactor: number) {
    for (let milestone = 1; milestone < maxT; milestone *= reductionFactor) {
      this.#rungs.push({ milestone, entries: [] });
    }
    this.scheduler = {
      ...inner,
      onTrialResult: (trial, metrics, control) => {
        const decision = inner.onTrialResult(trial, metrics, control);
        const loss = metrics['loss'] as number | undefined;
        if (loss === undefined) return decision;
        const next = (this.#rungOf.get(trial.id) ?? -1) + 1;
        const rung = this.#rungs[next];
        const hasReached = rung !== undefined && metrics.trainingIteration >= rung.milestone;
        if (hasReached && metrics.trainingIteration < maxT) {
          rung.entries.push({ id: trial.id, score: Number.isFinite(loss) ? -loss : -Infinity });
          this.#rungOf.set(trial.id, next);
        }
        return decision;
      },
      chooseTrialToRun: (control) => {
        const chosen = inner.chooseTrialToRun(control);
        const paused = new Set(
          control.trials.filter(({ status }) => status === 'PAUSED').map(({ id }) => id),
        );
        const promotable = this.#rungs
          .toReversed()
          .flatMap(({ entries }, at) => {
            const rung = this.#rungs.length - 1 - at;
            const ranked = [...entries].sort(
              (one, other) =>
                (one.score === other.score ? 0 : other.score - one.score) ||
                one.id.localeCompare(other.id),
            );
            return ranked
              .slice(0, Math.floor(ranked.length / reductionFactor))
              .filter(({ id }) => paused.has(id) && this.#rungOf.get(id) === rung)
              .filter(({ id }) => !this.#promoted.has(`${id} ${rung}`))
              .map(({ id }) => ({ id, rung }));
          })
          .at(0);
        const expected =
          promotable?.id ?? control.trials.find(({ status }) => status === 'PENDING')?.id;
        if (chosen !== expected) this.differences.push(`${chosen} instead of ${expected}`);
        if (promotable !== undefined) {
          this.promotions += 1;
          this.#promoted.add(`${promotable.id} ${promotable.rung}`);
        }
        return chosen;
      },
    };
  }
}

function experiment(name: string, seed: number): { options: ToyOptions; shape: object } {
  const random = mulberry32(seed * 7919 + 1);
  const maxT = 1 + whole(random, 81);
  const reductionFactor = 2 + whole(random, 3);
  const scheduler = makers[name]!({ maxT, reductionFactor, random });
  scheduler.setup?.({ metric: 'loss', mode: random() < 0.5 ? 'min' : 'max', seed });
  const shape = {
    maxT,
    reductionFactor,
    workers: 1 + whole(random, 6),
    samples: 1 + whole(random, 30),
    pending: [0, 1, 2, 50][whole(random, 4)]!,
    errorRate: [0, 0.01, 0.1][whole(random, 3)]!,
    removeRate: [0, 0.02, 0.1][whole(random, 3)]!,
    retryRate: [0, 0, 0.05][whole(random, 3)]!,
    dropRate: [0, 0.1][whole(random, 2)]!,
    hasCheckpoints: random() < 0.8,
  };
  const lastIteration = 1 + whole(random, 60);
  const hasEarlyEnds = random() < 0.5;
  return {
    shape,
    options: {
      ...shape,
      scheduler,
      seed,
      duration: (draw) => 1 + whole(draw, 4),
      lastIteration: (draw) => (hasEarlyEnds ? 1 + whole(draw, lastIteration) : lastIteration),
      metric: (draw) => {
        if (shape.dropRate > 0 && draw() < shape.dropRate) return undefined;
        return draw() < 0.02 ? [Number.NaN, Infinity, -Infinity][whole(draw, 3)] : draw();
      },
      config: () => ({ rate: 1 }),
    },
  };
}

function run(scheduler: Scheduler, options: Partial<ToyOptions>): ToyResult {
  scheduler.setup?.({ metric: 'loss', mode: 'min', seed: 1 });
  return runToy({
    scheduler,
    workers: 1,
    samples: 1,
    pending: 1,
    seed: 1,
    metric: (random) => random(),
    ...options,
  });
}

function population(random: () => number, synch: boolean): Scheduler {
  return pbt({
    timeAttr: 'trainingIteration',
    perturbationInterval: 1 + whole(random, 8),
    burnInPeriod: whole(random, 2) * 5,
    quantileFraction: [0, 0.25, 0.5][whole(random, 3)]!,
    hyperparamMutations: { rate: () => random() },
    synch,
  });
}

function whole(random: () => number, below: number): number {
  return Math.floor(random() * below);
}
