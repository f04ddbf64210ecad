/**
 * Writes the events of an experiment to its journal.
 *
 * - JW-1 An event is one write, and in the file (not: on the disk, see `fsync`) when `append` returns.
 * - JW-2 After a write or sync that failed nothing more is written: what the failed one has left is a torn line at the end, which
 *   is cut off when the file is next opened for writing.
 * - JW-3 Everything before a torn line stays as it is, and a file that is no journal is not touched.
 * - JW-4 What is written is where its path says: a file that was removed, moved or replaced is a failure, noticed at each look at it, and
 *   before a checkpoint is in it that was written beside the path.
 * - JW-5 A trial's place in the file is looked up after it was written, so that a trial that somebody else has added at the same
 *   moment moves nothing.
 */

import { Buffer } from 'node:buffer';
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

import { ExperimentLockedError, JournalError, StorageError } from '../errors.ts';
import type { ExperimentEvent, ExperimentHeader, TrialHeader } from '../experiment/events.ts';
import { deletionLine, EventLines } from './event-lines.ts';
import { ExperimentReader, type ReadExperiment } from './experiment-reader.ts';
import { objectIn, Operation, OWN, WORKER, type JournalLine } from './format.ts';
import { readLines, type LinesRead } from './line-reader.ts';
import { JournalLock, withOptunaLock } from './lock.ts';
import type { Numbering } from './numbering.ts';

/** When what is written is brought to the disk: each second, with each event, or when the system likes. */
export type Fsync = 'interval' | 'always' | 'never';

export interface JournalWriterOptions {
  /** What a power cut may take: a second, nothing, or what the system had not written yet. A killed process loses nothing. */
  readonly fsync: Fsync;
  /** The name of the experiment, and of its study; null: that of the last one in the file, which has to be there. */
  readonly study: string | null;
  /** Called with the events in the file, those of other experiments too. */
  readonly onEvent?: (event: ExperimentEvent, study: number) => void;
}

/** Of `fsync: 'interval'`. */
const SYNC_INTERVAL_MS = 1000;

/** The one writer of a journal. */
export class JournalWriter {
  readonly path: string;
  /** The experiment as the file had it when it was opened; null if it had none of this name. */
  readonly found: ReadExperiment | null;
  readonly #file: number;
  readonly #lock: JournalLock;
  readonly #fsync: Fsync;
  readonly #name: string | null;
  readonly #numbering: Numbering;
  #study: number | undefined;
  #lines: EventLines | undefined;
  /** How far lines have been counted. */
  #counted: { lines: number; end: number };
  /** What was written here since, in bytes. */
  #uncounted = 0;
  /** Why nothing more is written. */
  #failure: StorageError | undefined;
  /** It happened in the background, and nobody knows yet. */
  #isUntold = false;
  #isClosed = false;
  #syncTimer: NodeJS.Timeout | undefined;
  #isSyncing = false;

  private constructor(opened: OpenedJournal, options: JournalWriterOptions) {
    this.path = opened.path;
    this.found = opened.found;
    this.#file = opened.file;
    this.#lock = opened.lock;
    this.#fsync = options.fsync;
    this.#name = options.study;
    this.#numbering = opened.numbering;
    this.#counted = opened.read;
    if (opened.found !== null) this.#continue(opened.found);
  }

  /**
   * Opens a journal, or makes one in a folder that is there; reads it; and cuts off a torn last line.
   *
   * @throws ExperimentLockedError if it has a writer
   * @throws JournalError if it can't be read, is something else or from a newer version
   * @throws StorageError if it can't be written
   */
  static open(path: string, options: JournalWriterOptions): JournalWriter {
    const opened = openJournal(path, options);
    try {
      return new JournalWriter(opened, options);
    } catch (error) {
      opened.lock.release();
      closeSync(opened.file);
      throw error;
    }
  }

  /** The number that the next trial has to have: that of its place, after those that others have added. @throws StorageError */
  nextNumber(): number {
    this.requireUsable();
    this.#count();
    return this.#numbering.trialsOf(this.#study ?? this.#numbering.nextStudy);
  }

  /** Writes an event. `row` is the JSON of a report's metrics, for whoever has it already. @throws StorageError */
  append(event: ExperimentEvent, row?: string): void {
    this.requireUsable();
    if (event.kind === 'experiment') {
      this.#begin(event.header);
      return;
    }
    const lines = this.#lines;
    if (lines === undefined) throw new Error(`${this.path}: no event comes before the experiment`);
    // JW-4: where the folder was moved, the one before would be dropped for one that is not there.
    if ('checkpoint' in event && event.checkpoint !== null) this.#size();
    this.#write(lines.of(event, row));
    if (event.kind === 'trial') lines.place(event.trial, this.#placeOf(event.trial));
  }

  /** Looks whether the file is still there. @throws StorageError if it was removed, moved or replaced (JW-4) */
  look(): void {
    this.#size();
  }

  /** Brings to the disk what was written, whatever `fsync` says. @throws StorageError */
  sync(): void {
    this.requireUsable();
    clearTimeout(this.#syncTimer);
    this.#syncTimer = undefined;
    // What is in a file that was removed is nowhere (JW-4).
    this.#size();
    try {
      fdatasyncSync(this.#file);
    } catch (cause) {
      throw this.#fail("can't be brought to the disk", cause);
    }
  }

  /**
   * Syncs, unless `fsync` is `'never'`, and gives the lock back. More calls do nothing.
   *
   * @throws StorageError if the file is not where it was, if the sync fails, or if one in the background has failed since the last event
   */
  close(): void {
    if (this.#isClosed) return;
    try {
      if (this.#failure === undefined && this.#fsync !== 'never') this.sync();
      else if (this.#failure === undefined) this.#size();
      else if (this.#isUntold) this.requireUsable();
    } finally {
      this.#isClosed = true;
      clearTimeout(this.#syncTimer);
      this.#lock.release();
      // A number that is still being synced must not become another file's.
      if (!this.#isSyncing) attempt(this.path, "can't be closed", () => closeSync(this.#file));
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #continue({ experiment, study, trialIds }: ReadExperiment): void {
    const lines = new EventLines(experiment.header, study);
    for (const [index, trial] of experiment.trials.entries()) {
      lines.restore(trial, trialIds[index]!);
    }
    this.#study = study;
    this.#lines = lines;
  }

  #begin(header: ExperimentHeader): void {
    if (header.name !== this.#name) {
      throw new Error(`${this.path}: opened for ${this.#name}, and not for ${header.name}`);
    }
    this.#count();
    const former = this.#numbering.studyOf(header.name);
    const study = this.#numbering.nextStudy;
    const lines = new EventLines(header, study);
    const deletion = former === undefined ? '' : deletionLine(former);
    this.#write(deletion + lines.of({ kind: 'experiment', header }));
    this.#countLines();
    if (this.#numbering.studies.get(study) !== header.name) {
      throw this.#fail('got another study at the same moment as this one', undefined);
    }
    this.#study = study;
    this.#lines = lines;
  }

  /** The `trial_id` of the trial that was written last. */
  #placeOf(trial: TrialHeader): number {
    const study = this.#study!;
    if (this.#size() === this.#expectedSize) {
      // Nobody else has written.
      this.#counted = { lines: this.#counted.lines, end: this.#expectedSize };
      this.#uncounted = 0;
      return this.#numbering.createTrial(study)!;
    }
    const place = this.#countLines(trial);
    if (place === undefined) {
      throw this.#fail('has lost its study or its last trial: somebody has changed it', undefined);
    }
    return place;
  }

  /** Takes into account what others have written. */
  #count(): void {
    if (this.#size() !== this.#expectedSize) this.#countLines();
    if (this.#study !== undefined && !this.#numbering.studies.has(this.#study)) {
      throw this.#fail('has lost its study: somebody has deleted it', undefined);
    }
  }

  /** Counts the lines that are new, others' and our own, and gives the place of a trial of ours among them. */
  #countLines(trial?: TrialHeader): number | undefined {
    let place: number | undefined;
    try {
      const { lines, end } = readLines(this.#file, this.path, this.#counted, (line) => {
        const id = this.#numbering.apply(line);
        if (trial !== undefined && id !== null && isTrialOf(line, trial)) place = id;
      });
      this.#counted = { lines, end };
    } catch (cause) {
      throw this.#fail("can't be read any more, beside what was written here", cause);
    }
    this.#uncounted = 0;
    return place;
  }

  /** The size of the file if nobody else has written since its lines were counted. */
  get #expectedSize(): number {
    return this.#counted.end + this.#uncounted;
  }

  /** JW-4. */
  #size(): number {
    let file;
    let there;
    try {
      file = fstatSync(this.#file, { bigint: true });
      there = statSync(this.path, { bigint: true, throwIfNoEntry: false });
    } catch (cause) {
      throw this.#fail("can't be looked at", cause);
    }
    if (file.nlink === 0n) throw this.#fail('was removed while it was written', undefined);
    if (there?.ino !== file.ino || there.dev !== file.dev) {
      throw this.#fail(
        'was moved or replaced while it was written; what was written is where it was moved to, and can be gone on with there',
        undefined,
      );
    }
    return Number(file.size);
  }

  #write(text: string): void {
    let length: number;
    try {
      length = writeSync(this.#file, text);
      // Only where the disk is full, as a rule: the second write says so.
      if (length < Buffer.byteLength(text)) length = this.#writeRest(text, length);
    } catch (cause) {
      throw this.#fail("can't be written", cause);
    }
    this.#uncounted += length;
    if (this.#fsync === 'always') this.sync();
    else if (this.#fsync === 'interval' && !this.#isSyncing) this.#syncLater();
  }

  /** Gives the bytes of the whole text. */
  #writeRest(text: string, begun: number): number {
    const bytes = Buffer.from(text);
    let written = begun;
    while (written < bytes.length) written += writeSync(this.#file, bytes, written);
    return written;
  }

  #syncLater(): void {
    this.#syncTimer ??= setTimeout(() => {
      this.#syncTimer = undefined;
      if (this.#isThere()) this.#syncInBackground();
    }, SYNC_INTERVAL_MS).unref();
  }

  /** False if the file is not where it was: the next event says so. */
  #isThere(): boolean {
    try {
      this.#size();
      return true;
    } catch {
      // It is kept, as the failure that is told.
      this.#isUntold = true;
      return false;
    }
  }

  #syncInBackground(): void {
    this.#isSyncing = true;
    const before = this.#expectedSize;
    fdatasync(this.#file, (cause) => {
      this.#isSyncing = false;
      if (cause !== null) {
        const failure = this.#fail("can't be brought to the disk", cause);
        this.#isUntold = true;
        // There will be no event that could have this error.
        if (this.#isClosed) process.emitWarning(failure);
      } else if (this.#expectedSize !== before && !this.#isClosed) {
        this.#syncLater();
      }
      if (this.#isClosed) closeSync(this.#file);
    });
  }

  /** The first failure is the one that is told from then on. */
  #fail(what: string, cause: unknown): StorageError {
    this.#failure ??= new StorageError(
      `${this.path} ${what}${cause instanceof Error ? `: ${cause.message}` : ''}`,
      { path: this.path },
      cause === undefined ? {} : { cause },
    );
    return this.#failure;
  }

  /** @throws StorageError if it is closed, or could not be written any more */
  requireUsable(): void {
    if (this.#isClosed) throw new StorageError(`${this.path} is closed`, { path: this.path });
    if (this.#failure === undefined) return;
    this.#isUntold = false;
    throw this.#failure;
  }
}

function isTrialOf(line: JournalLine, { number }: TrialHeader): boolean {
  if (line.op_code !== Operation.createTrial || line.worker_id !== WORKER) return false;
  const own = objectIn(line, 'system_attrs')[`${OWN}trial`] as
    { readonly number: number } | undefined;
  return own?.number === number;
}

interface OpenedJournal {
  readonly path: string;
  readonly file: number;
  readonly lock: JournalLock;
  readonly found: ReadExperiment | null;
  readonly numbering: Numbering;
  readonly read: LinesRead;
}

function openJournal(path: string, { fsync, study, onEvent }: JournalWriterOptions): OpenedJournal {
  const file = attempt(path, "can't be opened for writing", () =>
    openSync(path, constants.O_RDWR | constants.O_APPEND | constants.O_CREAT, 0o666),
  );
  try {
    const identity = attempt(path, "can't be looked at", () => fstatSync(file, { bigint: true }));
    const lock = JournalLock.take(path, identity);
    try {
      requireSameFile(path, identity);
      const reader = new ExperimentReader(onEvent);
      const all = readLines(file, path, { lines: 0, end: 0 }, (line) => reader.apply(line));
      const read = cutTornLine(file, path, all, reader);
      if (all.size === 0 && fsync !== 'never') syncFolder(path);
      const found = reader.found(study ?? undefined) ?? null;
      return { path, file, lock, found, numbering: reader.numbering, read };
    } catch (error) {
      lock.release();
      throw error;
    }
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** The lock is one for a file: it has to be the one that still has this name. */
function requireSameFile(path: string, file: { readonly dev: bigint; readonly ino: bigint }): void {
  const now = attempt(path, "can't be looked at", () =>
    statSync(path, { bigint: true, throwIfNoEntry: false }),
  );
  if (now?.dev === file.dev && now.ino === file.ino) return;
  throw new ExperimentLockedError(`${path} was replaced while it was opened`, { path });
}

function cutTornLine(
  file: number,
  path: string,
  all: LinesRead,
  reader: ExperimentReader,
): LinesRead {
  if (all.end === all.size) return all;
  if (all.lines === 0) requireJournal(file, path);
  // One of Optuna's programs may be just in the middle of it.
  return withOptunaLock(path, () => {
    const now = readLines(file, path, all, (line) => reader.apply(line));
    if (now.end < now.size) {
      attempt(path, "can't be shortened by its torn line", () => ftruncateSync(file, now.end));
    }
    return { ...now, size: now.end };
  });
}

/** What all lines begin with, ours and those of Optuna's `json`. */
const BEGINNING = '{"op_code":';

/** Nothing is cut off a file that has never been a journal. */
function requireJournal(file: number, path: string): void {
  const bytes = Buffer.alloc(BEGINNING.length);
  const count = attempt(path, "can't be read", () => readSync(file, bytes, 0, bytes.length, 0));
  const text = bytes.toString('latin1', 0, count);
  // A power cut leaves zeros.
  if (BEGINNING.startsWith(text) || /^\0+$/.test(text)) return;
  throw new JournalError(`${path} is no journal`, { path, line: 1 });
}

/** So that the file's name survives a power cut. */
function syncFolder(path: string): void {
  attempt(path, "can't be brought to the disk", () => {
    const folder = openSync(dirname(path), constants.O_RDONLY);
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  });
}

function attempt<T>(path: string, what: string, call: () => T): T {
  try {
    return call();
  } catch (cause) {
    throw new StorageError(`${path} ${what}: ${(cause as Error).message}`, { path }, { cause });
  }
}
