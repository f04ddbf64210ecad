/** HyperBand for the searcher `bohb`: its models need many short trials before the long ones. Ray's `HyperBandForBOHB`. */

import { makeHyperband } from './hyperband-bands.ts';
import type { HyperbandOptions } from './hyperband-bands.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * As `hyperband`, but a band begins with the bracket that has the most trials, and the brackets take turns in that order. A bracket is
 * halved when it is full, or when nobody is left to fill it.
 *
 * @throws InvalidArgumentError
 */
export function hyperbandForBohb(options?: HyperbandOptions): Scheduler {
  return makeHyperband({ name: 'hyperbandForBohb', isForBohb: true }, options);
}
