/**
 * What becomes of a trial that has reported.
 *
 * - JU-1 What it has reported is recorded before stoppers, schedulers, searchers or callbacks see it (CT-1).
 * - JU-2 Every report of a run is answered once; a report that comes twice gets the same answer (CT-3).
 * - JU-3 A stopper's word comes before the scheduler's.
 */

import { NotSupportedError } from '../../index.ts';
import { invalid } from '../../option-checks.ts';
import type { ReportedMetrics } from '../types.ts';
import type { Endings } from './endings.ts';
import { checkpointOf } from './going-on.ts';
import type { TrialReport } from './instructions.ts';
import type { Ledger } from './ledger.ts';
import type { Proposals } from './proposals.ts';
import { finalError, hasMetrics, rowOf, violationsOf, wrongMetric } from './reports.ts';
import type { Runs } from './runs.ts';
import type { SavedStates } from './saved-states.ts';
import type { ControllerSetup } from './setup.ts';
import type { Takeovers } from './takeovers.ts';
import type { Trial } from './trial.ts';
import type { Wishes } from './wishes.ts';

const DECISIONS: ReadonlySet<unknown> = new Set(['CONTINUE', 'PAUSE', 'STOP']);

/** What reports are judged with. */
export interface JudgeParts {
  readonly setup: ControllerSetup;
  readonly ledger: Ledger;
  readonly runs: Runs;
  readonly savedStates: SavedStates;
  readonly takeovers: Takeovers;
  readonly proposals: Proposals;
  readonly wishes: Wishes;
  readonly endings: Endings;
}

/** See the file. */
export class Judge {
  readonly #setup: ControllerSetup;
  readonly #ledger: Ledger;
  readonly #runs: Runs;
  readonly #savedStates: SavedStates;
  readonly #takeovers: Takeovers;
  readonly #proposals: Proposals;
  readonly #wishes: Wishes;
  readonly #endings: Endings;

  constructor(parts: JudgeParts) {
    this.#setup = parts.setup;
    this.#ledger = parts.ledger;
    this.#runs = parts.runs;
    this.#savedStates = parts.savedStates;
    this.#takeovers = parts.takeovers;
    this.#proposals = parts.proposals;
    this.#wishes = parts.wishes;
    this.#endings = parts.endings;
  }

  /** A trial that runs has reported. */
  report(trial: Trial, given: TrialReport): void {
    const { attempt, report } = given;
    if (attempt !== trial.attempt || trial.phase === 'idle') return;
    if (trial.phase === 'leaving') {
      // Another process goes on from here: what it is told then it decides about then.
      if (trial.reason === 'interrupted' && report > trial.decided) this.#keepReport(trial, given);
      const reason = trial.reason ?? 'experiment';
      this.#ledger.say({ kind: 'answer', trial, attempt, report, reason });
      return;
    }
    if (report <= trial.decided) {
      // It has asked before, and the answer was lost on its way.
      this.#ledger.say({ kind: 'answer', trial, attempt, report, reason: null });
      return;
    }
    const metrics = this.#keepReport(trial, given);
    const wrong = wrongMetric(this.#setup.header.metrics, metrics);
    if (wrong === undefined) this.#decide(trial, metrics);
    else {
      this.#endings.fail(trial, finalError(wrong));
      this.#runs.leave(trial, 'experiment');
    }
    this.#ledger.tell('onTrialResult', trial, { result: metrics });
    this.#ledger.say({ kind: 'answer', trial, attempt, report, reason: trial.reason ?? null });
  }

  /** A report is in the record, and its checkpoint. */
  #keepReport(trial: Trial, given: TrialReport): ReportedMetrics {
    trial.decided = given.report;
    const metrics = rowOf(trial, given);
    const checkpoint = given.checkpoint
      ? checkpointOf(trial, metrics.trainingIteration, this.#ledger.experiment)
      : null;
    this.#ledger.record(
      {
        kind: 'report',
        number: trial.number,
        metrics,
        checkpoint,
        violations: violationsOf(this.#setup.outcomeConstraints, metrics),
      },
      trial,
    );
    if (checkpoint !== null) this.#savedStates.keep(trial, checkpoint);
    return metrics;
  }

  #decide(trial: Trial, metrics: ReportedMetrics): void {
    const { stopper, scheduler } = this.#setup;
    const isStopped = stopper.onResult(trial.id, metrics);
    const isAllStopped = stopper.stopAll();
    const decision = isStopped
      ? 'CONTINUE'
      : scheduler.onTrialResult(trial, metrics, this.#wishes.control);
    if (!DECISIONS.has(decision)) {
      const place = { call: 'the scheduler', name: 'its answer to a report' };
      throw invalid(place, decision, "'CONTINUE', 'PAUSE', 'STOP', and no promise");
    }
    if (decision === 'PAUSE' && this.#setup.isDrivenByHand) {
      throw new NotSupportedError(
        "the scheduler answered 'PAUSE' to a report, and a study can't pause trials; use a Tuner",
        { feature: 'scheduler' },
      );
    }
    if (hasMetrics(this.#setup.header.metrics, metrics)) this.#proposals.report(trial, metrics);
    this.#endings.carryOutWishes();
    // A wish of the scheduler may have ended this very trial.
    if (trial.phase === 'running') {
      if (isStopped) this.#endings.terminateRunning(trial, 'stopper');
      else if (decision === 'STOP') this.#endings.terminateRunning(trial, 'scheduler');
      // One that has come to its end by itself has nothing to go on with later.
      else if (!metrics.done) this.#interruptRun(trial, decision === 'PAUSE');
    }
    if (isAllStopped) {
      this.#endings.stopTrial(trial, 'experiment');
      this.#endings.stopAll('experiment');
    }
  }

  /** It may have to leave at this report, and goes on later from its state. */
  #interruptRun(trial: Trial, isPaused: boolean): void {
    if (isPaused) this.#runs.pause(trial);
    // It goes on from the same state at once.
    else if (trial.isToSave) this.#runs.leave(trial, 'paused');
    else if (trial.nextResources !== undefined && this.#takeovers.hasStateOfReport(trial)) {
      this.#runs.leave(trial, 'resources');
    }
  }
}
