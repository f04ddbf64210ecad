/**
 * Stops a trial whose best is worse than what half of the others had on average. Ray's `MedianStoppingRule`, after Golovin et al.,
 * "Google Vizier" (2017).
 *
 * - MS-1 The others are all trials that have come as far as this one, ended ones too; the average of each is over its reports from
 *   `gracePeriod` up to this time.
 * - MS-2 As in Ray, a trial that ends counts its last report twice.
 */

import { checkOptions, count, flag, text } from '../../option-checks.ts';
import { TrialQueue } from './fifo.ts';
import { Objective, timeOf } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import { medianOf } from './order-statistics.ts';
import type { ScheduledTrial, Scheduler, SchedulerControl } from './scheduler.ts';
import { isWaiting } from './trial-lookup.ts';

/** Options of {@link medianStopping}. Times are in units of `timeAttr`. */
export interface MedianStoppingOptions extends ObjectiveOptions {
  /** What of a report tells how far a trial is. @default 'timeTotalMs' */
  readonly timeAttr?: string | undefined;
  /** Trials are judged, and reports count, from this time on. @default 60000 */
  readonly gracePeriod?: number | undefined;
  /** How many others there have to be. @default 3 */
  readonly minSamplesRequired?: number | undefined;
  /** While there are too few others, a trial makes room for one that waits only after having run for longer than this. @default 0 */
  readonly minTimeSlice?: number | undefined;
  /** False: trials are paused instead, and go on when nobody else is left. @default true */
  readonly hardStop?: boolean | undefined;
}

const CALL = 'medianStopping()';
const CHECKS = {
  ...objectiveChecks,
  timeAttr: text,
  gracePeriod: numberWithin({ minimum: 0 }),
  minSamplesRequired: count(1, ''),
  minTimeSlice: numberWithin({ minimum: 0 }),
  hardStop: flag,
};

/** @throws InvalidArgumentError */
export function medianStopping(options?: MedianStoppingOptions): Scheduler {
  const given = checkOptions(CALL, CHECKS, options);
  const settings = {
    timeAttr: 'timeTotalMs',
    gracePeriod: 60_000,
    minSamplesRequired: 3,
    minTimeSlice: 0,
    hardStop: true,
    ...given,
  };
  const { timeAttr, gracePeriod, minSamplesRequired, minTimeSlice, hardStop } = settings;
  const objective = new Objective(CALL, given);
  const courses = new Map<string, Course>();
  const stopped = new Set<string>();
  const pausedAt = new Map<string, number>();
  const queue = new TrialQueue();

  /** Too few others: lets somebody else run who could become one. */
  function makeRoom(trial: ScheduledTrial, time: number, control: SchedulerControl): boolean {
    if (time - (pausedAt.get(trial.id) ?? -Infinity) <= minTimeSlice) return false;
    if (!control.trials.some((other) => other.id !== trial.id && isWaiting(other))) return false;
    pausedAt.set(trial.id, time);
    return true;
  }

  function averagesOfOthers(id: string, time: number): number[] {
    const averages: number[] = [];
    for (const [otherId, other] of courses) {
      if (otherId === id || other.lastTime < time) continue;
      const average = other.averageUpTo(time);
      if (Number.isFinite(average)) averages.push(average);
    }
    return averages;
  }

  return {
    description: { name: 'medianStopping', options: given },
    pauses: !hardStop,
    setup: (setup) => objective.begin(setup),
    onTrialResult(trial, metrics, control) {
      const time = timeOf(metrics, timeAttr);
      const score = objective.score(metrics);
      if (time === undefined || score === undefined) return 'CONTINUE';
      // It was paused as one of the worse, and goes on because nobody else is left.
      if (stopped.has(trial.id) && !hardStop) return 'CONTINUE';
      let course = courses.get(trial.id);
      if (course === undefined) courses.set(trial.id, (course = new Course(gracePeriod)));
      course.record(time, score);
      if (time < gracePeriod) return 'CONTINUE';
      const averages = averagesOfOthers(trial.id, time);
      if (averages.length < minSamplesRequired) {
        return makeRoom(trial, time, control) ? 'PAUSE' : 'CONTINUE';
      }
      if (course.best >= medianOf(averages)) return 'CONTINUE';
      stopped.add(trial.id);
      return hardStop ? 'STOP' : 'PAUSE';
    },
    onTrialComplete(trial, metrics) {
      const time = timeOf(metrics, timeAttr);
      const score = objective.score(metrics);
      pausedAt.delete(trial.id);
      if (time === undefined || score === undefined) return;
      let course = courses.get(trial.id);
      if (course === undefined) courses.set(trial.id, (course = new Course(gracePeriod)));
      course.recordAgain(time, score);
    },
    onStopOverruled(trial) {
      stopped.delete(trial.id);
    },
    chooseTrialToRun: (control) => queue.next(control),
  };
}

/** The reports of a trial, in sums, so that an average up to any time is found without adding. */
class Course {
  readonly #gracePeriod: number;
  readonly #times: number[] = [];
  /** Up to each report: the best of all, and sum and number of those from the grace period on. */
  readonly #states: { readonly best: number; readonly sum: number; readonly count: number }[] = [];

  constructor(gracePeriod: number) {
    this.#gracePeriod = gracePeriod;
  }

  get lastTime(): number {
    return this.#times.at(-1)!;
  }

  get best(): number {
    return this.#states.at(-1)!.best;
  }

  /** A trial that goes on from an earlier checkpoint loses what it has reported since. */
  record(time: number, score: number): void {
    while (this.#times.length > 0 && this.lastTime >= time) {
      this.#times.pop();
      this.#states.pop();
    }
    this.recordAgain(time, score);
  }

  /** MS-2. */
  recordAgain(time: number, score: number): void {
    const { best, sum, count: number } = this.#states.at(-1) ?? START;
    const counts = time >= this.#gracePeriod;
    this.#times.push(time);
    this.#states.push({
      best: Math.max(best, score),
      sum: counts ? sum + score : sum,
      count: counts ? number + 1 : number,
    });
  }

  /** Of the reports from the grace period on; NaN if there are none. */
  averageUpTo(time: number): number {
    let low = 0;
    let high = this.#times.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#times[middle]! <= time) low = middle + 1;
      else high = middle;
    }
    const { sum, count: number } = this.#states[low - 1] ?? START;
    return sum / number;
  }
}

const START = { best: -Infinity, sum: 0, count: 0 };
