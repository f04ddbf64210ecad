/**
 * The configs of new trials: those that users want first, then those of the searcher, in the shape of the space and within its
 * constraints.
 *
 * - PO-1 Every config meets the constraints, or an error says that none was found.
 * - PO-2 The searcher is told of each trial that begins: by its own `ask`, or by `observe` where the config is another one.
 * - PO-3 With `deterministic`, a proposal for trial k knows results and reports of trials 0 … k − m alone, and all others as pending. Where the
 *   searcher waits for more, it is told of the next ones in order, one by one, until it does not: so what it knows then, too, depends
 *   on nothing but results.
 * - PO-4 Where the searcher proposes nothing twice, what is drawn in the place of its own is new, too, if that can be found.
 * - PO-5 The repetitions of a config are that config, with what was computed for it.
 */

import { InvalidArgumentError } from '../../index.ts';
import { SpaceError } from '../errors.ts';
import { copyOfData } from '../data-copies.ts';
import { SearchEngine } from '../search/engine.ts';
import { REDRAWS_MAX } from '../search/native-searcher.ts';
import type { AskedTrial, Searcher, ToldTrial } from '../search/searcher.ts';
import { resumeWith } from '../search/wrappers.ts';
import type { ReportedMetrics } from '../types.ts';
import type { Parameter, Space, Values } from '../space/space.ts';
import { randomNumbers, seedOfDraws, trialSeed } from './seeds.ts';
import type { ControllerSetup } from './setup.ts';

/** How often a config is drawn until it meets the constraints. */
export const CONSTRAINT_DRAWS_MAX = 1_000;

/** How many configs in a row of a finite space may break them: those that meet them may be the last ones. */
export const CONSTRAINT_CONFIGS_MAX = 1_000_000;

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

/** A config with its numbers. */
interface Proposed {
  readonly config: unknown;
  readonly values: Values;
}

/** A config, or a part of one, that users want first. */
interface Point {
  readonly config: unknown;
  /** How errors name where it was given. */
  readonly given: string;
}

/** A config for a trial. */
export interface Proposal extends Proposed {
  readonly repeatIndex: number | null;
  /** It is one of those that users want first. */
  readonly isEnqueued: boolean;
}

/** See the file. */
export class Proposals {
  readonly #setup: ProposalSetup;
  readonly #points: Point[];
  /** With a lag, which is another one while trials are taken up that ran with another one: so many run at a time. */
  #lag: number | null;
  #random: SearchEngine | undefined;
  /** The last config that is to be repeated. */
  #repeated: Proposed | undefined;
  /** With a lag: what has come of trials that the searcher does not know yet, by number. */
  readonly #held = new Map<number, { readonly trial: AskedTrial; readonly result: ToldTrial }>();
  /** With a lag: the reports of trials that the searcher was not told yet, by number. */
  readonly #heldReports = new Map<number, ReportedMetrics[]>();
  /** With a lag: all trials before this one were told. */
  #told = 0;
  /** With a lag: the searcher waits for the result of this trial, and gives nothing before. */
  #waitsFor: number | undefined;

  constructor(setup: ProposalSetup) {
    this.#setup = setup;
    this.#lag = setup.lag;
    // Copies, because their owner may change them before it is their turn.
    this.#points = setup.pointsToEvaluate.map((config) => ({
      config: copyOfData(config),
      given: 'pointsToEvaluate',
    }));
  }

  /** One more config to run first. */
  enqueue(config: unknown, call: string): void {
    // Checked now, where the mistake was made.
    this.#setup.space.partialValuesOf(config, call);
    this.#points.push({ config: copyOfData(config), given: call });
  }

  /** There are configs that users want first. */
  get hasPoints(): boolean {
    return this.#points.length > 0;
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
    const lag = this.#lag;
    if (lag !== null && !this.#tellUpTo(trial.number - lag)) return 'wait';
    const point = this.#points.shift();
    if (point !== undefined) return this.#fromPoint(trial, point);
    return this.#fromSearcher(trial);
  }

  /** What came of a trial. */
  tell(trial: AskedTrial, result: ToldTrial): void {
    if (this.#setup.lag === null || trial.number < 0) this.#setup.searcher.tell(trial, result);
    else this.#held.set(trial.number, { trial, result });
  }

  /** A trial has reported all of the metrics. */
  report(trial: AskedTrial, metrics: ReportedMetrics): void {
    const { searcher, lag } = this.#setup;
    if (searcher.onResult === undefined) return;
    if (lag === null) {
      searcher.onResult(trial, metrics);
      return;
    }
    const held = this.#heldReports.get(trial.number);
    if (held === undefined) this.#heldReports.set(trial.number, [metrics]);
    else held.push(metrics);
  }

  /** Results that are known already, in their order: before all trials. */
  tellKnown(results: ControllerSetup['knownResults']): void {
    for (const [index, { config, metrics }] of results.entries()) {
      this.tell(
        { number: index - results.length, id: `known-${index}` },
        { config, metrics, status: 'TERMINATED', stopReason: 'finished' },
      );
    }
  }

  /** A trial with a config of somebody else. */
  observe(trial: AskedTrial, config: unknown): void {
    this.#setup.searcher.observe?.(trial, config);
  }

  /** With `deterministic`: the trials that are taken up next have run so many at a time. */
  resumeLag(lag: number): void {
    if (this.#lag !== null) this.#lag = lag;
  }

  /** All trials of earlier processes were taken up. */
  endResuming(): void {
    this.#lag = this.#setup.lag;
  }

  /**
   * A trial for which an earlier process has asked the searcher. It knows now what it knew then (PO-3).
   *
   * @returns its config: one that is repeated is the same (PO-5)
   */
  resume(trial: AskedTrial, proposed: Proposed, repeatIndex: number | null): unknown {
    const { config } = this.#repetition(proposed.values, repeatIndex) ?? proposed;
    if (repeatIndex === 0) this.#repeated = proposed;
    this.#resume(trial, config, repeatIndex ?? undefined);
    return config;
  }

  #resume(trial: AskedTrial, config: unknown, repeatIndex: number | undefined): void {
    const { searcher } = this.#setup;
    const lag = this.#lag;
    if (lag !== null) this.#tellUpTo(trial.number - lag);
    while (resumeWith(searcher, trial, config, repeatIndex) === 'wait') {
      if (lag !== null && this.#tellNext()) continue;
      // It has begun all the same: nobody can say why any more.
      searcher.observe?.(trial, config);
      return;
    }
  }

  #tellUpTo(last: number): boolean {
    while (this.#told <= last) if (!this.#tellNext()) return false;
    return true;
  }

  /** False if the next one in order has not ended. */
  #tellNext(): boolean {
    const held = this.#held.get(this.#told);
    if (held === undefined) return false;
    this.#held.delete(this.#told);
    this.#told++;
    const { trial, result } = held;
    for (const metrics of this.#heldReports.get(trial.number) ?? []) {
      this.#setup.searcher.onResult?.(trial, metrics);
    }
    this.#heldReports.delete(trial.number);
    this.#setup.searcher.tell(trial, result);
    return true;
  }

  /** PO-3. */
  #ask(trial: AskedTrial): unknown {
    if (this.#setup.lag === null) return this.#setup.searcher.ask(trial);
    // Asked once for each result: how often somebody looks is a matter of time.
    if (this.#waitsFor === this.#told && !this.#tellNext()) return 'wait';
    for (;;) {
      const answer = this.#setup.searcher.ask(trial);
      this.#waitsFor = answer === 'wait' ? this.#told : undefined;
      if (answer !== 'wait' || !this.#tellNext()) return answer;
    }
  }

  #fromPoint(trial: AskedTrial, point: Point): Proposal {
    const { space, searcher } = this.#setup;
    const given = space.partialValuesOf(point.config, point.given);
    const isOpen = given.includes(undefined);
    for (let draw = 0; draw < CONSTRAINT_DRAWS_MAX; draw++) {
      const values = this.#completed(trial.number, draw, given);
      const config = this.#build(trial.number, values);
      if (this.#meets(config)) {
        searcher.observe?.(trial, config);
        return { config, values, repeatIndex: null, isEnqueued: true };
      }
      if (!isOpen) break;
    }
    throw new SpaceError(
      `${point.given}: ${JSON.stringify(point.config)} breaks parameterConstraints, however it is completed`,
    );
  }

  /** What a point leaves open is random, in branches that it has chosen as well. */
  #completed(number: number, draw: number, given: readonly (number | undefined)[]): number[] {
    const drawn = given.includes(undefined) ? this.#drawAll(number, draw) : [];
    const values = given.map((value, index) => value ?? drawn[index]!);
    this.#setup.space.prune(values);
    return values;
  }

  #fromSearcher(trial: AskedTrial): Proposal | 'wait' | 'done' {
    const { searcher } = this.#setup;
    let redraws = 0;
    /** It was tried before, and is taken if no other one is found. */
    let known: Proposed | undefined;
    const isExhaustive = searcher.isExhaustive === true;
    const drawsMax = isExhaustive ? CONSTRAINT_CONFIGS_MAX : CONSTRAINT_DRAWS_MAX;
    for (let draw = 0; draw < drawsMax && redraws < REDRAWS_MAX; draw++) {
      const isOwn = draw === 0 || isExhaustive;
      const answer = isOwn ? this.#ask(trial) : undefined;
      if (answer === 'wait' || answer === 'done') return answer;
      const values = isOwn ? this.#valuesOf(answer) : this.#draw(trial.number, draw);
      const again = isOwn ? this.#repetition(values, this.#repeatIndexOf(trial)) : undefined;
      if (again !== undefined) return this.#proposed(trial, again);
      const config = this.#build(trial.number, values);
      if (!this.#meets(config)) continue;
      if (isOwn) return this.#proposed(trial, { config, values });
      if (searcher.hasTried?.(config) !== true) return this.#instead(trial, { config, values });
      known ??= { config, values };
      redraws++;
    }
    if (known !== undefined) return this.#instead(trial, known);
    throw new SpaceError(
      `none of ${drawsMax.toLocaleString('en')} configs met parameterConstraints; make the space narrower, or the constraints wider`,
    );
  }

  /** A config that the searcher has not given. */
  #instead(trial: AskedTrial, proposal: Proposed): Proposal {
    this.#setup.searcher.observe?.(trial, proposal.config);
    return this.#proposed(trial, proposal);
  }

  #proposed(trial: AskedTrial, proposal: Proposed): Proposal {
    const repeatIndex = this.#repeatIndexOf(trial);
    if (repeatIndex === 0) this.#repeated = proposal;
    return { ...proposal, repeatIndex, isEnqueued: false };
  }

  #repeatIndexOf({ number }: AskedTrial): number | null {
    return this.#setup.searcher.repeatIndexOf?.(number) ?? null;
  }

  /** The config that a trial repeats, which meets the constraints (PO-5); undefined if it repeats none. */
  #repetition(values: Values, repeatIndex: number | null): Proposed | undefined {
    const repeated = this.#repeated;
    if (repeatIndex === null || repeatIndex === 0 || repeated === undefined) return undefined;
    const isSame = values.every((value, index) => Object.is(value, repeated.values[index]));
    return isSame ? repeated : undefined;
  }

  #valuesOf(config: unknown): number[] {
    return this.#setup.space.valuesOfAnswer(config, 'the searcher');
  }

  #draw(number: number, draw: number): number[] {
    const values = this.#drawAll(number, draw);
    this.#setup.space.prune(values);
    return values;
  }

  /** Also of what is in branches that are not chosen. */
  #drawAll(number: number, draw: number): number[] {
    const { space, seed } = this.#setup;
    this.#random ??= new SearchEngine(
      space.parameters.map(alwaysThere),
      { name: 'random' },
      0,
      seedOfDraws(seed),
    );
    return this.#random.sample(number, draw);
  }

  #build(number: number, values: Values): unknown {
    const { space, seed } = this.#setup;
    return space.build(values, randomNumbers(trialSeed(seed, number)));
  }

  #meets(config: unknown): boolean {
    return this.#setup.parameterConstraints.every((constraint, index) => {
      // A copy: what it does with it is its own affair.
      const answer: unknown = constraint(copyOfData(config) as never);
      if (typeof answer === 'boolean') return answer;
      // The promise of an async function says nothing here; nor does what it is rejected with, beside the error about it.
      if (answer instanceof Promise) answer.catch(() => undefined);
      const what = answer instanceof Promise ? 'a promise' : typeof answer;
      throw new InvalidArgumentError(
        `parameterConstraints: the function at place ${index} returned ${what}; allowed: true and false, at once`,
        { argument: 'parameterConstraints', value: answer },
      );
    });
  }
}

function alwaysThere(parameter: Parameter): Parameter {
  return { ...parameter, condition: null };
}
