/**
 * HyperBand: bands of brackets, each with another balance between many trials and long ones. What `hyperband` and `hyperbandForBohb`
 * share, and where these differ.
 *
 * Li et al., "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization" (2018); Ray's `HyperBandScheduler`.
 *
 * - HB-3 After every event no bracket is done and yet waits, unless it may still be filled; that one goes on when nobody runs any
 *   more. So whoever waits, waits for somebody who runs or can run: in Ray an end after the first halving leaves a bracket waiting for
 *   ever (#6780).
 * - HB-4 What the controller tells while a bracket is being halved is the consequence of that, and is not halved upon again.
 */

import { checkOptions, count, flag, text } from '../../option-checks.ts';
import { HyperbandBracket } from './hyperband-bracket.ts';
import { Objective, timeOf } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import type { Decision, ScheduledTrial, Scheduler, SchedulerControl } from './scheduler.ts';
import { trialOf } from './trial-lookup.ts';
import type { ReportedMetrics } from '../types.ts';

/** Options of {@link hyperband} and {@link hyperbandForBohb}. Times are in units of `timeAttr`. */
export interface HyperbandOptions extends ObjectiveOptions {
  /** What of a report tells how far a trial is. @default 'trainingIteration' */
  readonly timeAttr?: string | undefined;
  /** The most that a trial runs for: a whole number. @default 81 */
  readonly maxT?: number | undefined;
  /** One in so many goes on at a milestone. @default 3 */
  readonly reductionFactor?: number | undefined;
  /** Whether trials stop at `maxT`. @default true */
  readonly stopLastTrials?: boolean | undefined;
}

const CHECKS = {
  ...objectiveChecks,
  timeAttr: text,
  maxT: count(1, ''),
  reductionFactor: numberWithin({ minimum: 1.1 }),
  stopLastTrials: flag,
};

/** In what the two kinds differ. */
export interface HyperbandKind {
  readonly name: 'hyperband' | 'hyperbandForBohb';
  /** The first bracket of a band is the one with the most trials; brackets take turns in that order, not by how far they are. */
  readonly isForBohb: boolean;
}

/** @throws InvalidArgumentError */
export function makeHyperband(
  kind: HyperbandKind,
  options: HyperbandOptions | undefined,
): Scheduler {
  const call = `${kind.name}()`;
  const given = checkOptions(call, CHECKS, options);
  const objective = new Objective(call, given);
  const bands = new Bands(
    { timeAttr: 'trainingIteration', maxT: 81, reductionFactor: 3, stopLastTrials: true, ...given },
    kind,
    objective,
  );
  return {
    description: { name: kind.name, options: given },
    pauses: true,
    setup: (setup) => objective.begin(setup),
    onTrialAdd: (trial) => void bands.bracketOf(trial),
    onTrialResult: (trial, metrics, control) => bands.judge(trial, metrics, control),
    onTrialComplete: (trial, _metrics, control) => bands.remove(trial, control),
    onTrialRemove: (trial, control) => bands.remove(trial, control),
    onTrialError: (trial, control) => bands.remove(trial, control),
    chooseTrialToRun: (control) => bands.choose(control),
  };
}

interface Settings {
  readonly timeAttr: string;
  readonly maxT: number;
  readonly reductionFactor: number;
  readonly stopLastTrials: boolean;
}

class Bands {
  readonly #settings: Settings;
  readonly #kind: HyperbandKind;
  readonly #objective: Objective;
  /** How many brackets a band has. */
  readonly #bandSize: number;
  /** In each band those brackets that are not over. */
  readonly #bands: HyperbandBracket[][] = [];
  readonly #bracketOfTrial = new Map<string, HyperbandBracket>();
  /** The one that is being filled. */
  #current: HyperbandBracket | undefined;
  /** How many brackets the last band has had so far. */
  #begun: number;
  /** HB-4. */
  #halving: HyperbandBracket | undefined;

  constructor(settings: Settings, kind: HyperbandKind, objective: Objective) {
    this.#settings = settings;
    this.#kind = kind;
    this.#objective = objective;
    this.#bandSize = roundedLogarithm(settings.maxT, settings.reductionFactor) + 1;
    this.#begun = this.#bandSize;
  }

  bracketOf(trial: ScheduledTrial): HyperbandBracket {
    let bracket = this.#bracketOfTrial.get(trial.id);
    if (bracket !== undefined) return bracket;
    if (this.#current === undefined || this.#current.isFilled) this.#current = this.#nextBracket();
    bracket = this.#current;
    bracket.add(trial);
    this.#bracketOfTrial.set(trial.id, bracket);
    return bracket;
  }

  judge(trial: ScheduledTrial, metrics: ReportedMetrics, control: SchedulerControl): Decision {
    const bracket = this.bracketOf(trial);
    const time = timeOf(metrics, this.#settings.timeAttr);
    const score = this.#objective.score(metrics);
    if (time === undefined || score === undefined) return 'CONTINUE';
    // It was told to stop before.
    if (!bracket.has(trial.id)) return 'STOP';
    bracket.report(trial.id, time, score);
    if (bracket.goesOn(trial.id)) return 'CONTINUE';
    return this.#settle(bracket, trial.id, control);
  }

  remove({ id }: ScheduledTrial, control: SchedulerControl): void {
    const bracket = this.#bracketOfTrial.get(id);
    if (bracket === undefined) return;
    this.#bracketOfTrial.delete(id);
    bracket.remove(id);
    if (bracket !== this.#halving) this.#settle(bracket, undefined, control);
    this.#dropIfOver(bracket);
  }

  choose(control: SchedulerControl): string | undefined {
    const chosen = this.#runnable(control);
    if (chosen !== undefined || isAnyRunning(control)) return chosen;
    // Nobody runs and nobody can: brackets that can't be filled go on as they are.
    for (const bracket of this.#bands.flat()) this.#halve(bracket, undefined, control);
    return this.#runnable(control);
  }

  /** Of the first band in which somebody can run, from the bracket that is least far. */
  #runnable(control: SchedulerControl): string | undefined {
    for (const band of this.#bands) {
      const brackets = this.#kind.isForBohb ? band : leastCompleteFirst(band);
      for (const bracket of brackets) {
        for (const key of bracket.live) {
          const status = trialOf(control, key)?.status;
          if (status === 'PENDING' || (status === 'PAUSED' && bracket.goesOn(key.id)))
            return key.id;
        }
      }
    }
    return undefined;
  }

  #settle(
    bracket: HyperbandBracket,
    reporting: string | undefined,
    control: SchedulerControl,
  ): Decision {
    const isFilling = bracket === this.#current && !bracket.isFilled;
    return isFilling && control.hasAllTrials !== true
      ? 'PAUSE'
      : this.#halve(bracket, reporting, control);
  }

  /**
   * Goes on to the milestone that somebody has not reached yet, HB-3. Returns what becomes of the trial that has just reported: the
   * others all wait.
   */
  #halve(
    bracket: HyperbandBracket,
    reporting: string | undefined,
    control: SchedulerControl,
  ): Decision {
    let decision: Decision = 'PAUSE';
    const outer = this.#halving;
    this.#halving = bracket;
    while (!bracket.isEmpty && bracket.isDone && !bracket.runsFreely) {
      const isOver = bracket.isLast;
      // Who comes now begins in another bracket: here nothing would be left but to run to `maxT`.
      if (isOver && bracket === this.#current) this.#current = undefined;
      for (const { id } of isOver ? allOf(bracket) : bracket.halve()) {
        if (id === reporting) decision = 'STOP';
        else control.stop(id);
      }
    }
    this.#halving = outer;
    this.#dropIfOver(bracket);
    return reporting !== undefined && bracket.goesOn(reporting) ? 'CONTINUE' : decision;
  }

  /** An empty bracket is over unless it is still being filled. */
  #dropIfOver(bracket: HyperbandBracket): void {
    if (!bracket.isEmpty || bracket === this.#current) return;
    for (const [at, band] of this.#bands.entries()) {
      const place = band.indexOf(bracket);
      if (place === -1) continue;
      band.splice(place, 1);
      // The last band goes on getting brackets.
      if (band.length === 0 && at < this.#bands.length - 1) this.#bands.splice(at, 1);
      return;
    }
  }

  #nextBracket(): HyperbandBracket {
    const { maxT, reductionFactor, stopLastTrials } = this.#settings;
    const former = this.#current;
    this.#current = undefined;
    if (former !== undefined) this.#dropIfOver(former);
    for (;;) {
      if (this.#begun === this.#bandSize) {
        this.#bands.push([]);
        this.#begun = 0;
      }
      const halvings = this.#kind.isForBohb ? this.#bandSize - 1 - this.#begun : this.#begun;
      this.#begun += 1;
      const trialsPerTrial = reductionFactor ** halvings;
      const milestone = Math.floor(maxT / trialsPerTrial);
      // As in Ray, a bracket whose trials would begin with less than one unit of time is left out.
      if (milestone === 0) continue;
      const size = Math.ceil((this.#bandSize / (halvings + 1)) * trialsPerTrial);
      const shape = { size, milestone, halvings, maxT, reductionFactor, stopLastTrials };
      const bracket = new HyperbandBracket(shape);
      this.#bands.at(-1)!.push(bracket);
      return bracket;
    }
  }
}

/** Removes them all, and says who they were. */
function allOf(bracket: HyperbandBracket): { readonly id: string }[] {
  const trials = [...bracket.live];
  for (const { id } of trials) bracket.remove(id);
  return trials;
}

function leastCompleteFirst(band: readonly HyperbandBracket[]): HyperbandBracket[] {
  return [...band].sort((one, other) => one.completion - other.completion);
}

function isAnyRunning({ trials }: SchedulerControl): boolean {
  // Who runs is rather among the last ones.
  return trials.findLast(({ status }) => status === 'RUNNING') !== undefined;
}

/** The logarithm, rounded (halves to the even number), without taking one: powers of whole numbers are exact. */
function roundedLogarithm(value: number, base: number): number {
  let rounded = 0;
  // The boundary between k and k + 1 is base^(k + 1/2).
  for (let boundary = base; boundary <= value * value; boundary *= base * base) {
    if (boundary === value * value && rounded % 2 === 0) break;
    rounded += 1;
  }
  return rounded;
}
