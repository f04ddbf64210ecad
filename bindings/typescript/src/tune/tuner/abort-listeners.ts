/**
 * Listens to signals of users: once to each, however many experiments hang on it. Node warns of more than ten listeners, and a limit of
 * a user's signal is not ours to change.
 */

import { addAbortListener } from 'node:events';

interface Listening {
  readonly actions: Set<() => void>;
  readonly listener: Disposable;
}

const listenings = new WeakMap<AbortSignal, Listening>();

/** Calls an action when a signal fires, unless the function that is returned was called before. */
export function onAbort(signal: AbortSignal, action: () => void): () => void {
  let listening = listenings.get(signal);
  if (listening === undefined) {
    const actions = new Set<() => void>();
    // A listener before it may stop the event: this one hears of it all the same.
    const listener = addAbortListener(signal, () => {
      for (const each of actions) each();
    });
    listening = { actions, listener };
    listenings.set(signal, listening);
  }
  const { actions, listener } = listening;
  actions.add(action);
  return () => {
    if (!actions.delete(action) || actions.size > 0) return;
    listenings.delete(signal);
    listener[Symbol.dispose]();
  };
}
