/**
 * The report of an experiment, in a browser: reads the data in the page and draws it.
 *
 * - RP-1 Nothing is asked of the network: the page's policy forbids it.
 * - RP-2 What comes from trials is shown as text only.
 * - RP-3 `<html data-report="ready">` once all is laid out and drawn, `"failed"` if it can't be.
 */

import type { PageMetric, ReportData } from '../src/tune/outputs/report/page-data.ts';
import { curvesChart } from './charts/curves.ts';
import type { FrontAxes } from './charts/front.ts';
import { frontChart } from './charts/front.ts';
import { historyChart } from './charts/history.ts';
import { importancesChart } from './charts/importances.ts';
import { LINES_MAX, parallelChart } from './charts/parallel.ts';
import { rungsChart } from './charts/rungs.ts';
import { SLICES_MAX, SLICE_POINTS_MAX, sliceChart } from './charts/slices.ts';
import { timelineChart } from './charts/timeline.ts';
import { element, legend } from './dom.ts';
import type { LegendEntry } from './dom.ts';
import type { Chart } from './drawing.ts';
import { bestConfig, head, notes, tiles } from './summary.ts';
import { trialsTable } from './table.ts';
import type { View } from './view.ts';

/** All charts of the page, to be drawn again together. */
const charts: Chart[] = [];

interface Card {
  readonly name: string;
  readonly title: string;
  readonly caption?: string;
  readonly isHalf?: boolean;
  readonly legend?: readonly LegendEntry[];
  readonly controls?: HTMLElement;
  readonly content: readonly HTMLElement[];
}

function main(): void {
  const json = document.querySelector('#report-data')!.textContent!;
  const data = JSON.parse(json) as ReportData;
  const view: View = { data, metric: 0, isLog: false };
  const place = document.querySelector('#report')!;
  place.append(
    head(data),
    tiles(data),
    controls(view),
    element('main', { class: 'cards' }, ...cards(view)),
    notes(data),
  );
  redraw();
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);
  let widthPx = window.innerWidth;
  window.addEventListener('resize', () => {
    // Phones change the height with every scroll.
    if (window.innerWidth === widthPx) return;
    widthPx = window.innerWidth;
    requestAnimationFrame(redraw);
  });
  document.documentElement.dataset['report'] = 'ready';
}

function redraw(): void {
  for (const each of charts) each.draw();
}

/** Which metric the charts show, and how. */
function controls(view: View): HTMLElement {
  const { metrics, trials } = view.data;
  const log = element('input', { type: 'checkbox' });
  const setLog = () => {
    const values = (trials.metrics[view.metric] ?? []).filter((value) => typeof value === 'number');
    // Logarithms are offered for what has them.
    log.disabled = values.every((value) => value <= 0);
    if (log.disabled) log.checked = false;
    view.isLog = log.checked;
  };
  const choice = select('Metric', metrics, 0, (place) => {
    view.metric = place;
    setLog();
    redraw();
  });
  log.addEventListener('change', () => {
    setLog();
    redraw();
  });
  setLog();
  return element(
    'div',
    { class: 'controls' },
    metrics.length > 1 ? choice : null,
    metrics.length > 0 ? element('label', {}, log, 'logarithmic scale') : null,
  );
}

function cards(view: View): HTMLElement[] {
  const all = allCards(view);
  widenLonely(all);
  return all;
}

/** Cards of half the width come in pairs; one without another takes both places. */
function widenLonely(all: readonly HTMLElement[]): void {
  let halves = 0;
  for (const [place, each] of all.entries()) {
    const isHalf = each.classList.contains('is-half');
    if (isHalf) halves++;
    if (!isHalf && halves % 2 === 1) all[place - 1]!.classList.remove('is-half');
    if (!isHalf) halves = 0;
  }
  if (halves % 2 === 1) all.at(-1)!.classList.remove('is-half');
}

function allCards(view: View): HTMLElement[] {
  const { data } = view;
  const hasMetric = data.metrics.length > 0;
  const parameters = data.parameters.length;
  return [
    bestConfig(data),
    hasMetric ? history(view) : null,
    data.front === null ? null : front(view),
    data.curves.some((some) => some.length > 0) ? curves(view) : null,
    data.rungs.length > 0 ? rungs(view) : null,
    (data.importances ?? []).some((each) => each.length > 0) ? importances(view) : null,
    hasMetric && parameters > 0 ? parallel(view) : null,
    hasMetric && parameters > 0 ? slices(view) : null,
    data.trials.startedMs.some((at) => at !== null) ? timeline(view) : null,
    data.trials.number.length > 0 ? trialsTable(view) : null,
  ].filter((each) => each !== null);
}

function history(view: View): HTMLElement {
  const hasGoal = view.data.metrics.some(({ mode }) => mode !== null);
  return card({
    name: 'history',
    title: 'History',
    caption:
      'The last value of each trial. Hollow: stopped by the scheduler, or not within the constraints.',
    isHalf: true,
    legend: [
      { label: 'trial', swatch: 'var(--muted)' },
      ...(hasGoal ? [{ label: 'best so far', swatch: 'var(--best)', form: 'line' } as const] : []),
    ],
    content: [add(historyChart(view))],
  });
}

function front(view: View): HTMLElement {
  const goals = view.data.metrics.filter(({ mode }) => mode !== null);
  const axes: FrontAxes = { x: 0, y: 1 };
  const drawn = add(frontChart(view, axes));
  const choice = (label: string, axis: keyof FrontAxes) =>
    select(label, goals, axes[axis], (place) => {
      axes[axis] = place;
      redraw();
    });
  return card({
    name: 'front',
    title: 'Pareto front',
    caption: 'Trials that no other one is better than in all metrics.',
    isHalf: true,
    legend: [
      { label: 'front', swatch: 'var(--best)' },
      { label: 'other trials', swatch: 'var(--muted)' },
    ],
    ...(goals.length > 2
      ? {
          controls: element('div', { class: 'controls' }, choice('across', 'x'), choice('up', 'y')),
        }
      : {}),
    content: [drawn],
  });
}

function curves(view: View): HTMLElement {
  return card({
    name: 'curves',
    title: 'Learning curves',
    caption: 'What trials reported on their way.',
    isHalf: true,
    legend: [
      { label: 'trial', swatch: 'var(--muted)', form: 'line' },
      { label: 'best trial', swatch: 'var(--best)', form: 'line' },
    ],
    content: [add(curvesChart(view))],
  });
}

function rungs(view: View): HTMLElement {
  return card({
    name: 'rungs',
    title: 'Rungs',
    caption: 'Where the scheduler stopped or paused trials.',
    isHalf: true,
    legend: [
      { label: 'went on, or ended by themselves', swatch: 'var(--accent)', form: 'bar' },
      { label: 'stopped or paused', swatch: 'var(--muted)', form: 'bar' },
    ],
    content: [add(rungsChart(view))],
  });
}

function importances(view: View): HTMLElement {
  return card({
    name: 'importances',
    title: 'Importance of parameters',
    caption: 'How much of the differences of the metric between trials each parameter explains.',
    isHalf: true,
    content: [add(importancesChart(view))],
  });
}

function parallel(view: View): HTMLElement {
  const { length } = view.data.trials.number;
  const lines =
    length > LINES_MAX
      ? 'A line for each of the best trials, and for every n-th other'
      : 'A line for each trial';
  return card({
    name: 'parallel',
    title: 'Parallel coordinates',
    caption: `${lines}. Drag along an axis to pick out a range.`,
    legend: [
      { label: 'worse to better', swatch: 'transparent', form: 'ramp' },
      { label: 'best trial', swatch: 'var(--best)', form: 'line' },
    ],
    content: [add(parallelChart(view))],
  });
}

function slices(view: View): HTMLElement {
  const { parameters, trials } = view.data;
  const count = Math.min(parameters.length, SLICES_MAX);
  const left = [
    count < parameters.length ? `The first ${count} of ${parameters.length} parameters.` : '',
    trials.number.length > SLICE_POINTS_MAX
      ? 'Every n-th trial, so that each slice can be read.'
      : '',
  ].join(' ');
  const drawn = parameters.slice(0, count).map((_, place) => add(sliceChart(view, place)));
  return card({
    name: 'slices',
    title: 'Slices',
    caption: `The metric by each parameter. ${left}`,
    content: [element('div', { class: 'slices' }, ...drawn)],
  });
}

function timeline(view: View): HTMLElement {
  return card({
    name: 'timeline',
    title: 'Timeline',
    caption: 'When trials ran, in lanes: as many as ran at once.',
    legend: [
      { label: 'ended', swatch: 'var(--accent)', form: 'bar' },
      { label: 'stopped by the scheduler', swatch: 'var(--muted)', form: 'bar' },
      { label: 'error', swatch: 'var(--bad)', form: 'bar' },
      { label: 'not ended', swatch: 'var(--warn)', form: 'bar' },
    ],
    content: [add(timelineChart(view))],
  });
}

function card(parts: Card): HTMLElement {
  return element(
    'section',
    { class: parts.isHalf === true ? 'card is-half' : 'card', 'data-section': parts.name },
    element('h2', {}, parts.title),
    parts.caption === undefined ? null : element('p', { class: 'caption' }, parts.caption.trim()),
    parts.controls ?? null,
    parts.legend === undefined ? null : legend(parts.legend),
    ...parts.content,
  );
}

function add(made: Chart): HTMLElement {
  charts.push(made);
  return made.element;
}

function select(
  label: string,
  metrics: readonly PageMetric[],
  chosen: number,
  onChange: (place: number) => void,
): HTMLElement {
  const options = metrics.map(({ name }, place) =>
    element('option', { value: place, selected: place === chosen }, name),
  );
  const choice = element('select', {}, ...options);
  choice.addEventListener('change', () => onChange(Number(choice.value)));
  return element('label', {}, label, choice);
}

try {
  main();
} catch (error) {
  document.documentElement.dataset['report'] = 'failed';
  document
    .querySelector('#report')!
    .append(element('p', {}, `This report could not be drawn: ${String(error)}`));
  throw error;
}
