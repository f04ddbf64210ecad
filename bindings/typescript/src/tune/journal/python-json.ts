/**
 * JSON as Python's `json` writes and reads it: with NaN, Infinity and -Infinity as bare words.
 *
 * - PJ-1 `readJson(writeJson(value))` equals the value, but that -0 becomes 0 and what is undefined is left out.
 * - PJ-2 What holds no such number costs what `JSON` costs, and one look for a word in its text.
 */

import { dataOf } from '../tuner/data.ts';

/** The text of plain data, on one line. */
export function writeJson(value: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(value);
  } catch {
    // A config may hold a constant that `JSON` refuses, such as a BigInt: it is named.
    return spelled(dataOf(value));
  }
  // `JSON` writes null for such numbers: where there is no null, there is none of them.
  return text.includes('null') && holdsNonFinite(value) ? spelled(value) : text;
}

/** @throws SyntaxError */
export function readJson(text: string): unknown {
  // Looked for first: an error for each such line would cost more than reading it.
  return text.includes('NaN') || text.includes('Infinity') ? readPython(text) : JSON.parse(text);
}

function holdsNonFinite(value: unknown): boolean {
  if (typeof value === 'number') return !Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return false;
  return Array.isArray(value)
    ? value.some(holdsNonFinite)
    : Object.values(value).some(holdsNonFinite);
}

function spelled(value: unknown): string {
  if (typeof value === 'number') return Number.isFinite(value) ? JSON.stringify(value) : `${value}`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(spelled).join(',')}]`;
  const members = Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([name, member]) => `${JSON.stringify(name)}:${spelled(member)}`);
  return `{${members.join(',')}}`;
}

/** A string, which may hold these words as well, or one of them. */
const STRING_OR_WORD = /"[^"\\]*(?:\\.[^"\\]*)*"|-?Infinity|NaN/g;

function readPython(text: string): unknown {
  let hasNaN = false;
  const withNaNAs = (digit: '0' | '1'): unknown =>
    JSON.parse(
      text.replace(STRING_OR_WORD, (found) => {
        if (found === 'NaN') {
          hasNaN = true;
          return digit;
        }
        // Larger than all numbers: `JSON.parse` makes it infinite.
        return found.endsWith('y') ? found.replace('Infinity', '1e999') : found;
      }),
    );
  const zero = withNaNAs('0');
  // JSON has no number for it, and any string could be one of the text: NaN is where 0 and 1 make a difference.
  return hasNaN ? withNaN(zero, withNaNAs('1')) : zero;
}

/** Puts NaN where two values of the same shape differ. */
function withNaN(zero: unknown, one: unknown): unknown {
  if (typeof zero === 'number') return zero === one ? zero : NaN;
  if (typeof zero !== 'object' || zero === null) return zero;
  const [members, others] = [zero, one] as Record<string, unknown>[];
  for (const name of Object.keys(members!)) {
    const member = withNaN(members![name], others![name]);
    if (member !== members![name]) members![name] = member;
  }
  return zero;
}
