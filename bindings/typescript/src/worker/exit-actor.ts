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

/** Set by a worker that becomes an actor. */
export function allowExit(): void {
  isActor = true;
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
