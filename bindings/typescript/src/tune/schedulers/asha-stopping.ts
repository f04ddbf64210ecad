/**
 * Asynchronous successive halving that stops trials: decides as Ray's `AsyncHyperBandScheduler`, but for the rungs, which are exact.
 *
 * - AS-1 A report counts at the highest rung that the trial has reached and is not in yet; one rung per report. A rung that was
 *   jumped over is filled by the reports that follow.
 * - AS-2 At a rung a trial stops if it is strictly worse than the cut-off of those recorded before it. It is recorded all the same.
 */

import { chooseBracket } from './asha-settings.ts';
import type { AshaSettings } from './asha-settings.ts';
import { TrialQueue } from './fifo.ts';
import type { Objective } from './objective.ts';
import { timeOf } from './objective.ts';
import { insertSorted, percentileOf } from './order-statistics.ts';
import { RandomSource } from './random.ts';
import type { Decision, Scheduler } from './scheduler.ts';
import type { Metrics, ReportedMetrics } from '../types.ts';

/** The scheduler; `rungs` ascending. */
export function stoppingAsha(
  settings: AshaSettings,
  rungs: readonly number[],
  objective: Objective,
): Scheduler {
  const brackets = Array.from(
    { length: settings.brackets },
    (_, skipped) => new Bracket(settings, rungs.slice(skipped)),
  );
  const bracketOfTrial = new Map<string, Bracket>();
  const queue = new TrialQueue();
  let random = new RandomSource(objective.seed);

  function bracketOf(id: string): Bracket {
    let bracket = bracketOfTrial.get(id);
    if (bracket === undefined) {
      bracket = chooseBracket(brackets, random);
      bracketOfTrial.set(id, bracket);
    }
    return bracket;
  }

  function record(id: string, metrics: ReportedMetrics | Metrics): Decision {
    const time = timeOf(metrics, settings.timeAttr);
    const score = objective.score(metrics);
    if (time === undefined || score === undefined) return 'CONTINUE';
    return bracketOf(id).judge(id, time, score);
  }

  function isOver(metrics: ReportedMetrics): boolean {
    const time = timeOf(metrics, settings.timeAttr);
    if (time === undefined || objective.score(metrics) === undefined) return false;
    return settings.stopLastTrials && time >= settings.maxT;
  }

  return {
    setup(setup) {
      objective.begin(setup);
      random = new RandomSource(objective.seed);
    },
    onTrialAdd(trial) {
      bracketOf(trial.id);
    },
    // Who is over is recorded when it is told that it has ended.
    onTrialResult: (trial, metrics) => (isOver(metrics) ? 'STOP' : record(trial.id, metrics)),
    onTrialComplete(trial, metrics) {
      record(trial.id, metrics);
      bracketOfTrial.delete(trial.id);
    },
    onTrialRemove(trial) {
      bracketOfTrial.delete(trial.id);
    },
    onTrialError(trial) {
      bracketOfTrial.delete(trial.id);
    },
    chooseTrialToRun: (control) => queue.next(control),
  };
}

/** A ladder of rungs, and who has been seen on each. */
class Bracket {
  /** From the top down. */
  readonly rungs: readonly Rung[];
  readonly #settings: AshaSettings;

  constructor(settings: AshaSettings, milestones: readonly number[]) {
    this.#settings = settings;
    this.rungs = milestones.map((milestone) => new Rung(milestone)).reverse();
  }

  judge(id: string, time: number, score: number): Decision {
    const { reductionFactor, stopLastTrials } = this.#settings;
    for (const rung of this.rungs) {
      if (time < rung.milestone) continue;
      if (rung.has(id)) {
        // Who may run on for good has been judged wherever it matters.
        if (!stopLastTrials) return 'CONTINUE';
        continue;
      }
      const cutOff = rung.cutOff(reductionFactor);
      rung.record(id, score);
      return cutOff !== undefined && score < cutOff ? 'STOP' : 'CONTINUE';
    }
    return 'CONTINUE';
  }
}

/** The scores of those who have come to a milestone. */
class Rung {
  readonly milestone: number;
  readonly #ids = new Set<string>();
  readonly #scores: number[] = [];

  constructor(milestone: number) {
    this.milestone = milestone;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  /** What one in `reductionFactor` has reached; undefined while nobody has come. */
  cutOff(reductionFactor: number): number | undefined {
    if (this.#scores.length === 0) return undefined;
    return percentileOf(this.#scores, (1 - 1 / reductionFactor) * 100);
  }

  record(id: string, score: number): void {
    this.#ids.add(id);
    insertSorted(this.#scores, score);
  }
}
