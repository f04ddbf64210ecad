/** The head of the page: what was tuned, how it stands, and the best config. */

import { STATUSES } from '../src/tune/outputs/report/page-data.ts';
import type { ReportData } from '../src/tune/outputs/report/page-data.ts';
import { element } from './dom.ts';
import { counted, formatCount, formatDate, formatDuration, formatNumber } from './format.ts';
import { valueText } from './view.ts';

export function head(data: ReportData): HTMLElement {
  const goals = data.metrics.filter(({ mode }) => mode !== null);
  return element(
    'header',
    {},
    element('p', { class: 'eyebrow' }, 'Tuning report'),
    element('h1', {}, data.name),
    element(
      'p',
      { class: 'meta' },
      ...goals.map(({ mode, name }) =>
        element(
          'span',
          {},
          mode === 'min' ? 'less ' : 'more ',
          element('code', {}, name),
          ' is better',
        ),
      ),
      element('span', {}, `begun ${formatDate(data.createdAt)}`),
      element('span', {}, `seed ${data.seed}`),
    ),
  );
}

export function tiles(data: ReportData): HTMLElement {
  const { counts, totals } = data;
  const errors = counts[STATUSES.indexOf('ERROR')]!;
  return element(
    'dl',
    { class: 'tiles' },
    ...data.metrics.flatMap(({ mode, name }, place) =>
      mode === null ? [] : [bestTile(data, name, place)],
    ),
    tile('Trials', formatCount(totals.trials), statusDetail(counts)),
    tile('Reports', formatCount(totals.reports), perTrial(totals)),
    tile(
      'Time',
      formatDuration(totals.elapsedMs),
      `${formatDuration(totals.durationMs)} in trials`,
    ),
    errors + totals.failures === 0
      ? null
      : tile(
          'Errors',
          formatCount(errors),
          totals.failures === 0 ? '' : `${counted(totals.failures, 'failure')} tried again`,
          errors > 0 ? 'has-errors' : '',
        ),
  );
}

/** The best config of the first metric that has one; null if there is none. */
export function bestConfig(data: ReportData): HTMLElement | null {
  const number = data.bestNumbers.find((best) => best !== null) ?? null;
  const row = number === null ? -1 : data.trials.number.indexOf(number);
  if (row === -1 || data.parameters.length + data.trials.derived.length === 0) return null;
  const entries = [
    ...data.parameters.map(({ name }, place) => [name, valueText(data, place, row)] as const),
    ...data.trials.derived.map(({ name, values }) => [name, values[row]!] as const),
  ].filter(([, value]) => value !== '–' && value !== '');
  return element(
    'section',
    { class: 'card', 'data-section': 'best' },
    element('h2', {}, `Best config: trial ${data.trials.id[row]}`),
    element(
      'dl',
      { class: 'config' },
      ...entries.map(([name, value]) =>
        element('div', {}, element('dt', {}, name), element('dd', {}, value)),
      ),
    ),
  );
}

/** When it was written, and what is not in it. */
export function notes(data: ReportData): HTMLElement {
  const rounding = 'Numbers are rounded; results.csv and reports.jsonl have all of them in full.';
  return element(
    'footer',
    { class: 'notes', 'data-section': 'notes' },
    element('p', {}, `Written ${formatDate(data.writtenAt)}. Ctrl and the wheel zoom a chart.`),
    element(
      'ul',
      {},
      ...[...data.omitted, rounding].map((sentence) => element('li', {}, sentence)),
    ),
  );
}

function bestTile(data: ReportData, name: string, place: number): HTMLElement {
  const value = data.best[place]?.values.at(-1);
  const number = data.bestNumbers[place] ?? null;
  const detail = number === null ? 'no trial has it' : `trial ${number}`;
  return tile(`Best ${name}`, formatNumber(value), detail, number === null ? '' : 'is-best');
}

function tile(label: string, value: string, detail: string, kind = ''): HTMLElement {
  return element(
    'div',
    { class: `tile ${kind}` },
    element('dt', {}, label),
    element('dd', {}, value),
    element('div', { class: 'detail' }, detail),
  );
}

function statusDetail(counts: readonly number[]): string {
  return STATUSES.map((status, place) => [counts[place]!, status.toLowerCase()] as const)
    .filter(([count]) => count > 0)
    .map(([count, status]) => `${formatCount(count)} ${status}`)
    .join(', ');
}

function perTrial({ reports, trials }: ReportData['totals']): string {
  return trials === 0 ? '' : `${formatNumber(Number((reports / trials).toFixed(1)))} a trial`;
}
