/**
 * How options are checked, whatever they are: each by a check of its own, unknown ones refused, and errors that say which one,
 * what was given and what is allowed. Options that tasks and trials share, resources and names, have their checks here too.
 */

import { withSeparators } from './describe-quantity.ts';
import { describeValue, isClass } from './describe-value.ts';
import { InvalidArgumentError } from './errors.ts';

/** The largest count of anything: what fits into 31 bits. */
export const COUNT_MAX = 2 ** 31 - 1;
/** Quantities of resources are kept in units of 1/10,000, as in the scheduler. */
export const QUANTITY_PRECISION = 10_000;
/**
 * The largest quantity that the core counts (`Quantity::MAX` in `crates/resources`): 100 TB of memory. A test compares
 * it with the core's.
 */
export const QUANTITY_MAX = 100_000_000_000_000;
/** The longest name of a task, actor, namespace or custom resource, in characters. */
export const NAME_LENGTH_MAX = 1024;

/** What an error calls an option. */
export interface Place {
  /** The call as users write it: `init()`. */
  readonly call: string;
  /** The option: `numCpus`, or `resources.Custom`. */
  readonly name: string;
}

/** Gives a value in its normal form, or throws. */
export type Check<T> = (value: unknown, place: Place) => T;
export type Checks = Readonly<Record<string, Check<unknown>>>;
export type Checked<C extends Checks> = { [K in keyof C]?: ReturnType<C[K]> };

export function invalid(place: Place, value: unknown, allowed: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `${place.call}: ${place.name} is ${describeValue(value)}; allowed: ${allowed}`,
    { argument: place.name, value, allowed },
  );
}

/**
 * Every given option, each in its normal form. `within` is the option that they are parts of, if they are.
 *
 * @throws InvalidArgumentError
 */
export function checkOptions<C extends Checks>(
  call: string,
  checks: C,
  options: unknown,
  within?: string,
): Checked<C> {
  if (options === undefined) return {};
  if (!isRecord(options)) {
    throw invalid({ call, name: within ?? 'options' }, options, `an object of ${listOf(checks)}`);
  }
  const prefix = within === undefined ? '' : `${within}.`;
  const checked: Record<string, unknown> = {};
  // Inherited options count: nothing that was given is ignored. What a program adds to all objects was not given.
  for (const name in options) {
    if (Object.hasOwn(Object.prototype, name) && !Object.hasOwn(options, name)) continue;
    const value = options[name];
    if (!Object.hasOwn(checks, name)) throw unknownOption(call, checks, name, value, prefix);
    if (value !== undefined) checked[name] = checks[name]?.(value, { call, name: prefix + name });
  }
  return Object.freeze(checked) as Checked<C>;
}

function unknownOption(
  call: string,
  checks: Checks,
  name: string,
  value: unknown,
  prefix: string,
): InvalidArgumentError {
  const meant = closest(name, Object.keys(checks));
  const hint = meant === undefined ? '' : ` Did you mean ${meant}?`;
  return new InvalidArgumentError(
    `${call}: there is no option ${prefix}${name} (${describeValue(value)}).${hint} Allowed: ${listOf(checks)}`,
    { argument: prefix + name, value, allowed: listOf(checks) },
  );
}

function listOf(checks: Checks): string {
  return Object.keys(checks).join(', ');
}

export const flag: Check<boolean> = (value, place) => {
  if (typeof value !== 'boolean') throw invalid(place, value, 'true or false');
  return value;
};

export const text: Check<string> = (value, place) => {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw invalid(place, value, 'a string that is not empty');
  }
  return value;
};

/** A whole number from `minimum` to `maximum`. */
export function count(minimum: number, meaning: string, maximum = COUNT_MAX): Check<number> {
  return (value, place) => {
    if (!Number.isInteger(value) || (value as number) < minimum || (value as number) > maximum) {
      throw invalid(place, value, `a whole number from ${minimum} to ${maximum}${meaning}`);
    }
    return value as number;
  };
}

/** How much of something that can be shared, rounded as it is counted. */
const quantity: Check<number> = (value, place) => {
  if (typeof value !== 'number' || !(value >= 0 && value <= QUANTITY_MAX)) {
    const maximum = withSeparators(QUANTITY_MAX);
    throw invalid(place, value, `a number from 0 to ${maximum}, to 4 decimal places`);
  }
  return Math.round(value * QUANTITY_PRECISION) / QUANTITY_PRECISION;
};

/** GPUs can be shared one by one. */
const gpuQuantity: Check<number> = (value, place) => {
  const allowed = 'a fraction of one GPU (0 to 1), or a whole number of GPUs';
  if (typeof value !== 'number' || !(value >= 0 && value <= COUNT_MAX)) {
    throw invalid(place, value, allowed);
  }
  const rounded = quantity(value, place);
  if (rounded > 1 && !Number.isInteger(rounded)) throw invalid(place, value, allowed);
  return rounded;
};

/** A number of bytes, as a whole number. */
export function bytes(minimum: number): Check<number> {
  return (value, place) => {
    if (typeof value !== 'number' || !(value >= minimum && value <= QUANTITY_MAX)) {
      const [from, to] = [withSeparators(minimum), withSeparators(QUANTITY_MAX)];
      throw invalid(place, value, `a number of bytes from ${from} to ${to}`);
    }
    // A share of something, such as `0.3 * totalmem()`, is seldom whole.
    return Math.ceil(value);
  };
}

/** What an error shows of a text that is too long. */
export const beginning = (long: string): string => `${long.slice(0, 40)}…`;

/** A name of something, for a person to read and to be sent along. */
export const checkName: Check<string> = (value, place) => {
  const name = text(value, place);
  if (name.length > NAME_LENGTH_MAX) {
    throw invalid(place, beginning(name), `at most ${NAME_LENGTH_MAX} characters`);
  }
  return name;
};

/** Refuses the name of an entry that is too long, without repeating all of it. */
export function checkNameInside(name: string, place: Place): void {
  if (name.length > NAME_LENGTH_MAX) {
    const allowed = `names of at most ${NAME_LENGTH_MAX} characters`;
    throw invalid({ ...place, name: `a name in ${place.name}` }, beginning(name), allowed);
  }
}

/** Options by the name of which a resource may not be called, because they have an option of their own. */
const RESERVED_RESOURCES = new Map([
  ['CPU', 'numCpus'],
  ['GPU', 'numGpus'],
  ['memory', 'memory'],
  ['objectStoreMemory', 'objectStoreMemory of init()'],
]);

/** What users have named themselves. */
export const customResources: Check<Readonly<Record<string, number>>> = (value, place) => {
  if (!isRecord(value)) throw invalid(place, value, 'an object of quantities by name');
  const entries = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.freeze(
    Object.fromEntries(
      entries.map(([name, each]) => {
        checkNameInside(name, place);
        const at = { ...place, name: `${place.name}.${name}` };
        const option = RESERVED_RESOURCES.get(name);
        if (option !== undefined) throw invalid(at, each, `the option ${option} instead`);
        if (name === '' || name.includes('\0')) {
          throw invalid(at, each, 'a name that is not empty');
        }
        return [name, quantity(each, at)];
      }),
    ),
  );
};

/** What anything runs with: tasks, actors and trials. */
export const resourceChecks = {
  numCpus: quantity,
  numGpus: gpuQuantity,
  resources: customResources,
  memory: bytes(0),
};

export const milliseconds: Check<number | null> = (value, place) => {
  if (typeof value !== 'number' || !(value >= 0)) {
    throw invalid(place, value, 'a number of milliseconds from 0 up');
  }
  return value === Infinity ? null : value;
};

export const abortSignal: Check<AbortSignal> = (value, place) => {
  // Not `instanceof`: polyfills and other realms have an AbortSignal of their own.
  const signal = value as Partial<AbortSignal> | null;
  if (
    typeof signal !== 'object' ||
    signal === null ||
    typeof signal.aborted !== 'boolean' ||
    typeof signal.addEventListener !== 'function'
  ) {
    throw invalid(place, value, 'an AbortSignal');
  }
  return value as AbortSignal;
};

export function callback(value: unknown, place: Place): (value: unknown) => unknown {
  if (typeof value !== 'function' || isClass(value)) throw invalid(place, value, 'a function');
  return value as (value: unknown) => unknown;
}

/** One of the given words, which messages join by `between`. */
export function oneOf<const Words extends readonly string[]>(
  words: Words,
  between = ' or ',
): Check<Words[number]> {
  return (value, place) => {
    if (typeof value !== 'string' || !words.includes(value)) {
      throw invalid(place, value, words.map((word) => `'${word}'`).join(between));
    }
    return value;
  };
}

/** True for objects that can hold options by name. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  // A Map would look like an object without options, and its content would be ignored.
  return !(value instanceof Map || value instanceof Set);
}

/** The known name that was probably meant: the same but for case and underscores, or few letters apart. */
function closest(name: string, known: readonly string[]): string | undefined {
  const distances = known
    .map((each) => ({ each, distance: editDistance(plain(name), plain(each)) }))
    .sort((one, other) => one.distance - other.distance);
  const best = distances[0];
  if (best !== undefined && best.distance <= Math.max(1, Math.floor(best.each.length / 4))) {
    return best.each;
  }
  return known.find((each) => name.length >= 4 && plain(each).startsWith(plain(name)));
}

function plain(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase();
}

/** How many letters have to be inserted, removed or replaced to make one word of the other (Levenshtein). */
function editDistance(one: string, other: string): number {
  let previous = Array.from({ length: other.length + 1 }, (_, column) => column);
  for (let row = 1; row <= one.length; row++) {
    const current = [row];
    for (let column = 1; column <= other.length; column++) {
      const replaced = previous[column - 1]! + (one[row - 1] === other[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[other.length]!;
}
