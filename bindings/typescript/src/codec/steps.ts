/** The steps of the path to a value, kept in the form that is cheapest to note and turned into words on demand. */

import { nameOf } from './prototypes.ts';

/** A property name, an index, or something in words. */
export type PathStep = string | number | Step | MapValueStep;

/** A step in words. */
export class Step {
  static readonly mapKey = new Step('key of the Map');
  static readonly mapValue = new Step('value in the Map');
  static readonly setMember = new Step('member of the Set');
  static readonly state = new Step('custom state');

  readonly text: string;
  /** True if the title of a function may replace the step. */
  readonly namesFunction: boolean;

  constructor(text: string, namesFunction = false) {
    this.text = text;
    this.namesFunction = namesFunction;
  }
}

/** The value of a key of a map. */
export class MapValueStep {
  readonly key: unknown;

  constructor(key: unknown) {
    this.key = key;
  }
}

export function stepText(step: PathStep): string {
  if (typeof step === 'string') return `key ${JSON.stringify(step)}`;
  if (typeof step === 'number') return `[${step}]`;
  if (step instanceof Step) return step.text;
  const key = typeof step.key === 'string' ? JSON.stringify(step.key) : nameOf(step.key);
  return `value of ${key} in the Map`;
}
