/**
 * Whether a variable that a function uses may change. What never does is read once; the others are read each time the
 * function travels, and shared by the functions that travel together.
 */

import type { Scope } from './inspection.ts';
import type { Located } from './location.ts';
import { variableChanges } from './parser.ts';
import type { Script } from './scripts.ts';
import { withoutAssignments } from './wrapper.ts';

/**
 * When something is assigned to a variable: never after its declaration, `once` by a declaration that may come later
 * (`var`), or always, and also if that is not known.
 */
export type Changes = 'never' | 'once' | 'always';

/** As the parser counts them. */
const CHANGES: readonly Changes[] = ['never', 'always', 'once'];

/** What is known of a script: the scopes of its variables by their names, as numbers: start, end, and how it changes. */
interface ScriptChanges {
  readonly isUnknown: boolean;
  readonly byName: ReadonlyMap<string, readonly number[]>;
}

const known = new WeakMap<Script, ScriptChanges>();

/**
 * When something is assigned to a variable that a function uses.
 *
 * @param scope where V8 has it.
 * @param which of several variables of that name around the function.
 */
export function changesOf(
  name: string,
  scope: Scope,
  { length, offset, script }: Located,
  which: 'innermost' | 'outermost' = 'innermost',
): Changes {
  // Scripts that follow each other, as in a REPL, share these, and any of them may assign.
  if (scope.description.startsWith('Script')) return 'always';
  const { byName, isUnknown } = changesIn(script);
  if (isUnknown || offset === -1) return 'always';
  const scopes = byName.get(name);
  if (scopes === undefined) return 'never';
  const around = scopesAround(scopes, offset, offset + length);
  return around.at(which === 'innermost' ? 0 : -1)?.changes ?? 'never';
}

function changesIn(script: Script): ScriptChanges {
  let found = known.get(script);
  if (found === undefined) {
    const analysis = variableChanges(withoutAssignments(script.source));
    found = {
      isUnknown: analysis === undefined || analysis.hasDirectEval,
      byName: new Map(analysis?.variables.map(({ name, scopes }) => [name, scopes])),
    };
    known.set(script, found);
  }
  return found;
}

/** The scopes around a function, from the inside to the outside. */
function scopesAround(
  scopes: readonly number[],
  start: number,
  end: number,
): { readonly size: number; readonly changes: Changes }[] {
  const around = [];
  for (let index = 0; index < scopes.length; index += 3) {
    const [from, to] = [scopes[index]!, scopes[index + 1]!];
    // The function's own scope has its own variables.
    const isAround = from <= start && end <= to && to - from > end - start;
    if (isAround) around.push({ size: to - from, changes: CHANGES[scopes[index + 2]!]! });
  }
  return around.toSorted((one, other) => one.size - other.size);
}
