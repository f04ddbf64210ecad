/**
 * Writes to a terminal: lines that are drawn again in their place, below all other output.
 *
 * - TM-1 Other output is never lost or mixed with the lines: while they stand, whatever is written to a guarded stream first
 *   takes them away, and they come back below it when its line has ended.
 * - TM-2 What is drawn can be taken away again: it is never higher than the terminal.
 * - TM-3 Nothing here keeps the process alive, and a reader who has gone is no error of the program.
 * - TM-4 After `end` the guarded streams have their own `write` again.
 */

import { stripVTControlCharacters } from 'node:util';

import { headOf, widthOf } from './text-width.ts';

/** The part of a stream that is used. */
export interface OutputStream {
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
  write(chunk: string, callback?: (error?: Error | null) => void): boolean;
  listenerCount(event: 'error'): number;
  once(event: 'error', listener: (error: Error) => void): unknown;
}

/** What a stream is good for. */
export interface Abilities {
  /** Lines can be drawn again in their place. */
  readonly isLive: boolean;
  readonly colours: boolean;
}

/** Calls a function soon, without keeping the process alive; the result drops it. */
export type Soon = (callback: () => void) => () => void;

const COLUMNS_DEFAULT = 80;
const ROWS_DEFAULT = 24;

/**
 * What a stream is good for: terminals only are drawn on, and none where `TERM=dumb` or a build server (`CI`) says so.
 * `FORCE_COLOR` wins over `NO_COLOR`, as in Node, and both over the rest.
 */
export function abilitiesOf(
  stream: Pick<OutputStream, 'isTTY'>,
  env: Readonly<Record<string, string | undefined>>,
): Abilities {
  const isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb';
  return {
    isLive: isTerminal && !isSet(env['CI']),
    colours: wantedColours(env) ?? isTerminal,
  };
}

function wantedColours(env: Readonly<Record<string, string | undefined>>): boolean | undefined {
  const force = env['FORCE_COLOR'];
  if (force !== undefined) return force !== '0' && force !== 'false';
  // https://no-color.org: any value but an empty one.
  return env['NO_COLOR'] ? false : undefined;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}

/** How wide lines may be: one less than the terminal, since some begin a new line after the last column. */
export function columnsFor(stream: OutputStream): number {
  return Math.max(1, (stream.columns || COLUMNS_DEFAULT) - 1);
}

/** How many lines can be drawn so that all can be taken away again. */
export function rowsFor(stream: OutputStream): number {
  return Math.max(1, (stream.rows || ROWS_DEFAULT) - 1);
}

/** Writes text, as `console.log` does it: if nobody reads any more, it is dropped. */
export function writeText(stream: OutputStream, text: string): void {
  stream.write(text, (error) => {
    // The event comes right after this call.
    if (error && stream.listenerCount('error') === 0) stream.once('error', () => undefined);
  });
}

/** Lines that stand below all other output. */
export class LiveLines {
  readonly #stream: OutputStream;
  readonly #guarded: readonly OutputStream[];
  readonly #soon: Soon;
  #lines: readonly string[] = [];
  /** What of the lines stands on the terminal; empty if nothing does. */
  #drawn: readonly string[] = [];
  /** Whether what others wrote has ended its line. */
  #isAtLineStart = true;
  #dropRedraw: (() => void) | undefined;
  #unguard: (() => void)[] = [];
  #isWriting = false;

  /** `guarded` are the streams that may share the terminal. */
  constructor(
    stream: OutputStream,
    guarded: readonly OutputStream[],
    soon: Soon = soonUnreferenced,
  ) {
    this.#stream = stream;
    this.#guarded = guarded.filter(({ isTTY }) => isTTY === true);
    this.#soon = soon;
  }

  /** Draws lines in the place of those before. */
  show(lines: readonly string[]): void {
    if (this.#unguard.length === 0) this.#guard();
    this.#lines = lines;
    this.#draw();
  }

  /** Writes the last lines, which stay. */
  end(lines: readonly string[]): void {
    this.#dropRedraw?.();
    this.#dropRedraw = undefined;
    this.#write(this.#erasing() + this.#lineEnd() + textOf(lines));
    this.#drawn = [];
    this.#lines = [];
    for (const unguard of this.#unguard) unguard();
    this.#unguard = [];
  }

  #draw(): void {
    this.#dropRedraw?.();
    this.#dropRedraw = undefined;
    const lines = this.#lines.slice(0, rowsFor(this.#stream));
    this.#write(this.#erasing() + this.#lineEnd() + textOf(lines));
    this.#drawn = lines;
  }

  /** Takes the lines away, so that others can write where they stood. */
  #makeWay(): void {
    if (this.#drawn.length === 0) return;
    this.#write(this.#erasing());
    this.#drawn = [];
  }

  /** Up to the first of the lines, and erase all from there. */
  #erasing(): string {
    if (this.#drawn.length === 0) return '';
    const columns = this.#stream.columns || COLUMNS_DEFAULT;
    let rows = 0;
    // The terminal may have become narrower, and have folded them.
    for (const line of this.#drawn) rows += rowsOf(stripVTControlCharacters(line), columns);
    return `\u001b[${rows}A\r\u001b[J`;
  }

  /** Ends a line that others have begun and not ended for long. */
  #lineEnd(): string {
    if (this.#isAtLineStart) return '';
    this.#isAtLineStart = true;
    return '\n';
  }

  #write(text: string): void {
    if (text === '') return;
    this.#isWriting = true;
    try {
      writeText(this.#stream, text);
    } finally {
      this.#isWriting = false;
    }
  }

  #redrawSoon(): void {
    this.#dropRedraw ??= this.#soon(() => {
      this.#dropRedraw = undefined;
      if (this.#isAtLineStart && this.#lines.length > 0) this.#draw();
    });
  }

  /** Puts itself before the `write` of each guarded stream. */
  #guard(): void {
    for (const stream of new Set(this.#guarded)) {
      const hadOwnWrite = Object.hasOwn(stream, 'write');
      const write = stream.write;
      const guardedWrite = (...args: Parameters<OutputStream['write']>): boolean => {
        if (this.#isWriting) return write.apply(stream, args);
        this.#makeWay();
        const hasRoom = write.apply(stream, args);
        this.#isAtLineStart = endsLine(args[0]) ?? this.#isAtLineStart;
        this.#redrawSoon();
        return hasRoom;
      };
      stream.write = guardedWrite;
      this.#unguard.push(() => {
        // Somebody else may have wrapped it meanwhile; then ours stays beneath, and has nothing to take away.
        if (stream.write !== guardedWrite) return;
        if (hadOwnWrite) stream.write = write;
        else delete (stream as Partial<OutputStream>).write;
      });
    }
  }
}

/** How many rows a terminal of some columns needs for a line. */
function rowsOf(line: string, columns: number): number {
  if (widthOf(line) <= columns) return 1;
  const head = headOf(line, columns);
  return head === '' ? 1 : 1 + rowsOf(line.slice(head.length), columns);
}

/** Whether a chunk ends a line; undefined if there is nothing in it. */
function endsLine(chunk: string | Uint8Array): boolean | undefined {
  if (chunk.length === 0) return undefined;
  return typeof chunk === 'string' ? chunk.endsWith('\n') : chunk.at(-1) === 0x0a;
}

function textOf(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('');
}

function soonUnreferenced(callback: () => void): () => void {
  const timer = setTimeout(callback, 0);
  timer.unref();
  return () => clearTimeout(timer);
}
