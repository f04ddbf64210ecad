/**
 * The modules that a value needs, loaded as far as they can be: whether it can do without one of them is for the codec
 * to say. An error can, anything else can't.
 */

import { NotSupportedError } from '../errors.ts';
import { load } from '../shipping/index.ts';

/** Why modules could not be loaded, by their addresses. */
export type Unloaded = ReadonlyMap<string, unknown>;

export const NONE_UNLOADED: Unloaded = new Map();

/** Loads modules. Returns nothing if all of them are here, so that the usual case stays synchronous. */
export function loadModules(addresses: readonly string[]): Promise<Unloaded> | undefined {
  let loading: Promise<readonly [string, unknown] | undefined>[] | undefined;
  for (const address of addresses) {
    const promise = load([address]);
    if (promise === undefined) continue;
    (loading ??= []).push(
      promise.then(
        () => undefined,
        (error: unknown) => [address, error] as const,
      ),
    );
  }
  return loading && Promise.all(loading).then(unloadedOf);
}

const loadFailures = new WeakSet<object>();

/** True for an error that says why a module could not be loaded. Node never tries again in the same process. */
export function isLoadFailure(error: unknown): boolean {
  return typeof error === 'object' && error !== null && loadFailures.has(error);
}

function unloadedOf(ends: readonly (readonly [string, unknown] | undefined)[]): Unloaded {
  const failures = ends.filter((end) => end !== undefined);
  for (const [, error] of failures) {
    if (typeof error === 'object' && error !== null) loadFailures.add(error);
  }
  return failures.length === 0 ? NONE_UNLOADED : new Map(failures);
}

/** For who can't wait: modules as if those that are not here yet could not be loaded. */
export function withoutLoading(addresses: readonly string[]): Unloaded {
  const error = notLoaded();
  return new Map(addresses.map((address) => [address, error]));
}

/** What `getSync` throws for a value that needs modules which this process has not loaded. */
export function notLoaded(): NotSupportedError {
  return new NotSupportedError(
    'the value holds functions or classes of a module that this process has not loaded, and modules load ' +
      'asynchronously; use await get(ref) instead of getSync(ref)',
  );
}
