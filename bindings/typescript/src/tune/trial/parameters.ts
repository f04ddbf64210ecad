/** What `withParameters` has stored once, where a trial runs: refs become their values. */

import { type ObjectRef, get } from '../../index.ts';

/** The refs of stored values, by name. */
export type StoredParameters = Readonly<Record<string, ObjectRef<unknown>>>;

/** The values of parameters that were stored once; undefined if there are none. */
export async function resolved(params: StoredParameters | null): Promise<unknown> {
  if (params === null) return undefined;
  const names = Object.keys(params);
  const values = await get(names.map((name) => params[name]!));
  return Object.fromEntries(names.map((name, index) => [name, values[index]]));
}
