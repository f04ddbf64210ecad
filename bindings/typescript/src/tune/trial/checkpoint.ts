/**
 * Checkpoints: states of trials, on disk or in the object store.
 *
 * - CK-1 What stands at a checkpoint's path is whole: it is written beside, and renamed.
 */

import { cp, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { mkdirSync, renameSync, rmSync, cpSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve, sep } from 'node:path';
import { deserialize, serialize } from 'node:v8';

import { InvalidArgumentError, type ObjectRef, SerializationError, get } from '../../index.ts';
import { StorageError } from '../errors.ts';
import { isPlainObject } from '../plain-object.ts';
import type { Checkpoint as CheckpointType, ReportedMetrics } from '../types.ts';

/** The file of a checkpoint that is a value. */
const VALUE_FILE = 'checkpoint.v8';

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
  const bytes = state instanceof DirectoryCheckpoint ? undefined : bytesOf(state);
  const beside = besideOf(path);
  try {
    await mkdir(dirname(path), { recursive: true });
    if (state instanceof DirectoryCheckpoint)
      await cp(state.directory, beside, { recursive: true });
    else {
      await mkdir(beside, { recursive: true });
      await writeFile(join(beside, VALUE_FILE), bytes!);
    }
    await rm(path, { recursive: true, force: true });
    await rename(beside, path);
  } catch (error) {
    // Where nothing can be written, nothing may be removable either: why it could not be written says more.
    await rm(beside, { recursive: true, force: true }).catch(() => undefined);
    throw whyUnwritten(error, path, state);
  }
}

/** The same, blocking. */
export function writeCheckpointSync(path: string, state: unknown): void {
  const bytes = state instanceof DirectoryCheckpoint ? undefined : bytesOf(state);
  const beside = besideOf(path);
  try {
    mkdirSync(dirname(path), { recursive: true });
    if (state instanceof DirectoryCheckpoint) cpSync(state.directory, beside, { recursive: true });
    else {
      mkdirSync(beside, { recursive: true });
      writeFileSync(join(beside, VALUE_FILE), bytes!);
    }
    rmSync(path, { recursive: true, force: true });
    renameSync(beside, path);
  } catch (error) {
    try {
      rmSync(beside, { recursive: true, force: true });
    } catch {
      // As above.
    }
    throw whyUnwritten(error, path, state);
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
  let bytes: Buffer;
  try {
    bytes = await readFile(join(path, VALUE_FILE));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new InvalidArgumentError(
      `the checkpoint in ${path} has no value: it was made of a folder, and its files are there`,
      { argument: 'load()' },
      { cause: error },
    );
  }
  return deserialize(bytes);
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

function bytesOf(state: unknown): Buffer {
  refuseUnstorable(state, 'checkpoint', new Set());
  return serialize(state);
}

/** What would come back from a file as something else. */
function refuseUnstorable(value: unknown, path: string, seen: Set<object>): void {
  if (typeof value === 'function' || typeof value === 'symbol') throw unstorable(value, path);
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) refuseUnstorable(item, `${path}[${index}]`, seen);
  } else if (value instanceof Map) {
    for (const [key, item] of value) {
      refuseUnstorable(key, `${path} → a key`, seen);
      refuseUnstorable(item, `${path}.get(${String(key)})`, seen);
    }
  } else if (value instanceof Set) {
    for (const item of value) refuseUnstorable(item, `${path} → an element`, seen);
  } else if (isPlainObject(value)) {
    for (const [key, item] of Object.entries(value)) refuseUnstorable(item, `${path}.${key}`, seen);
  } else if (!isPlatformData(value)) throw unstorable(value, path);
}

function isPlatformData(value: object): boolean {
  return (
    ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer ||
    value instanceof Date ||
    value instanceof RegExp ||
    (value instanceof Error &&
      /^(Aggregate|Eval|Range|Reference|Syntax|Type|URI)?Error$/.test(value.name))
  );
}

function unstorable(value: unknown, path: string): SerializationError {
  const what =
    typeof value === 'object' && value !== null
      ? `an instance of ${(value.constructor as { name?: string } | undefined)?.name ?? 'a class'}`
      : `a ${typeof value}`;
  return new SerializationError(
    `${path} is ${what}, which can't be kept in a file; save its data as plain objects, arrays and typed arrays, ` +
      'or write files and report Checkpoint.fromDirectory(path)',
    { path: [path] },
  );
}
