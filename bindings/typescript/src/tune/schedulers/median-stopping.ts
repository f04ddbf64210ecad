/**
 * Stops a trial whose best is worse than what half of the others had on average. Ray's `MedianStoppingRule`, after Golovin et al.,
 * "Google Vizier" (2017).
 *
 * - MS-1 The others are all trials that have come as far as this one, ended ones too; the average of each is over its reports from
 *   `gracePeriod` up to this time.
 * - MS-2 As in Ray, a trial that ends counts its last report twice.
 * - MS-3 Nobody looks through all trials at each report, also where no two trials report at the same time, as with `timeTotalMs`. From
 *   one report to the next the average of a trial stays what it is: an interval of times with a value. Whether a trial is as good as
 *   half of the others takes no more than how many of these intervals contain its time, and how many of them have a value that is
 *   not above its best. Only where exactly half have one, the median lies between two averages, which are then looked for.
 */

import { checkOptions, count, flag, text } from '../../option-checks.ts';
import { TrialQueue } from './fifo.ts';
import { IntervalCounts } from './interval-counts.ts';
import { Objective, timeOf } from './objective.ts';
import type { ObjectiveOptions } from './objective.ts';
import { numberWithin, objectiveChecks } from '../option-values.ts';
import { firstPlace, medianOf } from './order-statistics.ts';
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
      if (others.haveMedianUpTo(course.best)) return 'CONTINUE';
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
  /** Whether the median is not above a score. */
  haveMedianUpTo(best: number): boolean;
}

/** MS-3. */
class Courses {
  readonly #gracePeriod: number;
  readonly #byId = new Map<string, Course>();
  /** Averages of the courses, each over the times at which it is one. */
  readonly #averages = new IntervalCounts();
  /** A course whose times don't ascend has no intervals: one that has ended behind its last report, which is before an earlier one. */
  #isInOrder = true;

  constructor(gracePeriod: number) {
    this.#gracePeriod = gracePeriod;
  }

  record(id: string, time: number, score: number): Course {
    const course = this.#courseOf(id);
    course.record(time, score);
    return course;
  }

  /** MS-2. */
  recordAgain(id: string, time: number, score: number): void {
    const course = this.#courseOf(id);
    if (time < course.lastTime) this.#isInOrder = false;
    course.recordAgain(time, score);
  }

  /** Those of all but one that has reported at this time. */
  others(course: Course, time: number): Others {
    if (!this.#isInOrder) {
      const averages = this.#averagesAt(time, course);
      return { count: averages.length, haveMedianUpTo: (best) => best >= medianOf(averages) };
    }
    const own = course.averageUpTo(time);
    const isIn = Number.isFinite(own);
    const inAll = this.#averages.count(time) - Number(isIn);
    return {
      count: inAll,
      haveMedianUpTo: (best) => {
        const upToBest = this.#averages.count(time, best) - Number(isIn && own <= best);
        const half = inAll >>> 1;
        const isBetween = inAll % 2 === 0 && upToBest === half;
        // The mean of the two in the middle is between them, but for a sum that is no finite number any more.
        if (isBetween || !(Math.abs(best) < LARGE)) {
          return best >= medianOf(this.#averagesAt(time, course));
        }
        return upToBest > half;
      },
    };
  }

  #courseOf(id: string): Course {
    let course = this.#byId.get(id);
    if (course === undefined) {
      course = new Course(this.#gracePeriod, this.#averages);
      this.#byId.set(id, course);
    }
    return course;
  }

  #averagesAt(time: number, except: Course): number[] {
    const averages: number[] = [];
    for (const course of this.#byId.values()) {
      if (course === except || course.lastTime < time) continue;
      const average = course.averageUpTo(time);
      if (Number.isFinite(average)) averages.push(average);
    }
    return averages;
  }
}

/** Two numbers below it have a finite sum. */
const LARGE = Number.MAX_VALUE / 2;

/**
 * The reports of a trial, in sums, so that an average up to any time is found without adding; and its averages as intervals. The last
 * one is at the time of the last report alone, because the trial has not come further.
 */
class Course {
  readonly #gracePeriod: number;
  readonly #averages: IntervalCounts;
  readonly #times: number[] = [];
  /** Up to each report: the best of all, and sum and number of those from the grace period on. */
  readonly #states: { readonly best: number; readonly sum: number; readonly count: number }[] = [];

  constructor(gracePeriod: number, averages: IntervalCounts) {
    this.#gracePeriod = gracePeriod;
    this.#averages = averages;
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
    while (this.#times.length > 0 && this.lastTime >= time) this.#dropLast();
    this.recordAgain(time, score);
  }

  /** MS-2. */
  recordAgain(time: number, score: number): void {
    const { best, sum, count: number } = this.#states.at(-1) ?? START;
    const counts = time >= this.#gracePeriod;
    const last = this.#times.length - 1;
    this.#times.push(time);
    this.#states.push({
      best: Math.max(best, score),
      sum: counts ? sum + score : sum,
      count: counts ? number + 1 : number,
    });
    if (this.#times[last] === time) this.#count(last, 'remove', 'atReport');
    else this.#count(last, 'add', 'untilNext');
    this.#count(last + 1, 'add', 'atReport');
  }

  /** Of the reports from the grace period on; NaN if there are none. */
  averageUpTo(time: number): number {
    return this.#averageAt(firstPlace(this.#times, (each) => each <= time) - 1);
  }

  #dropLast(): void {
    const last = this.#times.length - 1;
    this.#count(last, 'remove', 'atReport');
    if (this.#times[last - 1] === this.#times[last]) this.#count(last - 1, 'add', 'atReport');
    else this.#count(last - 1, 'remove', 'untilNext');
    this.#times.pop();
    this.#states.pop();
  }

  #averageAt(place: number): number {
    const { sum, count: number } = this.#states[place] ?? START;
    return sum / number;
  }

  /** The average from a report on: at its time, or after it until that of the next one. */
  #count(place: number, change: 'add' | 'remove', when: 'atReport' | 'untilNext'): void {
    const average = this.#averageAt(place);
    if (!Number.isFinite(average)) return;
    const time = this.#times[place]!;
    const after = nextNumber(time);
    if (when === 'atReport') this.#averages[change](time, after, average);
    else this.#averages[change](after, this.#times[place + 1]!, average);
  }
}

const START = { best: -Infinity, sum: 0, count: 0 };

const NUMBER = new Float64Array(1);
const BITS = new BigInt64Array(NUMBER.buffer);

/** The least number that is greater than a finite one. */
function nextNumber(value: number): number {
  if (value === 0) return Number.MIN_VALUE;
  NUMBER[0] = value;
  BITS[0]! += value > 0 ? 1n : -1n;
  return NUMBER[0];
}
