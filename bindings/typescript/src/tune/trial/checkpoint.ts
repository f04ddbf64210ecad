/**
 * Checkpoints: states of trials, on disk or in the object store.
 *
 * - CK-1 What stands at a checkpoint's path is whole: it is written beside, and renamed.
 */

import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { appendFileSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

import {
  InvalidArgumentError,
  type ObjectRef,
  SerializationError,
  get,
  isInitialized,
} from '../../index.ts';
import { StorageError } from '../errors.ts';
import type { Checkpoint as CheckpointType, ReportedMetrics } from '../types.ts';
import { FolderError, copyFolder, copyFolderSync } from './folder-copy.ts';
import { type StoredFormat, type StoredValue, storedValue, valueOf } from './stored-values.ts';

/** The file of a checkpoint that is a value, by how it is in there. */
const VALUE_FILES: Readonly<Record<StoredFormat, string>> = {
  v8: 'checkpoint.v8',
  eagleray: 'checkpoint.eagleray',
};

/** What the core asks of classes whose instances it is to send. */
const SERIALIZE: unique symbol = Symbol.for('eagleray.serialize') as never;
const DESERIALIZE: unique symbol = Symbol.for('eagleray.deserialize') as never;

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

  /**
   * What was saved.
   *
   * @throws InvalidArgumentError if it was made of a folder (its files are in `path`), or is not there any more
   * @throws SerializationError if its file is damaged, or holds what this process can't have
   */
  async load(): Promise<State> {
    const saved = 'path' in this.#place ? await readValue(this.#place.path) : await this.#stored();
    if (saved !== NO_VALUE) return saved as State;
    throw new InvalidArgumentError(
      `load(): the checkpoint in ${this.path} has no value: it was made of a folder, and its files are there`,
      { argument: 'load()' },
    );
  }

  /** What a class goes on with: the value, or the checkpoint itself where it was made of a folder. @internal */
  static async stateOf(checkpoint: Checkpoint): Promise<unknown> {
    const { path } = checkpoint;
    const saved = path === null ? await checkpoint.load() : await readValue(path);
    return saved === NO_VALUE ? checkpoint : saved;
  }

  /**
   * A checkpoint that is a folder of files. It is copied before `report` settles, and is to stay as it is until then. Links to something
   * in the folder lead to the same thing in the copy; of others the copy has what they lead to.
   *
   * @throws InvalidArgumentError if there is no such folder
   */
  static fromDirectory(path: string): DirectoryCheckpoint {
    if (typeof path !== 'string' || path === '' || !isFolder(path)) {
      throw new InvalidArgumentError('', {
        argument: 'Checkpoint.fromDirectory() path',
        value: path,
        allowed: 'the path of a folder that is there',
      });
    }
    return new DirectoryCheckpoint(resolve(path));
  }

  static [SERIALIZE](): never {
    throw new TypeError(
      'a checkpoint is where a state was saved, and not the state: give what its load() gives, or for a checkpoint that is a folder Checkpoint.fromDirectory() of its path',
    );
  }

  static [DESERIALIZE](): never {
    throw new TypeError('checkpoints are not sent');
  }

  async #stored(): Promise<unknown> {
    if (!isInitialized()) {
      throw new InvalidArgumentError(
        'load(): the checkpoint was in the object store and has ended with the runtime; load it before shutdown(), or give a storagePath that is not null',
        { argument: 'load()' },
      );
    }
    return get((this.#place as { readonly ref: ObjectRef<unknown> }).ref);
  }
}

/** A folder that is to become a checkpoint. */
export class DirectoryCheckpoint {
  readonly directory: string;

  /** @internal */
  constructor(directory: string) {
    this.directory = directory;
  }

  static [SERIALIZE](): never {
    throw new TypeError(
      'what Checkpoint.fromDirectory() gives has to be the checkpoint itself, and no part of a value: its files would not be saved',
    );
  }

  static [DESERIALIZE](): never {
    throw new TypeError('folders are not sent');
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
    if (saved instanceof DirectoryCheckpoint) await copyFolder(saved.directory, beside);
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
    if (saved instanceof DirectoryCheckpoint) copyFolderSync(saved.directory, beside);
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
    if (error instanceof StorageError) throw error;
    // What can't be read is ours, and no argument of anybody.
    throw unwritten(to, (error as SerializationError).cause);
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

/** There are files, and none of a value. */
const NO_VALUE = Symbol('no value');

/**
 * The value in a folder, or {@link NO_VALUE}.
 *
 * @throws InvalidArgumentError if there is no folder @throws SerializationError for a file that is damaged, or can't be used here
 */
async function readValue(path: string): Promise<unknown> {
  for (const [format, name] of Object.entries(VALUE_FILES)) {
    const file = join(path, name);
    const bytes = await unlessMissing(() => readFile(file));
    if (bytes !== undefined) return valueIn(file, format as StoredFormat, bytes);
  }
  if ((await unlessMissing(() => readdir(path))) !== undefined) return NO_VALUE;
  throw new InvalidArgumentError(
    `load(): the checkpoint ${path} is not there any more: its folder was removed or moved; of each trial the latest checkpoint is kept, and the best ones (checkpoints.numToKeep)`,
    { argument: 'load()' },
  );
}

async function unlessMissing<T>(read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

async function valueIn(file: string, format: StoredFormat, bytes: Buffer): Promise<unknown> {
  try {
    return await valueOf(format, bytes);
  } catch (cause) {
    throw new SerializationError(
      `load(): the checkpoint ${file} can't be read: ${(cause as Error).message}`,
      { path: cause instanceof SerializationError ? cause.path : [] },
      { cause },
    );
  }
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    return false;
  }
}

function unwritten(path: string, cause: unknown): StorageError {
  const { message } = cause as Error;
  return new StorageError(
    `a checkpoint can't be written to ${path}: ${message}`,
    { path },
    { cause },
  );
}

/** The trial's own mistake, where it has named a folder that can't be copied; else a matter of the disk. */
function whyUnwritten(
  cause: unknown,
  path: string,
  state: unknown,
): StorageError | SerializationError {
  if (!(state instanceof DirectoryCheckpoint && cause instanceof FolderError))
    return unwritten(path, cause);
  return new SerializationError(
    `Checkpoint.fromDirectory(): ${state.directory} can't be copied: ${cause.message}`,
    { path: ['checkpoint'] },
    { cause },
  );
}

function besideOf(path: string): string {
  return `${path}.${process.pid}.writing`;
}
