/**
 * The trials of an experiment, by number and by id.
 *
 * - TT-1 Trials are only added, and an end is for good.
 */

import type { Trial } from './trial.ts';

/** See the file. */
export class TrialTable {
  /** By number. */
  readonly trials: Trial[] = [];
  readonly #byId = new Map<string, Trial>();
  /** All trials before this place have ended. */
  #firstLive = 0;

  get(id: string): Trial | undefined {
    return this.#byId.get(id);
  }

  add(trial: Trial): Trial {
    this.trials.push(trial);
    this.#byId.set(trial.id, trial);
    return trial;
  }

  /** Whether there is one that could run and has not been chosen. */
  hasPending(): boolean {
    while (this.trials[this.#firstLive]?.hasEnded === true) this.#firstLive++;
    // Those that could run are among the last ones, but for the few that failed or were paused.
    for (let at = this.trials.length - 1; at >= this.#firstLive; at--) {
      const trial = this.trials[at]!;
      if (trial.status === 'PENDING' && trial.phase === 'idle') return true;
    }
    return false;
  }

  /** Trials in ERROR that no other one was made from. */
  failedForGood(): Trial[] {
    const sources = new Set(this.trials.map(({ record }) => record.header.source));
    return this.trials.filter((trial) => trial.status === 'ERROR' && !sources.has(trial.number));
  }
}
