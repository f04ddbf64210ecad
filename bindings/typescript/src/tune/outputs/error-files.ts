/** `error.txt` in the folder of a trial that has failed for good: its error with the stack, as Ray Tune keeps it. */

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import { notWritten } from './atomic-file.ts';

const ERROR_FILE = 'error.txt';

/** Writes the error of a trial, if it has one. @throws StorageError */
export function writeErrorFile(path: string, { header, error }: TrialRecord): void {
  if (error === null) return;
  const file = errorPath(path, header.id);
  try {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, `${error.stack}\n`);
  } catch (cause) {
    throw notWritten(file, cause);
  }
}

/** Writes those that are not there. @throws StorageError */
export function writeMissingErrorFiles(path: string, { trials }: ExperimentRecord): void {
  for (const trial of trials) {
    if (trial.error !== null && !existsSync(errorPath(path, trial.header.id))) {
      writeErrorFile(path, trial);
    }
  }
}

function errorPath(path: string, id: string): string {
  return join(path, 'trials', id, ERROR_FILE);
}
