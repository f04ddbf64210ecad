/**
 * Which functions are the same in different processes.
 *
 * Each process keeps two tables, key to function and function to key. A function that travels by value gets a key in
 * the process that first describes it; whoever rebuilds it keeps the pair. So a class comes home as the very class
 * that left, and arrives in one process as one class however often it is sent. Functions are held weakly: a key whose
 * function is gone means nothing any more and is dropped.
 */

import { randomBytes } from 'node:crypto';

const byKey = new Map<string, WeakRef<object>>();
const byFunction = new WeakMap<object, string>();
const dropped = new FinalizationRegistry<string>((key) => {
  // The key may have been given to a function again in the meantime.
  if (byKey.get(key)?.deref() === undefined) byKey.delete(key);
});

/** No other process or thread has it: keys of different origins never meet. */
const origin = randomBytes(8).toString('base64url');
let sequence = 0;

/** A key that no function has. */
export function newKey(): string {
  return `${origin}.${(sequence++).toString(36)}`;
}

/** True for a key that this process gave out itself. */
export function isOwnKey(key: string): boolean {
  return key.startsWith(`${origin}.`);
}

/** What has a key, if this process has it: a function, or an object that travels like one. */
export function known(key: string): object | undefined {
  return byKey.get(key)?.deref();
}

/** The function of a key, if this process has it. */
export function functionOf(key: string): Function | undefined {
  return known(key) as Function | undefined;
}

/** The key by which a function was last described here, or under which it arrived. */
export function keyOf(fn: Function): string | undefined {
  return byFunction.get(fn);
}

/** Notes that a function has a key. A function may have several; the last one is the one it travels under. */
export function remember(key: string, fn: object): void {
  byKey.set(key, new WeakRef(fn));
  byFunction.set(fn, key);
  dropped.register(fn, key);
}

const symbolById = new Map<string, symbol>();
const idBySymbol = new Map<symbol, string>();

/** How a symbol is written: well-known and registered ones by name, others by an id of their own. */
export function symbolText(symbol: symbol): string {
  const registered = Symbol.keyFor(symbol);
  if (registered !== undefined) return `for:${registered}`;
  const { description } = symbol;
  if (description?.startsWith('Symbol.')) {
    const name = description.slice('Symbol.'.length);
    if ((Symbol as unknown as Record<string, unknown>)[name] === symbol)
      return `well-known:${name}`;
  }
  let id = idBySymbol.get(symbol);
  if (id === undefined) {
    id = `own:${newKey()}:${description ?? ''}`;
    idBySymbol.set(symbol, id);
    symbolById.set(id, symbol);
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
  let symbol = symbolById.get(text);
  if (symbol === undefined) {
    symbol = Symbol(rest.slice(rest.indexOf(':') + 1));
    symbolById.set(text, symbol);
    idBySymbol.set(symbol, text);
  }
  return symbol;
}
