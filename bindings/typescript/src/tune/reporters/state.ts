/**
 * What a reporter shows, as plain data: made of an experiment's record and of what only the running process knows.
 *
 * - RP-1 It is a function of its arguments: no clock, no terminal.
 * - RP-2 Nothing in it can change the record.
 * - RP-3 Its size does not grow with the number of trials, but for the number of those that run.
 */

import type { ExperimentHeader } from '../experiment/events.ts';
import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import { bestTrial } from '../results/best.ts';
import { copyOfData } from '../data-copies.ts';
import { isBetter, lastValueOf, valuesOf } from '../results/scores.ts';
import { pathText } from '../space/parameter.ts';
import type { Mode, ReportedMetrics, StopReason, TrialStatus } from '../types.ts';
import { remainingMsOf } from './remaining-time.ts';

/** How many values of a trial are kept for drawing. */
export const VALUES_MAX = 20;

/** How many of the latest errors are kept. */
export const ERRORS_MAX = 10;

/** How many trials a table has unless something else is asked for. */
export const PROGRESS_ROWS_DEFAULT = 20;

/** What only the process knows that runs the experiment. */
export interface RunInfo {
  /** Milliseconds since 1970. */
  readonly now: number;
  /** Since the experiment began, without the time between a process's end and a restore, in milliseconds. */
  readonly elapsedMs: number;
  /** How many trials there will be in all; Infinity if nothing says. */
  readonly numSamples: number;
  /** For the whole experiment, in milliseconds; null without one. */
  readonly timeBudgetMs: number | null;
  /** How many trials can run at a time; null if that is not known yet. */
  readonly maxConcurrentTrials: number | null;
  /** Why trials wait: a sentence each, without a full stop. */
  readonly waiting: readonly string[];
  readonly resources: readonly ResourceUse[];
  /** The experiment's folder; null where nothing is written to disk. */
  readonly path: string | null;
}

/** How much of a resource is in use. */
export interface ResourceUse {
  /** `CPU`, `GPU`, or a user's own. */
  readonly name: string;
  readonly used: number;
  readonly total: number;
}

/** A trial as a reporter sees it. */
export interface TrialState {
  readonly trialId: string;
  readonly number: number;
  readonly status: TrialStatus;
  readonly stopReason: StopReason | null;
  /** The number of its last report; 0 before. */
  readonly iterations: number;
  /** Run time up to its last report, or since its start if it has none; null if it was never started. */
  readonly durationMs: number | null;
  readonly failures: number;
  readonly config: unknown;
  /** Of its last report; null before. */
  readonly metrics: ReportedMetrics | null;
  /** The last values of the experiment's first metric, the latest last: at most {@link VALUES_MAX}. */
  readonly values: readonly number[];
}

/** The best trial so far by one of the experiment's metrics. */
export interface BestState {
  readonly metric: string;
  readonly mode: Mode;
  /** Its last value. */
  readonly value: number;
  readonly trial: TrialState;
}

/** A trial that has failed for good. */
export interface TrialErrorState {
  readonly trialId: string;
  readonly name: string;
  readonly message: string;
}

/** All that a reporter gets. */
export interface ReporterState {
  readonly name: string;
  readonly metrics: readonly { readonly name: string; readonly mode: Mode }[];
  /** Where in a config the parameters are: `optimizer.lr`. */
  readonly parameters: readonly string[];
  readonly elapsedMs: number;
  /** An estimate; null while nothing can be said. */
  readonly remainingMs: number | null;
  /** How many trials there will be in all; Infinity if nothing says. */
  readonly numSamples: number;
  /** How many trials there are of each status. */
  readonly counts: Readonly<Record<TrialStatus, number>>;
  /** For each metric that some trial could be the best of. */
  readonly best: readonly BestState[];
  /** Those that run first, then paused and ended ones (see {@link StateOptions}), then pending ones. */
  readonly trials: readonly TrialState[];
  readonly waiting: readonly string[];
  readonly resources: readonly ResourceUse[];
  /** The latest ones, the latest last: at most {@link ERRORS_MAX}. `counts.ERROR` has the number of all. */
  readonly errors: readonly TrialErrorState[];
  readonly path: string | null;
}

/** Which trials a reporter gets to see. */
export interface StateOptions {
  /** How many at most; running ones are all there. @default 20 */
  readonly maxProgressRows?: number | undefined;
  /** Paused and ended trials with the best first, and not with the latest. @default true */
  readonly sortByMetric?: boolean | undefined;
}

/** The state of a run. */
export function reporterStateOf(
  experiment: ExperimentRecord,
  info: RunInfo,
  options: StateOptions = {},
): ReporterState {
  const { header } = experiment;
  const counts = countsOf(experiment);
  return {
    name: header.name,
    metrics: header.metrics.map((name, place) => ({ name, mode: header.modes[place]! })),
    parameters: placesOf(header),
    elapsedMs: info.elapsedMs,
    remainingMs: remainingMsOf(experiment, info),
    // What is run again after a restore comes on top.
    numSamples: Math.max(info.numSamples, experiment.trials.length),
    counts,
    best: bestOf(experiment, info),
    trials: shownTrials(experiment, options).map((trial) => stateOf(trial, header, info)),
    waiting: [...info.waiting],
    resources: info.resources.map((resource) => ({ ...resource })),
    errors: latestErrors(experiment),
    path: info.path,
  };
}

function countsOf({ trials }: ExperimentRecord): Record<TrialStatus, number> {
  const counts = { PENDING: 0, RUNNING: 0, PAUSED: 0, TERMINATED: 0, ERROR: 0 };
  for (const { status } of trials) counts[status]++;
  return counts;
}

/** Where parameters are in a config; those of several branches at one place are one. */
function placesOf({ parameters }: ExperimentHeader): string[] {
  return [...new Set(parameters.map(({ path }) => pathText(path)))];
}

function bestOf(experiment: ExperimentRecord, info: RunInfo): BestState[] {
  const { header } = experiment;
  return header.metrics.flatMap((metric, place) => {
    const mode = header.modes[place]!;
    const trial = bestTrial(experiment, { metric, mode, scope: 'last', filterNanAndInf: true });
    if (trial === undefined) return [];
    const value = lastValueOf(trial, metric)!;
    return [{ metric, mode, value, trial: stateOf(trial, header, info) }];
  });
}

function shownTrials({ header, trials }: ExperimentRecord, options: StateOptions): TrialRecord[] {
  const { maxProgressRows = PROGRESS_ROWS_DEFAULT, sortByMetric = true } = options;
  const running = trials.filter(({ status }) => status === 'RUNNING');
  const room = Math.max(0, maxProgressRows - running.length);
  const [metric] = header.metrics;
  const [mode] = header.modes;
  const others =
    sortByMetric && metric !== undefined && mode !== undefined
      ? bestTrials(trials, room, metric, mode)
      : latestTrials(trials, room);
  const pending: TrialRecord[] = [];
  for (const trial of trials) {
    if (others.length + pending.length >= room) break;
    if (trial.status === 'PENDING') pending.push(trial);
  }
  return [...running, ...others, ...pending];
}

/** The best of the paused and ended trials, those without a value last; of equal ones the lower number comes first. */
function bestTrials(
  trials: readonly TrialRecord[],
  count: number,
  metric: string,
  mode: Mode,
): TrialRecord[] {
  // Only as many as are shown are kept in order: sorting a million trials at each report would take longer than the trials.
  const best: { readonly trial: TrialRecord; readonly value: number }[] = [];
  for (const trial of trials) {
    if (trial.status === 'RUNNING' || trial.status === 'PENDING') continue;
    const value = trial.status === 'ERROR' ? NaN : (lastValueOf(trial, metric) ?? NaN);
    let place = best.length;
    while (place > 0 && isBetter(value, best[place - 1]!.value, mode)) place--;
    if (place >= count) continue;
    best.splice(place, 0, { trial, value });
    if (best.length > count) best.pop();
  }
  return best.map(({ trial }) => trial);
}

function latestTrials(trials: readonly TrialRecord[], count: number): TrialRecord[] {
  const latest: TrialRecord[] = [];
  for (let place = trials.length - 1; place >= 0 && latest.length < count; place--) {
    const { status } = trials[place]!;
    if (status !== 'RUNNING' && status !== 'PENDING') latest.push(trials[place]!);
  }
  return latest;
}

function stateOf(trial: TrialRecord, header: ExperimentHeader, info: RunInfo): TrialState {
  const last = trial.history.at(-1);
  const [metric] = header.metrics;
  return {
    trialId: trial.header.id,
    number: trial.header.number,
    status: trial.status,
    stopReason: trial.stopReason,
    iterations: last?.trainingIteration ?? 0,
    durationMs: durationOf(trial, info),
    failures: trial.failures,
    config: copyOfData(trial.config),
    metrics: last === undefined ? null : copyOfData(last),
    values: metric === undefined ? [] : valuesOf(trial, metric, VALUES_MAX),
  };
}

function durationOf(trial: TrialRecord, info: RunInfo): number | null {
  if (trial.startedAt === null) return null;
  if (trial.history.length > 0 || trial.status !== 'RUNNING') return trial.durationMs;
  return Math.max(0, info.now - trial.startedAt);
}

function latestErrors({ trials }: ExperimentRecord): TrialErrorState[] {
  return trials
    .filter(({ status }) => status === 'ERROR')
    .sort((one, other) => (one.endedAt ?? 0) - (other.endedAt ?? 0))
    .slice(-ERRORS_MAX)
    .map(({ header, error }) => ({
      trialId: header.id,
      name: error?.name ?? 'Error',
      message: error?.message ?? '',
    }));
}
