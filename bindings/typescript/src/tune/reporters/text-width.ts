/**
 * How wide text is on a terminal, and cutting and folding it to a width.
 *
 * The common rules: what a reader sees as one character is one or two columns wide; East Asian wide characters and emoji are
 * two, combining marks none. Of the characters that Unicode calls ambiguous each counts as one.
 */

import { stripVTControlCharacters } from 'node:util';

/** Text that needs no look at its characters: ASCII, and the characters that tables here are drawn with. */
const PLAIN = /^[\u0020-\u007e\u00b7\u2014\u2026\u2500-\u259f]*$/;

/** What takes no column: marks and controls, and the vowels and finals of Korean, which stand in their consonant's columns. */
const INVISIBLE = /^[\p{Mn}\p{Me}\p{Mc}\p{Cf}\p{Cc}\p{Zl}\p{Zp}\u1160-\u11ff]/u;
const EMOJI = /^\p{Emoji_Presentation}|^\p{Emoji}[\p{M}\u200d]*\ufe0f/u;

/** The ranges that are wide or fullwidth in Unicode's EastAsianWidth.txt, without emoji: first and last, in order. */
const WIDE: readonly (readonly [number, number])[] = [
  [0x1100, 0x115f],
  [0x2329, 0x232a],
  [0x2630, 0x2637],
  [0x268a, 0x268f],
  [0x2e80, 0x303e],
  [0x3041, 0x3247],
  [0x3250, 0x4dbf],
  [0x4dc0, 0xa4cf],
  [0xa960, 0xa97f],
  [0xac00, 0xd7a3],
  [0xf900, 0xfaff],
  [0xfe10, 0xfe19],
  [0xfe30, 0xfe6f],
  [0xff01, 0xff60],
  [0xffe0, 0xffe6],
  [0x16fe0, 0x18dff],
  [0x1aff0, 0x1b2ff],
  [0x1d300, 0x1d376],
  [0x1f200, 0x1f265],
  [0x20000, 0x3fffd],
];

const characters = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** How many columns a text takes. It has to be free of control characters: see {@link cleaned}. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of characters.segment(text)) width += widthOfCharacter(segment);
  return width;
}

/** The text, shortened to a width; an ellipsis stands for what is missing at its end. */
export function cutToWidth(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return width < 1 ? '' : `${headOf(text, width - 1)}…`;
}

/** As much of a text's beginning as fits, without a sign of what is missing. */
export function headOf(text: string, width: number): string {
  let head = '';
  let taken = 0;
  for (const { segment } of characters.segment(text)) {
    taken += widthOfCharacter(segment);
    if (taken > width) break;
    head += segment;
  }
  return head;
}

/**
 * Text of others, fit for one line of a terminal: without colours and control characters, which would move the cursor, and
 * without marks that turn the direction of what follows.
 */
export function cleaned(text: string): string {
  if (PLAIN.test(text)) return text;
  return stripVTControlCharacters(text)
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replaceAll(/[\u202a-\u202e\u2066-\u2069]/gu, '')
    .replaceAll(/\p{Cs}/gu, '\ufffd');
}

/** Lines of at most a width, broken at spaces where there are some; all but the first begin with `indent`. */
export function wrapped(text: string, width: number, indent = ''): string[] {
  // A margin that leaves no room is worse than none.
  const margin = widthOf(indent) <= width / 2 ? indent : '';
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const joined = line === '' || line === margin ? line + word : `${line} ${word}`;
    if (widthOf(joined) <= width) {
      line = joined;
      continue;
    }
    if (line.trim() !== '') lines.push(line);
    line = (lines.length === 0 ? '' : margin) + word;
    // A word that is longer than a line is broken anywhere.
    while (widthOf(line) > width) {
      const head = headOf(line, width);
      if (head.length <= (lines.length === 0 ? 0 : margin.length)) break;
      lines.push(head);
      line = margin + line.slice(head.length);
    }
  }
  if (line.trim() !== '' || lines.length === 0) lines.push(line);
  return lines;
}

function widthOfCharacter(character: string): number {
  if (EMOJI.test(character)) return 2;
  let width = 0;
  // In some scripts several letters make one character, side by side.
  for (const letter of character) {
    if (!INVISIBLE.test(letter)) width += isWide(letter.codePointAt(0)!) ? 2 : 1;
  }
  return width;
}

function isWide(code: number): boolean {
  if (code < WIDE[0]![0]) return false;
  return WIDE.some(([first, last]) => code >= first && code <= last);
}
