/**
 * Asynchronous successive halving, in both forms: Ray's, which stops (`asha-stopping.ts`), and the paper's, which pauses and
 * promotes (`asha-promotion.ts`).
 *
 * Li et al., "A System for Massively Parallel Hyperparameter Tuning" (2018); Ray's `AsyncHyperBandScheduler`.
 */

import { checkOptions, count, flag, invalid, oneOf, text } from '../../option-checks.ts';
import { promotingAsha } from './asha-promotion.ts';
import type { AshaSettings } from './asha-settings.ts';
import { stoppingAsha } from './asha-stopping.ts';
import { Objective } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import { rungsOf } from './rungs.ts';
import type { Scheduler } from './scheduler.ts';

/** Options of {@link asha}. Times are in units of `timeAttr`. */
export interface AshaOptions extends ObjectiveOptions {
  /**
   * `'stopping'`: a trial that is not among the best at a rung stops there, as Ray has it. `'promotion'`: every trial pauses at its
   * rung, and the best go on. @default 'stopping'
   */
  readonly type?: 'stopping' | 'promotion' | undefined;
  /** What of a report tells how far a trial is. @default 'trainingIteration' */
  readonly timeAttr?: string | undefined;
  /** The most that a trial runs for. @default 100 */
  readonly maxT?: number | undefined;
  /** What each trial runs for at least. @default 1 */
  readonly gracePeriod?: number | undefined;
  /** One in so many goes on at a rung. @default 4 */
  readonly reductionFactor?: number | undefined;
  /** Ladders that begin one rung higher each; a trial is put on one at random. @default 1 */
  readonly brackets?: number | undefined;
  /** Whether trials stop at `maxT`. @default true */
  readonly stopLastTrials?: boolean | undefined;
}

const CALL = 'asha()';
const CHECKS = {
  ...objectiveChecks,
  type: oneOf(['stopping', 'promotion']),
  timeAttr: text,
  maxT: numberWithin({ above: 0 }),
  gracePeriod: numberWithin({ above: 0 }),
  reductionFactor: numberWithin({ above: 1 }),
  brackets: count(1, '', 1000),
  stopLastTrials: flag,
};

/**
 * Ends trials early that are worse than others which have run for as long: at `gracePeriod · reductionFactor^k`, for each k up to
 * `maxT`, about one in `reductionFactor` goes on. It never waits: there is no time at which all trials have to be there.
 *
 * @throws InvalidArgumentError
 */
export function asha(options?: AshaOptions): Scheduler {
  const given = checkOptions(CALL, CHECKS, options);
  const settings: AshaSettings = {
    timeAttr: 'trainingIteration',
    maxT: 100,
    gracePeriod: 1,
    reductionFactor: 4,
    brackets: 1,
    stopLastTrials: true,
    ...given,
  };
  if (settings.gracePeriod > settings.maxT) {
    throw invalid(
      { call: CALL, name: 'gracePeriod' },
      settings.gracePeriod,
      `a number up to maxT, ${settings.maxT}`,
    );
  }
  const rungs = rungsOf(settings, CALL);
  const objective = new Objective(CALL, given);
  const make = given.type === 'promotion' ? promotingAsha : stoppingAsha;
  return { description: { name: 'asha', options: given }, ...make(settings, rungs, objective) };
}
