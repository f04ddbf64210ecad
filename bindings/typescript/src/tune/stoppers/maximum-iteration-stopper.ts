/** Stops trials after a number of reports. Ray's `MaximumIterationStopper`. */

import { count } from '../../option-checks.ts';
import { type DescribedStopper, described } from './stopper.ts';

/** Stops a trial at its report number `iterations`. @throws InvalidArgumentError */
export function maximumIterationStopper(iterations: number): DescribedStopper {
  const most = count(1, '')(iterations, { call: 'maximumIterationStopper()', name: 'iterations' });
  return {
    // Not counted here: a trial that goes on from a checkpoint reports some iterations again.
    onResult: (_trialId, { trainingIteration }) => trainingIteration >= most,
    stopAll: () => false,
    [described]: { name: 'maximumIterationStopper', args: [iterations] },
  };
}
