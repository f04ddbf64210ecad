/** Whether a file is the journal of an experiment, from its first lines. */

import { JournalError } from '../errors.ts';
import { ExperimentReader } from './experiment-reader.ts';
import { readLinesOf } from './line-reader.ts';

/** Ends the reading. */
const FOUND = new Error('found');

/** False for what is not there, can't be read, or is something else. */
export function hasExperiment(path: string): boolean {
  const reader = new ExperimentReader(undefined);
  try {
    readLinesOf(path, (line) => {
      reader.apply(line);
      if (reader.found() !== undefined) throw FOUND;
    });
    return false;
  } catch (error) {
    if (error === FOUND) return true;
    if (error instanceof JournalError) return false;
    throw error;
  }
}
