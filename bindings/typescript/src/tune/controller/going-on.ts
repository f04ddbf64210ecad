/** From where a trial goes on: its checkpoints, and the run time up to them. */

import type { CheckpointRecord } from '../experiment/events.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import type { Trial } from './trial.ts';

/** A checkpoint of a trial, where it is kept. */
export function checkpointOf(
  trial: Trial,
  iteration: number,
  { header }: ExperimentRecord,
): CheckpointRecord {
  const isStored = header.options.storagePath !== null;
  const folder = `trials/${trial.id}/checkpoint_${String(iteration).padStart(6, '0')}`;
  return { iteration, path: isStored ? folder : null };
}

/** Whether it has ever run. */
export function hasBegun(trial: Trial): boolean {
  return trial.record.startedAt !== null;
}

/** The next run of a trial goes on from its latest checkpoint, or from the beginning. */
export function goOnFromLatest(trial: Trial): void {
  trial.startFrom = trial.latestCheckpoint;
  trial.startTime = timeAt(trial, trial.startFrom?.iteration ?? 0);
}

/** Run time of a trial up to an iteration. */
export function timeAt(trial: Trial, iteration: number): number {
  const row = trial.record.history.findLast((each) => each.trainingIteration <= iteration);
  return row?.timeTotalMs ?? 0;
}
