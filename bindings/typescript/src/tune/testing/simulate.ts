/** `simulate`: what would come of an experiment, at once and without running anything. Its options, and what it returns. */

import { InvalidArgumentError, NotSupportedError } from '../../index.ts';
import { callback, checkOptions, count, invalid } from '../../option-checks.ts';
import { numberWithin } from '../option-values.ts';
import { errorOf } from '../experiment/error-record.ts';
import { rankingOf } from '../results/kept-checkpoints.ts';
import { resultOf } from '../results/result.ts';
import type { Scheduler } from '../schedulers/scheduler.ts';
import type { Searcher } from '../search/searcher.ts';
import type { Config, RandomNumbers } from '../space/domain.ts';
import type { StopCondition } from '../stoppers/stopper.ts';
import { SEARCH_CHECKS, searchSettings } from '../tuner/settings.ts';
import type { Metrics, Mode, Result } from '../types.ts';
import { Simulation } from './simulation.ts';

/** Options of {@link simulate}. */
export interface SimulateOptions<Space> {
  /** What a trial with this config reports at an iteration: 1, 2, … With `done: true` it is its last report, as of a class's `step`. */
  readonly objective: (
    config: Config<Space>,
    iteration: number,
  ) => Metrics & { readonly done?: boolean };
  /** Domains, constants, and objects and arrays of them. @default {} */
  readonly space?: Space;
  /** The name of the metric, or its path (`eval.loss`), or several. */
  readonly metric?: string | readonly string[];
  /** Whether less or more is better; as many as metrics. */
  readonly mode?: Mode | readonly Mode[];
  /** How often the space is sampled, times the size of its grid. @default 1; Infinity with `grid()` */
  readonly numSamples?: number;
  /** @default basicVariant() */
  readonly search?: Searcher;
  /** @default fifo() */
  readonly scheduler?: Scheduler;
  /** How many trials run at a time; each takes one CPU of as many, unless `resourceChanging` gives it more. @default 1 */
  readonly workers?: number;
  /**
   * How many milliseconds a trial takes for the report of an iteration. `random` is a seeded `Math.random`: a trial's own, so that
   * its times are the same whatever the others do.
   *
   * @default () => 1
   */
  readonly duration?: (config: Config<Space>, iteration: number, random: RandomNumbers) => number;
  /**
   * How likely a report is lost: its time is spent, and the trial goes on from the last one, as after a failure. From 0 up to,
   * and without, 1. @default 0
   */
  readonly dropProbability?: number;
  /** When a trial, or all of them, have run for long enough. */
  readonly stop?: StopCondition;
  /** For all that is random. @default 0: a simulation repeats unless it is told otherwise */
  readonly seed?: number;
}

/** What came of a simulation. */
export interface SimulationResult<C = unknown> {
  /** By number. They have checkpoints, whose states are not there: `load` rejects. */
  readonly trials: readonly Result<C>[];
  /** When the last trial ended, in milliseconds. */
  readonly timeMs: number;
  /** How long all workers together were busy, in milliseconds: at most `workers` times `timeMs`. */
  readonly busyMs: number;
}

const CALL = 'simulate()';

const CHECKS = {
  space: SEARCH_CHECKS.space,
  metric: SEARCH_CHECKS.metric,
  mode: SEARCH_CHECKS.mode,
  numSamples: SEARCH_CHECKS.numSamples,
  search: SEARCH_CHECKS.search,
  scheduler: SEARCH_CHECKS.scheduler,
  seed: SEARCH_CHECKS.seed,
  stop: SEARCH_CHECKS.stop,
  objective: callback,
  workers: count(1, ''),
  duration: callback,
  dropProbability: numberWithin({ minimum: 0, maximum: 1 }),
};

/**
 * Runs an experiment on a virtual clock, with the controller, the scheduler and the searcher that a Tuner would run it with. Trials
 * save their state with every report, and what pauses, is lost or is exploited goes on from there. What `objective` throws fails its
 * trial for good.
 *
 * ```ts
 * const { trials, timeMs } = simulate({
 *   scheduler: asha({ maxT: 81 }),
 *   space: { lr: loguniform(1e-5, 1e-1) },
 *   objective: ({ lr }, iteration) => ({ loss: Math.abs(Math.log10(lr) + 3) / iteration }),
 *   metric: 'loss', mode: 'min', numSamples: 200, workers: 16,
 *   duration: (config, iteration, random) => 1000 + 500 * random(),
 * });
 * ```
 *
 * @throws InvalidArgumentError for wrong options, and where nothing ever ends the trials
 * @throws what the searcher, the scheduler, `stop` or `duration` throw @throws SpaceError
 */
export function simulate<const Space extends object = Record<never, never>>(
  options: SimulateOptions<Space>,
): SimulationResult<Config<Space>> {
  const given = checkOptions(CALL, CHECKS, options);
  const { objective, workers = 1, duration = () => 1, dropProbability = 0, ...search } = given;
  if (objective === undefined) {
    throw invalid({ call: CALL, name: 'objective' }, undefined, 'a function');
  }
  if (dropProbability === 1) {
    throw new InvalidArgumentError(
      `${CALL}: dropProbability is 1, and no report would ever arrive; allowed: less`,
      { argument: 'dropProbability', value: 1 },
    );
  }
  const simulation: Simulation = new Simulation({
    call: CALL,
    settings: searchSettings(CALL, { seed: 0, ...search }, () => simulation.nowMs),
    objective: objective as unknown as (config: unknown, iteration: number) => unknown,
    workers,
    duration: duration as (config: unknown, iteration: number, random: RandomNumbers) => unknown,
    dropProbability,
  });
  const { experiment, failures, timeMs, busyMs } = simulation.run();
  const context = {
    path: null,
    ranking: rankingOf(experiment.header),
    revive: {
      error: (record: Parameters<typeof errorOf>[0], { header }: { header: { number: number } }) =>
        failures.get(header.number) ?? errorOf(record),
      checkpoint: virtualCheckpoint,
    },
  };
  return Object.freeze({
    trials: Object.freeze(
      experiment.trials.map((trial) => resultOf<Config<Space>>(trial, context)),
    ),
    timeMs,
    busyMs,
  });
}

function virtualCheckpoint(
  { iteration }: { readonly iteration: number },
  metrics: Result['history'][number] | null,
): NonNullable<Result['checkpoint']> {
  return Object.freeze({
    path: null,
    iteration,
    metrics,
    load: () =>
      Promise.reject(
        new NotSupportedError('load(): a simulated trial has no state', { feature: 'load' }),
      ),
  });
}
