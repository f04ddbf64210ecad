/** Metrics and configs as flat columns: which ones an experiment has, in the order in which they first occur. */

import { leavesOf, RESERVED_METRICS } from '../metrics.ts';
import type { MetricValue, Metrics } from '../types.ts';

/** A value with no parts, and its path. */
export type Leaf = readonly [path: string, value: MetricValue];

/** What a trial has reported itself, without what is added to every report. */
export function* reportedLeaves(metrics: Metrics | undefined): Generator<Leaf> {
  if (metrics === undefined) return;
  for (const leaf of leavesOf(metrics)) {
    if (!RESERVED_METRICS.has(leaf[0])) yield leaf;
  }
}

/** The values of a config by path: `optimizer.lr`. Trials that others have written into the journal may have no object. */
export function* configLeaves(config: unknown): Generator<Leaf> {
  if (typeof config === 'object' && config !== null) yield* leavesOf(config as Metrics);
}
