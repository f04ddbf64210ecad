/**
 * Population based bandits: a population whose configs come of a model of how fast rewards have risen with which hyperparameters. Ray's
 * `PB2`, after Parker-Holder, Nguyen and Roberts, "Provably Efficient Online Hyperparameter Optimization with Population-Based Bandits"
 * (2020). The model is in the native module.
 *
 * - BA-1 A period is what a trial has gained from one look at it to the next with the same hyperparameters. Who takes over a state
 *   begins where that has been.
 * - BA-2 What was proposed since the latest look at any trial runs at the same time, and is not proposed again.
 * - BA-3 While nothing is known of a source but its first look, who takes over its state keeps its config.
 * - BA-4 Of each trial the latest hyperparameters are known, so many that none comes back after them, and of all periods those that the
 *   model takes: nothing grows with the number of reports.
 */

import { InvalidArgumentError } from '../../index.ts';
import { checkOptions, invalid, isRecord } from '../../option-checks.ts';
import type { Place } from '../../option-checks.ts';
import { BanditModel } from '../search/bandit.ts';
import type { Period } from '../search/bandit.ts';
import { objectiveChecks } from '../option-values.ts';
import { Objective } from './objective.ts';
import { copied } from './pbt-mutations.ts';
import { populationChecks, populationScheduler } from './population.ts';
import type { PopulationOptions, Takeover } from './population.ts';
import type { RandomSource } from './random.ts';
import type { ScheduledTrial, Scheduler } from './scheduler.ts';

/** The least and the greatest value of a hyperparameter; or such bounds by name. */
export type HyperparamBounds =
  readonly [low: number, high: number] | { readonly [name: string]: HyperparamBounds };

/** Options of {@link pb2}. Times are in units of `timeAttr`. */
export interface Pb2Options extends PopulationOptions {
  /**
   * Between which numbers hyperparameters are chosen, by name and nested as in the config. What a config lacks is drawn evenly from them
   * when its trial is added. Whole numbers stay whole, if the bounds are so, too.
   */
  readonly hyperparamBounds: { readonly [name: string]: HyperparamBounds };
}

const CALL = 'pb2()';
/** BA-4. */
const CONFIGS_MAX = 100;
const CHECKS = { ...objectiveChecks, ...populationChecks, hyperparamBounds: checkBounds };

/** @throws InvalidArgumentError; while trials run, if a hyperparameter in a config is no number */
export function pb2(options: Pb2Options): Scheduler {
  const given = checkOptions(CALL, CHECKS, options);
  if (given.hyperparamBounds === undefined) {
    throw invalid({ call: CALL, name: 'hyperparamBounds' }, undefined, BOUNDS_ALLOWED);
  }
  const objective = new Objective(CALL, given);
  const bandit = new Bandit(hyperparametersOf(given.hyperparamBounds), objective);
  return populationScheduler('pb2', given, objective, {
    filled: (config, random) => bandit.filled(config, random),
    look: (trial, time, score) => bandit.look(trial, time, score),
    explored: (takeover) => bandit.explored(takeover),
  });
}

const BOUNDS_ALLOWED = 'an object of bounds by name, such as { lr: [0.0001, 0.1] }';

function checkBounds(value: unknown, place: Place): Pb2Options['hyperparamBounds'] {
  if (!isRecord(value) || Object.keys(value).length === 0) {
    throw invalid(place, value, BOUNDS_ALLOWED);
  }
  for (const [name, bounds] of Object.entries(value)) {
    const inner = { call: place.call, name: `${place.name}.${name}` };
    if (isRecord(bounds)) checkBounds(bounds, inner);
    else if (!isPair(bounds)) throw invalid(inner, bounds, 'two finite numbers, [low, high]');
    else if (bounds[0] > bounds[1]) throw invalid(inner, bounds, '[low, high] with low ≤ high');
  }
  return value as Pb2Options['hyperparamBounds'];
}

function isPair(value: unknown): value is [number, number] {
  return Array.isArray(value) && value.length === 2 && value.every(Number.isFinite);
}

/** A hyperparameter, and where it stands in a config. */
interface Hyperparameter {
  readonly path: readonly string[];
  readonly low: number;
  readonly high: number;
}

function hyperparametersOf(
  bounds: Pb2Options['hyperparamBounds'],
  path: readonly string[] = [],
): Hyperparameter[] {
  return Object.entries(bounds).flatMap(([name, each]) => {
    const own = [...path, name];
    if (!isPair(each)) return hyperparametersOf(each as Pb2Options['hyperparamBounds'], own);
    return [{ path: own, low: each[0], high: each[1] }];
  });
}

type Config = Record<string, unknown>;

/** How a trial stood when it was looked at. */
interface Look {
  readonly time: number;
  readonly reward: number;
}

/** What is known of all trials, and what follows from it. */
class Bandit {
  readonly #hyperparameters: readonly Hyperparameter[];
  readonly #objective: Objective;
  /** By trial, then by hyperparameters, those of the latest looks last: the latest look (BA-1, BA-4). */
  readonly #latest = new Map<string, Map<string, Look>>();
  #model: BanditModel | undefined;
  /** By trial: its latest period, and the reward at its end. */
  readonly #lastPeriods = new Map<string, { readonly period: Period; readonly reward: number }>();
  /** BA-2. */
  #running: number[][] = [];
  /** The latest look at any trial, and what it was when something was last proposed. */
  #time = 0;
  #exploredAt = 0;
  #explorations = 0;

  constructor(hyperparameters: readonly Hyperparameter[], objective: Objective) {
    this.#hyperparameters = hyperparameters;
    this.#objective = objective;
  }

  filled(config: unknown, random: RandomSource): Config | undefined {
    const isLacking = this.#hyperparameters.some(({ path }) => valueAt(config, path) === undefined);
    if (!isLacking) return undefined;
    const filled = (isRecord(config) ? copied(config) : {}) as Config;
    for (const { path, low, high } of this.#hyperparameters) {
      if (valueAt(filled, path) !== undefined) continue;
      setAt(filled, path, low + random.next() * (high - low));
    }
    return filled;
  }

  look({ id, config }: ScheduledTrial, time: number, reward: number): void {
    const values = this.#valuesOf(config);
    this.#time = Math.max(this.#time, time);
    // There is no difference to an infinite reward.
    if (!Number.isFinite(reward)) return;
    const before = this.#noted(id, values, { time, reward });
    if (before === undefined || time <= before.time) return;
    const change = (reward - before.reward) / (time - before.time);
    const period = { time, reward: before.reward, change, values };
    this.#modelOf().observe(period);
    this.#lastPeriods.set(id, { period, reward });
  }

  explored({ trial, source, sourceConfig }: Takeover): {
    readonly config: Config;
    readonly taken: () => void;
  } {
    const config = copied(isRecord(sourceConfig) ? sourceConfig : {}) as Config;
    const current = this.#valuesOf(config);
    const start = this.#lastPeriods.get(source.id);
    const proposed = start === undefined ? undefined : this.#proposed(start.period);
    const values = proposed?.map((value, at) => this.#typed(value, at, current[at]!)) ?? current;
    for (const [at, { path }] of this.#hyperparameters.entries()) setAt(config, path, values[at]!);
    const taken = (): void => {
      this.#explorations += 1;
      if (this.#time > this.#exploredAt) this.#running = [];
      this.#exploredAt = this.#time;
      this.#running.push(values);
      if (start === undefined) return;
      const begun = { time: start.period.time, reward: start.reward };
      this.#noted(trial.id, values, begun);
    };
    return { config, taken };
  }

  /** Notes a look, and returns the one before with the same hyperparameters. */
  #noted(id: string, values: readonly number[], look: Look): Look | undefined {
    let looks = this.#latest.get(id);
    if (looks === undefined) {
      looks = new Map();
      this.#latest.set(id, looks);
    }
    const key = values.join();
    const before = looks.get(key);
    looks.delete(key);
    looks.set(key, look);
    if (looks.size > CONFIGS_MAX) looks.delete(looks.keys().next().value!);
    return before;
  }

  /** Made when there is something to be seen: a scheduler can be described without the native module. */
  #modelOf(): BanditModel {
    this.#model ??= new BanditModel(this.#hyperparameters);
    return this.#model;
  }

  #proposed({ time, reward }: Period): number[] | undefined {
    return this.#modelOf().next({
      running: this.#time > this.#exploredAt ? [] : this.#running,
      // As in Ray, the reward is the one at the beginning of the source's latest period.
      start: { time, reward },
      seed: this.#objective.seed,
      number: this.#explorations,
    });
  }

  /** Cut off to a whole number, as in Ray, where the current value is one; here the bounds have to be so, too. */
  #typed(value: number, at: number, current: number): number {
    const { low, high } = this.#hyperparameters[at]!;
    const inside = Math.min(Math.max(value, low), high);
    return [current, low, high].every(Number.isInteger) ? Math.trunc(inside) : inside;
  }

  #valuesOf(config: unknown): number[] {
    return this.#hyperparameters.map(({ path }) => {
      const value = valueAt(config, path);
      if (typeof value === 'number' && Number.isFinite(value)) return value;
      const name = path.join('.');
      throw new InvalidArgumentError(
        `${CALL}: ${name} in a config is no finite number; hyperparamBounds are for numbers`,
        { argument: `hyperparamBounds.${name}`, value },
      );
    });
  }
}

function valueAt(config: unknown, path: readonly string[]): unknown {
  let value = config;
  for (const name of path) {
    if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

function setAt(config: Config, path: readonly string[], value: number): void {
  let owner = config;
  for (const name of path.slice(0, -1)) {
    if (!isRecord(owner[name])) owner[name] = {};
    owner = owner[name] as Config;
  }
  owner[path.at(-1)!] = value;
}
