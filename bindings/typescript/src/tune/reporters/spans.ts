/** Lines of coloured text: what is seen is separate from how it looks, so that widths are those of what is seen. */

import { cutToWidth, widthOf } from './text-width.ts';

/** How a piece of text looks. */
export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** A piece of a line. */
export interface Span {
  readonly text: string;
  readonly style?: Style | undefined;
}

/** A line, from left to right. */
export type Line = readonly Span[];

const CODES: Readonly<Record<Style, readonly [on: number, off: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
};

/** A piece of text. */
export function span(text: string, style?: Style): Span {
  return { text, style };
}

/** A line as text: cut to a width, coloured if wanted, and without spaces at its end. */
export function lineText(line: Line, width: number, colours: boolean): string {
  let room = width;
  let text = '';
  for (const piece of withoutTrailingSpaces(line)) {
    const shown = cutToWidth(piece.text, room);
    room -= widthOf(shown);
    text += painted(shown, colours ? piece.style : undefined);
    if (shown !== piece.text) break;
  }
  return text;
}

function painted(text: string, style: Style | undefined): string {
  if (style === undefined || text === '') return text;
  const [on, off] = CODES[style];
  return `\u001b[${on}m${text}\u001b[${off}m`;
}

function withoutTrailingSpaces(line: Line): Line {
  const last = line.at(-1);
  if (last === undefined) return line;
  const text = last.text.trimEnd();
  if (text === '') return withoutTrailingSpaces(line.slice(0, -1));
  return text === last.text ? line : [...line.slice(0, -1), { ...last, text }];
}
