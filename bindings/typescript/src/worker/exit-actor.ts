/** `exitActor`: how the actor of this process ends itself. */

import { InvalidArgumentError } from '../errors.ts';

/** Thrown by `exitActor` to leave the method; the worker ends when it has unwound. */
export class ActorExit extends Error {
  constructor() {
    super('exitActor() was called');
    this.name = 'ActorExit';
  }
}

let isActor = false;

/** Set by a worker that becomes an actor: how it leaves when `exitActor` was called where no method unwinds. */
export function allowExit(leave: () => void): void {
  isActor = true;
  process.on('uncaughtExceptionMonitor', (error: unknown) => {
    if (error instanceof ActorExit) leave();
  });
}

export function exitActor(): never {
  if (!isActor) {
    throw new InvalidArgumentError(
      'exitActor() works inside an actor only; kill(handle) ends one from outside',
      {
        argument: 'exitActor()',
        value: 'a call outside of an actor',
        allowed: 'a call inside an actor’s method or constructor',
      },
    );
  }
  throw new ActorExit();
}
