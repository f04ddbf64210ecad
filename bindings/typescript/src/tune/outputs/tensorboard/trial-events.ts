/**
 * The file of one trial for TensorBoard, as its record has it or piece by piece while it runs.
 *
 * - TB-1 A file begins with its version, then the HParams of the trial; then there is an event for each report, at its iteration;
 *   the last one says how the trial ended.
 * - TB-2 The name of a trial's file is always the same, so that a new one takes the place of the old one.
 */

import type { ExperimentHeader } from '../../experiment/events.ts';
import type { TrialRecord } from '../../experiment/record.ts';
import type { ReportedMetrics } from '../../types.ts';
import { visitMetrics } from '../leaves.ts';
import { scalarValue, summaryEvent, versionEvent } from './event.ts';
import { beginningOf, endOf } from './hparams.ts';
import { recordOf } from './record-file.ts';

/** Of what is added to every report, the numbers that are no times of day and no names. */
const NO_SCALARS: ReadonlySet<string> = new Set(['trainingIteration', 'timestamp', 'pid']);

/** The file's name. */
export function eventsFileName(header: ExperimentHeader, trial: TrialRecord): string {
  const seconds = Math.floor((trial.startedAt ?? header.createdAt) / 1000);
  return `events.out.tfevents.${String(seconds).padStart(10, '0')}.eagleray`;
}

/** All of it, as far as the trial has come. */
export function* trialEvents(header: ExperimentHeader, trial: TrialRecord): Generator<Buffer> {
  yield firstRecords(header, trial);
  for (const metrics of trial.history) yield reportRecord(metrics);
  if (hasEnded(trial)) yield lastRecord(header, trial);
}

/** Version and HParams. */
export function firstRecords(header: ExperimentHeader, trial: TrialRecord): Buffer {
  const at = trial.startedAt ?? header.createdAt;
  return Buffer.concat([
    recordOf(versionEvent(at)),
    recordOf(summaryEvent(at, 0, beginningOf(header, trial))),
  ]);
}

/** The numbers of a report. */
export function reportRecord(metrics: ReportedMetrics): Buffer {
  const values: Buffer[] = [];
  visitMetrics(metrics, (path, value) => {
    if (typeof value === 'number' && !NO_SCALARS.has(path)) values.push(scalarValue(path, value));
  });
  return recordOf(summaryEvent(metrics.timestamp, metrics.trainingIteration, values));
}

/** How it ended. */
export function lastRecord(header: ExperimentHeader, trial: TrialRecord): Buffer {
  const at = trial.endedAt ?? trial.startedAt ?? header.createdAt;
  const step = trial.history.at(-1)?.trainingIteration ?? 0;
  return recordOf(summaryEvent(at, step, [endOf(trial, at)]));
}

function hasEnded({ status }: TrialRecord): boolean {
  return status === 'TERMINATED' || status === 'ERROR';
}
