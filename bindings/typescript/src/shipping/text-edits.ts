/** Replaces stretches of a text so that everything else stays on its line, and in its column where there is room. */

import type { SourceRange } from './parser.ts';

interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** The edits of one text; they must not overlap. */
export class TextEdits {
  readonly source: string;
  readonly #edits: Edit[] = [];

  constructor(source: string) {
    this.source = source;
  }

  /** Takes a stretch out and leaves blanks. */
  blank({ start, end }: SourceRange): void {
    this.#edits.push({ start, end, text: blanks(this.source.slice(start, end)) });
  }

  /** Puts a shorter text in the place of a stretch and fills up with blanks; a longer one moves what follows. */
  overlay({ start, end }: SourceRange, text: string): void {
    const rest = this.source.slice(start, end);
    const room = rest.search(/[\r\n\u2028\u2029]|$/);
    const filling = text.length <= room ? rest.slice(text.length) : rest.slice(room);
    this.#edits.push({ start, end, text: text + blanks(filling) });
  }

  /** Puts exactly this text in the place of a stretch. */
  replace({ start, end }: SourceRange, text: string): void {
    this.#edits.push({ start, end, text });
  }

  insert(at: number, text: string): void {
    this.#edits.push({ start: at, end: at, text });
  }

  /** True if no edit overlaps a stretch; for an empty one, if it lies inside of none. */
  isFree({ start, end }: SourceRange): boolean {
    return this.#edits.every((edit) => edit.end <= start || end <= edit.start);
  }

  /** A name that the text does not use, of at most `length` characters where such a name is left. */
  freshName(length: number, taken: ReadonlySet<string>): string {
    for (let number = 0; ; number++) {
      const digits = number.toString(36);
      const name = `$${'_'.repeat(Math.max(0, length - 1 - digits.length))}${digits}`;
      if (!this.source.includes(name) && !taken.has(name)) return name;
    }
  }

  toString(): string {
    // What is put before a stretch comes before what is put in its place.
    const edits = this.#edits.toSorted(
      (left, right) => left.start - right.start || left.end - right.end,
    );
    let text = '';
    let position = 0;
    for (const edit of edits) {
      text += this.source.slice(position, edit.start) + edit.text;
      position = edit.end;
    }
    return text + this.source.slice(position);
  }
}

function blanks(text: string): string {
  return text.replace(/[^\r\n\u2028\u2029]/g, ' ');
}
