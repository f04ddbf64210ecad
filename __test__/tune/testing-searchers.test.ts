/** `checkSearcher`: our own searchers pass, and each kind of wrong one is told what it does wrong. */

import { createRequire } from 'node:module';
import { setImmediate as nextTurn } from 'node:timers/promises';

import { InvalidArgumentError, NotSupportedError } from 'eagleray';
import {
  basicVariant,
  bohb,
  cmaes,
  concurrencyLimiter,
  gp,
  grid,
  halton,
  nsga2,
  repeater,
  sobol,
  tpe,
  type AskedTrial,
  type Searcher,
  type SearcherSetup,
  type ToldTrial,
} from 'eagleray/tune';
import { checkSearcher, simulate } from 'eagleray/tune/testing';
import { describe, expect, test } from 'vitest';

const OWN: Readonly<Record<string, () => Searcher>> = {
  basicVariant: () => basicVariant(),
  grid: () => grid(),
  'grid, shuffled': () => grid({ shuffle: true }),
  sobol: () => sobol(),
  'halton, not scrambled': () => halton({ scramble: false }),
  tpe: () => tpe(),
  'tpe, each parameter alone': () =>
    tpe({ multivariate: false, group: false, constantLiar: false, skipDuplicates: false }),
  cmaes: () => cmaes(),
  'cmaes, separable': () => cmaes({ separable: true, restartStrategy: 'bipop' }),
  nsga2: () => nsga2({ populationSize: 8 }),
  bohb: () => bohb(),
  gp: () => gp(),
  'concurrencyLimiter of tpe': () => concurrencyLimiter(tpe(), { maxConcurrent: 2 }),
  'concurrencyLimiter of tpe, in batches': () =>
    concurrencyLimiter(tpe(), { maxConcurrent: 3, batch: true }),
  'repeater of tpe': () => repeater(tpe(), { repeat: 3 }),
};

test.each(Object.entries(OWN))('%s passes', async (_name, make) => {
  await expect(checkSearcher(make)).resolves.toBeUndefined();
});

/** Around a searcher that is right. What a wrong one overrides may change everything. */
function wrong(change: (inner: Searcher) => Partial<Searcher>): () => Searcher {
  return () => {
    const inner = basicVariant();
    return {
      setup: (setup) => inner.setup(setup),
      ask: (trial) => inner.ask(trial),
      tell: () => {},
      ...change(inner),
    };
  };
}

/** The first parameter's value, where it is a float at the top. */
function withX(config: unknown, x: unknown): unknown {
  const { x: given, ...rest } = config as { x?: unknown };
  return given === undefined ? config : { ...rest, ...(x === undefined ? {} : { x }) };
}

let calls = 0;

const WRONG: readonly (readonly [string, () => Searcher, RegExp])[] = [
  [
    'values outside of the space',
    wrong((inner) => ({ ask: (trial) => withX(inner.ask(trial), 5) })),
    /ask\(\) for trial 0 gave a config outside of the space: x is 5; allowed: a value of uniform\(-1, 1\) \(space: floats/,
  ],
  [
    'missing parameters',
    wrong((inner) => ({ ask: (trial) => withX(inner.ask(trial), undefined) })),
    /ask\(\) for trial 0 left out the parameter x/,
  ],
  [
    'no config',
    wrong(() => ({ ask: () => undefined })),
    /ask\(\) for trial 0 gave undefined; it has to give a config, 'wait' or 'done'/,
  ],
  [
    'a promise',
    wrong((inner) => ({ ask: (trial) => Promise.resolve(inner.ask(trial)) })),
    /ask\(\) for trial 0 gave a promise; it has to answer at once/,
  ],
  [
    'a promise of tell',
    wrong(() => ({ tell: async () => {} })),
    /tell\(\) of trial \d+ \(\w+\) returned a promise/,
  ],
  [
    'not repeatable',
    wrong((inner) => ({ ask: ({ id }) => inner.ask({ number: ++calls, id }) })),
    /with the same seed, ask\(\) for trial 0 gave another config/,
  ],
  [
    'depends on the order of telling',
    wrong((inner) => {
      let last = 0;
      return {
        ask: ({ number, id }) => inner.ask({ number: number + 1000 * last, id }),
        tell: ({ number }) => void (last = number),
      };
    }),
    /told of the same trials in another order, ask\(\) for trial \d+ gave another config/,
  ],
  [
    'has a state of its own',
    wrong((inner) => {
      let asked = 0;
      return { ask: ({ id }) => inner.ask({ number: asked++, id }) };
    }),
    /made again and told again of all results, as restore does, ask\(\) for trial 4 gave another config/,
  ],
  [
    'depends on the order of reports',
    wrong((inner) => {
      let last = 0;
      return {
        ask: ({ number, id }) => inner.ask({ number: number + 1000 * last, id }),
        onResult: ({ number }) => void (last = number),
      };
    }),
    /told of the same trials in another order, ask\(\) for trial \d+ gave another config/,
  ],
  [
    'waits for ever',
    wrong((inner) => ({ ask: (trial) => (trial.number < 9 ? inner.ask(trial) : 'wait') })),
    /ask\(\) for trial 9 says 'wait' while no trial is pending, so it would wait for ever/,
  ],
  [
    'is done at once',
    wrong(() => ({ ask: () => 'done' })),
    /ask\(\) for trial 0 said 'done' before it gave any config/,
  ],
  [
    'is done, and goes on',
    wrong((inner) => {
      let times = 0;
      return { ask: (trial) => (trial.number === 6 && times++ === 0 ? 'done' : inner.ask(trial)) };
    }),
    /ask\(\) for trial 6 said 'done' before, and now something else/,
  ],
  [
    'is done before all is tried',
    wrong((inner) => {
      const tried = new Set<string>();
      return {
        isExhaustive: true,
        ask: (trial) => {
          for (let number = trial.number; tried.size < 5; number++) {
            const config = inner.ask({ ...trial, number });
            const key = JSON.stringify(config);
            if (tried.has(key)) continue;
            tried.add(key);
            return config;
          }
          return 'done';
        },
      };
    }),
    /isExhaustive is true, and ask\(\) for trial 5 said 'done' after 5 of \w+ configs/,
  ],
  [
    'repeats itself, and says that it does not',
    wrong((inner) => ({ isExhaustive: true, ask: ({ id }) => inner.ask({ number: 0, id }) })),
    /isExhaustive is true, and ask\(\) for trial 1 gave a config again/,
  ],
  [
    'learns, and says that it does not',
    wrong((inner) => {
      let sum = 0;
      return {
        isAdaptive: false,
        ask: ({ number, id }) => inner.ask({ number: number + 1000 * (sum % 7), id }),
        tell: ({ number }, { status }) => void (sum += status === 'ERROR' ? number : 0),
      };
    }),
    /isAdaptive is false, and with other results ask\(\) for trial \d+ gave another config/,
  ],
  [
    'throws at errors',
    wrong(() => ({ tell: (_trial, { metrics }) => void (metrics['loss'] as number).toFixed() })),
    /tell\(\) of trial \d+ \(\w+\) threw TypeError/,
  ],
  [
    'throws for trials that others began',
    wrong((inner) => {
      const asked = new Set<number>();
      return {
        ask: (trial) => {
          asked.add(trial.number);
          return inner.ask(trial);
        },
        tell: ({ number }) => {
          if (!asked.has(number)) throw new Error(`who is ${number}?`);
        },
      };
    }),
    /tell\(\) of trial 0 \(TERMINATED\) threw Error: who is 0\?/,
  ],
  [
    'throws in setup',
    wrong(() => ({
      setup: () => {
        throw new RangeError('no');
      },
    })),
    /setup\(\) threw RangeError: no/,
  ],
  [
    'refuses everything',
    wrong(() => ({
      setup: () => {
        throw new NotSupportedError('not this', { feature: 'space' });
      },
    })),
    /setup\(\) refused every space and every metric/,
  ],
  [
    'changes results',
    wrong(() => ({ tell: (_trial, result) => void ((result as { status: string }).status = '') })),
    /tell\(\) of trial 0 \(TERMINATED\) changed what it was given/,
  ],
  [
    'changes the parameters',
    wrong((inner) => ({
      setup: (setup: SearcherSetup) => {
        inner.setup(setup);
        (setup.parameters as unknown[]).reverse();
      },
    })),
    /setup\(\) changed the parameters or metrics that setup\(\) was given/,
  ],
  [
    'changes the trial',
    wrong((inner) => ({
      ask: (trial: AskedTrial) => {
        const config = inner.ask(trial);
        (trial as { number: number }).number = 0;
        (trial as { id: string }).id = '';
        return config;
      },
    })),
    /ask\(\) for trial 0 changed what it was given/,
  ],
];

test.each<readonly [string, () => Searcher, RegExp]>([
  ['setup', wrong(() => ({ setup: () => Promise.reject(new Error('late')) as never })), /setup\(\) returned a promise/], // prettier-ignore
  ['ask', wrong(() => ({ ask: () => Promise.reject(new Error('late')) })), /gave a promise/],
  ['tell', wrong(() => ({ tell: () => Promise.reject(new Error('late')) as never })), /returned a promise/], // prettier-ignore
  ['the factory', (() => Promise.reject(new Error('late'))) as never, /what factory returned/],
])(
  'what a promise of %s is rejected with is not let loose on the process',
  async (_name, make, message) => {
    // prettier-ignore
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => void unhandled.push(reason);
    process.on('unhandledRejection', note);
    try {
      await expect(checkSearcher(make)).rejects.toThrow(message);
      // Node says so when the turn is over.
      await nextTurn();
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', note);
    }
  },
);

describe('a searcher is refused that', () => {
  test.each(WRONG)('%s', async (_name, make, message) => {
    const refused = checkSearcher(make);
    await expect(refused).rejects.toBeInstanceOf(InvalidArgumentError);
    await expect(refused).rejects.toThrow(message);
  });

  test('is the same one each time, or none at all', async () => {
    const one = basicVariant();
    await expect(checkSearcher(() => one)).rejects.toThrow(/gave the same searcher twice/);
    await expect(checkSearcher(() => ({}) as Searcher)).rejects.toThrow(/no method setup/);
    await expect(checkSearcher(one as never)).rejects.toThrow(/factory is .*; allowed: a function/);
  });

  test('has thrown something: it is the cause', async () => {
    const thrown = new Error('mine');
    const fails = (_trial: AskedTrial, _result: ToldTrial): never => {
      throw thrown;
    };
    await expect(checkSearcher(wrong(() => ({ tell: fails })))).rejects.toMatchObject({
      cause: thrown,
    });
  });
});

test('required and imported, it is the same', () => {
  const required = createRequire(import.meta.url)('eagleray/tune/testing') as object;
  expect(Object.keys(required).toSorted()).toEqual(['checkSearcher', 'simulate']);
  expect(required).toMatchObject({ checkSearcher, simulate });
});

test('what a searcher refuses is left out', async () => {
  const noBranches = wrong((inner) => ({
    setup: (setup: SearcherSetup) => {
      if (setup.parameters.some(({ when }) => when !== undefined)) {
        throw new InvalidArgumentError('no branches', { argument: 'space' });
      }
      inner.setup(setup);
    },
  }));
  await expect(checkSearcher(noBranches)).resolves.toBeUndefined();
});
