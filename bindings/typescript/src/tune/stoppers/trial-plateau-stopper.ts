/** Stops a trial whose metric has settled. Ray's `TrialPlateauStopper`. */

import { checkOptions, count, invalid, text } from '../../option-checks.ts';
import { metricAt } from '../metrics.ts';
import { mode as modeCheck, numberWithin } from '../option-values.ts';
import type { Mode } from '../types.ts';
import { standardDeviation } from './standard-deviation.ts';
import { type DescribedStopper, described } from './stopper.ts';

/** Options of {@link trialPlateauStopper}. */
export interface TrialPlateauStopperOptions {
  /** By its path. Reports without it do not count. */
  readonly metric: string;
  /** It has settled when the standard deviation of the last results is below this. @default 0.01 */
  readonly std?: number | undefined;
  /** Of how many results. @default 4 */
  readonly numResults?: number | undefined;
  /** How many reports there are at least. @default 4 */
  readonly gracePeriod?: number | undefined;
  /** A trial that has not come to this goes on. Needs `mode`. */
  readonly metricThreshold?: number | undefined;
  /** Whether the threshold is to be reached from above (`'min'`) or from below (`'max'`). */
  readonly mode?: Mode | undefined;
}

const CALL = 'trialPlateauStopper()';
const CHECKS = {
  metric: text,
  std: numberWithin({ minimum: 0 }),
  numResults: count(1, ''),
  gracePeriod: count(0, ''),
  metricThreshold: numberWithin({}),
  mode: modeCheck,
};

/** @throws InvalidArgumentError */
export function trialPlateauStopper(options: TrialPlateauStopperOptions): DescribedStopper {
  const given = checkOptions(CALL, CHECKS, options);
  const { metric, metricThreshold, mode, std = 0.01, numResults = 4, gracePeriod = 4 } = given;
  if (metric === undefined) throw invalid({ call: CALL, name: 'metric' }, metric, 'a metric');
  if (metricThreshold !== undefined && mode === undefined) {
    throw invalid({ call: CALL, name: 'mode' }, mode, "'min' or 'max', with metricThreshold");
  }
  const trials = new Map<string, { count: number; last: number[] }>();

  function isShortOfThreshold(value: number): boolean {
    if (metricThreshold === undefined) return false;
    return mode === 'min' ? value > metricThreshold : value < metricThreshold;
  }

  return {
    onResult(trialId, metrics) {
      const value = metricAt(metrics, metric);
      if (typeof value !== 'number') return false;
      let trial = trials.get(trialId);
      if (trial === undefined) trials.set(trialId, (trial = { count: 0, last: [] }));
      trial.count += 1;
      trial.last.push(value);
      if (trial.last.length > numResults) trial.last.shift();
      if (trial.count < gracePeriod || trial.last.length < numResults) return false;
      // With NaN or an infinite value among them the deviation is no number, and not below anything.
      return !isShortOfThreshold(value) && standardDeviation(trial.last) < std;
    },
    stopAll: () => false,
    [described]: { name: 'trialPlateauStopper', args: [options] },
  };
}
