/**
 * What a module has without exporting it, by name: `class Leaf` beside `export class Tree`.
 *
 * Exports of packages go by reference, and so use what the module of the receiver has. If what is not exported went by value,
 * the two would use different things, in silence: a mark that one sets and the other compares, a table that one fills and the
 * other reads. So it goes by reference too, as pickle does it: by the name of the variable, found in the scope of a function
 * that the module exports, its *witness*.
 *
 * Only in packages: a module of the program's own gives away what its variables hold now.
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';

import { SerializationError } from '../errors.ts';
import { isPackaged, requireAddress } from './address.ts';
import { isHolder } from './holder.ts';
import { type Inspection, type Scope, inspect, scopesWith, valueIn } from './inspection.ts';
import { type Located, moduleOf } from './location.ts';
import { canReference } from './module-graph.ts';
import type { ModuleDeclaration } from './parser.ts';
import { type ExportReference, WHOLE_MODULE, isFunctionWithText } from './reference.ts';
import type { Script } from './scripts.ts';
import { changesOf } from './variable-changes.ts';

/** A variable of a module. */
export interface InsideName {
  /** An export that is a function which has the variable in its scope. */
  readonly witness: ExportReference;
  readonly variable: string;
}

/** The variable of a package's module that holds a function of it for good; undefined if there is none. */
export function insideFunction(
  fn: Function,
  located: Located,
  look: () => Inspection,
): InsideName | undefined {
  if (!mayName(located)) return undefined;
  const { scopes } = look();
  // As a rule a function has its name from the variable.
  const name = Object.getOwnPropertyDescriptor(fn, 'name')?.value as unknown;
  const named = typeof name === 'string' ? insideVariable(name, fn, located, scopes) : undefined;
  if (named !== undefined) return named;
  const declared = declarationsOf(located.script).find((each) => {
    return each.function !== undefined && each.function.start === located.offset;
  });
  return declared && insideVariable(declared.name, fn, located, scopes);
}

/**
 * The variable of a package's module, if it holds `value` for good; undefined if it does not.
 *
 * @param scopes those around a function of the module.
 */
export function insideVariable(
  variable: string,
  value: unknown,
  located: Located,
  scopes: readonly Scope[],
): InsideName | undefined {
  if (!mayName(located)) return undefined;
  const scope = topScope(variable, scopes);
  if (scope === undefined || !Object.is(valueIn(scope, variable), value)) return undefined;
  if (changesOf(variable, scope, located, 'outermost') === 'always') return undefined;
  // A class that is exported has the module in its scope, but does not see itself there.
  const itself = exportAt(located);
  if (itself !== undefined) return { witness: itself, variable };
  // What several calls of one function have made differs by its value.
  const witness = witnessesOf(located, scopes).find((each) => {
    return Object.is(valueIn(topScope(variable, each.scopes), variable), value);
  });
  return witness && { witness: witness.reference, variable };
}

/** The variable of a package's module that holds a symbol for good, if a function of the module has it in its scope. */
export function insideSymbol(
  symbol: symbol,
  located: Located,
  scopes: readonly Scope[],
): InsideName | undefined {
  if (!mayName(located)) return undefined;
  for (const scope of scopes) {
    for (const name of Object.keys(scope.variables)) {
      if (valueIn(scope, name) !== symbol) continue;
      const found = insideVariable(name, symbol, located, scopes);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/**
 * True for what says nothing but that it is itself, if a variable of a module holds it: a mark that others are compared
 * with, or a table that is empty.
 */
export function isMark(value: unknown): boolean {
  if (typeof value === 'symbol') return Symbol.keyFor(value) === undefined;
  if (typeof value !== 'object' || value === null || types.isProxy(value)) return false;
  if (value instanceof Map || value instanceof Set) return value.size === 0;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== Array.prototype && prototype !== null) {
    return false;
  }
  const keys = Reflect.ownKeys(value).filter((key) => key !== 'length');
  return keys.length === 0;
}

/** What the variable holds in this process, whose module is loaded. */
export function insideValue(witness: unknown, variable: string, moduleUrl: string): unknown {
  const scope = isFunctionWithText(witness) ? topScope(variable, scopesNow(witness)) : undefined;
  if (scope === undefined) {
    throw new SerializationError(`${moduleUrl} has no variable ${variable} in this process`);
  }
  return valueIn(scope, variable);
}

let readNow = new Map<Function, readonly Scope[]>();

/** The scopes around a function: those of a module are read once for all that arrives together. */
function scopesNow(witness: Function): readonly Scope[] {
  let scopes = readNow.get(witness);
  if (scopes === undefined) {
    if (readNow.size === 0) queueMicrotask(() => (readNow = new Map()));
    ({ scopes } = inspect(witness));
    readNow.set(witness, scopes);
  }
  return scopes;
}

function mayName({ url }: Located): boolean {
  return isPackaged(url) && canReference(url);
}

function declarationsOf(script: Script): readonly ModuleDeclaration[] {
  return script.source === '' ? [] : (moduleOf(script)?.declarations ?? []);
}

/** The outermost scope that has the variable: that of the module, or of the function that a bundler put it into. */
function topScope(variable: string, scopes: readonly Scope[]): Scope | undefined {
  return scopesWith(variable, scopes).at(-1);
}

interface Witness {
  readonly reference: ExportReference;
  readonly scopes: readonly Scope[];
}

const witnesses = new WeakMap<Script, readonly Witness[]>();

/** So many exports of a module are asked what they see. */
const WITNESSES_MAX = 4;

function witnessesOf(located: Located, scopes: readonly Scope[]): readonly Witness[] {
  let found = witnesses.get(located.script);
  if (found === undefined) {
    found = exportedFunctions(located, scopes);
    witnesses.set(located.script, found);
  }
  return found;
}

function exportedFunctions(located: Located, around: readonly Scope[]): readonly Witness[] {
  const { script, url } = located;
  const candidates = script.isModule ? importedExports(located, around) : requiredExports(url);
  return candidates.slice(0, WITNESSES_MAX).flatMap(([fn, reference]) => {
    const { scopes, scriptId } = inspect(fn);
    return scriptId === script.id ? [{ reference, scopes }] : [];
  });
}

/** The export of an ECMAScript module that is declared as the function which stands there. */
function exportAt({ offset, script, url }: Located): ExportReference | undefined {
  if (!script.isModule || offset === -1) return undefined;
  const declared = declarationsOf(script).find((each) => each.function?.start === offset);
  if (declared === undefined || declared.isReassigned) return undefined;
  const found = moduleOf(script)?.exports.find(({ local }) => local === declared.name);
  return found && { moduleUrl: url, exportName: found.exported };
}

type ExportedFunction = readonly [fn: Function, reference: ExportReference];

function importedExports(
  { script, url }: Located,
  scopes: readonly Scope[],
): readonly ExportedFunction[] {
  return (moduleOf(script)?.exports ?? []).flatMap(({ exported, local }): ExportedFunction[] => {
    const value = valueIn(topScope(local, scopes), local);
    return isFunctionWithText(value) ? [[value, { moduleUrl: url, exportName: exported }]] : [];
  });
}

function requiredExports(url: string): readonly ExportedFunction[] {
  const path = fileURLToPath(url);
  const exports: unknown = createRequire(url).cache[path]?.exports;
  const moduleUrl = requireAddress(path, url);
  // Nothing is read through getters: that may load what nobody asked for.
  const members = isHolder(exports)
    ? Object.entries(Object.getOwnPropertyDescriptors(exports))
    : [];
  const all = [[WHOLE_MODULE, { value: exports }], ...members] as const;
  return all.flatMap(([exportName, { value }]): ExportedFunction[] => {
    return isFunctionWithText(value) ? [[value, { moduleUrl, exportName }]] : [];
  });
}
