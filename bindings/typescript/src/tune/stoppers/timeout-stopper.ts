/** Ends the experiment after a time. Ray's `TimeoutStopper`. */

import { performance } from 'node:perf_hooks';

import { callback, milliseconds } from '../../option-checks.ts';
import { PASSIVE, activate, described } from './stopper.ts';
import type { ActivatedStopper, ActiveStopper, Stopper } from './stopper.ts';

/**
 * The time begins when it is asked first, so that the start of the runtime does not count; with a restore it begins anew
 * (`timeBudgetMs` is for all of an experiment). `now` is its clock, in milliseconds; by default the
 * process's, or that of the simulation.
 *
 * @throws InvalidArgumentError
 */
export function timeoutStopper(timeoutMs: number, now?: () => number): ActivatedStopper {
  const call = 'timeoutStopper()';
  const timeout = milliseconds(timeoutMs, { call, name: 'timeoutMs' }) ?? Infinity;
  if (now !== undefined) callback(now, { call, name: 'now' });
  return {
    ...since(timeout, now),
    [described]: {
      name: 'timeoutStopper',
      args: now === undefined ? [timeoutMs] : [timeoutMs, now],
    },
    [activate]: (objective): ActiveStopper => ({
      ...PASSIVE,
      ...since(timeout, now ?? objective.now),
    }),
  };
}

function since(timeoutMs: number, now: () => number = () => performance.now()): Stopper {
  let startedAt: number | undefined;
  return {
    onResult: () => false,
    stopAll() {
      startedAt ??= now();
      return now() - startedAt >= timeoutMs;
    },
  };
}
