/**
 * The reporters that users choose from, and when they are called. What they show is in `table-view.ts` and `line-view.ts`; how it
 * gets onto a terminal, in `terminal.ts`.
 */

import {
  checkOptions,
  count,
  flag,
  invalid,
  isRecord,
  milliseconds,
  text,
  type Check,
} from '../../option-checks.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import { dataOf } from '../tuner/data.ts';
import { lineView, type LineMemory } from './line-view.ts';
import {
  PROGRESS_ROWS_DEFAULT,
  reporterStateOf,
  type ReporterState,
  type RunInfo,
  type StateOptions,
} from './state.ts';
import { tableView, type Columns } from './table-view.ts';
import {
  abilitiesOf,
  columnsFor,
  LiveLines,
  rowsFor,
  writeText,
  type OutputStream,
} from './terminal.ts';

/** How often reporters are called unless they say something else. */
export const REPORT_INTERVAL_MS_DEFAULT = 5000;

/** How often `lineReporter` says something: what it writes stays. */
export const LINES_INTERVAL_MS = 30_000;

/** Shows how an experiment goes. One of your own needs only `report`. */
export interface Reporter extends StateOptions {
  /** Called at the beginning, then as often as `maxReportFrequencyMs` allows while something happens, and at the end (`done`). */
  report(state: ReporterState, done: boolean): void | PromiseLike<void>;
  /** The least time between two calls, in milliseconds. @default 5000 */
  readonly maxReportFrequencyMs?: number;
}

/** What the option `reporter` takes. */
export type ReporterOption = 'auto' | 'silent' | Reporter;

/** What `tableReporter` takes. */
export interface TableReporterOptions {
  /** The metrics to show: paths, or headings by path. @default the experiment's; without any, the first four that are numbers */
  readonly metricColumns?: readonly string[] | Readonly<Record<string, string>> | undefined;
  /** The parameters to show: paths in the config, or headings by path. @default all, as far as they have room */
  readonly parameterColumns?: readonly string[] | Readonly<Record<string, string>> | undefined;
  /** How many trials at most; running ones come first. @default 20 */
  readonly maxProgressRows?: number | undefined;
  /** The least time between two tables, in milliseconds. @default 5000 */
  readonly maxReportFrequencyMs?: number | undefined;
  /** Paused and ended trials with the best first; otherwise with the latest. @default true */
  readonly sortByMetric?: boolean | undefined;
}

/** Where reporters write: standard error, which may share its terminal with standard output. */
export interface ReporterOutput {
  readonly stream: OutputStream;
  readonly guarded: readonly OutputStream[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

/**
 * A table on standard error: what is the best so far, what runs and how its metric goes, why trials wait, what has failed and
 * how long it will take. On a terminal it is drawn again in its place, below all other output; elsewhere it is written anew.
 *
 * @throws InvalidArgumentError
 * @see https://docs.ray.io/en/latest/tune/api/reporters.html
 */
export function tableReporter(
  options?: TableReporterOptions,
  output: () => ReporterOutput = standardError,
): Reporter {
  const checked = checkOptions(
    'tableReporter()',
    {
      metricColumns: columns,
      parameterColumns: columns,
      ...OWN_OPTIONS,
    },
    options,
  );
  let table: TableWriter | undefined;
  return {
    maxProgressRows: checked.maxProgressRows ?? PROGRESS_ROWS_DEFAULT,
    sortByMetric: checked.sortByMetric ?? true,
    maxReportFrequencyMs:
      checked.maxReportFrequencyMs === null
        ? Infinity
        : (checked.maxReportFrequencyMs ?? REPORT_INTERVAL_MS_DEFAULT),
    report(state, done) {
      table ??= new TableWriter(output(), checked);
      table.write(state, done);
    },
  };
}

/** What {@link lineReporter} and {@link jsonReporter} take: nothing. */
export type NoOptions = Readonly<Record<string, never>>;

/**
 * Lines on standard error, at most every half a minute, each with what is new: for files and build servers.
 *
 * @throws InvalidArgumentError for options: it has none
 */
export function lineReporter(
  options?: NoOptions,
  output: () => ReporterOutput = standardError,
): Reporter {
  refuseOptions('lineReporter()', options);
  let memory: LineMemory | undefined;
  return {
    maxReportFrequencyMs: LINES_INTERVAL_MS,
    report(state, done) {
      const view = lineView(state, memory, done);
      memory = view.memory;
      if (view.lines.length > 0) writeText(output().stream, `${view.lines.join('\n')}\n`);
    },
  };
}

/**
 * A line of JSON on standard error for each report: the state, and `done`. What is no number in JSON is null, and a
 * bigint a text.
 *
 * @throws InvalidArgumentError for options: it has none
 */
export function jsonReporter(
  options?: NoOptions,
  output: () => ReporterOutput = standardError,
): Reporter {
  refuseOptions('jsonReporter()', options);
  return {
    report(state, done) {
      writeText(output().stream, `${JSON.stringify({ ...state, done }, bigintAsText)}\n`);
    },
  };
}

function bigintAsText(_name: string, value: unknown): unknown {
  return typeof value === 'bigint' ? dataOf(value) : value;
}

/**
 * The reporter that an option asks for; undefined for `'silent'`. `'auto'` is a table on a terminal, and else lines.
 *
 * @throws InvalidArgumentError
 */
export function reporterOf(
  call: string,
  option: unknown = 'auto',
  output: () => ReporterOutput = standardError,
): Reporter | undefined {
  if (option === 'silent') return undefined;
  if (option === 'auto') return autoReporter(output);
  if (typeof option === 'object' && option !== null) {
    const { report } = option as Partial<Reporter>;
    if (typeof report === 'function') {
      checkOwnOptions(call, option);
      return option as Reporter;
    }
  }
  throw invalid(
    { call, name: 'reporter' },
    option,
    "'auto', 'silent', tableReporter(), lineReporter(), jsonReporter(), or an object with a method report(state, done)",
  );
}

/** What a reporter says about itself. All else in it is its own affair. @throws InvalidArgumentError */
function checkOwnOptions(call: string, reporter: object): void {
  for (const [name, check] of Object.entries(OWN_OPTIONS)) {
    const value = (reporter as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined) check(value, { call, name: `reporter.${name}` });
  }
}

const OWN_OPTIONS = {
  maxProgressRows: count(0, ''),
  maxReportFrequencyMs: milliseconds,
  sortByMetric: flag,
} as const;

/** Decides at its first report, since before nothing is to be touched. */
function autoReporter(output: () => ReporterOutput): Reporter {
  let chosen: Reporter | undefined;
  const choose = (): Reporter => {
    const { stream, env } = output();
    return abilitiesOf(stream, env).isLive ? tableReporter({}, output) : lineReporter({}, output);
  };
  return {
    get maxReportFrequencyMs() {
      return chosen?.maxReportFrequencyMs ?? 0;
    },
    report(state, done) {
      chosen ??= choose();
      return chosen.report(state, done);
    },
  };
}

/** Calls a reporter when it is time. It has no clock: whoever runs the experiment says when something has happened. */
export class Reporting {
  readonly #reporter: Reporter;
  #reportedAt = -Infinity;

  constructor(reporter: Reporter) {
    this.#reporter = reporter;
  }

  /** Whether a report is due at a time (of any clock, in milliseconds). The first one is at once. */
  isDue(nowMs: number): boolean {
    const intervalMs = this.#reporter.maxReportFrequencyMs ?? REPORT_INTERVAL_MS_DEFAULT;
    return this.#reportedAt === -Infinity || nowMs - this.#reportedAt >= intervalMs;
  }

  /** Reports. What the reporter throws is the caller's: a reporter of the user's is code like a callback. */
  async report(
    experiment: ExperimentRecord,
    info: RunInfo,
    { nowMs, done }: { readonly nowMs: number; readonly done: boolean },
  ): Promise<void> {
    this.#reportedAt = nowMs;
    await this.#reporter.report(reporterStateOf(experiment, info, this.#reporter), done);
  }
}

interface ChosenColumns {
  readonly metricColumns?: Columns;
  readonly parameterColumns?: Columns;
}

class TableWriter {
  readonly #output: ReporterOutput;
  readonly #isLive: boolean;
  readonly #colours: boolean;
  readonly #columns: ChosenColumns;
  readonly #live: LiveLines;

  constructor(output: ReporterOutput, chosen: ChosenColumns) {
    this.#output = output;
    const { isLive, colours } = abilitiesOf(output.stream, output.env);
    this.#isLive = isLive;
    this.#colours = colours;
    this.#columns = chosen;
    this.#live = new LiveLines(output.stream, output.guarded);
  }

  write(state: ReporterState, done: boolean): void {
    const { stream } = this.#output;
    const lines = tableView(state, {
      metricColumns: this.#columns.metricColumns,
      parameterColumns: this.#columns.parameterColumns,
      width: columnsFor(stream),
      // What stays, at the end or in a file, may be longer than the terminal.
      height: this.#isLive && !done ? rowsFor(stream) : Infinity,
      colours: this.#colours,
      done,
    });
    if (!this.#isLive) writeText(stream, `${lines.join('\n')}\n\n`);
    else if (done) this.#live.end(lines);
    else this.#live.show(lines);
  }
}

function refuseOptions(call: string, options: unknown): void {
  if (options === undefined) return;
  const allowed = 'nothing: it has no options';
  if (!isRecord(options)) throw invalid({ call, name: 'options' }, options, allowed);
  const [name] = Object.keys(options);
  if (name !== undefined) throw invalid({ call, name }, options[name], allowed);
}

/** Paths with their headings, of a list of paths or an object of headings by path. */
const columns: Check<Columns> = (value, place) => {
  if (Array.isArray(value)) {
    return value.map((path: unknown, at) => {
      const checked = text(path, { ...place, name: `${place.name}[${at}]` });
      return [checked, checked] as const;
    });
  }
  if (isRecord(value)) {
    return Object.entries(value).map(
      ([path, heading]) =>
        [path, text(heading, { ...place, name: `${place.name}.${path}` })] as const,
    );
  }
  throw invalid(
    place,
    value,
    "a list of paths, or an object of headings by path: { 'eval.loss': 'loss' }",
  );
};

function standardError(): ReporterOutput {
  return {
    stream: process.stderr,
    guarded: [process.stderr, process.stdout],
    env: process.env,
  };
}
