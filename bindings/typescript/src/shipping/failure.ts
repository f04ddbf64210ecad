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
  if (!path.endsAtInstance && isNamedBy(title, above)) above.pop();
  return new SerializationError(
    '',
    { path: [...above, title, ...steps], reason },
    cause === undefined ? undefined : { cause },
  );
}

/** What leads to a function that another one uses; the function's own title says more. */
const USED_BY_FUNCTION = /^(?:(?:global )?variable|import|export|static|prototype) "[^"]*"$/;

/** True if the last step is a name of the very function that the title names. */
function isNamedBy(title: string, steps: readonly string[]): boolean {
  const last = steps.at(-1);
  if (last === undefined || last === title || title.startsWith(`${last} (`)) return true;
  const isNoName = last === 'value' || last === 'anonymous';
  return (steps.length === 1 && isNoName) || USED_BY_FUNCTION.test(last);
}
