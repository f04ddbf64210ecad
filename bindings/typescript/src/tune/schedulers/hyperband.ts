/** HyperBand as Ray has it: brackets of a band are filled from the one with the fewest and longest trials on. */

import { makeHyperband } from './hyperband-bands.ts';
import type { HyperbandOptions } from './hyperband-bands.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Puts trials into brackets; in each the trials run to a milestone and wait there for the others, and one in `reductionFactor` goes
 * on to the next, up to `maxT`. Ray's `HyperBandScheduler`, without its dead-lock.
 *
 * Needs checkpoints: a trial without one begins anew after each pause.
 *
 * @throws InvalidArgumentError
 */
export function hyperband(options?: HyperbandOptions): Scheduler {
  return makeHyperband({ name: 'hyperband', isForBohb: false }, options);
}
