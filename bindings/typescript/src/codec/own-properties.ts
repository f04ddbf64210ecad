/**
 * Which own properties an object has beyond its content, so that nothing is dropped in silence: named properties of
 * arrays and other built-ins, properties whose key is a symbol, and of instances also those that can't be enumerated,
 * because classes hide there what is a part of the instance.
 */

import { inspect } from 'node:util';

import { Tag } from './wire.ts';

/** Up to here listing all keys of an array is faster than `inspect`. */
const LISTED_LENGTH_MAX = 32;

/**
 * `inspect` asks V8 for the properties that are no elements, which JavaScript can't do otherwise without making a
 * text of every index: 110 ms for a million numbers. Any other form of its answer only means the slow way.
 */
const ELEMENTS_ONLY = /^(?:[\w$]+\(\d+\) (?:\[\w+\] )?)?\[ \.\.\. \d+ more items? \]$/;

const INSPECT_OPTIONS = {
  maxArrayLength: 0,
  depth: 0,
  customInspect: false,
  showHidden: false,
  colors: false,
  showProxy: false,
};

interface ArrayLikeObject {
  readonly length: number;
}

/**
 * True if all enumerable properties with text keys are elements. Arrays of up to 32 elements then have no holes;
 * longer ones may.
 */
export function hasOnlyElements(array: ArrayLikeObject): boolean {
  const { length } = array;
  if (length > LISTED_LENGTH_MAX) return ELEMENTS_ONLY.test(inspect(array, INSPECT_OPTIONS));
  const keys = Object.keys(array);
  // Indexes come first and in order, so the last key being the last index means that all keys are indexes.
  return keys.length === length && (length === 0 || keys[length - 1] === String(length - 1));
}

/** The enumerable keys of an array, its elements apart from the rest. */
export function splitKeys(array: object): { indexes: string[]; names: string[] } {
  const keys = Object.keys(array);
  const firstName = keys.findIndex((key) => !isArrayIndex(key));
  return firstName === -1
    ? { indexes: keys, names: [] }
    : { indexes: keys.slice(0, firstName), names: keys.slice(firstName) };
}

/** The enumerable own symbols of an object. */
export function symbolKeys(value: object): symbol[] {
  const symbols = Object.getOwnPropertySymbols(value);
  if (symbols.length === 0) return symbols;
  return symbols.filter((each) => Object.prototype.propertyIsEnumerable.call(value, each));
}

/** The enumerable properties of a built-in object that its content does not cover, and the hidden ones of an instance. */
export function furtherKeys(value: object, tag: number, isInstance: boolean): (string | symbol)[] {
  const symbols = symbolKeys(value);
  const names = furtherNames(value, tag);
  const further = symbols.length === 0 ? names : [...names, ...symbols];
  return isInstance ? [...further, ...hiddenKeys(value, tag)] : further;
}

/** True if all own properties of an object are enumerable, and have texts as their keys. */
export function hasOnlyKeys(value: object, keys: readonly string[]): boolean {
  return (
    Object.getOwnPropertySymbols(value).length === 0 &&
    Object.getOwnPropertyNames(value).length === keys.length
  );
}

/** The own properties that can't be enumerated, but for those that all objects of the kind have. */
export function hiddenKeys(value: object, tag: number): (string | symbol)[] {
  if (tag === Tag.View && !mayHide(value as ArrayLikeObject)) return [];
  const own = OWN_OF_KIND.get(tag);
  return Reflect.ownKeys(value).filter(
    (key) => key !== own && !Object.prototype.propertyIsEnumerable.call(value, key),
  );
}

const OWN_OF_KIND = new Map<number, string>([
  [Tag.Array, 'length'],
  [Tag.Boxed, 'length'],
  [Tag.RegExp, 'lastIndex'],
]);

const HIDDEN_IN_TEXT = /\[(?!BYTES_PER_ELEMENT|length|byteLength|byteOffset|buffer)[^\]]+\]:/;

/** False for a long view that hides nothing: listing its keys would take longer than copying it. */
function mayHide(view: ArrayLikeObject): boolean {
  if (!(view.length > LISTED_LENGTH_MAX)) return true;
  return HIDDEN_IN_TEXT.test(inspect(view, { ...INSPECT_OPTIONS, showHidden: true }));
}

function furtherNames(value: object, tag: number): string[] {
  switch (tag) {
    case Tag.View:
      if (value instanceof DataView) return Object.keys(value);
      return hasOnlyElements(value as Uint8Array) ? [] : splitKeys(value).names;
    case Tag.Boxed:
      // The characters of a String object are its elements.
      return splitKeys(value).names;
    default:
      return Object.keys(value);
  }
}

function isArrayIndex(key: string): boolean {
  const number = Number(key) >>> 0;
  return String(number) === key && number !== 0xffffffff;
}
