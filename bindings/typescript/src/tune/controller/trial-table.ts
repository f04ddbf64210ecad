/**
 * The trials of an experiment, by number, by id, and those that could run.
 *
 * - TT-1 Trials are only added, and an end is for good.
 * - TT-2 Whoever changes the status of a trial says so: who waits is known without looking through the others, which may be many.
 */

import { invalid } from '../../option-checks.ts';
import { firstPlace } from '../schedulers/order-statistics.ts';
import type { Trial } from './trial.ts';

type Waiting = 'PENDING' | 'PAUSED';

/** See the file. */
export class TrialTable {
  /** By number. */
  readonly trials: Trial[] = [];
  readonly #byId = new Map<string, Trial>();
  /** By number. */
  readonly #waiting: Readonly<Record<Waiting, Trial[]>> = { PENDING: [], PAUSED: [] };
  /** In which of them each one is. */
  readonly #listed = new Map<Trial, Waiting>();

  /** A trial that somebody else names. @throws InvalidArgumentError */
  named(id: unknown, call: string, name = 'id'): Trial {
    const trial = this.#byId.get(id as string);
    if (trial !== undefined) return trial;
    throw invalid({ call, name }, id, "the id of a trial, such as '00042'");
  }

  add(trial: Trial): Trial {
    this.trials.push(trial);
    this.#byId.set(trial.id, trial);
    this.statusChanged(trial);
    return trial;
  }

  /** TT-2. */
  statusChanged(trial: Trial): void {
    const { status } = trial;
    const listed = this.#listed.get(trial);
    if (status === listed) return;
    if (listed !== undefined) {
      this.#waiting[listed].splice(this.#placeOf(trial, listed), 1);
      this.#listed.delete(trial);
    }
    if (status !== 'PENDING' && status !== 'PAUSED') return;
    this.#waiting[status].splice(this.#placeOf(trial, status), 0, trial);
    this.#listed.set(trial, status);
  }

  /** Whether there is one that could run and has not been chosen. */
  hasPending(): boolean {
    return this.#waiting.PENDING.some(({ phase }) => phase === 'idle');
  }

  /** The pending one with the lowest number, or else the paused one. */
  firstWaiting(): Trial | undefined {
    return this.#waiting.PENDING[0] ?? this.#waiting.PAUSED[0];
  }

  /** Trials in ERROR that no other one was made from. */
  failedForGood(): Trial[] {
    const sources = new Set(this.trials.map(({ record }) => record.header.source));
    return this.trials.filter((trial) => trial.status === 'ERROR' && !sources.has(trial.number));
  }

  #placeOf({ number }: Trial, waiting: Waiting): number {
    return firstPlace(this.#waiting[waiting], (other) => other.number < number);
  }
}
