/**
 * What the encoder has to know of built-in objects: what they really are, and what of them is written.
 */

import { types } from 'node:util';

import { type EaglerayError, toWire } from '../errors.ts';
import type { ByteWriter } from './byte-writer.ts';
import { unstorable } from './unstorable.ts';
import { isSharedByThreads } from './snapshots.ts';
import type { ViewGroups } from './view-groups.ts';

import { ERROR_NAMES, GLOBAL_NAMES, Tag, VIEW_NAMES } from './wire.ts';

/** From this length on it pays to look whether an array has nothing but numbers. */
const PACKED_LENGTH_MIN = 16;

/** Writes what must be known to make a built-in object, and is no value itself. */
export function writeHead(tag: number, value: object, writer: ByteWriter, views: ViewGroups): void {
  switch (tag) {
    case Tag.Date:
      writer.float64(Date.prototype.getTime.call(value));
      return;
    case Tag.RegExp:
      writer.text((value as RegExp).source);
      writer.text((value as RegExp).flags);
      return;
    case Tag.View:
      writeView(value as NodeJS.ArrayBufferView, writer, views);
      return;
    case Tag.Memory: {
      const shared = types.isSharedArrayBuffer(value);
      const buffer = value as ArrayBufferLike;
      if (isSharedByThreads(buffer)) {
        throw unstorable(value, `a SharedArrayBuffer ${SHARED} new Uint8Array(buffer).slice()`);
      }
      if (!shared && isDetached(buffer)) throw unstorable(value, 'it was transferred');
      writer.count(views.addBuffer(buffer, shared));
      return;
    }
    case Tag.Url:
      writer.text((value as URL).href);
      return;
    case Tag.UrlSearchParams:
      writer.text((value as URLSearchParams).toString());
      return;
    case Tag.Error:
      writer.byte(errorNumber(value));
      return;
    case Tag.EaglerayError:
      writer.text(JSON.stringify(toWire(value as EaglerayError)));
      return;
    case Tag.DomException:
      writer.text((value as DOMException).name);
      writer.text((value as DOMException).message);
      return;
    default:
  }
}

function writeView(view: NodeJS.ArrayBufferView, writer: ByteWriter, views: ViewGroups): void {
  const name = viewName(view);
  const { buffer, byteOffset, byteLength } = view;
  if (isSharedByThreads(buffer)) {
    throw unstorable(view, `its memory is a SharedArrayBuffer, which ${SHARED} ${copyOf(name)}`);
  }
  if (byteLength === 0 && isDetached(buffer)) throw unstorable(view, 'its memory was transferred');
  const isBytes = name === 'Buffer' || name === 'Uint8Array' || name === 'DataView';
  const elementSize = 'BYTES_PER_ELEMENT' in view ? Number(view.BYTES_PER_ELEMENT) : 1;
  const group = views.addView({
    buffer,
    byteOffset,
    byteLength,
    elementSize,
    numeric: !isBytes,
    pooled: name === 'Buffer' && isPoolSized(buffer),
  });
  writer.byte(VIEW_NAMES.indexOf(name));
  writer.count(group);
  writer.count(byteOffset);
  writer.count(byteLength / elementSize);
}

const SHARED =
  "can't be shared with other processes; keep the value in an actor that all of them call, or send a copy:";

function copyOf(name: (typeof VIEW_NAMES)[number]): string {
  if (name === 'Buffer') return 'Buffer.from(array)';
  return name === 'DataView' ? 'new Uint8Array(view.buffer).slice()' : 'array.slice()';
}

/** The size of the pool as Node makes it, which in Node 26 is a little more than `Buffer.poolSize`. */
const POOL_BYTES = Buffer.allocUnsafe(1).buffer.byteLength;

/**
 * True if a buffer is as large as the pool of Buffers. A user's own buffer may be, too; then its Buffers that don't
 * overlap come back over buffers of their own.
 */
function isPoolSized({ byteLength }: ArrayBufferLike): boolean {
  return byteLength === POOL_BYTES || byteLength === Buffer.poolSize;
}

/** How an array without further properties is best written. */
export function arrayTag(array: readonly unknown[]): number {
  const { length } = array;
  let index = 0;
  if (length >= PACKED_LENGTH_MIN && typeof array[0] === 'number') {
    let integers = true;
    for (; index < length; index++) {
      const each = array[index];
      if (typeof each !== 'number') break;
      integers &&= (each | 0) === each && (each !== 0 || 1 / each > 0);
    }
    if (index === length) return integers ? Tag.Int32Array : Tag.Float64Array;
  }
  for (; index < length; index++) {
    if (array[index] === undefined && !(index in array)) return Tag.SparseArray;
  }
  return Tag.Array;
}

/** True if an object really is of the built-in kind that its prototype says; a proxy, say, is not. */
export function hasBrand(value: object, base: number): boolean {
  switch (base) {
    case Tag.Array:
      return Array.isArray(value);
    case Tag.Map:
      return types.isMap(value);
    case Tag.Set:
      return types.isSet(value);
    case Tag.Date:
      return types.isDate(value);
    case Tag.RegExp:
      return types.isRegExp(value);
    case Tag.Boxed:
      return types.isBoxedPrimitive(value);
    case Tag.View:
      return ArrayBuffer.isView(value);
    case Tag.Memory:
      return types.isAnyArrayBuffer(value);
    default:
      return true;
  }
}

/** The primitive in a boxed one, whatever its class made of `valueOf`. */
export function unboxed(value: object): unknown {
  if (types.isNumberObject(value)) return Number.prototype.valueOf.call(value);
  if (types.isStringObject(value)) return String.prototype.valueOf.call(value);
  if (types.isBooleanObject(value)) return Boolean.prototype.valueOf.call(value);
  if (types.isBigIntObject(value)) return BigInt.prototype.valueOf.call(value);
  return Symbol.prototype.valueOf.call(value);
}

const typedArrayName = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype) as object,
  Symbol.toStringTag,
)!.get!;

function viewName(view: NodeJS.ArrayBufferView): (typeof VIEW_NAMES)[number] {
  if (Buffer.isBuffer(view)) return 'Buffer';
  const name = typedArrayName.call(view) as (typeof VIEW_NAMES)[number] | undefined;
  return name ?? 'DataView';
}

function isDetached(buffer: ArrayBufferLike): boolean {
  if (buffer.byteLength > 0 || types.isSharedArrayBuffer(buffer)) return false;
  try {
    // Node 20 has no `ArrayBuffer.prototype.detached`.
    return new Uint8Array(buffer).length > 0;
  } catch {
    return true;
  }
}

function errorNumber(error: object): number {
  for (
    let each = Object.getPrototypeOf(error) as object | null;
    each !== null;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    const constructor: unknown = Object.getOwnPropertyDescriptor(each, 'constructor')?.value;
    if (typeof constructor !== 'function' || constructor.prototype !== each) continue;
    const number = (ERROR_NAMES as readonly string[]).indexOf(constructor.name);
    if (number !== -1) return number;
  }
  return 0;
}

/** Those of `GLOBAL_NAMES` that Node loads when they are first read, by the tag that tells them. */
const LOADED_LATE: Readonly<Record<string, (typeof GLOBAL_NAMES)[number]>> = {
  '[object Performance]': 'performance',
  '[object Crypto]': 'crypto',
  '[object Navigator]': 'navigator',
};

let globals: Map<object, number> | undefined;

/** The number of a built-in object that stands for itself; undefined for others. */
export function globalNumber(value: object): number | undefined {
  const late = LOADED_LATE[Object.prototype.toString.call(value)];
  if (late === undefined) return (globals ??= numberGlobals()).get(value);
  return globalOf(late) === value ? GLOBAL_NAMES.indexOf(late) : undefined;
}

function numberGlobals(): Map<object, number> {
  const late = new Set<string>(Object.values(LOADED_LATE));
  const numbers = new Map<object, number>();
  for (const [number, name] of GLOBAL_NAMES.entries()) {
    const found = late.has(name) ? undefined : globalOf(name);
    if (typeof found === 'object' && found !== null) numbers.set(found, number);
  }
  return numbers;
}

function globalOf(name: string): unknown {
  return (globalThis as Record<string, unknown>)[name];
}
