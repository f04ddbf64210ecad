/** Schedulers within others: what counts as one, and how both are described. */

import { invalid, isRecord } from '../../option-checks.ts';
import type { Scheduler } from './scheduler.ts';

/** @throws InvalidArgumentError */
export function checkScheduler(value: unknown, call: string): Scheduler {
  const isOne =
    isRecord(value) &&
    typeof value['onTrialResult'] === 'function' &&
    typeof value['chooseTrialToRun'] === 'function';
  if (!isOne) throw invalid({ call, name: 'scheduler' }, value, 'a scheduler, such as asha()');
  return value as unknown as Scheduler;
}

/** The description of a scheduler around another one; none if the other one has none. */
export function describedWith(
  name: string,
  inner: Scheduler,
  options: object,
): Pick<Scheduler, 'description'> {
  if (inner.description === undefined) return {};
  return { description: { name, options: { scheduler: inner.description, ...options } } };
}
