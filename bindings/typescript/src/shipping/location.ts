/** Where a function stands: in which module, at which place of its text, in which mode. */

import { basename } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { isAbsolute } from 'node:path';

import type { Inspection, Script } from './inspection.ts';
import { type ModuleAnalysis, analyseModule } from './parser.ts';

/** A function and its place. */
export interface Located {
  /** The URL of its module; empty for code that has no file (`eval`, `new Function`, `node -e`). */
  readonly url: string;
  /** The file as V8 names it in stacks. */
  readonly file: string;
  /** Where the function's text begins, as V8 counts; from 0. */
  readonly line: number;
  readonly column: number;
  /** Where the function's text begins in the text of the script; -1 if it is not found there. */
  readonly offset: number;
  readonly script: Script;
  readonly isStrict: boolean;
  /** For errors: the base name of the file, and the line from 1. */
  readonly shownFile: string;
  readonly shownLine: number;
  /** The analysis of the script; undefined if it can't be parsed. */
  readonly module: () => ModuleAnalysis | undefined;
}

const analyses = new WeakMap<Script, ModuleAnalysis | null>();

/** Finds the place of a function from what V8 says. */
export function locate(fn: Function, source: string, inspection: Inspection, script: Script): Located {
  const url = moduleUrlOf(script.url);
  const anchor = offsetOf(script, inspection.line, inspection.column);
  const found = script.source.lastIndexOf(source, anchor);
  const offset = found !== -1 && anchor < found + source.length ? found : -1;
  const { line, column } =
    offset === -1 ? inspection : placeOf(script, offset);
  const module = (): ModuleAnalysis | undefined => {
    let analysis = analyses.get(script);
    if (analysis === undefined) {
      analysis = analyseModule(script.source, false) ?? null;
      analyses.set(script, analysis);
    }
    return analysis ?? undefined;
  };
  return {
    url,
    file: script.url,
    line,
    column,
    offset,
    script,
    isStrict: script.isModule || isStrictIn(fn, script, offset, module),
    shownFile: url === '' ? script.url || 'evaluated code' : basename(decodeURIComponent(url)),
    shownLine: line + 1,
    module,
  };
}

function isStrictIn(
  fn: Function,
  script: Script,
  offset: number,
  module: () => ModuleAnalysis | undefined,
): boolean {
  // Only sloppy functions of the oldest kind have these; of the others the script must tell.
  if (Object.hasOwn(fn, 'arguments') && Object.hasOwn(fn, 'caller')) return false;
  if (/^\s*(['"])use strict\1/.test(script.source)) return true;
  if (!script.source.includes('use strict') && !script.source.includes('class')) return false;
  const analysis = module();
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
function offsetOf({ source, startLine, startColumn }: Script, line: number, column: number): number {
  let offset = 0;
  for (let index = startLine; index < line; index++) {
    const end = nextLine(source, offset);
    if (end === -1) break;
    offset = end;
  }
  return offset + (line === startLine ? column - startColumn : column);
}

function placeOf({ source, startLine, startColumn }: Script, offset: number): { line: number; column: number } {
  let line = startLine;
  let start = 0;
  for (;;) {
    const next = nextLine(source, start);
    if (next === -1 || next > offset) break;
    start = next;
    line++;
  }
  return { line, column: offset - start + (line === startLine ? startColumn : 0) };
}

/** The start of the line after the one that `from` is in, as V8 counts lines; -1 after the last one. */
function nextLine(source: string, from: number): number {
  LINE_END.lastIndex = from;
  const match = LINE_END.exec(source);
  return match === null ? -1 : match.index + match[0].length;
}

const LINE_END = /\r\n|[\n\r\u2028\u2029]/g;
