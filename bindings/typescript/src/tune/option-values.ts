/** Checks of option values that schedulers and stoppers share: numbers within bounds, modes, seeds. */

import { count, invalid, oneOf, text } from '../option-checks.ts';
import type { Check } from '../option-checks.ts';
import type { Mode } from './types.ts';

/** What a number may be, as checks and messages have it. */
interface NumberRange {
  readonly minimum?: number;
  readonly maximum?: number;
  /** The minimum itself is not allowed. */
  readonly above?: number;
  /** What the number is of: ` ms`. */
  readonly unit?: string;
}

/** A finite number of a range. */
export function numberWithin(range: NumberRange): Check<number> {
  const allowed = describeRange(range);
  return (value, place) => {
    const isAllowed =
      typeof value === 'number' &&
      Number.isFinite(value) &&
      value >= (range.minimum ?? -Infinity) &&
      value <= (range.maximum ?? Infinity) &&
      (range.above === undefined || value > range.above);
    if (!isAllowed) throw invalid(place, value, allowed);
    return value;
  };
}

function describeRange({ minimum, maximum, above, unit = '' }: NumberRange): string {
  const parts = ['a finite number'];
  if (above !== undefined) parts.push(`above ${above}${unit}`);
  if (minimum !== undefined) parts.push(`from ${minimum}${unit}`);
  if (maximum !== undefined) parts.push(`to ${maximum}${unit}`);
  else if (minimum !== undefined) parts.push('up');
  return parts.join(' ');
}

export const mode: Check<Mode> = oneOf(['min', 'max']);

/** The options that every scheduler has. */
export const objectiveChecks = {
  metric: text,
  mode,
  seed: count(0, '', Number.MAX_SAFE_INTEGER),
};
