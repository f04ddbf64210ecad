/**
 * Stops a trial whose best so far is not within a percentile of what finished trials had at the same step. Optuna's
 * `PercentilePruner`; with 50 it is its `MedianPruner`.
 *
 * - PS-1 Only trials that have come to their end count, with a finite last value: not those that this scheduler has stopped.
 */

import { checkOptions, count } from '../../option-checks.ts';
import { Curve, isCheckDue } from './curve.ts';
import { TrialQueue } from './fifo.ts';
import { Objective } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import { insertSorted, percentileOf } from './order-statistics.ts';
import type { Scheduler } from './scheduler.ts';

/** Options of {@link percentileStopping}. Steps are `trainingIteration`s. */
export interface PercentileStoppingOptions extends ObjectiveOptions {
  /** The best so many percent go on: 0 to 100. @default 50 */
  readonly percentile?: number | undefined;
  /** How many trials have to have finished before any is stopped. @default 5 */
  readonly numStartupTrials?: number | undefined;
  /** No trial is stopped before this step. @default 0 */
  readonly numWarmupSteps?: number | undefined;
  /** Trials are looked at each so many steps. @default 1 */
  readonly intervalSteps?: number | undefined;
  /** How many finished trials have to have a value at the step. @default 1 */
  readonly numMinTrials?: number | undefined;
}

const CALL = 'percentileStopping()';
const CHECKS = {
  ...objectiveChecks,
  percentile: numberWithin({ minimum: 0, maximum: 100 }),
  numStartupTrials: count(0, ''),
  numWarmupSteps: count(0, ''),
  intervalSteps: count(1, ''),
  numMinTrials: count(1, ''),
};

/** @throws InvalidArgumentError */
export function percentileStopping(options?: PercentileStoppingOptions): Scheduler {
  const given = checkOptions(CALL, CHECKS, options);
  const settings = {
    percentile: 50,
    numStartupTrials: 5,
    numWarmupSteps: 0,
    intervalSteps: 1,
    numMinTrials: 1,
    ...given,
  };
  const objective = new Objective(CALL, given);
  const running = new Map<string, Curve>();
  const stopped = new Set<string>();
  const finished = new FinishedTrials();
  const queue = new TrialQueue();

  function isToStop(curve: Curve): boolean {
    if (finished.count === 0 || finished.count < settings.numStartupTrials) return false;
    if (!isCheckDue(curve, settings)) return false;
    const mode = objective.mode!;
    const isMax = mode === 'max';
    const best = curve.best(mode);
    if (!Number.isFinite(best)) return true;
    const others = finished.valuesAt(curve.steps.at(-1)!);
    if (others.length < settings.numMinTrials) return false;
    const bound = percentileOf(others, isMax ? 100 - settings.percentile : settings.percentile);
    return isMax ? best < bound : best > bound;
  }

  return {
    description: { name: 'percentileStopping', options: given },
    setup: (setup) => objective.begin(setup),
    onTrialResult({ id }, metrics) {
      const value = objective.value(metrics);
      if (value === undefined) return 'CONTINUE';
      let curve = running.get(id);
      if (curve === undefined) running.set(id, (curve = new Curve()));
      curve.record(metrics.trainingIteration, value);
      if (!isToStop(curve)) return 'CONTINUE';
      stopped.add(id);
      return 'STOP';
    },
    onStopOverruled({ id }) {
      stopped.delete(id);
    },
    onTrialComplete({ id }, metrics) {
      const curve = running.get(id) ?? new Curve();
      running.delete(id);
      if (stopped.delete(id)) return;
      // A stopper may have ended it with a report that nobody has shown here.
      const value = objective.value(metrics);
      if (value !== undefined) curve.record(metrics.trainingIteration, value);
      const last = curve.values.at(-1);
      if (last !== undefined && Number.isFinite(last)) finished.add(curve);
    },
    onTrialRemove({ id }) {
      running.delete(id);
      stopped.delete(id);
    },
    onTrialError({ id }) {
      running.delete(id);
      stopped.delete(id);
    },
    chooseTrialToRun: (control) => queue.next(control),
  };
}

/** What finished trials have reported; PS-1. */
class FinishedTrials {
  count = 0;
  /** By step, ascending. */
  readonly #values = new Map<number, number[]>();

  add({ steps, values }: Curve): void {
    this.count += 1;
    for (const [at, step] of steps.entries()) {
      let sameStep = this.#values.get(step);
      if (sameStep === undefined) this.#values.set(step, (sameStep = []));
      insertSorted(sameStep, values[at]!);
    }
  }

  valuesAt(step: number): readonly number[] {
    return this.#values.get(step) ?? [];
  }
}
