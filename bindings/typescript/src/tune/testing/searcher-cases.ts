/** What `checkSearcher` tries searchers with: spaces of every kind, metrics, and results of every kind. */

import type { SearcherSetup, ToldTrial } from '../search/searcher.ts';
import {
  choice,
  loguniform,
  lograndint,
  qlograndint,
  qloguniform,
  qrandint,
  qrandn,
  quniform,
  randint,
  randn,
  uniform,
} from '../space/domain.ts';
import { Space } from '../space/space.ts';

/** A searcher is tried with each space and each list of metrics. */
export interface SearcherCase {
  /** For messages. */
  readonly name: string;
  readonly space: Space;
  readonly metrics: SearcherSetup['metrics'];
  /** How many configs the space has, where that is finite and small; else Infinity. */
  readonly size: number;
  /** What configs have to meet; those that don't are replaced by the controller. */
  readonly constraint: ((config: never) => boolean) | null;
}

/** How a trial ends. */
export interface TrialOutcome {
  readonly status: ToldTrial['status'];
  readonly stopReason: NonNullable<ToldTrial['stopReason']> | null;
  /** By metric: its reports; none at all if it ended before the first one. */
  readonly reports: readonly Readonly<Record<string, number>>[];
  readonly violation: number;
}

const SPACES: readonly {
  readonly name: string;
  readonly space: object;
  readonly size?: number;
  readonly constraint?: (config: never) => boolean;
}[] = [
  {
    name: 'floats',
    space: { x: uniform(-1, 1), rate: loguniform(1e-5, 1e-1), z: randn(3, 2) },
  },
  {
    name: 'multiples and whole numbers',
    space: {
      q: quniform(0, 0.9, 0.3),
      log: qloguniform(0.5, 8, 0.5),
      normal: qrandn(0, 1, 0.1),
      whole: randint(-3, 4),
      layers: [lograndint(1, 100), { width: qrandint(8, 64, 8) }, qlograndint(2, 32, 2)],
    },
  },
  {
    name: 'choices',
    space: {
      name: choice(['adam', 'sgd', 'lamb']),
      size: choice([16, 32, 64, 128], { ordered: true }),
      any: choice<readonly unknown[]>([null, true, { nested: [1, 2] }, [3, 'four']]),
      constant: 'fixed',
    },
  },
  {
    name: 'branches',
    space: {
      x: uniform(0, 1),
      optimizer: choice<readonly unknown[]>([
        { kind: 'sgd', momentum: uniform(0, 0.99), lr: loguniform(1e-4, 1) },
        {
          kind: 'adam',
          inner: choice<readonly unknown[]>([{ beta: uniform(0.8, 1) }, { steps: randint(1, 9) }]),
        },
        'none',
      ]),
    },
  },
  {
    name: 'few configs',
    space: { a: choice(['x', 'y']), b: randint(0, 3) },
    size: 6,
  },
  { name: 'one config', space: { only: choice(['this']) }, size: 1 },
  {
    name: 'constraints',
    space: { x: uniform(0, 1), n: randint(1, 10) },
    constraint: ({ x }: { readonly x: number }) => x < 0.5,
  },
];

const METRICS: readonly { readonly name: string; readonly metrics: SearcherSetup['metrics'] }[] = [
  { name: 'no metric', metrics: [] },
  { name: 'one metric', metrics: [{ name: 'loss', mode: 'min' }] },
  { name: 'a nested metric', metrics: [{ name: 'eval.score', mode: 'max' }] },
  {
    name: 'two metrics',
    metrics: [
      { name: 'loss', mode: 'min' },
      { name: 'score', mode: 'max' },
    ],
  },
];

/** All cases; each space is tried with one metric, and the first and the one with branches with any. */
export function searcherCases(): SearcherCase[] {
  return SPACES.flatMap(({ name, space, size, constraint }) =>
    METRICS.filter(
      ({ metrics }) => metrics[0]?.name === 'loss' || name === 'floats' || name === 'branches',
    )
      .filter(({ metrics }) => metrics.length < 2 || name === 'floats' || name === 'branches')
      .map((each) => ({
        name: `${name}, ${each.name}`,
        space: new Space(space, 'checkSearcher()'),
        metrics: each.metrics,
        size: size ?? Infinity,
        constraint: constraint ?? null,
      })),
  );
}

/** What comes of a trial: a function of its number and its values, so that it is the same in every run. */
export function outcomeOf(
  number: number,
  values: readonly number[],
  metrics: SearcherSetup['metrics'],
): TrialOutcome {
  const score = values.reduce(
    (sum, value, index) => sum + (Number.isNaN(value) ? 0.5 : Math.abs(Math.sin(value + index))),
    0,
  );
  const reports = [2, 1].map((left) =>
    Object.fromEntries(metrics.map(({ name }, index) => [name, (score + left) * (1 - 2 * index)])),
  );
  const finished = { status: 'TERMINATED', stopReason: 'finished', reports, violation: 0 } as const;
  const withLast = (value: number): TrialOutcome => ({
    ...finished,
    reports: [reports[0]!, Object.fromEntries(metrics.map(({ name }) => [name, value]))],
  });
  switch (number % 12) {
    case 2:
      return { ...finished, stopReason: 'scheduler', reports: [reports[0]!] };
    case 4:
      return { ...finished, status: 'ERROR', stopReason: null };
    case 5:
      return { ...finished, status: 'ERROR', stopReason: null, reports: [] };
    case 6:
      return withLast(NaN);
    case 8:
      return withLast(Infinity);
    case 9:
      return withLast(-Infinity);
    case 10:
      return { ...finished, violation: 2.5 };
    case 11:
      return { ...finished, stopReason: 'experiment', reports: [] };
    default:
      return finished;
  }
}
