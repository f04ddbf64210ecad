/** Ends the experiment when its best results have settled. Ray's `ExperimentPlateauStopper`. */

import { checkOptions, count, invalid, text } from '../../option-checks.ts';
import { metricAt } from '../metrics.ts';
import { insertSorted } from '../schedulers/order-statistics.ts';
import { mode as modeCheck, numberWithin } from '../option-values.ts';
import type { Mode } from '../types.ts';
import { standardDeviation } from './standard-deviation.ts';
import { PASSIVE, activate, described, modeOf } from './stopper.ts';
import type { ActivatedStopper, ActiveStopper, Stopper } from './stopper.ts';

/** Options of {@link experimentPlateauStopper}. */
export interface ExperimentPlateauStopperOptions {
  /** By its path. Reports without it, and NaN and infinite values, do not count. */
  readonly metric: string;
  /** The best results have settled when their standard deviation is at most this. @default 0.001 */
  readonly std?: number | undefined;
  /** How many results, of whichever trials: 2 or more. @default 10 */
  readonly top?: number | undefined;
  /** @default the Tuner's if it goes by this metric, else 'min' */
  readonly mode?: Mode | undefined;
  /** For how many reports they have to stay so. @default 0 */
  readonly patience?: number | undefined;
}

const CALL = 'experimentPlateauStopper()';
const CHECKS = {
  metric: text,
  std: numberWithin({ above: 0 }),
  top: count(2, ''),
  mode: modeCheck,
  patience: count(0, ''),
};

/** @throws InvalidArgumentError */
export function experimentPlateauStopper(
  options: ExperimentPlateauStopperOptions,
): ActivatedStopper {
  const { metric, ...given } = checkOptions(CALL, CHECKS, options);
  if (metric === undefined) throw invalid({ call: CALL, name: 'metric' }, metric, 'a metric');
  const settings = { std: 0.001, top: 10, patience: 0, ...given, metric };
  return {
    ...plateau(settings, given.mode ?? 'min'),
    [described]: { name: 'experimentPlateauStopper', args: [options] },
    [activate]: (objective): ActiveStopper => ({
      ...PASSIVE,
      ...plateau(settings, given.mode ?? modeOf(objective, metric) ?? 'min'),
    }),
  };
}

interface Settings {
  readonly metric: string;
  readonly std: number;
  readonly top: number;
  readonly patience: number;
}

function plateau({ metric, std, top, patience }: Settings, mode: Mode): Stopper {
  /** Ascending. */
  const best: number[] = [];
  /** How many reports in a row have found the best settled. */
  let settledFor = 0;
  const hasSettled = (): boolean => best.length === top && standardDeviation(best) <= std;
  const isOver = (): boolean => hasSettled() && settledFor >= patience;
  return {
    onResult(_trialId, metrics) {
      const value = metricAt(metrics, metric);
      if (typeof value !== 'number' || !Number.isFinite(value)) return false;
      insertSorted(best, value);
      if (best.length > top) {
        if (mode === 'min') best.pop();
        else best.shift();
      }
      settledFor = hasSettled() ? settledFor + 1 : 0;
      return isOver();
    },
    stopAll: isOver,
  };
}
