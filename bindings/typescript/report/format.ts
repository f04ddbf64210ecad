/** Numbers, times and names as people read them. */

import type { PageNumber } from '../src/tune/outputs/report/page-data.ts';

/** Up to five digits: `0.012346`, `1.23e-7`, `12,345`. */
export function formatNumber(value: PageNumber | undefined): string {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'string') return value.replace('Infinity', '∞').replace('-', '−');
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e9) return value.toLocaleString('en-US').replace('-', '−');
  if (size >= 1e6 || size < 1e-4)
    return Number(value.toPrecision(3)).toExponential().replaceAll('-', '−').replace('e+', 'e');
  return String(Number(value.toPrecision(5))).replace('-', '−');
}

/** `850 ms`, `12.3 s`, `4 min 05 s`, `2 h 07 min`, `3 d 4 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  const seconds = milliseconds / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(2) : seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${twoDigits(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function formatDate(at: number): string {
  return new Date(at).toLocaleString(undefined, { dateStyle: 'medium', timeStyle: 'short' });
}

export function formatCount(count: number): string {
  return count.toLocaleString('en-US');
}

/** `1 trial`, `2 trials`. */
export function counted(count: number, singular: string): string {
  return `${formatCount(count)} ${singular}${count === 1 ? '' : 's'}`;
}

export function shortened(text: string, letters: number): string {
  return text.length <= letters ? text : `${text.slice(0, letters - 1)}…`;
}

function twoDigits(value: number): string {
  return String(Math.floor(value)).padStart(2, '0');
}
