/** Gives trials other resources while they run; whether they go on is up to another scheduler. Ray's `ResourceChangingScheduler`. */

import { isDeepStrictEqual } from 'node:util';

import { callback, checkOptions, invalid } from '../../option-checks.ts';
import { letGo } from '../answers-at-once.ts';
import { copyOfData } from '../data-copies.ts';
import { isPlainObject } from '../plain-object.ts';
import type { ReportedMetrics, TrialResources } from '../types.ts';
import { checkScheduler, describedWith, handedOn } from './inner-scheduler.ts';
import { Objective } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { objectiveChecks } from '../option-values.ts';
import type { ScheduledTrial, Scheduler, SchedulerControl } from './scheduler.ts';
import { schedulerViews } from './shown-trials.ts';

/** Options of {@link resourceChanging}. */
export interface ResourceChangingOptions extends ObjectiveOptions {
  /**
   * Called for each report after which the trial goes on. Returns what it is to have from its next checkpoint on; undefined: no
   * change.
   */
  readonly allocate: (
    trial: ScheduledTrial,
    metrics: ReportedMetrics,
    controller: SchedulerControl,
  ) => TrialResources | undefined;
}

const CALL = 'resourceChanging()';
const CHECKS = { ...objectiveChecks, allocate: callback };

/** @throws InvalidArgumentError; while trials run, if `allocate` returns what is no resources */
export function resourceChanging(
  scheduler: Scheduler,
  options: ResourceChangingOptions,
): Scheduler {
  const inner = checkScheduler(scheduler, CALL);
  const given = checkOptions(CALL, CHECKS, options);
  if (given.allocate === undefined) {
    throw invalid({ call: CALL, name: 'allocate' }, undefined, 'a function');
  }
  const allocate = given.allocate as unknown as (...all: unknown[]) => unknown;
  const objective = new Objective(CALL, given, 'nothing');
  /** What each trial was given last. */
  const current = new Map<string, TrialResources>();
  const viewIn = schedulerViews();
  return {
    ...describedWith('resourceChanging', inner, given),
    ...handedOn(inner, objective, (id) => current.delete(id)),
    onTrialResult(trial, metrics, control) {
      const decision = inner.onTrialResult(trial, metrics, control);
      if (decision !== 'CONTINUE') return decision;
      const view = viewIn(control);
      const answer = allocate(view.shown.of(trial), copyOfData(metrics), view.control);
      const resources = copyOfData(checkResources(answer));
      if (resources === undefined || isDeepStrictEqual(resources, current.get(trial.id))) {
        return decision;
      }
      current.set(trial.id, resources);
      control.setResources(trial.id, resources);
      return decision;
    },
  };
}

function checkResources(value: unknown): TrialResources | undefined {
  letGo(value);
  if (value === undefined || isPlainObject(value)) return value;
  throw invalid(
    { call: CALL, name: 'what allocate returned' },
    value,
    'resources, such as { numCpus: 2 }, or undefined',
  );
}
