/**
 * Which checkpoints of a trial are kept: the latest, and besides it the best ones.
 *
 * Ray keeps `numToKeep` in all, so that the latest may be none of them, and a trial starts again from an old one.
 */

import type { CheckpointRecord } from '../experiment/events.ts';
import type { TrialRecord } from '../experiment/record.ts';
import { metricAt } from '../metrics.ts';
import type { Mode } from '../types.ts';

/** Option `checkpoints`, as far as it is about what is kept. */
export interface CheckpointPolicy {
  /** 0 to Infinity, besides the latest. */
  readonly numToKeep: number;
  /** The metric by which they are compared; undefined: the later, the better. */
  readonly scoreAttribute: string | undefined;
  readonly scoreOrder: Mode;
}

/** The checkpoints of a trial, the best first; those without a score come last, the latest of them first. */
export function bestFirst(
  trial: TrialRecord,
  { scoreAttribute, scoreOrder }: CheckpointPolicy,
): CheckpointRecord[] {
  const scores = new Map(
    trial.history.map((metrics) => {
      const value = scoreAttribute === undefined ? undefined : metricAt(metrics, scoreAttribute);
      const score = typeof value === 'number' && !Number.isNaN(value) ? value : undefined;
      return [metrics.trainingIteration, score];
    }),
  );
  return [...trial.checkpoints].sort((one, other) => {
    const [a, b] = [scores.get(one.iteration), scores.get(other.iteration)];
    if (a !== undefined && b !== undefined && a !== b) return scoreOrder === 'min' ? a - b : b - a;
    if ((a === undefined) !== (b === undefined)) return a === undefined ? 1 : -1;
    return other.iteration - one.iteration;
  });
}

/** Those that are not kept any more. */
export function droppedCheckpoints(
  trial: TrialRecord,
  policy: CheckpointPolicy,
): CheckpointRecord[] {
  const latest = trial.checkpoints.at(-1);
  if (latest === undefined || trial.checkpoints.length <= policy.numToKeep) return [];
  const kept = new Set(bestFirst(trial, policy).slice(0, policy.numToKeep));
  return trial.checkpoints.filter((each) => each !== latest && !kept.has(each));
}
