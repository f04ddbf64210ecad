/**
 * All results of an experiment. It owns nothing: it looks at the record that it is made of, and shows how that is when it is
 * asked.
 */

import { inspect, type InspectOptions } from 'node:util';

import { invalid } from '../../option-checks.ts';
import { InvalidArgumentError } from '../../index.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import { copyOfData } from '../data-copies.ts';
import type { Result } from '../types.ts';
import { requireBestTrial } from './best.ts';
import { csvOf } from './csv.ts';
import { importancesOf, type ImportanceFunction, type ImportanceOptions } from './importances.ts';
import { rankingOf } from './kept-checkpoints.ts';
import { measureOf, type BestResultOptions } from './measures.ts';
import { paretoFrontOf, signed } from './pareto-front.ts';
import { resultOf, type ResultContext, type Revival } from './result.ts';
import { tableOf, type Row } from './rows.ts';

/**
 * The volume between points and a reference, exactly. All metrics are the better the less; points beyond the reference add
 * nothing.
 */
export type HypervolumeFunction = (
  points: readonly (readonly number[])[],
  reference: readonly number[],
) => number;

/** What a grid is made with, beside its record. */
export interface ResultGridContext {
  /** The experiment's folder; null where nothing is written to disk. */
  readonly path: string | null;
  readonly revive: Revival;
  readonly importances: ImportanceFunction;
  readonly hypervolume: HypervolumeFunction;
}

/**
 * The results of all trials, by number.
 *
 * ```ts
 * const { config, metrics } = results.best;
 * for (const { trialId, error } of results) if (error !== null) console.log(trialId, error.message);
 * console.table(results.table());
 * ```
 *
 * @see https://docs.ray.io/en/latest/tune/api/doc/ray.tune.ResultGrid.html
 */
export class ResultGrid<Config = unknown> implements Iterable<Result<Config>> {
  readonly #experiment: ExperimentRecord;
  readonly #context: ResultGridContext;
  readonly #resultContext: ResultContext;

  /** Made by `fit`, `loadResults` and `Study`, not by users. */
  constructor(experiment: ExperimentRecord, context: ResultGridContext) {
    this.#experiment = experiment;
    this.#context = context;
    this.#resultContext = {
      path: context.path,
      revive: context.revive,
      ranking: rankingOf(experiment.header),
    };
  }

  /** How many trials there are, of whatever status. */
  get length(): number {
    return this.#experiment.trials.length;
  }

  /** The experiment's folder; null where nothing is written to disk. */
  get path(): string | null {
    return this.#context.path;
  }

  /** The result at a place, from the end if it is negative; undefined beyond. */
  at(place: number): Result<Config> | undefined {
    const trial = this.#experiment.trials.at(place);
    return trial === undefined ? undefined : resultOf(trial, this.#resultContext);
  }

  *[Symbol.iterator](): Generator<Result<Config>, undefined, undefined> {
    for (const trial of this.#experiment.trials) yield resultOf(trial, this.#resultContext);
  }

  /**
   * The best result by the last value of the experiment's metric: `getBestResult()`.
   *
   * @throws NoResultError, InvalidArgumentError if the experiment has no metric, or several
   */
  get best(): Result<Config> {
    return this.#best('best', undefined);
  }

  /**
   * The best result by a metric. All trials but those in ERROR and those that break `outcomeConstraints` can be it; of equal
   * ones it is the one with the lower number.
   *
   * @throws NoResultError which says why there is none, InvalidArgumentError
   * @see https://docs.ray.io/en/latest/tune/api/doc/ray.tune.ResultGrid.get_best_result.html
   */
  getBestResult(options?: BestResultOptions): Result<Config> {
    return this.#best('getBestResult()', options);
  }

  #best(call: string, options: BestResultOptions | undefined): Result<Config> {
    const measure = measureOf(call, this.#experiment.header, options);
    return resultOf(requireBestTrial(this.#experiment, measure), this.#resultContext);
  }

  /** The errors of all trials in ERROR. */
  get errors(): Error[] {
    const errors: Error[] = [];
    for (const trial of this.#experiment.trials) {
      if (trial.status !== 'ERROR') continue;
      const { error } = resultOf(trial, this.#resultContext);
      if (error !== null) errors.push(error);
    }
    return errors;
  }

  /** How many trials are in ERROR. */
  get numErrors(): number {
    return this.#count('ERROR');
  }

  /** How many trials are TERMINATED. */
  get numTerminated(): number {
    return this.#count('TERMINATED');
  }

  #count(status: Result['status']): number {
    return this.#experiment.trials.filter((trial) => trial.status === status).length;
  }

  /**
   * The results that none is better than in all metrics of the experiment, by number, by the last values. Which can be in it
   * is as for `best`, and all their values have to be finite; it is empty if there are none.
   *
   * @throws InvalidArgumentError if the experiment has no metric
   */
  get paretoFront(): Result<Config>[] {
    this.#requireMetrics('paretoFront');
    return paretoFrontOf(this.#experiment).map(({ trial }) => resultOf(trial, this.#resultContext));
  }

  /**
   * The volume that the front dominates up to a reference: a value for each metric, in their order and units, which results
   * have to be better than to count.
   *
   * @throws InvalidArgumentError
   */
  hypervolume(reference: readonly number[]): number {
    const { metrics, modes } = this.#experiment.header;
    this.#requireMetrics('hypervolume()');
    if (
      !Array.isArray(reference) ||
      reference.length !== metrics.length ||
      !reference.every((value) => Number.isFinite(value))
    ) {
      throw invalid(
        { call: 'hypervolume()', name: 'reference' },
        reference,
        `a list of a finite number for each metric: ${metrics.join(', ')}`,
      );
    }
    const end = reference.map((value: number, place) => signed(value, modes[place]!));
    const points = paretoFrontOf(this.#experiment)
      .map(({ point }) => point)
      .filter((point) => point.every((value, place) => value <= end[place]!));
    return points.length === 0 ? 0 : this.#context.hypervolume(points, end);
  }

  /**
   * A row for each trial, for `console.table` or a library of data frames: `trialId`, `status`, `stopReason`, `iterations`,
   * `durationMs`, `failures`, `error`, the metrics of the last report by path, and the config by path (`config.lr`). A row
   * has no key where it has no value. A metric that is called like another column is `metrics.<path>`.
   */
  table(): Row[] {
    // Lists in it are those of the record, and whoever reads the table may change it.
    return tableOf(this.#experiment).rows.map(copyOfData);
  }

  /** The same as CSV (RFC 4180), with a line of names. */
  toCsv(): string {
    return csvOf(this.#experiment);
  }

  /**
   * How much each parameter matters for a metric, by its name: descending, with the sum 1 (but a name that is a whole number
   * comes first, as in any object). Trials that the scheduler has stopped do not count.
   *
   * @throws InvalidArgumentError, NoResultError where less than two trials count
   * @see https://optuna.readthedocs.io/en/stable/reference/importance.html
   */
  importances(options?: ImportanceOptions): Record<string, number> {
    return importancesOf('importances()', this.#experiment, this.#context.importances, options);
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    const { length, numTerminated, numErrors, path } = this;
    return `ResultGrid ${inspect({ length, numTerminated, numErrors, path }, options)}`;
  }

  #requireMetrics(call: string): void {
    if (this.#experiment.header.metrics.length > 0) return;
    throw new InvalidArgumentError(`${call}: the experiment has no metric`, {
      argument: 'metric',
      value: undefined,
    });
  }
}
