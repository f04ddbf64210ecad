/** Ends the experiment after a time. Ray's `TimeoutStopper`. */

import { performance } from 'node:perf_hooks';

import { callback, milliseconds } from '../../option-checks.ts';
import type { Stopper } from './stopper.ts';

/**
 * The time begins when it is asked first, so that the start of the runtime does not count. `now` is its clock, in milliseconds.
 *
 * @throws InvalidArgumentError
 */
export function timeoutStopper(
  timeoutMs: number,
  now: () => number = () => performance.now(),
): Stopper {
  const call = 'timeoutStopper()';
  const timeout = milliseconds(timeoutMs, { call, name: 'timeoutMs' }) ?? Infinity;
  callback(now, { call, name: 'now' });
  let startedAt: number | undefined;
  return {
    onResult: () => false,
    stopAll() {
      startedAt ??= now();
      return now() - startedAt >= timeout;
    },
  };
}
