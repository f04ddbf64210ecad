/** Ends the experiment when no trial has become the best one for long. */

import { checkOptions, count, text } from '../../option-checks.ts';
import { InvalidArgumentError } from '../../index.ts';
import { metricAt } from '../metrics.ts';
import { mode as modeCheck } from '../option-values.ts';
import type { Mode } from '../types.ts';
import { PASSIVE, activate, described, modeOf } from './stopper.ts';
import type { ActivatedStopper, ActiveStopper, StopObjective } from './stopper.ts';

/** Options of {@link stagnationStopper}. */
export interface StagnationStopperOptions {
  /** How many trials have to end in a row without one of them being the best so far. @default 30 */
  readonly trials?: number | undefined;
  /** By its path. @default the Tuner's; with several, it has to be given */
  readonly metric?: string | undefined;
  /** @default the Tuner's */
  readonly mode?: Mode | undefined;
}

const CALL = 'stagnationStopper()';
const CHECKS = { trials: count(1, ''), metric: text, mode: modeCheck };

/**
 * Counts trials that have ended, those too that were stopped. A trial is worth what its last report says.
 *
 * @throws InvalidArgumentError; when the experiment begins, if it has no metric, or several and none is given here
 */
export function stagnationStopper(options?: StagnationStopperOptions): ActivatedStopper {
  const given = checkOptions(CALL, CHECKS, options);
  const { trials = 30 } = given;
  return {
    // By hand nobody tells it that trials end.
    onResult: () => false,
    stopAll: () => false,
    [described]: { name: 'stagnationStopper', args: options === undefined ? [] : [options] },
    [activate](objective): ActiveStopper {
      const { metric, mode } = goalOf(given, objective);
      let best: number | undefined;
      let sinceBest = 0;
      return {
        ...PASSIVE,
        stopAll: () => sinceBest >= trials,
        onTrialComplete(_trialId, metrics) {
          const value = metricAt(metrics, metric);
          const isBest =
            typeof value === 'number' &&
            Number.isFinite(value) &&
            (best === undefined || (mode === 'max' ? value > best : value < best));
          if (isBest) best = value;
          sinceBest = isBest ? 0 : sinceBest + 1;
        },
      };
    },
  };
}

function goalOf(
  given: { readonly metric?: string; readonly mode?: Mode },
  objective: StopObjective,
): { metric: string; mode: Mode } {
  const only = objective.metrics.length === 1 ? objective.metrics[0] : undefined;
  const metric = given.metric ?? only;
  if (metric === undefined) {
    throw new InvalidArgumentError(
      `${CALL}: there is no metric; give it here or to the Tuner (with several metrics, here)`,
      { argument: 'metric' },
    );
  }
  const mode = given.mode ?? modeOf(objective, metric);
  if (mode === undefined) {
    throw new InvalidArgumentError(`${CALL}: there is no mode for ${metric}; give it here`, {
      argument: 'mode',
    });
  }
  return { metric, mode };
}
