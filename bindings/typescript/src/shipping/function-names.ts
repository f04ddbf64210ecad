/**
 * The names of function expressions: `named` in `const make = function named() { return () => named; }`.
 *
 * It is a variable of the functions inside, but the only kind that V8 lists in no scope. So its value can't be had; that
 * it is there is read from the text.
 */

import type { Located } from './location.ts';
import { analyseFunction } from './parser.ts';
import type { Script } from './scripts.ts';

/** Where the text of a script has `function name(`, by name. */
const starts = new WeakMap<Script, ReadonlyMap<string, readonly number[]>>();

/**
 * True if a variable that no scope has is the name of a function expression around the function. (A function that is
 * declared has its name in the scope around it.)
 */
export function isNameOfFunctionAround(name: string, source: string, located: Located): boolean {
  const { offset, script } = located;
  if (offset === -1) return false;
  const end = offset + source.length;
  return (namedFunctions(script).get(name) ?? []).some(
    (start) => start < offset && endOfFunction(script.source, start, end) !== undefined,
  );
}

function namedFunctions(script: Script): ReadonlyMap<string, readonly number[]> {
  const known = starts.get(script);
  if (known !== undefined) return known;
  const found = new Map<string, number[]>();
  // Comments may stand between, with anything but another function in them.
  const pattern =
    /(?:\basync\s+)?\bfunction\b(?:(?!\bfunction\b)[^(){}])*?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*\(/gu;
  for (const { 1: name, index } of script.source.matchAll(pattern)) {
    found.set(name!, [...(found.get(name!) ?? []), index]);
  }
  starts.set(script, found);
  return found;
}

/** Where the function that begins at `start` ends, if that is not before `least`. */
function endOfFunction(text: string, start: number, least: number): number | undefined {
  for (let brace = text.indexOf('}', least); brace !== -1; brace = text.indexOf('}', brace + 1)) {
    try {
      analyseFunction(text.slice(start, brace + 1));
      return brace + 1;
    } catch {
      // Not this one: the text up to here is not a whole function.
    }
  }
  return undefined;
}
