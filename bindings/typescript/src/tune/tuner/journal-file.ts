/** The journal of an experiment in its folder. */

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { ExperimentExistsError, StorageError } from '../errors.ts';
import { type Fsync, JournalWriter } from '../journal/writer.ts';

/** The file of an experiment. */
export const JOURNAL_FILE = 'journal.log';

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
  const path = join(folder, JOURNAL_FILE);
  if (existsSync(path)) {
    if (ifExists === 'fail') {
      throw new ExperimentExistsError(
        `there is an experiment in ${folder} already; give another name, or ifExists: 'overwrite'`,
        { path: folder },
      );
    }
    rmSync(path);
  }
  try {
    mkdirSync(folder, { recursive: true });
  } catch (cause) {
    throw new StorageError(
      `the folder ${folder} can't be made: ${(cause as Error).message}`,
      { path: folder },
      { cause },
    );
  }
  return JournalWriter.open(path, { fsync, study });
}
