/**
 * An experiment as a flat table: a row for each trial, which `table()`, `results.csv` and the command line share.
 *
 * - RW-1 Columns are those of every trial, then metrics by path (of the last report), then the config by path (`config.lr`).
 * - RW-2 No two columns have the same name: a metric that is called like another column is `metrics.<path>`.
 * - RW-3 Objects are taken apart, lists stay whole, but for those of a config in which parameters are, and those of which an
 *   element is a metric of the experiment.
 */

import { metricAt, RESERVED_METRICS } from '../metrics.ts';
import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import { isPlainObject } from '../plain-object.ts';

/** The columns that every trial has. */
export const TRIAL_COLUMNS = [
  'trialId',
  'status',
  'stopReason',
  'iterations',
  'durationMs',
  'failures',
  'error',
] as const;

/** A trial by column; columns that it has no value for are left out. */
export type Row = Readonly<Record<string, unknown>>;

/** All rows of an experiment, and all columns in their order. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly Row[];
}

/** The table of an experiment. */
export function tableOf(experiment: ExperimentRecord): Table {
  const { header, trials } = experiment;
  const splitLists = listsWithParameters(experiment);
  const metricColumns = new Set<string>();
  const configColumns = new Set<string>();
  const rows = trials.map((trial) => {
    const metrics = metricCells(trial, header.metrics);
    const config = configCells(trial.config, splitLists);
    for (const [name] of metrics) metricColumns.add(name);
    for (const [name] of config) configColumns.add(name);
    return Object.fromEntries<unknown>([...trialCells(trial), ...metrics, ...config]);
  });
  return { columns: [...TRIAL_COLUMNS, ...metricColumns, ...configColumns], rows };
}

/** What the column of a metric is called. */
export function columnOfMetric(path: string): string {
  const isTaken =
    (TRIAL_COLUMNS as readonly string[]).includes(path) ||
    /^(?:config|metrics)(?:[.[]|$)/.test(path);
  return isTaken ? `metrics.${path}` : path;
}

type Cell = [name: string, value: unknown];

function trialCells(trial: TrialRecord): Cell[] {
  const { header, status, stopReason, history, durationMs, failures, error } = trial;
  const cells: Record<(typeof TRIAL_COLUMNS)[number], unknown> = {
    trialId: header.id,
    status,
    stopReason,
    iterations: history.at(-1)?.trainingIteration ?? 0,
    durationMs,
    failures,
    error: status === 'ERROR' && error !== null ? `${error.name}: ${error.message}` : null,
  };
  return Object.entries(cells);
}

/** The metrics of the last report: those that the experiment is about first. */
function metricCells(trial: TrialRecord, own: readonly string[]): Cell[] {
  const last = trial.history.at(-1);
  if (last === undefined) return [];
  const cells = new Map<string, unknown>();
  for (const path of own) {
    const value = metricAt(last, path);
    if (value !== undefined) cells.set(columnOfMetric(path), value);
  }
  for (const [name, value] of Object.entries(last)) {
    if (RESERVED_METRICS.has(name)) continue;
    for (const [path, leaf] of flattened(value, name, NO_LISTS)) {
      const column = columnOfMetric(path);
      if (!cells.has(column)) cells.set(column, leaf);
    }
  }
  return [...cells];
}

function configCells(config: unknown, splitLists: ReadonlySet<string>): Cell[] {
  // A config without anything in it is no value.
  if (isPlainObject(config) && Object.keys(config).length === 0) return [];
  return [...flattened(config, 'config', splitLists)];
}

const NO_LISTS: ReadonlySet<string> = new Set();

/** What is in a value, by path. Empty objects, and lists that are not to be split, are values of their own. */
function* flattened(
  value: unknown,
  path: string,
  splitLists: ReadonlySet<string>,
): Generator<[path: string, value: unknown]> {
  if (value === undefined) return;
  if (Array.isArray(value) && splitLists.has(path)) {
    for (const [index, item] of value.entries()) {
      yield* flattened(item, `${path}[${index}]`, splitLists);
    }
  } else if (isPlainObject(value) && Object.keys(value).length > 0) {
    for (const [name, item] of Object.entries(value)) {
      yield* flattened(item, `${path}.${name}`, splitLists);
    }
  } else {
    yield [path, value];
  }
}

/** The paths of all lists of a config in which there are parameters. */
function listsWithParameters({ header }: ExperimentRecord): ReadonlySet<string> {
  const lists = new Set<string>();
  for (const { path } of header.parameters) {
    let above = 'config';
    for (const key of path) {
      if (typeof key === 'number') lists.add(above);
      above += typeof key === 'number' ? `[${key}]` : `.${key}`;
    }
  }
  return lists;
}
