/**
 * The searchers that users name. What they do is in the native module, an algorithm in each file of `crates/search`; names and
 * defaults are Optuna 5's (https://optuna.readthedocs.io/en/stable/reference/samplers/index.html).
 */

import { InvalidArgumentError } from '../../index.ts';
import {
  type Check,
  type Place,
  checkOptions,
  count,
  flag,
  invalid,
  oneOf,
} from '../../option-checks.ts';
import { numberWithin } from '../option-values.ts';
import { multipleOf } from '../space/domain.ts';
import type { Parameter } from '../space/space.ts';
import { NativeSearcher } from './native-searcher.ts';
import type { Searcher } from './searcher.ts';

/** The least and the greatest seed: numbers that are whole in JavaScript. */
export const SEED_MAX = Number.MAX_SAFE_INTEGER;

/** No population is larger, also where `cmaes()` lets it grow: all points of a generation are kept until it is complete. */
const POPULATION_MAX = 100_000;

/** An option of all searchers. */
export interface SeedOption {
  /** @default that of the experiment */
  readonly seed?: number;
}

/** Options of {@link sobol} and {@link halton}. */
export interface SequenceOptions extends SeedOption {
  /** Without it the points are scipy's, from the first one on, which is all zeros. @default true */
  readonly scramble?: boolean | undefined;
}

/** Options of {@link tpe}. */
export interface TpeOptions extends SeedOption {
  /** So many finished trials have random configs first. @default 10 */
  readonly numStartupTrials?: number | undefined;
  /** Of so many candidates the best one is proposed. @default 24 */
  readonly numEiCandidates?: number | undefined;
  /** Parameters are estimated together. @default true with one metric */
  readonly multivariate?: boolean | undefined;
  /** Parameters that exist together are estimated as a group. @default true */
  readonly group?: boolean | undefined;
  /** Trials that run count as bad ones, so that others stay away. @default true */
  readonly constantLiar?: boolean | undefined;
  /** A config that was tried before is replaced by a random one. @default true */
  readonly skipDuplicates?: boolean | undefined;
}

/** Options of {@link cmaes}. */
export interface CmaesOptions extends SeedOption {
  /** Where it starts, by the names of parameters. @default the middle */
  readonly x0?: Readonly<Record<string, number>> | undefined;
  /** How wide it starts, as a part of each range. @default 1/6 */
  readonly sigma0?: number | undefined;
  /** From 2 to 100,000. @default 4 + ⌊3 ln d⌋ */
  readonly populationSize?: number | undefined;
  /** What to do when nothing more comes of a distribution. @default 'ipop' */
  readonly restartStrategy?: 'ipop' | 'bipop' | 'none' | undefined;
  /** How many times larger the next population is, up to 100,000; no population grows beyond that either. @default 2 */
  readonly incPopsize?: number | undefined;
  /** The axes of the distribution are those of the parameters. @default false */
  readonly separable?: boolean | undefined;
  /** Parameters with steps keep a chance to change. @default !separable */
  readonly withMargin?: boolean | undefined;
  /** So many finished trials have random configs first. @default 1 */
  readonly numStartupTrials?: number | undefined;
}

/** Options of {@link nsga2}. */
export interface Nsga2Options extends SeedOption {
  /** Trials of a generation, from 2 to 100,000. @default 50 */
  readonly populationSize?: number | undefined;
  /** How numbers of two parents are mixed. @default 'uniform' */
  readonly crossover?: 'uniform' | 'sbx' | 'blxAlpha' | undefined;
  /** How often a child has two parents. @default 0.9 */
  readonly crossoverProb?: number | undefined;
  /** How often a value is the second parent's. @default 0.5 */
  readonly swappingProb?: number | undefined;
  /** How often a value is drawn anew. @default 1/d */
  readonly mutationProb?: number | undefined;
}

/** Options of {@link gp}. */
export interface GpOptions extends SeedOption {
  /** So many finished trials have random configs first. @default 10 */
  readonly numStartupTrials?: number | undefined;
  /** The metric has no noise: the same config always has the same result. @default false */
  readonly deterministicObjective?: boolean | undefined;
  /** A config that was tried before is replaced by a random one. @default true */
  readonly skipDuplicates?: boolean | undefined;
}

/** Options of {@link bohb}. */
export interface BohbOptions extends SeedOption {
  /** So many trials of a budget are good at least, and so many bad. @default d + 1 */
  readonly minPointsInModel?: number | undefined;
  /** So many percent of a budget's trials are good. @default 15 */
  readonly topNPercent?: number | undefined;
  /** Of so many candidates the best one is proposed. @default 64 */
  readonly numSamples?: number | undefined;
  /** So large a part of all trials is random. @default 1/3 */
  readonly randomFraction?: number | undefined;
  /** Candidates are drawn from kernels that are wider by this. @default 3 */
  readonly bandwidthFactor?: number | undefined;
  /** No kernel is narrower than this part of its range. @default 1e-3 */
  readonly minBandwidth?: number | undefined;
}

/** A seed: a whole number that is not negative. */
export const seedCheck: Check<number> = (value, place) => {
  if (!Number.isSafeInteger(value) || (value as number) < 0) {
    throw invalid(place, value, `a whole number from 0 to ${SEED_MAX}`);
  }
  return value as number;
};

const above0 = numberWithin({ above: 0 });
const probability = numberWithin({ minimum: 0, maximum: 1 });

const SEQUENCE_CHECKS = { seed: seedCheck, scramble: flag };

const TPE_CHECKS = {
  seed: seedCheck,
  numStartupTrials: count(0, ''),
  numEiCandidates: count(1, ''),
  multivariate: flag,
  group: flag,
  constantLiar: flag,
  skipDuplicates: flag,
};

const CMAES_CHECKS = {
  seed: seedCheck,
  x0: numbersByName,
  sigma0: above0,
  populationSize: count(2, '', POPULATION_MAX),
  restartStrategy: oneOf(['ipop', 'bipop', 'none'], ', '),
  incPopsize: count(1, '', POPULATION_MAX),
  separable: flag,
  withMargin: flag,
  numStartupTrials: count(0, ''),
};

const NSGA2_CHECKS = {
  seed: seedCheck,
  populationSize: count(2, '', POPULATION_MAX),
  crossover: oneOf(['uniform', 'sbx', 'blxAlpha'], ', '),
  crossoverProb: probability,
  swappingProb: probability,
  mutationProb: probability,
};

const GP_CHECKS = {
  seed: seedCheck,
  numStartupTrials: count(0, ''),
  deterministicObjective: flag,
  skipDuplicates: flag,
};

const BOHB_CHECKS = {
  seed: seedCheck,
  minPointsInModel: count(1, ''),
  topNPercent: count(1, ' of percent', 99),
  numSamples: count(1, ''),
  randomFraction: probability,
  bandwidthFactor: above0,
  minBandwidth: above0,
};

/**
 * Scrambled Sobol points: they fill the space more evenly than random ones. Joe and Kuo, 2008; Optuna's `QMCSampler`.
 *
 * @throws InvalidArgumentError
 */
export function sobol(options?: SequenceOptions): Searcher {
  return sequence('sobol', options);
}

/** Halton points, scrambled. Optuna's `QMCSampler`. @throws InvalidArgumentError */
export function halton(options?: SequenceOptions): Searcher {
  return sequence('halton', options);
}

/**
 * The tree-structured Parzen estimator, with the decisions of Optuna 5's `TPESampler`. Takes one metric or several.
 *
 * @throws InvalidArgumentError
 */
export function tpe(options?: TpeOptions): Searcher {
  const given = checkOptions('tpe()', TPE_CHECKS, options);
  const { seed, skipDuplicates, ...rest } = given;
  return new NativeSearcher({
    given,
    name: 'tpe',
    algorithm: () => ({ name: 'tpe', ...rest }),
    seed,
    metricsMax: Infinity,
    skipDuplicates: skipDuplicates ?? true,
    proposalsMore: 20,
    isAdaptive: true,
    hasScores: true,
  });
}

/**
 * CMA-ES (Hansen), with restarts, for the parameters that are numbers and always exist; all others are random. Optuna's
 * `CmaEsSampler`. As there, a trial that breaks `outcomeConstraints` counts as what its metric says: they have no influence on what is
 * proposed next. Of `parameterConstraints` it learns nothing either: a config that was tried instead of one that they refuse is left
 * out, and the generation waits for another trial.
 *
 * @throws InvalidArgumentError
 */
export function cmaes(options?: CmaesOptions): Searcher {
  const given = checkOptions('cmaes()', CMAES_CHECKS, options);
  if (given.separable === true && given.withMargin === true) {
    throw new InvalidArgumentError(
      'cmaes(): separable and withMargin are both true; allowed: one of them',
      { argument: 'withMargin', value: true },
    );
  }
  return new NativeSearcher({
    given,
    name: 'cmaes',
    algorithm: (parameters) => ({
      name: 'cmaes',
      start: given.x0 === undefined ? undefined : placesOf(given.x0, parameters),
      sigma: given.sigma0,
      population: given.populationSize,
      restart: given.restartStrategy,
      growth: given.incPopsize,
      separable: given.separable,
      withMargin: given.withMargin ?? given.separable !== true,
      numStartupTrials: given.numStartupTrials,
    }),
    seed: given.seed,
    metricsMax: 1,
    skipDuplicates: false,
    isAdaptive: true,
    hasScores: false,
    remembersProposals: true,
  });
}

/**
 * A Gaussian process with a Matern kernel, and the expected improvement: for few, dear trials. Optuna 5's `GPSampler`.
 *
 * @throws InvalidArgumentError
 */
export function gp(options?: GpOptions): Searcher {
  const given = checkOptions('gp()', GP_CHECKS, options);
  const { seed, skipDuplicates, ...rest } = given;
  return new NativeSearcher({
    given,
    name: 'gp',
    algorithm: () => ({ name: 'gp', ...rest }),
    seed,
    metricsMax: 1,
    skipDuplicates: skipDuplicates ?? true,
    isAdaptive: true,
    hasScores: true,
  });
}

/**
 * BOHB (Falkner, 2018): kernel densities of the largest budget that has enough trials. Goes with `hyperbandForBohb()`. Ray's `TuneBOHB`.
 *
 * @throws InvalidArgumentError
 */
export function bohb(options?: BohbOptions): Searcher {
  const given = checkOptions('bohb()', BOHB_CHECKS, options);
  const { seed, ...rest } = given;
  return new NativeSearcher({
    given,
    name: 'bohb',
    algorithm: () => ({ name: 'bohb', ...rest }),
    seed,
    metricsMax: 1,
    skipDuplicates: false,
    isAdaptive: true,
    hasScores: false,
    learnsFromReports: true,
  });
}

/** NSGA-II (Deb, 2002), Optuna's `NSGAIISampler`. Takes one metric or several. @throws InvalidArgumentError */
export function nsga2(options?: Nsga2Options): Searcher {
  const given = checkOptions('nsga2()', NSGA2_CHECKS, options);
  const { seed, populationSize, ...rest } = given;
  return new NativeSearcher({
    given,
    name: 'nsga2',
    algorithm: () => ({ name: 'nsga2', population: populationSize, ...rest }),
    seed,
    metricsMax: Infinity,
    skipDuplicates: false,
    isAdaptive: true,
    hasScores: false,
    remembersProposals: true,
  });
}

function sequence(name: 'sobol' | 'halton', options: SequenceOptions | undefined): Searcher {
  const given = checkOptions(`${name}()`, SEQUENCE_CHECKS, options);
  const { seed, scramble } = given;
  return new NativeSearcher({
    given,
    name,
    algorithm: () => ({ name, scramble: scramble ?? true }),
    seed,
    metricsMax: 0,
    skipDuplicates: false,
    isAdaptive: false,
    isSequence: true,
    hasScores: false,
  });
}

/** Where each parameter starts, on its own scale; the middle where nothing is said. */
function placesOf(
  x0: Readonly<Record<string, number>>,
  parameters: readonly Parameter[],
): readonly number[] {
  const unknown = Object.keys(x0).find((name) => !parameters.some((each) => each.name === name));
  if (unknown !== undefined) {
    const names = parameters.map(({ name }) => name).join(', ');
    throw invalid({ call: 'cmaes()', name: `x0.${unknown}` }, x0[unknown], `one of ${names}`);
  }
  return parameters.map(({ name, range }) => x0[name] ?? middleOf(range));
}

function middleOf(range: Parameter['range']): number {
  switch (range.form) {
    case 'float':
      return range.isLog ? Math.sqrt(range.low * range.high) : (range.low + range.high) / 2;
    case 'multiples': {
      const { first, last, step, isLog } = range;
      return isLog
        ? Math.sqrt((first - 0.5) * (last + 0.5)) * step
        : multipleOf((first + last) / 2, step);
    }
    case 'normal':
      return range.mean;
    case 'choice':
      return 0;
  }
}

function numbersByName(value: unknown, place: Place): Record<string, number> {
  const isRight =
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((each) => typeof each === 'number' && Number.isFinite(each));
  if (!isRight) throw invalid(place, value, 'an object of numbers by the names of parameters');
  return { ...(value as Record<string, number>) };
}
