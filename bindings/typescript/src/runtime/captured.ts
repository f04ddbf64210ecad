/**
 * A function or class as it was captured: at the first call of its remote function, once for all options and never
 * again. Another runtime captures it anew: what the first one stored has gone with it.
 */

import type { Exported, Runtime } from './runtime.ts';

/** What a remote function or class, and those with other options, have captured. */
export interface Captured {
  latest: { readonly session: Runtime; readonly exported: Exported } | undefined;
}

/** Exports a function or class with what workers are told of it besides; captures it if that has not been done. */
export function exportCaptured(
  target: Function,
  captured: Captured,
  use: object,
  session: Runtime,
  name: string,
): Exported {
  const { latest } = captured;
  if (latest?.session === session) return session.export(latest.exported, use, name);
  const exported = session.export(target, use, name);
  captured.latest = { session, exported };
  return exported;
}
