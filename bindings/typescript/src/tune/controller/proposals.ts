/**
 * The configs of new trials: those that users want first, then those of the searcher, in the shape of the space and within its
 * constraints.
 *
 * - PO-1 Every config meets the constraints, or an error says that none was found.
 * - PO-2 The searcher is told of each trial that begins: by its own `ask`, or by `observe` where the config is another one.
 * - PO-3 With `deterministic`, a proposal for trial k knows the results of trials 0 … k − m alone, and all others as pending.
 */

import { SpaceError } from '../errors.ts';
import { SearchEngine } from '../search/engine.ts';
import type { AskedTrial, Searcher, ToldTrial } from '../search/searcher.ts';
import { resumeWith } from '../search/wrappers.ts';
import type { Space, Values } from '../space/space.ts';
import { randomNumbers, trialSeed } from './seeds.ts';

/** How often a config is drawn until it meets the constraints. */
export const CONSTRAINT_DRAWS_MAX = 1_000;

/** What proposals are made from. */
export interface ProposalSetup {
  readonly space: Space;
  readonly searcher: Searcher;
  readonly seed: number;
  /** Partial configs to run first. */
  readonly pointsToEvaluate: readonly unknown[];
  readonly parameterConstraints: readonly ((config: never) => boolean)[];
  /** With `deterministic`: so many trials run at a time. Null: results count as soon as they are there. */
  readonly lag: number | null;
}

/** A config for a trial. */
export interface Proposal {
  readonly config: unknown;
  readonly values: Values;
  readonly repeatIndex: number | null;
}

/** See the file. */
export class Proposals {
  readonly #setup: ProposalSetup;
  readonly #points: unknown[];
  #random: SearchEngine | undefined;
  /** With a lag: what has come of trials that the searcher does not know yet, by number. */
  readonly #held = new Map<number, { readonly trial: AskedTrial; readonly result: ToldTrial }>();
  /** With a lag: all trials before this one were told. */
  #told = 0;

  constructor(setup: ProposalSetup) {
    this.#setup = setup;
    this.#points = [...setup.pointsToEvaluate];
  }

  /** One more config to run first. */
  enqueue(config: unknown, call: string): void {
    // Checked now, where the mistake was made.
    this.#setup.space.partialValuesOf(config, call);
    this.#points.push(config);
  }

  /** Points that an earlier process has run already. */
  skipPoints(count: number): void {
    this.#points.splice(0, count);
  }

  /**
   * The config for a trial; `'wait'`: not before further trials have ended; `'done'`: there are no more.
   *
   * @throws SpaceError if no config meets the constraints
   * @throws InvalidArgumentError if the searcher gives a config outside of the space
   */
  next(trial: AskedTrial): Proposal | 'wait' | 'done' {
    const { lag } = this.#setup;
    if (lag !== null && !this.#tellUpTo(trial.number - lag)) return 'wait';
    if (this.#points.length > 0) return this.#fromPoint(trial, this.#points.shift());
    return this.#fromSearcher(trial);
  }

  /** What came of a trial. */
  tell(trial: AskedTrial, result: ToldTrial): void {
    if (this.#setup.lag === null || trial.number < 0) this.#setup.searcher.tell(trial, result);
    else this.#held.set(trial.number, { trial, result });
  }

  /** A trial with a config of somebody else. */
  observe(trial: AskedTrial, config: unknown): void {
    this.#setup.searcher.observe?.(trial, config);
  }

  /** A trial for which an earlier process has asked the searcher. */
  resume(trial: AskedTrial, config: unknown, repeatIndex: number | undefined): void {
    resumeWith(this.#setup.searcher, trial, config, repeatIndex);
  }

  #tellUpTo(last: number): boolean {
    while (this.#told <= last) {
      const held = this.#held.get(this.#told);
      if (held === undefined) return false;
      this.#held.delete(this.#told);
      this.#setup.searcher.tell(held.trial, held.result);
      this.#told++;
    }
    return true;
  }

  #fromPoint(trial: AskedTrial, point: unknown): Proposal {
    const { space, searcher } = this.#setup;
    const given = space.partialValuesOf(point, 'pointsToEvaluate');
    const isOpen = given.includes(undefined);
    for (let draw = 0; draw < CONSTRAINT_DRAWS_MAX; draw++) {
      const values = this.#completed(trial.number, draw, given);
      const config = this.#build(trial.number, values);
      if (this.#meets(config)) {
        searcher.observe?.(trial, config);
        return { config, values, repeatIndex: null };
      }
      if (!isOpen) break;
    }
    throw new SpaceError(
      `pointsToEvaluate: ${JSON.stringify(point)} breaks parameterConstraints, however it is completed`,
    );
  }

  /** What a point leaves open is random. */
  #completed(number: number, draw: number, given: readonly (number | undefined)[]): number[] {
    const drawn = given.includes(undefined) ? this.#draw(number, draw) : [];
    const values = given.map((value, index) => value ?? drawn[index]!);
    // In a branch that a point has chosen, what it leaves open exists, whatever was drawn for the branch.
    for (const [index, value] of values.entries()) {
      if (Number.isNaN(value) && given[index] === undefined) values[index] = this.#middle(index);
    }
    this.#setup.space.prune(values);
    return values;
  }

  /** A value of a parameter that was drawn not to exist. */
  #middle(index: number): number {
    const { range } = this.#setup.space.parameters[index]!;
    switch (range.form) {
      case 'float':
        return range.isLog ? Math.sqrt(range.low * range.high) : (range.low + range.high) / 2;
      case 'multiples':
        return Number(
          (Math.round((range.first + range.last) / 2) * range.step).toFixed(
            Math.min(range.digits, 100),
          ),
        );
      case 'normal':
        return range.mean;
      case 'choice':
        return 0;
    }
  }

  #fromSearcher(trial: AskedTrial): Proposal | 'wait' | 'done' {
    const { searcher } = this.#setup;
    for (let draw = 0; draw < CONSTRAINT_DRAWS_MAX; draw++) {
      const isOwn = draw === 0 || searcher.isExhaustive === true;
      const answer = isOwn ? searcher.ask(trial) : undefined;
      if (answer === 'wait' || answer === 'done') return answer;
      const values = isOwn ? this.#valuesOf(answer) : this.#draw(trial.number, draw);
      const config = this.#build(trial.number, values);
      if (!this.#meets(config)) continue;
      if (!isOwn) searcher.observe?.(trial, config);
      const repeatIndex = searcher.repeatIndexOf?.(trial.number) ?? null;
      return { config, values, repeatIndex };
    }
    throw new SpaceError(
      `none of ${CONSTRAINT_DRAWS_MAX} configs met parameterConstraints; make the space narrower, or the constraints wider`,
    );
  }

  #valuesOf(config: unknown): number[] {
    return this.#setup.space.valuesWithin(config, 'the searcher');
  }

  #draw(number: number, draw: number): number[] {
    const { space, seed } = this.#setup;
    this.#random ??= new SearchEngine(space.parameters, { name: 'random' }, 0, seed);
    return this.#random.sample(number, draw);
  }

  #build(number: number, values: Values): unknown {
    const { space, seed } = this.#setup;
    return space.build(values, randomNumbers(trialSeed(seed, number)));
  }

  #meets(config: unknown): boolean {
    return this.#setup.parameterConstraints.every((constraint) => constraint(config as never));
  }
}
