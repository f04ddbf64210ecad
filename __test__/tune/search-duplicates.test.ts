/** What happens where a searcher proposes what was tried before. */

import { expect, test } from 'vitest';

import { basicVariant, randint, Study, tpe, type Searcher } from 'eagleray/tune';

const SPACE = { a: randint(0, 8), b: randint(0, 8), c: randint(0, 8) };
const SEEDS = 5;
const TRIALS = 80;

/** All configs that were tried, with what came of them, the less the better. */
function search(searcher: Searcher, seed: number): { key: string; value: number }[] {
  const study = new Study({ space: SPACE, metric: 'value', mode: 'min', search: searcher, seed });
  return Array.from({ length: TRIALS }, () => {
    const trial = study.ask();
    const { a, b, c } = trial.config;
    const value = (a - 5) ** 2 + (b - 2) ** 2 + (c - 6) ** 2;
    study.tell(trial, { value });
    return { key: `${a} ${b} ${c}`, value };
  });
}

/** Over some seeds, of all trials from one on. */
function meanOf(searcherOf: () => Searcher, first: number): number {
  const values = Array.from({ length: SEEDS }, (_, seed) =>
    search(searcherOf(), seed).slice(first),
  ).flat();
  return values.reduce((sum, { value }) => sum + value, 0) / values.length;
}

test('tpe() tries no config twice', () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const keys = search(tpe(), seed).map(({ key }) => key);
    expect(new Set(keys).size).toBe(TRIALS);
  }
});

test('what tpe() tries instead of a config that it has tried comes from its model', () => {
  // By then the best ones were tried, and proposed again.
  const late = (searcherOf: () => Searcher): number => meanOf(searcherOf, TRIALS / 2);
  expect(late(tpe)).toBeLessThan(0.5 * late(basicVariant));
});

test('where everything was tried, tpe() tries some again', () => {
  const study = new Study({
    space: { a: randint(0, 3) },
    metric: 'value',
    mode: 'min',
    search: tpe(),
    seed: 1,
  });
  for (let number = 0; number < 20; number++) {
    const trial = study.ask();
    study.tell(trial, { value: trial.config.a });
  }
  expect(study.trials).toHaveLength(20);
});
