/**
 * How population based training makes a new config of another one: the "explore" of Jaderberg et al., "Population Based Training of
 * Neural Networks" (2017), as Ray's `_explore` has it.
 */

import { isDeepStrictEqual } from 'node:util';

import { invalid, isRecord } from '../../option-checks.ts';
import type { Place } from '../../option-checks.ts';
import { isPlainObject } from '../plain-object.ts';
import { ChoiceDomain, Domain } from '../space/domain.ts';
import { neighbourOf, roundedToEven, sampleOf } from './domain-moves.ts';
import type { RandomSource } from './random.ts';

/** What a hyperparameter can become: one of a list, what a function returns, a value of a domain; or such things by name. */
export type Mutation =
  readonly unknown[] | (() => unknown) | Domain | { readonly [name: string]: Mutation };

/** Hyperparameters by name, nested as in the config. */
export type Mutations = Readonly<Record<string, Mutation>>;

/** How mutations are made. */
export interface MutationRules {
  readonly mutations: Mutations;
  readonly resampleProbability: number;
  readonly perturbationFactors: readonly number[];
}

type Config = Record<string, unknown>;

/** @throws InvalidArgumentError */
export function checkMutations(value: unknown, place: Place): Mutations {
  if (!isPlainObject(value) || Object.keys(value).length === 0) {
    throw invalid(place, value, 'an object of domains, lists or functions by name');
  }
  for (const [name, mutation] of Object.entries(value)) {
    const inner = { call: place.call, name: `${place.name}.${name}` };
    if (mutation instanceof ChoiceDomain && mutation.kind === 'gridSearch') {
      throw invalid(inner, mutation, 'choice() instead of gridSearch()');
    }
    if (typeof mutation === 'function' || mutation instanceof Domain) continue;
    if (Array.isArray(mutation)) {
      if (mutation.length === 0) throw invalid(inner, mutation, 'a list that is not empty');
      continue;
    }
    if (!isPlainObject(mutation)) {
      throw invalid(inner, mutation, 'a domain, a list, a function, or an object of such');
    }
    checkMutations(mutation, inner);
  }
  return value as Mutations;
}

/** The config with a value for each mutation that it has none for, at any depth; undefined if it has them all. */
export function filledConfig(
  config: unknown,
  mutations: Mutations,
  random: RandomSource,
): Config | undefined {
  const source = isRecord(config) ? config : {};
  let filled: Config | undefined;
  for (const [name, mutation] of Object.entries(mutations)) {
    const isThere = Object.hasOwn(source, name);
    let value: unknown;
    if (isNested(mutation)) value = filledConfig(source[name], mutation, random);
    else if (!isThere) value = sampled(mutation, random);
    if (isThere && value === undefined) continue;
    filled ??= { ...source };
    filled[name] = value;
  }
  return filled;
}

/** A new config from that of a better trial, which stays as it is. */
export function exploredConfig(
  config: unknown,
  rules: MutationRules,
  random: RandomSource,
): Config {
  return mutated(copied(config), rules.mutations, rules, random);
}

function mutated(
  config: unknown,
  mutations: Mutations,
  rules: MutationRules,
  random: RandomSource,
): Config {
  const result = isRecord(config) ? config : {};
  for (const [name, mutation] of Object.entries(mutations)) {
    const current = result[name];
    if (isNested(mutation)) result[name] = mutated(current, mutation, rules, random);
    else if (Array.isArray(mutation)) result[name] = shifted(current, mutation, rules, random);
    else result[name] = perturbed(current, mutation as (() => unknown) | Domain, rules, random);
  }
  return result;
}

/** Another element of the list, or the one beside the current one. */
function shifted(
  current: unknown,
  list: readonly unknown[],
  { resampleProbability }: MutationRules,
  random: RandomSource,
): unknown {
  const isResampled = random.chance(resampleProbability);
  const place = list.findIndex((element) => isDeepStrictEqual(element, current));
  if (isResampled || place === -1) return random.pick(list);
  const next = place + random.pick([-1, 1]);
  return list[Math.min(Math.max(next, 0), list.length - 1)];
}

/** A new sample, or the current value times one of the factors; of a domain, what is near in it. */
function perturbed(
  current: unknown,
  distribution: (() => unknown) | Domain,
  { resampleProbability, perturbationFactors }: MutationRules,
  random: RandomSource,
): unknown {
  if (random.chance(resampleProbability)) {
    const value = sampled(distribution, random);
    return typeof current === 'boolean' ? Boolean(value) : value;
  }
  if (distribution instanceof Domain) {
    const near = neighbourOf(distribution, current, perturbationFactors, random);
    return near === undefined ? sampleOf(distribution, random) : near;
  }
  // A factor makes nothing of what is no number; true and false stay so, as in Ray.
  if (typeof current === 'boolean') return current;
  if (typeof current !== 'number') return sampled(distribution, random);
  const value = current * random.pick(perturbationFactors);
  return Number.isInteger(current) ? roundedToEven(value) : value;
}

function sampled(mutation: Mutation, random: RandomSource): unknown {
  if (typeof mutation === 'function') return mutation();
  if (mutation instanceof Domain) return sampleOf(mutation, random);
  return random.pick(mutation as readonly unknown[]);
}

function isNested(mutation: Mutation): mutation is Mutations {
  return isPlainObject(mutation);
}

/** A copy that can be changed at will; what is no plain data is the same in both. */
export function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied);
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, copied(item)]));
}
