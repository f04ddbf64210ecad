/**
 * Metrics by their paths, and what may be reported.
 *
 * A path is written as users write it: `eval.loss`, `losses[2]`. A name that has a point in it itself wins over a nested one.
 */

import { InvalidArgumentError } from '../index.ts';
import { isPlainObject } from './plain-object.ts';
import type { AutoMetrics, MetricValue, Metrics } from './types.ts';

/** The most bytes of a report, about as they are in the journal. */
export const REPORT_BYTES_MAX = 2 ** 20;

/** The most objects and arrays within each other in a report: what reads it goes as deep. */
export const METRICS_DEPTH_MAX = 100;

/** The names that are added to every report. */
export const RESERVED_METRICS: ReadonlySet<string> = new Set<keyof AutoMetrics>([
  'trainingIteration',
  'timeThisIterMs',
  'timeTotalMs',
  'timestamp',
  'trialId',
  'pid',
  'hostname',
  'done',
]);

/** The metric of a path; undefined if it was not reported. */
export function metricAt(metrics: Metrics, path: string): MetricValue | undefined {
  if (Object.hasOwn(metrics, path)) return metrics[path];
  if (!path.includes('.') && !path.includes('[')) return undefined;
  let value: MetricValue | undefined = metrics;
  for (const key of keysOf(path)) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Metrics)[key];
  }
  return value;
}

/** All metrics with a path and no parts: numbers, texts, booleans, nulls, and empty lists and objects. */
export function* leavesOf(
  metrics: Metrics,
  prefix = '',
): Generator<[path: string, value: MetricValue]> {
  for (const [name, value] of Object.entries(metrics)) {
    if (value === undefined) continue;
    yield* leavesBelow(value, prefix === '' ? name : `${prefix}.${name}`);
  }
}

function* leavesBelow(
  value: MetricValue,
  path: string,
): Generator<[path: string, value: MetricValue]> {
  if (typeof value !== 'object' || value === null) {
    yield [path, value];
  } else if (Array.isArray(value)) {
    if (value.length === 0) yield [path, value];
    for (const [index, item] of value.entries()) yield* leavesBelow(item, `${path}[${index}]`);
  } else if (Object.keys(value).length === 0) {
    yield [path, value];
  } else {
    yield* leavesOf(value as Metrics, path);
  }
}

/**
 * Checks what a trainable reports, and returns a copy of it, so that what is changed afterwards changes nothing.
 *
 * @throws InvalidArgumentError
 */
export function checkMetrics(reported: unknown, call: string): Metrics {
  if (!isPlainObject(reported)) {
    throw refused(call, 'metrics', reported, 'a plain object of metrics, such as { loss: 0.5 }');
  }
  const names = Object.keys(reported);
  if (names.every((name) => reported[name] === undefined)) {
    throw refused(call, 'metrics', reported, 'at least one metric');
  }
  const reserved = names.find((name) => RESERVED_METRICS.has(name));
  if (reserved !== undefined) {
    throw new InvalidArgumentError(
      `${call}: "${reserved}" is added to every report and can't be reported; choose another name`,
      { argument: reserved, value: reported[reserved] },
    );
  }
  const copy = copied(reported, '', call, new Set()) as Metrics;
  const bytes = bytesOf(copy);
  if (bytes <= REPORT_BYTES_MAX) return copy;
  throw new InvalidArgumentError(
    `${call}: the metrics have ${bytes} bytes, and ${REPORT_BYTES_MAX} are allowed; a checkpoint can be larger`,
    { argument: 'metrics', allowed: `${REPORT_BYTES_MAX} bytes` },
  );
}

/** About as many as in the journal: eight for what is no text. */
function bytesOf(value: MetricValue | undefined): number {
  if (typeof value === 'string') return Buffer.byteLength(value);
  if (typeof value !== 'object' || value === null) return 8;
  let bytes = 0;
  for (const [name, part] of Object.entries(value)) {
    bytes += (Array.isArray(value) ? 0 : Buffer.byteLength(name)) + bytesOf(part as MetricValue);
  }
  return bytes;
}

function copied(value: unknown, path: string, call: string, above: Set<object>): MetricValue {
  switch (typeof value) {
    case 'number':
    case 'string':
    case 'boolean':
      return value;
    case 'object':
      break;
    default:
      throw refused(call, path, value, ALLOWED);
  }
  if (value === null) return null;
  const isList = Array.isArray(value);
  if (!isList && !isPlainObject(value)) throw refused(call, path, value, ALLOWED);
  if (above.has(value)) throw refused(call, path, value, 'values that do not hold themselves');
  if (above.size === METRICS_DEPTH_MAX) {
    const allowed = `${METRICS_DEPTH_MAX} objects and arrays within each other`;
    throw refused(call, `${path.slice(0, 40)}…`, value, allowed);
  }
  above.add(value);
  // Holes count as what they are read as, and that is refused.
  const copy = isList
    ? Array.from(value, (item, index) => copied(item, `${path}[${index}]`, call, above))
    : copyOfObject(value as Record<string, unknown>, path, call, above);
  above.delete(value);
  return copy;
}

function copyOfObject(
  value: Record<string, unknown>,
  path: string,
  call: string,
  above: Set<object>,
): MetricValue {
  const copy: Record<string, MetricValue> = {};
  const symbol = Object.getOwnPropertySymbols(value).find((each) =>
    Object.prototype.propertyIsEnumerable.call(value, each),
  );
  if (symbol !== undefined) {
    throw refused(call, join(path, String(symbol)), symbol, 'names that are strings');
  }
  for (const [name, item] of Object.entries(value)) {
    if (item === undefined) continue;
    // Assigning to `__proto__` would set the prototype and lose the metric.
    if (name === '__proto__') throw refused(call, join(path, name), item, 'another name');
    copy[name] = copied(item, join(path, name), call, above);
  }
  return copy;
}

const ALLOWED = 'numbers, strings, booleans, null, arrays and plain objects of such';

function refused(call: string, path: string, value: unknown, allowed: string): Error {
  return new InvalidArgumentError(`${call}: ${path} can't be reported; allowed: ${allowed}`, {
    argument: path,
    value,
    allowed,
  });
}

function join(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`;
}

function keysOf(path: string): string[] {
  return path.split(/[.[\]]/).filter((key) => key !== '');
}
