/** Ends the experiment after a time. Ray's `TimeoutStopper`. */

import { performance } from 'node:perf_hooks';

import { callback, milliseconds } from '../../option-checks.ts';
import { type DescribedStopper, described } from './stopper.ts';

/**
 * The time begins when it is asked first, so that the start of the runtime does not count; with a restore it begins anew
 * (`timeBudgetMs` is for all of an experiment). `now` is its clock, in milliseconds.
 *
 * @throws InvalidArgumentError
 */
export function timeoutStopper(timeoutMs: number, now?: () => number): DescribedStopper {
  const call = 'timeoutStopper()';
  const timeout = milliseconds(timeoutMs, { call, name: 'timeoutMs' }) ?? Infinity;
  if (now !== undefined) callback(now, { call, name: 'now' });
  const clock = now ?? (() => performance.now());
  let startedAt: number | undefined;
  return {
    onResult: () => false,
    stopAll() {
      startedAt ??= clock();
      return clock() - startedAt >= timeout;
    },
    [described]: {
      name: 'timeoutStopper',
      args: now === undefined ? [timeoutMs] : [timeoutMs, now],
    },
  };
}
