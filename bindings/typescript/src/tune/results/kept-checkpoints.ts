/** Which of a trial's checkpoints count as its best ones, by the option `checkpoints` that the experiment was run with. */

import { metricAt } from '../metrics.ts';
import type { CheckpointRecord, ExperimentHeader } from '../experiment/events.ts';
import type { TrialRecord } from '../experiment/record.ts';
import type { Mode, ReportedMetrics } from '../types.ts';
import { isPlainObject } from '../plain-object.ts';
import { isBetter } from './scores.ts';

/** How checkpoints are ranked, and how many count. */
export interface CheckpointRanking {
  /** How many of the best are kept, besides the latest. */
  readonly numToKeep: number;
  /** The path of the metric that ranks them; undefined: the later, the better. */
  readonly scoreAttribute: string | undefined;
  readonly scoreOrder: Mode;
}

/** The ranking of an experiment: what its option `checkpoints` says, and for the rest the Tuner's defaults. */
export function rankingOf(header: ExperimentHeader): CheckpointRanking {
  const given = header.options['checkpoints'];
  const options = isPlainObject(given) ? given : {};
  const only = header.metrics.length === 1 ? header.metrics[0] : undefined;
  const { numToKeep, scoreAttribute, scoreOrder } = options;
  const attribute = typeof scoreAttribute === 'string' ? scoreAttribute : only;
  return {
    numToKeep: typeof numToKeep === 'number' ? numToKeep : 1,
    scoreAttribute: attribute,
    scoreOrder:
      scoreOrder === 'min' || scoreOrder === 'max'
        ? scoreOrder
        : (header.modes[header.metrics.indexOf(attribute ?? '')] ?? 'max'),
  };
}

/** The best ones, the best first. Of equal ones the later is better; without a score it is worse than all with one. */
export function bestCheckpointsOf(
  trial: TrialRecord,
  ranking: CheckpointRanking,
): CheckpointRecord[] {
  const { numToKeep, scoreAttribute, scoreOrder } = ranking;
  const scored = trial.checkpoints.map((checkpoint) => ({
    checkpoint,
    score: scoreAttribute === undefined ? NaN : scoreAt(trial, checkpoint, scoreAttribute),
  }));
  scored.sort((one, other) => {
    if (isBetter(one.score, other.score, scoreOrder)) return -1;
    if (isBetter(other.score, one.score, scoreOrder)) return 1;
    return other.checkpoint.iteration - one.checkpoint.iteration;
  });
  return scored.slice(0, numToKeep).map(({ checkpoint }) => checkpoint);
}

/** The report that a checkpoint came with. */
export function metricsOfCheckpoint(
  trial: TrialRecord,
  checkpoint: CheckpointRecord,
): ReportedMetrics | null {
  const { iteration } = checkpoint;
  return trial.history.findLast((metrics) => metrics.trainingIteration === iteration) ?? null;
}

function scoreAt(trial: TrialRecord, checkpoint: CheckpointRecord, attribute: string): number {
  const metrics = metricsOfCheckpoint(trial, checkpoint);
  const value = metrics === null ? undefined : metricAt(metrics, attribute);
  return typeof value === 'number' && Number.isFinite(value) ? value : NaN;
}
