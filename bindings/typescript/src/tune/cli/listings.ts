/** What the command line prints, as text: a list of experiments, and the trials of one. */

import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import { layOut, type Column } from '../reporters/columns.ts';
import { durationText, numberText, valueText } from '../reporters/number-text.ts';
import { lineText, span, type Line } from '../reporters/spans.ts';
import { cleaned, wrapped } from '../reporters/text-width.ts';
import { bestTrial } from '../results/best.ts';
import { columnOfMetric, tableOf, TRIAL_COLUMNS, type Row, type Table } from '../results/rows.ts';
import { lastValueOf } from '../results/scores.ts';
import type { TrialStatus } from '../types.ts';

/** How text is to be printed. */
export interface Look {
  /** In columns; Infinity where it is not for a terminal. */
  readonly width: number;
  readonly colours: boolean;
}

/** An experiment and its folder. */
export interface Listed {
  readonly path: string;
  readonly experiment: ExperimentRecord;
}

/** An experiment in short, as `ls --json` has it. */
export interface Summary {
  readonly name: string;
  readonly path: string;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** How many trials there are of each status; those that there are none of are left out. */
  readonly trials: Readonly<Partial<Record<TrialStatus, number>>>;
  /** The best trial by each metric. */
  readonly best: readonly {
    readonly metric: string;
    readonly value: number;
    readonly trialId: string;
  }[];
}

/** An experiment in short. */
export function summaryOf({ path, experiment }: Listed): Summary {
  const { header } = experiment;
  return {
    name: header.name,
    path,
    createdAt: header.createdAt,
    trials: countsOf(experiment.trials),
    best: header.metrics.flatMap((metric, place) => {
      const mode = header.modes[place]!;
      const trial = bestTrial(experiment, { metric, mode, scope: 'last', filterNanAndInf: true });
      if (trial === undefined) return [];
      return [{ metric, value: lastValueOf(trial, metric)!, trialId: trial.header.id }];
    }),
  };
}

/** A line for each experiment. */
export function experimentsText(summaries: readonly Summary[], look: Look): string {
  const columns: Column[] = [
    {
      heading: 'name',
      rank: 0,
      widthMin: 12,
      cells: summaries.map(({ name }) => span(cleaned(name))),
    },
    {
      heading: 'trials',
      rank: 1,
      align: 'right',
      cells: summaries.map(({ trials }) =>
        span(String(Object.values(trials).reduce((sum, count) => sum + count, 0))),
      ),
    },
    {
      heading: 'best',
      rank: 2,
      widthMin: 16,
      cells: summaries.map((each) => span(bestsText(each))),
    },
    {
      heading: 'status',
      rank: 3,
      widthMin: 12,
      cells: summaries.map((each) => span(countsText(each.trials))),
    },
    {
      heading: 'created',
      rank: 4,
      cells: summaries.map(({ createdAt }) => span(timeText(createdAt))),
    },
  ];
  return textOf(layOut(columns, look.width).lines, look);
}

/** The rows that are asked for, in their order. */
export function chosenRows(
  experiment: ExperimentRecord,
  choice: {
    readonly sort: string | undefined;
    readonly descending: boolean;
    readonly limit: number;
  },
): Table | { readonly unknownColumn: string; readonly columns: readonly string[] } {
  const table = tableOf(experiment);
  const { metrics, modes } = experiment.header;
  const column =
    choice.sort === undefined
      ? metrics.length === 1
        ? columnOfMetric(metrics[0]!)
        : 'trialId'
      : columnNamed(choice.sort, table.columns);
  if (column === undefined) return { unknownColumn: choice.sort!, columns: table.columns };
  const isByBest = choice.sort === undefined && metrics.length === 1;
  const isDescending = choice.descending !== (isByBest && modes[0] === 'max');
  const rows = [...table.rows].sort((one, other) => {
    // A trial that has failed is not the best, whatever it reported before.
    const failed = isByBest ? Number(hasFailed(one)) - Number(hasFailed(other)) : 0;
    return failed || compared(one[column], other[column], isDescending);
  });
  return { columns: table.columns, rows: rows.slice(0, choice.limit) };
}

/** Trials as a table, below a line about the experiment. */
export function trialsText({ path, experiment }: Listed, table: Table, look: Look): string {
  const { trials, best } = summaryOf({ path, experiment });
  const counts = countsText(trials);
  const summary = [
    `${cleaned(experiment.header.name)}: ${counts === '' ? 'no trials' : counts}`,
    ...(best.length === 0 ? [] : [`best ${bestsText({ best })}`]),
  ].join(', ');
  const head: Line[] = wrapped(summary, look.width, '  ').map((line) => [span(line, 'bold')]);
  if (table.rows.length === 0) return textOf(head, look);
  const { lines, leftOut } = layOut(columnsOf(table, experiment), look.width);
  const missing = [
    ...(table.rows.length < experiment.trials.length
      ? [`${experiment.trials.length - table.rows.length} more trials`]
      : []),
    ...(leftOut.length > 0 ? [`columns ${leftOut.join(', ')}`] : []),
  ];
  const note: Line[] =
    missing.length === 0
      ? []
      : wrapped(`not shown: ${missing.join('; ')}`, look.width, '  ').map((line) => [
          span(line, 'dim'),
        ]);
  return textOf([...head, [], ...lines, ...note], look);
}

function columnsOf({ columns, rows }: Table, { header }: ExperimentRecord): Column[] {
  const own = new Set(header.metrics.map(columnOfMetric));
  const ofTrials: readonly string[] = TRIAL_COLUMNS;
  const hasErrors = rows.some(({ error }) => error !== null);
  // What has failed is said at the end of a line, where it may be cut.
  return [...columns.filter((column) => column !== 'error'), ...(hasErrors ? ['error'] : [])]
    .filter((column) => !ofTrials.includes(column) || SHORT.has(column))
    .map((column, place): Column => {
      const isNumeric = rows.every((row) => ['number', 'undefined'].includes(typeof row[column]));
      return {
        heading: SHORT.get(column)?.heading ?? cleaned(column.replace(/^config\./, '')),
        rank: SHORT.get(column)?.rank ?? (own.has(column) ? 1 : 100 + place),
        align: isNumeric ? 'right' : 'left',
        widthMin: 8,
        cells: rows.map((row) => span(cellText(column, row[column]))),
      };
    });
}

/** How columns of every trial are called where there is little room, and when they go; others are not shown. */
const SHORT: ReadonlyMap<string, { readonly heading: string; readonly rank: number }> = new Map([
  ['trialId', { heading: 'trial', rank: 0 }],
  ['status', { heading: 'status', rank: 2 }],
  ['iterations', { heading: 'iter', rank: 3 }],
  ['durationMs', { heading: 'time', rank: 4 }],
  ['error', { heading: 'error', rank: 5 }],
]);

function cellText(column: string, value: unknown): string {
  if (column === 'durationMs' && typeof value === 'number') return durationText(value);
  return value === null && column === 'error' ? '' : valueText(value);
}

/** A column by its name, or by that of a parameter or metric. */
function columnNamed(name: string, columns: readonly string[]): string | undefined {
  return [name, `config.${name}`, `metrics.${name}`].find((each) => columns.includes(each));
}

function hasFailed(row: Row): boolean {
  return row['status'] === 'ERROR';
}

/** Numbers by size, all else by text; numbers before texts, and what has no value last, in either direction. */
function compared(one: unknown, other: unknown, isDescending: boolean): number {
  const ranks = rankOf(one) - rankOf(other);
  if (ranks !== 0 || rankOf(one) >= NO_NUMBER) return ranks;
  const ascending =
    typeof one === 'number' && typeof other === 'number'
      ? one < other
        ? -1
        : Number(one > other)
      : byText(valueText(one), valueText(other));
  return isDescending ? -ascending : ascending;
}

function rankOf(value: unknown): number {
  if (value === undefined || value === null) return NO_NUMBER + 1;
  if (Number.isNaN(value)) return NO_NUMBER;
  return typeof value === 'number' ? 0 : 1;
}

/** From this rank on values have no order. */
const NO_NUMBER = 2;

function byText(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}

function countsOf(trials: readonly TrialRecord[]): Partial<Record<TrialStatus, number>> {
  const counts: Partial<Record<TrialStatus, number>> = {};
  for (const { status } of trials) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

function countsText(counts: Summary['trials']): string {
  return Object.entries(counts)
    .map(([status, count]) => `${count} ${status}`)
    .join(', ');
}

function bestsText({ best }: Pick<Summary, 'best'>): string {
  return best
    .map(({ metric, value, trialId }) => `${cleaned(metric)} ${numberText(value)} (${trialId})`)
    .join(', ');
}

/** `2026-11-29 21:47`, in UTC, so that lists of different machines agree. */
function timeText(at: number): string {
  return Number.isFinite(at)
    ? `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
    : '';
}

function textOf(lines: readonly Line[], { width, colours }: Look): string {
  return lines.map((line) => `${lineText(line, width, colours)}\n`).join('');
}
