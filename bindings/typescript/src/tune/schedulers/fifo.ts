/** Every trial runs to its end, in order. Ray's `FIFOScheduler`. */

import type { ScheduledTrial, Scheduler, SchedulerControl } from './scheduler.ts';
import { hasEnded } from './trial-lookup.ts';

/** Runs trials in the order of their numbers, each to its end. */
export function fifo(): Scheduler {
  const queue = new TrialQueue();
  return {
    description: { name: 'fifo', options: {} },
    onTrialResult: () => 'CONTINUE',
    chooseTrialToRun: (control) => queue.next(control),
  };
}

/** The trials that could run, by number. */
export class TrialQueue {
  /** All trials before this place have ended: an end is for good. */
  #ended = 0;

  /** The pending trial with the lowest number, or else the paused one. */
  next(control: SchedulerControl): string | undefined {
    if (control.firstWaiting !== undefined) return control.firstWaiting()?.id;
    let paused: ScheduledTrial | undefined;
    const { trials } = control;
    while (this.#ended < trials.length && hasEnded(trials[this.#ended]!)) this.#ended++;
    for (let at = this.#ended; at < trials.length; at++) {
      const trial = trials[at]!;
      if (trial.status === 'PENDING') return trial.id;
      if (trial.status === 'PAUSED') paused ??= trial;
    }
    return paused?.id;
  }
}
