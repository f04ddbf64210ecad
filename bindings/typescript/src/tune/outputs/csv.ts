/**
 * `results.csv`: a row per trial, as RFC 4180 has it.
 *
 * - CSV-1 Columns have different names. A metric with the name of another column before it is `metrics.<name>`.
 * - CSV-2 A cell without anything is a value that is not there. A text that is empty has quotes.
 *
 * Numbers are as JavaScript writes them, with `NaN`, `Infinity` and `-Infinity`, which pandas reads; booleans, nulls, and lists
 * and objects that are empty are JSON.
 */

import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import type { MetricValue } from '../types.ts';
import { textOf, visitConfig, visitReported } from './leaves.ts';

/** The columns before metrics and config. */
const FIXED_COLUMNS = [
  'trialId',
  'status',
  'stopReason',
  'iterations',
  'durationMs',
  'failures',
  'error',
] as const;

/** About how many letters a piece has. */
const PIECE_LETTERS = 2 ** 16;

/** All of it as one text; {@link csvPieces} for large experiments. */
export function resultsCsv(experiment: ExperimentRecord): string {
  return [...csvPieces(experiment)].join('');
}

/** The same in pieces, so that a million trials are not one text. */
export function* csvPieces(experiment: ExperimentRecord): Generator<string> {
  const columns = columnsOf(experiment);
  let piece = rowOf(columns.names.map(quoted));
  for (const trial of experiment.trials) {
    piece += rowOf(cellsOf(trial, columns));
    if (piece.length >= PIECE_LETTERS) {
      yield piece;
      piece = '';
    }
  }
  if (piece !== '') yield piece;
}

interface Columns {
  readonly names: readonly string[];
  /** Places in a row, by path. */
  readonly metrics: ReadonlyMap<string, number>;
  readonly config: ReadonlyMap<string, number>;
}

function columnsOf({ trials }: ExperimentRecord): Columns {
  const metrics = new Set<string>();
  const config = new Set<string>();
  for (const trial of trials) {
    visitReported(trial.history.at(-1), (path) => metrics.add(path));
    visitConfig(trial.config, (path) => config.add(path));
  }
  const configNames = [...config].map((path) => `config.${path}`);
  const taken = new Set<string>([...FIXED_COLUMNS, ...configNames]);
  const metricNames = [...metrics].map((path) => freeName(path, taken));
  return {
    names: [...FIXED_COLUMNS, ...metricNames, ...configNames],
    metrics: placesOf(metrics, FIXED_COLUMNS.length),
    config: placesOf(config, FIXED_COLUMNS.length + metrics.size),
  };
}

function freeName(path: string, taken: Set<string>): string {
  let name = path;
  while (taken.has(name)) name = `metrics.${name}`;
  taken.add(name);
  return name;
}

function placesOf(paths: Iterable<string>, first: number): Map<string, number> {
  return new Map([...paths].map((path, index) => [path, first + index]));
}

function cellsOf(trial: TrialRecord, columns: Columns): string[] {
  const { error, history } = trial;
  const cells = new Array<string>(columns.names.length).fill('');
  const fixed = [
    trial.header.id,
    trial.status,
    trial.stopReason ?? '',
    String(history.at(-1)?.trainingIteration ?? 0),
    String(trial.durationMs),
    String(trial.failures),
    error === null ? '' : `${error.name}: ${error.message}`,
  ];
  for (const [place, cell] of fixed.entries()) cells[place] = quoted(cell);
  visitReported(history.at(-1), (path, value) => {
    cells[columns.metrics.get(path)!] = cellOf(value);
  });
  visitConfig(trial.config, (path, value) => {
    cells[columns.config.get(path)!] = cellOf(value);
  });
  return cells;
}

function cellOf(value: MetricValue): string {
  if (typeof value === 'string') return value === '' ? '""' : quoted(value);
  return typeof value === 'number' ? String(value) : quoted(textOf(value));
}

/** @param cells quoted where they have to be */
function rowOf(cells: readonly string[]): string {
  return `${cells.join(',')}\r\n`;
}

function quoted(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
