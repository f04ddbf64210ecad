/**
 * How population based training makes a new config of another one: the "explore" of Jaderberg et al., "Population Based Training of
 * Neural Networks" (2017), as Ray's `_explore` has it.
 */

import { isDeepStrictEqual } from 'node:util';

import { InvalidArgumentError } from '../../index.ts';
import { invalid, isRecord } from '../../option-checks.ts';
import type { Place } from '../../option-checks.ts';
import { ChoiceDomain, Domain, NumericDomain } from '../space/domain.ts';
import { Space } from '../space/space.ts';
import { isWhole, sampleOf } from './domain-sample.ts';
import type { RandomSource } from './random.ts';

/**
 * What a hyperparameter can become: one of a list, what a function returns, a value of a domain; or such things by name. A `choice` is
 * the list of its elements: times a factor they would be none of it.
 */
export type Mutation =
  readonly unknown[] | (() => unknown) | Domain | { readonly [name: string]: Mutation };

/** Hyperparameters by name, nested as in the config. */
export type Mutations = Readonly<Record<string, Mutation>>;

/** How mutations are made. */
export interface MutationRules {
  readonly mutations: Mutations;
  readonly resampleProbability: number;
  readonly perturbationFactors: readonly number[];
  readonly customExploreFn: ((config: Config) => unknown) | undefined;
}

type Config = Record<string, unknown>;

/** @throws InvalidArgumentError */
export function checkMutations(value: unknown, place: Place): Mutations {
  if (!isRecord(value) || Object.keys(value).length === 0) {
    throw invalid(place, value, 'an object of domains, lists or functions by name');
  }
  for (const [name, mutation] of Object.entries(value)) {
    const inner = { call: place.call, name: `${place.name}.${name}` };
    if (typeof mutation === 'function' || mutation instanceof NumericDomain) continue;
    const elements = elementsOf(mutation);
    if (elements !== undefined) {
      if (elements.length === 0) throw invalid(inner, mutation, 'a list that is not empty');
      if (new Space({ elements }, place.call).parameters.length > 0) {
        throw invalid(inner, mutation, 'elements that have no domains in them');
      }
      continue;
    }
    if (!isRecord(mutation)) {
      throw invalid(inner, mutation, 'a domain, a list, a function, or an object of such');
    }
    checkMutations(mutation, inner);
  }
  return value as Mutations;
}

/** The config with a value for each mutation that it has none for; undefined if it has them all. */
export function filledConfig(
  config: unknown,
  mutations: Mutations,
  random: RandomSource,
): Config | undefined {
  const source = isRecord(config) ? config : {};
  let filled: Config | undefined;
  for (const [name, mutation] of Object.entries(mutations)) {
    if (Object.hasOwn(source, name)) continue;
    filled ??= { ...source };
    filled[name] = isNested(mutation)
      ? (filledConfig({}, mutation, random) ?? {})
      : sampled(mutation, random);
  }
  return filled;
}

/** A new config from that of a better trial, which stays as it is. @throws InvalidArgumentError */
export function exploredConfig(
  config: unknown,
  rules: MutationRules,
  random: RandomSource,
): unknown {
  const explored = mutated(copied(config), rules.mutations, rules, random);
  if (rules.customExploreFn === undefined) return explored;
  const own = rules.customExploreFn(explored);
  if (isRecord(own)) return own;
  throw new InvalidArgumentError('pbt(): customExploreFn has to return a config', {
    argument: 'customExploreFn',
    value: own,
  });
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
    const elements = elementsOf(mutation);
    if (elements !== undefined) result[name] = shifted(current, elements, rules, random);
    else if (isNested(mutation)) result[name] = mutated(current, mutation, rules, random);
    else result[name] = perturbed(current, mutation as Distribution, rules, random);
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

type Distribution = (() => unknown) | NumericDomain;

/** A new sample, or the current value times one of the factors. */
function perturbed(
  current: unknown,
  distribution: Distribution,
  { resampleProbability, perturbationFactors }: MutationRules,
  random: RandomSource,
): unknown {
  if (random.chance(resampleProbability)) {
    const value = sampled(distribution, random);
    return typeof current === 'boolean' ? Boolean(value) : value;
  }
  // A factor makes nothing of what is no number; true and false stay so, as in Ray.
  if (typeof current === 'boolean') return current;
  if (typeof current !== 'number') return sampled(distribution, random);
  const value = current * random.pick(perturbationFactors);
  // A domain knows whether its values are whole numbers; of others only the value itself can tell it. Out of a domain it may lead, as in Ray.
  const whole =
    distribution instanceof NumericDomain ? isWhole(distribution) : Number.isInteger(current);
  return whole ? roundedToEven(value) : value;
}

function sampled(mutation: Mutation, random: RandomSource): unknown {
  const elements = elementsOf(mutation);
  if (elements !== undefined) return random.pick(elements);
  if (mutation instanceof NumericDomain) return sampleOf(mutation, random.next);
  return (mutation as () => unknown)();
}

/** What there is to choose from; undefined if it is no list. */
function elementsOf(mutation: unknown): readonly unknown[] | undefined {
  if (mutation instanceof ChoiceDomain) return mutation.elements;
  return Array.isArray(mutation) ? (mutation as readonly unknown[]) : undefined;
}

/** Halves go to the even number, as Python's `round`. */
function roundedToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

function isNested(mutation: Mutation): mutation is Mutations {
  return isRecord(mutation) && !(mutation instanceof Domain);
}

/** A copy that can be changed at will; what is no plain data is the same in both. */
function copied(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copied);
  if (typeof value !== 'object' || value === null) return value;
  const prototype = Object.getPrototypeOf(value) as object | null;
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, copied(item)]));
}
