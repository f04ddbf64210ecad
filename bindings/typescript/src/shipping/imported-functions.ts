/**
 * Functions by the names under which modules import them.
 *
 * Where the text of a function stands says nothing about exports such as `export default wrap(…)`. But a module that
 * imports one has it in its scope, and its text says from where. So what the scope of a module shows is noted when the
 * first function of it travels. And a function that arrived by reference travels on by the same one.
 */

import { isBuiltin } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { GLOBALS, SDK, importAddress } from './address.ts';
import { type Scope, valueIn } from './inspection.ts';
import { type Located, moduleOf } from './location.ts';
import { canImportFrom, canReference, mayChange, resolveGuessing } from './module-graph.ts';
import type { ExportReference } from './reference.ts';
import type { Script } from './scripts.ts';

/** An import of a module. */
interface ImportedName {
  readonly specifier: string;
  /** The URL of the module that has the import. */
  readonly parent: string;
  readonly exportName: string;
}

const names = new WeakMap<Function, ImportedName>();
const noted = new WeakSet<Script>();

/** Notes which functions a module imports, once. `scopes` are those around a function of it. */
export function noteImports({ script, url }: Located, scopes: readonly Scope[]): void {
  if (!script.isModule || url === '' || noted.has(script)) return;
  const scope = scopes.findLast(({ description }) => description.startsWith('Module'));
  if (scope === undefined) return;
  noted.add(script);
  for (const { hasAttributes, imported, isType, local, specifier } of moduleOf(script)?.imports ??
    []) {
    if (imported === undefined || hasAttributes || isType || isBuiltin(specifier)) continue;
    const value = valueIn(scope, local);
    if (typeof value !== 'function' || names.has(value)) continue;
    names.set(value, { specifier, parent: url, exportName: imported });
  }
}

/** What every process has travels by its own name. */
const PRESENT = new RegExp(`^(?:${GLOBALS}|${SDK}|(?:require )?node:)`);

const exported = new WeakMap<Function, ExportReference>();

/** Notes by which export a function was found here that arrived by reference. */
export function noteExport(fn: Function, reference: ExportReference): void {
  if (!PRESENT.test(reference.moduleUrl)) exported.set(fn, reference);
}

/** The export that a module has imported as `fn`, if a worker can import it from there and it stays what it is. */
export function importedExport(fn: Function): ExportReference | undefined {
  const arrived = exported.get(fn);
  if (arrived !== undefined) return arrived;
  const found = names.get(fn);
  if (found === undefined) return undefined;
  const { exportName, parent, specifier } = found;
  const [target] = resolveGuessing(specifier, fileURLToPath(parent));
  if (target === undefined || !canReference(pathToFileURL(target).href)) return undefined;
  if (!canImportFrom(specifier, parent) || mayChange(specifier, parent, exportName))
    return undefined;
  return { moduleUrl: importAddress(specifier, parent), exportName };
}
