/**
 * Errors as data, and again as errors: what a journal keeps of what a trial has failed with.
 *
 * - ED-1 `errorOf(recordOf(error))` has the class, name, message, code and stack of the error, and its `cause`, `errors` and own
 *   fields, where its class is one of eagleray's or of JavaScript. An error of any other class is one of the nearest class that is,
 *   with its own name: a journal is read where the classes of the program that wrote it are not, and no code is made of it.
 * - ED-2 Of what is no data in an error, a text is kept that says what it was; what is too long, too many or too deep is left out.
 *   An error that can't be read in part is a record all the same.
 */

import * as sdk from '../../index.ts';
import * as tuning from '../errors.ts';
import { isPlainObject } from '../plain-object.ts';
import type { ErrorDetails, ErrorPart, ErrorRecord } from './events.ts';

/** How many errors are kept of one that has others as its causes and among its `errors`, all together. */
const ERRORS_MAX = 100;

/** How many fields are kept, and how long the JSON of each may be. */
const FIELDS_MAX = 100;
const FIELD_LENGTH_MAX = 16_384;

/** How deep data in a field may nest. */
const DEPTH_MAX = 100;

/** The classes of which errors come back as instances. */
const CLASSES: readonly ErrorClass[] = [
  Error,
  AggregateError,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  ...classesIn(sdk),
  ...classesIn(tuning),
];

/** Its instances have names of their own. */
const DOM_EXCEPTION = 'DOMException';

const PROTOTYPES: ReadonlyMap<string, Error> = new Map([
  ...CLASSES.map(({ prototype }) => [prototype.name, prototype] as const),
  [DOM_EXCEPTION, DOMException.prototype],
]);
const NAMES: ReadonlyMap<object, string> = new Map(
  [...PROTOTYPES].map(([name, prototype]) => [prototype, name]),
);

/** What every record has by itself. */
const RECORDED: ReadonlySet<string> = new Set(['message', 'stack', 'name', 'cause']);

interface ErrorClass {
  readonly prototype: Error;
}

function classesIn(module: object): ErrorClass[] {
  return Object.values(module).filter(
    (each: unknown): each is ErrorClass =>
      typeof each === 'function' && each.prototype instanceof Error,
  );
}

/** An error as a record. */
export function recordOf(error: Error): ErrorRecord {
  return recordWithin(error, { left: ERRORS_MAX - 1, within: new Set([error]) });
}

/** How much is left, and what the present error is a part of. */
interface Budget {
  left: number;
  readonly within: Set<unknown>;
}

function recordWithin(error: Error, budget: Budget): ErrorRecord {
  const name = textOf(error, 'name') ?? 'Error';
  const message = textOf(error, 'message') ?? '';
  const code = read(error, 'code');
  const details = detailsOf(error, name, budget);
  return {
    name,
    message,
    code: typeof code === 'string' ? code : null,
    stack: stackOf(error),
    ...(Object.keys(details).length === 0 ? {} : { details }),
  };
}

function detailsOf(error: Error, name: string, budget: Budget): ErrorDetails {
  const kind = classNameOf(error);
  const details: { -readonly [Name in keyof ErrorDetails]: ErrorDetails[Name] } = {};
  // One of another realm has none of these classes; its name says which it would be.
  if (kind !== undefined && kind !== name) details.class = kind;
  const shown: Record<string, unknown> = {};
  const hidden: Record<string, unknown> = {};
  for (const [key, { enumerable, value }] of fieldsOf(error)) {
    const data = dataOf(value as unknown, DEPTH_MAX);
    if (JSON.stringify(data).length > FIELD_LENGTH_MAX) continue;
    (enumerable === true ? shown : hidden)[key] = data;
  }
  if (Object.keys(shown).length > 0) details.fields = shown;
  if (Object.keys(hidden).length > 0) details.hidden = hidden;
  const cause = ownValue(error, 'cause');
  if (cause !== undefined) details.cause = partOf(cause, budget);
  const errors = ownValue(error, 'errors');
  if (Array.isArray(errors)) {
    details.errors = errors.slice(0, ERRORS_MAX).map((each: unknown) => partOf(each, budget));
  }
  return details;
}

/** An error within another one as `{ error }`, anything else as `{ value }`. */
function partOf(part: unknown, budget: Budget): ErrorPart {
  if (!isError(part)) return { value: dataOf(part, DEPTH_MAX) };
  if (budget.left <= 0 || budget.within.has(part)) return { value: stackOf(part) };
  budget.left--;
  budget.within.add(part);
  const record = recordWithin(part, budget);
  budget.within.delete(part);
  return { error: record };
}

/** Own fields that are no accessors; a code that is text has a place of its own. */
function fieldsOf(error: Error): [string, PropertyDescriptor][] {
  const fields: [string, PropertyDescriptor][] = [];
  for (const key of Object.getOwnPropertyNames(error)) {
    // Not looked at: a stack is written when it is first read, which may run code of the program.
    if (RECORDED.has(key)) continue;
    const field = Object.getOwnPropertyDescriptor(error, key)!;
    const value: unknown = field.value;
    if (value === undefined || typeof value === 'function') continue;
    if (key === 'errors' && Array.isArray(value)) continue;
    if (key === 'code' && typeof value === 'string') continue;
    if (fields.push([key, field]) === FIELDS_MAX) break;
  }
  return fields;
}

/** The nearest class of an error that is known where its journal is read. */
function classNameOf(error: Error): string | undefined {
  let prototype = Object.getPrototypeOf(error) as object | null;
  while (prototype !== null && !NAMES.has(prototype)) {
    prototype = Object.getPrototypeOf(prototype) as object | null;
  }
  return prototype === null ? undefined : NAMES.get(prototype);
}

function dataOf(value: unknown, depth: number): unknown {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return value;
  if (typeof value === 'number') return value;
  if (typeof value === 'bigint') return `${value}n`;
  if (value instanceof Date) return value.toJSON();
  if (isError(value)) return stackOf(value);
  if (depth > 0 && Array.isArray(value)) return value.map((each) => dataOf(each, depth - 1));
  if (depth > 0 && isPlainObject(value)) {
    const entries = Object.entries(Object.getOwnPropertyDescriptors(value));
    return Object.fromEntries(
      entries.map(([key, each]) => [key, dataOf(each.value as unknown, depth - 1)]),
    );
  }
  if (typeof value !== 'object') return String(value);
  const { constructor } = value as { readonly constructor?: { readonly name?: string } };
  return `[${constructor?.name ?? 'object'}]`;
}

function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === '[object Error]';
}

function ownValue(error: Error, key: string): unknown {
  return Object.getOwnPropertyDescriptor(error, key)?.value as unknown;
}

function textOf(error: Error, key: 'name' | 'message' | 'stack'): string | undefined {
  const value = read(error, key);
  return typeof value === 'string' ? value : undefined;
}

function stackOf(error: Error): string {
  const name = textOf(error, 'name') ?? 'Error';
  return textOf(error, 'stack') ?? `${name}: ${textOf(error, 'message') ?? ''}`;
}

/** What a property is; undefined where reading it throws, as accessors of the program may. */
function read(error: Error, key: string): unknown {
  try {
    return (error as unknown as Record<string, unknown>)[key];
  } catch {
    return undefined;
  }
}

/** The error of a record. */
export function errorOf(record: ErrorRecord): Error {
  const { code, details = {}, message, name, stack } = record;
  const error = newError(details.class ?? name, message, name);
  // `name` and `stack` are not listed, a code is: as classes of errors have it.
  if (error.name !== name) define(error, 'name', name, false);
  define(error, 'stack', stack, false);
  if (code !== null) define(error, 'code', code, true);
  for (const [key, value] of Object.entries(details.fields ?? {})) define(error, key, value, true);
  for (const [key, value] of Object.entries(details.hidden ?? {})) define(error, key, value, false);
  if (details.cause !== undefined) define(error, 'cause', whole(details.cause), false);
  if (details.errors !== undefined) define(error, 'errors', details.errors.map(whole), false);
  return error;
}

function newError(kind: string, message: string, name: string): Error {
  // What it says of itself is inside of it, and comes from its constructor only.
  if (kind === DOM_EXCEPTION) return new DOMException(message, name);
  // Not by the constructor of its class, which takes details and writes a message of them.
  const error = new Error(message);
  return Object.setPrototypeOf(error, PROTOTYPES.get(kind) ?? Error.prototype) as Error;
}

function whole(part: ErrorPart): unknown {
  return 'error' in part ? errorOf(part.error) : part.value;
}

function define(error: Error, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(error, key, { value, enumerable, configurable: true, writable: true });
}
