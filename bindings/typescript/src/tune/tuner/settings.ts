/** The options of a Tuner, checked and completed. */

import {
  COUNT_MAX,
  type Check,
  type Checked,
  type Place,
  callback,
  checkOptions,
  count,
  flag,
  invalid,
  isRecord,
  milliseconds,
  oneOf,
  text,
} from '../../option-checks.ts';
import { InvalidArgumentError, NotSupportedError } from '../../index.ts';
import type { OutcomeBound } from '../controller/controller.ts';
import { checkResources } from '../controller/resources.ts';
import { checkMetrics, metricAt } from '../metrics.ts';
import type { Fsync } from '../journal/writer.ts';
import { type OutputName, outputNames } from '../outputs/index.ts';
import { type Reporter, type ReporterOption, reporterOf } from '../reporters/reporters.ts';
import type { CheckpointRanking } from '../results/kept-checkpoints.ts';
import { fifo } from '../schedulers/fifo.ts';
import { checkScheduler } from '../schedulers/inner-scheduler.ts';
import type { Scheduler } from '../schedulers/scheduler.ts';
import { basicVariant, isBasicVariant } from '../search/basic-variant.ts';
import type { Searcher } from '../search/searcher.ts';
import { seedCheck } from '../search/searchers.ts';
import { checkSearcherObject } from '../search/wrappers.ts';
import type { Config } from '../space/domain.ts';
import { Space } from '../space/space.ts';
import type { LogFileNames } from '../trial/protocol.ts';
import { stopperOf } from '../stoppers/stopper-of.ts';
import type { ActiveStopper, StopCondition } from '../stoppers/stopper.ts';
import type { Metrics, Mode, TrialResources } from '../types.ts';
import { type Callback, callbackList } from './callbacks.ts';

/** Option `checkpoints`. */
export interface CheckpointOptions {
  /** The best ones, besides the latest; 0 to Infinity. @default 1 */
  readonly numToKeep?: number | undefined;
  /** The metric by which they are compared. @default the experiment's */
  readonly scoreAttribute?: string | undefined;
  /** @default the experiment's mode */
  readonly scoreOrder?: Mode | undefined;
  /** For classes: a state is saved after so many reports; 0 for never. @default 0 */
  readonly frequency?: number | undefined;
  /** For classes: a state is saved at the end. @default false */
  readonly atEnd?: boolean | undefined;
}

/** What is made better. */
interface Objective {
  /** The name of the metric, or its path (`eval.loss`), or several. */
  readonly metric: string | readonly string[];
  /** Whether less or more is better; as many as metrics. */
  readonly mode: Mode | readonly Mode[];
}

/** There is a metric and a mode, or neither. */
export type ObjectiveOptions = Objective | { readonly [Name in keyof Objective]?: undefined };

/** What a run of configs is searched with, besides {@link ObjectiveOptions}: the options of a Tuner and of a Study. */
export interface SearchOptions<Space> {
  /** Domains, constants, and objects and arrays of them. @default {} */
  readonly space?: Space | undefined;
  /** How often the space is sampled, times the size of its grid. @default 1; Infinity with `grid()` */
  readonly numSamples?: number | undefined;
  /** @default basicVariant(); of a Study tpe(), if there is a metric */
  readonly search?: Searcher | undefined;
  /** @default fifo() */
  readonly scheduler?: Scheduler | undefined;
  /** For every searcher and scheduler that has none of its own. @default random, and recorded */
  readonly seed?: number | undefined;
  /** When a trial, or all of them, have run for long enough. */
  readonly stop?: StopCondition | undefined;
  /** Partial configs to run first. */
  readonly pointsToEvaluate?: readonly PartialConfig<Config<NoInfer<Space>>>[] | undefined;
  /** Results that are known already: told to the searcher, not run. */
  readonly knownResults?:
    readonly { readonly config: Config<NoInfer<Space>>; readonly metrics: Metrics }[] | undefined;
  /** Every config meets all of them. */
  readonly parameterConstraints?:
    readonly ((config: Config<NoInfer<Space>>) => boolean)[] | undefined;
  /** Bounds of metrics that a good trial keeps. */
  readonly outcomeConstraints?: Readonly<Record<string, OutcomeBound>> | undefined;
}

/** Parts of a config may be missing, at any depth. */
export type PartialConfig<C> = C extends (...parameters: never[]) => unknown
  ? C
  : C extends readonly unknown[]
    ? C
    : C extends object
      ? { readonly [Key in keyof C]?: PartialConfig<C[Key]> }
      : C;

/** The options of `new Tuner()`. */
export type TunerOptions<Space> = RunOptions<Space> & ObjectiveOptions;

/** How trials run. */
export interface RunOptions<Space> extends SearchOptions<Space> {
  /** @default what fits the resources; with `numCpus: 0` the number of CPUs */
  readonly maxConcurrentTrials?: number | undefined;
  /** The whole run repeats, however long its trials take. @default false */
  readonly deterministic?: boolean | undefined;
  /** What each trial runs with. @default { numCpus: 1 } */
  readonly resources?:
    TrialResources | ((config: Config<NoInfer<Space>>) => TrialResources) | undefined;
  /** No trial runs on after so many milliseconds. */
  readonly timeBudgetMs?: number | undefined;
  /** The most run time of a trial, in milliseconds: from when its worker begins with it, over all its runs. */
  readonly trialTimeoutMs?: number | undefined;
  /** How often a trial is run again when it fails. @default 0 */
  readonly maxFailures?: number | undefined;
  /** So many trials in ERROR end the experiment. @default Infinity */
  readonly maxErrors?: number | undefined;
  /** The first trial in ERROR ends the experiment, and `fit` rejects. @default false */
  readonly failFast?: boolean | undefined;
  readonly checkpoints?: CheckpointOptions | undefined;
  /** For classes. @default whether there is `resetConfig` */
  readonly reuseActors?: boolean | undefined;
  /** The folder of all experiments; null writes nothing. @default './eagleray_results' */
  readonly storagePath?: string | null | undefined;
  /** The name of the experiment's folder. @default the trainable's name, with date and time */
  readonly name?: string | undefined;
  /** What happens if the folder has an experiment. @default 'fail' */
  readonly ifExists?: 'fail' | 'resume' | 'overwrite' | undefined;
  /** When the journal is brought to the disk. @default 'interval' */
  readonly fsync?: Fsync | undefined;
  /** What is written beside the journal. @default ['csv', 'jsonl', 'html'] */
  readonly outputs?: readonly OutputName[] | undefined;
  /** @default [] */
  readonly callbacks?: readonly Callback[] | undefined;
  /** What is shown on stderr while it runs: a table on a terminal, and else lines. @default 'auto' */
  readonly reporter?: ReporterOption | undefined;
  /**
   * Whether what a trial's code prints goes into files of its folder too: `stdout.log` and `stderr.log`, or one of the given name, or
   * two. @default false
   */
  readonly logToFile?: boolean | string | readonly [stdout: string, stderr: string] | undefined;
  /** Whether Ctrl-C stops the trials in order, unless the program listens to it itself. @default true */
  readonly handleSignals?: boolean | undefined;
}

/** Options of `Tuner.restore()`: those of a Tuner that may change, and those that are no data. */
export interface RestoreOptions<Space> extends Omit<
  TunerOptions<Space>,
  'storagePath' | 'name' | 'ifExists'
> {
  /** For each trial in ERROR, makes a new one that goes on from its last checkpoint. @default false */
  readonly resumeErrored?: boolean;
  /** For each trial in ERROR, makes a new one that begins anew. @default false */
  readonly restartErrored?: boolean;
}

/** What is checked of a search. */
export interface SearchSettings {
  readonly space: Space;
  readonly metrics: readonly string[];
  readonly modes: readonly Mode[];
  readonly numSamples: number;
  readonly search: Searcher;
  readonly scheduler: Scheduler;
  readonly seed: number;
  readonly stopper: ActiveStopper;
  readonly hasStop: boolean;
  readonly pointsToEvaluate: readonly unknown[];
  readonly knownResults: readonly { readonly config: unknown; readonly metrics: Metrics }[];
  readonly parameterConstraints: readonly ((config: never) => boolean)[];
  readonly outcomeConstraints: ReadonlyMap<string, OutcomeBound>;
}

/** What is checked of a Tuner. */
export interface TunerSettings extends SearchSettings {
  readonly maxConcurrentTrials: number | null;
  readonly deterministic: boolean;
  readonly resources: TrialResources | ((config: never) => TrialResources);
  readonly timeBudgetMs: number | null;
  readonly trialTimeoutMs: number | null;
  readonly maxFailures: number;
  readonly maxErrors: number;
  readonly failFast: boolean;
  readonly checkpoints: CheckpointRanking & { readonly frequency: number; readonly atEnd: boolean };
  readonly reuseActors: boolean | null;
  readonly storagePath: string | null;
  readonly name: string | null;
  readonly ifExists: 'fail' | 'resume' | 'overwrite';
  readonly fsync: Fsync;
  readonly outputs: readonly OutputName[];
  readonly callbacks: readonly Callback[];
  readonly reporter: Reporter | undefined;
  /** Null: what trials print goes into no file. */
  readonly logFiles: LogFileNames | null;
  readonly handleSignals: boolean;
}

/** The most trials of an experiment. */
export const TRIALS_MAX = 1_000_000;

/** A whole number or Infinity. */
function countOrInfinity(minimum: number, maximum = COUNT_MAX): Check<number> {
  const check = count(minimum, ', or Infinity', maximum);
  return (value, place) => (value === Infinity ? Infinity : check(value, place));
}

const list: Check<readonly unknown[]> = (value, place) => {
  if (!Array.isArray(value)) throw invalid(place, value, 'an array');
  return value as readonly unknown[];
};

const namesOrName: Check<readonly string[]> = (value, place) => {
  const names = Array.isArray(value) ? (value as unknown[]) : [value];
  if (names.length === 0) throw invalid(place, value, 'a name, or an array of names');
  return names.map((name) => text(name, place));
};

const modeOrModes: Check<readonly Mode[]> = (value, place) => {
  const modes = Array.isArray(value) ? (value as unknown[]) : [value];
  return modes.map((mode) => oneOf(['min', 'max'], ', ')(mode, place));
};

const functions: Check<readonly ((config: never) => boolean)[]> = (value, place) =>
  list(value, place).map((each, index) =>
    callback(each, { ...place, name: `${place.name}[${index}]` }),
  ) as readonly ((config: never) => boolean)[];

const known: Check<SearchSettings['knownResults']> = (value, place) =>
  list(value, place).map((each, index) => {
    const at = { ...place, name: `${place.name}[${index}]` };
    if (!isRecord(each) || !isRecord(each['metrics']) || !('config' in each)) {
      throw invalid(at, each, '{ config, metrics }');
    }
    const metrics = checkMetrics(each['metrics'], `${at.call}: ${at.name}.metrics`);
    return { config: each['config'], metrics };
  });

const bounds: Check<ReadonlyMap<string, OutcomeBound>> = (value, place) => {
  if (!isRecord(value)) throw invalid(place, value, 'an object of { min, max } by metric');
  return new Map(
    Object.entries(value).map(([name, bound]) => {
      const call = `${place.call} ${place.name}.${name}`;
      const checked = checkOptions(call, { min: number, max: number }, bound);
      const { min = -Infinity, max = Infinity } = checked;
      if (min > max) throw invalid({ call, name: 'min' }, min, `a number up to max, ${max}`);
      return [name, checked];
    }),
  );
};

function number(value: unknown, place: Place): number {
  if (typeof value === 'number' && !Number.isNaN(value)) return value;
  throw invalid(place, value, 'a number');
}

const resourcesOrFunction: Check<TunerSettings['resources']> = (value, place) => {
  if (typeof value === 'function') return value as (config: never) => TrialResources;
  return checkResources(value, place);
};

/** The options of a search. */
export const SEARCH_CHECKS = {
  space: (value: unknown) => value,
  metric: namesOrName,
  mode: modeOrModes,
  numSamples: countOrInfinity(1, TRIALS_MAX),
  search: checkSearcherObject,
  scheduler: (value: unknown, { call }: Place) => checkScheduler(value, call),
  seed: seedCheck,
  stop: (value: unknown) => value as StopCondition,
  pointsToEvaluate: list,
  knownResults: known,
  parameterConstraints: functions,
  outcomeConstraints: bounds,
};

const CHECKPOINT_CHECKS = {
  numToKeep: countOrInfinity(0),
  scoreAttribute: text,
  scoreOrder: oneOf(['min', 'max'], ', '),
  frequency: count(0, ''),
  atEnd: flag,
};

const TUNER_CHECKS = {
  ...SEARCH_CHECKS,
  maxConcurrentTrials: count(1, ''),
  deterministic: flag,
  resources: resourcesOrFunction,
  timeBudgetMs: milliseconds,
  trialTimeoutMs: milliseconds,
  maxFailures: countOrInfinity(0),
  maxErrors: countOrInfinity(1),
  failFast: flag,
  checkpoints: (value: unknown, { call }: Place) =>
    checkOptions(`${call} checkpoints`, CHECKPOINT_CHECKS, value),
  reuseActors: flag,
  storagePath: storageFolder,
  name: folderName,
  ifExists: oneOf(['fail', 'resume', 'overwrite'], ', '),
  fsync: oneOf(['interval', 'always', 'never'], ', '),
  outputs: outputNames,
  callbacks: callbackList,
  reporter: (value: unknown, { call }: Place) => {
    reporterOf(call, value);
    return value as ReporterOption;
  },
  logToFile: logFileNames,
  handleSignals: flag,
};

/** @throws InvalidArgumentError */
export function tunerSettings(options: unknown, call = 'new Tuner()'): TunerSettings {
  const given = checkOptions(call, TUNER_CHECKS, options);
  const search = searchSettings(call, given);
  const { checkpoints = {} } = given;
  if (given.deterministic === true) checkDeterministic(given, call);
  if (given.storagePath === null && given.ifExists === 'resume') {
    throw new NotSupportedError(
      `${call}: ifExists: 'resume' needs a folder, and storagePath is null`,
      { feature: 'resume' },
    );
  }
  if (given.storagePath === null && given.logToFile !== undefined && given.logToFile !== null) {
    throw new NotSupportedError(
      `${call}: logToFile needs a folder, and with storagePath: null there is none`,
      { feature: 'logToFile' },
    );
  }
  return {
    ...search,
    maxConcurrentTrials: given.maxConcurrentTrials ?? null,
    deterministic: given.deterministic ?? false,
    resources: given.resources ?? { numCpus: 1 },
    timeBudgetMs: given.timeBudgetMs ?? null,
    trialTimeoutMs: given.trialTimeoutMs ?? null,
    maxFailures: given.maxFailures ?? 0,
    maxErrors: given.maxErrors ?? Infinity,
    failFast: given.failFast ?? false,
    checkpoints: {
      numToKeep: checkpoints.numToKeep ?? 1,
      scoreAttribute: checkpoints.scoreAttribute ?? search.metrics[0],
      scoreOrder: checkpoints.scoreOrder ?? search.modes[0] ?? 'max',
      frequency: checkpoints.frequency ?? 0,
      atEnd: checkpoints.atEnd ?? false,
    },
    reuseActors: given.reuseActors ?? null,
    storagePath: given.storagePath === undefined ? './eagleray_results' : given.storagePath,
    name: given.name ?? null,
    ifExists: given.ifExists ?? 'fail',
    fsync: given.fsync ?? 'interval',
    outputs: given.outputs ?? ['csv', 'jsonl', 'html'],
    callbacks: given.callbacks ?? [],
    reporter: reporterOf(call, given.reporter),
    logFiles: given.logToFile ?? null,
    handleSignals: given.handleSignals ?? true,
  };
}

/** @throws InvalidArgumentError */
export function searchSettings(
  call: string,
  given: Checked<typeof SEARCH_CHECKS>,
  now?: () => number,
): SearchSettings {
  const { metrics, modes } = objectiveOf(call, given);
  const space = new Space(given.space === undefined ? {} : given.space, call);
  for (const [index, point] of (given.pointsToEvaluate ?? []).entries()) {
    space.partialValuesOf(point, `${call} pointsToEvaluate[${index}]`);
  }
  for (const [index, { config, metrics: its }] of (given.knownResults ?? []).entries()) {
    space.valuesWithin(config, `${call} knownResults[${index}]`);
    for (const metric of metrics) {
      const value = metricAt(its, metric);
      if (typeof value === 'number') continue;
      throw invalid(
        { call, name: `knownResults[${index}].metrics.${metric}` },
        value,
        `a number; the metrics that are given: ${Object.keys(its).join(', ')}`,
      );
    }
  }
  const search = given.search ?? basicVariant();
  if (given.scheduler?.choosesConfigs === true && !isBasicVariant(search)) {
    throw new InvalidArgumentError(
      `${call}: ${given.scheduler.description?.name ?? 'this scheduler'}() chooses configs itself and can't be with a searcher; allowed: basicVariant(), the default`,
      { argument: 'search' },
    );
  }
  return {
    space,
    metrics,
    modes,
    numSamples: given.numSamples ?? (search.isExhaustive === true ? Infinity : 1),
    search,
    scheduler: given.scheduler ?? fifo(),
    seed: given.seed ?? Math.floor(Math.random() * 2 ** 32),
    stopper: stopperOf(given.stop, { metrics, modes, now }, { call, name: 'stop' }),
    hasStop: given.stop !== undefined,
    pointsToEvaluate: given.pointsToEvaluate ?? [],
    knownResults: given.knownResults ?? [],
    parameterConstraints: given.parameterConstraints ?? [],
    outcomeConstraints: given.outcomeConstraints ?? new Map<string, OutcomeBound>(),
  };
}

function objectiveOf(
  call: string,
  { metric, mode }: { readonly metric?: readonly string[]; readonly mode?: readonly Mode[] },
): { readonly metrics: readonly string[]; readonly modes: readonly Mode[] } {
  if ((metric === undefined) !== (mode === undefined)) {
    const [there, missing] = metric === undefined ? ['mode', 'metric'] : ['metric', 'mode'];
    throw new InvalidArgumentError(
      `${call}: there is ${there} and no ${missing}; give both, or neither`,
      { argument: missing },
    );
  }
  const [metrics, modes] = [metric ?? [], mode ?? []];
  if (metrics.length !== modes.length) {
    throw new InvalidArgumentError(
      `${call}: there are ${metrics.length} metrics and ${modes.length} modes; give as many of each`,
      { argument: 'mode', value: modes },
    );
  }
  const twice = metrics.find((name, index) => metrics.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new InvalidArgumentError(`${call}: the metric ${twice} is there twice`, {
      argument: 'metric',
      value: metrics,
    });
  }
  return { metrics, modes };
}

/** Schedulers whose decisions do not depend on how long trials take. */
const REPEATABLE = new Set(['fifo', 'hyperband', 'pbt']);

/** What a clock has said. */
const CLOCKS: ReadonlySet<unknown> = new Set(['timeTotalMs', 'timeThisIterMs', 'timestamp']);

function checkDeterministic(given: Checked<typeof TUNER_CHECKS>, call: string): void {
  if (given.maxConcurrentTrials === undefined) {
    throw new InvalidArgumentError(
      `${call}: deterministic needs maxConcurrentTrials, because proposals depend on it`,
      { argument: 'maxConcurrentTrials' },
    );
  }
  if (given.scheduler === undefined) return;
  const { name, options = {} } = given.scheduler.description ?? {};
  const isRepeatable =
    name !== undefined &&
    REPEATABLE.has(name) &&
    (name !== 'pbt' || options['synch'] === true) &&
    // A population goes by the clock unless it is told otherwise.
    !CLOCKS.has(options['timeAttr'] ?? (name === 'pbt' ? 'timeTotalMs' : undefined));
  if (isRepeatable) return;
  throw new InvalidArgumentError(
    `${call}: deterministic can't be with ${name ?? 'this scheduler'}, whose decisions depend on time; ` +
      'allowed: fifo(), hyperband(), pbt({ synch: true }), with a timeAttr that is no time, such as trainingIteration',
    { argument: 'scheduler' },
  );
}

/** Names of files in a trial's folder; null for none. @throws InvalidArgumentError */
function logFileNames(value: unknown, place: Place): LogFileNames | null {
  if (value === false) return null;
  if (value === true) return { stdout: 'stdout.log', stderr: 'stderr.log' };
  const names = Array.isArray(value) ? (value as unknown[]) : [value, value];
  if (names.length !== 2 || !names.every(isFileName)) {
    throw invalid(
      place,
      value,
      'true, false, the name of a file, or a pair of names; without separators, and none of a checkpoint, of error.txt or of events.out.tfevents',
    );
  }
  return { stdout: names[0] as string, stderr: names[1] as string };
}

/** What the folder of a trial has of our own. */
const OWN_FILES = /^(journal\.log|checkpoint_.*|error\.txt|events\.out\.tfevents.*)$/i;

function isFileName(value: unknown): value is string {
  return (
    typeof value === 'string' &&
    !['', '.', '..'].includes(value) &&
    !/[/\\\0]/.test(value) &&
    !OWN_FILES.test(value) &&
    Buffer.byteLength(value) <= NAME_BYTES_MAX
  );
}

/** The most bytes of the name of a file or folder: those of Linux. */
const NAME_BYTES_MAX = 255;

/** A folder, or null for none. @throws InvalidArgumentError for an address: as a path it would name a folder in the current one */
export function storageFolder(value: unknown, place: Place): string | null {
  if (value === null) return null;
  const path = text(value, place);
  if (/^[a-z][a-z\d+.-]*:\/\//i.test(path)) {
    throw invalid(
      place,
      value,
      'a folder of this file system, or null; a bucket can be mounted as one',
    );
  }
  return path;
}

/** The name of a folder, without separators. @throws InvalidArgumentError */
export function folderName(value: unknown, place: Place): string {
  const name = text(value, place);
  if (/[/\\]/.test(name) || name === '.' || name === '..') {
    throw invalid(place, value, 'the name of a folder, without separators');
  }
  if (/\p{Cs}/u.test(name)) throw invalid(place, value, 'whole characters');
  const bytes = Buffer.byteLength(name);
  if (bytes > NAME_BYTES_MAX) {
    throw invalid(place, `${name.slice(0, 40)}…`, `at most ${NAME_BYTES_MAX} bytes`);
  }
  return name;
}
