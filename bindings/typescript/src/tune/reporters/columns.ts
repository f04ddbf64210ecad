/** Columns of text side by side, within a width: those that matter least go when there is no room for all. */

import { span, type Line, type Span } from './spans.ts';
import { cutToWidth, widthOf } from './text-width.ts';

/** A column of a table. */
export interface Column {
  readonly heading: string;
  readonly cells: readonly Span[];
  /** Numbers stand to the right, and are never cut: a part of one is another one. @default 'left' */
  readonly align?: 'left' | 'right';
  /** The larger, the earlier it is left out; 0: never. @default its place */
  readonly rank?: number;
  /** What is cut if it is too wide: texts at the end, the course of values at the beginning. @default 'end' */
  readonly cut?: 'end' | 'start';
  /** It is not made narrower than this, or than it needs. @default it is never made narrower */
  readonly widthMin?: number;
  /** It is never wider. @default 40 */
  readonly widthMax?: number;
}

/** Lines, the heading first, and the headings of columns that had no room. */
export interface LaidOut {
  readonly lines: readonly Line[];
  readonly leftOut: readonly string[];
}

const GAP = '  ';
const WIDTH_MAX_DEFAULT = 40;

/** Puts columns side by side. */
export function layOut(columns: readonly Column[], width: number): LaidOut {
  const needed = columns.map(neededWidth);
  const shown = new Set(columns.keys());
  const byRank = [...columns.keys()].sort(
    (one, other) => rankOf(columns, other) - rankOf(columns, one),
  );
  for (const place of byRank) {
    if (totalOf(shown, (each) => leastWidth(columns[each]!, needed[each]!)) <= width) break;
    if (rankOf(columns, place) > 0) shown.delete(place);
  }
  const widths = shrunk(columns, shown, needed, width);
  const places = [...shown];
  const height = Math.max(0, ...columns.map(({ cells }) => cells.length));
  const heading = places.map((place) => span(columns[place]!.heading, 'dim'));
  const lines = [lineOf(heading, places, columns, widths)];
  for (let row = 0; row < height; row++) {
    const cells = places.map((place) => columns[place]!.cells[row] ?? span(''));
    lines.push(lineOf(cells, places, columns, widths));
  }
  const leftOut = columns.filter((_, place) => !shown.has(place)).map(({ heading: text }) => text);
  return { lines, leftOut };
}

/** The widths of what is shown: the widest columns give first, down to the least that they need. */
function shrunk(
  columns: readonly Column[],
  shown: ReadonlySet<number>,
  needed: readonly number[],
  width: number,
): number[] {
  const widths = [...needed];
  let excess = totalOf(shown, (place) => widths[place]!) - width;
  const giving = [...shown].filter(
    (place) => leastWidth(columns[place]!, needed[place]!) < needed[place]!,
  );
  while (excess > 0) {
    const able = giving.filter(
      (place) => widths[place]! > leastWidth(columns[place]!, needed[place]!),
    );
    if (able.length === 0) break;
    const widest = able.reduce((one, other) => (widths[other]! > widths[one]! ? other : one));
    widths[widest]!--;
    excess--;
  }
  return widths;
}

function lineOf(
  cells: readonly Span[],
  places: readonly number[],
  columns: readonly Column[],
  widths: readonly number[],
): Line {
  return cells.flatMap((cell, index) => {
    const place = places[index]!;
    const { align = 'left', cut = 'end' } = columns[place]!;
    const width = widths[place]!;
    const text =
      cut === 'start' && widthOf(cell.text) > width
        ? tailOf(cell.text, width)
        : cutToWidth(cell.text, width);
    const space = span(' '.repeat(width - widthOf(text)));
    const shown = span(text, cell.style);
    const filled = align === 'left' ? [shown, space] : [space, shown];
    return index === 0 ? filled : [span(GAP), ...filled];
  });
}

/** The end of a text of characters that are one column wide each. */
function tailOf(text: string, width: number): string {
  return text.slice(text.length - width);
}

function totalOf(places: ReadonlySet<number>, widthAt: (place: number) => number): number {
  let total = Math.max(0, places.size - 1) * GAP.length;
  for (const place of places) total += widthAt(place);
  return total;
}

function neededWidth(column: Column): number {
  const width = Math.max(widthOf(column.heading), widestCell(column));
  return Math.min(width, column.widthMax ?? WIDTH_MAX_DEFAULT);
}

function leastWidth(column: Column, needed: number): number {
  const least = column.widthMin ?? needed;
  return Math.min(needed, column.align === 'right' ? Math.max(least, widestCell(column)) : least);
}

function widestCell({ cells }: Column): number {
  let width = 0;
  for (const { text } of cells) width = Math.max(width, widthOf(text));
  return width;
}

function rankOf(columns: readonly Column[], place: number): number {
  return columns[place]!.rank ?? place;
}
