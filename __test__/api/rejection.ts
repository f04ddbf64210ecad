/** The reason with which a promise is rejected. Throws if it is fulfilled. */
export async function rejection<Reason = unknown>(promise: Promise<unknown>): Promise<Reason> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error as Reason;
  }
  throw new Error(`expected a rejection, got ${String(value)}`);
}

/** What a function throws. Throws if it returns. */
export function thrown<Thrown = unknown>(call: () => unknown): Thrown {
  let value: unknown;
  try {
    value = call();
  } catch (error) {
    return error as Thrown;
  }
  throw new Error(`expected an error, got ${String(value)}`);
}
