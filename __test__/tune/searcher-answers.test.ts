/** Configs that a searcher of one's own gives: those of the space are taken, all others are refused with what is wrong. */

import {
  Study,
  choice,
  loguniform,
  quniform,
  randint,
  sampleFrom,
  uniform,
  type Searcher,
} from 'eagleray/tune';
import { checkSearcher } from 'eagleray/tune/testing';
import { describe, expect, test } from 'vitest';

import { InvalidArgumentError } from 'eagleray';

const SPACE = {
  x: uniform(0, 1),
  rate: loguniform(1e-3, 1),
  steps: randint(1, 5),
  size: quniform(0, 1, 0.25),
  optimizer: { momentum: uniform(0, 1), name: 'sgd' },
  layers: [8, uniform(0, 1), 16],
  kind: choice([{ depth: randint(1, 9), of: 'tree' }, 'line']),
  twice: sampleFrom(({ x }: { x: number }) => 2 * x),
  version: 3,
};

const GOOD = {
  x: 0.5,
  rate: 0.1,
  steps: 2,
  size: 1,
  optimizer: { momentum: 0.9 },
  layers: [undefined, 0.25],
  kind: { depth: 3 },
};

function asked(config: unknown): unknown {
  const search = { setup: () => undefined, ask: () => config, tell: () => undefined };
  const study = new Study({
    space: SPACE,
    metric: 'loss',
    mode: 'min',
    search: search as Searcher,
  });
  return study.ask().config;
}

const WHOLE = {
  ...GOOD,
  optimizer: { momentum: 0.9, name: 'sgd' },
  layers: [8, 0.25, 16],
  kind: { depth: 3, of: 'tree' },
  twice: 1,
  version: 3,
};

test.each([
  ['without constants', GOOD],
  ['with all of them', WHOLE],
  ['at lower ends', { ...GOOD, x: 0, rate: 1e-3, steps: 1, size: 0 }],
])('a config of the space %s is taken', (_name, config) => {
  expect(asked(config)).toMatchObject({ optimizer: { name: 'sgd' }, layers: [8, 0.25, 16] });
});

describe('a config is refused that has', () => {
  test.each([
    [
      'a key too many',
      { ...GOOD, speed: 1 },
      /the searcher: speed is not in the space; allowed: x, /,
    ],
    [
      'one in an object',
      { ...GOOD, optimizer: { momentum: 0, nesterov: true } },
      /optimizer\.nesterov is not in the space/,
    ],
    ['one in a branch', { ...GOOD, kind: { depth: 3, width: 2 } }, /kind.*an element of its list/],
    ['an array too long', { ...GOOD, layers: [8, 0.5, 16, 32] }, /layers.*an array of 3/],
    ['the upper end of uniform', { ...GOOD, x: 1 }, /x.*uniform\(0, 1\), which does not include 1/],
    [
      'the upper end of loguniform',
      { ...GOOD, rate: 1 },
      /rate.*loguniform\(0\.001, 1\), which does not include 1/,
    ],
    ['the upper end of randint', { ...GOOD, steps: 5 }, /steps.*randint\(1, 5\)/],
    ['what is beyond', { ...GOOD, x: 1.5 }, /x.*uniform\(0, 1\)$/m],
    ['no value of a parameter', { ...GOOD, x: undefined }, /x/],
  ])('%s', (_name, config, message) => {
    expect(() => asked(config)).toThrow(InvalidArgumentError);
    expect(() => asked(config)).toThrow(message);
  });
});

test('checkSearcher says so of a searcher', async () => {
  const giving = (more: (config: Record<string, unknown>) => object) => () => {
    let names: string[] = [];
    return {
      setup({ parameters }: { parameters: readonly { name: string }[] }) {
        names = parameters.map(({ name }) => name);
      },
      ask: () => more(Object.fromEntries(names.map((name) => [name, 0.5]))),
      tell: () => undefined,
    } as unknown as Searcher;
  };
  await expect(checkSearcher(giving((config) => ({ ...config, speed: 1 })))).rejects.toThrow(
    /speed is not in the space/,
  );
});

describe('what sampleFrom computes', () => {
  const holdsItself: { self?: unknown } = {};
  holdsItself.self = [holdsItself];
  test.each([
    ['a domain', () => uniform(0, 1), 'sampleFrom() gave a domain for kind[0].list[1];'],
    [
      'one in an object',
      () => ({ deep: [1, { lr: uniform(0, 1) }] }),
      'sampleFrom() gave a domain for kind[0].list[1].deep[1].lr;',
    ],
    [
      'a promise',
      async () => 1,
      'sampleFrom(): what its function gave for kind[0].list[1] is a Promise; allowed: an answer at once',
    ],
    [
      'what holds itself',
      () => holdsItself,
      'what its function gave for kind[0].list[1].self[0] is ',
    ],
  ])('is refused with its path: %s', (_what, compute, message) => {
    const study = new Study({
      space: {
        kind: choice([{ x: uniform(0, 1), list: [1, sampleFrom(compute as () => unknown)] }]),
      },
    });
    expect(() => study.ask()).toThrow(InvalidArgumentError);
    expect(() => study.ask()).toThrow(message);
  });

  test('may be any other value, and is nobody else’s', () => {
    const shared = { list: [1] };
    const now = new Date(0);
    const study = new Study({
      space: {
        one: sampleFrom(() => shared),
        two: sampleFrom((config: { one: typeof shared }) => config.one.list.push(2)),
        now: sampleFrom(() => now),
      },
    });
    expect(study.ask().config).toEqual({ one: { list: [1] }, two: 2, now });
    expect(shared).toEqual({ list: [1] });
  });
});
