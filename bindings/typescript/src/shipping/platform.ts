/** Which classes are parts of Node and of V8: every process has them, and what their instances hold is not known. */

import { isNative } from '../describe-value.ts';
import { builtInName } from './built-ins.ts';
import { isOfNode } from './node-functions.ts';

/** True for a function or class of Node or of V8, exported or not. */
export function isOfPlatform(fn: Function): boolean {
  return isNative(fn) || isOfNode(fn) || builtInName(fn) !== undefined;
}
