/** What the page shows: the data, and what the reader has chosen. */

import type { PageMetric, PageNumber, ReportData } from '../src/tune/outputs/report/page-data.ts';
import { STATUSES, STOP_REASONS } from '../src/tune/outputs/report/page-data.ts';
import { formatDuration, formatNumber } from './format.ts';

export interface View {
  readonly data: ReportData;
  /** The place of the metric that charts show. */
  metric: number;
  /** The axis of the metric is logarithmic. */
  isLog: boolean;
}

export function metricOf({ data, metric }: View): PageMetric {
  return data.metrics[metric] ?? { name: 'metric', mode: null };
}

/** The metric's finite values, in order of trials; null where there is none, or none that the axis can show. */
export function chartValues(view: View): readonly (number | null)[] {
  return (view.data.trials.metrics[view.metric] ?? []).map((value) => shownValue(view, value));
}

export function shownValue({ isLog }: View, value: PageNumber): number | null {
  return typeof value === 'number' && !(isLog && value <= 0) ? value : null;
}

/** Rows with a value, from the worst to the best; by their order where there is no better. */
export function rankedRows(view: View): number[] {
  const values = chartValues(view);
  const rows = [...values.keys()].filter((row) => values[row] !== null);
  const sign = { min: 1, max: -1 };
  const { mode } = metricOf(view);
  if (mode === null) return rows;
  return rows.sort((one, other) => sign[mode] * (values[other]! - values[one]!));
}

export function statusText({ trials }: ReportData, row: number): string {
  const status = STATUSES[trials.status[row]!]!.toLowerCase();
  const reason = STOP_REASONS[trials.stopReason[row]!];
  if (reason === undefined) return status;
  const reasons = {
    finished: 'finished',
    stopper: 'stopped by a stopper',
    scheduler: 'stopped by the scheduler',
    timeBudget: 'out of time',
    experiment: 'stopped with the experiment',
  };
  return reasons[reason];
}

/** A parameter's value in a row, as text. */
export function valueText({ parameters, trials }: ReportData, place: number, row: number): string {
  const value = trials.values[place]?.[row] ?? null;
  const labels = parameters[place]?.labels ?? null;
  if (value === null) return '–';
  return labels === null ? formatNumber(value) : (labels[value] ?? String(value));
}

const TOOLTIP_PARAMETERS = 8;

/** What every chart says of a trial. */
export function trialEntries(view: View, row: number): [string, string][] {
  const { data } = view;
  const parameters = data.parameters.slice(0, TOOLTIP_PARAMETERS);
  return [
    ...data.metrics
      .slice(0, 3)
      .map(({ name }, place): [string, string] => [
        name,
        formatNumber(data.trials.metrics[place]?.[row]),
      ]),
    ...parameters.map(({ name }, place): [string, string] => [name, valueText(data, place, row)]),
    ['run time', formatDuration(data.trials.durationMs[row]!)],
    ['status', statusText(data, row)],
  ];
}
