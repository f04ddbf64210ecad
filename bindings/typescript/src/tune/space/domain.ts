/**
 * What users write for a parameter: domains, and the functions that make them. Names and meanings are Ray Tune's
 * (https://docs.ray.io/en/latest/tune/api/search_space.html); where they differ, the contract says so.
 */

import { InvalidArgumentError } from '../../index.ts';
import { type Place, checkOptions, flag, invalid } from '../../option-checks.ts';
import type { DomainKind } from './parameter.ts';

/** Random numbers in [0, 1). */
export type RandomNumbers = () => number;

/** The most elements of a `choice` or `gridSearch`. */
export const ELEMENTS_MAX = 1_000_000;
/** So many standard deviations from the mean a normal value is cut off. */
export const NORMAL_CUT = 10;

/** A range of numbers as the search algorithms know it. */
export type NumericRange =
  | {
      readonly form: 'float';
      readonly low: number;
      /** Not included. */
      readonly high: number;
      readonly isLog: boolean;
    }
  | {
      readonly form: 'multiples';
      /** The values are `step` times the whole numbers from `first` to `last`. */
      readonly first: number;
      readonly last: number;
      readonly step: number;
      /** Digits behind the point that a multiple can have. */
      readonly digits: number;
      readonly isLog: boolean;
    }
  | {
      readonly form: 'normal';
      readonly mean: number;
      readonly sd: number;
      /** Values are rounded to multiples of it; null for none. */
      readonly step: number | null;
    };

declare const VALUE: unique symbol;

/** A set of values that a parameter can have. `T` is the type of the values in a config. */
export abstract class Domain<out T = unknown> {
  /** Only for inference; no instance has it. */
  declare readonly [VALUE]: T;
  abstract readonly kind: DomainKind;
  /** What the function of this name was called with. */
  abstract readonly args: readonly unknown[];
}

/** A domain of numbers. */
export class NumericDomain extends Domain<number> {
  readonly kind: DomainKind;
  readonly args: readonly number[];
  readonly range: NumericRange;

  constructor(kind: DomainKind, args: readonly number[], range: NumericRange) {
    super();
    this.kind = kind;
    this.args = Object.freeze([...args]);
    this.range = Object.freeze(range);
    Object.freeze(this);
  }
}

/** One of several elements. */
export class ChoiceDomain<out T = unknown> extends Domain<T> {
  readonly kind: 'choice' | 'gridSearch';
  /** The elements, and `{ ordered: true }` where neighbours resemble each other. */
  readonly args: readonly [elements: readonly unknown[], options?: ChoiceOptions];
  readonly elements: readonly unknown[];
  /** Neighbours resemble each other. */
  readonly isOrdered: boolean;

  constructor(kind: 'choice' | 'gridSearch', elements: readonly unknown[], isOrdered: boolean) {
    super();
    this.kind = kind;
    this.elements = Object.freeze([...elements]);
    this.args = Object.freeze(
      isOrdered ? [this.elements, Object.freeze({ ordered: true })] : [this.elements],
    ) as ChoiceDomain['args'];
    this.isOrdered = isOrdered;
    Object.freeze(this);
  }
}

/** A value that is computed from the others. It is no domain: searchers don't see it. */
export class SampledValue<out T = unknown> {
  /** Only for inference; no instance has it. */
  declare readonly [VALUE]: T;
  readonly compute: (config: never, random: RandomNumbers) => unknown;

  constructor(compute: (config: never, random: RandomNumbers) => unknown) {
    this.compute = compute;
    Object.freeze(this);
  }
}

/** Floats from `low` up to, and without, `high`. @throws InvalidArgumentError */
export function uniform(low: number, high: number): Domain<number> {
  return float('uniform', low, high, false);
}

/** Floats from `low` (above 0) up to, and without, `high`, each power of ten as likely. @throws InvalidArgumentError */
export function loguniform(low: number, high: number): Domain<number> {
  return float('loguniform', low, high, true);
}

/** The multiples of `q` from `low` to `high`, both included and equally likely. @throws InvalidArgumentError */
export function quniform(low: number, high: number, q: number): Domain<number> {
  return multiples('quniform', [low, high, q], low, high, q, false);
}

/** The multiples of `q` from `low` (above 0) to `high`, both included, by their logarithms. @throws InvalidArgumentError */
export function qloguniform(low: number, high: number, q: number): Domain<number> {
  return multiples('qloguniform', [low, high, q], low, high, q, true);
}

/** Normally distributed floats, cut off at ten standard deviations. @throws InvalidArgumentError */
export function randn(mean = 0, sd = 1): Domain<number> {
  return normal('randn', [mean, sd], mean, sd, null);
}

/** The same, rounded to multiples of `q`. @throws InvalidArgumentError */
export function qrandn(mean: number, sd: number, q: number): Domain<number> {
  return normal('qrandn', [mean, sd, q], mean, sd, q);
}

/** Whole numbers from `low` up to, and without, `high`. @throws InvalidArgumentError */
export function randint(low: number, high: number): Domain<number> {
  return integers('randint', low, high, false);
}

/** Whole numbers from `low` (above 0) up to, and without, `high`, by their logarithms. @throws InvalidArgumentError */
export function lograndint(low: number, high: number): Domain<number> {
  return integers('lograndint', low, high, true);
}

/** The multiples of the whole number `q` from `low` to `high`, both included. @throws InvalidArgumentError */
export function qrandint(low: number, high: number, q: number): Domain<number> {
  return integerMultiples('qrandint', low, high, q, false);
}

/** The same by their logarithms; `low` is above 0. @throws InvalidArgumentError */
export function qlograndint(low: number, high: number, q: number): Domain<number> {
  return integerMultiples('qlograndint', low, high, q, true);
}

/** What stays as it is in a config, though it is an object: it is no part of the space's own shape. */
type Constant =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | Date
  | RegExp
  | Error
  | URL
  | ArrayBuffer
  | ArrayBufferView
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | ((...parameters: never[]) => unknown)
  | (abstract new (...parameters: never[]) => unknown);

/**
 * The type of a space's configs: domains become their values, choices with branches a union, and all else stays.
 *
 * ```ts
 * const space = { lr: loguniform(1e-5, 1e-1), layers: choice([1, 2, 3]), epochs: 10 } as const;
 * type C = Config<typeof space>; // { lr: number; layers: 1 | 2 | 3; epochs: 10 }
 * ```
 */
export type Config<Space> =
  Space extends Domain<infer Value>
    ? Value
    : Space extends SampledValue<infer Value>
      ? Value
      : Space extends Constant
        ? Space
        : Space extends object
          ? { -readonly [Key in keyof Space]: Config<Space[Key]> }
          : Space;

/** Options of {@link choice}. */
export interface ChoiceOptions {
  /**
   * Neighbours resemble each other, which model-based searchers use.
   * @default false
   */
  readonly ordered?: boolean | undefined;
}

/**
 * One of the elements. One that has domains in it is a branch: its parameters exist only where it is chosen.
 *
 * @throws InvalidArgumentError
 */
export function choice<const Elements extends readonly unknown[]>(
  elements: Elements,
  options?: ChoiceOptions,
): Domain<Config<Elements[number]>> {
  const given = checkOptions('choice()', { ordered: flag }, options);
  return new ChoiceDomain('choice', checkElements('choice()', elements), given.ordered ?? false);
}

/** Each of the elements, `numSamples` times: only with `basicVariant()`, the default searcher. @throws InvalidArgumentError */
export function gridSearch<const Elements extends readonly unknown[]>(
  elements: Elements,
): Domain<Config<Elements[number]>> {
  return new ChoiceDomain('gridSearch', checkElements('gridSearch()', elements), false);
}

/**
 * A value that is computed after all domains are filled, from the config so far; `random` is a seeded `Math.random`. Searchers
 * don't see it, and it may not give a domain.
 *
 * @throws InvalidArgumentError
 */
export function sampleFrom<T, C = never>(
  compute: (config: C, random: RandomNumbers) => T,
): SampledValue<T> {
  if (typeof compute !== 'function') {
    throw invalid({ call: 'sampleFrom()', name: 'compute' }, compute, 'a function');
  }
  return new SampledValue(compute);
}

/** How many digits behind the point a number has as it is written. */
export function digitsOf(value: number): number {
  const [mantissa, exponent = '0'] = String(value).split('e');
  const digits = (mantissa!.split('.')[1] ?? '').length;
  return Math.max(0, digits - Number(exponent));
}

/** `index` times `step`, as one would write it: 0.3, and not 0.30000000000000004. */
export function multipleOf(index: number, step: number, digits = digitsOf(step)): number {
  // More digits than `toFixed` takes are beyond what a float can tell apart.
  return digits === 0 || digits > 100 ? index * step : Number((index * step).toFixed(digits));
}

function float(kind: DomainKind, low: number, high: number, isLog: boolean): NumericDomain {
  const call = `${kind}()`;
  checkRange(call, low, high, isLog);
  if (!(low < high)) throw invalid({ call, name: 'high' }, high, `a number above low, ${low}`);
  return new NumericDomain(kind, [low, high], { form: 'float', low, high, isLog });
}

function integers(kind: DomainKind, low: number, high: number, isLog: boolean): NumericDomain {
  const call = `${kind}()`;
  checkWhole({ call, name: 'low' }, low);
  checkWhole({ call, name: 'high' }, high);
  checkRange(call, low, high, isLog);
  if (!(low < high)) {
    throw invalid({ call, name: 'high' }, high, `a whole number above low, ${low}; it is excluded`);
  }
  return new NumericDomain(kind, [low, high], wholeNumbers(low, high - 1, 1, isLog));
}

function integerMultiples(
  kind: DomainKind,
  low: number,
  high: number,
  q: number,
  isLog: boolean,
): NumericDomain {
  const call = `${kind}()`;
  for (const [name, value] of Object.entries({ low, high, q })) checkWhole({ call, name }, value);
  return multiples(kind, [low, high, q], low, high, q, isLog);
}

function multiples(
  kind: DomainKind,
  args: readonly number[],
  low: number,
  high: number,
  q: number,
  isLog: boolean,
): NumericDomain {
  const call = `${kind}()`;
  checkNumber({ call, name: 'q' }, q);
  if (!(q > 0)) throw invalid({ call, name: 'q' }, q, 'a number above 0');
  checkRange(call, low, high, isLog);
  if (low > high) throw invalid({ call, name: 'high' }, high, `a number from low, ${low}, up`);
  const first = indexOf({ call, name: 'low' }, low, q);
  const last = indexOf({ call, name: 'high' }, high, q);
  return new NumericDomain(kind, args, wholeNumbers(first, last, q, isLog));
}

function wholeNumbers(first: number, last: number, step: number, isLog: boolean): NumericRange {
  return { form: 'multiples', first, last, step, digits: digitsOf(step), isLog };
}

function normal(
  kind: DomainKind,
  args: readonly number[],
  mean: number,
  sd: number,
  step: number | null,
): NumericDomain {
  const call = `${kind}()`;
  checkNumber({ call, name: 'mean' }, mean);
  checkNumber({ call, name: 'sd' }, sd);
  if (!(sd > 0)) throw invalid({ call, name: 'sd' }, sd, 'a number above 0');
  if (step !== null) {
    checkNumber({ call, name: 'q' }, step);
    if (!(step > 0)) throw invalid({ call, name: 'q' }, step, 'a number above 0');
  }
  return new NumericDomain(kind, args, { form: 'normal', mean, sd, step });
}

/** Which multiple of `q` a bound is. */
function indexOf(place: Place, value: number, q: number): number {
  const index = Math.round(value / q);
  // Neither 0.3 nor 0.1 is what it is written as, so 0.3 / 0.1 is not 3.
  if (Math.abs(value / q - index) > 1e-9 * Math.max(1, Math.abs(index))) {
    throw invalid(place, value, `a multiple of q, ${q}`);
  }
  if (!Number.isSafeInteger(index)) throw invalid(place, value, `at most ${2 ** 53} times q`);
  return index;
}

function checkRange(call: string, low: number, high: number, isLog: boolean): void {
  checkNumber({ call, name: 'low' }, low);
  checkNumber({ call, name: 'high' }, high);
  if (isLog && !(low > 0)) {
    throw invalid({ call, name: 'low' }, low, 'a number above 0, because its logarithm counts');
  }
  if (!Number.isFinite(high - low)) {
    throw invalid({ call, name: 'high' }, high, 'a range that a number can hold');
  }
}

function checkNumber(place: Place, value: unknown): void {
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    throw invalid(place, value, 'a finite number');
  }
}

function checkWhole(place: Place, value: unknown): void {
  if (!Number.isSafeInteger(value)) throw invalid(place, value, 'a whole number');
}

function checkElements(call: string, elements: unknown): readonly unknown[] {
  const place = { call, name: 'list' };
  if (!Array.isArray(elements)) throw invalid(place, elements, 'an array');
  if (elements.length === 0) throw invalid(place, elements, 'an array with at least one element');
  if (elements.length > ELEMENTS_MAX) {
    throw new InvalidArgumentError(
      `${call}: the list has ${elements.length} elements; allowed: at most ${ELEMENTS_MAX}`,
      { argument: 'list' },
    );
  }
  return elements;
}
