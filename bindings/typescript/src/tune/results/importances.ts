/**
 * How much each parameter matters for a metric: which trials are asked about, and what becomes of the answer. The numbers
 * come from a function that is given; the native core has it.
 *
 * As `optuna.importance.get_param_importances`: trials that ended by themselves or by a stopper and have a finite value count;
 * those that a scheduler has stopped do not, since their values are of another age.
 */

import { checkOptions, oneOf, text, type Check } from '../../option-checks.ts';
import { NoResultError } from '../errors.ts';
import type { ExperimentRecord, TrialRecord } from '../experiment/record.ts';
import type { ParameterDescription } from '../space/parameter.ts';
import type { Mode } from '../types.ts';
import { metricOf, modeCheck, modeOfMetric } from './measures.ts';
import { signed } from './pareto-front.ts';
import { lastValueOf } from './scores.ts';

/** How importances are found. */
export type ImportanceEvaluator = 'pedAnova' | 'fanova';

/** What `importances` takes. */
export interface ImportanceOptions {
  /** The path of a metric. @default the experiment's, if it has one */
  readonly metric?: string | undefined;
  /** @default that of the experiment's metric, and `'min'` for others, as in Optuna */
  readonly mode?: Mode | undefined;
  /** PED-ANOVA (Watanabe et al., 2023), which asks what the best tenth has in common, or fANOVA (Hutter et al., 2014). @default 'pedAnova' */
  readonly evaluator?: ImportanceEvaluator | undefined;
}

/** What the function is given that finds importances. */
export interface ImportanceQuestion {
  readonly evaluator: ImportanceEvaluator;
  readonly parameters: readonly ParameterDescription[];
  /** A row for each trial, in it a value for each parameter as in `TrialHeader.values`; null where it does not exist. */
  readonly values: readonly (readonly (number | null)[])[];
  /** One for each row, finite; the better the less. */
  readonly targets: readonly number[];
  /** For what is random in it. */
  readonly seed: number;
}

/** Gives a number for each parameter, in order: 0 or more, on any scale. */
export type ImportanceFunction = (question: ImportanceQuestion) => readonly number[];

/**
 * Importances by the names of parameters, descending, with the sum 1.
 *
 * @throws InvalidArgumentError, NoResultError where less than two trials count
 */
export function importancesOf(
  call: string,
  experiment: ExperimentRecord,
  find: ImportanceFunction,
  options?: ImportanceOptions,
): Record<string, number> {
  const checked = checkOptions(
    call,
    { metric: text, mode: modeCheck, evaluator: evaluatorCheck },
    options,
  );
  const { header } = experiment;
  const metric = metricOf(call, header, checked);
  const mode = checked.mode ?? modeOfMetric(header, metric) ?? 'min';
  const values: (readonly (number | null)[])[] = [];
  const targets: number[] = [];
  for (const trial of experiment.trials) {
    const value = counts(trial) ? lastValueOf(trial, metric) : undefined;
    if (value === undefined || !Number.isFinite(value)) continue;
    values.push(trial.values);
    targets.push(signed(value, mode));
  }
  if (targets.length < 2) {
    throw new NoResultError(
      `${call} needs two trials that are TERMINATED, not by the scheduler, with a finite ${JSON.stringify(metric)}; there ${targets.length === 0 ? 'is none' : 'is one'}`,
    );
  }
  const { parameters } = header;
  if (parameters.length === 0) return {};
  if (targets.every((value) => value === targets[0])) {
    // Where nothing matters, all do equally little: as in Optuna.
    return ranked(
      parameters,
      Array.from(parameters, () => 0),
    );
  }
  const found = find({
    evaluator: checked.evaluator ?? 'pedAnova',
    parameters,
    values,
    targets,
    seed: header.seed,
  });
  return ranked(parameters, found);
}

const evaluatorCheck: Check<ImportanceEvaluator> = oneOf(['pedAnova', 'fanova'], ', ');

function counts(trial: TrialRecord): boolean {
  return trial.status === 'TERMINATED' && trial.stopReason !== 'scheduler';
}

function ranked(
  parameters: readonly ParameterDescription[],
  found: readonly number[],
): Record<string, number> {
  const sum = found.reduce((total, each) => total + each, 0);
  // Where nothing matters, all do equally little: as in Optuna.
  const shares = found.map((each) => (sum > 0 ? each / sum : 1 / found.length));
  const named = parameters.map(({ name }, place): [string, number] => [name, shares[place]!]);
  return Object.fromEntries(named.sort((one, other) => other[1] - one[1]));
}
