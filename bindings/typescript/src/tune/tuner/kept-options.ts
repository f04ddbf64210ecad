/**
 * What a journal keeps of the options that an experiment was given, and what becomes of them in a restore.
 *
 * - KO-1 `decode(encode(value))` is equal to the value, unless something in it is no data; that is marked by its place.
 * - KO-2 What decides about configs and about who is better stays the same for all of an experiment.
 */

import { isDeepStrictEqual } from 'node:util';

import { InvalidArgumentError } from '../../index.ts';
import { ExperimentLockedError } from '../errors.ts';
import type { ExperimentHeader } from '../experiment/events.ts';
import { readExperiment } from '../journal/experiment-reader.ts';
import { isLocked } from '../journal/lock.ts';
import { readJson, writeJson } from '../journal/python-json.ts';
import { isPlainObject } from '../plain-object.ts';
import { schedulerFrom } from '../schedulers/scheduler-from.ts';
import type { SchedulerDescription } from '../schedulers/scheduler.ts';
import { searcherFrom } from '../search/searcher-from.ts';
import type { SearcherDescription } from '../search/searcher.ts';
import { domainOf } from '../space/descriptions.ts';
import { Domain, SampledValue } from '../space/domain.ts';
import type { DomainKind } from '../space/parameter.ts';
import { descriptionOf, stopperFrom } from '../stoppers/stopper-from.ts';
import { journalOf } from './journal-file.ts';

type Options = Readonly<Record<string, unknown>>;

/** Those that say where an experiment is, or how it is shown: nothing of them is kept. */
const LEFT_OUT: ReadonlySet<string> = new Set([
  'storagePath',
  'name',
  'ifExists',
  'seed',
  'reporter',
  'handleSignals',
]);

/** KO-2. */
const FIXED = [
  'space',
  'metric',
  'mode',
  'search',
  'scheduler',
  'pointsToEvaluate',
  'knownResults',
  'outcomeConstraints',
  'deterministic',
] as const;

/** What is the same as nothing. */
const DEFAULTS: Options = {
  space: {},
  search: { $search: { name: 'basicVariant', options: {} } },
  scheduler: { $scheduler: { name: 'fifo', options: {} } },
  pointsToEvaluate: [],
  knownResults: [],
  outcomeConstraints: {},
  deterministic: false,
};

/** The options of an experiment as data. */
export function keptOptions(options: Options): Options {
  const kept = Object.entries(options)
    .filter(([name, value]) => value !== undefined && !LEFT_OUT.has(name))
    .map(([name, value]) => [name, encodeOption(name, value)] as const);
  return asRead(Object.fromEntries(kept)) as Options;
}

/**
 * The options to go on with: those that are given again, and the journal's for the rest.
 *
 * @throws InvalidArgumentError for others than before, and for those that have to be given again
 */
export function optionsToGoOnWith(header: ExperimentHeader, given: Options, call: string): Options {
  const kept = (header.options['given'] ?? {}) as Options;
  const own = keptOptions(given);
  for (const name of FIXED) {
    if (own[name] === undefined || isSame(name, own[name], kept[name])) continue;
    throw new InvalidArgumentError(
      `${call}: ${name} is another one than that of the experiment, and has to stay the same; leave it out to take it from there`,
      { argument: name, value: given[name] },
    );
  }
  if (given['seed'] !== undefined && given['seed'] !== header.seed) {
    throw new InvalidArgumentError(
      `${call}: seed is ${String(given['seed'])}, and the experiment's is ${header.seed}; leave it out`,
      { argument: 'seed', value: given['seed'] },
    );
  }
  const rest = Object.entries(kept).filter(([name]) => given[name] === undefined);
  const missing = rest.flatMap(([name, value]) => {
    const places = [...opaquePlaces(value, '')];
    return places.length === 0 ? [] : [{ name, places: places.filter((place) => place !== '') }];
  });
  if (missing.length > 0) {
    const list = missing.map(({ name, places }) =>
      places.length === 0 ? name : `${name} (for ${places.join(', ')})`,
    );
    throw new InvalidArgumentError(
      `${call}: functions and other things that are no data are not in the journal; give again: ${list.join(', ')}`,
      { argument: missing[0]!.name },
    );
  }
  const decoded = rest.map(([name, value]) => [name, decode(value)] as const);
  return { ...given, ...Object.fromEntries(decoded), seed: header.seed };
}

/** Options with those of the journal that are not given. */
export interface MergedOptions {
  readonly header: ExperimentHeader;
  readonly merged: Options;
}

/**
 * The options to go on with the experiment in a folder with.
 *
 * @throws JournalError if there is none, or it can't be read
 * @throws InvalidArgumentError as {@link optionsToGoOnWith}
 * @throws ExperimentLockedError rather than what is missing, where somebody runs the experiment
 */
export function optionsOfFolder(folder: string, given: Options, call: string): MergedOptions {
  const path = journalOf(folder);
  const { header } = readExperiment(path).experiment;
  try {
    return { header, merged: optionsToGoOnWith(header, given, call) };
  } catch (error) {
    if (!isLocked(path)) throw error;
    throw new ExperimentLockedError(
      `${call}: the experiment in ${folder} is being run by another process, or by another run in this one`,
      { path },
    );
  }
}

function isSame(name: string, one: unknown, other: unknown = DEFAULTS[name]): boolean {
  return isDeepStrictEqual(normal(one), normal(other));
}

/** One metric is a list of one; which function it is nobody can say. */
function normal(value: unknown): unknown {
  return withoutNames(typeof value === 'string' ? [value] : value);
}

function withoutNames(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNames);
  if (!isPlainObject(value)) return value;
  if ('$opaque' in value) return { $opaque: true };
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, withoutNames(each)]));
}

function encodeOption(name: string, value: unknown): unknown {
  if (name === 'callbacks') return (value as unknown[]).length === 0 ? [] : opaque('callbacks');
  if (name !== 'search' && name !== 'scheduler') return encode(value, new Set());
  // One of a user's own is known as a whole only.
  const { description } = value as { description?: SearcherDescription | SchedulerDescription };
  if (description === undefined) return opaque(name);
  return { [`$${name}`]: encode(description, new Set()) };
}

function opaque(name: string): unknown {
  return { $opaque: name };
}

function encode(value: unknown, above: Set<object>): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Object.is(value, -0) ? { $negativeZero: true } : value;
    case 'undefined':
      return { $undefined: true };
    case 'bigint':
      return { $bigint: String(value) };
    case 'function':
      return opaque(value.name);
    case 'symbol':
      return opaque('symbol');
    default:
      return value === null ? null : encodeObject(value as object, above);
  }
}

function encodeObject(value: object, above: Set<object>): unknown {
  if (value instanceof Domain) return { $domain: value.kind, args: encode(value.args, above) };
  if (value instanceof SampledValue) return opaque('sampleFrom()');
  if (value instanceof Date) return { $date: value.getTime() };
  if (above.has(value)) return opaque('a value that holds itself');
  above.add(value);
  try {
    const stopper = descriptionOf(value);
    if (stopper !== undefined) return { $stopper: stopper.name, args: encode(stopper.args, above) };
    if (Array.isArray(value)) return Array.from(value, (each) => encode(each, above));
    if (!isPlainObject(value)) return opaque(value.constructor?.name ?? 'object');
    const encoded = Object.fromEntries(
      Object.entries(value).map(([key, each]) => [key, encode(each, above)]),
    );
    const isMistakable = Object.keys(value).some((key) => key.startsWith('$'));
    return isMistakable ? { $object: encoded } : encoded;
  } finally {
    above.delete(value);
  }
}

function decode(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(decode);
  if (!isPlainObject(value)) return value;
  const [mark] = Object.keys(value);
  switch (mark) {
    case '$negativeZero':
      return -0;
    case '$undefined':
      return undefined;
    case '$bigint':
      return BigInt(value[mark] as string);
    case '$date':
      return new Date(value[mark] as number);
    case '$object':
      return decodeEntries(value[mark] as Options);
    case '$domain':
      return domainOf({
        kind: value[mark] as DomainKind,
        args: decode(value['args']) as readonly unknown[],
      });
    case '$stopper':
      return stopperFrom({
        name: value[mark] as string,
        args: decode(value['args']) as readonly unknown[],
      });
    case '$search':
      return searcherFrom(decode(value[mark]) as SearcherDescription);
    case '$scheduler':
      return schedulerFrom(decode(value[mark]) as SchedulerDescription);
    default:
      return decodeEntries(value);
  }
}

function decodeEntries(value: Options): unknown {
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, decode(each)]));
}

/** Where something is no data. */
function* opaquePlaces(value: unknown, path: string): Generator<string> {
  if (Array.isArray(value)) {
    for (const [index, each] of value.entries()) yield* opaquePlaces(each, `${path}[${index}]`);
  } else if (isPlainObject(value)) {
    if ('$opaque' in value) yield path;
    else {
      for (const [key, each] of Object.entries(value)) {
        yield* opaquePlaces(each, key.startsWith('$') ? path : join(path, key));
      }
    }
  }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}

/** As it comes back from a journal. */
function asRead(value: unknown): unknown {
  return readJson(writeJson(value));
}
