/**
 * By which export a module gives a function away. Certain, or nothing: see invariant 1 of `describe.ts`.
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';

import { isNative } from '../describe-value.ts';
import { requireAddress } from './address.ts';
import { type Inspection, type Scope, hasVariable, inspect, valueIn } from './inspection.ts';
import { type Located, moduleOf } from './location.ts';
import { testRunner } from './test-runner.ts';

/** A function by reference. */
export interface ExportReference {
  readonly moduleUrl: string;
  readonly exportName: string;
}

/** The whole of a CommonJS module. */
export const WHOLE_MODULE = 'module.exports';

/**
 * The export that is `fn`; undefined if there is none, or none that is certain.
 *
 * @param located the place of `fn`, or of a function of its module.
 * @param look inspects that function.
 */
export function exportOf(
  fn: Function,
  located: Located,
  look: () => Inspection,
): ExportReference | undefined {
  const { url, script } = located;
  if (testRunner().isActive) {
    const exports = testRunner().exportsOf(url);
    if (exports !== undefined) {
      // Its getters only read variables.
      const exportName = Object.keys(exports).find(
        (name) => (exports as Record<string, unknown>)[name] === fn,
      );
      return exportName === undefined ? undefined : { moduleUrl: url, exportName };
    }
  }
  return script.isModule ? exportOfModule(fn, located, look) : exportOfCommonJs(fn, url);
}

/**
 * The export of an ECMAScript module, whose namespace object can't be had synchronously. A name that nothing is assigned
 * to again is certain if the text that V8 compiled declares it as exactly this function, or if the scope of the module,
 * which the function is in, has this very function under the name: `export const bump = wrap(() => …)`.
 *
 * V8 lists `export default wrap(…)` in no scope, and does not look into a module for a function whose text stands in
 * another one: such functions are found by who imports them (`imported-functions.ts`).
 */
function exportOfModule(
  fn: Function,
  { url, script, offset }: Located,
  look: () => Inspection,
): ExportReference | undefined {
  const analysis = script.source === '' ? undefined : moduleOf(script);
  if (analysis === undefined || analysis.exports.length === 0) return undefined;
  const isVariable = (name: string): boolean => {
    const scope = moduleScope(look());
    if (scope === undefined) return false;
    if (hasVariable(scope, name)) return valueIn(scope, name) === fn;
    const other = scopesOfOthers(scope, script.id).find((each) => hasVariable(each, name));
    return valueIn(other, name) === fn;
  };
  const found = analysis.exports.find(({ local }) => {
    const declarations = analysis.declarations.filter(({ name }) => name === local);
    const [declaration] = declarations;
    if (declaration === undefined || declarations.length > 1 || declaration.isReassigned)
      return false;
    // A variable that is declared as a function holds that one.
    const declared = declaration.function;
    return declared === undefined ? isVariable(local) : declared.start === offset;
  });
  return found === undefined ? undefined : { moduleUrl: url, exportName: found.exported };
}

/**
 * The scope of a module as other functions of it see it: V8 leaves out what has the name of a variable around a function.
 */
function scopesOfOthers({ variables }: Scope, scriptId: string): Scope[] {
  return Object.keys(variables)
    .map((name) => valueIn({ variables }, name))
    .filter((each): each is Function => isFunctionWithText(each))
    .slice(0, LOOKED_INTO_MAX)
    .map(inspect)
    .filter((each) => each.scriptId === scriptId)
    .flatMap((each) => moduleScope(each) ?? []);
}

/** So many functions of a module are asked what they see. */
const LOOKED_INTO_MAX = 4;

function moduleScope({ scopes }: Inspection): Scope | undefined {
  return scopes.findLast(({ description }) => description.startsWith('Module'));
}

/** True for a function that is neither native, bound nor a proxy. */
export function isFunctionWithText(value: unknown): value is Function {
  return typeof value === 'function' && !types.isProxy(value) && !isNative(value);
}

function exportOfCommonJs(fn: Function, url: string): ExportReference | undefined {
  const path = fileURLToPath(url);
  const loaded = createRequire(url).cache[path];
  if (loaded === undefined) return undefined;
  const moduleUrl = requireAddress(path, url);
  const exports: unknown = loaded.exports;
  if (exports === fn) return { moduleUrl, exportName: WHOLE_MODULE };
  if (typeof exports !== 'object' && typeof exports !== 'function') return undefined;
  const member = exports === null ? undefined : memberThatIs(exports, fn);
  return member === undefined ? undefined : { moduleUrl, exportName: member };
}

function memberThatIs(exports: object, fn: Function): string | undefined {
  const names = Object.getOwnPropertyNames(exports);
  // Compilers export through getters. Reading those of other names might load what nobody asked for.
  const likely = [fn.name, 'default'].filter((name) => names.includes(name));
  const byGetter = likely.find((name) => (exports as Record<string, unknown>)[name] === fn);
  if (byGetter !== undefined) return byGetter;
  return names.find((name) => Object.getOwnPropertyDescriptor(exports, name)?.value === fn);
}
