/** Where a function stands: in which module, at which place of its text, in which mode. */

import { basename, isAbsolute } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { type ModuleAnalysis, analyseModule } from './parser.ts';
import type { Script } from './scripts.ts';
import { type Place, type SourcePositions, sourcePositions } from './source-positions.ts';

/** The place of a function. It never changes, and closures that were made at one place have one. */
export interface Located {
  /** The URL of its module; empty for code that has no file (`eval`, `new Function`, `node -e`). */
  readonly url: string;
  /** The file as V8 names it in stacks. */
  readonly file: string;
  /** Where the function's text begins in the file that its author wrote; from 0. */
  readonly start: Place;
  /** Leads from V8's places to the author's, if a loader moved the code. */
  readonly positions: SourcePositions | undefined;
  /** Where the function's text begins in the text of the script; -1 if it is not found there. */
  readonly offset: number;
  /** The length of the function's text. */
  readonly length: number;
  readonly script: Script;
  readonly isStrict: boolean;
  /** For errors: the base name of the file, and the line from 1. */
  readonly shownFile: string;
  readonly shownLine: number;
}

/** By the function's place in its script, and the length of its text: a class stands where its constructor does. */
const places = new WeakMap<Script, Map<string, Located>>();

/** Finds the place of a function from what V8 says. */
export function locate(fn: Function, source: string, place: Place, script: Script): Located {
  let ofScript = places.get(script);
  if (ofScript === undefined) {
    ofScript = new Map();
    places.set(script, ofScript);
  }
  const key = `${place.line}:${place.column}:${source.length}`;
  let located = ofScript.get(key);
  if (located === undefined) {
    located = newLocated(fn, source, place, script);
    ofScript.set(key, located);
  }
  return located;
}

function newLocated(fn: Function, source: string, given: Place, script: Script): Located {
  const url = moduleUrlOf(script.url);
  const anchor = offsetOf(script, given.line, given.column);
  const found = script.source.lastIndexOf(source, anchor);
  const offset = found !== -1 && anchor < found + source.length ? found : -1;
  const place = offset === -1 ? given : placeOf(script, offset);
  const positions = sourcePositions(script);
  const start = positions?.near(place) ?? { line: place.line, column: place.column };
  return {
    url,
    file: script.url,
    start,
    positions,
    offset,
    length: source.length,
    script,
    isStrict: script.isModule || isStrictIn(fn, script, offset),
    shownFile: url === '' ? script.url || 'evaluated code' : basename(decodeURIComponent(url)),
    shownLine: start.line + 1,
  };
}

const analyses = new WeakMap<Script, ModuleAnalysis | null>();

/** The analysis of a script; undefined if it can't be parsed. */
export function moduleOf(script: Script): ModuleAnalysis | undefined {
  let analysis = analyses.get(script);
  if (analysis === undefined) {
    analysis = analyseModule(script.source, false) ?? null;
    analyses.set(script, analysis);
  }
  return analysis ?? undefined;
}

function isStrictIn(fn: Function, script: Script, offset: number): boolean {
  // Only sloppy functions of the oldest kind have these; of the others the script must tell.
  if (Object.hasOwn(fn, 'arguments') && Object.hasOwn(fn, 'caller')) return false;
  if (/^\s*(['"])use strict\1/.test(script.source)) return true;
  if (!script.source.includes('use strict') && !script.source.includes('class')) return false;
  const analysis = moduleOf(script);
  if (analysis === undefined) return false;
  return (
    analysis.isStrict ||
    analysis.strictRanges.some(({ start, end }) => start <= offset && offset < end)
  );
}

function moduleUrlOf(name: string): string {
  if (isAbsolute(name)) return pathToFileURL(name).href;
  if (!name.startsWith('file:')) return '';
  // Loaders add queries to load a file again; the file is the same.
  const url = new URL(name);
  return pathToFileURL(fileURLToPath(url)).href;
}

/** The offset in the script's text of a place as V8 counts. */
function offsetOf(script: Script, line: number, column: number): number {
  const { startLine, startColumn } = script;
  const start = lineStarts(script)[line - startLine] ?? 0;
  return start + (line === startLine ? column - startColumn : column);
}

/** V8's place of an offset in a script's text. */
export function placeOf(script: Script, offset: number): Place {
  const starts = lineStarts(script);
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle]! <= offset) low = middle + 1;
    else high = middle;
  }
  const index = low - 1;
  return {
    line: script.startLine + index,
    column: offset - starts[index]! + (index === 0 ? script.startColumn : 0),
  };
}

const startsOfLines = new WeakMap<Script, readonly number[]>();

/** Where the lines of a script begin, as V8 counts lines. */
function lineStarts(script: Script): readonly number[] {
  const known = startsOfLines.get(script);
  if (known !== undefined) return known;
  const starts = [0];
  for (const match of script.source.matchAll(/\r\n|[\n\r\u2028\u2029]/g)) {
    starts.push(match.index + match[0].length);
  }
  startsOfLines.set(script, starts);
  return starts;
}
