/** The runtime of this process, and how one comes to be when nobody has called `init`. */

import { NotInitializedError } from '../errors.ts';
import type { Runtime } from './runtime.ts';

let session: Runtime | undefined;
let autoStart: (() => Runtime) | undefined;

/** Says how a runtime is started by its first use. */
export function useAutoStart(start: () => Runtime): void {
  autoStart = start;
}

export function setSession(next: Runtime | undefined): void {
  session = next;
}

/** The session if there is one. */
export function sessionIfAny(): Runtime | undefined {
  return session !== undefined && !session.isClosed && !session.isEnding ? session : undefined;
}

/** The session; starts one with defaults if there is none. */
export function currentSession(): Runtime {
  if (session !== undefined && !session.isClosed) {
    if (!session.isEnding) return session;
    throw new NotInitializedError('the runtime is being shut down; await shutdown(), then go on');
  }
  if (autoStart === undefined) throw new Error('eagleray has no way to start a runtime');
  session = autoStart();
  return session;
}
