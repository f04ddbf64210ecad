/**
 * What the name of a captured variable is bound to on the other side: a value, something imported, or something that
 * every module has, such as `require`.
 *
 * Compilers and loaders hide imports behind variables of their own; each of those shapes is known here: the module
 * scope of ESM, `require` with and without helper functions (TypeScript, esbuild, tsx, Babel), and the objects of
 * Vite's module runner (vitest).
 */

import { createRequire, isBuiltin } from 'node:module';
import { pathToFileURL } from 'node:url';
import { types } from 'node:util';

import { SDK, importAddress, isPackaged, requireAddress } from './address.ts';
import { ambientOf } from './ambient.ts';
import { builtInName, isSdkNamespace, isStandardGlobal } from './built-ins.ts';
import type { AmbientKind } from './definition.ts';
import { type Scope, hasVariable, inspect, scopesWith, targetOf } from './inspection.ts';

import { insideVariable, isMark } from './inside-modules.ts';
import { type Located, locate, moduleOf } from './location.ts';
import { loadedCommonJs } from './loaded-modules.ts';
import { canImport, canImportFrom, mayChange } from './module-graph.ts';
import type { FreeVariable, RequiredModule } from './parser.ts';
import { scopeAddressesOf } from './probe.ts';
import { type Script, scriptOf } from './scripts.ts';
import {
  type ExportedMember,
  type Settled,
  gettersOf,
  importedModule,
  sharedStandIn,
  standInForExports,
  standInForImported,
} from './shared-objects.ts';
import { type Interop, standInFor, standInForVariable } from './stand-ins.ts';
import { testRunner } from './test-runner.ts';
import { changesOf } from './variable-changes.ts';

/** How a captured variable travels. */
export type Binding =
  | { readonly kind: 'value'; readonly value: unknown }
  /** An import: `standIn` travels in its place. */
  | { readonly kind: 'import'; readonly standIn: Function }
  /** What a package's module has of its own, as long as it says nothing but that it is itself: as an import. */
  | { readonly kind: 'mark'; readonly standIn: Function; readonly value: unknown }
  /** An import that its module may change later: every use of it becomes a member of the namespace. */
  | { readonly kind: 'live'; readonly namespace: Function; readonly member: string }
  /** An object that is one for all functions that use it: `standIn` travels in its place. */
  | { readonly kind: 'shared'; readonly standIn: Function }
  /** An object of which only the members in use travel. */
  | { readonly kind: 'members'; readonly holder: object; readonly names: readonly string[] }
  /** Something of the module; `holder` is the `module` whose `exports` it has. */
  | { readonly kind: 'ambient'; readonly is: AmbientKind; readonly holder?: object }
  /** It can't travel. */
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Decides how a variable travels that holds `value` and was found in `scope`.
 *
 * @param scopes those around the function, from the inside to the outside.
 */
export function bindingOf(
  variable: FreeVariable,
  value: unknown,
  scope: Scope,
  located: Located,
  scopes: readonly Scope[],
): Binding {
  const { name } = variable;
  const ambient = ambientBinding(name, value, variable);
  if (ambient !== undefined) return ambient;
  const isInModule = scope.description.startsWith('Module');
  const imported =
    (isInModule ? importedBinding(name, value, located) : undefined) ??
    requiredBinding(name, value, located);
  if (imported !== undefined) return imported;
  if (typeof value === 'object' && value !== null) {
    const builtIn = builtInName(value);
    if (builtIn !== undefined) return fromModule(builtIn.moduleUrl, builtIn.path);
    if (types.isModuleNamespaceObject(value) && isSdkNamespace(value)) return fromModule(SDK, '');
    const members = runnerBinding(variable, value);
    if (members !== undefined) return members;
  }
  const bundled = isObject(value) ? bundledBinding(name, value, located, scopes) : undefined;
  return bundled ?? markBinding(name, value, scope, located, scopes) ?? { kind: 'value', value };
}

/** A mark that a module of a package compares others with, or a table of it: the receiver's module has its own. */
function markBinding(
  name: string,
  value: unknown,
  scope: Scope,
  located: Located,
  scopes: readonly Scope[],
): Binding | undefined {
  if (!isPackaged(located.url) || !isMark(value) || scopesWith(name, scopes).at(-1) !== scope) {
    return undefined;
  }
  const inside = insideVariable(name, value, located, scopes);
  if (inside === undefined) return undefined;
  const { moduleUrl, exportName } = inside.witness;
  return { kind: 'mark', standIn: standInForVariable(moduleUrl, exportName, name), value };
}

/** Decides how a variable travels that no scope has, and that is a global which not every process has. */
export function globalBinding(variable: FreeVariable): Binding | undefined {
  const { name } = variable;
  if (!(name in globalThis)) return undefined;
  // Code of `node -e` has what modules have, and Node's own modules, as global variables.
  if (!isStandardGlobal(name) || isBuiltin(name)) {
    const value = memberOf(globalThis, name);
    const ambient = ambientBinding(name, value, variable);
    if (ambient !== undefined) return ambient;
    const builtIn = builtInName(value);
    if (builtIn?.path === '') return fromModule(builtIn.moduleUrl, '');
    if (!isStandardGlobal(name)) return { kind: 'value', value };
  }
  return undefined;
}

/** An object by which a bundler stands for a module that it put into its one file. */
function bundledBinding(
  name: string,
  value: object,
  located: Located,
  scopes: readonly Scope[],
): Binding | undefined {
  const present = sharedStandIn(value);
  if (present !== undefined) return { kind: 'shared', standIn: present };
  const imported = importedModule(value);
  if (imported !== undefined) {
    const exports = moduleStandIn(imported.exports) ?? imported.exports;
    return { kind: 'shared', standIn: standInForImported(value, `variable "${name}"`, exports) };
  }
  const getters = gettersOf(value);
  if (getters === undefined) return undefined;
  const members: ExportedMember[] = [];
  for (const [exported, get] of getters) {
    const variable = nameReadBy(get);
    const settled =
      variable === undefined ? undefined : settledValue(variable, get, located, scopes);
    if (settled === undefined && variable !== undefined && mayPart(variable, get)) {
      const reason =
        `"${exported}" of the bundled module has no value yet, and the variable behind it is of a function around it, ` +
        'which functions do not share after they were sent; import the module before the first remote call, or bundle ' +
        'to ESM or CommonJS (esbuild: --format=esm)';
      return { kind: 'refused', reason };
    }
    members.push({ name: exported, get, settled });
  }
  return { kind: 'shared', standIn: standInForExports(value, `variable "${name}"`, members) };
}

/** The variable that a getter gives, if that is all it does: then calling it runs nothing of the program. */
function nameReadBy(getter: () => unknown): string | undefined {
  const source = Function.prototype.toString.call(getter);
  return /^\(\s*\)\s*=>\s*([\p{ID_Start}$_][\p{ID_Continue}$]*)$/u.exec(source)?.[1];
}

/**
 * What a getter gives, if it is a function or class of the module that nothing is assigned to again: for those, which
 * are most of a library's, nothing has to be found out about the getter.
 */
function settledValue(
  name: string,
  getter: () => unknown,
  located: Located,
  scopes: readonly Scope[],
): Settled | undefined {
  const scope = scopesWith(name, scopes).at(-1);
  if (scope === undefined || changesOf(name, scope, located, 'outermost') === 'always') {
    return undefined;
  }
  try {
    const value = getter();
    const isFunction = typeof value === 'function' && !types.isProxy(value);
    return isFunction && scope.variables[name] === value ? { value } : undefined;
  } catch {
    // It is not initialised yet; the capture of the getter says so.
    return undefined;
  }
}

/** What stands for the exports of a CommonJS module that a worker can load itself. */
function moduleStandIn(exports: unknown): Function | undefined {
  const builtIn = builtInName(exports);
  if (builtIn !== undefined) return standInFor(builtIn.moduleUrl, builtIn.path);
  if (!isObject(exports)) return undefined;
  if (types.isModuleNamespaceObject(exports)) {
    return isSdkNamespace(exports) ? standInFor(SDK, '') : undefined;
  }
  const found = loadedCommonJs(exports);
  if (found === undefined) return undefined;
  const { href } = pathToFileURL(found.filename);
  return canImport(href) ? standInFor(requireAddress(found.filename, href), '*') : undefined;
}

/** True if a getter would go on giving nothing after functions were sent that give its variable a value. */
function mayPart(name: string, getter: () => unknown): boolean {
  // Where scopes can be told apart, functions go on sharing their variables.
  if (scopeAddressesOf(getter) !== undefined) return false;
  try {
    if (getter() !== undefined) return false;
  } catch {
    // As above.
    return false;
  }
  const source = Function.prototype.toString.call(getter);
  const { scopes, scriptId, ...place } = inspect(getter);
  const located = locate(getter, source, place, scriptOf(getter, scriptId));
  const [scope] = scopesWith(name, scopes);
  return scope !== undefined && !isOfModule(name, scope, located, scopes);
}

/**
 * True if a variable is the module's own: what is known of it holds for all functions of the script. False for one of a
 * function, and in doubt.
 */
export function isOfModule(
  name: string,
  scope: Scope,
  { script }: Located,
  scopes: readonly Scope[],
): boolean {
  if (script.isModule && !scope.description.startsWith('Module')) return false;
  // A scope further out that has the name would be the module's.
  if (scopesWith(name, scopes).at(-1) !== scope) return false;
  const declarations = moduleOf(script)?.declarations ?? [];
  if (declarations.filter((each) => each.name === name).length !== 1) return false;
  // So would be one that has others of the module's: where names are short, those of functions are the same ones.
  return !scopes
    .slice(scopes.indexOf(scope) + 1)
    .some((outer) => declarations.some((each) => hasVariable(outer, each.name)));
}

function fromModule(moduleUrl: string, member: string, interop: Interop = 'none'): Binding {
  return { kind: 'import', standIn: standInFor(moduleUrl, member, interop) };
}

function ambientBinding(name: string, value: unknown, variable: FreeVariable): Binding | undefined {
  const known = ambientOf(value);
  if (known !== undefined) {
    return {
      kind: 'ambient',
      is: known,
      ...(known === 'module' ? { holder: value as object } : {}),
    };
  }
  if (isRequire(value)) return { kind: 'ambient', is: 'require' };
  if (name === '__vite_ssr_import_meta__') return { kind: 'ambient', is: 'importMeta' };
  if (name === '__vite_ssr_dynamic_import__') return { kind: 'ambient', is: 'runnerImport' };
  if (name === 'module' && isCommonJsModule(value)) {
    return variable.members === undefined
      ? { kind: 'ambient', is: 'module', holder: value }
      : membersOf(value, variable.members);
  }
  if (name === 'exports' && isObject(value) && variable.members !== undefined) {
    return membersOf(value, variable.members);
  }
  return undefined;
}

function isRequire(value: unknown): boolean {
  if (typeof value !== 'function') return false;
  if (types.isProxy(value)) return isShimOfRequire(targetOf(value));
  if (!Object.hasOwn(value, 'cache')) return false;
  const { cache, resolve } = value as unknown as { cache: unknown; resolve: unknown };
  return typeof resolve === 'function' && isObject(cache);
}

/**
 * What bundlers put into the place of `require` in an ECMAScript module, `__require`: a proxy, and under it a function
 * that calls `require` if there is one. A worker makes it a real one.
 */
function isShimOfRequire(target: unknown): boolean {
  if (typeof target !== 'function' || types.isProxy(target)) return false;
  const source = Function.prototype.toString.call(target);
  return /\btypeof require\b[^;]*\breturn require\.apply\(this,\s*arguments\)/.test(source);
}

function isCommonJsModule(value: unknown): value is object {
  return isObject(value) && Object.hasOwn(value, 'exports') && Object.hasOwn(value, 'paths');
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function membersOf(holder: object, names: readonly string[]): Binding {
  return { kind: 'members', holder, names };
}

/** What a member of a holder travels as. */
export function travellingMember(holder: object, name: string): unknown {
  const value = memberOf(holder, name);
  // The codec asks about functions; objects that every process has must be recognised here.
  const builtIn = isObject(value) ? builtInName(value) : undefined;
  return builtIn === undefined ? value : standInFor(builtIn.moduleUrl, builtIn.path);
}

/** A name in the module scope of an ECMAScript module. */
function importedBinding(name: string, value: unknown, located: Located): Binding | undefined {
  const found = moduleOf(located.script)?.imports.find(({ local }) => local === name);
  if (found === undefined || found.hasAttributes) return undefined;
  const { specifier, imported } = found;
  if (isObject(value) || typeof value === 'function') {
    // The SDK of the receiver is the one that its runtime runs, whatever file the name was imported from.
    const builtIn = builtInName(value);
    if (builtIn?.moduleUrl === SDK) return fromModule(SDK, builtIn.path);
    if (imported === undefined && isSdkNamespace(value)) return fromModule(SDK, '');
  }
  if (!canImportFrom(specifier, located.url)) return undefined;
  const address = importAddress(specifier, located.url);
  if (imported === undefined) return fromModule(address, '*');
  if (!mayChange(specifier, located.url, imported)) return fromModule(address, imported);
  return { kind: 'live', namespace: standInFor(address, '*'), member: imported };
}

/** A variable that holds what `require` or `await import()` gave. */
function requiredBinding(name: string, value: unknown, located: Located): Binding | undefined {
  if (located.url === '' || !mayRequire(located.script)) return undefined;
  const builtIn = builtInName(value);
  if (builtIn?.moduleUrl === SDK) return fromModule(SDK, builtIn.path);
  const found = moduleOf(located.script)?.requiredNames.find((each) => each.name === name);
  if (found === undefined || !found.isCertain) return undefined;
  const { required } = found;
  const interop = interopOf(required);
  if (interop === undefined || !canImportFrom(required.specifier, located.url)) return undefined;
  if (!isStill(required, value, located.url)) return undefined;
  const address = required.isDynamicImport
    ? importAddress(required.specifier, located.url)
    : requireAddress(required.specifier, located.url);
  return fromModule(address, required.member ?? '*', interop);
}

const requiring = new WeakMap<Script, boolean>();

/** False for a script that mentions neither `require` nor `import`: spares parsing it. */
function mayRequire(script: Script): boolean {
  let may = requiring.get(script);
  if (may === undefined) {
    may = /\brequire\b|\bimport\b/.test(script.source);
    requiring.set(script, may);
  }
  return may;
}

function interopOf({ helper, helperIsNode, member }: RequiredModule): Interop | undefined {
  switch (helper) {
    case undefined:
      return 'none';
    case 'then':
      // Whatever it does, `isStill` sees whether the module came out; of its members, nothing would tell.
      return member === undefined ? 'none' : undefined;
    case '__toESM':
      return helperIsNode ? 'node' : 'star';
    case '__importStar':
    case '_interopRequireWildcard':
      return 'star';
    case '__importDefault':
    case '_interopRequireDefault':
      return 'default';
    default:
      return undefined;
  }
}

/** What was required may have been replaced since, by a mock for instance. */
function isStill(required: RequiredModule, value: unknown, url: string): boolean {
  if (required.isDynamicImport) {
    return required.member !== undefined || types.isModuleNamespaceObject(value);
  }
  if (required.helper !== undefined) return isObject(value);
  const require = createRequire(url);
  let exports: unknown;
  try {
    const path = require.resolve(required.specifier);
    exports =
      path.startsWith('node:') || !path.includes('/')
        ? process.getBuiltinModule(path)
        : require.cache[path]?.exports;
  } catch {
    // A loader's own resolution; the declaration has to do.
    return true;
  }
  if (exports === undefined) return true;
  if (required.member === undefined) return exports === value;
  return !isObject(exports) || (exports as Record<string, unknown>)[required.member] === value;
}

/** An object of the test runner that stands for a module. */
function runnerBinding(variable: FreeVariable, value: object): Binding | undefined {
  if (!testRunner().isActive) return undefined;
  const found = testRunner().moduleOf(value);
  if (found === undefined) return undefined;
  const { url, isExternal, isUnwrapped } = found;
  const names = variable.members ?? Object.keys(value);
  const isOurs = names.some((name) => builtInName(memberOf(value, name))?.moduleUrl === SDK);
  if (isOurs || url === undefined) return membersOf(value, names);
  if (!isExternal) return canImport(url) ? fromModule(url, '*') : membersOf(value, names);
  if (!isUnwrapped) return fromModule(url, '*');
  if (variable.members === undefined) return fromModule(url, '*', 'runner');
  const standIns = names.map((name) => [name, standInFor(url, name, 'runner')] as const);
  return membersOf(Object.fromEntries(standIns), names);
}

function memberOf(holder: object, name: string): unknown {
  return (holder as Record<string, unknown>)[name];
}
