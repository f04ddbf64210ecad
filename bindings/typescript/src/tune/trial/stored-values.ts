/**
 * Values as bytes of files, and back: all that `put` takes.
 *
 * - VF-1 What comes back equals what `put` and `get` would have given.
 * - VF-2 Plain data is as V8 serializes it, which later versions of Node and of eagleray read, too. All else is as it travels
 *   between processes: what V8 would refuse, or give back as something else.
 */

import { types } from 'node:util';
import { deserialize, serialize } from 'node:v8';

import { put } from '../../index.ts';

/** A value as it is in a file. */
export interface StoredValue {
  readonly format: StoredFormat;
  /** They follow each other. */
  readonly pieces: readonly Uint8Array[];
}

/** How a value is in a file: as V8 has it, or as eagleray has it. */
export type StoredFormat = 'v8' | 'eagleray';

interface StoredValues {
  bytesOfValue(value: unknown, root: string): readonly Uint8Array[];
  valueOfBytes(bytes: Uint8Array): Promise<unknown>;
}

/** Of the SDK that is loaded: there has to be one of each class in a process. */
const { bytesOfValue, valueOfBytes } = (put as unknown as Record<symbol, StoredValues>)[
  Symbol.for('eagleray.storedValues')
]!;

/**
 * A value for a file: a copy, so that what is changed afterwards changes nothing.
 *
 * @param root what an error calls the value itself
 * @throws SerializationError for what can't be stored; its message shows the way there
 */
export function storedValue(value: unknown, root: string): StoredValue {
  return isPlainData(value)
    ? { format: 'v8', pieces: [serialize(value)] }
    : { format: 'eagleray', pieces: bytesOfValue(value, root) };
}

/** The value of a file. @throws SerializationError for what can't be made here */
export async function valueOf(format: StoredFormat, bytes: Buffer): Promise<unknown> {
  return format === 'v8' ? (deserialize(bytes) as unknown) : valueOfBytes(bytes);
}

/** V8 goes deeper with each level, and no further than the stack. */
const DEPTH_MAX = 100;

/** What V8 keeps as it is, and Node's own arrays of bytes. */
const VIEWS: ReadonlySet<unknown> = new Set(
  [
    Int8Array,
    Uint8Array,
    Uint8ClampedArray,
    Int16Array,
    Uint16Array,
    Int32Array,
    Uint32Array,
    Float32Array,
    Float64Array,
    BigInt64Array,
    BigUint64Array,
    DataView,
    Buffer,
  ].map(({ prototype }) => prototype as object),
);

/** Whether V8 gives a value back as `put` and `get` do. */
function isPlainData(root: unknown): boolean {
  const seen = new Set<object>();
  const buffers = new Set<unknown>();
  let level: unknown[] = [root];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > DEPTH_MAX) return false;
    const next: unknown[] = [];
    for (const value of level) {
      if (typeof value === 'function' || typeof value === 'symbol') return false;
      if (typeof value !== 'object' || value === null || seen.has(value)) continue;
      seen.add(value);
      if (!addParts(value, next, buffers)) return false;
    }
    level = next;
  }
  return true;
}

/** Adds what is in an object; false if V8 would lose something of it. */
function addParts(value: object, parts: unknown[], buffers: Set<unknown>): boolean {
  const prototype = Object.getPrototypeOf(value) as unknown;
  if (types.isProxy(value)) return false;
  if (ArrayBuffer.isView(value)) return VIEWS.has(prototype) && isAlone(value.buffer, buffers);
  if (Object.getOwnPropertySymbols(value).length > 0) return false;
  if (prototype === Object.prototype || prototype === Array.prototype) {
    const properties = Object.values(value) as unknown[];
    for (const each of properties) parts.push(each);
    return Array.isArray(value) === (prototype === Array.prototype) && !types.isNativeError(value);
  }
  // Properties that a program hangs on these are lost to V8.
  if (Object.keys(value).length > 0) return false;
  switch (prototype) {
    case Map.prototype:
      for (const [key, each] of value as Map<unknown, unknown>) parts.push(key, each);
      return types.isMap(value);
    case Set.prototype:
      for (const each of value as Set<unknown>) parts.push(each);
      return types.isSet(value);
    case Date.prototype:
      return types.isDate(value);
    case RegExp.prototype:
      return types.isRegExp(value);
    case ArrayBuffer.prototype:
      return types.isArrayBuffer(value) && isAlone(value, buffers);
    default:
      return false;
  }
}

/** Whether memory has one owner so far: V8 would give each view of it memory of its own. */
function isAlone(memory: ArrayBufferLike, buffers: Set<unknown>): boolean {
  if (!types.isArrayBuffer(memory) || buffers.has(memory)) return false;
  buffers.add(memory);
  return true;
}
