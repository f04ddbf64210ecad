/** Does several things of which each is due whatever becomes of the others. */

/** One after the other, all of them; gives what was thrown first: what follows from a failure says less than the failure. */
export async function inTurn(
  ...actions: readonly (() => Promise<unknown> | unknown)[]
): Promise<{ readonly error: unknown } | null> {
  let first: { readonly error: unknown } | null = null;
  for (const action of actions) {
    try {
      await action();
    } catch (error) {
      first ??= { error };
    }
  }
  return first;
}
