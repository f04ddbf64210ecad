/**
 * The files in an experiment's folder, after the process that wrote them has gone: that of the experiment, or of a trial.
 *
 * - EF-1 Only what tuning itself has written is removed: whatever else is in the folder, or in those of its trials, stays.
 */

import { existsSync, readdirSync, rmSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';

import { StorageError } from '../errors.ts';
import type { CheckpointRecord, ExperimentEvent } from '../experiment/events.ts';
import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import { checkpointFolder, copyCheckpoint, removeCheckpoint } from '../trial/checkpoint.ts';

const TRIAL = /^\d{5,}$/;
/** Those that were being written, too. */
const CHECKPOINT = /^checkpoint_\d{6,}(\.\d+\.writing)?$/;
const UNFINISHED = /^checkpoint_\d{6,}\.\d+\.writing$/;
const OF_TRIAL = /^(error\.txt|stdout\.log|stderr\.log|events\.out\.tfevents\..*)$/;
const OF_EXPERIMENT = /^(results\.csv|reports\.jsonl|report\.html|pbt_policy_\d{5,}\.txt)$/;

/**
 * Removes all but the journal.
 *
 * @param experiment what the journal says; undefined for one that can't be read any more: then names say what is tuning's
 * @throws StorageError
 */
export function removeExperiment(folder: string, experiment: ExperimentRecord | undefined): void {
  for (const name of namesIn(folder)) if (OF_EXPERIMENT.test(name)) remove(join(folder, name));
  const trials = join(folder, 'trials');
  const records = new Map(experiment?.trials.map((trial) => [trial.header.id, trial]));
  for (const id of namesIn(trials)) {
    const record = records.get(id);
    if (!TRIAL.test(id) || (experiment !== undefined && record === undefined)) continue;
    const trial = join(trials, id);
    for (const name of namesIn(trial)) {
      if (OF_TRIAL.test(name) || isCheckpointOf(record, name)) remove(join(trial, name));
    }
    removeIfEmpty(trial);
  }
  removeIfEmpty(trials);
}

/** Whether a run of a trial can have written a checkpoint with that name: it is at most one ahead of its reports. */
function isCheckpointOf(record: TrialRecord | undefined, name: string): boolean {
  if (!CHECKPOINT.test(name)) return false;
  if (record === undefined || UNFINISHED.test(name)) return true;
  const iterations = record.checkpoints.map(({ iteration }) => iteration);
  const last = record.history.at(-1)?.trainingIteration ?? 0;
  return iterationOf(name)! <= Math.max(last, ...iterations) + 1;
}

/**
 * Brings checkpoints to the state that the journal says: those that were being written, dropped or not reported yet are removed, and
 * copies that were still to be made are made.
 *
 * @throws StorageError
 */
export async function repairCheckpoints(
  folder: string,
  experiment: ExperimentRecord,
  events: readonly ExperimentEvent[],
): Promise<void> {
  for (const { from, to } of unmadeCopies(events)) {
    const source = join(folder, from);
    if (existsSync(source)) await copyCheckpoint(source, join(folder, to));
  }
  const kept = new Set(
    experiment.trials.flatMap(({ checkpoints }) => checkpoints.map(({ path }) => path)),
  );
  for (const id of namesIn(join(folder, 'trials'))) {
    if (!TRIAL.test(id)) continue;
    for (const name of namesIn(join(folder, 'trials', id))) {
      if (!CHECKPOINT.test(name) || kept.has(`trials/${id}/${name}`)) continue;
      remove(join(folder, 'trials', id, name));
    }
  }
}

/**
 * Removes what a run of a trial has left, which has ended: a checkpoint that was being written when its process died, or whose report
 * came after the trial was told to end. It may be large, and the next run would leave another one.
 *
 * @throws StorageError
 */
export async function removeLeftovers(folder: string, trial: TrialRecord): Promise<void> {
  const { history, checkpoints } = trial;
  const own = `trials/${trial.header.id}`;
  const last = history.at(-1)?.trainingIteration ?? 0;
  const kept = new Set(checkpoints.map(({ path }) => path));
  for (const name of namesIn(join(folder, own))) {
    const iteration = iterationOf(name);
    // Those of earlier iterations are not of a report that came too late: whoever has made them may have use for them (EF-1).
    const isLate = iteration !== undefined && iteration > last && !kept.has(`${own}/${name}`);
    if (isLate || UNFINISHED.test(name)) await removeCheckpoint(join(folder, own, name));
  }
}

/** Of a checkpoint's folder that is whole. */
function iterationOf(name: string): number | undefined {
  return CHECKPOINT.test(name) && !UNFINISHED.test(name)
    ? Number(name.slice(name.indexOf('_') + 1))
    : undefined;
}

/** Whether a checkpoint is not where the journal says. */
export function isLost(folder: string, { path }: CheckpointRecord): boolean {
  return path === null || !existsSync(join(folder, path));
}

interface Copy {
  readonly from: string;
  readonly to: string;
}

/**
 * Copies of checkpoints that may not have been made. What a step has recorded is carried out before the next report is, so they are
 * among what was recorded last.
 */
function unmadeCopies(events: readonly ExperimentEvent[]): Copy[] {
  const lastReport = events.findLastIndex(({ kind }) => kind === 'report');
  const ids = new Map<number, string>();
  /** Of trials that have not run and were made of others. */
  const sources = new Map<number, number>();
  for (const event of events) {
    if (event.kind === 'start') sources.delete(event.number);
    if (event.kind !== 'trial') continue;
    ids.set(event.trial.number, event.trial.id);
    if (event.trial.source !== null) sources.set(event.trial.number, event.trial.source);
  }
  return events.slice(lastReport + 1).flatMap((event) => {
    if (event.kind !== 'exploit' && event.kind !== 'checkpoint') return [];
    const { number, checkpoint } = event;
    // A trial's own states are where they are; one that was made of another trial begins with a copy.
    const source = event.kind === 'exploit' ? event.source : sources.get(number);
    const to = checkpoint?.path ?? null;
    if (checkpoint === null || to === null || source === undefined || source === number) return [];
    return [{ from: checkpointFolder(ids.get(source)!, checkpoint.iteration), to }];
  });
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new StorageError(`${folder} can't be read`, { path: folder }, { cause });
  }
}

function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch (cause) {
    throw new StorageError(`${path} can't be removed`, { path }, { cause });
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTEMPTY' || code === 'ENOTDIR') return;
    throw new StorageError(`${folder} can't be removed`, { path: folder }, { cause });
  }
}
