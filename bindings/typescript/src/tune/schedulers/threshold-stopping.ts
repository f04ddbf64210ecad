/** Stops a trial whose metric leaves the given bounds. Optuna's `ThresholdPruner`. */

import { checkOptions, count, invalid } from '../../option-checks.ts';
import { Curve, isCheckDue } from './curve.ts';
import { TrialQueue } from './fifo.ts';
import { Objective } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import type { Scheduler } from './scheduler.ts';

/** Options of {@link thresholdStopping}: at least one of `lower` and `upper`. Steps are `trainingIteration`s. */
export interface ThresholdStoppingOptions extends ObjectiveOptions {
  /** What is less stops the trial. */
  readonly lower?: number | undefined;
  /** What is more stops the trial. */
  readonly upper?: number | undefined;
  /** No trial is stopped before this step. @default 0 */
  readonly numWarmupSteps?: number | undefined;
  /** Trials are looked at each so many steps. @default 1 */
  readonly intervalSteps?: number | undefined;
}

const CALL = 'thresholdStopping()';
const CHECKS = {
  ...objectiveChecks,
  lower: numberWithin({}),
  upper: numberWithin({}),
  numWarmupSteps: count(0, ''),
  intervalSteps: count(1, ''),
};

/** NaN and infinite values are out of bounds, too. @throws InvalidArgumentError */
export function thresholdStopping(options: ThresholdStoppingOptions): Scheduler {
  const given = checkOptions(CALL, CHECKS, options);
  const { lower = -Infinity, upper = Infinity } = given;
  if (given.lower === undefined && given.upper === undefined) {
    throw invalid({ call: CALL, name: 'lower' }, undefined, 'a number here or for upper, or both');
  }
  if (lower > upper) {
    throw invalid({ call: CALL, name: 'lower' }, lower, `a number up to upper, ${upper}`);
  }
  const interval = { numWarmupSteps: 0, intervalSteps: 1, ...given };
  const objective = new Objective(CALL, given, 'metric');
  const running = new Map<string, Curve>();
  const queue = new TrialQueue();
  const forget = ({ id }: { readonly id: string }): void => void running.delete(id);
  return {
    description: { name: 'thresholdStopping', options: given },
    setup: (setup) => objective.begin(setup),
    onTrialResult({ id }, metrics) {
      const value = objective.reported(metrics);
      if (value === undefined) return 'CONTINUE';
      let curve = running.get(id);
      if (curve === undefined) running.set(id, (curve = new Curve()));
      curve.record(metrics.trainingIteration, value);
      if (!isCheckDue(curve, interval)) return 'CONTINUE';
      const isWithin = Number.isFinite(value) && value >= lower && value <= upper;
      return isWithin ? 'CONTINUE' : 'STOP';
    },
    onTrialComplete: forget,
    onTrialRemove: forget,
    onTrialError: forget,
    chooseTrialToRun: (control) => queue.next(control),
  };
}
