/**
 * What the native module finds out about functions and V8 tells nobody else: from which script a function was compiled,
 * which functions have a scope in common; and what it knows without loading half of Node: which thread this is, and random
 * numbers. Plugged in like the parser, and in the same way the only place that knows it.
 *
 * Both may be unknown: on a V8 that can't be asked, and where shipping runs without the native module's help.
 */

import { cryptoModule } from '../late-modules.ts';

/** Where a function stands, and in which script. All from 0. */
export interface FunctionOrigin {
  /** Of the opening parenthesis of a function, the start of an arrow function, method or class. */
  readonly line: number;
  readonly column: number;
  readonly scriptId: number;
  /** What the script is called: a path, a URL, or nothing. */
  readonly name?: string | undefined;
  readonly isModule: boolean;
  /** Where V8 says that the text of the script begins. */
  readonly startLine: number;
  readonly startColumn: number;
}

/** The native functions; `bindings/native/src/functions.rs` has them. */
export interface Probe {
  functionOrigin(fn: Function): FunctionOrigin | null | undefined;
  learnScopes(first: Function, sibling: Function, stranger: Function, inner: Function): boolean;
  scopesOf(fn: Function, target: Float64Array): number;
  isMainThread(): boolean;
  randomId(byteLength: number): string;
}

let probe: Probe | undefined;
let knowsScopes: boolean | undefined;

/** Plugs the native functions in, or takes them out again. */
export function useProbe(implementation: Probe | undefined): void {
  probe = implementation;
  knowsScopes = undefined;
}

/** Whether this is the thread that the process has started with. `node:worker_threads` knows it too, and loads thirty others. */
export function isMainThread(): boolean {
  return probe?.isMainThread() ?? true;
}

/** Random bytes as hexadecimal digits. `node:crypto` gives them too, and loads forty others. */
export function randomId(byteLength: number): string {
  return probe?.randomId(byteLength) ?? cryptoModule().randomBytes(byteLength).toString('hex');
}

/** Where a function stands that is neither native, bound nor a proxy; undefined if that is not known. */
export function functionOrigin(fn: Function): FunctionOrigin | undefined {
  return probe?.functionOrigin(fn) ?? undefined;
}

/** Room for the scopes of any function, with the count of collections before them. */
const target = new Float64Array(1_024);

/** The scopes around a function, as addresses that are good for comparing as long as nothing is moved. */
export interface ScopeAddresses {
  /** How often garbage was collected: addresses of different counts can't be compared. */
  readonly collections: number;
  /** From the inside to the outside, without the global scope. */
  readonly addresses: readonly number[];
}

/** The scopes around a function that is neither bound nor a proxy; undefined if they are not known. */
export function scopeAddressesOf(fn: Function): ScopeAddresses | undefined {
  if (probe === undefined || !(knowsScopes ??= learn(probe))) return undefined;
  const count = probe.scopesOf(fn, target);
  if (count === 0) return undefined;
  return { collections: target[0]!, addresses: Array.from(target.subarray(1, count)) };
}

/** Functions whose scopes are known: two of one scope, and one of a scope inside that. */
function siblings(): readonly [Function, Function, Function] {
  let count = 0;
  const enclosed = (): Function => {
    let depth = count;
    return () => (depth += count);
  };
  return [() => (count += 1), () => count, enclosed()];
}

function learn(installed: Probe): boolean {
  const [first, sibling, inner] = siblings();
  const [stranger] = siblings();
  return installed.learnScopes(first, sibling, stranger, inner);
}
