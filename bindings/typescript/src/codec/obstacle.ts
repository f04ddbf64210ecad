/**
 * Why a value can't be stored, in the user's words; and what takes the place of a property of an error that can't be.
 */

import { describeThrown } from '../describe-value.ts';
import { setStack } from '../error-stack.ts';
import { EaglerayError, SerializationError } from '../errors.ts';
import { MADE_THERE } from '../remedies.ts';
import { Unstorable } from './unstorable.ts';

/**
 * What users see of an error that came up while a value was written.
 *
 * @param path leads to where that was.
 * @param isOfPackage it leads through what a package has made, in which users can't change anything.
 */
export function explained(error: unknown, path: readonly string[], isOfPackage = false): unknown {
  if (error instanceof Unstorable) {
    const { reason, steps } = error;
    const remedies = isOfPackage ? [MADE_THERE] : remediesOf(error, path);
    const explanation = [reason, ...remedies].filter((part) => part !== '').join('; ');
    return new SerializationError('', { path: [...path, ...steps], reason: explanation });
  }
  // Other errors of eagleray, such as the use of a disposed ref, say enough as they are.
  if (error instanceof EaglerayError) return error;
  const reason = `storing it threw ${describeThrown(error)}`;
  return new SerializationError('', { path, reason }, { cause: error });
}

function remediesOf({ remedy, steps }: Unstorable, path: readonly string[]): string[] {
  const remedies = remedy === undefined ? [] : [remedy];
  return isMadeByCompiler(steps.at(-1), path) ? [...remedies, COMPILED_MEMBERS] : remedies;
}

const COMPILED_MEMBERS =
  'if it holds the #private members or accessor fields of a class, compile for ES2022 or newer: older targets hide ' +
  'them in WeakMaps, as tsx and esbuild do for any target if the class has decorators';

/** True for a variable that may be a compiler's: the state of `#private` members, by instance. */
function isMadeByCompiler(step: string | undefined, path: readonly string[]): boolean {
  const isWeak = step === 'WeakMap' || step === 'WeakSet';
  return isWeak && path.at(-1)?.startsWith('variable "') === true;
}

/** Properties of errors that hold errors themselves: whoever reads them expects one. */
const HOLDS_ERROR: ReadonlySet<string | symbol> = new Set([
  'cause',
  'errors',
  'error',
  'suppressed',
]);

/**
 * What an error has in the place of a property that can't be stored: a text that says why, or an error with that
 * message where errors are expected.
 */
export function noteFor(key: string | symbol, error: unknown): string | SerializationError {
  if (!HOLDS_ERROR.has(key)) return noteOf(error);
  const { message } = error as EaglerayError;
  const path = error instanceof SerializationError ? error.path : [];
  const note = new SerializationError(message, { path });
  // It was thrown nowhere.
  setStack(note, `${note.name}: ${message}`);
  return note;
}

/** The text in the place of what can't be stored, or can't be made where it arrives. */
export function noteOf(error: unknown): string {
  return `not stored: ${error instanceof Error ? error.message : describeThrown(error)}`;
}
