/** The errors of functions that can't travel. */

import type { ValuePath } from '../codec/hooks.ts';
import { SerializationError } from '../errors.ts';

/**
 * A function can't travel.
 *
 * @param title how the function is called; it takes the place of the step by which it was reached, as in the codec.
 * @param steps what follows below the function, such as `variable "db"`.
 */
export function cannotTravel(
  path: ValuePath,
  title: string,
  reason: string,
  steps: readonly string[] = [],
  cause?: unknown,
): SerializationError {
  const above = [...path.steps];
  const last = above.at(-1);
  const isNamedByTitle =
    last === undefined || (above.length === 1 && last === 'value') || / "[^"]*"$/.test(last);
  if (isNamedByTitle || title.startsWith(`${last} (`) || title === last) above.pop();
  return new SerializationError(
    '',
    { path: [...above, title, ...steps], reason },
    cause === undefined ? undefined : { cause },
  );
}
