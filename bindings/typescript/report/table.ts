/** All trials that are in the page, to be sorted by any column and searched. */

import type { PageNumber } from '../src/tune/outputs/report/page-data.ts';
import { element } from './dom.ts';
import { formatCount, formatDuration, formatNumber } from './format.ts';
import type { View } from './view.ts';
import { statusText, valueText } from './view.ts';

/** So many rows at once: ten thousand would take seconds to lay out. */
const ROWS_AT_ONCE = 100;

interface Column {
  readonly name: string;
  readonly kind: 'number' | 'text';
  readonly text: (row: number) => string;
  /** Null comes last in both directions. */
  readonly key: (row: number) => number | string | null;
}

interface State {
  column: number;
  isDescending: boolean;
  rowsMax: number;
  query: string;
}

export function trialsTable(view: View): HTMLElement {
  const columns = columnsOf(view);
  const state: State = { ...firstOrder(view), rowsMax: ROWS_AT_ONCE, query: '' };
  const body = element('tbody');
  const headings = columns.map((column, place) => heading(column, () => sortBy(place)));
  const more = element('button', { type: 'button', class: 'more' });
  const found = element('span', { role: 'status' });
  const search = element('input', {
    type: 'search',
    placeholder: 'Search trials',
    'aria-label': 'Search trials',
  });
  const matching = searchOf(view, columns);

  const update = () => {
    const rows = sorted(matching(state.query), columns[state.column]!, state.isDescending);
    const shown = rows.slice(0, state.rowsMax);
    body.replaceChildren(...shown.map((row) => rowElement(view, columns, row)));
    found.textContent = `${formatCount(shown.length)} of ${formatCount(rows.length)} shown`;
    more.hidden = shown.length === rows.length;
    more.textContent = `Show ${formatCount(Math.min(rows.length - shown.length, 5 * ROWS_AT_ONCE))} more`;
    for (const [place, each] of headings.entries()) {
      if (place !== state.column) each.removeAttribute('aria-sort');
      else each.setAttribute('aria-sort', state.isDescending ? 'descending' : 'ascending');
    }
  };
  function sortBy(place: number): void {
    state.isDescending = place === state.column ? !state.isDescending : false;
    state.column = place;
    update();
  }
  more.addEventListener('click', () => {
    state.rowsMax += 5 * ROWS_AT_ONCE;
    update();
  });
  search.addEventListener('input', () => {
    state.query = search.value.trim().toLowerCase();
    state.rowsMax = ROWS_AT_ONCE;
    update();
  });
  update();
  return element(
    'section',
    { class: 'card', 'data-section': 'trials' },
    element('h2', {}, 'Trials'),
    element(
      'p',
      { class: 'caption' },
      'A heading sorts by its column, and once more the other way round.',
    ),
    element('div', { class: 'controls' }, search, found),
    element(
      'div',
      { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': 'Table of trials' },
      element('table', {}, element('thead', {}, element('tr', {}, ...headings)), body),
    ),
    more,
  );
}

function columnsOf({ data }: View): Column[] {
  const { trials } = data;
  const columns: Column[] = [
    numberColumn(
      'trial',
      (row) => trials.number[row]!,
      (row) => trials.id[row]!,
    ),
    {
      name: 'status',
      kind: 'text',
      text: (row) => statusText(data, row),
      key: (row) => statusText(data, row),
    },
    ...data.metrics.map(({ name }, place) =>
      numberColumn(
        name,
        (row) => orderOf(trials.metrics[place]![row]!),
        (row) => formatNumber(trials.metrics[place]![row]),
      ),
    ),
    numberColumn(
      'iterations',
      (row) => trials.iterations[row]!,
      (row) => formatCount(trials.iterations[row]!),
    ),
    numberColumn(
      'run time',
      (row) => trials.durationMs[row]!,
      (row) => formatDuration(trials.durationMs[row]!),
    ),
    ...data.parameters.map(({ labels, name }, place): Column => ({
      name,
      kind: labels === null ? 'number' : 'text',
      text: (row) => valueText(data, place, row),
      key: (row) => trials.values[place]![row] ?? null,
    })),
    ...trials.derived.map(({ name, values }) => textColumn(name, values)),
  ];
  if (trials.failures.some((failures) => failures > 0)) {
    columns.push(
      numberColumn(
        'failures',
        (row) => trials.failures[row]!,
        (row) => formatCount(trials.failures[row]!),
      ),
    );
  }
  if (trials.error.some((error) => error !== null)) {
    columns.push(
      textColumn(
        'error',
        trials.error.map((error) => error ?? ''),
      ),
    );
  }
  return columns;
}

function numberColumn(
  name: string,
  key: (row: number) => number | null,
  text: (row: number) => string,
): Column {
  return { name, kind: 'number', text, key };
}

function textColumn(name: string, values: readonly string[]): Column {
  return {
    name,
    kind: 'text',
    text: (row) => values[row]!,
    key: (row) => (values[row] === '' ? null : values[row]!),
  };
}

/** By the first metric, the best first; by number if there is none. */
function firstOrder({ data }: View): Pick<State, 'column' | 'isDescending'> {
  const mode = data.metrics[0]?.mode ?? null;
  return mode === null
    ? { column: 0, isDescending: false }
    : { column: 2, isDescending: mode === 'max' };
}

function heading({ kind, name }: Column, onSort: () => void): HTMLTableCellElement {
  const button = element('button', { type: 'button', title: name }, name);
  button.addEventListener('click', onSort);
  return element('th', { scope: 'col', class: kind === 'number' ? 'is-number' : null }, button);
}

function rowElement(view: View, columns: readonly Column[], row: number): HTMLTableRowElement {
  const { bestNumbers, trials } = view.data;
  const isBest = bestNumbers.includes(trials.number[row]!);
  return element(
    'tr',
    { class: isBest ? 'is-best' : null, 'data-trial': trials.number[row]! },
    ...columns.map((column) => cell(view, column, row)),
  );
}

function cell({ data }: View, { kind, name, text }: Column, row: number): HTMLTableCellElement {
  const shown = text(row);
  if (name === 'status' && kind === 'text') {
    const swatch = `--swatch: ${STATUS_SWATCHES[data.trials.status[row]!]}`;
    return element('td', {}, element('span', { class: 'status', style: swatch }, shown));
  }
  return element(
    'td',
    { class: kind === 'number' ? 'is-number' : 'is-text', title: kind === 'text' ? shown : null },
    shown,
  );
}

/** By places of `STATUSES`; variables, so that the scheme may change. */
const STATUS_SWATCHES = [
  'var(--faint)',
  'var(--accent)',
  'var(--warn)',
  'var(--good)',
  'var(--bad)',
];

function sorted(rows: number[], { key }: Column, isDescending: boolean): number[] {
  const keys = new Map(rows.map((row) => [row, key(row)]));
  const sign = isDescending ? -1 : 1;
  return rows.sort((one, other) => {
    const first = keys.get(one)!;
    const second = keys.get(other)!;
    if (first === second) return one - other;
    if (first === null) return 1;
    if (second === null) return -1;
    return (
      sign *
      (typeof first === 'number' && typeof second === 'number'
        ? first - second
        : String(first) < String(second)
          ? -1
          : 1)
    );
  });
}

/** What is not finite comes where it belongs, NaN at the end. */
function orderOf(value: PageNumber): number | null {
  if (typeof value !== 'string') return value;
  return value === 'NaN' ? null : Number(value);
}

/** The rows that have a text in any of their columns. The texts are put together with the first search. */
function searchOf({ data }: View, columns: readonly Column[]): (query: string) => number[] {
  const rows = [...data.trials.number.keys()];
  let texts: string[] | undefined;
  return (query) => {
    if (query === '') return [...rows];
    texts ??= rows.map((row) =>
      columns
        .map(({ text }) => text(row))
        .join('\n')
        .toLowerCase(),
    );
    return rows.filter((row) => texts![row]!.includes(query));
  };
}
