/** An experiment as CSV (RFC 4180): what `results.csv` holds and `toCsv()` gives. */

import type { ExperimentRecord } from '../experiment/record.ts';
import { textOf } from '../outputs/leaves.ts';
import { TRIAL_COLUMNS, tableOf, type Table } from './rows.ts';

/**
 * A line of names and a line for each trial, each ended by CR LF.
 *
 * Numbers are written as JavaScript does (`NaN`, `Infinity` too), texts as they are, all else as JSON. A cell is empty where
 * there is no value.
 */
export function csvOf(experiment: ExperimentRecord): string {
  return csvOfTable(tableOf(experiment));
}

/** The same for a table of which rows may be left out, or in another order. */
export function csvOfTable({ columns, rows }: Table): string {
  const isOfTrial = columns.map((column) => (TRIAL_COLUMNS as readonly string[]).includes(column));
  const lines = rows.map((row) =>
    columns.map((column, place) => {
      const value = row[column];
      // There is no error, or no reason yet: that is nothing, where a metric can have the value null.
      return value === null && isOfTrial[place] ? '' : escaped(cellText(value));
    }),
  );
  return [columns.map(escaped), ...lines].map((cells) => `${cells.join(',')}\r\n`).join('');
}

function cellText(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return '';
    case 'string':
      return value;
    case 'object':
      return textOf(value);
    default:
      return String(value);
  }
}

function escaped(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
