/**
 * The search algorithms of the native module, for one space: numbers in, numbers out.
 *
 * - SG-1 Objectives are the better the less they are.
 * - SG-2 A result that is no finite number counts as the worst that was told, at any time: also as one that is told later. So what the
 *   native module is asked does not depend on the order in which trials were told.
 * - SG-3 Results that were known before have numbers below 0, the first one the least, and come before all others. The native module
 *   counts from 0, so all numbers are moved by as many as those are.
 */

import { type NativeSearch, native } from '../../native.ts';
import type { Parameter, Values } from '../space/space.ts';

/** How a trial has ended, by the numbers of the native module. */
export const TrialState = { complete: 1, pruned: 2, failed: 3 } as const;
export type TrialState = (typeof TrialState)[keyof typeof TrialState];

/** An algorithm by its name, with its options. */
export interface SearchAlgorithm {
  readonly name: 'random' | 'grid' | 'sobol' | 'halton' | 'tpe' | 'cmaes' | 'nsga2' | 'gp' | 'bohb';
  readonly [option: string]: string | number | boolean | readonly number[] | undefined;
}

/** What came of a trial. */
export interface Outcome {
  readonly state: TrialState;
  readonly objectives: readonly number[];
  /** How long it has run, in reports. */
  readonly lastStep: number;
  readonly violation: number;
}

/** What a searcher thinks of values. */
export interface EngineScore {
  readonly acquisition: number;
  readonly parts: readonly { readonly name: string; readonly value: number }[];
}

/** See the file. */
export class SearchEngine {
  readonly #native: NativeSearch;
  readonly #target: Float64Array;
  /** SG-3. */
  #moved = 0;
  /** By metric: the worst finite objective so far. */
  readonly #worst: number[];
  /** Those of which an objective is no finite number: SG-2. */
  readonly #unbounded = new Map<number, Outcome>();
  /** The native module has those with an earlier worst: it need not know of each that there is until it is asked. */
  #isStale = false;

  constructor(
    parameters: readonly Parameter[],
    algorithm: SearchAlgorithm,
    metrics: number,
    seed: number,
  ) {
    this.#target = new Float64Array(parameters.length);
    this.#worst = new Array<number>(metrics).fill(-Infinity);
    const parents = new Set(parameters.map(({ condition }) => condition?.parameter));
    this.#native = new (native().SearchEngine)(
      parameters.map((parameter, index) => nativeParameter(parameter, parents.has(index))),
      algorithm,
      metrics,
      seed,
    );
  }

  ask(number: number): number[] | 'wait' | 'done' {
    this.#tellUnboundedAgain();
    const answer = this.#native.ask(this.#place(number), this.#target);
    if (answer === 0) return [...this.#target];
    return answer === 1 ? 'wait' : 'done';
  }

  /** Random values for a trial, others for each attempt. */
  sample(number: number, attempt: number): number[] {
    this.#native.sample(this.#place(number), attempt, this.#target);
    return [...this.#target];
  }

  begin(number: number, values: Values): void {
    this.#moved = Math.max(this.#moved, -number);
    this.#unbounded.delete(number);
    this.#native.begin(this.#place(number), Float64Array.from(values));
  }

  end(number: number, outcome: Outcome): void {
    if (outcome.state !== TrialState.failed) {
      for (const [metric, objective] of outcome.objectives.entries()) {
        if (!Number.isFinite(objective) || objective <= this.#worst[metric]!) continue;
        this.#worst[metric] = objective;
        this.#isStale = true;
      }
      if (!outcome.objectives.every(Number.isFinite)) this.#unbounded.set(number, outcome);
    }
    this.#native.end(...this.#told(number, outcome));
  }

  /** A trial that runs has got to a step. */
  report(number: number, step: number, objective: number): void {
    if (Number.isFinite(objective)) this.#native.report(this.#place(number), step, objective);
  }

  /** How much of the first metric depends on each parameter; NaN where nothing can be said. */
  importances(evaluator: 'pedAnova' | 'fanova'): number[] {
    this.#tellUnboundedAgain();
    return this.#native.importances(evaluator);
  }

  forget(number: number): void {
    this.#unbounded.delete(number);
    this.#native.forget(this.#place(number));
  }

  score(values: Values): EngineScore | undefined {
    this.#tellUnboundedAgain();
    return this.#native.score(Float64Array.from(values)) ?? undefined;
  }

  #place(number: number): number {
    return number + this.#moved;
  }

  /** An outcome as the native module takes it: SG-2. */
  #told(
    number: number,
    { state, objectives, lastStep, violation }: Outcome,
  ): [number, TrialState, number[], number, number] {
    const bounded = objectives.map((objective, metric) =>
      Number.isFinite(objective) ? objective : this.#worst[metric]!,
    );
    // Nobody can say how bad it is before there is a number to compare with.
    const known = bounded.every(Number.isFinite) ? state : TrialState.failed;
    return [this.#place(number), known, bounded, lastStep, violation];
  }

  #tellUnboundedAgain(): void {
    if (!this.#isStale) return;
    this.#isStale = false;
    for (const [number, outcome] of this.#unbounded) {
      this.#native.end(...this.#told(number, outcome));
    }
  }
}

function nativeParameter({ range, condition }: Parameter, hasBranches: boolean): object {
  const nothing = {
    low: 0,
    high: 0,
    first: 0,
    last: 0,
    step: 0,
    digits: 0,
    isLog: false,
    mean: 0,
    sd: 0,
    count: 0,
    conditionParameter: condition?.parameter ?? -1,
    conditionChoice: condition?.choice ?? 0,
  };
  switch (range.form) {
    case 'float':
    case 'multiples':
      return { ...nothing, ...range };
    case 'normal':
      return {
        ...nothing,
        form: 'normal',
        mean: range.mean,
        sd: range.sd,
        step: range.step ?? 0,
      };
    case 'choice':
      // What has branches is a choice among them, in whatever order they stand.
      return range.isOrdered && !hasBranches
        ? { ...nothing, form: 'multiples', last: range.count - 1, step: 1 }
        : { ...nothing, form: 'choice', count: range.count };
  }
}
