/** A terminal as a reader sees it: what was written, as rows of text, those that have scrolled out of sight included. */

import { widthOf } from '../../bindings/typescript/src/tune/reporters/text-width.ts';
import type { OutputStream } from '../../bindings/typescript/src/tune/reporters/terminal.ts';

const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Follows the few commands that are used here; any other is an error. */
export class Screen {
  columns: number;
  rows: number;
  #cells: string[][] = [[]];
  #row = 0;
  #column = 0;

  constructor(columns = 80, rows = 24) {
    this.columns = columns;
    this.rows = rows;
  }

  /** All rows, without spaces at their ends; an empty one at the end is left out. */
  get text(): string[] {
    const rows = this.#cells.map((cells) => cells.join('').trimEnd());
    return rows.at(-1) === '' ? rows.slice(0, -1) : rows;
  }

  write(text: string): void {
    let rest = text;
    while (rest !== '') {
      const command = /^\u001b\[(\d*)([A-Za-z])/.exec(rest);
      if (command !== null) {
        this.#obey(command[2]!, Number(command[1] || 1));
        rest = rest.slice(command[0].length);
        continue;
      }
      const [{ segment }] = characters.segment(rest) as unknown as [{ segment: string }];
      this.#put(segment);
      rest = rest.slice(segment.length);
    }
  }

  #put(character: string): void {
    if (character === '\n' || character === '\r\n') {
      this.#newLine();
      return;
    }
    if (character === '\r') {
      this.#column = 0;
      return;
    }
    const width = widthOf(character);
    if (this.#column + width > this.columns) this.#newLine();
    const cells = this.#cells[this.#row]!;
    while (cells.length < this.#column) cells.push(' ');
    cells.splice(this.#column, width, character, ...Array.from({ length: width - 1 }, () => ''));
    this.#column += width;
  }

  #newLine(): void {
    this.#row++;
    this.#column = 0;
    this.#cells[this.#row] ??= [];
  }

  #obey(command: string, count: number): void {
    switch (command) {
      case 'A':
        // What has scrolled out of sight can't be reached.
        this.#row = Math.max(this.#row - count, this.#cells.length - this.rows, 0);
        return;
      case 'J':
        this.#cells.length = this.#row + 1;
        this.#cells[this.#row]!.length = Math.min(this.#cells[this.#row]!.length, this.#column);
        return;
      case 'K':
        this.#cells[this.#row] = [];
        return;
      case 'm':
        return;
      default:
        throw new Error(`the screen does not know ${JSON.stringify(command)}`);
    }
  }
}

/** A stream that writes to a screen. */
export class ScreenStream implements OutputStream {
  readonly isTTY: boolean;
  readonly #screen: Screen;

  constructor(screen: Screen, isTTY = true) {
    this.#screen = screen;
    this.isTTY = isTTY;
  }

  get columns(): number {
    return this.#screen.columns;
  }

  get rows(): number {
    return this.#screen.rows;
  }

  write(chunk: string): boolean {
    this.#screen.write(typeof chunk === 'string' ? chunk : new TextDecoder().decode(chunk));
    return true;
  }

  listenerCount(): number {
    return 0;
  }

  once(): this {
    return this;
  }
}
