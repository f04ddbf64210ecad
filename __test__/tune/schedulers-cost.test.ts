/** What many trials cost a scheduler: work is counted, and no clock is asked. */

import { afterEach, expect, test, vi } from 'vitest';

import { Controller } from '../../bindings/typescript/src/tune/controller/controller.ts';
import { Trial } from '../../bindings/typescript/src/tune/controller/trial.ts';
import { Curve } from '../../bindings/typescript/src/tune/schedulers/curve.ts';
import { neighbourOf } from '../../bindings/typescript/src/tune/schedulers/domain-moves.ts';
import { fifo } from '../../bindings/typescript/src/tune/schedulers/fifo.ts';
import { medianStopping } from '../../bindings/typescript/src/tune/schedulers/median-stopping.ts';
import { medianOf } from '../../bindings/typescript/src/tune/schedulers/order-statistics.ts';
import { RandomSource } from '../../bindings/typescript/src/tune/schedulers/random.ts';
import type { SchedulerControl } from '../../bindings/typescript/src/tune/schedulers/scheduler.ts';
import { loguniform, uniform } from '../../bindings/typescript/src/tune/space/domain.ts';
import { Space } from '../../bindings/typescript/src/tune/space/space.ts';
import { stopperOf } from '../../bindings/typescript/src/tune/stoppers/stopper-of.ts';
import type { ReportedMetrics } from '../../bindings/typescript/src/tune/types.ts';
import { PLAIN_SETUP } from './controller-setup.ts';

afterEach(() => vi.restoreAllMocks());

/** How often somebody asks for the status of a trial, while the first trial goes on and the others end one by one. */
function looksWithStraggler(numSamples: number): number {
  let looks = 0;
  const { get } = Object.getOwnPropertyDescriptor(Trial.prototype, 'status')!;
  vi.spyOn(Trial.prototype, 'status', 'get').mockImplementation(function (this: Trial) {
    looks++;
    return get!.call(this);
  });
  const header = {
    name: 'test',
    parameters: [],
    metrics: [],
    modes: [],
    seed: 5,
    options: {},
  } as unknown as ConstructorParameters<typeof Controller>[0]['header'];
  const controller = new Controller({
    ...PLAIN_SETUP,
    header,
    space: new Space({}, 'test'),
    searcher: { isAdaptive: false, setup: () => undefined, ask: () => ({}), tell: () => undefined },
    scheduler: fifo(),
    stopper: stopperOf(undefined, header as never),
    numSamples,
    checkpoints: { numToKeep: 1, scoreAttribute: undefined, scoreOrder: 'min' },
  });
  const running: Trial[] = [];
  const follow = (instructions: ReturnType<Controller['start']>): void => {
    for (const instruction of instructions) {
      if (instruction.kind === 'run') running.push(instruction.trial);
    }
  };
  follow(controller.start());
  while (running.length > 0) {
    const { attempt } = running.at(-1)!;
    follow(
      controller.ended(running.pop()!, { attempt, error: null, saved: null, at: 0, elapsedMs: 0 }),
    );
  }
  vi.restoreAllMocks();
  expect(controller.trials.filter(({ status }) => status === 'TERMINATED')).toHaveLength(
    numSamples,
  );
  return looks;
}

test('a straggler costs the same for each of many trials', () => {
  const [few, many] = [looksWithStraggler(200), looksWithStraggler(2_000)];
  expect(many).toBeLessThan(12 * few);
});

test('the best of a curve is that of its reports, also where some are made again', () => {
  const curve = new Curve();
  for (let step = 1; step <= 1_000; step++) curve.record(step, Math.cos(step));
  const { values } = curve;
  expect([curve.best('max'), curve.best('min')]).toEqual([
    Math.max(...values),
    Math.min(...values),
  ]);
  expect(curve.best('max', 990)).toBe(Math.max(...values.slice(990)));
  // What is reported again takes the place of what was.
  curve.record(500, 7);
  expect(curve.best('max')).toBe(7);
  curve.record(3, -7);
  expect([curve.length, curve.best('max'), curve.best('min')]).toEqual([3, Math.cos(1), -7]);
  curve.record(4, NaN);
  expect([curve.best('max'), curve.best('min')]).toEqual([Math.cos(1), -7]);
  expect(curve.best('max', 0, 0)).toBe(-Infinity);
});

const row = (trainingIteration: number, loss: number): ReportedMetrics =>
  ({ trainingIteration, loss }) as unknown as ReportedMetrics;

/** The rule as it is said, with a look at all reports of all trials. */
class PlainRule {
  readonly #grace: number;
  readonly #rows = new Map<number, [time: number, score: number][]>();

  constructor(grace: number) {
    this.#grace = grace;
  }

  report(number: number, time: number, score: number): 'CONTINUE' | 'STOP' {
    const before = (this.#rows.get(number) ?? []).filter(([each]) => each < time);
    const own: [number, number][] = [...before, [time, score]];
    this.#rows.set(number, own);
    if (time < this.#grace) return 'CONTINUE';
    const averages = [...this.#rows]
      .filter(([other, rows]) => other !== number && rows.at(-1)![0] >= time)
      .map(([, rows]) => rows.filter(([each]) => each >= this.#grace && each <= time))
      .filter((rows) => rows.length > 0)
      .map((rows) => rows.reduce((sum, [, each]) => sum + each, 0) / rows.length)
      .filter(Number.isFinite);
    if (averages.length < 2) return 'CONTINUE';
    const best = Math.max(...own.map(([, each]) => each));
    return best >= medianOf(averages) ? 'CONTINUE' : 'STOP';
  }

  complete(number: number, time: number, score: number): void {
    this.#rows.get(number)?.push([time, score]);
  }
}

test.each([1, 2, 3, 4, 5])(
  'medianStopping decides as one that looks at all reports of all trials (seed %i)',
  (seed) => {
    const random = new RandomSource(seed);
    const grace = 3;
    const scheduler = medianStopping({
      timeAttr: 'trainingIteration',
      gracePeriod: grace,
      minSamplesRequired: 2,
      metric: 'loss',
      mode: 'min',
    });
    scheduler.setup?.({ metric: 'loss', mode: 'min', seed });
    const plain = new PlainRule(grace);
    const control = { trials: [] } as unknown as SchedulerControl;
    const times = new Map<number, number>();
    const seen = { CONTINUE: 0, STOP: 0 };
    let next = 0;
    for (let turn = 0; turn < 3_000; turn++) {
      if (times.size < 12) times.set(next++, 0);
      const numbers = [...times.keys()];
      const number = numbers[Math.floor(random.next() * numbers.length)]!;
      const trial = {
        id: String(number),
        number,
        status: 'RUNNING',
        config: {},
        metrics: {},
      } as const;
      // Some leave out a step, and some go on from an earlier checkpoint.
      const step = random.next() < 0.1 ? 2 : 1;
      const isBack = random.next() < 0.05;
      const time = isBack ? Math.max(1, times.get(number)! - 3) : times.get(number)! + step;
      const loss = random.next() < 0.02 ? NaN : Math.round(random.next() * 40) / 7 + (number % 5);
      const decision = scheduler.onTrialResult(trial, row(time, loss), control);
      const expected = plain.report(number, time, Number.isNaN(loss) ? -Infinity : -loss);
      expect(decision, `turn ${turn}`).toBe(expected);
      seen[expected]++;
      times.set(number, time);
      if (expected === 'CONTINUE' && time < 25) continue;
      times.delete(number);
      scheduler.onTrialComplete?.(trial, row(time, loss), control);
      plain.complete(number, time, Number.isNaN(loss) ? -Infinity : -loss);
    }
    expect(seen.STOP).toBeGreaterThan(50);
    expect(seen.CONTINUE).toBeGreaterThan(1_000);
  },
);

test('medianStopping does not look at all trials at each report', () => {
  const looksWith = (trials: number): number => {
    const scheduler = medianStopping({
      timeAttr: 'trainingIteration',
      gracePeriod: 1,
      metric: 'loss',
      mode: 'min',
    });
    scheduler.setup?.({ metric: 'loss', mode: 'min', seed: 1 });
    const control = { trials: [] } as unknown as SchedulerControl;
    let looks = 0;
    const isFinite = Number.isFinite;
    for (let number = 0; number < trials; number++) {
      const trial = {
        id: String(number),
        number,
        status: 'RUNNING',
        config: {},
        metrics: {},
      } as const;
      // Each average that is looked at is seen to be finite.
      if (number === trials - 100) {
        vi.spyOn(Number, 'isFinite').mockImplementation((value) => (looks++, isFinite(value)));
      }
      for (let time = 1; time <= 5; time++) {
        scheduler.onTrialResult(trial, row(time, (number * 7) % 11), control);
      }
    }
    vi.restoreAllMocks();
    return looks;
  };
  expect(looksWith(2_000)).toBeLessThan(1.1 * looksWith(200));
});

test('what is brought back into a range of floats is below its upper end', () => {
  const random = new RandomSource(1);
  for (const [low, high] of [
    [0, 1],
    [-2, -1],
    [-1, 0],
    [0, 5e-324],
    [1, 1 + Number.EPSILON],
  ] as const) {
    // The factor that leads up, whatever the sign.
    const [value] = [neighbourOf(uniform(low, high), 1e9, [2], random) as number];
    expect(value, `${low} to ${high}`).toBeLessThan(high);
    expect(value).toBeGreaterThanOrEqual(low);
    expect(high - value).toBeLessThanOrEqual(Number.EPSILON);
  }
  expect(neighbourOf(loguniform(1, 8), 7, [1.2], random)).toBe(8 - 4 * Number.EPSILON);
});
