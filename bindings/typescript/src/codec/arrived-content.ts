/** Reads what objects hold: the counterpart of `collections.ts` and `error-properties.ts`. */

import { type ByteReader, damaged } from './byte-reader.ts';
import { HIDDEN_ERROR_KEYS, HIDDEN_PROPERTY, SHOWN_PROPERTY, Tag } from './wire.ts';

/** The graph that is being read, as those see it who read the content of one kind of object. */
export interface ArrivingGraph {
  readonly reader: ByteReader;
  /** The next value. */
  value(): unknown;
}

/** V8 keeps an array as a table once an element is added this far behind the last one. */
const SPARSE_GAP = 2048;

export function readElements(graph: ArrivingGraph, array: unknown[]): void {
  const count = graph.reader.countOf(1);
  // Assigned rather than pushed, because a class may have a `push` of its own.
  for (let index = 0; index < count; index++) array[index] = graph.value();
}

export function readSparseElements(graph: ArrivingGraph, array: unknown[]): void {
  const { reader } = graph;
  const length = reader.count();
  if (length > 0xffffffff) throw damaged('an array is too long');
  const count = reader.countOf(2);
  if (length > 4 * count + SPARSE_GAP) {
    // An element far away makes V8 keep the array as a table, where the length alone would take memory for all.
    array[length - 1] = undefined;
    delete array[length - 1];
  } else {
    array.length = length;
  }
  for (let each = 0; each < count; each++) {
    const index = reader.count();
    if (index >= length) throw damaged('an element lies outside its array');
    array[index] = graph.value();
  }
}

export function readMapEntries(graph: ArrivingGraph, map: Map<unknown, unknown>): void {
  const count = fixedCount(graph.reader, 2);
  for (let each = 0; each < count; each++) {
    const key = graph.value();
    Map.prototype.set.call(map, key, graph.value());
  }
}

export function readSetMembers(graph: ArrivingGraph, set: Set<unknown>): void {
  const count = fixedCount(graph.reader, 1);
  for (let each = 0; each < count; each++) Set.prototype.add.call(set, graph.value());
}

function fixedCount(reader: ByteReader, unit: number): number {
  const count = reader.fixed();
  if (count * unit > reader.left) throw damaged(`${count} items are more than it can hold`);
  return count;
}

/** Properties in no particular shape, with symbols among their keys, and with some that can't be enumerated. */
export function readProperties(graph: ArrivingGraph, object: object): void {
  const count = graph.reader.countOf(2);
  for (let each = 0; each < count; each++) {
    const isHidden = graph.reader.takes(Tag.Hidden);
    const key = graph.value();
    if (!isKey(key)) throw damaged('a key is no key');
    if (isHidden) defineProperty(object, key, graph.value(), false);
    else setProperty(object, key, graph.value());
  }
}

export function readErrorProperties(graph: ArrivingGraph, error: object): void {
  const { reader } = graph;
  const count = reader.countOf(2);
  for (let each = 0; each < count; each++) {
    const kind = reader.byte();
    const isNamed = kind === HIDDEN_PROPERTY || kind === SHOWN_PROPERTY;
    const key = isNamed ? graph.value() : HIDDEN_ERROR_KEYS[kind];
    if (!isKey(key)) throw damaged('a property of an error is unknown');
    defineProperty(error, key, graph.value(), kind === SHOWN_PROPERTY);
  }
}

function isKey(value: unknown): value is string | symbol {
  return typeof value === 'string' || typeof value === 'symbol';
}

/** Gives an object a property of its own, also where its prototype has a setter or a frozen property of that name. */
export function setProperty(object: object, key: string | symbol, value: unknown): void {
  if (key in object) defineProperty(object, key, value, true);
  else (object as Record<string | symbol, unknown>)[key] = value;
}

function defineProperty(
  object: object,
  key: string | symbol,
  value: unknown,
  enumerable: boolean,
): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable, configurable: true });
}
