/** Numbers, durations and values as short text. */

import { dataOf } from '../tuner/data.ts';
import { cleaned } from './text-width.ts';

/** How many digits of a number are shown: enough to tell trials apart, few enough to read. */
const DIGITS = 5;

/** A number with five digits at most; whole numbers with all of theirs, up to a billion. */
export function numberText(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return String(Number(value.toPrecision(DIGITS)));
}

/** A value in one line: numbers short, texts as they are, all else as JSON. */
export function valueText(value: unknown): string {
  switch (typeof value) {
    case 'undefined':
      return '';
    case 'number':
      return numberText(value);
    case 'string':
      return cleaned(value);
    case 'object':
      // Elements of choices may be anything.
      return cleaned(JSON.stringify(dataOf(value), shortNumbers));
    default:
      return cleaned(String(value));
  }
}

/** A time with its two largest units: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function durationText(durationMs: number): string {
  const seconds = durationMs / 1000;
  // Half a second more would be written as the next unit.
  if (seconds <= 0) return '0 s';
  if (seconds < 0.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return twoUnits(Math.floor(whole / 60), 'min', whole % 60, 's');
  const minutes = Math.round(seconds / 60);
  if (minutes < 24 * 60) return twoUnits(Math.floor(minutes / 60), 'h', minutes % 60, 'min');
  const hours = Math.round(seconds / 3600);
  return twoUnits(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

const BARS = '▁▂▃▄▅▆▇█';

/** Values as a row of bars between their least and their greatest; `·` is one that is not finite. */
export function sparkline(values: readonly number[]): string {
  const finite = values.filter(Number.isFinite);
  // Halves, since the distance of the largest numbers is no number any more.
  const least = Math.min(...finite) / 2;
  const range = Math.max(...finite) / 2 - least;
  return values
    .map((value) => {
      if (!Number.isFinite(value)) return '·';
      const share = range === 0 ? 0 : (value / 2 - least) / range;
      return BARS[Math.round(share * (BARS.length - 1))]!;
    })
    .join('');
}

function twoUnits(many: number, large: string, few: number, small: string): string {
  return few === 0 ? `${many} ${large}` : `${many} ${large} ${few} ${small}`;
}

function shortNumbers(_name: string, value: unknown): unknown {
  return typeof value === 'number' && Number.isFinite(value) ? Number(numberText(value)) : value;
}
