/**
 * Schedulers and searchers of users' own, as the controller calls them. Ours are called as they are: they change nothing.
 *
 * - UC-1 What they get is theirs: copies, and nothing of a record.
 * - UC-2 They answer at once: a promise is refused.
 */

import { type MethodArguments, answeringAtOnce } from '../answers-at-once.ts';
import { copyOfData } from '../data-copies.ts';
import type { Scheduler } from '../schedulers/scheduler.ts';
import { schedulerViews } from '../schedulers/shown-trials.ts';
import type { AskedTrial, Searcher } from '../search/searcher.ts';
import { copyOfConfig } from '../space/space.ts';

/** A scheduler that can be given what is the controller's. */
export function callableScheduler(scheduler: Scheduler): Scheduler {
  if (scheduler.description !== undefined) return scheduler;
  const viewIn = schedulerViews();
  const trialAlone: MethodArguments<Scheduler>['onTrialAdd'] = (trial, given) => {
    const { shown, control } = viewIn(given);
    return [shown.of(trial), control];
  };
  const trialWithMetrics: MethodArguments<Scheduler>['onTrialResult'] = (trial, metrics, given) => {
    const { shown, control } = viewIn(given);
    return [shown.of(trial), copyOfData(metrics), control];
  };
  return answeringAtOnce(scheduler, 'the scheduler', {
    onTrialAdd: trialAlone,
    onTrialResult: trialWithMetrics,
    onTrialComplete: trialWithMetrics,
    onTrialRemove: trialAlone,
    onTrialError: trialAlone,
    chooseTrialToRun: (given) => [viewIn(given).control],
  });
}

/** A searcher that can be given what is the controller's. */
export function callableSearcher(searcher: Searcher): Searcher {
  if (searcher.description !== undefined) return searcher;
  return answeringAtOnce(searcher, 'the searcher', {
    setup: (setup) => [copyOfData(setup)],
    ask: (trial) => [askedTrial(trial)],
    tell: (trial, result) => [
      askedTrial(trial),
      { ...result, config: copyOfConfig(result.config), metrics: copyOfData(result.metrics) },
    ],
    onResult: (trial, metrics) => [askedTrial(trial), copyOfData(metrics)],
    observe: (trial, config) => [askedTrial(trial), copyOfConfig(config)],
    resume: (trial, config, repeatIndex) => [askedTrial(trial), copyOfConfig(config), repeatIndex],
    hasTried: (config) => [copyOfConfig(config)],
    score: (config) => [copyOfConfig(config)],
  });
}

/** What searchers know of a trial: it may be one of the controller's, which has more. */
function askedTrial({ number, id, place }: AskedTrial): AskedTrial {
  return place === undefined ? { number, id } : { number, id, place };
}
