/**
 * By which export a module gives a function away. Certain, or nothing: see invariant 1 of `describe.ts`.
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { requireAddress } from './address.ts';
import type { Inspection, Scope } from './inspection.ts';
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
 * Not found are `export default wrap(…)`, which V8 lists in no scope, and a function whose text stands in another module
 * than its export: these travel by value.
 */
function exportOfModule(
  fn: Function,
  { url, script, offset }: Located,
  look: () => Inspection,
): ExportReference | undefined {
  const analysis = script.source === '' ? undefined : moduleOf(script);
  if (analysis === undefined || analysis.exports.length === 0) return undefined;
  let scope: Scope | undefined;
  const isVariable = (name: string): boolean => {
    scope ??= look().scopes.findLast(({ description }) => description.startsWith('Module'));
    return valueIn(scope, name) === fn;
  };
  const found = analysis.exports.find(({ local }) => {
    const declarations = analysis.declarations.filter(({ name }) => name === local);
    const [declaration] = declarations;
    if (declaration === undefined || declarations.length > 1 || declaration.isReassigned)
      return false;
    return declaration.function?.start === offset || isVariable(local);
  });
  return found === undefined ? undefined : { moduleUrl: url, exportName: found.exported };
}

function valueIn(scope: Scope | undefined, name: string): unknown {
  try {
    return scope?.variables[name];
  } catch {
    // It is not initialised yet.
    return undefined;
  }
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
