/** What becomes of a trial whose run has ended: by itself, by failing, by taking too long, or because it was told to. */

import { TrialTimeoutError } from '../errors.ts';
import type { Endings } from './endings.ts';
import { goOnFromLatest, runTimeOf } from './going-on.ts';
import type { TrialEnd } from './instructions.ts';
import { finalError } from './reports.ts';
import type { Runs } from './runs.ts';
import type { SavedStates } from './saved-states.ts';
import type { Takeovers } from './takeovers.ts';
import type { Trial } from './trial.ts';

/** What ends of runs go by. */
export interface RunEndsParts {
  readonly runs: Runs;
  readonly savedStates: SavedStates;
  readonly takeovers: Takeovers;
  readonly endings: Endings;
}

/** See the file. */
export class RunEnds {
  readonly #runs: Runs;
  readonly #savedStates: SavedStates;
  readonly #takeovers: Takeovers;
  readonly #endings: Endings;

  constructor(parts: RunEndsParts) {
    this.#runs = parts.runs;
    this.#savedStates = parts.savedStates;
    this.#takeovers = parts.takeovers;
    this.#endings = parts.endings;
  }

  ended(trial: Trial, end: TrialEnd): void {
    const { phase } = trial;
    this.#runs.release(trial);
    if (end.saved !== null) this.#savedStates.save(trial, end.saved);
    // Its state goes to others before it takes over one itself.
    this.#takeovers.finishFrom(trial);
    if (phase === 'leaving') this.#afterLeaving(trial);
    else if (end.error !== null) {
      trial.record.durationMs = runTimeOf(trial, end.elapsedMs);
      this.#endings.fail(trial, end.error);
    } else this.#endings.endByItself(trial, trial.timeBefore + end.elapsedMs);
  }

  /** It has run for longer than it may, and still does. */
  timedOut(trial: Trial, timeoutMs: number): void {
    trial.record.durationMs = Math.max(trial.record.durationMs, timeoutMs);
    this.#endings.fail(trial, finalError(new TrialTimeoutError('', { timeoutMs })));
    this.#runs.leave(trial, 'experiment');
  }

  /** It was told to end, and has: whatever it did since then does not count. */
  #afterLeaving(trial: Trial): void {
    if (trial.hasEnded) {
      this.#takeovers.finishOf(trial);
      return;
    }
    goOnFromLatest(trial);
    this.#runs.takeNextResources(trial);
    this.#takeovers.finishOf(trial);
    if (trial.status !== 'PAUSED') this.#runs.requeue(trial, null);
  }
}
