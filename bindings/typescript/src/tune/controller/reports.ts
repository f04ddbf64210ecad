/** What is made of a report, and what is wrong with it: arithmetic of metrics, which decides nothing. */

import { describeValue, isError } from '../../describe-value.ts';
import { MetricError } from '../errors.ts';
import { recordOf } from '../experiment/error-record.ts';
import { RESERVED_METRICS, leavesOf, metricAt } from '../metrics.ts';
import type { ToldTrial } from '../search/searcher.ts';
import type { ReportedMetrics } from '../types.ts';
import type { TrialError, TrialReport } from './instructions.ts';
import type { OutcomeBound } from './setup.ts';
import type { Trial } from './trial.ts';

export { recordOf };

/** A report as it is kept. */
export function rowOf(trial: Trial, given: TrialReport): ReportedMetrics {
  const last = trial.record.history.at(-1);
  const timeTotalMs = trial.timeBefore + given.elapsedMs;
  const before = given.report === 1 ? trial.timeBefore : (last?.timeTotalMs ?? 0);
  // One by one: V8 takes ten times as long for a literal that begins with a spread, and this is done for each report.
  const row: Record<string, unknown> = {};
  for (const name of Object.keys(given.metrics)) row[name] = given.metrics[name];
  row.trainingIteration = trial.iterationBefore + given.report;
  row.timeThisIterMs = Math.max(0, timeTotalMs - before);
  row.timeTotalMs = timeTotalMs;
  row.timestamp = given.timestamp;
  row.trialId = trial.id;
  row.pid = given.pid;
  row.hostname = given.hostname;
  row.done = given.done;
  return row as ReportedMetrics;
}

/** Whether a report has all of the metrics. */
export function hasMetrics(metrics: readonly string[], row: ReportedMetrics): boolean {
  return metrics.every((metric) => metricAt(row, metric) !== undefined);
}

/** A metric that is there and no number. */
export function wrongMetric(
  metrics: readonly string[],
  row: ReportedMetrics,
): MetricError | undefined {
  for (const metric of metrics) {
    const value = metricAt(row, metric);
    if (value === undefined || typeof value === 'number') continue;
    return new MetricError(
      `the metric ${metric} is ${JSON.stringify(value)}; it has to be a number`,
      { metric, reported: namesOf(row) },
    );
  }
  return undefined;
}

/** A metric that a trial has ended without. */
export function missingMetric(
  metrics: readonly string[],
  history: readonly ReportedMetrics[],
): MetricError | undefined {
  const missing = metrics.find(
    (metric) => !history.some((row) => metricAt(row, metric) !== undefined),
  );
  if (missing === undefined) return undefined;
  const reported = namesOf(history.at(-1) ?? {});
  return new MetricError(
    `the trial has ended and never reported the metric ${missing}; ` +
      (reported.length === 0 ? 'it reported nothing' : `it reported ${reported.join(', ')}`),
    { metric: missing, reported },
  );
}

/** By how much a report breaks the bounds, by metric; null without bounds. */
export function violationsOf(
  bounds: ReadonlyMap<string, OutcomeBound>,
  row: ReportedMetrics,
): Record<string, number> | null {
  if (bounds.size === 0) return null;
  const violations: Record<string, number> = {};
  for (const [name, { min = -Infinity, max = Infinity }] of bounds) {
    const value = metricAt(row, name);
    // What was not reported is not known to keep its bounds.
    const isKnown = typeof value === 'number' && !Number.isNaN(value);
    violations[name] = isKnown ? Math.max(min - value, value - max) : Infinity;
  }
  return violations;
}

/** What a searcher is told of a trial that has ended. */
export function toldOf({ config, status, metrics, record }: Trial): ToldTrial {
  const { stopReason, violations } = record;
  const violation = Object.values(violations ?? {}).reduce(
    (sum, each) => sum + Math.max(0, each),
    0,
  );
  return { config, status, metrics, stopReason, violation };
}

/** What was thrown, as an error after which a trial is not tried again. */
export function finalError(thrown: unknown): TrialError {
  const error = isError(thrown) ? thrown : new Error(textOf(thrown));
  return { ...recordOf(error), isFinal: true, original: error };
}

/** What is no error may have no text of its own, and may not even be readable. */
function textOf(thrown: unknown): string {
  return typeof thrown === 'string' ? thrown : describeValue(thrown);
}

function namesOf(metrics: object): string[] {
  const own = Object.fromEntries(
    Object.entries(metrics).filter(([name]) => !RESERVED_METRICS.has(name)),
  ) as ReportedMetrics;
  return [...leavesOf(own)].map(([path]) => path);
}
