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
import { pathText } from '../space/parameter.ts';

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

/** The columns of an experiment in their order, and what a trial has in them: those that it has no value for are left out. */
export interface TableShape {
  readonly columns: readonly string[];
  readonly cellsOf: (trial: TrialRecord) => readonly Cell[];
}

/** Without rows: a million trials are looked at one by one. */
export function shapeOf(experiment: ExperimentRecord): TableShape {
  const { header, trials } = experiment;
  const splitLists = listsWithParameters(experiment);
  const metricColumns = new Set<string>();
  const configColumns = new Set<string>();
  for (const trial of trials) {
    for (const [name] of metricCells(trial, header.metrics)) metricColumns.add(name);
    for (const [name] of configCells(trial.config, splitLists)) configColumns.add(name);
  }
  return {
    columns: [...TRIAL_COLUMNS, ...metricColumns, ...configColumns],
    cellsOf: (trial) => [
      ...trialCells(trial),
      ...metricCells(trial, header.metrics),
      ...configCells(trial.config, splitLists),
    ],
  };
}

/** The table of an experiment. */
export function tableOf(experiment: ExperimentRecord): Table {
  const { columns, cellsOf } = shapeOf(experiment);
  const rows = experiment.trials.map((trial) => Object.fromEntries<unknown>(cellsOf(trial)));
  return { columns, rows };
}

/** What the column of a metric is called. */
export function columnOfMetric(path: string): string {
  const isTaken =
    (TRIAL_COLUMNS as readonly string[]).includes(path) ||
    /^(?:config|metrics)(?:[.[]|$)/.test(path);
  return isTaken ? `metrics.${path}` : path;
}

/** A column, and the value in it. */
export type Cell = readonly [name: string, value: unknown];

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
    visitFlattened(value, name, NO_LISTS, (path, leaf) => {
      const column = columnOfMetric(path);
      if (!cells.has(column)) cells.set(column, leaf);
    });
  }
  return [...cells];
}

function configCells(config: unknown, splitLists: ReadonlySet<string>): Cell[] {
  // A config without anything in it is no value.
  if (isPlainObject(config) && Object.keys(config).length === 0) return [];
  const cells: Cell[] = [];
  visitFlattened(config, 'config', splitLists, (path, value) => cells.push([path, value]));
  return cells;
}

const NO_LISTS: ReadonlySet<string> = new Set();

/**
 * What is in a value, by path. Empty objects, and lists that are not to be split, are values of their own.
 *
 * By calls and not by a generator, which takes ten times as long: a million trials have tens of millions of values.
 */
function visitFlattened(
  value: unknown,
  path: string,
  splitLists: ReadonlySet<string>,
  visit: (path: string, value: unknown) => void,
): void {
  if (value === undefined) return;
  if (Array.isArray(value) && splitLists.has(path)) {
    for (const [index, item] of value.entries()) {
      visitFlattened(item, `${path}[${index}]`, splitLists, visit);
    }
  } else if (isPlainObject(value) && Object.keys(value).length > 0) {
    for (const name of Object.keys(value)) {
      visitFlattened(value[name], `${path}.${name}`, splitLists, visit);
    }
  } else {
    visit(path, value);
  }
}

/** The paths of all lists of a config in which there are parameters. */
function listsWithParameters({ header }: ExperimentRecord): ReadonlySet<string> {
  const lists = new Set<string>();
  for (const { path } of header.parameters) {
    for (const [place, key] of path.entries()) {
      if (typeof key === 'number') lists.add(pathText(['config', ...path.slice(0, place)]));
    }
  }
  return lists;
}
