/** Searchers around others: Ray's `ConcurrencyLimiter` and `Repeater`. */

import { InvalidArgumentError, NotSupportedError } from '../../index.ts';
import { type Check, checkOptions, count, flag, invalid } from '../../option-checks.ts';
import { metricAt } from '../metrics.ts';
import type { Metrics, ReportedMetrics } from '../types.ts';
import type {
  AskedTrial,
  SearchScore,
  Searcher,
  SearcherDescription,
  SearcherSetup,
  ToldTrial,
} from './searcher.ts';

/** Options of {@link concurrencyLimiter}. */
export interface ConcurrencyLimiterOptions {
  /** So many trials may be pending at a time. */
  readonly maxConcurrent: number;
  /** The next ones are asked for when all of them are told, and told together. @default false */
  readonly batch?: boolean | undefined;
}

/** Options of {@link repeater}. */
export interface RepeaterOptions {
  /** So many trials have the same config. */
  readonly repeat: number;
}

/** Lets no more than so many trials of a searcher be pending. @throws InvalidArgumentError */
export function concurrencyLimiter(
  searcher: Searcher,
  options: ConcurrencyLimiterOptions,
): Searcher {
  const call = 'concurrencyLimiter()';
  const given = checkOptions(call, { maxConcurrent: count(1, ''), batch: flag }, options);
  if (given.maxConcurrent === undefined) throw missing(call, 'maxConcurrent');
  return new ConcurrencyLimiter(
    checkSearcherObject(searcher, { call, name: 'searcher' }),
    given.maxConcurrent,
    given.batch ?? false,
    given,
  );
}

/**
 * Runs each config several times, and tells the searcher their mean. `trial.repeatIndex` says which time it is.
 *
 * @throws InvalidArgumentError
 */
export function repeater(searcher: Searcher, options: RepeaterOptions): Searcher {
  const call = 'repeater()';
  const given = checkOptions(call, { repeat: count(1, '') }, options);
  if (given.repeat === undefined) throw missing(call, 'repeat');
  return new Repeater(
    checkSearcherObject(searcher, { call, name: 'searcher' }),
    given.repeat,
    given,
  );
}

/** An object that can search: ours, or a user's. */
export const checkSearcherObject: Check<Searcher> = (value, place) => {
  const searcher = value as Partial<Searcher> | null;
  const missed =
    typeof searcher === 'object' && searcher !== null
      ? (['setup', 'ask', 'tell'] as const).find((name) => typeof searcher[name] !== 'function')
      : 'setup';
  if (missed === undefined) return value as Searcher;
  throw invalid(place, value, `a searcher, such as tpe() (it has no method ${missed})`);
};

/** The description of a searcher around another one; none if the other one has none. */
function describedWith(
  name: string,
  { description }: Searcher,
  options: object,
): SearcherDescription | undefined {
  return description && { name, options: { searcher: description, ...options } };
}

/** Trials that are told together. */
interface Batch {
  /** Those that were asked for and have not ended. */
  readonly pending: Set<number>;
  readonly told: { readonly trial: AskedTrial; readonly result: ToldTrial }[];
  /** How many were asked for. */
  size: number;
  /** No more are asked for. */
  isFull: boolean;
}

/**
 * - CL-1 A trial counts once, however often it is asked for: a config that breaks constraints is not taken, and the next one is asked
 *   for in its place.
 * - CL-2 Batches are as they were made: each begins where the one before is full, also after a restore.
 */
class ConcurrencyLimiter implements Searcher {
  readonly description?: SearcherDescription;
  readonly #searcher: Searcher;
  readonly #maxConcurrent: number;
  readonly #isBatch: boolean;
  readonly #pending = new Set<number>();
  /** Those that were not told, in order; only the last one can become larger. */
  #batches: Batch[] = [];

  constructor(searcher: Searcher, maxConcurrent: number, isBatch: boolean, options: object) {
    const description = describedWith('concurrencyLimiter', searcher, options);
    if (description !== undefined) this.description = description;
    this.#searcher = searcher;
    this.#maxConcurrent = maxConcurrent;
    this.#isBatch = isBatch;
  }

  get isAdaptive(): boolean {
    return this.#searcher.isAdaptive ?? true;
  }

  get isExhaustive(): boolean {
    return this.#searcher.isExhaustive ?? false;
  }

  get configsPerSample(): number {
    return this.#searcher.configsPerSample ?? 1;
  }

  setup(setup: SearcherSetup): void {
    this.#pending.clear();
    this.#batches = [];
    this.#searcher.setup(setup);
  }

  ask(trial: AskedTrial): unknown {
    return this.#begin(trial, () => this.#searcher.ask(trial));
  }

  resume(trial: AskedTrial, config: unknown, repeatIndex: number | undefined): 'wait' | undefined {
    return this.#begin(trial, () => resumeWith(this.#searcher, trial, config, repeatIndex));
  }

  tell(trial: AskedTrial, result: ToldTrial): void {
    this.#pending.delete(trial.number);
    const batch = this.#batches.find(({ pending }) => pending.has(trial.number));
    if (batch === undefined) {
      this.#searcher.tell(trial, result);
      return;
    }
    batch.pending.delete(trial.number);
    batch.told.push({ trial, result });
    if (batch.isFull && batch.pending.size === 0) this.#tellBatch(batch);
  }

  onResult(trial: AskedTrial, metrics: ReportedMetrics): void {
    this.#searcher.onResult?.(trial, metrics);
  }

  observe(trial: AskedTrial, config: unknown): void {
    this.#searcher.observe?.(trial, config);
  }

  repeatIndexOf(number: number): number | undefined {
    return this.#searcher.repeatIndexOf?.(number);
  }

  hasTried(config: unknown): boolean {
    return this.#searcher.hasTried?.(config) ?? false;
  }

  score(config: unknown): SearchScore | undefined {
    return scoreOf(this.#searcher, config);
  }

  /** A trial begins if there is a place for it, and the searcher within does not wait. */
  #begin<Answer>(trial: AskedTrial, ask: () => Answer): Answer | 'wait' {
    const isAgain = this.#pending.has(trial.number);
    if (!isAgain && !this.#hasPlace()) return 'wait';
    const answer = ask();
    if (answer !== 'wait' && answer !== 'done') {
      if (!isAgain) this.#take(trial);
      return answer;
    }
    if (isAgain) this.#giveUp(trial);
    const batch = this.#batches.at(-1);
    if (batch === undefined) return answer;
    // A batch that can't become larger is complete when those that there are have been told.
    batch.isFull = true;
    if (batch.pending.size > 0) return 'wait';
    this.#tellBatch(batch);
    return answer === 'done' ? answer : this.#begin(trial, ask);
  }

  #hasPlace(): boolean {
    if (!this.#isBatch) return this.#pending.size < this.#maxConcurrent;
    return this.#batches.at(-1)?.isFull !== true;
  }

  #take({ number }: AskedTrial): void {
    this.#pending.add(number);
    if (!this.#isBatch) return;
    let batch = this.#batches.at(-1);
    if (batch === undefined || batch.isFull) {
      batch = { pending: new Set(), told: [], size: 0, isFull: false };
      this.#batches.push(batch);
    }
    batch.pending.add(number);
    batch.size++;
    batch.isFull = batch.size === this.#maxConcurrent;
  }

  /** There is no other config for a trial whose config was not taken. */
  #giveUp({ number }: AskedTrial): void {
    this.#pending.delete(number);
    const batch = this.#batches.at(-1);
    if (batch?.pending.delete(number) !== true) return;
    batch.size--;
    if (batch.size === 0) this.#batches.pop();
  }

  #tellBatch(batch: Batch): void {
    this.#batches = this.#batches.filter((each) => each !== batch);
    batch.told.sort((one, other) => one.trial.number - other.trial.number);
    for (const { trial, result } of batch.told) this.#searcher.tell(trial, result);
  }
}

/** Trials with one config. */
interface Group {
  /** As the searcher knows it: its first trial. */
  readonly first: AskedTrial;
  config: unknown;
  readonly members: number[];
  readonly told: { readonly number: number; readonly result: ToldTrial }[];
}

/**
 * - RE-1 All of a group have the config that its first trial begins with: where that is not the one that the searcher has given, the
 *   searcher is told so.
 * - RE-2 The place of a group, by which sequences and grids go, is that of its first trial in groups.
 */
class Repeater implements Searcher {
  readonly description?: SearcherDescription;
  readonly #searcher: Searcher;
  readonly #repeat: number;
  #metrics: readonly string[] = [];
  #hasGrid = false;
  #open: Group | undefined;
  readonly #groups = new Map<number, Group>();
  readonly #repeatIndices = new Map<number, number>();

  constructor(searcher: Searcher, repeat: number, options: object) {
    const description = describedWith('repeater', searcher, options);
    if (description !== undefined) this.description = description;
    this.#searcher = searcher;
    this.#repeat = repeat;
  }

  get isAdaptive(): boolean {
    return this.#searcher.isAdaptive ?? true;
  }

  get isExhaustive(): boolean {
    return this.#searcher.isExhaustive ?? false;
  }

  /** A grid has each of its configs as often as it is repeated. Without one, samples are trials, as Ray's. */
  get configsPerSample(): number {
    const inner = this.#searcher.configsPerSample ?? 1;
    return this.#hasGrid ? inner * this.#repeat : inner;
  }

  setup(setup: SearcherSetup): void {
    this.#metrics = setup.metrics.map(({ name }) => name);
    this.#hasGrid = setup.parameters.some(({ kind }) => kind === 'gridSearch');
    this.#open = undefined;
    this.#groups.clear();
    this.#repeatIndices.clear();
    this.#searcher.setup(setup);
  }

  ask(trial: AskedTrial): unknown {
    const refused = this.#groups.get(trial.number);
    if (refused !== undefined) this.#takeOut(refused, trial);
    if (this.#open === undefined) {
      const { number, id, place = number } = trial;
      const first = { number, id, place: Math.floor(place / this.#repeat) };
      const config = this.#searcher.ask(first);
      if (config === 'wait' || config === 'done') return config;
      this.#open = { first, config, members: [], told: [] };
    }
    return this.#join(this.#open, trial).config;
  }

  resume(trial: AskedTrial, config: unknown, repeatIndex: number | undefined): 'wait' | undefined {
    // It was to be a repetition, and has another config after all.
    if (repeatIndex === undefined) {
      this.#searcher.observe?.(trial, config);
      return undefined;
    }
    // Its groups are as it has made them: each begins where the one before is full.
    if (this.#open === undefined) {
      if (resumeWith(this.#searcher, trial, config, repeatIndex) === 'wait') return 'wait';
      this.#open = { first: trial, config, members: [], told: [] };
    }
    this.#join(this.#open, trial);
    return undefined;
  }

  tell(trial: AskedTrial, result: ToldTrial): void {
    const group = this.#groups.get(trial.number);
    if (group === undefined) {
      this.#searcher.tell(trial, result);
      return;
    }
    this.#groups.delete(trial.number);
    group.told.push({ number: trial.number, result });
    this.#tellIfComplete(group);
  }

  observe(trial: AskedTrial, config: unknown): void {
    const group = this.#groups.get(trial.number);
    // RE-1.
    if (group?.first.number === trial.number) group.config = config;
    else if (group !== undefined) this.#takeOut(group, trial);
    this.#searcher.observe?.(trial, config);
  }

  repeatIndexOf(number: number): number | undefined {
    return this.#repeatIndices.get(number);
  }

  hasTried(config: unknown): boolean {
    return this.#searcher.hasTried?.(config) ?? false;
  }

  score(config: unknown): SearchScore | undefined {
    return scoreOf(this.#searcher, config);
  }

  #join(group: Group, { number }: AskedTrial): Group {
    this.#repeatIndices.set(number, group.members.length);
    group.members.push(number);
    this.#groups.set(number, group);
    if (group.members.length === this.#repeat) this.#open = undefined;
    return group;
  }

  /** The last one that has joined a group does not have its config: the group goes on without it. */
  #takeOut(group: Group, { number }: AskedTrial): void {
    this.#groups.delete(number);
    this.#repeatIndices.delete(number);
    group.members.pop();
    this.#open = group.members.length === 0 ? undefined : group;
  }

  #tellIfComplete(group: Group): void {
    if (group.told.length < this.#repeat) return;
    this.#searcher.tell(group.first, this.#meanOf(group));
  }

  /** Of those that have a number. If none has, it is one of those that have failed. */
  #meanOf({ told, config }: Group): ToldTrial {
    // By number: sums depend on their order in the last digit.
    const results = told
      .sort((one, other) => one.number - other.number)
      .map(({ result }) => result);
    const good = results.filter(({ status }) => status === 'TERMINATED');
    // It was pruned only if no repetition has come to its end.
    const base =
      good.find(({ stopReason }) => stopReason !== 'scheduler') ?? good[0] ?? results[0]!;
    const means: Record<string, number> = {};
    for (const metric of this.#metrics) {
      const numbers = good
        .map(({ metrics }) => metricAt(metrics, metric))
        .filter((value): value is number => typeof value === 'number');
      if (numbers.length > 0) means[metric] = meanOf(numbers);
    }
    const violations = good.flatMap(({ violation }) => violation ?? []);
    return {
      ...base,
      config,
      // A name with points in it wins over the nested metric of that path.
      metrics: { ...(base.metrics as Metrics), ...means },
      ...(violations.length === 0 ? {} : { violation: meanOf(violations) }),
    };
  }
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

/** What the searcher within thinks. @throws NotSupportedError if it never thinks anything */
function scoreOf(searcher: Searcher, config: unknown): SearchScore | undefined {
  if (searcher.score !== undefined) return searcher.score(config);
  throw new NotSupportedError('score(): the searcher within has no opinion about configs', {
    feature: 'score',
  });
}

/** Hands on what was asked for in an earlier process; `'wait'`: not before further trials are told. */
export function resumeWith(
  searcher: Searcher,
  trial: AskedTrial,
  config: unknown,
  repeatIndex: number | undefined,
): 'wait' | undefined {
  if (searcher.resume !== undefined) return searcher.resume(trial, config, repeatIndex);
  searcher.observe?.(trial, config);
  return undefined;
}

function missing(call: string, name: string): Error {
  return new InvalidArgumentError(`${call}: ${name} is missing`, { argument: name });
}
