/**
 * The runtime in which an experiment runs: it may end meanwhile, and another one may begin, which is none of the experiment's business.
 * A remote call would start one.
 */

import { NotInitializedError, getRuntimeContext, isInitialized } from '../../index.ts';

const ENDED = 'the runtime has ended while an experiment ran in it';

/** See the file. */
export class OwnRuntime {
  readonly #nodeId = getRuntimeContext().nodeId;

  /** Whether it has not ended. */
  get isThere(): boolean {
    return isInitialized() && getRuntimeContext().nodeId === this.#nodeId;
  }

  /** @throws NotInitializedError if it has ended */
  require(): void {
    if (!this.isThere) throw new NotInitializedError(ENDED);
  }

  /** What an error of a remote call means: what is of another runtime is refused as an argument, and that says nothing to a user. */
  explained(error: unknown): unknown {
    if (this.isThere || error instanceof NotInitializedError) return error;
    return new NotInitializedError(ENDED, {}, { cause: error });
  }
}
