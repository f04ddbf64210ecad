/**
 * The lines of a journal, one after the other, without holding the file in memory. Knows what a line is, not what it says.
 *
 * - LR-1 A last line that has no end, or can't be read, was torn when its writer or the machine died: it is no error, and
 *   `end` is where it begins.
 * - LR-2 What is appended while it is read is not seen: it ends where the file ended at the beginning.
 */

import { isUtf8 } from 'node:buffer';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

import { JournalError } from '../errors.ts';
import { LINE_BYTES_MAX, LineError, Operation, type JournalLine } from './format.ts';
import { readJson } from './python-json.ts';

const CHUNK_BYTES = 2 ** 18;
const LINE_FEED = 10;

/** What the lines of a file came to. */
export interface LinesRead {
  /** The number of whole lines before, and those read. */
  readonly lines: number;
  /** Where the last whole line ends, in bytes. */
  readonly end: number;
  /** Where the file ended: more than `end` if its last line is torn. */
  readonly size: number;
}

/** Where to begin. */
export interface LineStart {
  readonly lines: number;
  readonly end: number;
}

export type LineVisitor = (line: JournalLine, number: number) => void;

/** Opens a journal, and reads all its lines. @throws JournalError */
export function readLinesOf(path: string, visit: LineVisitor): LinesRead {
  let file;
  try {
    file = openSync(path, 'r');
  } catch (cause) {
    const { message } = cause as Error;
    throw new JournalError(`${path} can't be opened: ${message}`, { path, line: 0 }, { cause });
  }
  try {
    return readLines(file, path, { lines: 0, end: 0 }, visit);
  } finally {
    closeSync(file);
  }
}

/** Reads the lines of an open file from a place on. @throws JournalError */
export function readLines(
  file: number,
  path: string,
  start: LineStart,
  visit: LineVisitor,
): LinesRead {
  return new LineReader(file, path, start, visit).read();
}

class LineReader {
  readonly #file: number;
  readonly #path: string;
  readonly #visit: LineVisitor;
  #lines: number;
  #end: number;
  /** An unreadable line: torn if nothing comes after it. */
  #unreadable: JournalError | undefined;
  #unreadableAt = 0;

  constructor(file: number, path: string, start: LineStart, visit: LineVisitor) {
    this.#file = file;
    this.#path = path;
    this.#visit = visit;
    this.#lines = start.lines;
    this.#end = start.end;
  }

  read(): LinesRead {
    const size = this.#attempt(() => fstatSync(this.#file).size);
    let buffer: Buffer = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, Math.max(0, size - this.#end)));
    let filled = 0;
    while (this.#end + filled < size) {
      const wanted = Math.min(buffer.length - filled, size - this.#end - filled);
      const at = this.#end + filled;
      const count = this.#attempt(() => readSync(this.#file, buffer, filled, wanted, at));
      // Somebody has made the file shorter.
      if (count === 0) break;
      filled += count;
      const whole = buffer.subarray(0, filled).lastIndexOf(LINE_FEED) + 1;
      if (whole > 0) {
        this.#readChunk(buffer.subarray(0, whole));
        buffer.copy(buffer, 0, whole, filled);
        filled -= whole;
      } else if (filled === buffer.length) {
        buffer = this.#larger(buffer);
      }
    }
    if (filled > 0 && this.#unreadable !== undefined) throw this.#unreadable;
    if (this.#unreadable !== undefined) {
      return { lines: this.#lines - 1, end: this.#unreadableAt, size };
    }
    return { lines: this.#lines, end: this.#end, size };
  }

  #readChunk(chunk: Buffer): void {
    const valid = isUtf8(chunk);
    for (let from = 0; from < chunk.length;) {
      const to = chunk.indexOf(LINE_FEED, from);
      const bytes = chunk.subarray(from, to);
      this.#readLine(bytes, valid || isUtf8(bytes));
      from = to + 1;
    }
  }

  #readLine(bytes: Buffer, isText: boolean): void {
    if (this.#unreadable !== undefined) throw this.#unreadable;
    const at = this.#end;
    this.#lines++;
    this.#end += bytes.length + 1;
    let line;
    try {
      if (!isText) throw new LineError('it is no UTF-8');
      line = readJson(bytes.toString('utf8'));
    } catch (cause) {
      this.#unreadable = this.#error("can't be read", cause);
      this.#unreadableAt = at;
      return;
    }
    try {
      this.#visit(checked(line), this.#lines);
    } catch (error) {
      throw error instanceof LineError ? this.#error(error.message, undefined) : error;
    }
  }

  #larger(buffer: Buffer): Buffer {
    if (buffer.length >= LINE_BYTES_MAX) {
      this.#lines++;
      throw this.#error(`is longer than ${LINE_BYTES_MAX} bytes`, undefined);
    }
    return Buffer.concat([buffer], buffer.length * 2);
  }

  #attempt<T>(call: () => T): T {
    try {
      return call();
    } catch (cause) {
      const place = { path: this.#path, line: 0 };
      throw new JournalError(`${this.#path} can't be read`, place, { cause });
    }
  }

  #error(what: string, cause: unknown): JournalError {
    const hint = this.#lines === 1 ? '; is this a journal?' : '';
    return new JournalError(
      `${this.#path}, line ${this.#lines}: ${what}${hint}`,
      { path: this.#path, line: this.#lines },
      cause === undefined ? {} : { cause },
    );
  }
}

function checked(value: unknown): JournalLine {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'op_code')) {
    throw new LineError('it is no operation of Optuna');
  }
  const line = value as JournalLine;
  const { op_code: code } = line;
  if (!Number.isInteger(code) || code < 0 || code > Operation.discard) {
    throw new LineError(`operation ${JSON.stringify(code)} is unknown: it is from a newer version`);
  }
  return line;
}
