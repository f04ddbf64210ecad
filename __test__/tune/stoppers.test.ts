/** What can be given for `stop`, and when it stops. */

import { describe, expect, it } from 'vitest';

import { InvalidArgumentError } from '../../bindings/typescript/src/errors.ts';
import { experimentPlateauStopper } from '../../bindings/typescript/src/tune/stoppers/experiment-plateau-stopper.ts';
import { maximumIterationStopper } from '../../bindings/typescript/src/tune/stoppers/maximum-iteration-stopper.ts';
import { stagnationStopper } from '../../bindings/typescript/src/tune/stoppers/stagnation-stopper.ts';
import { allOf, stopperOf } from '../../bindings/typescript/src/tune/stoppers/stopper-of.ts';
import type { ActiveStopper } from '../../bindings/typescript/src/tune/stoppers/stopper.ts';
import { timeoutStopper } from '../../bindings/typescript/src/tune/stoppers/timeout-stopper.ts';
import { trialPlateauStopper } from '../../bindings/typescript/src/tune/stoppers/trial-plateau-stopper.ts';
import type { ReportedMetrics } from '../../bindings/typescript/src/tune/types.ts';

const LOSS = { metrics: ['loss'], modes: ['min'] } as const;

function report(metrics: object, iteration = 1): ReportedMetrics {
  return { trainingIteration: iteration, ...metrics } as unknown as ReportedMetrics;
}

function stops(stopper: Pick<ActiveStopper, 'onResult'>, losses: readonly unknown[]): boolean[] {
  return losses.map((loss, at) => stopper.onResult('00000', report({ loss }, at + 1)));
}

describe('stopperOf', () => {
  it('stops at a bound from below, and from above for what is to be small', () => {
    const stopper = stopperOf({ trainingIteration: 3, loss: 0.1, 'eval.accuracy': 0.9 }, LOSS);
    expect(stopper.onResult('a', report({ loss: 0.2 }, 2))).toBe(false);
    expect(stopper.onResult('a', report({ loss: 0.1 }, 2))).toBe(true);
    expect(stopper.onResult('a', report({ loss: 0.2 }, 3))).toBe(true);
    expect(stopper.onResult('a', report({ loss: 1, eval: { accuracy: 0.9 } }))).toBe(true);
    expect(stopper.onResult('a', report({ loss: 1, eval: { accuracy: 0.8 } }))).toBe(false);
    expect(stopper.stopAll()).toBe(false);
  });

  it('takes no trial that has gone wrong for one that has come to its goal', () => {
    expect(stops(stopperOf({ loss: 0.1 }, LOSS), [-Infinity, Number.NaN])).toEqual([false, false]);
    const other = stopperOf({ gradient: 10 }, LOSS);
    expect(other.onResult('a', report({ gradient: Infinity }))).toBe(true);
    expect(other.onResult('a', report({ gradient: '11' }))).toBe(false);
  });

  it('knows the names that no report had', () => {
    const stopper = stopperOf([{ los: 1, trainingIteration: 5 }, allOf({ acuracy: 1 })], LOSS);
    stopper.onResult('a', report({ loss: 1 }));
    expect(stopper.unusedNames()).toEqual(['los', 'acuracy']);
    stopper.onResult('a', report({ los: 1 }));
    expect(stopper.unusedNames()).toEqual(['acuracy']);
  });

  it('asks every one of a list, and stops if any says so', () => {
    const asked: string[] = [];
    const stopper = stopperOf(
      [
        (trialId: string) => (asked.push(trialId), true),
        { onResult: () => (asked.push('stopper'), false), stopAll: () => true },
      ],
      LOSS,
    );
    expect(stopper.onResult('a', report({}))).toBe(true);
    expect(asked).toEqual(['a', 'stopper']);
    expect(stopper.stopAll()).toBe(true);
  });

  it('of nothing never stops', () => {
    const stopper = stopperOf(undefined, LOSS);
    expect([stopper.onResult('a', report({})), stopper.stopAll()]).toEqual([false, false]);
    expect(stopper.unusedNames()).toEqual([]);
  });

  it.each([
    [3, 'stop is 3; allowed: bounds by metric'],
    [null, 'stop is null'],
    [{}, 'stop is {}'],
    [{ loss: '1' }, 'stop.loss is "1"; allowed: a number'],
    [{ loss: Number.NaN }, 'stop.loss is NaN'],
    // LOSS is to be made less: any value is at most Infinity.
    [{ loss: Infinity }, 'stop.loss is Infinity; allowed: a number that not every value reaches'],
    [[{ other: -Infinity }], 'stop[0].other is -Infinity'],
    [allOf({ loss: Infinity }), 'conditions[0].loss is Infinity'],
    [{ onResult: () => true }, 'stop.stopAll is undefined; allowed: a function'],
    [[{ loss: 1 }, undefined], 'stop[1] is null'],
    [[[7]], 'stop[0][0] is 7'],
  ])('%#: refuses what is no condition', (condition, message) => {
    expect(() => stopperOf(condition, LOSS)).toThrow(InvalidArgumentError);
    expect(() => stopperOf(condition, LOSS)).toThrow(message);
  });

  it('never stops at a bound that nothing reaches', () => {
    expect(stops(stopperOf({ loss: -Infinity }, LOSS), [-1e308, -Infinity])).toEqual([
      false,
      false,
    ]);
    expect(stops(stopperOf({ trainingIteration: Infinity }, LOSS), [1, 1])).toEqual([false, false]);
    // By hand it is not known which way a metric is to go.
    expect(stops(allOf({ loss: -Infinity }), [0])).toEqual([true]);
  });

  it('refuses an answer that is not true or false, such as a promise', () => {
    const late = stopperOf(async () => true, LOSS);
    expect(() => late.onResult('a', report({}))).toThrow('has to answer true or false');
  });
});

describe('allOf', () => {
  it('stops when all conditions do', () => {
    const condition = allOf({ loss: 0.5 }, maximumIterationStopper(2));
    expect(stops(stopperOf(condition, LOSS), [0.1, 0.6, 0.1])).toEqual([false, false, true]);
  });

  it('by hand knows no mode', () => {
    expect(stops(allOf({ loss: 0.5 }), [0.1, 0.6])).toEqual([false, true]);
  });

  it('ends the experiment when all do, and needs at least one', () => {
    const over = { onResult: () => false, stopAll: () => true };
    expect(stopperOf(allOf(over, over), LOSS).stopAll()).toBe(true);
    expect(stopperOf(allOf(over, { loss: 1 }), LOSS).stopAll()).toBe(false);
    expect(() => allOf()).toThrow(InvalidArgumentError);
    const never = { onResult: () => false } as never;
    for (const [wrong, name] of [
      [7, 'conditions[0] is 7'],
      [[{ loss: 1 }, 'x'], 'conditions[0][1] is "x"'],
      [{ loss: 'low' }, 'conditions[0].loss is "low"'],
      [never, 'conditions[0].stopAll is undefined'],
    ] as const) {
      expect(() => allOf(wrong as never)).toThrow(name);
    }
    // What it needs of the experiment is seen when there is one.
    expect(() => allOf(stagnationStopper())).not.toThrow();
  });

  it('tells those within that trials end', () => {
    const stopper = stopperOf(allOf(stagnationStopper({ trials: 1 })), LOSS);
    stopper.onTrialComplete('a', report({ loss: 1 }));
    stopper.onTrialComplete('b', report({ loss: 1 }));
    expect(stopper.stopAll()).toBe(true);
  });
});

describe('maximumIterationStopper', () => {
  it('stops at the iteration, also if a trial has gone back to a checkpoint', () => {
    const stopper = maximumIterationStopper(3);
    const iterations = [1, 2, 1, 2, 3, 4];
    expect(iterations.map((iteration) => stopper.onResult('a', report({}, iteration)))).toEqual([
      false,
      false,
      false,
      false,
      true,
      true,
    ]);
    expect(() => maximumIterationStopper(0)).toThrow('iterations is 0');
  });
});

describe('timeoutStopper', () => {
  it('ends the experiment so long after it was asked first', () => {
    let time = 500;
    const stopper = timeoutStopper(100, () => time);
    time = 1000;
    expect(stopper.stopAll()).toBe(false);
    time = 1099;
    expect(stopper.stopAll()).toBe(false);
    time = 1100;
    expect([stopper.stopAll(), stopper.onResult('a', report({}))]).toEqual([true, false]);
  });

  it('never ends it with Infinity, at once with 0, and refuses others', () => {
    expect(timeoutStopper(Infinity).stopAll()).toBe(false);
    expect(timeoutStopper(0).stopAll()).toBe(true);
    expect(() => timeoutStopper(-1)).toThrow('timeoutMs is -1');
    expect(() => timeoutStopper(1, 5 as never)).toThrow('now is 5');
  });
});

describe('trialPlateauStopper', () => {
  it('stops when the last results are nearly the same', () => {
    const stopper = trialPlateauStopper({ metric: 'loss', numResults: 3, gracePeriod: 3 });
    expect(stops(stopper, [5, 1, 1, 1.001])).toEqual([false, false, false, true]);
  });

  it('waits for the grace period and the threshold, and skips reports without the metric', () => {
    const late = trialPlateauStopper({ metric: 'loss', numResults: 1, gracePeriod: 3 });
    expect(stops(late, [1, undefined, 1, 1])).toEqual([false, false, false, true]);
    const max = trialPlateauStopper({
      metric: 'loss',
      numResults: 2,
      gracePeriod: 0,
      metricThreshold: 2,
      mode: 'max',
    });
    expect(stops(max, [1, 1, 2, 2])).toEqual([false, false, false, true]);
  });

  it('does not stop among NaN and infinite values', () => {
    const stopper = trialPlateauStopper({ metric: 'loss', numResults: 2, gracePeriod: 0 });
    expect(stops(stopper, [Number.NaN, Number.NaN, Infinity, Infinity, 1, 1])).toEqual([
      false,
      false,
      false,
      false,
      false,
      true,
    ]);
  });

  it('keeps trials apart', () => {
    const stopper = trialPlateauStopper({ metric: 'loss', numResults: 2, gracePeriod: 0 });
    expect(stopper.onResult('a', report({ loss: 1 }))).toBe(false);
    expect(stopper.onResult('b', report({ loss: 1 }))).toBe(false);
    expect(stopper.onResult('a', report({ loss: 1 }))).toBe(true);
  });

  it('refuses a threshold without a mode, and no metric', () => {
    expect(() => trialPlateauStopper({ metric: 'loss', metricThreshold: 1 })).toThrow('mode is');
    expect(() => trialPlateauStopper({} as never)).toThrow('metric is undefined');
  });
});

describe('experimentPlateauStopper', () => {
  it('ends the experiment when the best results are nearly the same', () => {
    const stopper = stopperOf(experimentPlateauStopper({ metric: 'loss', top: 2 }), LOSS);
    expect(stops(stopper, [5, 1, Number.NaN, 1])).toEqual([false, false, false, true]);
    expect(stopper.stopAll()).toBe(true);
  });

  it('waits for patience, and begins anew when a better one comes', () => {
    const stopper = stopperOf(
      experimentPlateauStopper({ metric: 'loss', top: 2, patience: 3 }),
      LOSS,
    );
    expect(stops(stopper, [1, 1, 1, 0.5, 0.5, 2, 2])).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
      true,
    ]);
  });

  it('takes the mode of the experiment, or its own', () => {
    const condition = experimentPlateauStopper({ metric: 'score', top: 2 });
    const max = stopperOf(condition, { metrics: ['score'], modes: ['max'] });
    const answers = [9, 1, 1, 9].map((score) => max.onResult('a', report({ score })));
    expect(answers).toEqual([false, false, false, true]);
    const min = [9, 1, 1].map((score) => condition.onResult('a', report({ score })));
    expect(min).toEqual([false, false, true]);
  });

  it('refuses wrong options', () => {
    expect(() => experimentPlateauStopper({ metric: 'loss', top: 1 })).toThrow('top is 1');
    expect(() => experimentPlateauStopper({ metric: 'loss', std: 0 })).toThrow('std is 0');
  });
});

describe('stagnationStopper', () => {
  it('ends the experiment after so many trials without a new best', () => {
    const stopper = stopperOf(stagnationStopper({ trials: 2 }), LOSS);
    const ends = [3, 4, 2, 2, Number.NaN].map((loss, at) => {
      stopper.onTrialComplete(String(at), report({ loss }));
      return stopper.stopAll();
    });
    expect(ends).toEqual([false, false, false, false, true]);
  });

  it('has a state of its own in each experiment', () => {
    const condition = stagnationStopper({ trials: 1 });
    const first = stopperOf(condition, LOSS);
    for (const loss of [1, 2]) first.onTrialComplete('a', report({ loss }));
    expect([first.stopAll(), stopperOf(condition, LOSS).stopAll()]).toEqual([true, false]);
  });

  it('needs to know the metric', () => {
    const both = { metrics: ['loss', 'size'], modes: ['min', 'max'] } as const;
    expect(() => stopperOf(stagnationStopper(), both)).toThrow('there is no metric');
    expect(() => stopperOf(stagnationStopper({ metric: 'size' }), both)).not.toThrow();
    expect(() => stopperOf(stagnationStopper({ metric: 'other' }), both)).toThrow('no mode');
  });
});
