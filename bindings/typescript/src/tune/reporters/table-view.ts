/**
 * A run as a table: how it stands as lines of text. Nothing here writes, or knows a terminal.
 *
 * From top to bottom: how far it is, what is in use, the best trial so far, why trials wait, the trials with the course of
 * their metric, what has failed, and where it all is. Sentences are folded, columns that have no room are named.
 */

import { metricAt, leavesOf, RESERVED_METRICS } from '../metrics.ts';
import type { Metrics, TrialStatus } from '../types.ts';
import { layOut, type Column } from './columns.ts';
import { durationText, numberText, sparkline, valueText } from './number-text.ts';
import { lineText, span, type Line, type Span, type Style } from './spans.ts';
import type { BestState, ReporterState, TrialState } from './state.ts';
import { cleaned, cutToWidth, widthOf, wrapped } from './text-width.ts';

/** What a table shows. */
export interface TableViewOptions {
  /** Columns of the terminal. */
  readonly width: number;
  /** How many lines there may be; rows of trials give way first. */
  readonly height?: number | undefined;
  readonly colours: boolean;
  /** Metrics by path with the headings of their columns. @default those of the experiment, else the first four numbers reported */
  readonly metricColumns?: Columns | undefined;
  /** Parameters by path with the headings of their columns. @default all, as far as they have room */
  readonly parameterColumns?: Columns | undefined;
  /** It is over. */
  readonly done: boolean;
}

/** Paths and headings. */
export type Columns = readonly (readonly [path: string, heading: string])[];

/** How many metrics are shown where the experiment has none. */
const METRICS_GUESSED = 4;
const BAR_WIDTH = 20;
/** Below this width the bar would leave too little room for words. */
const BAR_NEEDS_WIDTH = 60;
/** How many lines a best trial or an error may take. */
const SENTENCE_LINES_MAX = 3;
/** The most errors, and reasons for waiting: this part of the height. */
const LIST_SHARE = 1 / 8;
/** Fewer rows than this show nothing of use; then the table may be longer than the terminal. */
const ROWS_MIN = 3;

const STATUS_STYLES: Readonly<Record<TrialStatus, Style>> = {
  PENDING: 'dim',
  RUNNING: 'cyan',
  PAUSED: 'yellow',
  TERMINATED: 'green',
  ERROR: 'red',
};

/** The lines of a table, each of which fits into the width. */
export function tableView(state: ReporterState, options: TableViewOptions): string[] {
  const { width, colours } = options;
  const listMax = Math.max(1, Math.floor((options.height ?? Infinity) * LIST_SHARE));
  const above = [
    ...progressLines(state, options),
    ...bestLines(state, width),
    ...(options.done ? [] : waitingLines(state, width, listMax)),
  ];
  const below = [...errorLines(state, width, listMax), ...folderLines(state, width)];
  const room = (options.height ?? Infinity) - above.length - below.length - FRAME_LINES;
  const trials = trialLines(state, options, Math.max(ROWS_MIN, room));
  return [...above, ...trials, ...below].map((line) => lineText(line, width, colours));
}

/** An empty line, the heading, and what is not shown. */
const FRAME_LINES = 3;

/** `12 of 40 trials`, or `12 trials` where nothing says how many there will be. */
export function trialsText({ counts, numSamples }: ReporterState): string {
  const ended = counts.TERMINATED + counts.ERROR;
  if (numSamples === Infinity) return `${ended} ${ended === 1 ? 'trial' : 'trials'} ended`;
  return `${ended} of ${numSamples} ${numSamples === 1 ? 'trial' : 'trials'} ended`;
}

/** `2 running, 1 paused, 26 to come, 1 failed`: what there is none of is left out. */
export function countsText({ counts, numSamples }: ReporterState): string {
  const known = counts.RUNNING + counts.PAUSED + counts.TERMINATED + counts.ERROR;
  const toCome =
    numSamples === Infinity ? counts.PENDING : Math.max(counts.PENDING, numSamples - known);
  return [
    [counts.RUNNING, 'running'],
    [counts.PAUSED, 'paused'],
    [toCome, 'to come'],
    [counts.ERROR, 'failed'],
  ]
    .filter(([count]) => count !== 0)
    .map(([count, word]) => `${count} ${word}`)
    .join(', ');
}

/** `best loss 0.0123 (trial 00003, iteration 20)`. */
export function bestText({ metric, value, trial }: BestState): string {
  const { trialId, iterations } = trial;
  return `best ${cleaned(metric)} ${numberText(value)} (trial ${trialId}, iteration ${iterations})`;
}

/** `lr=0.001, layers=3`, or an empty text. */
export function configText(trial: TrialState, parameters: readonly string[]): string {
  return parameters
    .flatMap((path) => {
      const value = configAt(trial.config, path);
      return value === undefined ? [] : [`${cleaned(path)}=${valueText(value)}`];
    })
    .join(', ');
}

/** `about 4 min left`, or an empty text. */
export function remainingText({ remainingMs }: ReporterState): string {
  return remainingMs === null || remainingMs === 0 ? '' : `about ${durationText(remainingMs)} left`;
}

function progressLines(state: ReporterState, { width, done }: TableViewOptions): Line[] {
  const { counts, numSamples } = state;
  const words = [
    trialsText(state),
    durationText(state.elapsedMs),
    done ? 'done' : remainingText(state),
  ];
  const text = words.filter((word) => word !== '').join(', ');
  const name = cleaned(state.name);
  const hasBar = Number.isFinite(numSamples) && numSamples > 0 && width >= BAR_NEEDS_WIDTH;
  const bar = hasBar
    ? barOf((counts.TERMINATED + counts.ERROR) / numSamples, counts.ERROR / numSamples)
    : [];
  const lines: Line[] = [];
  const progress: Line = [...bar, span(text)];
  // What matters is not cut off by a long name.
  const joined: Line = [span(name, 'bold'), span('  '), ...progress];
  if (lengthOf(joined) <= width) lines.push(joined);
  else if (lengthOf(progress) <= width) lines.push([span(name, 'bold')], progress);
  else lines.push([span(name, 'bold')], ...folded(text, width));
  const resources = state.resources
    .map(
      ({ name: resource, used, total }) =>
        `${cleaned(resource)} ${numberText(used)}/${numberText(total)}`,
    )
    .join(', ');
  const use = [countsText(state), done ? '' : resources].filter((each) => each !== '').join(' · ');
  if (use !== '') lines.push(...folded(use, width));
  return lines;
}

function barOf(share: number, failed: number): Span[] {
  const full = Math.round(Math.min(1, share) * BAR_WIDTH);
  const red = Math.min(full, Math.ceil(Math.min(1, failed) * BAR_WIDTH));
  return [
    span('━'.repeat(full - red), 'green'),
    span('━'.repeat(red), 'red'),
    span('╌'.repeat(BAR_WIDTH - full), 'dim'),
    span('  '),
  ];
}

function bestLines({ best, parameters }: ReporterState, width: number): Line[] {
  return best.flatMap((each) => {
    const config = configText(each.trial, parameters);
    const text = bestText(each) + (config === '' ? '' : ` with ${config}`);
    return shortened(folded(text, width, 'green'));
  });
}

function waitingLines({ waiting }: ReporterState, width: number, listMax: number): Line[] {
  const more = waiting.length - listMax;
  return [
    ...waiting
      .slice(0, listMax)
      .flatMap((sentence) => folded(`waiting: ${cleaned(sentence)}`, width, 'yellow')),
    ...(more > 0 ? folded(`waiting: ${more} more`, width, 'yellow') : []),
  ];
}

function errorLines({ errors, counts }: ReporterState, width: number, listMax: number): Line[] {
  const shown = errors.slice(-listMax);
  const earlier = counts.ERROR - shown.length;
  return [
    ...(earlier > 0 ? folded(`failed earlier: ${earlier} more`, width, 'red') : []),
    ...shown.flatMap(({ trialId, name, message }) => {
      const text = cleaned(message === '' ? name : `${name}: ${message}`);
      // The rest is in the trial's error.txt.
      return shortened(folded(`failed ${trialId}: ${text}`, width, 'red'));
    }),
  ];
}

function shortened(lines: Line[]): Line[] {
  if (lines.length <= SENTENCE_LINES_MAX) return lines;
  return [...lines.slice(0, SENTENCE_LINES_MAX - 1), [span('  …', lines[0]![0]!.style)]];
}

function folderLines({ path }: ReporterState, width: number): Line[] {
  return path === null ? [] : folded(`folder: ${cleaned(path)}`, width, 'dim');
}

function trialLines(state: ReporterState, options: TableViewOptions, rowsMax: number): Line[] {
  const shown = state.trials.slice(0, rowsMax);
  if (shown.length === 0) return [];
  const { lines, leftOut } = layOut(columnsOf(shown, state, options), options.width);
  const total = Object.values(state.counts).reduce((sum, count) => sum + count, 0);
  const more = total - shown.length;
  const missing = [
    ...(more > 0 ? [`${more} more ${more === 1 ? 'trial' : 'trials'}`] : []),
    ...(leftOut.length > 0 ? [`columns ${leftOut.join(', ')}`] : []),
  ];
  const note = cutToWidth(`not shown: ${missing.join('; ')}`, options.width);
  return [[], ...lines, ...(missing.length === 0 ? [] : [[span(note, 'dim')]])];
}

function columnsOf(
  trials: readonly TrialState[],
  state: ReporterState,
  options: TableViewOptions,
): Column[] {
  const metrics = options.metricColumns ?? defaultMetrics(trials, state);
  const parameters =
    options.parameterColumns ?? state.parameters.map((path) => [path, path] as const);
  const hasValues = trials.some(({ values }) => values.length > 1);
  return [
    { heading: 'trial', rank: 0, cells: trials.map(({ trialId }) => span(trialId)) },
    {
      heading: 'status',
      rank: 2,
      cells: trials.map(({ status }) => span(status, STATUS_STYLES[status])),
    },
    {
      heading: 'iter',
      rank: 4,
      align: 'right',
      cells: trials.map((trial) => iterationCell(trial)),
    },
    { heading: 'time', rank: 5, align: 'right', cells: trials.map((trial) => timeCell(trial)) },
    ...metrics.map(([path, heading], place): Column => ({
      heading: cleaned(heading),
      rank: place === 0 ? 1 : 6 + place,
      align: 'right',
      widthMin: 8,
      cells: trials.map((trial) => metricCell(trial, path)),
    })),
    ...(hasValues
      ? [
          {
            heading: 'course',
            rank: 3,
            widthMin: 8,
            cut: 'start',
            cells: trials.map(({ values, status }) =>
              span(sparkline(values), status === 'RUNNING' ? 'cyan' : 'dim'),
            ),
          } satisfies Column,
        ]
      : []),
    ...parameters.map(([path, heading], place): Column => {
      const values = trials.map(({ config }) => configAt(config, path));
      return {
        heading: cleaned(heading),
        rank: 1000 + place,
        align: values.every((value) => typeof value === 'number') ? 'right' : 'left',
        widthMin: 6,
        cells: values.map((value) => span(valueText(value))),
      };
    }),
  ];
}

function defaultMetrics(trials: readonly TrialState[], state: ReporterState): Columns {
  if (state.metrics.length > 0) return state.metrics.map(({ name }) => [name, name]);
  const names = new Set<string>();
  for (const { metrics } of trials) {
    for (const [name, value] of leavesOf(metrics ?? {})) {
      if (names.size >= METRICS_GUESSED) break;
      if (typeof value === 'number' && !RESERVED_METRICS.has(name)) names.add(name);
    }
  }
  return [...names].map((name) => [name, name]);
}

function iterationCell({ iterations }: TrialState): Span {
  return span(String(iterations));
}

function timeCell({ durationMs }: TrialState): Span {
  return span(durationMs === null ? '' : durationText(durationMs));
}

function metricCell({ metrics }: TrialState, path: string): Span {
  return span(valueText(metrics === null ? undefined : metricAt(metrics, path)));
}

/** What is at a path of a config, as metrics are found. */
function configAt(config: unknown, path: string): unknown {
  return typeof config === 'object' && config !== null
    ? metricAt(config as Metrics, path)
    : undefined;
}

function folded(text: string, width: number, style?: Style): Line[] {
  return wrapped(text, width, '  ').map((line) => [span(line, style)]);
}

function lengthOf(line: Line): number {
  return widthOf(line.map(({ text }) => text).join(''));
}
