/**
 * Stops a trial that is worse than the best one with some certainty, by comparing them step by step: for metrics that are means over
 * the same steps in each trial, such as folds or instances. Optuna's `WilcoxonPruner`.
 *
 * - WS-1 The best trial is the one with the best last value among those that have come to their end.
 * - WS-2 Only steps that both have are compared. NaN and infinite values are worse than all others.
 */

import { checkOptions, count } from '../../option-checks.ts';
import { Curve } from './curve.ts';
import { TrialQueue } from './fifo.ts';
import { Objective } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import type { Scheduler } from './scheduler.ts';
import { wilcoxonPValue } from './wilcoxon-test.ts';

/** Options of {@link wilcoxonStopping}. Steps are `trainingIteration`s. */
export interface WilcoxonStoppingOptions extends ObjectiveOptions {
  /** The larger, the sooner trials are stopped: 0 to 1. @default 0.1 */
  readonly pThreshold?: number | undefined;
  /** How many steps have to be compared; 2 at least. @default 2 */
  readonly numStartupSteps?: number | undefined;
}

const CALL = 'wilcoxonStopping()';
/** With fewer there is nothing to be certain of. */
const STEPS_MIN = 2;
const CHECKS = {
  ...objectiveChecks,
  pThreshold: numberWithin({ minimum: 0, maximum: 1 }),
  numStartupSteps: count(0, ''),
};

/** @throws InvalidArgumentError */
export function wilcoxonStopping(options?: WilcoxonStoppingOptions): Scheduler {
  const given = checkOptions(CALL, CHECKS, options);
  const { pThreshold = 0.1, numStartupSteps = 2 } = given;
  const objective = new Objective(CALL, given);
  /** Scores by step. */
  const running = new Map<string, Curve>();
  const stopped = new Set<string>();
  const queue = new TrialQueue();
  let best: BestTrial | undefined;

  function isToStop(curve: Curve): boolean {
    if (best === undefined) return false;
    const behind = differencesOf(best.curve, curve);
    if (behind.length < Math.max(STEPS_MIN, numStartupSteps)) return false;
    if (!(wilcoxonPValue(behind) < pThreshold)) return false;
    // For safety: a trial whose mean is the best so far goes on, whatever the test says.
    return meanOf(best.curve) > meanOf(curve);
  }

  function forget({ id }: { readonly id: string }): void {
    running.delete(id);
    stopped.delete(id);
  }

  return {
    description: { name: 'wilcoxonStopping', options: given },
    setup: (setup) => objective.begin(setup),
    onTrialResult({ id }, metrics) {
      const score = objective.score(metrics);
      if (score === undefined) return 'CONTINUE';
      let curve = running.get(id);
      if (curve === undefined) running.set(id, (curve = new Curve()));
      curve.record(metrics.trainingIteration, score);
      if (!isToStop(curve)) return 'CONTINUE';
      stopped.add(id);
      return 'STOP';
    },
    onStopOverruled({ id }) {
      stopped.delete(id);
    },
    onTrialComplete(trial, metrics) {
      const curve = running.get(trial.id) ?? new Curve();
      const wasStopped = stopped.has(trial.id);
      forget(trial);
      if (wasStopped) return;
      // A stopper may have ended it with a report that nobody has shown here.
      const score = objective.score(metrics);
      if (score !== undefined) curve.record(metrics.trainingIteration, score);
      const last = curve.values.at(-1);
      if (last === undefined || !Number.isFinite(last)) return;
      const finished = { number: trial.number, score: last, curve };
      if (best === undefined || isBetter(finished, best)) best = finished;
    },
    onTrialRemove: forget,
    onTrialError: forget,
    chooseTrialToRun: (control) => queue.next(control),
  };
}

interface BestTrial {
  readonly number: number;
  readonly score: number;
  readonly curve: Curve;
}

function isBetter(one: BestTrial, other: BestTrial): boolean {
  return one.score > other.score || (one.score === other.score && one.number < other.number);
}

function meanOf({ values, length }: Curve): number {
  return values.reduce((sum, score) => sum + score, 0) / length;
}

/** By how much one trial's scores exceed another's, at the steps that both have; WS-2. */
function differencesOf(one: Curve, other: Curve): number[] {
  const differences: number[] = [];
  let at = 0;
  for (const [otherAt, step] of other.steps.entries()) {
    while (at < one.length && one.steps[at]! < step) at += 1;
    if (one.steps[at] !== step) continue;
    const score = one.values[at]!;
    const otherScore = other.values[otherAt]!;
    // The difference of two infinite scores would be no number.
    differences.push(score === otherScore ? 0 : score - otherScore);
  }
  return differences;
}
