/**
 * Stops a trial whose best is worse than what half of the others had on average. Ray's `MedianStoppingRule`, after Golovin et al.,
 * "Google Vizier" (2017).
 *
 * - MS-1 The others are all trials that have come as far as this one, ended ones too; the average of each is over its reports from
 *   `gracePeriod` up to this time.
 * - MS-2 As in Ray, a trial that ends counts its last report twice.
 * - MS-3 Where trials report at the same times, as with `trainingIteration`, the averages up to each time are kept in order, and each
 *   report changes those that it has come past: nobody looks through all trials then. Times that never come twice are not kept.
 */

import { checkOptions, count, flag, text } from '../../option-checks.ts';
import { TrialQueue } from './fifo.ts';
import { Objective, timeOf } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import {
  ascending,
  firstPlace,
  insertSorted,
  medianOf,
  medianOfSorted,
  placeIn,
} from './order-statistics.ts';
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
  const courses = new Courses(gracePeriod);
  const stopped = new Set<string>();
  const pausedAt = new Map<string, number>();
  const queue = new TrialQueue();

  /** Too few others: lets somebody else run who could become one. */
  function makeRoom(trial: ScheduledTrial, time: number, control: SchedulerControl): boolean {
    if (time - (pausedAt.get(trial.id) ?? -Infinity) <= minTimeSlice) return false;
    if (!isAnotherWaiting(control, trial)) return false;
    pausedAt.set(trial.id, time);
    return true;
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
      const course = courses.record(trial.id, time, score);
      if (time < gracePeriod) return 'CONTINUE';
      const others = courses.others(course, time);
      if (others.count < minSamplesRequired) {
        return makeRoom(trial, time, control) ? 'PAUSE' : 'CONTINUE';
      }
      if (course.best >= others.median()) return 'CONTINUE';
      stopped.add(trial.id);
      return hardStop ? 'STOP' : 'PAUSE';
    },
    onTrialComplete(trial, metrics) {
      const time = timeOf(metrics, timeAttr);
      const score = objective.score(metrics);
      pausedAt.delete(trial.id);
      if (time === undefined || score === undefined) return;
      courses.recordAgain(trial.id, time, score);
    },
    onStopOverruled(trial) {
      stopped.delete(trial.id);
    },
    chooseTrialToRun: (control) => queue.next(control),
  };
}

/** Whether somebody else could run. */
function isAnotherWaiting(control: SchedulerControl, trial: ScheduledTrial): boolean {
  // Who has reported runs, and so is none of them.
  if (control.firstWaiting !== undefined) return control.firstWaiting() !== undefined;
  return control.trials.some((other) => other.id !== trial.id && isWaiting(other));
}

/** The averages of other trials up to a time. */
interface Others {
  readonly count: number;
  median(): number;
}

/** MS-3. */
class Courses {
  readonly #gracePeriod: number;
  readonly #byId = new Map<string, Course>();
  /** Times that were asked about. */
  readonly #asked = new Set<number>();
  /** By time: the averages of all that have come as far, in ascending order. */
  readonly #kept: { readonly time: number; readonly averages: number[] }[] = [];

  constructor(gracePeriod: number) {
    this.#gracePeriod = gracePeriod;
  }

  record(id: string, time: number, score: number): Course {
    return this.#change(id, time, (course) => course.record(time, score));
  }

  /** MS-2. */
  recordAgain(id: string, time: number, score: number): void {
    this.#change(id, time, (course) => course.recordAgain(time, score));
  }

  others(course: Course, time: number): Others {
    const kept = this.#keptAt(time);
    if (kept === undefined) {
      const averages = this.#averagesAt(time, course);
      return { count: averages.length, median: () => medianOf(averages) };
    }
    const own = course.averageUpTo(time);
    const isIn = Number.isFinite(own);
    const without = isIn ? placeIn(kept, own) : kept.length;
    return {
      count: kept.length - Number(isIn),
      median: () => medianOfSorted(kept, without),
    };
  }

  #change(id: string, time: number, change: (course: Course) => void): Course {
    let course = this.#byId.get(id);
    if (course === undefined) this.#byId.set(id, (course = new Course(this.#gracePeriod)));
    const before = course.lastTime;
    const from = firstPlace(this.#kept, (each) =>
      time > before ? each.time <= before : each.time < time,
    );
    for (const { averages, average } of this.#keptOf(course, from)) {
      averages.splice(placeIn(averages, average), 1);
    }
    change(course);
    for (const { averages, average } of this.#keptOf(course, from)) insertSorted(averages, average);
    return course;
  }

  /** Where a course counts among what is kept, from a place on. */
  *#keptOf(
    course: Course,
    from: number,
  ): Generator<{ readonly averages: number[]; readonly average: number }> {
    for (let at = from; at < this.#kept.length; at++) {
      const { time, averages } = this.#kept[at]!;
      if (time > course.lastTime) return;
      const average = course.averageUpTo(time);
      if (Number.isFinite(average)) yield { averages, average };
    }
  }

  /** Of all who have come as far, in ascending order; from the second time on that somebody asks. */
  #keptAt(time: number): readonly number[] | undefined {
    if (!this.#asked.has(time)) {
      this.#asked.add(time);
      return undefined;
    }
    const place = firstPlace(this.#kept, (each) => each.time < time);
    const found = this.#kept[place];
    if (found?.time === time) return found.averages;
    const averages = this.#averagesAt(time).sort(ascending);
    this.#kept.splice(place, 0, { time, averages });
    return averages;
  }

  #averagesAt(time: number, except?: Course): number[] {
    const averages: number[] = [];
    for (const course of this.#byId.values()) {
      if (course === except || course.lastTime < time) continue;
      const average = course.averageUpTo(time);
      if (Number.isFinite(average)) averages.push(average);
    }
    return averages;
  }
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

  /** −Infinity before its first report. */
  get lastTime(): number {
    return this.#times.at(-1) ?? -Infinity;
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
    const place = firstPlace(this.#times, (each) => each <= time);
    const { sum, count: number } = this.#states[place - 1] ?? START;
    return sum / number;
  }
}

const START = { best: -Infinity, sum: 0, count: 0 };
