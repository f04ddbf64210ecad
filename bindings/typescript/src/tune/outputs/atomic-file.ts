/**
 * Files that are there as a whole or not at all: written beside their place and renamed.
 *
 * - AF-1 Whoever opens the path finds the file before or the new one, never a part.
 * - AF-2 After a failure the file before is still there, and what was written beside it is gone.
 *
 * Nothing is synced: all of this can be made again from the journal.
 */

import { mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { StorageError } from '../errors.ts';

let written = 0;

/** @throws StorageError */
export async function writeAtomically(
  path: string,
  pieces: Iterable<string | Uint8Array>,
): Promise<void> {
  const folder = dirname(path);
  // The process and a count, so that two who write the same file don't write into each other's.
  const beside = join(folder, `.${basename(path)}.${process.pid}-${written++}.partial`);
  try {
    await mkdir(folder, { recursive: true });
    await writePieces(beside, pieces);
    await rename(beside, path);
  } catch (error) {
    const failures = [error];
    // Best effort: what failed first is what has to be told, and this comes along if it fails, too.
    await rm(beside, { force: true }).catch((second: unknown) => failures.push(second));
    throw notWritten(
      path,
      failures.length === 1
        ? error
        : new AggregateError(failures, 'writing failed, and so did removing what was written'),
    );
  }
}

async function writePieces(path: string, pieces: Iterable<string | Uint8Array>): Promise<void> {
  const file = await open(path, 'w');
  try {
    for (const piece of pieces) await file.writeFile(piece);
  } finally {
    await file.close();
  }
}

/** What all writers of outputs throw. */
export function notWritten(path: string, cause: unknown): StorageError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(`${path} could not be written: ${reason}`, { path }, { cause });
}
