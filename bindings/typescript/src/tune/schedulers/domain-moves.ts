/**
 * What population based training makes of the values of a domain: another value, or one that is near. Both are always of the domain.
 */

import { SearchEngine } from '../search/engine.ts';
import {
  type Domain,
  NORMAL_CUT,
  NumericDomain,
  type NumericRange,
  multipleOf,
} from '../space/domain.ts';
import { Space } from '../space/space.ts';
import type { RandomSource } from './random.ts';

/** Numbers of a trial that the native module takes. */
const DRAWS = 2 ** 32;

/** Two values of a domain are made and read as those of a space that has nothing else. */
interface Lone {
  readonly space: Space;
  readonly engine: SearchEngine;
  /** By parameter: it is a choice among branches. */
  readonly hasBranches: readonly boolean[];
}

const known = new WeakMap<Domain, Lone>();

/** A value, each as likely as in a search space. */
export function sampleOf(domain: Domain, random: RandomSource): unknown {
  const { space, engine } = loneOf(domain);
  const values = engine.sample(Math.floor(random.next() * DRAWS), 0);
  return valueOf(space.build(values, random.next));
}

/**
 * A value that is near: numbers times one of the factors, rounded and brought back into the domain; for choices an element beside the
 * current one. Of a branch its own parameters are moved. Undefined if the current value is none of the domain.
 */
export function neighbourOf(
  domain: Domain,
  current: unknown,
  factors: readonly number[],
  random: RandomSource,
): unknown {
  // It may have come from elsewhere, and can be brought into the domain.
  if (domain instanceof NumericDomain && typeof current === 'number') {
    return rounded(domain.range, current * random.pick(factors));
  }
  const { space, hasBranches } = loneOf(domain);
  const values = valuesOf(space, current);
  if (values === undefined) return undefined;
  for (const [parameter, { range }] of space.parameters.entries()) {
    const value = values[parameter]!;
    // Those of branches that are not chosen don't exist, and stay so.
    if (Number.isNaN(value) || hasBranches[parameter]!) continue;
    if (range.form !== 'choice') {
      values[parameter] = rounded(range, value * random.pick(factors));
      continue;
    }
    values[parameter] = within(value + random.pick([-1, 1]), 0, range.count - 1);
  }
  return valueOf(space.build(values, random.next));
}

/** The number of a range that is nearest; in the middle between two the even multiple, as Python's `round`. */
function rounded(range: NumericRange, value: number): number {
  switch (range.form) {
    case 'float':
      // Its upper end is none of it.
      return within(value, range.low, floatBelow(range.high));
    case 'multiples': {
      const { first, last, step, digits } = range;
      return multipleOf(within(roundedToEven(value / step), first, last), step, digits);
    }
    case 'normal': {
      const { mean, sd, step } = range;
      const cut = within(value, mean - NORMAL_CUT * sd, mean + NORMAL_CUT * sd);
      return step === null ? cut : multipleOf(roundedToEven(cut / step), step);
    }
  }
}

/** Halves go to the even number, as Python's `round`. */
export function roundedToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** The largest float that is less: the one whose bits, read as a whole number, are one nearer to 0, or one farther below it. */
function floatBelow(value: number): number {
  if (value === 0) return -Number.MIN_VALUE;
  const float = new Float64Array([value]);
  new BigInt64Array(float.buffer)[0]! += value > 0 ? -1n : 1n;
  return float[0]!;
}

function within(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

function loneOf(domain: Domain): Lone {
  let lone = known.get(domain);
  if (lone === undefined) {
    const space = new Space({ value: domain }, 'hyperparamMutations');
    const { parameters } = space;
    const branching = new Set(parameters.map(({ condition }) => condition?.parameter));
    lone = {
      space,
      // What it draws depends on the numbers that it is asked for.
      engine: new SearchEngine(parameters, { name: 'random' }, 0, 0),
      hasBranches: parameters.map((_, parameter) => branching.has(parameter)),
    };
    known.set(domain, lone);
  }
  return lone;
}

function valuesOf(space: Space, value: unknown): number[] | undefined {
  try {
    return space.valuesWithin({ value }, 'hyperparamMutations');
  } catch {
    // Only whether it is one of the domain is asked.
    return undefined;
  }
}

function valueOf(config: unknown): unknown {
  return (config as { readonly value: unknown }).value;
}
