/**
 * An experiment as the report's page shows it.
 *
 * - RD-1 Counts, the best values and the front are of all trials, however few of them are in the page.
 * - RD-2 What is left out is said in `omitted`.
 * - RD-3 Numbers have six digits, but for whole ones.
 */

import type { ExperimentRecord, TrialRecord } from '../../experiment/record.ts';
import { metricAt } from '../../metrics.ts';
import type { ParameterDescription } from '../../space/parameter.ts';
import { type Objective, frontOf } from '../../results/pareto-front.ts';
import { keepsConstraints, lastValueOf } from '../../results/scores.ts';
import { visitReported } from '../leaves.ts';
import { STATUSES, STOP_REASONS } from './page-data.ts';
import type {
  Importance,
  PageBest,
  PageCurve,
  PageMetric,
  PageNumber,
  PageRung,
  PageTrials,
  ReportData,
} from './page-data.ts';
import { clipped, derivedColumns, labelOf, pageParameter } from './parameter-columns.ts';
import { bestSoFar, ranked } from './standing.ts';
import { spread, thinnedPlaces } from './thinning.ts';

/** How much goes into the page. */
export interface PageLimits {
  readonly trials: number;
  readonly parameters: number;
  readonly metrics: number;
  readonly curves: number;
  readonly pointsPerCurve: number;
  /** Of a name, a label, a message. */
  readonly textLetters: number;
}

export const PAGE_LIMITS: PageLimits = {
  trials: 10_000,
  parameters: 40,
  metrics: 12,
  curves: 120,
  pointsPerCurve: 120,
  textLetters: 240,
};

/** Of these the best ones are always in the page, and the first in ERROR. */
const BEST_KEPT = 100;
const ERRORS_KEPT = 100;
const BEST_CURVES_KEPT = 30;
const RUNGS_MAX = 30;
const DERIVED_MAX = 10;
const CURVE_METRICS_MAX = 3;

export interface ReportInput {
  /** By metric of the experiment. */
  readonly importances?: readonly (readonly Importance[])[] | undefined;
  readonly writtenAt: number;
}

/** What all trials say, whatever of it is shown: looked at once, since there may be a million. */
export interface Survey {
  readonly experiment: ExperimentRecord;
  readonly metrics: readonly PageMetric[];
  readonly objectives: readonly (PageMetric & Objective)[];
  readonly front: readonly TrialRecord[] | null;
  /** Those that are in the page however few others are. */
  readonly kept: readonly TrialRecord[];
  readonly best: ReadonlyMap<string, PageBest>;
  /** With more than one report. */
  readonly several: readonly TrialRecord[];
  /** The most reports of a trial. */
  readonly longest: number;
  readonly rungs: readonly PageRung[];
  readonly counts: readonly number[];
  readonly totals: ReportData['totals'];
}

export function surveyOf(experiment: ExperimentRecord): Survey {
  const { trials } = experiment;
  const metrics = metricsOf(experiment);
  const objectives = metrics.filter(isObjective);
  const front =
    objectives.length > 1 ? frontOf(trials, objectives).map(({ trial }) => trial) : null;
  const best = objectives.flatMap((objective) => ranked(trials, objective).slice(0, BEST_KEPT));
  const failed = trials.filter(({ status }) => status === 'ERROR').slice(0, ERRORS_KEPT);
  return {
    experiment,
    metrics,
    objectives,
    front,
    kept: [...best, ...(front ?? []).slice(0, BEST_KEPT), ...failed],
    best: new Map(objectives.map((objective) => [objective.name, bestSoFar(trials, objective)])),
    several: trials.filter(({ history }) => history.length > 1),
    longest: trials.reduce((most, { history }) => Math.max(most, history.length), 0),
    rungs: rungsOf(trials),
    counts: STATUSES.map((status) => trials.filter((trial) => trial.status === status).length),
    totals: totalsOf(experiment),
  };
}

export function reportData(
  survey: Survey,
  { importances, writtenAt }: ReportInput,
  limits: PageLimits = PAGE_LIMITS,
): ReportData {
  const { counts, front, longest, objectives, rungs, several, totals } = survey;
  const { header, trials } = survey.experiment;
  const metrics = survey.metrics.slice(0, Math.max(limits.metrics, header.metrics.length));
  const parameters = mostImportant(header.parameters, importances, limits.parameters);
  const shown = spread(trials, limits.trials, survey.kept);
  const curveMetrics = (objectives.length > 0 ? objectives : metrics).slice(0, CURVE_METRICS_MAX);
  const curves = curveMetrics.map((metric) => curvesOf(several, metric, limits));
  const best = metrics.map(({ name }) => survey.best.get(name) ?? null);
  const omitted = omissions({
    trials: [shown.length, trials.length],
    parameters: [parameters.length, header.parameters.length],
    metrics: [metrics.length, survey.metrics.length],
    curves: [curves[0]?.length ?? 0, several.length],
    pointsPerCurve: [limits.pointsPerCurve, longest],
    rungs: [Math.min(rungs.length, RUNGS_MAX), rungs.length],
  });
  return {
    name: clipped(header.name, limits.textLetters),
    createdAt: header.createdAt,
    writtenAt,
    seed: header.seed,
    metrics: metrics.map(({ name, mode }) => ({ name: clipped(name, limits.textLetters), mode })),
    parameters: parameters.map((parameter) => pageParameter(parameter, limits.textLetters)),
    counts,
    totals,
    trials: columnsOf(survey.experiment, shown, metrics, parameters, limits),
    best: best.map((steps) =>
      steps === null ? null : { numbers: steps.numbers, values: steps.values.map(rounded) },
    ),
    bestNumbers: best.map((steps) => steps?.numbers.at(-1) ?? null),
    front: front?.slice(0, limits.trials).map(({ header: { number } }) => number) ?? null,
    curves,
    rungs: mostStopped(rungs),
    importances: importances?.map((each) => shownImportances(each, limits)) ?? null,
    omitted,
  };
}

/** Those to be made better, then all other numbers of last reports in the order in which they occur. */
function metricsOf({ header, trials }: ExperimentRecord): PageMetric[] {
  const metrics = new Map<string, PageMetric>(
    header.metrics.map((name, place) => [name, { name, mode: header.modes[place] ?? null }]),
  );
  for (const { history } of trials) {
    visitReported(history.at(-1), (name, value) => {
      if (typeof value === 'number' && !metrics.has(name)) metrics.set(name, { name, mode: null });
    });
  }
  return [...metrics.values()];
}

function isObjective(metric: PageMetric): metric is PageMetric & Objective {
  return metric.mode !== null;
}

/** Those that matter most, in the order of the space. */
function mostImportant(
  parameters: readonly ParameterDescription[],
  importances: readonly (readonly Importance[])[] | undefined,
  most: number,
): ParameterDescription[] {
  if (parameters.length <= most || importances === undefined) return parameters.slice(0, most);
  // To the metric that each matters most for.
  const weights = new Map<string, number>();
  for (const { importance, name } of importances.flat()) {
    weights.set(name, Math.max(importance, weights.get(name) ?? 0));
  }
  const kept = parameters
    .toSorted((one, other) => (weights.get(other.name) ?? 0) - (weights.get(one.name) ?? 0))
    .slice(0, most);
  return spread(parameters, most, kept);
}

function curvesOf(
  several: readonly TrialRecord[],
  metric: PageMetric,
  limits: PageLimits,
): PageCurve[] {
  const best = isObjective(metric) ? ranked(several, metric).slice(0, BEST_CURVES_KEPT) : [];
  return spread(several, limits.curves, best).map(({ header, history }) => {
    const values = history.map((metrics) => {
      const value = metricAt(metrics, metric.name);
      return typeof value === 'number' && Number.isFinite(value) ? rounded(value) : null;
    });
    const places = thinnedPlaces(values, limits.pointsPerCurve);
    return {
      number: header.number,
      iterations: places.map((place) => history[place]!.trainingIteration),
      values: places.map((place) => values[place]!),
    };
  });
}

/** In order of iterations. */
function rungsOf(trials: readonly TrialRecord[]): PageRung[] {
  const lasts = trials
    .map(({ history }) => history.at(-1)?.trainingIteration ?? 0)
    .sort((one, other) => one - other);
  const stopped = new Map<number, number>();
  for (const { history, status, stopReason } of trials) {
    const iteration = history.at(-1)?.trainingIteration;
    if (iteration === undefined || (stopReason !== 'scheduler' && status !== 'PAUSED')) continue;
    stopped.set(iteration, (stopped.get(iteration) ?? 0) + 1);
  }
  let before = 0;
  return [...stopped]
    .sort(([one], [other]) => one - other)
    .map(([iteration, count]) => {
      while (lasts[before]! < iteration) before++;
      return { iteration, reached: lasts.length - before, stopped: count };
    });
}

function mostStopped(rungs: readonly PageRung[]): PageRung[] {
  const kept = rungs.toSorted((one, other) => other.stopped - one.stopped);
  return spread(rungs, RUNGS_MAX, kept);
}

function shownImportances(importances: readonly Importance[], limits: PageLimits): Importance[] {
  return importances
    .filter(({ importance }) => Number.isFinite(importance))
    .sort((one, other) => other.importance - one.importance)
    .slice(0, limits.parameters)
    .map(({ importance, name }) => ({
      name: clipped(name, limits.textLetters),
      importance: rounded(importance),
    }));
}

function totalsOf({ header, trials }: ExperimentRecord): ReportData['totals'] {
  const totals = { trials: trials.length, reports: 0, durationMs: 0, failures: 0, elapsedMs: 0 };
  for (const trial of trials) {
    totals.reports += trial.history.length;
    totals.durationMs += trial.durationMs;
    totals.failures += trial.failures;
    const last = Math.max(
      trial.startedAt ?? 0,
      trial.endedAt ?? 0,
      trial.history.at(-1)?.timestamp ?? 0,
    );
    totals.elapsedMs = Math.max(totals.elapsedMs, last - header.createdAt);
  }
  return totals;
}

function columnsOf(
  { header }: ExperimentRecord,
  trials: readonly TrialRecord[],
  metrics: readonly PageMetric[],
  parameters: readonly ParameterDescription[],
  limits: PageLimits,
): PageTrials {
  const { textLetters } = limits;
  const since = (at: number | null) => (at === null ? null : Math.round(at - header.createdAt));
  const places = new Map(header.parameters.map((parameter, place) => [parameter, place]));
  return {
    id: trials.map((trial) => trial.header.id),
    number: trials.map((trial) => trial.header.number),
    status: trials.map(({ status }) => STATUSES.indexOf(status)),
    stopReason: trials.map(({ stopReason }) =>
      stopReason === null ? -1 : STOP_REASONS.indexOf(stopReason),
    ),
    iterations: trials.map(({ history }) => history.at(-1)?.trainingIteration ?? 0),
    durationMs: trials.map(({ durationMs }) => Math.round(durationMs)),
    failures: trials.map(({ failures }) => failures),
    startedMs: trials.map(({ startedAt }) => since(startedAt)),
    endedMs: trials.map(({ endedAt }) => since(endedAt)),
    feasible: trials.map(keepsConstraints),
    error: trials.map(({ error }) =>
      error === null ? null : labelOf(`${error.name}: ${error.message}`, textLetters),
    ),
    metrics: metrics.map(({ name }) => trials.map((trial) => pageNumber(lastValueOf(trial, name)))),
    values: parameters.map((parameter) => {
      const place = places.get(parameter)!;
      return trials.map(({ values }) => roundedOrNull(values[place]));
    }),
    derived: derivedColumns(trials, header.parameters, DERIVED_MAX, textLetters),
  };
}

type Counts = readonly [shown: number, all: number];

function omissions(counts: {
  readonly trials: Counts;
  readonly parameters: Counts;
  readonly metrics: Counts;
  readonly curves: Counts;
  readonly pointsPerCurve: Counts;
  readonly rungs: Counts;
}): string[] {
  const sentences: [Counts, (shown: string, all: string) => string][] = [
    [
      counts.trials,
      (shown, all) =>
        `${shown} of ${all} trials are shown: the best ones, some that failed, and others spread evenly. Totals, the best values so far and the best trial are of all of them.`,
    ],
    [counts.parameters, (shown, all) => `${shown} of ${all} parameters are shown.`],
    [counts.metrics, (shown, all) => `${shown} of ${all} metrics are shown.`],
    [
      counts.curves,
      (shown, all) => `Curves of ${shown} of ${all} trials are shown, the best ones among them.`,
    ],
    [
      counts.pointsPerCurve,
      (shown, all) =>
        `Curves have at most ${shown} points, the lowest and highest of each part; the longest has ${all} reports.`,
    ],
    [
      counts.rungs,
      (shown, all) => `${shown} of ${all} iterations at which trials were stopped are shown.`,
    ],
  ];
  return sentences
    .filter(([[shown, all]]) => shown < all)
    .map(([[shown, all], sentence]) => sentence(grouped(shown), grouped(all)));
}

function grouped(count: number): string {
  return count.toLocaleString('en-US');
}

function pageNumber(value: number | undefined): PageNumber {
  if (value === undefined) return null;
  return Number.isFinite(value) ? rounded(value) : (String(value) as PageNumber);
}

function roundedOrNull(value: number | null | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? rounded(value) : null;
}

function rounded(value: number): number {
  return Number.isInteger(value) ? value : Number(value.toPrecision(6));
}
