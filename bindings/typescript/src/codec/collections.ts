/** How what arrays, Maps, Sets and objects of no particular shape hold is written. */

import type { Graph } from './graph.ts';
import { Step, stepOf } from './trail.ts';
import { Tag } from './wire.ts';

export function writeElements(graph: Graph, value: readonly unknown[]): void {
  const { length } = value;
  graph.writer.count(length);
  for (let index = 0; index < length; index++) graph.child(value[index], index);
}

/** @param indexes those that are no holes, in order */
export function writeSparseElements(
  graph: Graph,
  value: readonly unknown[],
  indexes: readonly string[],
): void {
  const { writer } = graph;
  writer.count(value.length);
  writer.count(indexes.length);
  for (const each of indexes) {
    const index = Number(each);
    writer.count(index);
    graph.child(value[index], index);
  }
}

export function writeMapEntries(graph: Graph, map: Map<unknown, unknown>): void {
  const { trail, writer } = graph;
  // The count follows, because a getter inside may add entries meanwhile.
  const position = writer.fixed(0);
  let count = 0;
  for (const [key, value] of Map.prototype.entries.call(map)) {
    graph.child(key, Step.mapKey);
    graph.child(value, typeof value === 'object' ? trail.mapValue(key) : Step.mapValue);
    count++;
  }
  writer.fixedAt(position, count);
}

export function writeSetMembers(graph: Graph, set: Set<unknown>): void {
  const position = graph.writer.fixed(0);
  let count = 0;
  for (const member of Set.prototype.values.call(set)) {
    graph.child(member, Step.setMember);
    count++;
  }
  graph.writer.fixedAt(position, count);
}

/** Properties in no particular shape, with symbols among their keys, and with some that can't be enumerated. */
export function writeProperties(
  graph: Graph,
  value: object,
  keys: readonly (string | symbol)[],
): void {
  const { writer } = graph;
  writer.count(keys.length);
  for (const key of keys) {
    if (!Object.prototype.propertyIsEnumerable.call(value, key)) writer.byte(Tag.Hidden);
    if (typeof key === 'string') writer.textValue(key);
    else graph.symbol(key, value);
    graph.child(propertyOf(graph, value, key), stepOf(key));
  }
}

/** A property's value. If its getter throws, the trail ends at the property, so that the error names it. */
export function propertyOf({ trail }: Graph, object: object, key: string | symbol): unknown {
  try {
    return (object as Record<string | symbol, unknown>)[key];
  } catch (error) {
    trail.push(stepOf(key));
    throw error;
  }
}
