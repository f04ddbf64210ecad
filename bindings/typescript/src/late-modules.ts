/**
 * Modules of Node that a process loads when it needs them, and not with the SDK: these load fifty others, which is a quarter
 * of what a worker does from the start of its program to its first task.
 */

import type * as cryptoTypes from 'node:crypto';
import type * as v8Types from 'node:v8';

// As it is now: what a program does to `process` later is of no matter.
const { getBuiltinModule } = process;

/** `node:crypto`. */
export function cryptoModule(): typeof cryptoTypes {
  return getBuiltinModule('node:crypto');
}

/** `node:v8`. */
export function v8Module(): typeof v8Types {
  return getBuiltinModule('node:v8');
}
