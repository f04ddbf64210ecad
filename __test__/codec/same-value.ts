/**
 * Compares two graphs of objects more strictly than `toEqual`: prototypes, property order, symbol keys, holes, -0, and
 * that what is one object here is one object there.
 */

import { types } from 'node:util';

export interface SameValueOptions {
  /** Structured clone loses some of what the codec keeps; these are not compared. */
  ignorePrototypes?: boolean;
}

interface Pair {
  left: unknown;
  right: unknown;
  path: string;
}

/** The first difference in words, or undefined if the values are the same. */
export function difference(
  left: unknown,
  right: unknown,
  options: SameValueOptions = {},
): string | undefined {
  const leftToRight = new Map<object, object>();
  const rightToLeft = new Map<object, object>();
  // A list of work rather than recursion, because values of the matrix nest 20,000 deep.
  const work: Pair[] = [{ left, right, path: 'value' }];
  for (;;) {
    const pair = work.pop();
    if (pair === undefined) return undefined;
    if (!isObject(pair.left) || !isObject(pair.right)) {
      if (Object.is(pair.left, pair.right)) continue;
      return `${pair.path}: ${show(pair.left)} became ${show(pair.right)}`;
    }
    const known = leftToRight.get(pair.left);
    if (known !== undefined || rightToLeft.has(pair.right)) {
      if (known === pair.right && rightToLeft.get(pair.right) === pair.left) continue;
      return `${pair.path}: another identity`;
    }
    leftToRight.set(pair.left, pair.right);
    rightToLeft.set(pair.right, pair.left);
    const found = compareObjects(pair.left, pair.right, pair.path, work, options);
    if (found !== undefined) return `${pair.path}: ${found}`;
  }
}

function compareObjects(
  left: object,
  right: object,
  path: string,
  work: Pair[],
  options: SameValueOptions,
): string | undefined {
  if (typeof left === 'function' || typeof right === 'function') {
    return left === right ? undefined : 'another function';
  }
  if (!options.ignorePrototypes && Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) {
    return `the prototype of ${show(left)} became that of ${show(right)}`;
  }
  const kind = kindOf(left);
  if (kind !== kindOf(right)) return `${kind} became ${kindOf(right)}`;
  const found = compareContent(kind, left, right, path, work);
  if (found !== undefined) return found;
  return compareProperties(left, right, path, work, kind === 'Error' || kind === 'DomException');
}

function compareContent(
  kind: string,
  left: object,
  right: object,
  path: string,
  work: Pair[],
): string | undefined {
  switch (kind) {
    case 'Map':
    case 'Set': {
      const a = [...(left as Map<unknown, unknown>).entries()];
      const b = [...(right as Map<unknown, unknown>).entries()];
      if (a.length !== b.length) return `${a.length} entries became ${b.length}`;
      for (const [index, [key, value]] of a.entries()) {
        const [otherKey, otherValue] = b[index]!;
        work.push({ left: key, right: otherKey, path: `${path}<key ${index}>` });
        work.push({ left: value, right: otherValue, path: `${path}<value ${index}>` });
      }
      return undefined;
    }
    case 'Date':
      return same((left as Date).getTime(), (right as Date).getTime());
    case 'RegExp':
      return (
        same(String(left), String(right)) ??
        same((left as RegExp).lastIndex, (right as RegExp).lastIndex)
      );
    case 'Boxed':
      return same(left.valueOf(), right.valueOf());
    case 'View':
      return compareViews(left as Uint8Array, right as Uint8Array);
    case 'Memory':
      return compareBytes(
        new Uint8Array(left as ArrayBuffer),
        new Uint8Array(right as ArrayBuffer),
      );
    case 'Array':
      return same((left as unknown[]).length, (right as unknown[]).length);
    case 'Url':
      return same(String(left), String(right));
    case 'DomException':
      return (
        same((left as DOMException).name, (right as DOMException).name) ??
        same((left as DOMException).message, (right as DOMException).message)
      );
    default:
      return undefined;
  }
}

function compareViews(left: Uint8Array, right: Uint8Array): string | undefined {
  return (
    same(left.length, right.length) ??
    compareBytes(
      new Uint8Array(left.buffer, left.byteOffset, left.byteLength),
      new Uint8Array(right.buffer, right.byteOffset, right.byteLength),
    )
  );
}

function compareBytes(left: Uint8Array, right: Uint8Array): string | undefined {
  return Buffer.compare(left, right) === 0 ? undefined : 'other bytes';
}

function compareProperties(
  left: object,
  right: object,
  path: string,
  work: Pair[],
  withHidden: boolean,
): string | undefined {
  const keys = ownKeys(left, withHidden);
  const otherKeys = ownKeys(right, withHidden);
  if (keys.length !== otherKeys.length || keys.some((key, index) => key !== otherKeys[index])) {
    return `the keys ${keys.map(String).join()} became ${otherKeys.map(String).join()}`;
  }
  for (const key of keys) {
    if (withHidden && isShown(left, key) !== isShown(right, key)) {
      return `the property ${String(key)} is ${isShown(right, key) ? 'shown' : 'hidden'} now`;
    }
    work.push({
      left: (left as Record<string | symbol, unknown>)[key],
      right: (right as Record<string | symbol, unknown>)[key],
      path: `${path}.${String(key)}`,
    });
  }
  return undefined;
}

/** @param withHidden also those that are not enumerable, as errors have them */
function ownKeys(value: object, withHidden: boolean): (string | symbol)[] {
  if (ArrayBuffer.isView(value)) return [];
  const keys = Reflect.ownKeys(value);
  return withHidden ? keys : keys.filter((key) => isShown(value, key));
}

function isShown(value: object, key: string | symbol): boolean {
  return Object.prototype.propertyIsEnumerable.call(value, key);
}

function kindOf(value: object): string {
  if (Array.isArray(value)) return 'Array';
  if (types.isMap(value)) return 'Map';
  if (types.isSet(value)) return 'Set';
  if (types.isDate(value)) return 'Date';
  if (types.isRegExp(value)) return 'RegExp';
  if (types.isBoxedPrimitive(value)) return 'Boxed';
  if (ArrayBuffer.isView(value)) return 'View';
  if (types.isAnyArrayBuffer(value)) return 'Memory';
  if (types.isNativeError(value)) return 'Error';
  if (value instanceof DOMException) return 'DomException';
  if (value instanceof URL || value instanceof URLSearchParams) return 'Url';
  return 'Object';
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function same(left: unknown, right: unknown): string | undefined {
  return Object.is(left, right) ? undefined : `${show(left)} became ${show(right)}`;
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 60));
  if (isObject(value)) return Object.prototype.toString.call(value);
  return String(value);
}
