/** Schedulers within others: what counts as one, and how both are described. */

import { invalid, isRecord } from '../../option-checks.ts';
import type { Objective } from './objective.ts';
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

/**
 * What a scheduler around another one hands on as it comes; `forget` is called with the id of each trial that has ended, before the
 * other one hears of it.
 */
export function handedOn(
  inner: Scheduler,
  objective: Objective,
  forget: (id: string) => void,
): Omit<Scheduler, 'onTrialResult'> {
  const { pauses, needsAllTrials, choosesConfigs, logsPolicies } = inner;
  return {
    ...(pauses === undefined ? {} : { pauses }),
    ...(needsAllTrials === undefined ? {} : { needsAllTrials }),
    ...(choosesConfigs === undefined ? {} : { choosesConfigs }),
    ...(logsPolicies === undefined ? {} : { logsPolicies }),
    setup(setup) {
      objective.begin(setup);
      inner.setup?.(objective.handedOn());
    },
    onTrialAdd: (trial, control) => inner.onTrialAdd?.(trial, control),
    onTrialComplete(trial, metrics, control) {
      forget(trial.id);
      inner.onTrialComplete?.(trial, metrics, control);
    },
    onTrialRemove(trial, control) {
      forget(trial.id);
      inner.onTrialRemove?.(trial, control);
    },
    onTrialError(trial, control) {
      forget(trial.id);
      inner.onTrialError?.(trial, control);
    },
    onStopOverruled: (trial) => inner.onStopOverruled?.(trial),
    chooseTrialToRun: (control) => inner.chooseTrialToRun(control),
  };
}
