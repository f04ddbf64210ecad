/** `Tuner`: tries configs of a space with a trainable, on all CPUs. */

import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';

import {
  InfeasibleResourcesError,
  InvalidArgumentError,
  clusterResources,
  init,
  isInitialized,
  ObjectRef,
  SerializationError,
  put,
} from '../../index.ts';
import { abortSignal, checkOptions, flag, invalid, isRecord, text } from '../../option-checks.ts';
import { totalsOf, Capacity } from '../controller/capacity.ts';
import {
  Controller,
  finalError,
  type RestoreOptions as ControllerRestoreOptions,
} from '../controller/controller.ts';
import type { ExperimentEnd, TrialError } from '../controller/instructions.ts';
import { checkResources } from '../controller/resources.ts';
import { copyOfData } from '../data-copies.ts';
import { StorageError, TrialFailedError } from '../errors.ts';
import type { ExperimentHeader } from '../experiment/events.ts';
import type { ReadExperiment } from '../journal/experiment-reader.ts';
import { readExperiment } from '../journal/experiment-reader.ts';
import { hasExperiment } from '../journal/has-experiment.ts';
import { readJson, writeJson } from '../journal/python-json.ts';
import type { JournalWriter } from '../journal/writer.ts';
import { ResultGrid } from '../results/result-grid.ts';
import type { Config } from '../space/domain.ts';
import {
  type TrainableClass,
  type TrainableFunction,
  isTrainableClass,
} from '../trial/trainable.ts';
import type { TrialResources } from '../types.ts';
import { Callbacks } from './callbacks.ts';
import { defaultName, makeFreeFolder } from './default-name.ts';
import { ExperimentRun } from './experiment-run.ts';
import { isLost, repairCheckpoints } from './experiment-files.ts';
import {
  type RestoreOptions,
  type TunerOptions,
  type TunerSettings,
  tunerSettings,
} from './settings.ts';
import { headerOf } from './header.ts';
import { inTurn } from './in-turn.ts';
import { Interruption } from './interruption.ts';
import { Patience } from './patience.ts';
import { type ResumedJournal, journalOf, openJournal, resumeJournal } from './journal-file.ts';
import { Keeper } from './keeper.ts';
import { keptOptions, optionsOfFolder } from './kept-options.ts';
import { configReviver } from './revived-configs.ts';
import { OwnRuntime } from './own-runtime.ts';
import { rehearse } from './rehearsal.ts';
import { failuresOf, resultContext } from './result-context.ts';
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
  readonly #options: Options;
  readonly #settings: TunerSettings;
  /** Made by `restore`. */
  #restored: Restored | null = null;
  #isUsed = false;

  /** Checks all options, and touches nothing. @throws InvalidArgumentError */
  constructor(trainable: TrainableFor<NoInfer<Config<Space>>>, options: TunerOptions<Space> = {}) {
    const { trainable: inner, params } = parametersOf(trainable);
    this.#trainable = inner;
    this.#params = params;
    this.#settings = tunerSettings(options);
    // Where there may be an experiment to go on with, what is not given is taken from it.
    if (this.#settings.ifExists !== 'resume') rehearse(this.#settings, 'new Tuner()');
    this.#options = { ...options };
  }

  /**
   * A Tuner that goes on with an experiment whose process has ended, however it did. Finished trials stay, unfinished ones go on from
   * their last checkpoints, and new ones follow up to `numSamples`.
   *
   * Options that are data are those of the journal, unless they are given again: `numSamples`, budgets, concurrency, `resources`,
   * `stop`, retries, `outputs`, `callbacks` and `reporter` may be others than before. What is no data has to be given again: functions,
   * searchers and schedulers of your own, spaces that hold functions.
   *
   * @param path the experiment's folder
   * @throws InvalidArgumentError for another space, metric, mode or search, and for what has to be given again and is not
   * @throws JournalError if the folder has no experiment, or its journal can't be read
   * @throws ExperimentLockedError instead, if somebody runs it
   * @see https://docs.ray.io/en/latest/tune/api/doc/ray.tune.Tuner.restore.html
   */
  static restore<const Space extends object>(
    path: string,
    trainable: TrainableFor<Config<Space>>,
    options: RestoreOptions<Space> & { readonly space: Space },
  ): Tuner<Space>;
  static restore<C extends object>(
    path: string,
    trainable: TrainableFor<C>,
    options?: Omit<RestoreOptions<C>, 'space'>,
  ): Tuner<C>;
  static restore(
    path: string,
    trainable: TrainableFor<never>,
    options: RestoreOptions<object> = {},
  ): Tuner<object> {
    const call = 'Tuner.restore()';
    const folder = resolve(text(path, { call, name: 'path' }));
    const { given, ofErrors } = restoreOptions(options, call);
    const { merged } = optionsOfFolder(folder, given, call);
    tunerSettings(merged, call);
    const tuner = new Tuner<object>(trainable as TrainableFor<object>, merged);
    tuner.#restored = { folder, ofErrors };
    return tuner;
  }

  /** Whether a folder has an experiment that can be restored. Synchronous. @throws InvalidArgumentError */
  static canRestore(path: string): boolean {
    const folder = text(path, { call: 'Tuner.canRestore()', name: 'path' });
    return hasExperiment(journalOf(resolve(folder)));
  }

  /**
   * Runs the experiment, once. A trial that fails does not reject it.
   *
   * @throws InvalidArgumentError if it was called before, or nothing would ever end it
   * @throws InfeasibleResourcesError if no trial could ever run
   * @throws ExperimentExistsError @throws ExperimentLockedError @throws StorageError
   * @throws TrialFailedError with `failFast`
   */
  async fit(given: FitOptions = {}): Promise<ResultGrid<Config<Space>>> {
    const { signal } = checkOptions('fit()', { signal: abortSignal }, given);
    if (this.#isUsed) {
      throw new InvalidArgumentError('fit() was called before; a Tuner runs one experiment', {
        argument: 'fit()',
      });
    }
    // Before anything is touched: there will be nothing to go on with.
    signal?.throwIfAborted();
    const { settings, options, restored, ...planned } = this.#plan();
    requireAnEnd(settings, signal !== undefined);
    this.#isUsed = true;
    if (!isInitialized()) await init();
    const runtime = new OwnRuntime();
    const capacity = capacityOf();
    if (typeof settings.resources === 'object') {
      const error = capacity.infeasible(settings.resources);
      if (error !== undefined) throw error.original;
    }
    const { folder, name } = settings.name === null && restored === null ? made(planned) : planned;
    const resumed = restored === null ? null : resumeJournal(restored.folder, settings.fsync);
    const journal = resumed?.journal ?? newJournal(folder, name, settings);
    try {
      if (resumed !== null) {
        await repairCheckpoints(restored!.folder, resumed.found.experiment, resumed.events);
      }
      const keeper = new Keeper(journal);
      const header = this.#header(keeper, settings, options, name, resumed);
      const stopNames = new StopNames(settings.stopper);
      const controller = new Controller({
        ...settings,
        header,
        searcher: settings.search,
        capacity: capacity.numbers,
        maxConcurrent: settings.maxConcurrentTrials ?? Infinity,
        resources: resourcesFunction(settings.resources),
        infeasible: capacity.infeasible,
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
      // Also of what a restore carries out.
      if (folder !== null && settings.scheduler.logsPolicies === true) {
        keeper.keepPolicies(folder, controller.experiment, resumed?.events ?? []);
      }
      if (resumed !== null) {
        controller.restore(resumed.events, {
          ofErrors: restored!.ofErrors,
          savesAtEnd: settings.checkpoints.atEnd && savesStates(this.#trainable),
          isLost: (_trial, checkpoint) => isLost(restored!.folder, checkpoint),
          configOf: configReviver(settings.space, settings.seed),
        });
      }
      const spentMs = resumed === null ? 0 : spentIn(resumed.found);
      const { timeBudgetMs } = settings;
      const patience = new Patience();
      const watch = new Watch(controller, settings, folder, spentMs, patience);
      await keeper.open(folder, controller.experiment, settings.outputs);
      const context = resultContext(folder, {
        failureOf: failuresOf(controller.trials),
        valueOf: (id, iteration) => run.checkpointValue(id, iteration),
      });
      const callbacks = new Callbacks(
        settings.callbacks,
        controller.trials,
        resumed?.found.callbackStates ?? [],
        patience,
        context.revive.checkpoint,
      );
      runtime.require();
      const run = new ExperimentRun({
        runtime,
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
        timeBudgetMs: timeBudgetMs === null ? null : timeBudgetMs - spentMs,
        callbacks,
        onStep: () => {
          const kept = keeper.step(callbacks);
          return kept === undefined ? watch.step(false) : kept.then(() => watch.step(false));
        },
      });
      const interruption = settings.handleSignals ? new Interruption(() => run.interrupt()) : null;
      let end: UnbrokenEnd | undefined;
      const thrown = await inTurn(
        async () => {
          end = unbroken(await run.run(signal ?? null));
        },
        () => watch.step(true),
        () => stopNames.end(),
        () => keeper.close(folder, controller.experiment, settings.outputs, callbacks),
        // Before a signal ends the process.
        () => journal?.close(),
      );
      interruption?.end(remarkOf(folder, thrown));
      if (thrown !== null) throw thrown.error;
      requireGoodEnd(end!, signal);
      return new ResultGrid<Config<Space>>(controller.experiment, context);
    } catch (error) {
      closeAfter(journal);
      throw error;
    }
  }

  /** What is to be run, and where. @throws InvalidArgumentError @throws JournalError if an experiment there can't be gone on with */
  #plan(): Placed & {
    readonly settings: TunerSettings;
    readonly options: Options;
    readonly restored: Restored | null;
  } {
    const settings = this.#settings;
    const options = this.#options;
    if (this.#restored !== null) {
      const { folder } = this.#restored;
      const { name } = readExperiment(journalOf(folder)).experiment.header;
      return { settings, options, folder, name, restored: this.#restored };
    }
    const name = settings.name ?? defaultName(this.#trainable, new Date());
    const folder = settings.storagePath === null ? null : resolve(settings.storagePath, name);
    const mayBeThere = settings.name !== null && settings.ifExists === 'resume';
    if (folder === null || !mayBeThere || !hasExperiment(journalOf(folder))) {
      if (settings.ifExists === 'resume') rehearse(settings, 'new Tuner()');
      return { settings, options, folder, name, restored: null };
    }
    const { header, merged } = optionsOfFolder(folder, options, 'new Tuner()');
    return {
      settings: tunerSettings(merged),
      options: merged,
      folder,
      name: header.name,
      restored: { folder, ofErrors: 'nothing' },
    };
  }

  /** Records that the experiment begins, or goes on. */
  #header(
    keeper: Keeper,
    settings: TunerSettings,
    given: Options,
    name: string,
    resumed: ResumedJournal | null,
  ): ExperimentHeader {
    const { numToKeep, scoreAttribute, scoreOrder } = settings.checkpoints;
    const header = headerOf(name, settings, {
      storagePath: settings.storagePath,
      checkpoints: { numToKeep, scoreAttribute: scoreAttribute ?? null, scoreOrder },
      given: keptOptions(given),
    });
    if (resumed === null) {
      keeper.record({ kind: 'experiment', header });
      return header;
    }
    const { options } = header;
    const { header: former } = resumed.found.experiment;
    const isSame = isDeepStrictEqual(readJson(writeJson(options)), former.options);
    keeper.record({ kind: 'restore', at: Date.now(), ...(isSame ? {} : { options }) });
    return { ...former, options };
  }
}

type Options = Readonly<Record<string, unknown>>;

/** Where an experiment is. */
interface Placed {
  readonly folder: string | null;
  readonly name: string;
}

/** What is gone on with. */
interface Restored {
  readonly folder: string;
  readonly ofErrors: ControllerRestoreOptions['ofErrors'];
}

/** An error came first, and says more than one that the journal may have now. */
function closeAfter(journal: JournalWriter | null): void {
  try {
    journal?.close();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
  }
}

/** With a folder of its own: nobody has chosen the name. @throws StorageError */
function made({ folder, name }: Placed): Placed {
  if (folder === null) return { folder, name };
  const storagePath = dirname(folder);
  const free = makeFreeFolder(storagePath, name);
  return { folder: resolve(storagePath, free), name: free };
}

function newJournal(
  folder: string | null,
  name: string,
  { fsync, ifExists }: TunerSettings,
): JournalWriter | null {
  if (folder === null) return null;
  // There is none to go on with: it was looked for.
  return openJournal(folder, name, {
    fsync,
    ifExists: ifExists === 'overwrite' ? 'overwrite' : 'fail',
  });
}

/** Those of a Tuner, and what is to become of trials in ERROR. @throws InvalidArgumentError */
function restoreOptions(
  options: object,
  call: string,
): { readonly given: Options; readonly ofErrors: Restored['ofErrors'] } {
  if (!isRecord(options)) throw invalid({ call, name: 'options' }, options, 'an object');
  const { resumeErrored, restartErrored, ...given } = options;
  const placed = ['storagePath', 'name', 'ifExists'].find((name) => given[name] !== undefined);
  if (placed !== undefined) {
    throw new InvalidArgumentError(
      `${call}: ${placed} can't be given: the experiment is where its folder is`,
      { argument: placed, value: given[placed] },
    );
  }
  const flags = checkOptions(
    call,
    { resumeErrored: flag, restartErrored: flag },
    { resumeErrored, restartErrored },
  );
  if (flags.resumeErrored === true && flags.restartErrored === true) {
    throw new InvalidArgumentError(
      `${call}: resumeErrored and restartErrored are both true; allowed: one of them`,
      { argument: 'restartErrored', value: true },
    );
  }
  if (flags.resumeErrored === true) return { given, ofErrors: 'withCheckpoint' };
  return { given, ofErrors: flags.restartErrored === true ? 'fromBeginning' : 'nothing' };
}

/** How long earlier processes have run an experiment. */
function spentIn({ sessions }: ReadExperiment): number {
  return sessions.reduce((sum, { startedAt, lastAt }) => sum + Math.max(0, lastAt - startedAt), 0);
}

/** Whether it is a class that gives its state. */
function savesStates(trainable: TrainableFunction | TrainableClass): boolean {
  return (
    isTrainableClass(trainable) &&
    typeof (trainable.prototype as { saveCheckpoint?: unknown }).saveCheckpoint === 'function'
  );
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

/** All ends but that of an experiment that was broken off. */
type UnbrokenEnd = Exclude<ExperimentEnd, { readonly kind: 'broken' }>;

/** @throws what broke the experiment off */
function unbroken(end: ExperimentEnd): UnbrokenEnd {
  if (end.kind === 'broken') throw end.error;
  return end;
}

/** @throws TrialFailedError with `failFast` @throws why the experiment was interrupted */
function requireGoodEnd(end: UnbrokenEnd, signal: AbortSignal | undefined): void {
  switch (end.kind) {
    case 'complete':
      return;
    case 'interrupted':
      // Whatever it is: it may be null.
      if (signal?.aborted === true) throw signal.reason;
      throw new Error('the experiment was interrupted');
    case 'failed': {
      const { trial } = end;
      const { error } = trial.record;
      throw new TrialFailedError(
        `trial ${trial.id} failed: ${error?.name ?? 'Error'}: ${error?.message ?? ''}`,
        { trialId: trial.id, config: copyOfData(trial.config) },
        { cause: trial.failure },
      );
    }
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

/** What a process says that a signal ends: how to go on, and what its program does not come to say. */
function remarkOf(
  folder: string | null,
  thrown: { readonly error: unknown } | null,
): string | null {
  const lines = thrown === null ? [] : [`fit() has failed: ${String(thrown.error)}`];
  if (folder !== null) {
    const path = JSON.stringify(folder);
    lines.push(`interrupted; to go on: await Tuner.restore(${path}, trainable).fit()`);
  }
  return lines.length === 0 ? null : lines.join('\n');
}

function resourcesFunction(
  resources: TunerSettings['resources'],
): (config: unknown) => TrialResources {
  if (typeof resources !== 'function') return () => resources;
  const place = { call: 'new Tuner()', name: 'what resources() returned' };
  // A copy: what it does with it is its own affair.
  return (config) =>
    checkResources((resources as (config: unknown) => unknown)(copyOfData(config)), place);
}

function storedParams(
  params: Readonly<Record<string, unknown>> | null,
): Readonly<Record<string, ObjectRef<unknown>>> | null {
  if (params === null) return null;
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      value instanceof ObjectRef ? value : stored(value, `params.${name}`),
    ]),
  );
}

/** @throws SerializationError which says which of the parameters it is */
function stored(value: unknown, name: string): ObjectRef<unknown> {
  try {
    return put(value);
  } catch (error) {
    if (!(error instanceof SerializationError)) throw error;
    const path = [name, ...error.path.slice(1)];
    throw new SerializationError(
      `withParameters(): ${name} can't be stored: ${error.message}`,
      { path },
      { cause: error },
    );
  }
}

/** Whether it is a class with a method of its own. */
function hasMethod(
  trainable: TrainableFunction | TrainableClass,
  name: 'resetConfig' | 'saveCheckpoint',
): boolean {
  if (!isTrainableClass(trainable)) return false;
  return typeof (trainable.prototype as Readonly<Record<string, unknown>>)[name] === 'function';
}
