/**
 * What can't be made in this process: functions and classes of modules that it can't load.
 *
 * A value that holds such a function can't be read, with one exception: an error always arrives. Without its class it is
 * an error of the class that its own extends, and in the place of a function that it holds is a note.
 */

import type { FunctionSkeleton } from './hooks.ts';

/**
 * What happens where something is missing: it is an error of the reader's; a note stands in its place; or whoever reads
 * asks afterwards whether anything was missing.
 */
export type Absence = 'refused' | 'noted' | 'counted';

/** In the place of a function, class or module. */
export class Missing {
  /** Why it can't be made. */
  readonly failure: unknown;
  private readonly name: string | undefined = undefined;

  constructor(failure: unknown, skeleton?: FunctionSkeleton) {
    this.failure = failure;
    if (skeleton?.kind !== 'reference') return;
    const name = skeleton.exportName.split('.').at(-1);
    if (name !== '' && name !== 'default' && name !== 'exports') this.name = name;
  }

  /** Gives an error the name of the class that it should have, unless it has one of its own. */
  giveNameTo(error: object): void {
    if (this.name === undefined || Object.hasOwn(error, 'name')) return;
    Object.defineProperty(error, 'name', {
      value: this.name,
      writable: true,
      enumerable: false,
      configurable: true,
    });
  }
}
