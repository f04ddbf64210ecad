/** Which classes are parts of Node and of V8: every process has them, and what their instances hold is not known. */

import { builtInName } from './built-ins.ts';
import { inspect } from './inspection.ts';
import { functionOrigin } from './probe.ts';
import { scriptOf } from './scripts.ts';

const known = new WeakMap<Function, boolean>();

/** True for a function or class of Node or of V8, exported or not. */
export function isOfPlatform(fn: Function): boolean {
  let answer = known.get(fn);
  if (answer === undefined) {
    answer = isNative(fn) || builtInName(fn) !== undefined || standsInNode(fn);
    known.set(fn, answer);
  }
  return answer;
}

function isNative(fn: Function): boolean {
  return Function.prototype.toString.call(fn).endsWith('{ [native code] }');
}

function standsInNode(fn: Function): boolean {
  const origin = functionOrigin(fn);
  const name = origin === undefined ? scriptOf(fn, inspect(fn).scriptId).url : (origin.name ?? '');
  return name.startsWith('node:');
}
