/** Symbols between processes: the same text is the same symbol. */

import { SerializationError } from '../errors.ts';
import { WeakValues } from '../weak-values.ts';
import { newIdentity } from './identity.ts';
import { insideSymbol, insideValue } from './inside-modules.ts';
import { type Scope, inspect } from './inspection.ts';
import { exportedValue } from './loading.ts';
import { type Located, locate } from './location.ts';
import { modulesBefore } from './package-entries.ts';
import { isFunctionWithText } from './reference.ts';
import { scriptOf } from './scripts.ts';

const idBySymbol = new WeakMap<symbol, string>();
const symbolById = new WeakValues<symbol>();

/**
 * How a symbol is written: well-known and registered ones by name, those of a package's module by the variable that holds
 * them, others by an id of their own.
 */
export function symbolText(symbol: symbol): string {
  const registered = Symbol.keyFor(symbol);
  if (registered !== undefined) return `for:${registered}`;
  const { description } = symbol;
  if (description?.startsWith('Symbol.')) {
    const name = description.slice('Symbol.'.length);
    if ((Symbol as unknown as Record<string, unknown>)[name] === symbol)
      return `well-known:${name}`;
  }
  const inside = names.get(symbol);
  if (inside !== undefined) return inside;
  let id = idBySymbol.get(symbol);
  if (id === undefined) {
    id = `own:${newIdentity()}:${description ?? ''}`;
    rememberSymbol(id, symbol);
  }
  return id;
}

/** The symbol that `symbolText` wrote, the same one each time. */
export function symbolOf(text: string): symbol {
  const at = text.indexOf(':');
  const kind = text.slice(0, at);
  const rest = text.slice(at + 1);
  if (kind === 'for') return Symbol.for(rest);
  if (kind === 'well-known') return (Symbol as unknown as Record<string, symbol>)[rest]!;
  if (kind === 'inside') return symbolInside(text);
  let symbol = symbolById.get(text);
  if (symbol === undefined) {
    symbol = Symbol(rest.slice(rest.indexOf(':') + 1));
    rememberSymbol(text, symbol);
  }
  return symbol;
}

function rememberSymbol(id: string, symbol: symbol): void {
  idBySymbol.set(symbol, id);
  symbolById.set(id, symbol);
}

const names = new WeakMap<symbol, string>();

/**
 * Finds out whether a symbol is one of a package's module. Its functions go by reference, and use the symbol that the module
 * of the receiver has.
 *
 * @param scopes those around a function of the module.
 */
export function nameSymbol(symbol: symbol, located: Located, scopes: readonly Scope[]): void {
  if (Symbol.keyFor(symbol) !== undefined || names.has(symbol)) return;
  const found = insideSymbol(symbol, located, scopes);
  if (found === undefined) return;
  const { moduleUrl, exportName } = found.witness;
  names.set(symbol, `inside:${found.variable}:${moduleUrl}#${exportName}`);
}

/** A symbol that the receiver's module has, and what it has to load for that. */
export interface SymbolOfModule {
  readonly text: string;
  readonly modules: readonly string[];
}

/**
 * How a symbol travels that a package's module has (`EncodeHooks.describeSymbol`).
 *
 * @param holder an object that has it as a key: its class stands in the module.
 */
export function describeSymbol(symbol: symbol, holder?: object): SymbolOfModule | undefined {
  if (!names.has(symbol) && holder !== undefined) nameByClasses(symbol, holder);
  const text = names.get(symbol);
  const module = text === undefined ? undefined : moduleOfSymbol(text);
  if (text === undefined || module === undefined) return undefined;
  return { text, modules: [...modulesBefore(module), module] };
}

function nameByClasses(symbol: symbol, holder: object): void {
  let prototype = Object.getPrototypeOf(holder) as object | null;
  for (; prototype !== null; prototype = Object.getPrototypeOf(prototype) as object | null) {
    const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    if (!isFunctionWithText(constructor)) continue;
    const { scopes, scriptId, ...place } = inspect(constructor);
    const source = Function.prototype.toString.call(constructor);
    nameSymbol(symbol, locate(constructor, source, place, scriptOf(constructor, scriptId)), scopes);
  }
}

const INSIDE = /^inside:([^:]+):(.+)#([^#]+)$/;

/** The module that has to be loaded before a symbol can be found that `symbolText` wrote; undefined if there is none. */
export function moduleOfSymbol(text: string): string | undefined {
  return INSIDE.exec(text)?.[2];
}

function symbolInside(text: string): symbol {
  const [, variable = '', moduleUrl = '', witness = ''] = INSIDE.exec(text) ?? [];
  const symbol = insideValue(exportedValue(moduleUrl, witness, 'none'), variable, moduleUrl);
  if (typeof symbol === 'symbol') {
    names.set(symbol, text);
    return symbol;
  }
  throw new SerializationError(`${variable} of ${moduleUrl} is no symbol in this process`);
}
