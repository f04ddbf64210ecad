/**
 * Makes built-in objects of what was read of them. What no encoder can have written is a `SerializationError`.
 */

import { describeThrown } from '../describe-value.ts';
import { EaglerayError, SerializationError, fromWire, type WireError } from '../errors.ts';
import { type ByteReader, damaged } from './byte-reader.ts';
import type { DecodeHooks } from './hooks.ts';
import type { PlatformKind } from './platform-kinds.ts';
import {
  DESERIALIZE,
  ERROR_NAMES,
  HIDDEN_ERROR_KEYS,
  VIEW_NAMES,
  WELL_KNOWN_SYMBOLS,
} from './wire.ts';

type ViewConstructor = new (
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
) => NodeJS.ArrayBufferView;

/** A view of `length` elements (bytes for a `DataView` and a `Buffer`). */
export function newView(
  number: number,
  buffer: ArrayBufferLike,
  byteOffset: number,
  length: number,
): NodeJS.ArrayBufferView {
  const name = VIEW_NAMES[number];
  if (name === undefined) throw damaged('a view is of an unknown kind');
  if (name === 'Buffer') {
    if (length > buffer.byteLength - byteOffset) throw damaged('a view leaves its memory');
    return Buffer.from(buffer as ArrayBuffer, byteOffset, length);
  }
  const constructor = (globalThis as Record<string, unknown>)[name] as ViewConstructor | undefined;
  if (constructor === undefined) {
    throw new SerializationError(`the value holds a ${name}, which this Node does not have`);
  }
  try {
    return new constructor(buffer, byteOffset, length);
  } catch (error) {
    throw damaged('a view leaves its memory', error);
  }
}

export function readBigint(reader: ByteReader): bigint {
  const text = reader.text();
  if (!/^-?[0-9a-f]+$/.test(text)) throw damaged('a number has wrong digits');
  return text.startsWith('-') ? -BigInt(`0x${text.slice(1)}`) : BigInt(`0x${text}`);
}

export function readWellKnownSymbol(reader: ByteReader): symbol {
  const symbol = WELL_KNOWN_SYMBOLS[reader.count()];
  if (symbol === undefined) throw damaged('a symbol is unknown');
  return symbol;
}

/** A symbol that a module of this process has, by the text of the describer's. */
export function symbolNamed(text: string, hooks: DecodeHooks): symbol {
  const symbol = hooks.symbol?.(text);
  if (symbol !== undefined) return symbol;
  throw new SerializationError(`the value holds the symbol ${text}, which can't be found here`);
}

/** @param value the primitive to be put into an object */
export function newBoxed(value: unknown): object {
  if (value === undefined || value === null || Object(value) === value) {
    throw damaged('a boxed primitive is none');
  }
  return Object(value) as object;
}

export function newRegExp(source: string, flags: string): RegExp {
  try {
    return new RegExp(source, flags);
  } catch (error) {
    throw damaged('a regular expression is wrong', error);
  }
}

export function newUrl(href: string): URL {
  try {
    return new URL(href);
  } catch (error) {
    throw damaged('a URL is wrong', error);
  }
}

export function newDomException(name: string, message: string): DOMException {
  return withoutStack(() => new DOMException(message, name));
}

export function newError(number: number): Error {
  const name = ERROR_NAMES[number];
  if (name === undefined) throw damaged('an error is of an unknown class');
  const found = (globalThis as Record<string, unknown>)[name];
  const constructor = (typeof found === 'function' ? found : Error) as ErrorConstructor;
  const list = name === 'AggregateError' ? [[]] : [];
  const error = withoutStack(() => Reflect.construct(constructor, list) as Error);
  // What the error had of these is defined anew; what it did not have, it shall not have here.
  for (const key of HIDDEN_ERROR_KEYS) delete (error as unknown as Record<string, unknown>)[key];
  return error;
}

/** Saves the time for a stack that is replaced at once. */
function withoutStack<T>(make: () => T): T {
  const limit = Error.stackTraceLimit;
  // Not by assignment, which throws where intrinsics are frozen.
  Reflect.set(Error, 'stackTraceLimit', 0);
  try {
    return make();
  } finally {
    Reflect.set(Error, 'stackTraceLimit', limit);
  }
}

export function newEaglerayError(text: string): EaglerayError {
  let wire: WireError;
  try {
    wire = JSON.parse(text) as WireError;
    if (typeof wire.code !== 'string' || typeof wire.message !== 'string')
      throw new TypeError(text);
    if (typeof wire.stack !== 'string' || !isRecord(wire.fields)) throw new TypeError(text);
  } catch (error) {
    throw damaged('an error is incomplete', error);
  }
  return fromWire(wire);
}

function isRecord(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object of a kind of `platform-kinds.ts`. */
export function newPlatformObject(kind: PlatformKind, state: unknown, hooks: DecodeHooks): object {
  if (kind.find() === undefined) {
    throw new SerializationError(`the value holds a ${kind.name}, which this Node does not have`);
  }
  try {
    return kind.make(state as never, hooks);
  } catch (error) {
    throw damaged(`a ${kind.name} can't be made of what arrived`, error);
  }
}

interface CustomClass {
  readonly name: string;
  [DESERIALIZE]?(state: unknown): unknown;
}

/** The instance that a class makes of its own state. */
export function restored(constructor: Function, state: unknown): unknown {
  const custom = constructor as unknown as CustomClass;
  if (typeof custom[DESERIALIZE] !== 'function') {
    throw new SerializationError(
      `the class ${custom.name} has no static [Symbol.for('eagleray.deserialize')] here`,
    );
  }
  try {
    return custom[DESERIALIZE](state);
  } catch (error) {
    if (error instanceof EaglerayError) throw error;
    throw new SerializationError(
      `${custom.name}[Symbol.for('eagleray.deserialize')] threw ${describeThrown(error)}`,
      {},
      { cause: error },
    );
  }
}
