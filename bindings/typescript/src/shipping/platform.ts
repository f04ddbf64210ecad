/** Which classes are parts of Node and of V8: every process has them, and what their instances hold is not known. */

import { builtInName } from './built-ins.ts';
import { inspect, scriptOf } from './inspection.ts';

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
  return scriptOf(inspect(fn).scriptId).url.startsWith('node:');
}
