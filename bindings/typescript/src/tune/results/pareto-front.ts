/**
 * The trials that none is better than in all metrics.
 *
 * - PF-1 Points are the last values, signed so that less is better.
 * - PF-2 Trials with equal points are all in the front, or none is: as `best_trials` of Optuna.
 */

import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import type { Mode } from '../types.ts';
import { canBeBest, lastValueOf } from './scores.ts';
import { undominatedPlaces } from './undominated.ts';

/** A metric that is to be made better. */
export interface Objective {
  readonly name: string;
  readonly mode: Mode;
}

/** A trial of the front and its values, one for each metric, the better the less. */
export interface FrontPoint {
  readonly trial: TrialRecord;
  readonly point: readonly number[];
}

/** The front by the experiment's metrics, by number. It is empty where no trial has finite values of all of them. */
export function paretoFrontOf({ header, trials }: ExperimentRecord): FrontPoint[] {
  const objectives = header.metrics.map((name, place) => ({ name, mode: header.modes[place]! }));
  const front = frontOf(trials, objectives);
  return front.sort((one, other) => one.trial.header.number - other.trial.header.number);
}

/** The front by any metrics, in the order of the first one, then of the second, and so on. */
export function frontOf(
  trials: readonly TrialRecord[],
  objectives: readonly Objective[],
): FrontPoint[] {
  const points = pointsOf(trials, objectives).sort(lexically);
  // Equal ones stand beside each other (PF-2).
  const groups: FrontPoint[][] = [];
  for (const each of points) {
    const group = groups.at(-1);
    if (group !== undefined && lexically(group[0]!, each) === 0) group.push(each);
    else groups.push([each]);
  }
  return undominatedPlaces(groups.map(([first]) => first!.point)).flatMap(
    (place) => groups[place]!,
  );
}

/** A value by its mode, so that less is better. */
export function signed(value: number, mode: 'min' | 'max'): number {
  return mode === 'min' ? value : -value;
}

function pointsOf(trials: readonly TrialRecord[], objectives: readonly Objective[]): FrontPoint[] {
  const points: FrontPoint[] = [];
  for (const trial of trials) {
    if (!canBeBest(trial)) continue;
    const point = objectives.map(({ name, mode }) => signed(lastValueOf(trial, name) ?? NaN, mode));
    if (point.every(Number.isFinite)) points.push({ trial, point });
  }
  return points;
}

function lexically(one: FrontPoint, other: FrontPoint): number {
  for (const [place, value] of one.point.entries()) {
    const difference = value - other.point[place]!;
    if (difference !== 0) return difference;
  }
  return 0;
}
