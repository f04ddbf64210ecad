/**
 * Where code stood in the file that its author wrote, for code that a loader printed anew (tsx, vitest).
 *
 * Such loaders append a source map to what they hand to V8. Positions are translated when a function is described, and
 * its text is laid out so that statements stand on their old lines again: a worker needs no source map for true stacks.
 */

import { basename } from 'node:path';

import { breakableOffsets } from './parser.ts';
import type { Script } from './scripts.ts';
import type { TextEdits } from './text-edits.ts';

/** A place in a file; both from 0. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

interface Segment {
  readonly column: number;
  readonly original: Place;
}

/** A source map: from V8's places to the author's. */
export class SourcePositions {
  readonly #lines: readonly (readonly Segment[])[];

  constructor(mappings: string) {
    this.#lines = decodeMappings(mappings);
  }

  /** The author's place of exactly this place. */
  exact({ line, column }: Place): Place | undefined {
    const found = this.#before(line, column);
    return found?.column === column ? found.original : undefined;
  }

  /** The author's place of what stands here or before it. */
  near({ line, column }: Place): Place | undefined {
    return this.#before(line, column)?.original ?? this.#lines[line]?.[0]?.original;
  }

  #before(line: number, column: number): Segment | undefined {
    const segments = this.#lines[line] ?? [];
    let low = 0;
    let high = segments.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (segments[middle]!.column <= column) low = middle + 1;
      else high = middle;
    }
    return segments[low - 1];
  }
}

const positions = new WeakMap<Script, SourcePositions | null>();

/** The source map at the end of a script, if it maps the script to its own file. */
export function sourcePositions(script: Script): SourcePositions | undefined {
  let found = positions.get(script);
  if (found === undefined) {
    found = readSourceMap(script) ?? null;
    positions.set(script, found);
  }
  return found ?? undefined;
}

const INLINE_MAP =
  /\/\/# sourceMappingURL=data:application\/json(?:;charset=[\w-]+)?;base64,([\w+/=]+)/;

function readSourceMap({ source, url }: Script): SourcePositions | undefined {
  const start = source.lastIndexOf('//# sourceMappingURL=data:');
  const encoded = start === -1 ? undefined : INLINE_MAP.exec(source.slice(start))?.[1];
  if (encoded === undefined) return undefined;
  try {
    const map = JSON.parse(Buffer.from(encoded, 'base64').toString('utf8')) as {
      readonly sources?: readonly (string | null)[];
      readonly mappings?: unknown;
    };
    const [only] = map.sources ?? [];
    // The map of a compiler's output leads to another file; stacks of the program name the output, and so shall ours.
    const isOwn =
      map.sources?.length === 1 && basename(only ?? '') === basename(decodeURIComponent(url));
    if (!isOwn || typeof map.mappings !== 'string') return undefined;
    return new SourcePositions(map.mappings);
  } catch {
    // A damaged map is none: stacks then show the places that V8 knows.
    return undefined;
  }
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const DIGITS = new Map([...BASE64].map((character, index) => [character, index]));

function decodeMappings(mappings: string): Segment[][] {
  let line = 0;
  let column = 0;
  return mappings.split(';').map((text) => {
    const segments: Segment[] = [];
    let generated = 0;
    for (const each of text === '' ? [] : text.split(',')) {
      const fields = decodeNumbers(each);
      generated += fields[0] ?? 0;
      if (fields.length < 4) continue;
      line += fields[2]!;
      column += fields[3]!;
      segments.push({ column: generated, original: { line, column } });
    }
    return segments;
  });
}

function decodeNumbers(text: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of text) {
    const digit = DIGITS.get(character) ?? 0;
    value += (digit & 31) * 2 ** shift;
    shift += 5;
    if ((digit & 32) !== 0) continue;
    numbers.push(value % 2 === 1 ? -Math.floor(value / 2) : value / 2);
    value = 0;
    shift = 0;
  }
  return numbers;
}

/** What may end a line that is joined with the next one: after these a line break means nothing. */
const JOINABLE = /[;,({[=>:?&|+*]$/;

/**
 * Lays a text out as its author did, as far as white space before statements and expressions can do that.
 *
 * @param start the author's place of the text's first character.
 * @param placeOf V8's place of an offset in the text.
 */
export function layOut(
  edits: TextEdits,
  start: Place,
  placeOf: (offset: number) => Place,
  map: SourcePositions,
): void {
  const { source } = edits;
  let { line, column } = start;
  let position = 0;
  for (const offset of breakableOffsets(source)) {
    const target = offset === 0 ? undefined : map.exact(placeOf(offset));
    if (target === undefined) continue;
    let gapStart = offset;
    while (gapStart > position && isBlank(source.charCodeAt(gapStart - 1))) gapStart--;
    if (!edits.isFree({ start: gapStart, end: offset })) continue;
    ({ line, column } = advance(source.slice(position, gapStart), line, column));
    const gap = source.slice(gapStart, offset);
    const lineStart = source.lastIndexOf('\n', gapStart - 1) + 1;
    const before = gapStart === 0 ? '' : source.slice(lineStart, gapStart);
    const text = newGap(gap, before, { line, column }, target);
    if (text !== gap) edits.replace({ start: gapStart, end: offset }, text);
    ({ line, column } = advance(text, line, column));
    position = offset;
  }
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
}

/** @param before the line that ends where the gap begins. */
function newGap(gap: string, before: string, from: Place, target: Place): string {
  if (target.line > from.line) {
    return '\n'.repeat(target.line - from.line) + ' '.repeat(target.column);
  }
  const canJoin = !gap.includes('\n') || (JOINABLE.test(before) && !before.includes('//'));
  if (!canJoin) return gap;
  const least = gap === '' ? 0 : 1;
  const wanted = target.line === from.line ? target.column - from.column : 0;
  return ' '.repeat(Math.max(least, wanted));
}

function advance(text: string, line: number, column: number): { line: number; column: number } {
  const last = text.lastIndexOf('\n');
  if (last === -1) return { line, column: column + text.length };
  let lines = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines++;
  return { line: line + lines, column: text.length - last - 1 };
}
