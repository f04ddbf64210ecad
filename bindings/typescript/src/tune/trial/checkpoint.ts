/**
 * Checkpoints: states of trials, on disk or in the object store.
 *
 * - CK-1 What stands at a checkpoint's path is whole: it is written beside, and renamed.
 */

import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { appendFileSync, cpSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';

import { InvalidArgumentError, type ObjectRef, SerializationError, get } from '../../index.ts';
import { StorageError } from '../errors.ts';
import type { Checkpoint as CheckpointType, ReportedMetrics } from '../types.ts';
import { type StoredFormat, type StoredValue, storedValue, valueOf } from './stored-values.ts';

/** The file of a checkpoint that is a value, by how it is in there. */
const VALUE_FILES: Readonly<Record<StoredFormat, string>> = {
  v8: 'checkpoint.v8',
  eagleray: 'checkpoint.eagleray',
};

/** Where a checkpoint's value is. */
export type CheckpointPlace = { readonly path: string } | { readonly ref: ObjectRef<unknown> };

/** A state that a trial has saved, from which it can go on. */
export class Checkpoint<State = unknown> implements CheckpointType<State> {
  readonly iteration: number;
  readonly metrics: ReportedMetrics | null;
  readonly #place: CheckpointPlace;

  /** @internal */
  constructor(place: CheckpointPlace, iteration: number, metrics: ReportedMetrics | null) {
    this.#place = place;
    this.iteration = iteration;
    this.metrics = metrics;
  }

  /** Its folder; null where nothing is written to disk. */
  get path(): string | null {
    return 'path' in this.#place ? this.#place.path : null;
  }

  /** What was saved. @throws InvalidArgumentError if it was made of a folder: its files are in `path` */
  async load(): Promise<State> {
    if ('ref' in this.#place) return (await get(this.#place.ref)) as State;
    return (await readValue(this.#place.path)) as State;
  }

  /** A checkpoint that is a folder of files: it is copied before `report` settles. @throws InvalidArgumentError */
  static fromDirectory(path: string): DirectoryCheckpoint {
    if (typeof path !== 'string' || path === '') {
      throw new InvalidArgumentError('', {
        argument: 'path',
        value: path,
        allowed: 'the path of a folder',
      });
    }
    return new DirectoryCheckpoint(path);
  }
}

/** A folder that is to become a checkpoint. */
export class DirectoryCheckpoint {
  readonly directory: string;

  /** @internal */
  constructor(directory: string) {
    this.directory = directory;
  }
}

/** A state as it was when it was given to be saved. */
export class SavedState {
  readonly value: StoredValue;

  /** @throws SerializationError for what can't be stored */
  constructor(state: unknown) {
    this.value = storedValue(state, 'checkpoint');
  }
}

/** What is to be written; of a folder it is copied when it is written. @throws SerializationError */
export function savedState(state: unknown): DirectoryCheckpoint | SavedState {
  return state instanceof DirectoryCheckpoint || state instanceof SavedState
    ? state
    : new SavedState(state);
}

/** The folder of a checkpoint inside of its experiment's. */
export function checkpointFolder(trialId: string, iteration: number): string {
  return `trials/${trialId}/checkpoint_${String(iteration).padStart(6, '0')}`;
}

/**
 * Writes a state to a folder.
 *
 * @throws SerializationError for what can't be stored, and for a folder that can't be read @throws StorageError
 */
export async function writeCheckpoint(path: string, state: unknown): Promise<void> {
  const saved = savedState(state);
  const beside = besideOf(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    if (saved instanceof DirectoryCheckpoint)
      await cp(saved.directory, beside, { recursive: true });
    else {
      await mkdir(beside, { recursive: true });
      await writeFile(join(beside, VALUE_FILES[saved.value.format]), saved.value.pieces);
    }
    await rm(path, { recursive: true, force: true });
    await rename(beside, path);
  } catch (error) {
    // Where nothing can be written, nothing may be removable either: why it could not be written says more.
    await rm(beside, { recursive: true, force: true }).catch(() => undefined);
    throw whyUnwritten(error, path, saved);
  }
}

/** The same, blocking. */
export function writeCheckpointSync(path: string, state: unknown): void {
  const saved = savedState(state);
  const beside = besideOf(path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (saved instanceof DirectoryCheckpoint) cpSync(saved.directory, beside, { recursive: true });
    else {
      const { format, pieces } = saved.value;
      mkdirSync(beside, { recursive: true });
      for (const piece of pieces) appendFileSync(join(beside, VALUE_FILES[format]), piece);
    }
    rmSync(path, { recursive: true, force: true });
    renameSync(beside, path);
  } catch (error) {
    try {
      rmSync(beside, { recursive: true, force: true });
    } catch {
      // As above.
    }
    throw whyUnwritten(error, path, saved);
  }
}

/** Copies a checkpoint to another place. @throws StorageError */
export async function copyCheckpoint(from: string, to: string): Promise<void> {
  try {
    await writeCheckpoint(to, new DirectoryCheckpoint(from));
  } catch (error) {
    // What can't be read is ours, and no argument of anybody.
    if (error instanceof StorageError) throw error;
    throw unwritten(to, error);
  }
}

/** Takes a checkpoint away. @throws StorageError */
export async function removeCheckpoint(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (cause) {
    throw new StorageError(`the checkpoint ${path} can't be removed`, { path }, { cause });
  }
}

async function readValue(path: string): Promise<unknown> {
  let cause: unknown;
  for (const [format, file] of Object.entries(VALUE_FILES)) {
    try {
      const bytes = await readFile(join(path, file));
      return await valueOf(format as StoredFormat, bytes);
    } catch (error) {
      const { code, path: missing } = error as NodeJS.ErrnoException;
      if (code !== 'ENOENT' || missing !== join(path, file)) throw error;
      cause = error;
    }
  }
  throw new InvalidArgumentError(
    `the checkpoint in ${path} has no value: it was made of a folder, and its files are there`,
    { argument: 'load()' },
    { cause },
  );
}

function unwritten(path: string, cause: unknown): StorageError {
  const { message } = cause as Error;
  return new StorageError(
    `a checkpoint can't be written to ${path}: ${message}`,
    { path },
    { cause },
  );
}

/** What a system says of a file that can't be read: the disk that is written to has no part in it. */
const UNREADABLE: ReadonlySet<unknown> = new Set([
  'ENOENT',
  'ENOTDIR',
  'EACCES',
  'EPERM',
  'ELOOP',
  'ENAMETOOLONG',
]);

/** The trial's own mistake, where it has named a folder that can't be copied; else a matter of the disk. */
function whyUnwritten(
  cause: unknown,
  path: string,
  state: unknown,
): StorageError | SerializationError {
  if (!(state instanceof DirectoryCheckpoint)) return unwritten(path, cause);
  const { code, path: at, message } = cause as NodeJS.ErrnoException;
  const folder = resolve(state.directory);
  const isWithin = at !== undefined && `${resolve(at)}${sep}`.startsWith(`${folder}${sep}`);
  // `cp` has codes of its own for what can't be copied: a folder into itself, sockets, pipes.
  const isOfSource = (isWithin && UNREADABLE.has(code)) || code?.startsWith('ERR_FS_CP') === true;
  if (!isOfSource) return unwritten(path, cause);
  return new SerializationError(
    `Checkpoint.fromDirectory(): ${state.directory} can't be copied: ${message}`,
    { path: ['checkpoint'] },
    { cause },
  );
}

function besideOf(path: string): string {
  return `${path}.${process.pid}.writing`;
}
