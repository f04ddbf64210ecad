/**
 * What a trial's code prints goes into files of its own, besides where it goes anyway: Ray's `log_to_file`.
 *
 * - LF-1 A print belongs to the trial in whose asynchronous context it happens, whatever else the process has done or still does.
 * - LF-2 A file appears with the first print, and is appended to: what a retry prints follows what was there.
 * - LF-3 A print that can't be written is an error of the disk, when the trial's code has ended: `console` would swallow it.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { appendFileSync, closeSync, mkdirSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { StorageError } from '../errors.ts';
import type { LogFileNames, TrialAssignment } from './protocol.ts';

type StreamName = keyof LogFileNames;

const printing = new AsyncLocalStorage<TrialLog>();
let isTapped = false;

/** Runs code of a trial, with what it prints in the trial's files, if that is asked for. @throws StorageError */
export async function logged<R>(
  { logFiles, folder, id }: TrialAssignment,
  code: () => Promise<R>,
): Promise<R> {
  if (logFiles === null || folder === null) return code();
  tapStreams();
  const log = new TrialLog(join(folder, 'trials', id), logFiles);
  let result: R;
  try {
    result = await printing.run(log, code);
  } finally {
    log.close();
  }
  if (log.failure !== undefined) throw log.failure;
  return result;
}

class TrialLog {
  /** The first one. */
  failure: StorageError | undefined;
  readonly #folder: string;
  readonly #names: LogFileNames;
  /** By path; null once the trial's code has ended. */
  #open: Map<string, number> | null = new Map();

  constructor(folder: string, names: LogFileNames) {
    this.#folder = folder;
    this.#names = names;
  }

  print(stream: StreamName, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const path = join(this.#folder, this.#names[stream]);
    try {
      // What the trial has left running may print later.
      if (this.#open === null) appendFileSync(path, bytes);
      else writeAll(this.#descriptorOf(path, this.#open), bytes);
    } catch (error) {
      const { message } = error as Error;
      this.failure ??= new StorageError(
        `what a trial has printed can't be written to ${path}: ${message}`,
        { path },
        { cause: error },
      );
    }
  }

  close(): void {
    const open = this.#open;
    this.#open = null;
    for (const descriptor of open?.values() ?? []) closeSync(descriptor);
  }

  #descriptorOf(path: string, open: Map<string, number>): number {
    let descriptor = open.get(path);
    if (descriptor === undefined) {
      mkdirSync(this.#folder, { recursive: true });
      descriptor = openSync(path, 'a');
      open.set(path, descriptor);
    }
    return descriptor;
  }
}

/** From now on both streams of this process tell the trial that prints. */
function tapStreams(): void {
  if (isTapped) return;
  isTapped = true;
  tap('stdout');
  tap('stderr');
}

function tap(name: StreamName): void {
  const stream = process[name];
  const write = stream.write.bind(stream) as (...values: unknown[]) => boolean;
  stream.write = ((chunk: unknown, ...rest: unknown[]) => {
    const isWritten = write(chunk, ...rest);
    printing.getStore()?.print(name, bytesOf(chunk, rest[0]));
    return isWritten;
  }) as typeof stream.write;
}

/** What `write` has taken: anything else it has thrown at. */
function bytesOf(chunk: unknown, encoding: unknown): Uint8Array {
  if (typeof chunk !== 'string') return chunk as Uint8Array;
  return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
}

function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(descriptor, bytes, written);
  }
}
