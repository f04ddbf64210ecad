/**
 * A space: which parameters it has, and how configs and their numbers belong together.
 *
 * - SP-1 Parameters are in order of declaration, depth first; what is in branches counts whether it is chosen or not.
 * - SP-2 `build` and `valuesOf` are each other's inverse for configs of the space. Where elements of a choice overlap, a config alone does
 *   not say which one it has: for those that were built that is remembered.
 * - SP-3 A config shares nothing with the space but constants that are no plain objects or arrays.
 */

import { InvalidArgumentError } from '../../index.ts';
import { invalid } from '../../option-checks.ts';
import { refusePromise } from '../answers-at-once.ts';
import { copyOfData } from '../data-copies.ts';
import { isPlainObject } from '../plain-object.ts';
import {
  ChoiceDomain,
  Domain,
  NumericDomain,
  type NumericRange,
  type RandomNumbers,
  SampledValue,
  multipleOf,
} from './domain.ts';
import type { ParameterDescription } from './parameter.ts';

/** The most parameters of a space. */
export const PARAMETERS_MAX = 1_000;

/** The most objects and arrays within each other in a space, constants included: what reads a config goes as deep. */
export const SPACE_DEPTH_MAX = 100;

/** Where a parameter's values come from. */
export type ParameterRange =
  NumericRange | { readonly form: 'choice'; readonly count: number; readonly isOrdered: boolean };

/** A parameter with what searchers need to know of it. */
export interface Parameter extends ParameterDescription {
  readonly range: ParameterRange;
  /** As `when` of the description, by the parameter's index. */
  readonly condition: { readonly parameter: number; readonly choice: number } | null;
}

/** Numbers of a config: one for each parameter, NaN for those that don't exist in it. */
export type Values = readonly number[];

/** What a space is made of, as a tree. */
type Part =
  | { readonly form: 'constant'; readonly value: unknown }
  /** `name` is its path, as those of parameters. */
  | {
      readonly form: 'sampled';
      readonly name: string;
      readonly compute: SampledValue['compute'];
    }
  /** Values are rounded to multiples of `step`, which searchers do not know; null for none. */
  | { readonly form: 'numeric'; readonly parameter: number; readonly step: number | null }
  | {
      readonly form: 'choice';
      readonly parameter: number;
      readonly elements: readonly Part[];
      readonly originals: readonly unknown[];
    }
  | { readonly form: 'object'; readonly entries: readonly (readonly [string, Part])[] }
  | { readonly form: 'array'; readonly items: readonly Part[] };

type Key = string | number;

/** SP-2. Spaces of the same parameters share it: that of an experiment, and that of its searcher. */
const builtFrom = new WeakMap<object, Values>();

/** See the file. */
export class Space {
  readonly parameters: readonly Parameter[];
  readonly #root: Part;
  readonly #hasSampled: boolean;
  readonly #hasChoices: boolean;

  /** @throws InvalidArgumentError which says where in the space something is wrong */
  constructor(space: unknown, call: string) {
    const parser = new SpaceParser(call);
    this.#root = parser.parseSpace(space);
    this.parameters = Object.freeze(parser.parameters);
    this.#hasSampled = parser.hasSampled;
    this.#hasChoices = this.parameters.some(({ range }) => range.form === 'choice');
  }

  /** True if a config needs random numbers beyond those of its parameters. */
  get hasSampled(): boolean {
    return this.#hasSampled;
  }

  /**
   * The config of these values. Without random numbers the values of `sampleFrom` are left undefined.
   *
   * @throws InvalidArgumentError if a function of `sampleFrom` gives a domain, or a promise
   */
  build(values: Values, random: RandomNumbers | null): unknown {
    const late: LateValue[] = [];
    const config = build(this.#root, values, late);
    if (this.#hasChoices) builtFrom.set(config as object, [...values]);
    if (random === null || late.length === 0) return config;
    // What the functions get to see is another config, made alike: they may write to it, and nothing is changed by that.
    const lateShown: LateValue[] = [];
    const shown = build(this.#root, values, lateShown);
    for (const [index, { owner, key, name, compute }] of late.entries()) {
      const value: unknown = compute(shown as never, random);
      requireSampled(value, name);
      (owner as Record<Key, unknown>)[key] = copyOfData(value);
      (lateShown[index]!.owner as Record<Key, unknown>)[key] = copyOfData(value);
    }
    return config;
  }

  /**
   * The values of a config; constants may be left out of it.
   *
   * @throws InvalidArgumentError for one outside of the space, with the path and what is allowed
   */
  valuesOf(config: unknown, call: string): number[] {
    return this.#read(config, call, 'whole') as number[];
  }

  /**
   * The same for what a searcher has answered: of arrays, constants at the end may be left out, and upper ends that a range does not
   * include are refused.
   *
   * @throws InvalidArgumentError
   */
  valuesOfAnswer(config: unknown, call: string): number[] {
    return this.#read(config, call, 'answer') as number[];
  }

  /** The same for a config that may have more than the space: constants that the space does not know. */
  valuesWithin(config: unknown, call: string): number[] {
    return this.#read(config, call, 'larger') as number[];
  }

  /**
   * The values of a config of which parts may be missing: undefined for parameters that are not decided by it.
   *
   * @throws InvalidArgumentError for one outside of the space, and for names that the space does not have
   */
  partialValuesOf(config: unknown, call: string): (number | undefined)[] {
    return this.#read(config, call, 'partial');
  }

  /** Takes the values of those parameters away that don't exist with the values before them. */
  prune(values: number[]): void {
    for (const [index, { condition }] of this.parameters.entries()) {
      // A choice that does not exist is NaN, and so equal to none.
      if (condition !== null && values[condition.parameter] !== condition.choice)
        values[index] = NaN;
    }
  }

  #read(config: unknown, call: string, extent: Extent): (number | undefined)[] {
    const values: (number | undefined)[] = this.parameters.map(() => NaN);
    // Only a hint: who has it may have changed it.
    const built = isPlainObject(config) ? builtFrom.get(config) : undefined;
    const reader = new ConfigReader(this.parameters, values, call, extent, built);
    reader.read(this.#root, config, '');
    return values;
  }
}

/** A copy of a config, of which spaces know what they know of the config itself (SP-2). */
export function copyOfConfig(config: unknown): unknown {
  const copy = copyOfData(config);
  if (!isPlainObject(config)) return copy;
  const values = builtFrom.get(config);
  if (values !== undefined) builtFrom.set(copy as object, values);
  return copy;
}

/** True for what makes an object a part of a space: a domain or a computed value. */
export function isInSpace(value: unknown): boolean {
  return value instanceof Domain || value instanceof SampledValue;
}

/** @throws InvalidArgumentError with the path for a part of a space, promises, and what can't be copied */
function requireSampled(value: unknown, name: string, above: readonly object[] = []): void {
  const where = { call: 'sampleFrom()', name: `what its function gave for ${name}` };
  refusePromise(value, where);
  if (isInSpace(value)) {
    throw new InvalidArgumentError(
      `sampleFrom() gave a domain for ${name}; allowed: a value, which its function can draw with its second argument, random()`,
      { argument: name, value },
    );
  }
  const isList = Array.isArray(value);
  if (!isList && !isPlainObject(value)) return;
  if (above.includes(value)) throw invalid(where, value, 'objects that do not hold themselves');
  if (above.length === SPACE_DEPTH_MAX) {
    throw invalid(where, value, `${SPACE_DEPTH_MAX} objects and arrays within each other`);
  }
  for (const [key, part] of Object.entries(value)) {
    if (typeof part !== 'object' || part === null) continue;
    requireSampled(part, isList ? `${name}[${key}]` : `${name}.${key}`, [...above, value]);
  }
}

/** A number of a range, rounded to what it holds; those that are none of it are refused by undefined. */
export function valueInRange(range: NumericRange, value: unknown): number | undefined {
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  switch (range.form) {
    case 'float':
      // The upper end is accepted, as by Ray and Optuna: whoever wants it tried means it, and what is rounded up to it belongs to it.
      return value >= range.low && value <= range.high ? value : undefined;
    case 'multiples': {
      const index = Math.round(value / range.step);
      if (index < range.first || index > range.last) return undefined;
      const nearest = multipleOf(index, range.step, range.digits);
      return Math.abs(nearest - value) <= range.step * 1e-9 ? nearest : undefined;
    }
    case 'normal': {
      const distance = Math.abs(value - range.mean);
      return distance <= 10 * range.sd + (range.step ?? 0) ? value : undefined;
    }
  }
}

/** What values a parameter has, in words. */
export function describeRange(parameter: ParameterDescription): string {
  if (parameter.kind === 'choice' || parameter.kind === 'gridSearch') {
    return `an element of its list of ${(parameter.args[0] as readonly unknown[]).length}`;
  }
  return `a value of ${parameter.kind}(${parameter.args.join(', ')})`;
}

class SpaceParser {
  readonly parameters: Parameter[] = [];
  hasSampled = false;
  readonly #call: string;
  readonly #above = new Set<object>();

  constructor(call: string) {
    this.#call = call;
  }

  parseSpace(space: unknown): Part {
    if (!isPlainObject(space)) {
      throw invalid(
        { call: this.#call, name: 'space' },
        space,
        'a plain object, such as { lr: uniform(0, 1) }',
      );
    }
    return this.#parse(space, '', [], null);
  }

  #parse(
    value: unknown,
    name: string,
    path: readonly Key[],
    condition: Parameter['condition'],
  ): Part {
    if (value instanceof SampledValue) {
      this.hasSampled = true;
      return { form: 'sampled', name, compute: value.compute };
    }
    if (value instanceof NumericDomain) {
      const parameter = this.#add(value, value.range, name, path, condition);
      const step = value.range.form === 'normal' ? value.range.step : null;
      return { form: 'numeric', parameter, step };
    }
    if (value instanceof ChoiceDomain) return this.#parseChoice(value, name, path, condition);
    if (!isPlainObject(value) && !Array.isArray(value)) return { form: 'constant', value };
    if (this.#above.has(value)) {
      throw invalid(
        { call: this.#call, name: placeOf(name) },
        value,
        'objects that do not hold themselves',
      );
    }
    if (this.#above.size === SPACE_DEPTH_MAX) {
      const at = { call: this.#call, name: `${placeOf(name).slice(0, 40)}…` };
      throw invalid(at, value, `${SPACE_DEPTH_MAX} objects and arrays within each other`);
    }
    this.#above.add(value);
    const part: Part = Array.isArray(value)
      ? {
          form: 'array',
          // Holes count: a searcher's space has them where constants are.
          items: Array.from(value, (item: unknown, index) =>
            this.#parse(item, `${name}[${index}]`, [...path, index], condition),
          ),
        }
      : { form: 'object', entries: this.#parseEntries(value, name, path, condition) };
    this.#above.delete(value);
    return part;
  }

  #parseEntries(
    value: Readonly<Record<string, unknown>>,
    name: string,
    path: readonly Key[],
    condition: Parameter['condition'],
  ): (readonly [string, Part])[] {
    return Object.entries(value).map(([key, each]) => {
      if (/[.[\]]/.test(key) || key === '' || key === '__proto__') {
        throw new InvalidArgumentError(
          `${this.#call}: the key ${JSON.stringify(key)} in ${placeOf(name)} can't be used; ` +
            'allowed: names without points and brackets, which stand for the path of a parameter',
          { argument: name === '' ? key : `${name}.${key}`, value: key },
        );
      }
      return [
        key,
        this.#parse(each, name === '' ? key : `${name}.${key}`, [...path, key], condition),
      ];
    });
  }

  #parseChoice(
    domain: ChoiceDomain,
    name: string,
    path: readonly Key[],
    condition: Parameter['condition'],
  ): Part {
    if (domain.kind === 'gridSearch' && condition !== null) {
      throw new InvalidArgumentError(
        `${this.#call}: gridSearch() at ${name} stands in a branch of a choice; it has to stand where it always exists`,
        { argument: name },
      );
    }
    const range: ParameterRange = {
      form: 'choice',
      count: domain.elements.length,
      isOrdered: domain.isOrdered,
    };
    const parameter = this.#add(domain, range, name, path, condition);
    const before = this.parameters.length;
    const elements = domain.elements.map((element, index) =>
      this.#parse(element, `${name}[${index}]`, path, { parameter, choice: index }),
    );
    if (domain.kind === 'gridSearch' && this.parameters.length > before) {
      throw new InvalidArgumentError(
        `${this.#call}: an element of gridSearch() at ${name} has domains in it; use choice() for branches`,
        { argument: name },
      );
    }
    return { form: 'choice', parameter, elements, originals: domain.elements };
  }

  #add(
    domain: Domain,
    range: ParameterRange,
    name: string,
    path: readonly Key[],
    condition: Parameter['condition'],
  ): number {
    if (this.parameters.length === PARAMETERS_MAX) {
      throw new InvalidArgumentError(
        `${this.#call}: the space has more than ${PARAMETERS_MAX} parameters`,
        { argument: 'space', allowed: `at most ${PARAMETERS_MAX} parameters` },
      );
    }
    const when =
      condition === null
        ? {}
        : { when: { name: this.parameters[condition.parameter]!.name, index: condition.choice } };
    this.parameters.push(
      Object.freeze({
        name,
        path: Object.freeze([...path]),
        kind: domain.kind,
        args: domain.args,
        ...when,
        range: Object.freeze(range),
        condition,
      }),
    );
    return this.parameters.length - 1;
  }
}

/** A value that is computed when all others are there. */
interface LateValue {
  readonly owner: object;
  readonly key: Key;
  readonly name: string;
  readonly compute: SampledValue['compute'];
}

function build(part: Part, values: Values, late: LateValue[]): unknown {
  switch (part.form) {
    case 'constant':
      return part.value;
    case 'sampled':
      return undefined;
    case 'numeric': {
      const value = values[part.parameter]!;
      return part.step === null ? value : multipleOf(Math.round(value / part.step), part.step);
    }
    case 'choice': {
      const index = values[part.parameter]!;
      return build(part.elements[index]!, values, late);
    }
    case 'object': {
      const object: Record<string, unknown> = {};
      for (const [key, each] of part.entries) place(object, key, each, values, late);
      return object;
    }
    case 'array': {
      const array: unknown[] = new Array<unknown>(part.items.length);
      for (const [index, each] of part.items.entries()) place(array, index, each, values, late);
      return array;
    }
  }
}

function place(owner: object, key: Key, part: Part, values: Values, late: LateValue[]): void {
  let chosen = part;
  while (chosen.form === 'choice') chosen = chosen.elements[values[chosen.parameter]!]!;
  // The key has its place among the others already, so that a config looks as its space does.
  (owner as Record<Key, unknown>)[key] = build(chosen, values, late);
  if (chosen.form !== 'sampled') return;
  late.push({ owner, key, name: chosen.name, compute: chosen.compute });
}

/** How much a config has, measured by its space: parts may be missing, or there may be more. Answers are those of searchers. */
type Extent = 'whole' | 'partial' | 'larger' | 'answer';

class ConfigReader {
  readonly #parameters: readonly Parameter[];
  readonly #values: (number | undefined)[];
  readonly #call: string;
  readonly #extent: Extent;
  readonly #built: Values | undefined;

  constructor(
    parameters: readonly Parameter[],
    values: (number | undefined)[],
    call: string,
    extent: Extent,
    built: Values | undefined,
  ) {
    this.#parameters = parameters;
    this.#values = values;
    this.#call = call;
    this.#extent = extent;
    this.#built = built;
  }

  read(part: Part, value: unknown, name: string): void {
    // Constants may be left out.
    if (value === undefined && !hasParameters(part)) return;
    switch (part.form) {
      case 'constant':
      case 'sampled':
        return;
      case 'numeric':
        this.#readNumber(part.parameter, value);
        return;
      case 'choice':
        this.#readChoice(part, value, name);
        return;
      case 'object':
        this.#readObject(part.entries, value, name);
        return;
      case 'array':
        this.#readArray(part.items, value, name);
        return;
    }
  }

  #readNumber(parameter: number, value: unknown): void {
    if (value === undefined && this.#extent === 'partial') {
      this.#values[parameter] = undefined;
      return;
    }
    const found = this.#inRange(parameter, value);
    if (found === undefined) throw this.#refused(parameter, value);
    this.#values[parameter] = found;
  }

  #inRange(parameter: number, value: unknown): number | undefined {
    return this.#isExcludedEnd(parameter, value)
      ? undefined
      : valueInRange(this.#parameters[parameter]!.range as NumericRange, value);
  }

  /** What others have found may have been rounded up to the end of its range; a searcher knows the range. */
  #isExcludedEnd(parameter: number, value: unknown): boolean {
    const range = this.#parameters[parameter]!.range as NumericRange;
    return this.#extent === 'answer' && range.form === 'float' && value === range.high;
  }

  #readChoice(part: Part & { form: 'choice' }, value: unknown, name: string): void {
    if (value === undefined && this.#extent === 'partial' && !part.originals.includes(undefined)) {
      this.#leaveOpen(part);
      return;
    }
    const isRight = (element: Part, index: number): boolean =>
      this.#matches(element, value, `${name}[${index}]`);
    // The one that it was built from comes first.
    const built = this.#built?.[part.parameter] ?? NaN;
    const before = part.elements[built];
    const index =
      before !== undefined && isRight(before, built) ? built : part.elements.findIndex(isRight);
    if (index < 0) throw this.#refused(part.parameter, value);
    this.#values[part.parameter] = index;
    this.read(part.elements[index]!, value, `${name}[${index}]`);
  }

  /** Nothing in it is decided. */
  #leaveOpen(part: Part): void {
    switch (part.form) {
      case 'numeric':
        this.#values[part.parameter] = undefined;
        return;
      case 'choice':
        this.#values[part.parameter] = undefined;
        for (const element of part.elements) this.#leaveOpen(element);
        return;
      case 'object':
        for (const [, each] of part.entries) this.#leaveOpen(each);
        return;
      case 'array':
        for (const each of part.items) this.#leaveOpen(each);
        return;
      case 'constant':
      case 'sampled':
        return;
    }
  }

  #readObject(entries: readonly (readonly [string, Part])[], value: unknown, name: string): void {
    // What is no config at all leaves nothing open: it is a mistake.
    if (value === undefined && this.#extent === 'partial' && name !== '') {
      for (const [, part] of entries) this.#leaveOpen(part);
      return;
    }
    if (!isPlainObject(value)) throw this.#shape(name, value, 'an object');
    const known = new Set(entries.map(([key]) => key));
    const unknown = Object.keys(value).find((key) => !known.has(key));
    if (unknown !== undefined && this.#extent !== 'larger') {
      throw new InvalidArgumentError(
        `${this.#call}: ${join(name, unknown)} is not in the space; allowed: ${[...known].join(', ')}`,
        { argument: join(name, unknown), value: value[unknown] },
      );
    }
    for (const [key, part] of entries) this.read(part, value[key], join(name, key));
  }

  #readArray(items: readonly Part[], value: unknown, name: string): void {
    if (value === undefined && this.#extent === 'partial') {
      for (const part of items) this.#leaveOpen(part);
      return;
    }
    // A searcher's config may leave out constants, which the space as it knows it does not have.
    const isRight =
      Array.isArray(value) &&
      (value.length === items.length ||
        this.#extent === 'larger' ||
        (this.#extent === 'answer' && value.length < items.length));
    if (!isRight) {
      throw this.#shape(name, value, `an array of ${items.length}`);
    }
    for (const [index, part] of items.entries()) this.read(part, value[index], `${name}[${index}]`);
  }

  /** Whether a value can be one of this element: constants are equal, and parameters have values of theirs. */
  #matches(part: Part, value: unknown, name: string): boolean {
    switch (part.form) {
      case 'constant':
        return isEqual(part.value, value);
      case 'sampled':
        return true;
      case 'numeric':
        return this.#inRange(part.parameter, value) !== undefined;
      case 'choice':
        return part.elements.some((element) => this.#matches(element, value, name));
      case 'array':
        return (
          Array.isArray(value) &&
          value.length === part.items.length &&
          part.items.every((item, index) => this.#matches(item, value[index], name))
        );
      case 'object': {
        if (!isPlainObject(value)) return false;
        const known = new Set(part.entries.map(([key]) => key));
        return (
          Object.keys(value).every((key) => known.has(key)) &&
          part.entries.every(([key, each]) =>
            // Of a partial config what is missing is open; constants may be left out of any.
            !Object.hasOwn(value, key) && (this.#extent === 'partial' || !hasParameters(each))
              ? true
              : this.#matches(each, value[key], name),
          )
        );
      }
    }
  }

  #refused(parameter: number, value: unknown): Error {
    const { name } = this.#parameters[parameter]!;
    const range = describeRange(this.#parameters[parameter]!);
    const isEnd =
      this.#parameters[parameter]!.range.form === 'float' && this.#isExcludedEnd(parameter, value);
    const allowed = isEnd ? `${range}, which does not include ${String(value)}` : range;
    return invalid({ call: this.#call, name }, value, allowed);
  }

  #shape(name: string, value: unknown, allowed: string): Error {
    return invalid({ call: this.#call, name: name === '' ? 'config' : name }, value, allowed);
  }
}

function hasParameters(part: Part): boolean {
  switch (part.form) {
    case 'numeric':
    case 'choice':
      return true;
    case 'object':
      return part.entries.some(([, each]) => hasParameters(each));
    case 'array':
      return part.items.some(hasParameters);
    case 'constant':
    case 'sampled':
      return false;
  }
}

/** Equal as data: what is built from a space is a copy of its plain objects. */
function isEqual(one: unknown, other: unknown): boolean {
  if (Object.is(one, other)) return true;
  if (Array.isArray(one)) {
    return (
      Array.isArray(other) &&
      one.length === other.length &&
      one.every((item, index) => isEqual(item, other[index]))
    );
  }
  if (!isPlainObject(one) || !isPlainObject(other)) return false;
  const keys = Object.keys(one);
  return (
    keys.length === Object.keys(other).length &&
    keys.every((key) => Object.hasOwn(other, key) && isEqual(one[key], other[key]))
  );
}

function join(name: string, key: string): string {
  return name === '' ? key : `${name}.${key}`;
}

function placeOf(name: string): string {
  return name === '' ? 'space' : name;
}
