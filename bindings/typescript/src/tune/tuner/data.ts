/** Values as data for a journal: what is no JSON is shown as text. */

import type { ExperimentEvent } from '../experiment/events.ts';
import { isPlainObject } from '../plain-object.ts';
import { Domain, SampledValue } from '../space/domain.ts';

/** A copy of a value that is JSON. */
export function dataOf(value: unknown): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'number':
      return value;
    case 'undefined':
      return null;
    case 'bigint':
      return `${value}n`;
    case 'symbol':
      return String(value);
    case 'function':
      return `[${value.name === '' ? 'function' : value.name}]`;
    case 'object':
      break;
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map(dataOf);
  if (value instanceof Domain) return { [`${value.kind}()`]: dataOf(value.args) };
  if (value instanceof SampledValue) return '[sampleFrom()]';
  if (isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, dataOf(each)]));
  }
  if (value instanceof Date) return value.toJSON();
  const { constructor } = value as { readonly constructor?: { readonly name?: string } };
  return `[${constructor?.name ?? 'object'}]`;
}

/** An event as a journal keeps it: a config may hold what is no data. */
export function eventAsData(event: ExperimentEvent): ExperimentEvent {
  switch (event.kind) {
    case 'trial':
      return { ...event, trial: { ...event.trial, config: dataOf(event.trial.config) } };
    case 'exploit':
      return { ...event, config: dataOf(event.config) };
    default:
      return event;
  }
}
