/** `Tuner`: tries configs of a space with a trainable, on all CPUs. */

import { resolve } from 'node:path';

import {
  InfeasibleResourcesError,
  InvalidArgumentError,
  clusterResources,
  init,
  isInitialized,
  ObjectRef,
  put,
} from '../../index.ts';
import { abortSignal, checkOptions } from '../../option-checks.ts';
import { totalsOf, Capacity } from '../controller/capacity.ts';
import { Controller, finalError } from '../controller/controller.ts';
import type { ExperimentEnd, TrialError } from '../controller/instructions.ts';
import { TrialFailedError } from '../errors.ts';
import { ResultGrid } from '../results/result-grid.ts';
import type { Config } from '../space/domain.ts';
import {
  type TrainableClass,
  type TrainableFunction,
  isTrainableClass,
} from '../trial/trainable.ts';
import type { TrialResources } from '../types.ts';
import { Callbacks } from './callbacks.ts';
import { ExperimentRun } from './experiment-run.ts';
import { type TunerOptions, type TunerSettings, tunerSettings } from './settings.ts';
import { headerOf } from './header.ts';
import { Interruption } from './interruption.ts';
import { openJournal } from './journal-file.ts';
import { Keeper } from './keeper.ts';
import { resultContext } from './result-context.ts';
import { StopNames } from './stop-names.ts';
import { Watch } from './watch.ts';
import { type WithParameters, parametersOf } from './with-parameters.ts';

/** What a Tuner takes: a function, a generator function, a class, or one of these with parameters. */
export type TrainableFor<C> =
  TrainableFunction<C, undefined> | TrainableClass<C, undefined> | WithParameters<C>;

/** Options of `fit`. */
export interface FitOptions {
  /** Ends the experiment: trials stop, and `fit` rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Tries configs of a space.
 *
 * ```ts
 * const results = await new Tuner(train, { space: { lr: loguniform(1e-5, 1e-1) }, metric: 'loss', mode: 'min', numSamples: 20 }).fit();
 * console.log(results.best.config);
 * ```
 *
 * @see https://docs.ray.io/en/latest/tune/api/doc/ray.tune.Tuner.html
 */
export class Tuner<const Space extends object = Record<never, never>> {
  readonly #trainable: TrainableFunction | TrainableClass;
  readonly #params: Readonly<Record<string, unknown>> | null;
  readonly #settings: TunerSettings;
  #isUsed = false;

  /** Checks all options, and touches nothing. @throws InvalidArgumentError */
  constructor(trainable: TrainableFor<NoInfer<Config<Space>>>, options: TunerOptions<Space> = {}) {
    const { trainable: inner, params } = parametersOf(trainable);
    this.#trainable = inner;
    this.#params = params;
    this.#settings = tunerSettings(options);
  }

  /**
   * Runs the experiment, once. A trial that fails does not reject it.
   *
   * @throws InvalidArgumentError if it was called before, or nothing would ever end it
   * @throws InfeasibleResourcesError if no trial could ever run
   * @throws ExperimentExistsError @throws ExperimentLockedError @throws StorageError
   * @throws TrialFailedError with `failFast`
   */
  async fit(options: FitOptions = {}): Promise<ResultGrid<Config<Space>>> {
    const { signal } = checkOptions('fit()', { signal: abortSignal }, options);
    if (this.#isUsed) {
      throw new InvalidArgumentError('fit() was called before; a Tuner runs one experiment', {
        argument: 'fit()',
      });
    }
    const settings = this.#settings;
    requireAnEnd(settings, signal !== undefined);
    this.#isUsed = true;
    if (!isInitialized()) await init();
    const { numbers, infeasible } = capacityOf();
    if (typeof settings.resources === 'object') {
      const error = infeasible(settings.resources);
      if (error !== undefined) throw error.original;
    }
    const name = settings.name ?? defaultName(this.#trainable);
    const folder = settings.storagePath === null ? null : resolve(settings.storagePath, name);
    const journal = folder === null ? null : openJournal(folder, name, settings);
    try {
      const keeper = new Keeper(journal);
      const { numToKeep, scoreAttribute, scoreOrder } = settings.checkpoints;
      const header = headerOf(name, settings, {
        storagePath: settings.storagePath,
        checkpoints: { numToKeep, scoreAttribute: scoreAttribute ?? null, scoreOrder },
      });
      keeper.record({ kind: 'experiment', header });
      const stopNames = new StopNames(settings.stopper);
      const maxConcurrent = settings.maxConcurrentTrials ?? defaultConcurrency(settings, numbers);
      const controller = new Controller({
        ...settings,
        header,
        searcher: settings.search,
        capacity: numbers,
        maxConcurrent,
        resources: resourcesFunction(settings.resources),
        infeasible,
        trialTimeoutMs: settings.trialTimeoutMs ?? Infinity,
        savesOnLeaving: hasMethod(this.#trainable, 'saveCheckpoint'),
        knownResults: settings.knownResults as never,
        record: (event) => {
          keeper.record(event);
          stopNames.note(event);
        },
        now: Date.now,
        nextNumber: journal === null ? null : () => journal.nextNumber(),
        isDrivenByHand: false,
      });
      if (folder !== null && settings.scheduler.logsPolicies === true) {
        keeper.keepPolicies(folder, controller.experiment);
      }
      const watch = new Watch(controller, settings, folder);
      await keeper.open(folder, controller.experiment, settings.outputs);
      const run = new ExperimentRun({
        controller,
        trainable: this.#trainable,
        params: storedParams(this.#params),
        name,
        seed: settings.seed,
        folder,
        checkpointFrequency: settings.checkpoints.frequency,
        checkpointAtEnd: settings.checkpoints.atEnd,
        logFiles: settings.logFiles,
        reuseActors: settings.reuseActors ?? hasMethod(this.#trainable, 'resetConfig'),
        trialTimeoutMs: settings.trialTimeoutMs,
        timeBudgetMs: settings.timeBudgetMs,
        callbacks: new Callbacks(settings.callbacks, controller.trials),
        onStep: () => {
          keeper.step();
          return watch.step(false);
        },
      });
      const interruption = settings.handleSignals ? new Interruption(() => run.interrupt()) : null;
      let end: ExperimentEnd;
      try {
        end = await run.run(signal ?? null);
      } finally {
        await watch.step(true);
        stopNames.end();
        await keeper.close(folder, controller.experiment, settings.outputs);
      }
      interruption?.end(folder === null ? null : `interrupted; what was done is in ${folder}`);
      requireGoodEnd(end, signal);
      return new ResultGrid<Config<Space>>(
        controller.experiment,
        resultContext(folder, {
          failureOf: (number) =>
            controller.trials.find((trial) => trial.number === number)?.failure,
          valueOf: (id, iteration) => run.checkpointValue(id, iteration),
        }),
      );
    } finally {
      journal?.close();
    }
  }
}

function requireAnEnd(settings: TunerSettings, hasSignal: boolean): void {
  const isEndless =
    settings.numSamples === Infinity &&
    !settings.hasStop &&
    settings.timeBudgetMs === null &&
    !hasSignal &&
    settings.search.isExhaustive !== true;
  // A searcher of a user's own may say that it is done.
  const isOurs = settings.search.isAdaptive !== undefined;
  if (!isEndless || !isOurs) return;
  throw new InvalidArgumentError(
    'fit(): numSamples is Infinity, and nothing ends the experiment; give stop, timeBudgetMs or a signal, or a number of samples',
    { argument: 'numSamples', value: Infinity },
  );
}

function requireGoodEnd(end: ExperimentEnd, signal: AbortSignal | undefined): void {
  switch (end.kind) {
    case 'complete':
      return;
    case 'interrupted':
      throw signal?.reason ?? new Error('the experiment was interrupted');
    case 'failed': {
      const { trial } = end;
      const { error } = trial.record;
      throw new TrialFailedError(
        `trial ${trial.id} failed: ${error?.name ?? 'Error'}: ${error?.message ?? ''}`,
        { trialId: trial.id, config: trial.config },
        { cause: trial.failure },
      );
    }
    case 'broken':
      throw end.error;
  }
}

function capacityOf(): {
  readonly numbers: ReturnType<typeof totalsOf>;
  readonly infeasible: (resources: TrialResources) => TrialError | undefined;
} {
  const total = clusterResources() as Readonly<Record<string, number>>;
  const numbers = totalsOf(total);
  const whole = new Capacity(numbers, 1);
  return {
    numbers,
    infeasible: (resources) => {
      const lack = whole.lackOf(resources);
      if (lack === undefined) return undefined;
      return finalError(
        new InfeasibleResourcesError('', {
          taskName: 'a trial',
          asked: { [lack.resource]: lack.needed },
          total,
        }),
      );
    },
  };
}

/** With `numCpus: 0` nothing but the number of CPUs says how many trials are too many. */
function defaultConcurrency(
  { resources }: TunerSettings,
  numbers: ReturnType<typeof totalsOf>,
): number {
  const takesNothing = typeof resources === 'object' && resources.numCpus === 0;
  return takesNothing ? Math.max(1, Math.floor((numbers.get('CPU') ?? 10_000) / 10_000)) : Infinity;
}

function resourcesFunction(
  resources: TunerSettings['resources'],
): (config: unknown) => TrialResources {
  return typeof resources === 'function'
    ? (resources as (config: unknown) => TrialResources)
    : () => resources;
}

function storedParams(
  params: Readonly<Record<string, unknown>> | null,
): Readonly<Record<string, ObjectRef<unknown>>> | null {
  if (params === null) return null;
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      value instanceof ObjectRef ? value : put(value),
    ]),
  );
}

/** Whether it is a class with a method of its own. */
function hasMethod(
  trainable: TrainableFunction | TrainableClass,
  name: 'resetConfig' | 'saveCheckpoint',
): boolean {
  if (!isTrainableClass(trainable)) return false;
  return typeof (trainable.prototype as Readonly<Record<string, unknown>>)[name] === 'function';
}

function defaultName(trainable: { readonly name: string }): string {
  const digits = new Date().toISOString().replaceAll(/[-:]/g, '').slice(0, 15).replace('T', '-');
  return `${trainable.name === '' ? 'trainable' : trainable.name}-${digits}`;
}
