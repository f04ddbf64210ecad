/**
 * Makes one stopper of whatever is given for `stop`.
 *
 * - ST-1 Every condition sees every report, also when another one has already said stop: some of them count.
 */

import { InvalidArgumentError } from '../../index.ts';
import { invalid, isRecord } from '../../option-checks.ts';
import type { Place } from '../../option-checks.ts';
import { letGo } from '../answers-at-once.ts';
import { copyOfData } from '../data-copies.ts';
import { metricAt } from '../metrics.ts';
import type { Mode, ReportedMetrics } from '../types.ts';
import { PASSIVE, activate, described, modeOf } from './stopper.ts';
import type {
  ActivatedStopper,
  ActiveStopper,
  StopCondition,
  StopFunction,
  StopObjective,
  Stopper,
} from './stopper.ts';

const ALLOWED =
  'bounds by metric such as { trainingIteration: 100 }, a function (trialId, metrics) => boolean, a stopper with onResult and stopAll, or a list of such';

/** By hand there is none: whether a metric has a mode is not known. */
const NO_EXPERIMENT: StopObjective = { metrics: [], modes: [] };

/**
 * One stopper of all conditions; of none for undefined. `place` is what errors call them.
 *
 * @throws InvalidArgumentError
 */
export function stopperOf(
  condition: unknown,
  objective: StopObjective,
  place: Place = { call: 'new Tuner()', name: 'stop' },
): ActiveStopper {
  if (condition === undefined) return anyOf([]);
  if (Array.isArray(condition)) {
    return anyOf(
      condition.map((each: unknown, at) =>
        stopperOf(each ?? null, objective, { ...place, name: `${place.name}[${at}]` }),
      ),
    );
  }
  if (typeof condition === 'function') return ofFunction(condition as StopFunction, place);
  if (!isRecord(condition)) throw invalid(place, condition, ALLOWED);
  if (isActivated(condition)) return condition[activate](objective);
  if (typeof condition['onResult'] === 'function' || typeof condition['stopAll'] === 'function') {
    return ofStopper(condition, place);
  }
  return ofBounds(condition, objective, place);
}

/**
 * A trial stops, and the experiment ends, when all conditions say so at the same time. Each can be whatever `stop` can be.
 *
 * @throws InvalidArgumentError without conditions, and for those that are none; where the experiment is given, for those that can't do
 *   with it
 */
export function allOf(...conditions: StopCondition[]): ActivatedStopper {
  const place = { call: 'allOf()', name: 'conditions' };
  if (conditions.length === 0) throw invalid(place, conditions, 'at least one condition');
  for (const [at, each] of conditions.entries()) {
    checkCondition(each ?? null, { ...place, name: `conditions[${at}]` });
  }
  const activated = (objective: StopObjective): ActiveStopper =>
    combined(
      conditions.map((each, at) =>
        stopperOf(each ?? null, objective, { ...place, name: `conditions[${at}]` }),
      ),
      (answers) => answers.every(Boolean),
    );
  // Not made before: some conditions can't do without an experiment.
  let byHand: ActiveStopper | undefined;
  const alone = (): ActiveStopper => (byHand ??= activated(NO_EXPERIMENT));
  return {
    onResult: (trialId, metrics) => alone().onResult(trialId, metrics),
    stopAll: () => alone().stopAll(),
    [described]: { name: 'allOf', args: conditions },
    [activate]: activated,
  };
}

function anyOf(stoppers: readonly ActiveStopper[]): ActiveStopper {
  return combined(stoppers, (answers) => answers.some(Boolean));
}

/** ST-1. */
function combined(
  stoppers: readonly ActiveStopper[],
  decide: (answers: readonly boolean[]) => boolean,
): ActiveStopper {
  return {
    onResult: (trialId, metrics) =>
      decide(stoppers.map((stopper) => stopper.onResult(trialId, metrics))),
    stopAll: () => decide(stoppers.map((stopper) => stopper.stopAll())),
    onTrialComplete(trialId, metrics) {
      for (const stopper of stoppers) stopper.onTrialComplete(trialId, metrics);
    },
    unusedNames: () => [...new Set(stoppers.flatMap((stopper) => stopper.unusedNames()))],
  };
}

/** Whether it is one: what it needs of the experiment is seen when there is one. */
function checkCondition(condition: unknown, place: Place): void {
  if (Array.isArray(condition)) {
    for (const [at, each] of condition.entries()) {
      checkCondition(each ?? null, { ...place, name: `${place.name}[${at}]` });
    }
  } else if (typeof condition !== 'object' || condition === null || !isActivated(condition)) {
    // Without an experiment there is nothing that these could miss.
    stopperOf(condition, NO_EXPERIMENT, place);
  }
}

function ofFunction(condition: StopFunction, place: Place): ActiveStopper {
  return {
    ...PASSIVE,
    // A copy: what it does with it is its own affair.
    onResult: (trialId, metrics) => checkAnswer(condition(trialId, copyOfData(metrics)), place),
  };
}

function ofStopper(condition: Record<string, unknown>, place: Place): ActiveStopper {
  for (const name of ['onResult', 'stopAll']) {
    if (typeof condition[name] !== 'function') {
      throw invalid({ ...place, name: `${place.name}.${name}` }, condition[name], 'a function');
    }
  }
  const stopper = condition as unknown as Stopper;
  // Ours change nothing.
  const shown = described in condition ? (metrics: ReportedMetrics) => metrics : copyOfData;
  return {
    ...PASSIVE,
    onResult: (trialId, metrics) => checkAnswer(stopper.onResult(trialId, shown(metrics)), place),
    stopAll: () => checkAnswer(stopper.stopAll(), place),
  };
}

function ofBounds(
  condition: Record<string, unknown>,
  objective: StopObjective,
  place: Place,
): ActiveStopper {
  const bounds = checkBounds(condition, place).map(([name, bound]) => ({
    name,
    bound,
    mode: modeOf(objective, name),
  }));
  if (objective !== NO_EXPERIMENT) {
    for (const { name, bound, mode } of bounds) {
      requireReach(bound, mode, { ...place, name: `${place.name}.${name}` });
    }
  }
  const unused = new Set(bounds.map(({ name }) => name));
  return {
    ...PASSIVE,
    onResult(_trialId, metrics) {
      let isReached = false;
      for (const { name, bound, mode } of bounds) {
        const value = metricAt(metrics, name);
        if (value === undefined) continue;
        unused.delete(name);
        if (typeof value === 'number' && reaches(value, bound, mode)) isReached = true;
      }
      return isReached;
    },
    unusedNames: () => [...unused],
  };
}

function checkBounds(condition: Record<string, unknown>, place: Place): [string, number][] {
  const bounds = Object.entries(condition).filter(([, bound]) => bound !== undefined);
  if (bounds.length === 0) throw invalid(place, condition, ALLOWED);
  return bounds.map(([name, bound]) => {
    if (typeof bound === 'number' && !Number.isNaN(bound)) return [name, bound];
    throw invalid({ ...place, name: `${place.name}.${name}` }, bound, 'a number');
  });
}

/** A bound that every value reaches ends each trial at its first report: nobody means that. The other infinity is never reached. */
function requireReach(bound: number, mode: Mode | undefined, place: Place): void {
  if (bound !== (mode === 'min' ? Infinity : -Infinity)) return;
  const how = mode === 'min' ? 'at most' : 'at least';
  throw invalid(
    place,
    bound,
    `a number that not every value reaches: a trial stops at ${how} its bound${mode === undefined ? '' : `, because the mode is '${mode}'`}`,
  );
}

function reaches(value: number, bound: number, mode: Mode | undefined): boolean {
  // An infinite value of what is to be made better is a trial that has gone wrong, not one that has come to its goal.
  if (mode !== undefined && !Number.isFinite(value)) return false;
  return mode === 'min' ? value <= bound : value >= bound;
}

function checkAnswer(answer: unknown, place: Place): boolean {
  if (typeof answer === 'boolean') return answer;
  letGo(answer);
  throw new InvalidArgumentError(
    `${place.call}: ${place.name} has to answer true or false, at once (not in a promise)`,
    { argument: place.name, value: answer, allowed: 'true or false' },
  );
}

function isActivated(condition: object): condition is ActivatedStopper {
  return activate in condition;
}
