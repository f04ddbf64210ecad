/**
 * Metrics and configs as flat columns: their values with no parts, by path, as `leavesOf` has them.
 *
 * Visited by calls and not by a generator: a million trials have tens of millions of values, and a generator takes ten times as long.
 */

import { RESERVED_METRICS } from '../metrics.ts';
import { dataOf } from '../tuner/data.ts';
import { isPlainObject } from '../plain-object.ts';
import type { MetricValue, Metrics } from '../types.ts';

export type Visit = (path: string, value: MetricValue) => void;

/** What a trial has reported itself, without what is added to every report. */
export function visitReported(metrics: Metrics | undefined, visit: Visit): void {
  if (metrics === undefined) return;
  for (const name of Object.keys(metrics)) {
    if (!RESERVED_METRICS.has(name)) visitBelow(metrics[name], name, visit);
  }
}

/** All of a report. */
export function visitMetrics(metrics: Metrics, visit: Visit): void {
  for (const name of Object.keys(metrics)) visitBelow(metrics[name], name, visit);
}

/** The values of a config by path: `optimizer.lr`. Trials that others have written into the journal may have no object. */
export function visitConfig(config: unknown, visit: Visit): void {
  if (typeof config !== 'object' || config === null) return;
  visitMetrics(config as Metrics, visit);
}

/** The same as a list. */
export function configLeaves(config: unknown): [path: string, value: MetricValue][] {
  const leaves: [string, MetricValue][] = [];
  visitConfig(config, (path, value) => leaves.push([path, value]));
  return leaves;
}

/** A value as text: JSON, and what JSON has no word for is named. Configs may hold any constant. */
export function textOf(value: unknown): string {
  const data = dataOf(value);
  return typeof data === 'string' ? data : JSON.stringify(data);
}

function visitBelow(value: MetricValue | undefined, path: string, visit: Visit): void {
  if (value === undefined) return;
  if (typeof value !== 'object' || value === null) {
    visit(path, value);
  } else if (Array.isArray(value)) {
    if (value.length === 0) visit(path, value);
    for (const [index, item] of value.entries()) visitBelow(item, `${path}[${index}]`, visit);
  } else if (!isPlainObject(value)) {
    // A constant of a config: a date, a typed array, an instance of a class.
    visit(path, value);
  } else {
    const names = Object.keys(value);
    if (names.length === 0) visit(path, value);
    for (const name of names) visitBelow((value as Metrics)[name], `${path}.${name}`, visit);
  }
}
