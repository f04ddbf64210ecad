/**
 * What a trial is worth by a metric: the numbers that it reported, and which of two is better.
 *
 * - SC-1 Only numbers count; a report that lacks the metric, or has something else in its place, is passed over.
 * - SC-2 Nothing here changes a record.
 */

import { metricAt } from '../metrics.ts';
import type { TrialRecord } from '../experiment/record.ts';
import type { Mode } from '../types.ts';

/**
 * Which of a trial's values stands for it, as in Ray's `ExperimentAnalysis.get_best_trial`: the last one that it reported, the
 * best of all, or the mean of all, of the last five or of the last ten.
 */
export type Scope = (typeof SCOPES)[number];

/** All scopes. */
export const SCOPES = ['last', 'all', 'avg', 'last-5-avg', 'last-10-avg'] as const;

/** What trials are compared by. */
export interface Measure {
  /** The path of the metric. */
  readonly metric: string;
  readonly mode: Mode;
  readonly scope: Scope;
  /** Leave out what is NaN or infinite. Without it infinite values compete as numbers, and NaN is worse than any. */
  readonly filterNanAndInf: boolean;
}

/** What stands for a trial; undefined if there is no such value. */
export function scoreOf(trial: TrialRecord, measure: Measure): number | undefined {
  const score = rawScoreOf(trial, measure);
  if (score === undefined || (measure.filterNanAndInf && !Number.isFinite(score))) return undefined;
  return score;
}

function rawScoreOf(trial: TrialRecord, measure: Measure): number | undefined {
  const { metric, mode, scope, filterNanAndInf } = measure;
  switch (scope) {
    case 'last':
      return lastValueOf(trial, metric);
    case 'all': {
      const values = valuesOf(trial, metric);
      // One report that is not finite does not hide the others, in whatever order they came.
      return bestValue(filterNanAndInf ? values.filter(Number.isFinite) : values, mode);
    }
    case 'avg':
      return meanOf(valuesOf(trial, metric));
    case 'last-5-avg':
      return meanOf(valuesOf(trial, metric, 5));
    case 'last-10-avg':
      return meanOf(valuesOf(trial, metric, 10));
  }
}

/** The numbers that a trial has reported for a metric, the last `count` of them, in order. */
export function valuesOf(trial: TrialRecord, metric: string, count = Infinity): number[] {
  const values: number[] = [];
  for (let at = trial.history.length - 1; at >= 0 && values.length < count; at--) {
    const value = metricAt(trial.history[at]!, metric);
    if (typeof value === 'number') values.push(value);
  }
  return values.reverse();
}

/** The last number that a trial has reported for a metric. */
export function lastValueOf(trial: TrialRecord, metric: string): number | undefined {
  for (let at = trial.history.length - 1; at >= 0; at--) {
    const value = metricAt(trial.history[at]!, metric);
    if (typeof value === 'number') return value;
  }
  return undefined;
}

/** Whether one value is better than another: strictly, and NaN is never better. */
export function isBetter(one: number, other: number, mode: Mode): boolean {
  if (Number.isNaN(one)) return false;
  if (Number.isNaN(other)) return true;
  return mode === 'min' ? one < other : one > other;
}

/** Whether a trial keeps all `outcomeConstraints`, by its last report. */
export function keepsConstraints(trial: TrialRecord): boolean {
  return trial.violations === null || Object.values(trial.violations).every((by) => by <= 0);
}

/** Whether a trial could be the best or part of the front, if its values allow it. */
export function canBeBest(trial: TrialRecord): boolean {
  return trial.status !== 'ERROR' && keepsConstraints(trial);
}

function bestValue(values: readonly number[], mode: Mode): number | undefined {
  let best: number | undefined;
  for (const value of values) {
    if (best === undefined || isBetter(value, best, mode)) best = value;
  }
  return best;
}

function meanOf(values: readonly number[]): number | undefined {
  if (values.length === 0) return undefined;
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
