/**
 * An experiment as CSV (RFC 4180): what `results.csv` holds and `toCsv()` gives.
 *
 * - CSV-1 A cell without anything is a value that is not there. A text that is empty has quotes.
 *
 * Numbers are written as JavaScript does, with `NaN`, `Infinity` and `-Infinity`, which pandas reads; texts as they are, all else as
 * JSON.
 */

import type { ExperimentRecord } from '../experiment/record.ts';
import { textOf } from '../outputs/leaves.ts';
import { type Cell, TRIAL_COLUMNS, type Table, shapeOf } from './rows.ts';

/** About how many letters a piece has. */
const PIECE_LETTERS = 2 ** 16;

/** A line of names and a line for each trial, each ended by CR LF. {@link csvPieces} for large experiments. */
export function csvOf(experiment: ExperimentRecord): string {
  return [...csvPieces(experiment)].join('');
}

/** The same in pieces, so that a million trials are not one text. */
export function* csvPieces(experiment: ExperimentRecord): Generator<string> {
  const { columns, cellsOf } = shapeOf(experiment);
  let piece = lineOf(columns.map(quoted));
  const places = placesOf(columns);
  for (const trial of experiment.trials) {
    piece += lineOf(textsOf(cellsOf(trial), places));
    if (piece.length < PIECE_LETTERS) continue;
    yield piece;
    piece = '';
  }
  if (piece !== '') yield piece;
}

/** The same for a table of which rows may be left out, or in another order. */
export function csvOfTable({ columns, rows }: Table): string {
  const places = placesOf(columns);
  const lines = rows.map((row) => lineOf(textsOf(Object.entries(row), places)));
  return [lineOf(columns.map(quoted)), ...lines].join('');
}

function placesOf(columns: readonly string[]): ReadonlyMap<string, number> {
  return new Map(columns.map((name, place) => [name, place]));
}

/** A text for each column. */
function textsOf(cells: readonly Cell[], places: ReadonlyMap<string, number>): string[] {
  const texts = new Array<string>(places.size).fill('');
  for (const [name, value] of cells) {
    // There is no error, or no reason yet: that is nothing, where a metric can have the value null.
    if (value === null && OF_TRIAL.has(name)) continue;
    texts[places.get(name)!] = textOfCell(value);
  }
  return texts;
}

const OF_TRIAL: ReadonlySet<string> = new Set(TRIAL_COLUMNS);

function textOfCell(value: unknown): string {
  switch (typeof value) {
    case 'number':
      return String(value);
    case 'string':
      return value === '' ? '""' : quoted(value);
    default:
      return quoted(textOf(value));
  }
}

/** @param texts quoted where they have to be */
function lineOf(texts: readonly string[]): string {
  return `${texts.join(',')}\r\n`;
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
