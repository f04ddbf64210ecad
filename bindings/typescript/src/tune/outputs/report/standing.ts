/**
 * How the trials of an experiment stand to each other: which is the best, how it came to be, and which make the front.
 *
 * - ST-1 Candidates are trials that are not in ERROR, keep all constraints, and whose last report has a finite number.
 * - ST-2 Of equal ones the lower number is the better.
 */

import type { TrialRecord } from '../../experiment/record.ts';
import { metricAt } from '../../metrics.ts';
import type { Mode } from '../../types.ts';
import type { PageBest } from './page-data.ts';

export interface Objective {
  readonly name: string;
  readonly mode: Mode;
}

/** The number that the last report has for a metric; undefined if it has none. */
export function lastNumber(trial: TrialRecord, metric: string): number | undefined {
  const metrics = trial.history.at(-1);
  const value = metrics === undefined ? undefined : metricAt(metrics, metric);
  return typeof value === 'number' ? value : undefined;
}

export function isFeasible({ violations }: TrialRecord): boolean {
  return violations === null || Object.values(violations).every((violation) => violation <= 0);
}

/** The best values so far, each with the number of its trial, in order of numbers. */
export function bestSoFar(trials: readonly TrialRecord[], { name, mode }: Objective): PageBest {
  const numbers: number[] = [];
  const values: number[] = [];
  for (const trial of trials) {
    const value = candidateValue(trial, name);
    if (value === undefined) continue;
    const best = values.at(-1);
    if (best === undefined || isBetter(value, best, mode)) {
      numbers.push(trial.header.number);
      values.push(value);
    }
  }
  return { numbers, values };
}

/** The trials that no other candidate is better than: at least as good in all, and better in one. In order of the first objective. */
export function frontOf(
  trials: readonly TrialRecord[],
  objectives: readonly Objective[],
): TrialRecord[] {
  const candidates = trials.flatMap((trial) => {
    const losses = lossesOf(trial, objectives);
    return losses === undefined ? [] : [{ trial, losses }];
  });
  // Sorted, nobody is dominated by one that comes later, so that each is compared with the front so far only.
  candidates.sort((one, other) => compareLists(one.losses, other.losses));
  const front: typeof candidates = [];
  for (const candidate of candidates) {
    if (!front.some(({ losses }) => dominates(losses, candidate.losses))) front.push(candidate);
  }
  return front.map(({ trial }) => trial);
}

/** Candidates from the best on. */
export function ranked(trials: readonly TrialRecord[], { name, mode }: Objective): TrialRecord[] {
  const candidates = trials.flatMap((trial) => {
    const value = candidateValue(trial, name);
    return value === undefined ? [] : [{ trial, loss: lossOf(value, mode) }];
  });
  return candidates.sort((one, other) => one.loss - other.loss).map(({ trial }) => trial);
}

function candidateValue(trial: TrialRecord, metric: string): number | undefined {
  if (trial.status === 'ERROR' || !isFeasible(trial)) return undefined;
  const value = lastNumber(trial, metric);
  return value !== undefined && Number.isFinite(value) ? value : undefined;
}

function lossesOf(trial: TrialRecord, objectives: readonly Objective[]): number[] | undefined {
  const losses: number[] = [];
  for (const { name, mode } of objectives) {
    const value = candidateValue(trial, name);
    if (value === undefined) return undefined;
    losses.push(lossOf(value, mode));
  }
  return losses;
}

function lossOf(value: number, mode: Mode): number {
  return mode === 'min' ? value : -value;
}

function isBetter(value: number, best: number, mode: Mode): boolean {
  return lossOf(value, mode) < lossOf(best, mode);
}

/** By the first place where they differ. */
function compareLists(one: readonly number[], other: readonly number[]): number {
  const place = one.findIndex((value, index) => value !== other[index]);
  return place === -1 ? 0 : one[place]! - other[place]!;
}

function dominates(one: readonly number[], other: readonly number[]): boolean {
  return (
    one.every((value, index) => value <= other[index]!) &&
    one.some((value, index) => value < other[index]!)
  );
}
