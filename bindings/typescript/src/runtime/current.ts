/** The session of this process, and how one comes to be when nobody has called `init`. */

import type { NativeSession } from './session.ts';

let session: NativeSession | undefined;
let autoStart: (() => NativeSession) | undefined;

/** Says how a runtime is started by its first use. */
export function useAutoStart(start: () => NativeSession): void {
  autoStart = start;
}

export function setSession(next: NativeSession | undefined): void {
  session = next;
}

/** The session if there is one. */
export function sessionIfAny(): NativeSession | undefined {
  return session !== undefined && !session.isClosed ? session : undefined;
}

/** The session; starts one with defaults if there is none. */
export function currentSession(): NativeSession {
  if (session !== undefined && !session.isClosed) return session;
  if (autoStart === undefined) throw new Error('eagleray has no way to start a runtime');
  session = autoStart();
  return session;
}
