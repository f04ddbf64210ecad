/** Finds trials among those that a controller has, and says how they stand. */

import type { ScheduledTrial, SchedulerControl } from './scheduler.ts';

/** What a scheduler remembers of a trial to find it again. */
export interface TrialKey {
  readonly id: string;
  readonly number: number;
}

/** The trial as it is now; undefined if the controller does not have it. */
export function trialOf(control: SchedulerControl, key: TrialKey): ScheduledTrial | undefined {
  // Numbers are places unless somebody else has written trials into the journal.
  const atPlace = control.trials[key.number];
  if (atPlace?.id === key.id) return atPlace;
  return control.trials.find(({ id }) => id === key.id);
}

/** It will not run again. */
export function hasEnded({ status }: ScheduledTrial): boolean {
  return status === 'TERMINATED' || status === 'ERROR';
}

/** It could run, and does not. */
export function isWaiting({ status }: ScheduledTrial): boolean {
  return status === 'PENDING' || status === 'PAUSED';
}
