/**
 * Population based training: from time to time the worse trials go on from the states of better ones, with changed configs. Ray's
 * `PopulationBasedTraining`, after Jaderberg et al., "Population Based Training of Neural Networks" (2017).
 *
 * - PB-1 A trial is looked at when `perturbationInterval` has passed since it was last: only then its score and time are noted.
 * - PB-2 The lower quantile takes over states of the upper one; both have ⌈n · fraction⌉ of the n trials that have a score and have
 *   not ended, at most half of them. With the state it takes over how far the other one is.
 * - PB-3 Synchronous: trials wait until all that have not ended have come to the next perturbation, also when that is because one has
 *   ended, and when all have passed it at once. (In Ray they wait for ever then.)
 * - PB-4 Who is least far runs next; of several, who was looked at longest ago. (In Ray the lower number: one that fails again and
 *   again to become better than another one keeps that one from running.)
 */

import { callback, checkOptions, flag, invalid, text } from '../../option-checks.ts';
import type { Check } from '../../option-checks.ts';
import type { ReportedMetrics } from '../types.ts';
import { Objective, timeOf } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import { checkMutations, exploredConfig, filledConfig } from './pbt-mutations.ts';
import type { MutationRules, Mutations } from './pbt-mutations.ts';
import { PolicyLog } from './pbt-policy.ts';
import type { PolicyFile } from './pbt-policy.ts';
import { RandomSource } from './random.ts';
import type { Decision, ScheduledTrial, Scheduler, SchedulerControl } from './scheduler.ts';
import { isWaiting, trialOf } from './trial-lookup.ts';
import type { TrialKey } from './trial-lookup.ts';

/** Options of {@link pbt}. Times are in units of `timeAttr`. At least one of `hyperparamMutations` and `customExploreFn` is needed. */
export interface PbtOptions extends ObjectiveOptions {
  /** What of a report tells how far a trial is. @default 'timeTotalMs' */
  readonly timeAttr?: string | undefined;
  /** How often a trial is looked at. @default 60000 */
  readonly perturbationInterval?: number | undefined;
  /** No trial is looked at before this time. @default 0 */
  readonly burnInPeriod?: number | undefined;
  /**
   * What configs are changed in, by name and nested as in the config: a list (a neighbour of the current value, or any), a domain or a
   * function (the current value times a factor, or a new one). What a config lacks is sampled when its trial is added.
   */
  readonly hyperparamMutations?: Mutations | undefined;
  /** How large the lower and the upper quantile are: 0 to 0.5. @default 0.25 */
  readonly quantileFraction?: number | undefined;
  /** How likely a value is sampled anew instead of changed. @default 0.25 */
  readonly resampleProbability?: number | undefined;
  /** @default [1.2, 0.8] */
  readonly perturbationFactors?: readonly number[] | undefined;
  /** Gets each changed config, and returns the one to be taken. */
  readonly customExploreFn?: ((config: Record<string, unknown>) => unknown) | undefined;
  /** Whether `pbt_policy_<id>.txt` is written. @default true */
  readonly logConfig?: boolean | undefined;
  /** Whether all trials wait for each other at each perturbation. @default false */
  readonly synch?: boolean | undefined;
}

/** What {@link pbt} returns. */
export interface PbtScheduler extends Scheduler {
  /** The policy files that have changed since the last call, for whoever writes them. */
  takePolicyFiles(): PolicyFile[];
}

const CALL = 'pbt()';

const factors: Check<readonly number[]> = (value, place) => {
  const isList =
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((factor) => typeof factor === 'number' && Number.isFinite(factor));
  if (!isList) throw invalid(place, value, 'a list of finite numbers');
  return [...(value as number[])];
};

const CHECKS = {
  ...objectiveChecks,
  timeAttr: text,
  perturbationInterval: numberWithin({ above: 0 }),
  burnInPeriod: numberWithin({ minimum: 0 }),
  hyperparamMutations: checkMutations,
  quantileFraction: numberWithin({ minimum: 0, maximum: 0.5 }),
  resampleProbability: numberWithin({ minimum: 0, maximum: 1 }),
  perturbationFactors: factors,
  customExploreFn: callback,
  logConfig: flag,
  synch: flag,
};

/** @throws InvalidArgumentError */
export function pbt(options: PbtOptions): PbtScheduler {
  const given = checkOptions(CALL, CHECKS, options);
  if (given.hyperparamMutations === undefined && given.customExploreFn === undefined) {
    const place = { call: CALL, name: 'hyperparamMutations' };
    throw invalid(place, undefined, 'mutations here, or a customExploreFn, or both');
  }
  const population = new Population(
    {
      timeAttr: 'timeTotalMs',
      perturbationInterval: 60_000,
      burnInPeriod: 0,
      quantileFraction: 0.25,
      logConfig: true,
      synch: false,
      ...given,
    },
    {
      mutations: given.hyperparamMutations ?? {},
      resampleProbability: given.resampleProbability ?? 0.25,
      perturbationFactors: given.perturbationFactors ?? [1.2, 0.8],
      customExploreFn: given.customExploreFn,
    },
    new Objective(CALL, given),
  );
  return {
    description: { name: 'pbt', options: given },
    pauses: true,
    setup: (setup) => population.begin(setup),
    onTrialAdd: (trial, control) => population.add(trial, control),
    onTrialResult: (trial, metrics, control) => population.judge(trial, metrics, control),
    onTrialComplete: (trial, _metrics, control) => population.end(trial, control),
    onTrialRemove: (trial, control) => population.end(trial, control),
    onTrialError: (trial, control) => population.end(trial, control),
    chooseTrialToRun: (control) => population.choose(control),
    takePolicyFiles: () => population.policies.take(),
  };
}

interface Settings {
  readonly timeAttr: string;
  readonly perturbationInterval: number;
  readonly burnInPeriod: number;
  readonly quantileFraction: number;
  readonly logConfig: boolean;
  readonly synch: boolean;
}

interface Member extends TrialKey {
  /** When it was last looked at; undefined before. */
  score: number | undefined;
  /** How far it was then. */
  trainTime: number;
  perturbationTime: number;
  /** The how many-th look at any trial that was; 0 before. */
  lookedAt: number;
  /** Of its last report. */
  iteration: number;
  hasEnded: boolean;
}

interface Quantiles {
  readonly lower: readonly Member[];
  readonly upper: readonly Member[];
}

class Population {
  readonly policies = new PolicyLog();
  readonly #settings: Settings;
  readonly #rules: MutationRules;
  readonly #objective: Objective;
  readonly #members = new Map<string, Member>();
  /** Synchronous: the time that all have to reach. */
  #nextPerturbation: number;
  #looks = 0;
  #random: RandomSource;

  constructor(settings: Settings, rules: MutationRules, objective: Objective) {
    this.#settings = settings;
    this.#rules = rules;
    this.#objective = objective;
    this.#random = new RandomSource(objective.seed);
    this.#nextPerturbation = Math.max(settings.perturbationInterval, settings.burnInPeriod);
  }

  begin(setup: Parameters<Objective['begin']>[0]): void {
    this.#objective.begin(setup);
    this.#random = new RandomSource(this.#objective.seed);
  }

  add(trial: ScheduledTrial, control: SchedulerControl): void {
    this.#memberOf(trial);
    const config = filledConfig(trial.config, this.#rules.mutations, this.#random);
    // It has not begun, so this is the config it begins with.
    if (config !== undefined) control.exploit(trial.id, trial.id, config);
  }

  judge(trial: ScheduledTrial, metrics: ReportedMetrics, control: SchedulerControl): Decision {
    const { timeAttr, burnInPeriod, perturbationInterval, synch } = this.#settings;
    const member = this.#memberOf(trial);
    member.iteration = metrics.trainingIteration;
    const time = timeOf(metrics, timeAttr);
    const score = this.#objective.score(metrics);
    if (time === undefined || score === undefined || time < burnInPeriod) return 'CONTINUE';
    if (time - member.perturbationTime < perturbationInterval) return 'CONTINUE';
    member.score = score;
    member.trainTime = time;
    member.lookedAt = ++this.#looks;
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
        iteration: 0,
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
    const config = exploredConfig(sourceConfig, this.#rules, this.#random);
    // There is no state to take over; the next perturbation may find one.
    if (!control.exploit(member.id, source.id, config)) return;
    if (this.#settings.logConfig) {
      this.policies.record({
        id: member.id,
        sourceId: source.id,
        iteration: member.iteration,
        sourceIteration: source.iteration,
        sourceConfig,
        config,
      });
    }
    member.trainTime = source.trainTime;
    member.perturbationTime = source.perturbationTime;
  }
}

function isBefore(one: Member, other: Member): boolean {
  if (one.trainTime !== other.trainTime) return one.trainTime < other.trainTime;
  return one.lookedAt < other.lookedAt;
}

/** Not a difference: that of two infinite scores is no number. */
function ascending(one: number, other: number): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}
