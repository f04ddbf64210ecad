/**
 * How the properties of an error are written: all of its own, in their order, whether they can be enumerated or not. An
 * error always travels: of a property that can't be stored, all that can be is kept (`remains.ts`).
 *
 * Left out are symbols of this process that hide behind a property that is not enumerable, because nobody elsewhere
 * could ask for them, and hidden functions that can't travel where the error inherits one of that name.
 */

import { type EaglerayError, toWire } from '../errors.ts';
import type { Graph } from './graph.ts';
import { explained, noteFor } from './obstacle.ts';
import { SYMBOL_OF_PROCESS, isSimple, isSymbolOfProcess, writeSymbol } from './primitives.ts';
import type { Plan } from './prototypes.ts';
import { stepOf } from './trail.ts';
import { HIDDEN_ERROR_KEYS, HIDDEN_PROPERTY, SHOWN_PROPERTY, Tag } from './wire.ts';

/** A property of an error as it is written. */
interface Property {
  readonly key: string | symbol;
  /** It can be enumerated. */
  readonly isShown: boolean;
  readonly value: unknown;
}

/** @param plan how errors of this prototype are written, if that is known */
export function writeErrorProperties(
  graph: Graph,
  error: Error,
  tag: number,
  plan: Plan | undefined,
): void {
  const properties = ownProperties(graph, error, tag);
  if (plan?.kept !== undefined) addLost(graph, error, plan.kept, properties);
  const { writer } = graph;
  writer.count(properties.length);
  for (const { isShown, key, value } of properties) {
    const number = isShown ? -1 : (HIDDEN_ERROR_KEYS as readonly unknown[]).indexOf(key);
    if (number !== -1) {
      writer.byte(number);
    } else {
      writer.byte(isShown ? SHOWN_PROPERTY : HIDDEN_PROPERTY);
      if (typeof key === 'string') writer.textValue(key);
      else writeSymbol(writer, key);
    }
    graph.child(value, stepOf(key));
  }
}

function ownProperties(graph: Graph, error: Error, tag: number): Property[] {
  const isWritten = tag === Tag.EaglerayError ? wireKeys(error as EaglerayError) : undefined;
  const properties: Property[] = [];
  for (const key of Reflect.ownKeys(error)) {
    if (isWritten?.has(key) === true) continue;
    const isShown = Object.prototype.propertyIsEnumerable.call(error, key);
    const property = propertyOf(graph, error, key, isShown);
    if (property !== undefined) properties.push(property);
  }
  return properties;
}

/** What the wire form of an error of eagleray has already. */
function wireKeys(error: EaglerayError): Set<string | symbol> {
  return new Set([...Object.keys(toWire(error).fields), 'code', 'message', 'stack']);
}

function propertyOf(
  graph: Graph,
  error: Error,
  key: string | symbol,
  isShown: boolean,
): Property | undefined {
  if (isSymbolOfProcess(key)) {
    if (!isShown) return undefined;
    return { key: String(key), isShown, value: `not stored: ${SYMBOL_OF_PROCESS}` };
  }
  let value: unknown;
  try {
    value = (error as unknown as Record<string | symbol, unknown>)[key];
  } catch (thrown) {
    const path = graph.trail.pathTo(graph.trail.pointTo(stepOf(key)));
    return { key, isShown, value: noteFor(key, explained(thrown, path)) };
  }
  // A stack that `Error.prepareStackTrace` turned into something else means nothing elsewhere.
  if (key === 'stack' && !isShown && typeof value !== 'string') return undefined;
  if (isSimple(value)) return { key, isShown, value };
  const point = graph.trail.pointTo(stepOf(key));
  const obstacle = graph.obstacle(value, point);
  if (obstacle === undefined) return { key, isShown, value };
  if (!isShown && typeof value === 'function' && inherits(error, key)) return undefined;
  return { key, isShown, value: graph.remainsOf(value, key, point, obstacle) };
}

function inherits(error: Error, key: string | symbol): boolean {
  const prototype = Object.getPrototypeOf(error) as Record<string | symbol, unknown>;
  return typeof Reflect.get(prototype, key, error) === 'function';
}

/**
 * Adds what an error has of the classes that it loses on its way, as far as that is data: what their accessors give, and
 * the name.
 *
 * @param kept the prototype that the error arrives with
 */
function addLost(graph: Graph, error: Error, kept: object, properties: Property[]): void {
  const seen = new Set<string | symbol>(['constructor', ...Reflect.ownKeys(error)]);
  for (
    let prototype = Object.getPrototypeOf(error) as object | null;
    prototype !== null && prototype !== kept;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    for (const key of Reflect.ownKeys(prototype)) {
      if (seen.has(key)) continue;
      seen.add(key);
      const { get, value } = Object.getOwnPropertyDescriptor(prototype, key) ?? {};
      if (get === undefined && (value === undefined || typeof value === 'function')) continue;
      const property = propertyOf(graph, error, key, false);
      if (property !== undefined) properties.push(property);
    }
  }
  if (seen.has('name')) return;
  const name = nameOfClass(error);
  if (name !== undefined) properties.push({ key: 'name', isShown: false, value: name });
}

/** The name of an error's class: an error that loses it would be like any other. */
function nameOfClass(error: Error): string | undefined {
  const name: unknown = (error.constructor as { name?: unknown } | undefined)?.name;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
