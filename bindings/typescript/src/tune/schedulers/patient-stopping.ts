/**
 * Lets another scheduler stop a trial only when that has not become better for some reports. Optuna's `PatientPruner`.
 *
 * - PA-1 The scheduler within hears all; only its STOP is held back, and it is told so.
 */

import { checkOptions, count, invalid } from '../../option-checks.ts';
import { Curve } from './curve.ts';
import { checkScheduler, describedWith, handedOn } from './inner-scheduler.ts';
import { Objective } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import type { Scheduler } from './scheduler.ts';

/** Options of {@link patientStopping}. */
export interface PatientStoppingOptions extends ObjectiveOptions {
  /** For how many reports beyond one a trial may fail to become better. */
  readonly patience: number;
  /** By how much more than this it has to be worse. @default 0 */
  readonly minDelta?: number | undefined;
}

const CALL = 'patientStopping()';
const CHECKS = {
  ...objectiveChecks,
  patience: count(0, ''),
  minDelta: numberWithin({ minimum: 0 }),
};

/**
 * A trial stops when the scheduler says so and the best of its last `patience + 1` reports is worse than what it had before, by
 * more than `minDelta`. Also a stop at `maxT` waits for that.
 *
 * @throws InvalidArgumentError also for schedulers that pause trials: their halvings would not come about
 */
export function patientStopping(scheduler: Scheduler, options: PatientStoppingOptions): Scheduler {
  const inner = checkScheduler(scheduler, CALL);
  if (inner.pauses === true) {
    throw invalid(
      { call: CALL, name: 'scheduler' },
      scheduler,
      'a scheduler that pauses no trials',
    );
  }
  const given = checkOptions(CALL, CHECKS, options);
  const { patience, minDelta = 0 } = given;
  if (patience === undefined) {
    throw invalid({ call: CALL, name: 'patience' }, patience, 'a whole number from 0 up');
  }
  const objective = new Objective(CALL, given);
  /** Scores by step. */
  const running = new Map<string, Curve>();

  function isOutOfPatience(curve: Curve): boolean {
    const before = curve.length - patience! - 1;
    if (before <= 0) return false;
    return curve.best('max', 0, before) - minDelta > curve.best('max', before);
  }

  return {
    ...describedWith('patientStopping', inner, given),
    ...handedOn(inner, objective, (id) => running.delete(id)),
    onTrialResult(trial, metrics, control) {
      const score = objective.score(metrics);
      let curve = running.get(trial.id);
      if (curve === undefined) running.set(trial.id, (curve = new Curve()));
      if (score !== undefined) curve.record(metrics.trainingIteration, score);
      const decision = inner.onTrialResult(trial, metrics, control);
      if (decision !== 'STOP' || (score !== undefined && isOutOfPatience(curve))) return decision;
      inner.onStopOverruled?.(trial);
      return 'CONTINUE';
    },
  };
}
