/** The stacks of errors: what users see of them, and how one is put in the place of another. */

import { isError } from './describe-value.ts';

/** Replaces the stack, which stays hidden from enumeration as the built-in one is. */
export function setStack(error: Error, stack: string): void {
  Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true });
}

/** What was thrown, with its stack if it has one, as a terminal shows it. */
export function textWithStack(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? String(thrown)) : String(thrown);
}

/**
 * The stack of what a task threw, without the frames of eagleray, which say nothing to the user. Empty for a thrown
 * value that is no error.
 */
export function userStack(thrown: unknown): string {
  const stack = isError(thrown) ? readStack(thrown) : '';
  const kept = withoutOwnFrames(stack);
  return /^\s+at /m.test(kept) ? kept : stack;
}

/**
 * Leaves of the stack of an error that this process made only where the user called. Nothing is left where the call
 * was awaited: the user's function has returned by then.
 */
export function hideOwnFrames<Given extends Error>(error: Given): Given {
  setStack(error, withoutOwnFrames(readStack(error)));
  return error;
}

function withoutOwnFrames(stack: string): string {
  const lines = stack.split('\n');
  return lines.filter((line) => !/^\s+at /.test(line) || !isOwnFrame(line)).join('\n');
}

function readStack(error: Error): string {
  try {
    return typeof error.stack === 'string' ? error.stack : '';
  } catch {
    // V8 formats a stack when it is first read, by hooks that tools install and that may fail.
    return '';
  }
}

function isOwnFrame(line: string): boolean {
  return (
    line.includes('/node_modules/eagleray/dist/') ||
    line.includes('/bindings/typescript/src/') ||
    line.includes('(node:internal/') ||
    line.includes('at node:internal/')
  );
}
