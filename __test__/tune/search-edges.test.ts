/** What searchers do at the edges: results that are no numbers, configs that were refused, spaces that are narrow or endless. */

import { InvalidArgumentError } from 'eagleray';
import {
  bohb,
  cmaes,
  gp,
  grid,
  lograndint,
  loguniform,
  nsga2,
  randint,
  Study,
  tpe,
  uniform,
  type Searcher,
} from 'eagleray/tune';
import { describe, expect, test } from 'vitest';

const METRIC = { name: 'loss', mode: 'min' } as const;

function trialOf(number: number): { number: number; id: string } {
  return { number, id: `trial-${number}` };
}

/** What comes next after trials that have all reported, and have ended in this order. */
function nextOf(order: readonly number[]): unknown {
  const searcher = bohb({ seed: 1, randomFraction: 0 });
  const parameters = [{ name: 'x', path: ['x'], kind: 'uniform', args: [0, 1] }] as const;
  searcher.setup({ parameters, metrics: [METRIC], seed: 1 });
  const configs = order.map((_, number) => searcher.ask(trialOf(number)) as { x: number });
  const lossOf = (number: number): number => (number % 4 === 0 ? NaN : configs[number]!.x + number);
  for (const [number, { x }] of configs.entries()) {
    for (const trainingIteration of [1, 3]) {
      searcher.onResult!(trialOf(number), { loss: 1 - x, trainingIteration } as never);
    }
  }
  for (const number of order) {
    searcher.tell(trialOf(number), {
      config: configs[number],
      status: 'TERMINATED',
      stopReason: 'finished',
      metrics: { loss: lossOf(number), trainingIteration: 4 + number },
    });
  }
  return Array.from({ length: 5 }, (_, more) => searcher.ask(trialOf(order.length + more)));
}

test('bohb() learns the same from reports in whatever order trials end without a number', () => {
  const rising = Array.from({ length: 24 }, (_, number) => number);
  const falling = rising.toReversed();
  expect(nextOf(falling)).toEqual(nextOf(rising));
});

/** What cmaes() proposes where every other trial has another config than its own, with this loss. */
function proposedBeside(loss: number): readonly unknown[] {
  const searcher = cmaes({ seed: 1, restartStrategy: 'none' });
  const parameters = [
    { name: 'x', path: ['x'], kind: 'uniform', args: [-5, 5] },
    // It is rounded: what is tried is its own all the same.
    { name: 'y', path: ['y'], kind: 'qrandn', args: [0, 2, 0.5] },
  ] as const;
  searcher.setup({ parameters, metrics: [METRIC], seed: 1 });
  return Array.from({ length: 200 }, (_, number) => {
    const trial = trialOf(number);
    const own = searcher.ask(trial) as { x: number; y: number };
    const isRefused = number % 2 === 1;
    const config = isRefused ? { x: 4.5, y: -3.5 } : own;
    if (isRefused) searcher.observe!(trial, config);
    searcher.tell(trial, {
      config,
      status: 'TERMINATED',
      stopReason: 'finished',
      metrics: { loss: isRefused ? loss : (own.x - 1) ** 2 + (own.y - 2) ** 2 },
    });
    return own;
  });
}

test('cmaes() learns nothing of configs that it has not proposed, and goes on with its own', () => {
  const proposed = proposedBeside(-1e9);
  expect(proposed).toEqual(proposedBeside(1e9));
  const late = proposed.slice(-40) as { x: number; y: number }[];
  for (const { x, y } of late) expect(Math.hypot(x - 1, y - 2)).toBeLessThan(1.5);
});

describe('a space whose logarithms are all the same float', () => {
  const searchers: Readonly<Record<string, () => Searcher>> = { bohb, cmaes, gp, nsga2, tpe };
  test.each(Object.keys(searchers))('%s() draws its values', (name) => {
    const study = new Study({
      space: {
        a: loguniform(1e10, 1e10 * (1 + 1e-15)),
        b: lograndint(2 ** 53 - 10, 2 ** 53 - 1),
        c: uniform(0, 1),
        d: uniform(0, 1),
      },
      metric: 'loss',
      mode: 'min',
      search: searchers[name]!(),
      seed: 1,
    });
    const seen = new Set<number>();
    for (let number = 0; number < 40; number++) {
      const trial = study.ask();
      const { a, b, c } = trial.config;
      expect(a).toBeGreaterThanOrEqual(1e10);
      expect(a).toBeLessThan(1e10 * (1 + 1e-15));
      expect(b).toBeGreaterThanOrEqual(2 ** 53 - 10);
      expect(b).toBeLessThan(2 ** 53);
      seen.add(b);
      study.tell(trial, { loss: c });
    }
    expect(seen.size).toBeGreaterThan(4);
  });
});

// One value after the other, it would take days.
test('grid() finds its configs in a range of 2^45', () => {
  const study = new Study({ space: { a: randint(0, 2 ** 45) }, search: grid({ shuffle: true }) });
  const values = Array.from({ length: 20 }, () => study.ask().config.a);
  expect(new Set(values).size).toBe(20);
  expect(Math.max(...values)).toBeGreaterThan(2 ** 40);
});

test.each<[string, () => unknown]>([
  ['populationSize', () => cmaes({ populationSize: 1e9 })],
  ['incPopsize', () => cmaes({ incPopsize: 100_001 })],
  ['populationSize', () => nsga2({ populationSize: 1e9 })],
])('%s has a limit', (name, make) => {
  expect(make).toThrow(InvalidArgumentError);
  expect(make).toThrow(new RegExp(`${name}.*from [12] to 100000`));
});
