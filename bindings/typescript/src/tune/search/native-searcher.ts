/**
 * Searchers whose algorithm is in the native module: what they do with configs and metrics.
 *
 * - NS-1 What `ask` gives depends on the seed, the trial's number, the results that were told and which trials are pending.
 * - NS-2 It has all configs in its history that it was told of, also those that somebody else chose.
 * - NS-3 One that is taken up proposes what it would have without the restore: its random numbers go by seed and number, so it is enough
 *   to begin with what was recorded, and to propose again where the algorithm remembers what it has proposed.
 */

import { InvalidArgumentError, NotSupportedError } from '../../index.ts';
import { metricAt } from '../metrics.ts';
import type { ReportedMetrics } from '../types.ts';
import { spaceOf } from '../space/descriptions.ts';
import { multipleOf } from '../space/domain.ts';
import type { ParameterDescription } from '../space/parameter.ts';
import type { Parameter, Space, Values } from '../space/space.ts';
import { type Outcome, type SearchAlgorithm, SearchEngine, TrialState } from './engine.ts';
import type {
  AskedTrial,
  SearchScore,
  Searcher,
  SearcherDescription,
  SearcherSetup,
  ToldTrial,
} from './searcher.ts';

/** How often a config that was tried before is replaced by a random one, at most. */
export const REDRAWS_MAX = 100;

/** Above the numbers of all trials, so that other proposals are drawn with random numbers of their own. */
const OTHER_PROPOSAL = 2 ** 40;

/** How a native searcher works, beyond its algorithm. */
export interface NativeSearcherOptions {
  /** What it was made with. */
  readonly given: Readonly<Record<string, unknown>>;
  /** For messages: the function that users call. */
  readonly name: string;
  /** The options as the native module has them, once the parameters are known. */
  readonly algorithm: (parameters: readonly Parameter[], metrics: number) => SearchAlgorithm;
  /** Undefined: that of the experiment. */
  readonly seed: number | undefined;
  /** How many metrics it takes: 0 for none, 1 for one, Infinity for several. */
  readonly metricsMax: 0 | 1 | typeof Infinity;
  readonly skipDuplicates: boolean;
  /**
   * So often another proposal is asked for where one was tried before, and only then values are random. For algorithms that draw a
   * proposal by its number alone, and remember none. @default 0
   */
  readonly proposalsMore?: number;
  /** Its proposals depend on what was told. */
  readonly isAdaptive: boolean;
  /** It has opinions about configs. */
  readonly hasScores: boolean;
  /** It learns from reports of trials that run, and not from their ends alone. */
  readonly learnsFromReports?: boolean | undefined;
  /**
   * It learns from its own proposals alone, so it has to make those of an earlier process again: that is as dear as asking.
   * @default false
   */
  readonly remembersProposals?: boolean;
  /** Its proposals are a sequence, which goes by how many trials were asked for. @default false */
  readonly isSequence?: boolean;
}

/** See the file. */
export class NativeSearcher implements Searcher {
  readonly description: SearcherDescription;
  readonly isAdaptive: boolean;
  readonly #options: NativeSearcherOptions;
  #metrics: SearcherSetup['metrics'] = [];
  #prepared: { readonly space: Space; readonly engine: SearchEngine } | undefined;
  /** By number: those that have begun and not ended. */
  readonly #open = new Map<number, Values>();
  /** How often each config was begun, where duplicates are skipped. */
  readonly #tried = new Map<string, number>();

  constructor(options: NativeSearcherOptions) {
    this.#options = options;
    this.description = { name: options.name, options: options.given };
    this.isAdaptive = options.isAdaptive;
  }

  setup({ parameters, metrics, seed }: SearcherSetup): void {
    const { name, metricsMax, algorithm } = this.#options;
    refuseGrid(parameters, name);
    if (metricsMax > 0) checkMetrics(metrics, name, metricsMax);
    const space = spaceOf(parameters, `${name}()`);
    this.#metrics = metricsMax > 0 ? metrics : [];
    this.#open.clear();
    this.#tried.clear();
    const engine = new SearchEngine(
      space.parameters,
      algorithm(space.parameters, metrics.length),
      this.#metrics.length,
      this.#options.seed ?? seed,
    );
    this.#prepared = { space, engine };
  }

  ask({ number, place = number }: AskedTrial): unknown {
    const { space, engine } = this.#ready();
    const proposed = engine.ask(this.#options.isSequence === true ? place : number);
    if (typeof proposed === 'string') return proposed;
    const values = roundedAsBuilt(
      space.parameters,
      this.#options.skipDuplicates ? this.#withoutDuplicate(number, proposed) : proposed,
    );
    this.#begin(number, values);
    return space.build(values, null);
  }

  observe({ number }: AskedTrial, config: unknown): void {
    this.#close(number);
    this.#begin(number, this.#valuesOf(config));
  }

  resume(trial: AskedTrial, config: unknown): undefined {
    // What it proposes may be something else now, as of another version: it is as if the config were somebody else's, then.
    if (this.#options.remembersProposals === true) this.#ready().engine.ask(trial.number);
    this.observe(trial, config);
  }

  tell(trial: AskedTrial, result: ToldTrial): void {
    // What was known before, one that learns nothing need not know: its numbers are places in a sequence.
    if (trial.number < 0 && !this.isAdaptive) return;
    if (!this.#open.has(trial.number)) this.observe(trial, result.config);
    this.#open.delete(trial.number);
    this.#ready().engine.end(trial.number, this.#outcomeOf(result));
  }

  onResult({ number }: AskedTrial, metrics: ReportedMetrics): void {
    if (this.#options.learnsFromReports !== true) return;
    const { name, mode } = this.#metrics[0]!;
    const value = metricAt(metrics, name);
    if (typeof value !== 'number') return;
    const { engine } = this.#ready();
    engine.report(number, metrics.trainingIteration, mode === 'min' ? value : -value);
  }

  hasTried(config: unknown): boolean {
    return this.#options.skipDuplicates && this.#tried.has(this.#valuesOf(config).join());
  }

  score(config: unknown): SearchScore | undefined {
    const { hasScores, name } = this.#options;
    if (!hasScores) {
      throw new NotSupportedError(`${name}() has no opinion about configs`, { feature: 'score' });
    }
    const score = this.#ready().engine.score(this.#valuesOf(config));
    if (score === undefined) return undefined;
    const isTurned = this.#metrics[0]?.mode === 'max';
    const parts = score.parts.map(({ name: part, value }) => [
      part,
      // The native module knows the metric as one that is the better the less.
      part === 'mean' && isTurned ? -value : value,
    ]);
    return { acquisition: score.acquisition, ...Object.fromEntries(parts) };
  }

  #ready(): { readonly space: Space; readonly engine: SearchEngine } {
    if (this.#prepared === undefined) {
      throw new InvalidArgumentError(`${this.#options.name}(): setup() has to be called first`);
    }
    return this.#prepared;
  }

  #valuesOf(config: unknown): number[] {
    return this.#ready().space.valuesWithin(config, `${this.#options.name}()`);
  }

  #begin(number: number, values: Values): void {
    this.#open.set(number, values);
    this.#ready().engine.begin(number, values);
    if (!this.#options.skipDuplicates) return;
    const key = values.join();
    this.#tried.set(key, (this.#tried.get(key) ?? 0) + 1);
  }

  /** What was proposed for a trial was not taken after all. */
  #close(number: number): void {
    const values = this.#open.get(number);
    this.#open.delete(number);
    if (values === undefined || !this.#options.skipDuplicates) return;
    const key = values.join();
    const times = this.#tried.get(key)! - 1;
    if (times === 0) this.#tried.delete(key);
    else this.#tried.set(key, times);
  }

  #withoutDuplicate(number: number, proposed: number[]): number[] {
    let values = proposed;
    const isTried = (): boolean => this.#tried.has(values.join());
    const more = this.#options.proposalsMore ?? 0;
    for (let attempt = 1; attempt <= more && isTried(); attempt++) {
      const other = this.#ready().engine.ask(number + attempt * OTHER_PROPOSAL);
      if (typeof other !== 'string') values = other;
    }
    for (let redraw = 0; redraw < REDRAWS_MAX && isTried(); redraw++) {
      values = this.#ready().engine.sample(number, redraw);
    }
    return values;
  }

  #outcomeOf({ status, metrics, stopReason, violation }: ToldTrial): Outcome {
    const objectives = this.#metrics.map(({ name, mode }) => {
      const value = metricAt(metrics, name);
      return typeof value === 'number' ? (mode === 'min' ? value : -value) : undefined;
    });
    const lastStep = typeof metrics.trainingIteration === 'number' ? metrics.trainingIteration : 1;
    if (status !== 'TERMINATED' || objectives.includes(undefined)) {
      return { state: TrialState.failed, objectives: [], lastStep, violation: 0 };
    }
    return {
      state: stopReason === 'scheduler' ? TrialState.pruned : TrialState.complete,
      objectives: objectives as number[],
      lastStep,
      violation: violation ?? 0,
    };
  }
}

/** The algorithms know nothing of the steps of normal values: what they learn from is what the config has. */
function roundedAsBuilt(parameters: readonly Parameter[], values: Values): Values {
  if (!parameters.some(({ kind }) => kind === 'qrandn')) return values;
  return values.map((value, index) => {
    const { range } = parameters[index]!;
    if (range.form !== 'normal' || range.step === null || Number.isNaN(value)) return value;
    return multipleOf(Math.round(value / range.step), range.step);
  });
}

/** @throws InvalidArgumentError for spaces that only `basicVariant` can search */
export function refuseGrid(parameters: readonly ParameterDescription[], name: string): void {
  const grid = parameters.find(({ kind }) => kind === 'gridSearch');
  if (grid === undefined) return;
  throw new InvalidArgumentError(
    `${name}() can't be used with gridSearch() (at ${grid.name}); use choice(), or basicVariant() as the searcher`,
    { argument: 'search' },
  );
}

function checkMetrics(metrics: SearcherSetup['metrics'], name: string, metricsMax: number): void {
  if (metrics.length === 0) {
    throw new InvalidArgumentError(`${name}() needs a metric to learn from; give metric and mode`, {
      argument: 'metric',
    });
  }
  if (metrics.length <= metricsMax) return;
  throw new InvalidArgumentError(
    `${name}() takes one metric, and there are ${metrics.length}; use nsga2() or tpe() for several`,
    { argument: 'metric', value: metrics.map((metric) => metric.name) },
  );
}
