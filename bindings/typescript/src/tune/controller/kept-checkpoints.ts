/**
 * Which checkpoints of a trial are kept: the latest, and besides it the best ones.
 *
 * Ray keeps `numToKeep` in all, so that the latest may be none of them, and a trial starts again from an old one.
 */

import type { CheckpointRecord } from '../experiment/events.ts';
import type { TrialRecord } from '../experiment/record.ts';
import { type CheckpointRanking, bestCheckpointsOf } from '../results/kept-checkpoints.ts';

/** Those that are not kept any more. */
export function droppedCheckpoints(
  trial: TrialRecord,
  ranking: CheckpointRanking,
): CheckpointRecord[] {
  const latest = trial.checkpoints.at(-1);
  if (latest === undefined || trial.checkpoints.length <= ranking.numToKeep) return [];
  const kept = new Set(bestCheckpointsOf(trial, ranking));
  return trial.checkpoints.filter((each) => each !== latest && !kept.has(each));
}
