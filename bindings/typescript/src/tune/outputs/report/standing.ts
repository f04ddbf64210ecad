/**
 * How the trials of an experiment stand to each other by one metric: which is the best, and how it came to be. What counts is what
 * counts for results (`results/scores.ts`).
 *
 * - ST-1 Of equal ones the lower number is the better.
 */

import type { TrialRecord } from '../../experiment/record.ts';
import { type Objective, signed } from '../../results/pareto-front.ts';
import { canBeBest, isBetter, scoreOf } from '../../results/scores.ts';
import type { PageBest } from './page-data.ts';

/** The best values so far, each with the number of its trial, in order of numbers. */
export function bestSoFar(trials: readonly TrialRecord[], objective: Objective): PageBest {
  const numbers: number[] = [];
  const values: number[] = [];
  for (const trial of trials) {
    const value = candidateValue(trial, objective);
    if (value === undefined) continue;
    const best = values.at(-1);
    if (best === undefined || isBetter(value, best, objective.mode)) {
      numbers.push(trial.header.number);
      values.push(value);
    }
  }
  return { numbers, values };
}

/** Candidates from the best on. */
export function ranked(trials: readonly TrialRecord[], objective: Objective): TrialRecord[] {
  const candidates = trials.flatMap((trial) => {
    const value = candidateValue(trial, objective);
    return value === undefined ? [] : [{ trial, loss: signed(value, objective.mode) }];
  });
  return candidates.sort((one, other) => one.loss - other.loss).map(({ trial }) => trial);
}

function candidateValue(trial: TrialRecord, { name, mode }: Objective): number | undefined {
  if (!canBeBest(trial)) return undefined;
  return scoreOf(trial, { metric: name, mode, scope: 'last', filterNanAndInf: true });
}
