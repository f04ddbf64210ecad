/**
 * Which functions are Node's and V8's own, wherever they hang: programs hang functions of theirs on Node's modules and on
 * globals, as listeners, as members that they add, and in the place of Node's.
 */

import { types } from 'node:util';

import { isNative } from '../describe-value.ts';
import { boundPartsOf, inspect } from './inspection.ts';
import { functionOrigin } from './probe.ts';
import { scriptOf } from './scripts.ts';

const known = new WeakMap<Function, boolean>();

/** True for a function or class of Node or of V8, exported or not. */
export function isOfNode(fn: Function): boolean {
  let answer = known.get(fn);
  if (answer === undefined) {
    answer = isNative(fn) ? isNodesNative(fn) : standsInNode(fn);
    known.set(fn, answer);
  }
  return answer;
}

function isNodesNative(fn: Function): boolean {
  if (types.isProxy(fn)) return false;
  // Node has bound functions, too: most of `dns` is.
  const target = isNamedAsBound(fn) ? boundPartsOf(fn)?.target : undefined;
  return target === undefined || isOfNode(target);
}

/** Whoever renames a bound function that it hangs on a module of Node makes it Node's. */
function isNamedAsBound(fn: Function): boolean {
  const name: unknown = Object.getOwnPropertyDescriptor(fn, 'name')?.value;
  return typeof name === 'string' && name.startsWith('bound ');
}

function standsInNode(fn: Function): boolean {
  const origin = functionOrigin(fn);
  const name = origin === undefined ? scriptOf(fn, inspect(fn).scriptId).url : (origin.name ?? '');
  return name.startsWith('node:');
}
