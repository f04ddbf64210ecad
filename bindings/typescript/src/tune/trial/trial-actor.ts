/**
 * The actor that class trainables run in: it can keep an instance for the next trial.
 *
 * - TA-1 Each instance is cleaned up once, when no trial follows, whatever has failed; not where its process is killed. No trial fails
 *   by that.
 */

import { logged } from './log-files.ts';
import { type StoredParameters, resolved } from './parameters.ts';
import type { RunConnections } from './run.ts';
import { runInstance, timed } from './run.ts';
import type { RunOutcome, TrialAssignment } from './protocol.ts';
import type { Trainable, TrainableClass } from './trainable.ts';

/** See the file. */
export class TrialActor {
  readonly trainable: TrainableClass;
  readonly params: StoredParameters | null;
  /** Their values, from the first trial on. */
  values: Promise<unknown> | undefined;
  /** The instance of the trial before, where it may be used again. */
  kept: Trainable | undefined;
  /** The trial before: what its instance prints at its end belongs to it. */
  before: TrialAssignment | undefined;

  constructor(trainable: TrainableClass, params: StoredParameters | null) {
    this.trainable = trainable;
    this.params = params;
  }

  /** Works on a trial. With `reuse` the instance is kept for the next one. */
  async run(
    assignment: TrialAssignment,
    connections: RunConnections,
    reuse: boolean,
  ): Promise<RunOutcome> {
    return timed(assignment, connections, () =>
      logged(assignment, async () => {
        const { instance, isNew } = await this.#instanceFor(assignment.config);
        let isGood = false;
        try {
          const params = await (this.values ??= resolved(this.params));
          const outcome = await runInstance(instance, isNew, assignment, connections, params);
          isGood = true;
          return outcome;
        } finally {
          this.before = assignment;
          if (isGood && reuse) this.kept = instance;
          else await cleanUp(instance);
        }
      }),
    );
  }

  /** Nothing follows. */
  async end(): Promise<void> {
    const { kept } = this;
    this.kept = undefined;
    if (kept !== undefined) await this.#cleanUpFormer(kept);
  }

  async #instanceFor(
    config: unknown,
  ): Promise<{ readonly instance: Trainable; readonly isNew: boolean }> {
    const { kept } = this;
    this.kept = undefined;
    if (kept !== undefined) {
      let isReset = false;
      try {
        isReset = (await kept.resetConfig?.(config)) === true;
      } finally {
        if (!isReset) await this.#cleanUpFormer(kept);
      }
      if (isReset) return { instance: kept, isNew: false };
    }
    // What its methods take is known where the class was given.
    return { instance: new this.trainable() as Trainable, isNew: true };
  }

  /** Ends the instance of the trial before. */
  async #cleanUpFormer(kept: Trainable): Promise<void> {
    await logged(this.before!, async () => cleanUp(kept));
  }
}

/** TA-1. */
async function cleanUp(instance: Trainable): Promise<void> {
  try {
    await instance.cleanup?.();
  } catch (error) {
    process.emitWarning(`cleanup() has failed: ${String(error)}`);
  }
}
