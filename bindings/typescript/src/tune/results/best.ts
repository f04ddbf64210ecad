/** The best trial of an experiment by a measure, and, where there is none, why. */

import { NoResultError } from '../errors.ts';
import { leavesOf, metricAt, RESERVED_METRICS } from '../metrics.ts';
import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import { isBetter, keepsConstraints, scoreOf, canBeBest, type Measure } from './scores.ts';

/** How many names or constraints a message lists. */
const LISTED_MAX = 10;

/** The trial with the best score; of equal ones that with the lower number; undefined if there is none. */
export function bestTrial(experiment: ExperimentRecord, measure: Measure): TrialRecord | undefined {
  let best: TrialRecord | undefined;
  let bestScore = 0;
  for (const trial of experiment.trials) {
    if (!canBeBest(trial)) continue;
    const score = scoreOf(trial, measure);
    if (score === undefined) continue;
    if (best === undefined || isBetter(score, bestScore, measure.mode)) {
      best = trial;
      bestScore = score;
    }
  }
  return best;
}

/** The same. @throws NoResultError which says for all trials why they can't be it */
export function requireBestTrial(experiment: ExperimentRecord, measure: Measure): TrialRecord {
  const best = bestTrial(experiment, measure);
  if (best !== undefined) return best;
  throw new NoResultError(
    `there is no best trial by ${quoted(measure.metric)}: ${why(experiment, measure)}`,
  );
}

/** Why a trial can't be the best: the first of these that holds. */
type Obstacle = 'failed' | 'silent' | 'missing' | 'noNumber' | 'infeasible' | 'notFinite';

const OBSTACLES: readonly Obstacle[] = [
  'failed',
  'silent',
  'missing',
  'noNumber',
  'infeasible',
  'notFinite',
];

function why(experiment: ExperimentRecord, measure: Measure): string {
  const { trials } = experiment;
  if (trials.length === 0) return 'the experiment has no trials';
  const groups = new Map<Obstacle, TrialRecord[]>();
  for (const trial of trials) {
    const obstacle = obstacleOf(trial, measure.metric);
    const group = groups.get(obstacle);
    if (group === undefined) groups.set(obstacle, [trial]);
    else group.push(trial);
  }
  return OBSTACLES.flatMap((obstacle) => {
    const group = groups.get(obstacle);
    if (group === undefined) return [];
    return [`${subject(group.length, trials.length)} ${predicate(obstacle, group)}`];
  }).join('; ');
}

function obstacleOf(trial: TrialRecord, metric: string): Obstacle {
  if (trial.status === 'ERROR') return 'failed';
  if (trial.history.length === 0) return 'silent';
  const values = trial.history.map((metrics) => metricAt(metrics, metric));
  if (values.every((value) => value === undefined)) return 'missing';
  if (!values.some((value) => typeof value === 'number')) return 'noNumber';
  return keepsConstraints(trial) ? 'notFinite' : 'infeasible';
}

function subject(count: number, total: number): string {
  if (total === 1) return 'its only trial';
  return count === total ? `all ${total} trials` : `${count} of ${total} trials`;
}

function predicate(obstacle: Obstacle, group: readonly TrialRecord[]): string {
  const one = group.length === 1;
  switch (obstacle) {
    case 'failed':
      return `failed (${firstFailure(group)})`;
    case 'silent':
      return `${one ? 'has' : 'have'} reported nothing`;
    case 'missing':
      return `never reported it (reported: ${listed(namesIn(group))})`;
    case 'noNumber':
      return 'reported it as something else than a number';
    case 'infeasible':
      return `${one ? 'breaks' : 'break'} outcome constraints (${listed(leastViolations(group))})`;
    case 'notFinite':
      return `${one ? 'has' : 'have'} no finite value of it (filterNanAndInf: false takes NaN and infinite ones)`;
  }
}

function firstFailure(group: readonly TrialRecord[]): string {
  const { header, error } = group[0]!;
  return error === null ? header.id : `${header.id}: ${error.name}: ${error.message}`;
}

/** The names that some trial reported, without those that are added to every report. */
function namesIn(group: readonly TrialRecord[]): string[] {
  const names = new Set<string>();
  for (const trial of group) {
    for (const metrics of trial.history) {
      for (const [name] of leavesOf(metrics)) {
        if (!RESERVED_METRICS.has(name)) names.add(name);
        // One more than is listed, so that it is known that there are more.
        if (names.size > LISTED_MAX) return [...names];
      }
    }
  }
  return [...names];
}

/** By how much each constraint is broken where it is broken least. */
function leastViolations(group: readonly TrialRecord[]): string[] {
  const least = new Map<string, number>();
  for (const { violations } of group) {
    for (const [name, by] of Object.entries(violations ?? {})) {
      if (!(by <= 0)) least.set(name, Math.min(least.get(name) ?? Infinity, by));
    }
  }
  return [...least].map(([name, by]) => `${name} by ${by}${group.length === 1 ? '' : ' or more'}`);
}

function listed(names: readonly string[]): string {
  if (names.length === 0) return 'nothing else';
  const shown = names.slice(0, LISTED_MAX).join(', ');
  return names.length > LISTED_MAX ? `${shown}, …` : shown;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}
