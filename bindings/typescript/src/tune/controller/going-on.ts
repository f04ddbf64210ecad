/** From where a trial goes on: its checkpoints, the run time up to them, and a config that was changed. */

import { InvalidArgumentError } from '../../index.ts';
import type { CheckpointRecord } from '../experiment/events.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import type { Space } from '../space/space.ts';
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

/** The next run of a trial goes on from a checkpoint of its own, which was made by another trial, or by itself. */
export function goOnFrom(
  trial: Trial,
  checkpoint: CheckpointRecord,
  source: Trial | undefined,
): void {
  trial.startFrom = checkpoint;
  trial.startTime = source === undefined ? 0 : timeAt(source, checkpoint.iteration);
}

/** The next run of a trial goes on from its latest checkpoint, or from the beginning. */
export function goOnFromLatest(trial: Trial): void {
  trial.startFrom = trial.latestCheckpoint;
  // What failed was run time as well.
  trial.startTime = Math.max(timeAt(trial, trial.startFrom?.iteration ?? 0), trial.record.failedMs);
}

/** Run time of a trial up to the end of its run: its last report at least, where nobody knows how long the run went on. */
export function runTimeOf(trial: Trial, elapsedMs: number): number {
  const reportedMs = trial.decided > 0 ? trial.record.durationMs : 0;
  return Math.max(reportedMs, trial.timeBefore + elapsedMs);
}

/** Run time of a trial up to an iteration. */
export function timeAt(trial: Trial, iteration: number): number {
  const row = trial.record.history.findLast((each) => each.trainingIteration <= iteration);
  return row?.timeTotalMs ?? 0;
}

/** The numbers of a config that a scheduler has made. */
export function valuesIn(space: Space, config: unknown): (number | null)[] {
  try {
    const values = space.valuesWithin(config, 'exploit');
    return values.map((value) => (Number.isNaN(value) ? null : value));
  } catch (error) {
    // PBT's factors may leave the domains, as Ray's do: such a config has no numbers of the space.
    if (error instanceof InvalidArgumentError) return space.parameters.map(() => null);
    throw error;
  }
}
