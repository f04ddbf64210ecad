/**
 * How the properties of an error are written. An error always travels: in the place of a property that can't be stored
 * it has a note that says why.
 */

import { type EaglerayError, toWire } from '../errors.ts';
import { hiddenErrorKeys } from './built-in-objects.ts';
import type { Graph } from './graph.ts';
import { explained, noteFor } from './obstacle.ts';
import { symbolKeys } from './own-properties.ts';
import { SYMBOL_OF_PROCESS, writeSymbol } from './primitives.ts';
import type { Plan } from './prototypes.ts';
import { type PathStep, stepOf } from './trail.ts';
import { HIDDEN_ERROR_KEYS, Tag } from './wire.ts';

/** @param plan how errors of this prototype are written, if that is known */
export function writeErrorProperties(
  graph: Graph,
  error: Error,
  tag: number,
  plan: Plan | undefined,
): void {
  const { writer } = graph;
  const hidden = hiddenErrorKeys(error, tag);
  // A name that came from a class that can't travel is kept as the error's own.
  const nameLost =
    plan?.kept !== undefined &&
    !Object.hasOwn(error, 'name') &&
    error.name !== (plan.kept as Error).name;
  writer.byte(hidden.length + (nameLost ? 1 : 0));
  for (const number of hidden) {
    const key = HIDDEN_ERROR_KEYS[number]!;
    writer.byte(number);
    graph.child(propertyOrNote(graph, error, key, key), key);
  }
  if (nameLost) {
    writer.byte(HIDDEN_ERROR_KEYS.indexOf('name'));
    writer.textValue(String(error.name));
  }
  const fields = tag === Tag.EaglerayError ? toWire(error as EaglerayError).fields : undefined;
  const names = Object.keys(error).filter(
    (key) => fields === undefined || !(key in fields || key === 'code'),
  );
  const keys = [...names, ...symbolKeys(error)];
  writer.count(keys.length);
  for (const key of keys) {
    const step = stepOf(key);
    const isLost = typeof key === 'symbol' && graph.obstacle(key, step) !== undefined;
    if (typeof key === 'string' || isLost) writer.textValue(String(key));
    else writeSymbol(writer, key);
    graph.child(
      isLost ? `not stored: ${SYMBOL_OF_PROCESS}` : propertyOrNote(graph, error, key, step),
      step,
    );
  }
}

function propertyOrNote(
  graph: Graph,
  error: object,
  key: string | symbol,
  step: PathStep,
): unknown {
  let value: unknown;
  try {
    value = (error as Record<string | symbol, unknown>)[key];
  } catch (thrown) {
    return noteFor(key, explained(thrown, graph.trail.path()));
  }
  const obstacle = graph.obstacle(value, step);
  if (obstacle === undefined) return value;
  if (key !== 'errors' || !Array.isArray(value)) return noteFor(key, obstacle);
  return value.map((each: unknown, index) => {
    const ofElement = graph.obstacle(each, step, index);
    return ofElement === undefined ? each : noteFor(key, ofElement);
  });
}
