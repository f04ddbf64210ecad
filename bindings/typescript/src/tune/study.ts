/**
 * `Study`: searches without running anything itself. Ask for a config, try it however you like, tell what came of it; synchronous,
 * without a runtime. Optuna's ask-and-tell interface
 * (https://optuna.readthedocs.io/en/stable/tutorial/20_recipes/009_ask_and_tell.html).
 */

import { existsSync } from 'node:fs';
import { hostname } from 'node:os';
import { resolve } from 'node:path';

import { InvalidArgumentError, NotSupportedError } from '../index.ts';
import { checkOptions, invalid, oneOf } from '../option-checks.ts';
import { Controller, finalError } from './controller/controller.ts';
import type { TrialError } from './controller/instructions.ts';
import { trialSeed } from './controller/seeds.ts';
import type { Trial } from './controller/trial.ts';
import { MetricError, SearchExhaustedError } from './errors.ts';
import type { ExperimentHeader } from './experiment/events.ts';
import { readExperiment } from './journal/experiment-reader.ts';
import type { JournalWriter } from './journal/writer.ts';
import { checkMetrics, metricAt } from './metrics.ts';
import { copyOfData } from './data-copies.ts';
import { ResultGrid, type ResultGridContext } from './results/result-grid.ts';
import { basicVariant } from './search/basic-variant.ts';
import type { SearchScore } from './search/searcher.ts';
import { tpe } from './search/searchers.ts';
import type { Config } from './space/domain.ts';
import { hasExperiment } from './journal/has-experiment.ts';
import { eventAsData } from './tuner/data.ts';
import { headerOf } from './tuner/header.ts';
import { journalOf, openJournal, resumeJournal } from './tuner/journal-file.ts';
import { keptOptions, optionsOfFolder } from './tuner/kept-options.ts';
import { failuresOf, resultContext } from './tuner/result-context.ts';
import { configReviver } from './tuner/revived-configs.ts';
import {
  SEARCH_CHECKS,
  type ObjectiveOptions,
  type PartialConfig,
  type SearchOptions,
  type SearchSettings,
  folderName,
  searchSettings,
  storageFolder,
} from './tuner/settings.ts';
import type { Metrics, ReportedMetrics, Result } from './types.ts';

/** Options of `new Study()`. */
export type StudyOptions<Space> = KeptSearchOptions<Space> & ObjectiveOptions;

/** What is searched with, and where it is kept. */
export interface KeptSearchOptions<Space> extends SearchOptions<Space> {
  /** The folder of all studies; null keeps nothing. @default null */
  readonly storagePath?: string | null | undefined;
  /** The name of the study's folder. @default 'study' */
  readonly name?: string | undefined;
  /**
   * What happens if the folder has one. `'resume'` goes on with it: what was told is known, and what was asked for and not told
   * is asked for again, first. Options that are data are then the study's own unless they are given again, as with
   * `Tuner.restore`. What was enqueued and not asked for yet has to be enqueued again. @default 'fail'
   */
  readonly ifExists?: 'fail' | 'resume' | 'overwrite' | undefined;
}

/** A trial that was asked for. */
export interface StudyTrial<C> {
  readonly number: number;
  readonly id: string;
  readonly config: C;
  /** Follows from the study's seed and the number. */
  readonly seed: number;
  /**
   * Reports on the way; `'STOP'` if the scheduler or a stopper wants no more of it. The trial is open all the same until its caller ends
   * it: with `prune`, or with `tell`.
   *
   * @throws InvalidArgumentError when it has ended @throws MetricError for a metric that is no number
   */
  report(metrics: Metrics): 'CONTINUE' | 'STOP';
}

const STUDY_CHECKS = {
  ...SEARCH_CHECKS,
  storagePath: storageFolder,
  name: folderName,
  ifExists: oneOf(['fail', 'resume', 'overwrite'], ', '),
};

const HOSTNAME = hostname();

/** See the file. */
export class Study<const Space extends object = Record<never, never>> {
  readonly #controller: Controller;
  readonly #metrics: readonly string[];
  readonly #seed: number;
  readonly #folder: string | null;
  /** One for all results: what it knows of failures grows with the trials. */
  readonly #resultContext: ResultGridContext;
  #journal: JournalWriter | null;
  readonly #hasScores: boolean;
  /** Those that were asked for and not ended, by number. */
  readonly #open = new Map<number, OpenTrial>();
  /** The results of all trials that there were when somebody looked last. */
  #listed: readonly Result<Config<Space>>[] = [];
  /** What was given out for them: trials of other studies have the same numbers. */
  readonly #given = new WeakSet<object>();

  /** @throws InvalidArgumentError @throws NotSupportedError for schedulers that pause @throws ExperimentExistsError */
  constructor(options: StudyOptions<Space> = {}) {
    const call = 'new Study()';
    checkOptions(call, STUDY_CHECKS, options);
    const { storagePath = null, name = 'study', ifExists = 'fail', ...rest } = options;
    const asked = defined(rest);
    this.#folder = storagePath === null ? null : resolve(storagePath, name);
    if (storagePath === null && ifExists === 'resume') {
      throw new NotSupportedError(
        `${call}: ifExists: 'resume' needs a folder, and there is no storagePath`,
        { feature: 'resume' },
      );
    }
    const isResumed =
      this.#folder !== null && ifExists === 'resume' && isThere(this.#folder, asked, call);
    const given = isResumed ? givenBefore(this.#folder!, asked, call) : withDefaults(asked);
    const settings = searchSettings(call, checkOptions(call, SEARCH_CHECKS, given));
    if (settings.scheduler.pauses === true) {
      throw new NotSupportedError(
        `${call}: ${settings.scheduler.description?.name ?? 'this scheduler'} pauses trials, which a study can't; use a Tuner`,
        { feature: 'scheduler' },
      );
    }
    this.#metrics = settings.metrics;
    this.#seed = settings.seed;
    this.#hasScores = settings.search.score !== undefined;
    const fsync = 'interval';
    const resumed = isResumed ? resumeJournal(this.#folder!, fsync) : null;
    this.#journal = resumed?.journal ?? null;
    const own = headerOf(name, settings, { storagePath, given: keptOptions(given) });
    const header =
      resumed === null ? own : { ...resumed.found.experiment.header, options: own.options };
    try {
      this.#controller = controllerOf(
        settings,
        header,
        this.#folder !== null,
        () => this.#journal!,
      );
      this.#resultContext = resultContext(this.#folder, {
        failureOf: failuresOf(this.#controller.trials),
        valueOf: () => undefined,
      });
      if (resumed === null) {
        // Not before the searcher has taken its options: whatever is wrong with them, what was there before is there still.
        if (this.#folder !== null) {
          const how = ifExists === 'overwrite' ? 'overwrite' : 'fail';
          this.#journal = openJournal(this.#folder, name, { fsync, ifExists: how });
        }
        this.#journal?.append({ kind: 'experiment', header });
      } else {
        this.#journal?.append({ kind: 'restore', at: Date.now(), options: own.options });
        this.#controller.restore(resumed.events, {
          ofErrors: 'nothing',
          savesAtEnd: false,
          isLost: () => true,
          configOf: configReviver(settings.space, settings.seed),
        });
      }
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** The next trial. @throws SearchExhaustedError when there is nothing left, or not before others are told (`waiting`) */
  ask(): StudyTrial<Config<Space>> {
    const next = this.#controller.next();
    if ('none' in next) {
      const waiting = next.none === 'wait';
      throw new SearchExhaustedError(
        waiting
          ? 'ask(): the searcher waits until further trials are told'
          : 'ask(): there is nothing left to try',
        { waiting },
      );
    }
    const { trial } = next;
    const open = { trial, beganAt: Date.now() };
    this.#open.set(trial.number, open);
    const report = (metrics: Metrics): 'CONTINUE' | 'STOP' => {
      this.#requireOpen(trial.number, 'report()');
      const checked = checkMetrics(metrics, 'report()');
      this.#requireNumbers(checked, 'report()');
      this.#report(open, checked, false);
      return trial.reason === undefined ? 'CONTINUE' : 'STOP';
    };
    const given = Object.freeze({
      number: trial.number,
      id: trial.id,
      // Its caller may change it, and nothing that was recorded.
      config: copyOfData(trial.config) as Config<Space>,
      seed: trialSeed(this.#seed, trial.number),
      report,
    });
    this.#given.add(given);
    return given;
  }

  /**
   * A trial has ended by itself, with one more report, whatever scheduler and stoppers say.
   *
   * @throws InvalidArgumentError for a trial that is not open
   * @throws MetricError without the metric, or if it is no number: the trial stays open
   */
  tell(trial: StudyTrial<Config<Space>> | number, metrics: Metrics): void {
    const told = this.#requireOpen(trial, 'tell()');
    const checked = checkMetrics(metrics, 'tell()');
    this.#requireNumbers(checked, 'tell()');
    this.#requireMetrics(told.trial, checked);
    this.#goOnWith(told);
    this.#report(told, checked, true);
    this.#end(told, null);
  }

  /** The scheduler has ended a trial, or whoever else said `'STOP'`: its value is its last report. @throws InvalidArgumentError */
  prune(trial: StudyTrial<Config<Space>> | number): void {
    const pruned = this.#requireOpen(trial, 'prune()');
    this.#goOnWith(pruned);
    this.#controller.prune(pruned.trial);
    this.#end(pruned, null);
  }

  /** A trial has failed. @throws InvalidArgumentError */
  fail(trial: StudyTrial<Config<Space>> | number, error?: unknown): void {
    const failed = this.#requireOpen(trial, 'fail()');
    this.#goOnWith(failed);
    this.#end(failed, finalError(error === undefined ? new Error('the trial failed') : error));
  }

  /**
   * Has a config tried before those of the searcher; what it leaves open is random. The upper end of a range may be wanted, though no
   * searcher gives it.
   *
   * @throws InvalidArgumentError for one outside of the space @throws StorageError after `close`
   */
  enqueue(config: PartialConfig<Config<Space>>): void {
    // What is wanted of a study that is closed is never tried.
    this.#journal?.requireUsable();
    this.#controller.enqueue(config, 'enqueue()');
  }

  /** What the searcher now thinks of a config; undefined while it samples at random. @throws NotSupportedError */
  score(config: Config<Space>): SearchScore | undefined {
    if (!this.#hasScores) {
      throw new NotSupportedError('score(): this searcher has no opinion about configs', {
        feature: 'score',
      });
    }
    return this.#controller.score(config);
  }

  /** The results of all trials. */
  get results(): ResultGrid<Config<Space>> {
    return new ResultGrid<Config<Space>>(this.#controller.experiment, this.#resultContext);
  }

  /** The best trial so far. @throws NoResultError */
  get best(): Result<Config<Space>> {
    return this.results.best;
  }

  /** All trials, by number: the same frozen list until there is another trial. Each shows how it stands when it is read. */
  get trials(): readonly Result<Config<Space>>[] {
    const { results } = this;
    if (this.#listed.length < results.length) {
      // Those that there were stay the same, with what they have made of their records.
      const added = Array.from({ length: results.length - this.#listed.length }, (_, place) =>
        results.at(this.#listed.length + place)!,
      );
      this.#listed = Object.freeze([...this.#listed, ...added]);
    }
    return this.#listed;
  }

  /** How much each parameter matters. */
  importances(
    ...options: Parameters<ResultGrid['importances']>
  ): ReturnType<ResultGrid['importances']> {
    return this.results.importances(...options);
  }

  /** Gives the files back. */
  close(): void {
    this.#journal?.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #report({ trial, beganAt }: OpenTrial, metrics: Metrics, done: boolean): void {
    const now = Date.now();
    this.#controller.reported(trial, {
      attempt: trial.attempt,
      report: trial.decided + 1,
      metrics,
      checkpoint: false,
      done,
      elapsedMs: Math.max(0, now - beganAt),
      timestamp: now,
      pid: process.pid,
      hostname: HOSTNAME,
    });
  }

  #end({ trial, beganAt }: OpenTrial, error: TrialError | null): void {
    const now = Date.now();
    try {
      this.#controller.ended(trial, {
        attempt: trial.attempt,
        error,
        saved: null,
        at: now,
        elapsedMs: Math.max(0, now - beganAt),
      });
    } finally {
      // What can't be kept has not happened; what others throw when they hear of it changes nothing.
      if (trial.hasEnded) this.#open.delete(trial.number);
    }
  }

  /** One that an earlier process has given out is ended by its number: whoever works on it has never stopped. */
  #goOnWith(open: OpenTrial): void {
    const { trial } = open;
    if (trial.phase === 'running') return;
    this.#controller.goOnWith(trial);
    this.#open.set(trial.number, open);
  }

  #requireOpen(trial: StudyTrial<Config<Space>> | number, call: string): OpenTrial {
    if (typeof trial !== 'number' && !this.#given.has(trial)) {
      throw invalid(
        { call, name: 'trial' },
        trial,
        'what ask() of this study has given, or its number',
      );
    }
    const number = typeof trial === 'number' ? trial : trial.number;
    const found = this.#open.get(number);
    if (found !== undefined) return found;
    const left = this.#controller.leftOver(number);
    if (left !== undefined) return { trial: left, beganAt: lastHeardOf(left) };
    const hasEnded = this.#controller.trials.some((each) => each.number === number);
    throw new InvalidArgumentError(
      hasEnded ? `${call}: trial ${number} has ended` : `${call}: there is no trial ${number}`,
      { argument: 'trial', value: number },
    );
  }

  #requireNumbers(metrics: Metrics, call: string): void {
    for (const metric of this.#metrics) {
      const value = metricAt(metrics, metric);
      if (value === undefined || typeof value === 'number') continue;
      throw new MetricError(
        `${call}: the metric ${metric} is ${JSON.stringify(value)}; it has to be a number`,
        { metric, reported: Object.keys(metrics) },
      );
    }
  }

  #requireMetrics(trial: Trial, metrics: Metrics): void {
    for (const metric of this.#metrics) {
      if (metricAt(metrics, metric) !== undefined) continue;
      if (trial.record.history.some((row: ReportedMetrics) => metricAt(row, metric) !== undefined))
        continue;
      const reported = Object.keys(metrics);
      throw new MetricError(
        `tell(): the metric ${metric} is missing; told were ${reported.join(', ')}`,
        { metric, reported },
      );
    }
  }
}

/** A trial that was asked for and not ended. */
interface OpenTrial {
  readonly trial: Trial;
  /** Its run, in milliseconds since 1970; if an earlier process began it, its last report. */
  readonly beganAt: number;
}

/** When an earlier process has last heard of a trial that it has left. */
function lastHeardOf({ record }: Trial): number {
  return (record.startedAt ?? Date.now()) + record.durationMs;
}

/** What decides for a study, where nothing runs and nothing is short. */
function controllerOf(
  settings: SearchSettings,
  header: ExperimentHeader,
  isRecorded: boolean,
  journal: () => JournalWriter,
): Controller {
  return new Controller({
    ...settings,
    header,
    searcher: settings.search,
    capacity: new Map(),
    maxConcurrent: Infinity,
    deterministic: false,
    resources: () => ({ numCpus: 0 }),
    infeasible: () => undefined,
    maxFailures: 0,
    maxErrors: Infinity,
    failFast: false,
    trialTimeoutMs: Infinity,
    savesOnLeaving: false,
    checkpoints: { numToKeep: 0, scoreAttribute: undefined, scoreOrder: 'min' },
    knownResults: settings.knownResults as never,
    record: (event) => {
      if (isRecorded) journal().append(eventAsData(event));
    },
    now: Date.now,
    nextNumber: isRecorded ? () => journal().nextNumber() : null,
    isDrivenByHand: true,
  });
}

type Options = Readonly<Record<string, unknown>>;

/** What is searched with. */
function withDefaults(given: Options): Options {
  // Without a metric there is nothing to learn from.
  const search = given['metric'] === undefined ? basicVariant() : tpe();
  return { numSamples: Infinity, search, ...given };
}

/**
 * Whether a folder has a study to go on with.
 *
 * @throws InvalidArgumentError if it has none, and there is no space to begin one with @throws JournalError
 */
function isThere(folder: string, given: Options, call: string): boolean {
  const path = journalOf(folder);
  if (hasExperiment(path)) return true;
  if (given['space'] !== undefined) return false;
  // What is there is something else, or damaged: that is what has to be said then.
  if (existsSync(path)) readExperiment(path);
  throw new InvalidArgumentError(
    `${call}: there is no study in ${folder} to resume, and none can begin without a space; check storagePath and name, or give space`,
    { argument: 'space' },
  );
}

/**
 * What the study of a folder was searched with, and what is given again.
 *
 * @throws InvalidArgumentError @throws JournalError @throws ExperimentLockedError
 */
function givenBefore(folder: string, given: Options, call: string): Options {
  const { merged } = optionsOfFolder(folder, given, call);
  // Those of a Tuner's experiment that are about running trials say nothing here.
  return Object.fromEntries(
    Object.entries(merged).filter(([option]) => Object.hasOwn(SEARCH_CHECKS, option)),
  );
}

function defined(options: object): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
