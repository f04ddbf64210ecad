/**
 * `reports.jsonl`: a JSON object a line for each report, as it was kept, with null for NaN and infinite numbers.
 *
 * - JL-1 A file made from a record has each iteration of a trial once, trial by trial. One that is appended to has reports in
 *   the order in which they came; where a trial went back to a checkpoint, the last line of an iteration counts. `done`
 *   is known at a trial's end only, and false in lines that were appended before.
 * - JL-2 Lines are whole, or the last one has no end: a process may have been killed while it wrote.
 * - JL-3 What an appender holds in memory is less than {@link BUFFERED_LETTERS}, plus one report.
 */

import { closeSync, openSync, writeSync } from 'node:fs';

import type { ExperimentRecord } from '../experiment/record.ts';
import type { ReportedMetrics } from '../types.ts';
import { notWritten } from './atomic-file.ts';

/** How many letters are held back before they are written: a write costs as much as twenty reports. */
export const BUFFERED_LETTERS = 2 ** 16;

/** A number for which JSON has no word, in the journal's JSON; or a text that looks like one. */
const NO_JSON = /NaN|Infinity/;

/** The line of a report, with its end. `row` is what the journal has of it. */
export function reportLine(metrics: ReportedMetrics, row?: string): string {
  if (row !== undefined && !NO_JSON.test(row)) return `${row}\n`;
  // JSON.stringify has null for what is no finite number.
  return `${JSON.stringify(metrics)}\n`;
}

/** All reports that a record has, in pieces. */
export function* reportPieces({ trials }: ExperimentRecord): Generator<string> {
  let piece = '';
  for (const { history } of trials) {
    for (const metrics of history) {
      piece += reportLine(metrics);
      if (piece.length >= BUFFERED_LETTERS) {
        yield piece;
        piece = '';
      }
    }
  }
  if (piece !== '') yield piece;
}

/** Appends reports as they come. Whoever has it flushes it now and then, and closes it. */
export class ReportsAppender {
  readonly #path: string;
  readonly #file: number;
  #buffer = '';

  /** @throws StorageError */
  constructor(path: string) {
    this.#path = path;
    this.#file = this.#storing(() => openSync(path, 'a'));
  }

  /** @throws StorageError where what was held back can't be written */
  append(metrics: ReportedMetrics, row?: string): void {
    this.#buffer += reportLine(metrics, row);
    if (this.#buffer.length >= BUFFERED_LETTERS) this.flush();
  }

  /** Writes what is held back. @throws StorageError; what could not be written is dropped, since the journal has it */
  flush(): void {
    if (this.#buffer === '') return;
    const bytes = Buffer.from(this.#buffer);
    this.#buffer = '';
    this.#storing(() => {
      for (let written = 0; written < bytes.length;) {
        written += writeSync(this.#file, bytes, written);
      }
    });
  }

  /** Flushes, and gives the file back whatever comes of that. @throws StorageError */
  close(): void {
    try {
      this.flush();
    } finally {
      this.#storing(() => closeSync(this.#file));
    }
  }

  #storing<T>(call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw notWritten(this.#path, error);
    }
  }
}
