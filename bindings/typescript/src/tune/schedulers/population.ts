/**
 * A population of trials: from time to time the worse ones go on from the states of better ones, with changed configs. What `pbt` and
 * `pb2` share; how a config is changed is up to an {@link Explorer}.
 *
 * - PB-1 A trial is looked at when `perturbationInterval` has passed since it was last: only then its score and time are noted.
 * - PB-2 The lower quantile takes over states of the upper one; both have ⌈n · fraction⌉ of the n trials that have a score and have
 *   not ended, at most half of them. With the state it takes over how far the other one is.
 * - PB-3 Synchronous: trials wait until all that have not ended have come to the next perturbation, also when that is because one has
 *   ended, and when all have passed it at once. (In Ray they wait for ever then.)
 * - PB-4 Who is least far runs next; of several, who was looked at longest ago. (In Ray the lower number: one that fails again and
 *   again to become better than another one keeps that one from running.)
 */

import { InvalidArgumentError } from '../../index.ts';
import { callback, flag, isRecord, text } from '../../option-checks.ts';
import type { Checked } from '../../option-checks.ts';
import { numberWithin } from '../option-values.ts';
import type { ReportedMetrics } from '../types.ts';
import { timeOf } from './objective.ts';
import type { Objective, ObjectiveOptions } from './objective.ts';
import { ascending } from './order-statistics.ts';
import { RandomSource } from './random.ts';
import type { Decision, ScheduledTrial, Scheduler, SchedulerControl } from './scheduler.ts';
import { isWaiting, trialOf } from './trial-lookup.ts';
import type { TrialKey } from './trial-lookup.ts';

/** The options that `pbt` and `pb2` share. Times are in units of `timeAttr`. */
export interface PopulationOptions extends ObjectiveOptions {
  /** What of a report tells how far a trial is. @default 'timeTotalMs' */
  readonly timeAttr?: string | undefined;
  /** How often a trial is looked at. @default 60000 */
  readonly perturbationInterval?: number | undefined;
  /** How large the lower and the upper quantile are: 0 to 0.5. @default 0.25 */
  readonly quantileFraction?: number | undefined;
  /** Gets each changed config, and returns the one to be taken. */
  readonly customExploreFn?: ((config: Record<string, unknown>) => unknown) | undefined;
  /** Whether `pbt_policy_<id>.txt` is written. @default true */
  readonly logConfig?: boolean | undefined;
  /** Whether all trials wait for each other at each perturbation. @default false */
  readonly synch?: boolean | undefined;
}

/** How they are checked. */
export const populationChecks = {
  timeAttr: text,
  perturbationInterval: numberWithin({ above: 0 }),
  quantileFraction: numberWithin({ minimum: 0, maximum: 0.5 }),
  customExploreFn: callback,
  logConfig: flag,
  synch: flag,
};

type GivenOptions = Checked<typeof populationChecks> & { readonly burnInPeriod?: number };

/** A trial is about to take over another one's state. */
export interface Takeover {
  readonly trial: TrialKey;
  readonly source: TrialKey;
  readonly sourceConfig: unknown;
}

/** How configs come about. */
export interface Explorer {
  /** The config with a value for each hyperparameter that it lacks; undefined if it has them all. */
  filled(config: unknown, random: RandomSource): Record<string, unknown> | undefined;
  /** A trial was looked at. */
  look?(trial: ScheduledTrial, time: number, score: number): void;
  /** A config for who takes over a state. `taken` is called if it does: without a checkpoint it can't. */
  explored(
    takeover: Takeover,
    random: RandomSource,
  ): { readonly config: Record<string, unknown>; readonly taken?: () => void };
}

/** The scheduler of a population; `name` is that of the function that users call. */
export function populationScheduler(
  name: 'pbt' | 'pb2',
  given: GivenOptions,
  objective: Objective,
  explorer: Explorer,
): Scheduler {
  const population = new Population(
    {
      call: `${name}()`,
      timeAttr: 'timeTotalMs',
      perturbationInterval: 60_000,
      burnInPeriod: 0,
      quantileFraction: 0.25,
      synch: false,
      customExploreFn: undefined,
      ...given,
    },
    objective,
    explorer,
  );
  return {
    description: { name, options: given },
    pauses: true,
    needsAllTrials: true,
    choosesConfigs: true,
    logsPolicies: given.logConfig ?? true,
    setup: (setup) => population.begin(setup),
    onTrialAdd: (trial, control) => population.add(trial, control),
    onTrialResult: (trial, metrics, control) => population.judge(trial, metrics, control),
    onTrialComplete: (trial, _metrics, control) => population.end(trial, control),
    onTrialRemove: (trial, control) => population.end(trial, control),
    onTrialError: (trial, control) => population.end(trial, control),
    chooseTrialToRun: (control) => population.choose(control),
  };
}

interface Settings {
  readonly call: string;
  readonly timeAttr: string;
  readonly perturbationInterval: number;
  readonly burnInPeriod: number;
  readonly quantileFraction: number;
  readonly synch: boolean;
  readonly customExploreFn: PopulationOptions['customExploreFn'] | undefined;
}

interface Member extends TrialKey {
  /** When it was last looked at; undefined before. */
  score: number | undefined;
  /** How far it was then. */
  trainTime: number;
  perturbationTime: number;
  /** The how many-th look at any trial that was; 0 before. */
  lookedAt: number;
  hasEnded: boolean;
}

interface Quantiles {
  readonly lower: readonly Member[];
  readonly upper: readonly Member[];
}

class Population {
  readonly #settings: Settings;
  readonly #objective: Objective;
  readonly #explorer: Explorer;
  readonly #members = new Map<string, Member>();
  /** Synchronous: the time that all have to reach. */
  #nextPerturbation: number;
  #looks = 0;
  #random: RandomSource;

  constructor(settings: Settings, objective: Objective, explorer: Explorer) {
    this.#settings = settings;
    this.#objective = objective;
    this.#explorer = explorer;
    this.#random = new RandomSource(objective.seed);
    this.#nextPerturbation = Math.max(settings.perturbationInterval, settings.burnInPeriod);
  }

  begin(setup: Parameters<Objective['begin']>[0]): void {
    this.#objective.begin(setup);
    this.#random = new RandomSource(this.#objective.seed);
  }

  add(trial: ScheduledTrial, control: SchedulerControl): void {
    this.#memberOf(trial);
    const config = this.#explorer.filled(trial.config, this.#random);
    // It has not begun, so this is the config it begins with.
    if (config !== undefined) control.exploit(trial.id, trial.id, config);
  }

  judge(trial: ScheduledTrial, metrics: ReportedMetrics, control: SchedulerControl): Decision {
    const { timeAttr, burnInPeriod, perturbationInterval, synch } = this.#settings;
    const member = this.#memberOf(trial);
    const time = timeOf(metrics, timeAttr);
    const score = this.#objective.score(metrics);
    if (time === undefined || score === undefined || time < burnInPeriod) return 'CONTINUE';
    if (time - member.perturbationTime < perturbationInterval) return 'CONTINUE';
    member.score = score;
    member.trainTime = time;
    member.lookedAt = ++this.#looks;
    this.#explorer.look?.(trial, time, score);
    if (synch) {
      if (!this.#isAnyBehind(member)) this.#perturbAll(time, control);
      return 'PAUSE';
    }
    member.perturbationTime = time;
    // Everybody gets a share of the time, as far as there is not enough for all.
    const othersWait = control.trials.some((other) => other.id !== trial.id && isWaiting(other));
    this.#perturb(member, this.#quantiles(), control);
    return othersWait ? 'PAUSE' : 'CONTINUE';
  }

  end(trial: ScheduledTrial, control: SchedulerControl): void {
    const member = this.#memberOf(trial);
    if (member.hasEnded) return;
    member.hasEnded = true;
    if (!this.#settings.synch) return;
    const live = this.#live();
    // PB-3: perhaps it was the last one that the others have waited for.
    if (live.length === 0 || this.#isAnyBehind(member)) return;
    this.#perturbAll(Math.max(...live.map(({ trainTime }) => trainTime)), control);
  }

  /** PB-4. */
  choose(control: SchedulerControl): string | undefined {
    let chosen: Member | undefined;
    for (const trial of control.trials) {
      if (!isWaiting(trial)) continue;
      const member = this.#memberOf(trial);
      if (this.#settings.synch && member.trainTime >= this.#nextPerturbation) continue;
      if (chosen === undefined || isBefore(member, chosen)) chosen = member;
    }
    return chosen?.id;
  }

  #memberOf({ id, number }: ScheduledTrial): Member {
    let member = this.#members.get(id);
    if (member === undefined) {
      member = {
        id,
        number,
        score: undefined,
        trainTime: 0,
        perturbationTime: 0,
        lookedAt: 0,
        hasEnded: false,
      };
      this.#members.set(id, member);
    }
    return member;
  }

  #live(): Member[] {
    return [...this.#members.values()].filter(({ hasEnded }) => !hasEnded);
  }

  #isAnyBehind(except: Member): boolean {
    return this.#live().some(
      (member) => member !== except && member.trainTime < this.#nextPerturbation,
    );
  }

  /** All at once; those of the upper quantile first, so that their states are there when the lower ones want them. */
  #perturbAll(time: number, control: SchedulerControl): void {
    const quantiles = this.#quantiles();
    const live = this.#live();
    for (const member of live) member.perturbationTime = time;
    for (const member of quantiles.lower) this.#perturb(member, quantiles, control);
    const times = [...this.#members.values()].map(({ trainTime }) => trainTime);
    this.#nextPerturbation = Math.max(
      this.#nextPerturbation + this.#settings.perturbationInterval,
      ...times,
    );
    const least = Math.min(...live.map(({ trainTime }) => trainTime));
    if (least >= this.#nextPerturbation) {
      // PB-3: all have passed it at once.
      this.#nextPerturbation = least + this.#settings.perturbationInterval;
    }
  }

  /** PB-2. */
  #quantiles(): Quantiles {
    const ranked = this.#live()
      .filter(({ score }) => score !== undefined)
      .sort((one, other) => ascending(one.score!, other.score!));
    if (ranked.length <= 1) return { lower: [], upper: [] };
    let size = Math.ceil(ranked.length * this.#settings.quantileFraction);
    if (size > ranked.length / 2) size = Math.floor(ranked.length / 2);
    return {
      lower: ranked.slice(0, size),
      // Where even the best have no finite score there is nothing to learn from them.
      upper: ranked.slice(ranked.length - size).filter(({ score }) => score !== -Infinity),
    };
  }

  #perturb(member: Member, { lower, upper }: Quantiles, control: SchedulerControl): void {
    if (!lower.includes(member) || upper.length === 0) return;
    const source = this.#random.pick(upper);
    const sourceConfig = trialOf(control, source)?.config;
    const explored = this.#explorer.explored({ trial: member, source, sourceConfig }, this.#random);
    const config = this.#own(explored.config);
    // There is no state to take over; the next perturbation may find one.
    if (!control.exploit(member.id, source.id, config)) return;
    explored.taken?.();
    member.trainTime = source.trainTime;
    member.perturbationTime = source.perturbationTime;
  }

  /** What `customExploreFn` makes of a config. @throws InvalidArgumentError */
  #own(config: Record<string, unknown>): Record<string, unknown> {
    const { call, customExploreFn } = this.#settings;
    if (customExploreFn === undefined) return config;
    const own = customExploreFn(config);
    if (isRecord(own)) return own;
    throw new InvalidArgumentError(`${call}: customExploreFn has to return a config`, {
      argument: 'customExploreFn',
      value: own,
    });
  }
}

function isBefore(one: Member, other: Member): boolean {
  if (one.trainTime !== other.trainTime) return one.trainTime < other.trainTime;
  return one.lookedAt < other.lookedAt;
}
