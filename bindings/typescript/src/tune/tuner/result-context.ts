/** What results are made with: errors, checkpoints, and the arithmetic of the native module. */

import { join } from 'node:path';

import type { ObjectRef } from '../../index.ts';
import { native } from '../../native.ts';
import type { Trial } from '../controller/trial.ts';
import { NoResultError } from '../errors.ts';
import { errorOf } from '../experiment/error-record.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import type { Importance, OutputName, OutputOptions } from '../outputs/index.ts';
import { type ImportanceQuestion, importancesOf } from '../results/importances.ts';
import type { ResultGridContext } from '../results/result-grid.ts';
import { SearchEngine, TrialState } from '../search/engine.ts';
import { parametersOf } from '../space/descriptions.ts';
import { Checkpoint } from '../trial/checkpoint.ts';

/** What only the process that ran the trials has. */
export interface LivingParts {
  failureOf(number: number): unknown;
  valueOf(trialId: string, iteration: number): ObjectRef<unknown> | undefined;
}

/** `living` is null for experiments that another process has run. */
export function resultContext(
  folder: string | null,
  living: LivingParts | null,
): ResultGridContext {
  return {
    path: folder,
    hypervolume: (points, reference) =>
      native().hypervolumeOf(
        points.map((point) => [...point]),
        [...reference],
      ),
    importances: askEngine,
    revive: {
      error: (record, trial) => {
        const failure = living?.failureOf(trial.header.number);
        return failure instanceof Error ? failure : errorOf(record);
      },
      checkpoint: ({ iteration, path }, metrics, trial) => {
        if (path !== null && folder !== null) {
          return new Checkpoint({ path: join(folder, path) }, iteration, metrics);
        }
        const ref = living?.valueOf(trial.header.id, iteration);
        if (ref === undefined)
          throw new Error(`checkpoint ${iteration} of trial ${trial.header.id} is lost`);
        return new Checkpoint({ ref }, iteration, metrics);
      },
    },
  };
}

/** What trials have failed with, by number; of trials that are added later, too. */
export function failuresOf(trials: readonly Trial[]): LivingParts['failureOf'] {
  const byNumber = new Map<number, Trial>();
  return (number) => {
    for (const trial of trials.slice(byNumber.size)) byNumber.set(trial.number, trial);
    return byNumber.get(number)?.failure;
  };
}

/** For the report this many trials are enough, spread evenly: of a million it would take a minute. */
const WEIGHED_MAX = 10_000;

/** What outputs show beyond the record: how much parameters matter for each metric, where enough is known. */
export function outputOptions(
  experiment: ExperimentRecord,
  outputs: readonly OutputName[],
): OutputOptions {
  const { header, trials } = experiment;
  const { metrics, parameters } = header;
  if (!outputs.includes('html') || metrics.length === 0 || parameters.length === 0) return {};
  // The same time however many metrics there are.
  const every = Math.ceil((trials.length * metrics.length) / WEIGHED_MAX);
  const weighed = { header, trials: trials.filter((_, place) => place % every === 0) };
  const importances = metrics.map((metric) => importancesFor(metric, weighed));
  return importances.some((each) => each.length > 0) ? { importances } : {};
}

function importancesFor(metric: string, weighed: ExperimentRecord): Importance[] {
  try {
    const shares = importancesOf('writeOutputs()', weighed, askEngine, { metric });
    return Object.entries(shares).map(([name, importance]) => ({ name, importance }));
  } catch (error) {
    // Too few trials have come to an end.
    if (error instanceof NoResultError) return [];
    throw error;
  }
}

function askEngine({
  evaluator,
  parameters,
  values,
  targets,
  seed,
}: ImportanceQuestion): readonly number[] {
  const engine = new SearchEngine(parametersOf(parameters), { name: 'random' }, 1, seed);
  for (const [number, target] of targets.entries()) {
    const own = values[number]!.map((value) => value ?? NaN);
    engine.begin(number, own);
    const outcome = { state: TrialState.complete, objectives: [target], lastStep: 1, violation: 0 };
    engine.end(number, outcome);
  }
  return engine.importances(evaluator).map((part) => (Number.isNaN(part) ? 0 : part));
}
