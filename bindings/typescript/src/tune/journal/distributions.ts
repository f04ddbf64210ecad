/**
 * Parameters as Optuna's distributions, and back.
 *
 * - JD-1 A parameter has the same distribution in all trials: it depends on its description alone. Optuna drops a parameter
 *   whose kind or choices differ from those of an earlier trial.
 * - JD-2 A choice's internal value is the index of its element, so labels need not be read back.
 */

import type { ParameterDescription } from '../space/parameter.ts';
import { LineError } from './format.ts';
import { readJson, writeJson } from './python-json.ts';

/** Beyond so many standard deviations `randn` is cut. */
const NORMAL_CUT = 10;

/** The most characters of a label. */
const LABEL_MAX = 80;

/** What Optuna can take as a choice, beside finite numbers only. */
type Choice = string | number | boolean | null;

/** A distribution as Optuna names and writes it. */
export type Distribution =
  | {
      readonly name: 'FloatDistribution';
      readonly attributes: {
        readonly step: number | null;
        readonly low: number;
        readonly high: number;
        readonly log: boolean;
      };
    }
  | {
      readonly name: 'IntDistribution';
      readonly attributes: {
        readonly log: boolean;
        readonly step: number;
        readonly low: number;
        readonly high: number;
      };
    }
  | {
      readonly name: 'CategoricalDistribution';
      readonly attributes: { readonly choices: readonly Choice[] };
    };

/** What a parameter is to Optuna. */
export function distributionOf(parameter: ParameterDescription): Distribution {
  const [first, second, third] = parameter.args as readonly number[];
  switch (parameter.kind) {
    case 'uniform':
      return floats(first!, second!, { log: false, step: null });
    case 'loguniform':
    // Optuna has no steps on a logarithmic scale.
    case 'qloguniform':
      return floats(first!, second!, { log: true, step: null });
    case 'quniform':
      return floats(first!, second!, { log: false, step: third! });
    case 'randn':
    case 'qrandn':
      return normal(first ?? 0, second ?? 1, third ?? null);
    case 'randint':
      return integers(first!, second! - 1, { log: false, step: 1 });
    case 'lograndint':
      return integers(first!, second! - 1, { log: true, step: 1 });
    case 'qrandint':
      return integers(first!, second!, { log: false, step: third! });
    case 'qlograndint':
      return integers(first!, second!, { log: true, step: 1 });
    case 'choice':
    case 'gridSearch':
      return {
        name: 'CategoricalDistribution',
        attributes: { choices: labels(parameter.args[0] as readonly unknown[]) },
      };
  }
}

function floats(
  low: number,
  high: number,
  { log, step }: { readonly log: boolean; readonly step: number | null },
): Distribution {
  return { name: 'FloatDistribution', attributes: { step, low, high, log } };
}

function integers(
  low: number,
  high: number,
  { log, step }: { readonly log: boolean; readonly step: number },
): Distribution {
  return { name: 'IntDistribution', attributes: { log, step, low, high } };
}

function normal(mean: number, deviation: number, step: number | null): Distribution {
  const low = mean - NORMAL_CUT * deviation;
  const high = mean + NORMAL_CUT * deviation;
  if (step === null) return floats(low, high, { log: false, step });
  return floats(multiple(low, step), multiple(high, step), { log: false, step });
}

/** The multiple of a step that is nearest: `0.3`, not `0.30000000000000004`. */
function multiple(value: number, step: number): number {
  return Number((Math.round(value / step) * step).toFixed(digitsOf(step)));
}

function digitsOf(step: number): number {
  const [mantissa, exponent = '0'] = String(step).split('e');
  const decimals = mantissa!.split('.')[1]?.length ?? 0;
  return Math.min(100, Math.max(0, decimals - Number(exponent)));
}

/** The elements that are primitives as they are, the others as text; no two are the same. */
function labels(elements: readonly unknown[]): Choice[] {
  const taken = new Set<Choice>();
  return elements.map((element, index) => {
    const label = isChoice(element) ? element : labelOf(element);
    const unique = taken.has(label) ? `${String(label)} (${index})` : label;
    taken.add(unique);
    return unique;
  });
}

function isChoice(element: unknown): element is Choice {
  // NaN does not equal itself: Optuna would take the choices of two trials as different.
  if (typeof element === 'number') return Number.isFinite(element);
  return element === null || typeof element === 'string' || typeof element === 'boolean';
}

function labelOf(element: unknown): string {
  const text = element === undefined ? 'undefined' : writeJson(element);
  return text.length <= LABEL_MAX ? text : `${text.slice(0, LABEL_MAX - 1)}…`;
}

/** A distribution as it is read: only what its values need. */
export interface ReadDistribution {
  /** What Optuna compares between trials. */
  readonly identity: string;
  /** From the number in the file to the value. @throws LineError */
  readonly valueOf: (internal: number) => unknown;
}

/** Reads the text of a distribution, those of earlier versions of Optuna too. @throws LineError */
export function readDistribution(text: string): ReadDistribution {
  const read = parsed(text);
  const name = read['name'] ?? read['type'];
  const attributes = (read['attributes'] ?? read) as Record<string, unknown>;
  if (typeof name !== 'string') throw new LineError(`the distribution ${text} has no name`);
  if (/^categorical/i.test(name)) return categories(attributes['choices'], text);
  if (/^int/i.test(name)) return { identity: name, valueOf: Math.trunc };
  if (/^(float|(log|discrete)?uniform)/i.test(name)) {
    return { identity: name, valueOf: (internal) => internal };
  }
  throw new LineError(`the distribution ${name} is unknown`);
}

function categories(choices: unknown, text: string): ReadDistribution {
  if (!Array.isArray(choices)) throw new LineError(`the distribution ${text} has no choices`);
  return {
    identity: writeJson(choices),
    valueOf: (internal) => {
      const index = Math.trunc(internal);
      if (index < 0 || index >= choices.length) {
        throw new LineError(`there is no choice ${internal} in ${text}`);
      }
      return choices[index] as unknown;
    },
  };
}

function parsed(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = readJson(text);
  } catch (cause) {
    throw new LineError(`the distribution ${text} can't be read`, { cause });
  }
  if (typeof value !== 'object' || value === null) {
    throw new LineError(`the distribution ${text} can't be read`);
  }
  return value as Record<string, unknown>;
}
