/** Searchers around others: Ray's `ConcurrencyLimiter` and `Repeater`. */

import { InvalidArgumentError } from '../../index.ts';
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
  readonly batch?: boolean;
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

class ConcurrencyLimiter implements Searcher {
  readonly description?: SearcherDescription;
  readonly #searcher: Searcher;
  readonly #maxConcurrent: number;
  readonly #isBatch: boolean;
  readonly #pending = new Set<number>();
  /** In a batch: those that are told when the last one is. */
  #told: { readonly trial: AskedTrial; readonly result: ToldTrial }[] = [];
  /** In a batch: those that were asked for since the last one was complete. */
  #asked = 0;

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
    this.#told = [];
    this.#asked = 0;
    this.#searcher.setup(setup);
  }

  ask(trial: AskedTrial): unknown {
    const taken = this.#isBatch ? this.#asked : this.#pending.size;
    if (taken >= this.#maxConcurrent) return 'wait';
    const config = this.#searcher.ask(trial);
    if (config === 'wait' || config === 'done') {
      // A batch that can't become larger is complete when those that there are have been told.
      if (this.#isBatch && this.#asked > 0) {
        this.#asked = this.#maxConcurrent;
        return config === 'done' && this.#pending.size === 0 ? 'done' : 'wait';
      }
      return config;
    }
    this.#asked++;
    this.#pending.add(trial.number);
    return config;
  }

  resume(trial: AskedTrial, config: unknown, repeatIndex: number | undefined): void {
    this.#asked++;
    this.#pending.add(trial.number);
    resumeWith(this.#searcher, trial, config, repeatIndex);
  }

  tell(trial: AskedTrial, result: ToldTrial): void {
    const wasPending = this.#pending.delete(trial.number);
    if (!this.#isBatch || !wasPending) {
      this.#searcher.tell(trial, result);
      return;
    }
    this.#told.push({ trial, result });
    if (this.#pending.size > 0 || this.#asked < this.#maxConcurrent) return;
    const told = this.#told.sort((one, other) => one.trial.number - other.trial.number);
    this.#told = [];
    this.#asked = 0;
    for (const each of told) this.#searcher.tell(each.trial, each.result);
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

  score(config: unknown): SearchScore | undefined {
    return this.#searcher.score?.(config);
  }
}

/** Trials with one config. */
interface Group {
  /** As the searcher knows it: its first trial. */
  readonly first: AskedTrial;
  readonly config: unknown;
  readonly members: number[];
  readonly told: ToldTrial[];
}

class Repeater implements Searcher {
  readonly description?: SearcherDescription;
  readonly #searcher: Searcher;
  readonly #repeat: number;
  #metrics: readonly string[] = [];
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

  setup(setup: SearcherSetup): void {
    this.#metrics = setup.metrics.map(({ name }) => name);
    this.#open = undefined;
    this.#groups.clear();
    this.#repeatIndices.clear();
    this.#searcher.setup(setup);
  }

  ask(trial: AskedTrial): unknown {
    if (this.#open === undefined) {
      const config = this.#searcher.ask(trial);
      if (config === 'wait' || config === 'done') return config;
      this.#open = { first: trial, config, members: [], told: [] };
    }
    return this.#join(this.#open, trial).config;
  }

  resume(trial: AskedTrial, config: unknown, repeatIndex: number | undefined): void {
    // Its groups are as it has made them: each begins where the one before is full.
    if (this.#open === undefined) {
      this.#open = { first: trial, config, members: [], told: [] };
      resumeWith(this.#searcher, trial, config, repeatIndex);
    }
    this.#join(this.#open, trial);
  }

  tell(trial: AskedTrial, result: ToldTrial): void {
    const group = this.#groups.get(trial.number);
    if (group === undefined) {
      this.#searcher.tell(trial, result);
      return;
    }
    this.#groups.delete(trial.number);
    group.told.push(result);
    if (group.told.length < this.#repeat) return;
    this.#searcher.tell(group.first, this.#meanOf(group));
  }

  observe(trial: AskedTrial, config: unknown): void {
    this.#searcher.observe?.(trial, config);
  }

  repeatIndexOf(number: number): number | undefined {
    return this.#repeatIndices.get(number);
  }

  score(config: unknown): SearchScore | undefined {
    return this.#searcher.score?.(config);
  }

  #join(group: Group, { number }: AskedTrial): Group {
    this.#repeatIndices.set(number, group.members.length);
    group.members.push(number);
    this.#groups.set(number, group);
    if (group.members.length === this.#repeat) this.#open = undefined;
    return group;
  }

  /** Of those that have a number. If none has, it is one of those that have failed. */
  #meanOf({ told, config }: Group): ToldTrial {
    const good = told.filter(({ status }) => status === 'TERMINATED');
    const base = good[0] ?? told[0]!;
    const means: Record<string, number> = {};
    for (const metric of this.#metrics) {
      const numbers = good
        .map(({ metrics }) => metricAt(metrics, metric))
        .filter((value): value is number => typeof value === 'number');
      if (numbers.length === 0) continue;
      means[metric] = numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
    }
    // A name with points in it wins over the nested metric of that path.
    return { ...base, config, metrics: { ...(base.metrics as Metrics), ...means } };
  }
}

/** Hands on what was asked for in an earlier process. */
export function resumeWith(
  searcher: Searcher,
  trial: AskedTrial,
  config: unknown,
  repeatIndex: number | undefined,
): void {
  if (searcher.resume !== undefined) searcher.resume(trial, config, repeatIndex);
  else searcher.observe?.(trial, config);
}

function missing(call: string, name: string): Error {
  return new InvalidArgumentError(`${call}: ${name} is missing`, { argument: name });
}
