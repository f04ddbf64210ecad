/** The journal of an experiment in its folder. */

import { mkdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

import {
  ExperimentExistsError,
  ExperimentLockedError,
  JournalError,
  StorageError,
} from '../errors.ts';
import type { ExperimentEvent } from '../experiment/events.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import { type ReadExperiment, readExperiment } from '../journal/experiment-reader.ts';
import { hasExperiment } from '../journal/has-experiment.ts';
import { type FileIdentity, JournalLock } from '../journal/lock.ts';
import { type Fsync, JournalWriter } from '../journal/writer.ts';
import { removeExperiment } from './experiment-files.ts';

/** The file of an experiment. */
export const JOURNAL_FILE = 'journal.log';

/** Where the journal of a folder is. */
export function journalOf(folder: string): string {
  return join(folder, JOURNAL_FILE);
}

/**
 * Opens the journal of a new experiment.
 *
 * @throws ExperimentExistsError if the folder has one, unless it is to be overwritten
 * @throws ExperimentLockedError @throws JournalError @throws StorageError
 */
export function openJournal(
  folder: string,
  study: string,
  { fsync, ifExists }: { readonly fsync: Fsync; readonly ifExists: 'fail' | 'overwrite' },
): JournalWriter {
  const path = journalOf(folder);
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new StorageError(
      `the folder ${folder} can't be made: ${(cause as Error).message}`,
      { path: folder },
      { cause },
    );
  }
  if (!hasExperiment(path)) return JournalWriter.open(path, { fsync, study });
  if (ifExists === 'fail') {
    throw new ExperimentExistsError(
      `there is an experiment in ${folder} already; give another name, or ifExists: 'resume' or 'overwrite'`,
      { path: folder },
    );
  }
  // Nothing of one that still runs is removed: it has the lock.
  const former = lockOf(path);
  try {
    removeExperiment(folder, recordOf(path));
    rmSync(path);
  } finally {
    former.release();
  }
  return JournalWriter.open(path, { fsync, study });
}

/** What a journal says; undefined for one that can't be read any more. */
function recordOf(path: string): ExperimentRecord | undefined {
  try {
    return readExperiment(path).experiment;
  } catch (error) {
    if (error instanceof JournalError) return undefined;
    throw error;
  }
}

/** The lock alone: what is removed may be damaged. @throws ExperimentLockedError @throws StorageError */
function lockOf(path: string): JournalLock {
  const file = identityOf(path);
  const lock = JournalLock.take(path, file);
  try {
    const now = identityOf(path);
    if (now.dev === file.dev && now.ino === file.ino) return lock;
    throw new ExperimentLockedError(`${path} was replaced while it was locked`, { path });
  } catch (error) {
    lock.release();
    throw error;
  }
}

function identityOf(path: string): FileIdentity {
  try {
    return statSync(path, { bigint: true });
  } catch (cause) {
    const { message } = cause as Error;
    throw new StorageError(`${path} can't be looked at: ${message}`, { path }, { cause });
  }
}

/** A journal that is gone on with. */
export interface ResumedJournal {
  readonly journal: JournalWriter;
  readonly found: ReadExperiment;
  /** Those of this experiment, in order. */
  readonly events: readonly ExperimentEvent[];
}

/**
 * Opens the journal of an experiment that is there.
 *
 * @throws ExperimentLockedError @throws JournalError @throws StorageError
 */
export function resumeJournal(folder: string, fsync: Fsync): ResumedJournal {
  const path = journalOf(folder);
  const events = new Map<number, ExperimentEvent[]>();
  const journal = JournalWriter.open(path, {
    fsync,
    study: null,
    onEvent(event, study) {
      if (event.kind === 'experiment') events.set(study, []);
      events.get(study)?.push(event);
    },
  });
  const { found } = journal;
  if (found !== null) return { journal, found, events: events.get(found.study)! };
  journal.close();
  throw new JournalError(`${path} has no experiment of eagleray`, { path, line: 0 });
}
