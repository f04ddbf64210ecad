/**
 * How trials end, and with them the experiment: by themselves, because somebody wants it, or by failing once too often.
 *
 * - EN-1 A trial ends once (CT-2).
 * - EN-2 Whoever hears of an end may want further ones: they are carried out before anything else is decided.
 * - EN-3 What ends the experiment first is how it has ended. No new trial begins then, and those that run are told to end.
 * - EN-4 Whoever works on a trial of a study says how it ends: that somebody wants it to end is only known until then.
 */

import type { ErrorRecord } from '../experiment/events.ts';
import type { ReportedMetrics, StopReason } from '../types.ts';
import { goOnFromLatest, hasBegun } from './going-on.ts';
import type { ExperimentEnd, TrialError } from './instructions.ts';
import type { Ledger } from './ledger.ts';
import type { Proposals } from './proposals.ts';
import { finalError, missingMetric, toldOf } from './reports.ts';
import type { Runs } from './runs.ts';
import type { Samples } from './samples.ts';
import type { ControllerSetup } from './setup.ts';
import type { Takeovers } from './takeovers.ts';
import type { Trial } from './trial.ts';
import type { Wishes } from './wishes.ts';

/** What ends go by. */
export interface EndingsParts {
  readonly setup: ControllerSetup;
  readonly trials: readonly Trial[];
  readonly ledger: Ledger;
  readonly runs: Runs;
  readonly samples: Samples;
  readonly proposals: Proposals;
  readonly takeovers: Takeovers;
  readonly wishes: Wishes;
}

/** See the file. */
export class Endings {
  readonly #setup: ControllerSetup;
  readonly #trials: readonly Trial[];
  readonly #ledger: Ledger;
  readonly #runs: Runs;
  readonly #samples: Samples;
  readonly #proposals: Proposals;
  readonly #takeovers: Takeovers;
  readonly #wishes: Wishes;
  /** Trials that have not ended. */
  #live = 0;
  #errors = 0;
  /** EN-3. */
  #end: ExperimentEnd | undefined;

  constructor(parts: EndingsParts) {
    this.#setup = parts.setup;
    this.#trials = parts.trials;
    this.#ledger = parts.ledger;
    this.#runs = parts.runs;
    this.#samples = parts.samples;
    this.#proposals = parts.proposals;
    this.#takeovers = parts.takeovers;
    this.#wishes = parts.wishes;
  }

  /** How the experiment ends; undefined while it goes on. */
  get end(): ExperimentEnd | undefined {
    return this.#end;
  }

  /** Whether there is a trial that has not ended. */
  get hasLiveTrials(): boolean {
    return this.#live > 0;
  }

  /** One more trial is there. */
  begun(): void {
    this.#live++;
  }

  /** Those of an earlier process are there. */
  resume(): void {
    this.#live = this.#trials.filter((trial) => !trial.hasEnded).length;
  }

  /** So many trials have failed for good, those of an earlier process with them. */
  countErrors(errors: number): void {
    this.#errors = errors;
  }

  // Of trials.

  terminate(
    trial: Trial,
    stopReason: StopReason,
    wasRunning = trial.phase === 'running' || stopReason === 'finished',
  ): void {
    const { scheduler, stopper } = this.#setup;
    this.#recordEnd(trial, { status: 'TERMINATED', stopReason, error: null });
    const { history } = trial.record;
    if (history.length > 0) stopper.onTrialComplete(trial.id, history.at(-1)!);
    const { control } = this.#wishes;
    // EN-4.
    if (stopReason === 'finished' && this.#setup.isDrivenByHand) scheduler.onStopOverruled?.(trial);
    if (!wasRunning) scheduler.onTrialRemove?.(trial, control);
    else if (stopReason !== 'timeBudget' && stopReason !== 'experiment') {
      scheduler.onTrialComplete?.(trial, trial.metrics as ReportedMetrics, control);
    }
    this.#proposals.tell(trial, toldOf(trial));
    this.carryOutWishes();
    this.#ledger.tell('onTrialComplete', trial);
  }

  terminateRunning(trial: Trial, stopReason: StopReason): void {
    if (this.#setup.isDrivenByHand) {
      // EN-4.
      trial.reason ??= stopReason;
      return;
    }
    this.terminate(trial, stopReason);
    this.#runs.leave(trial, stopReason);
  }

  /** Somebody ends a trial of a study before its time: for whoever wanted that, and else as the scheduler would have. */
  prune(trial: Trial): void {
    const wanted = trial.reason;
    const isKnown = wanted === 'stopper' || wanted === 'experiment';
    this.terminate(trial, isKnown ? wanted : 'scheduler');
    this.#runs.leave(trial, 'scheduler');
  }

  /** It has done all that it does: an error if it has never said what it is tried for. */
  endByItself(trial: Trial, durationMs: number): void {
    trial.record.durationMs = durationMs;
    const missing = missingMetric(this.#setup.header.metrics, trial.record.history);
    if (missing === undefined) this.terminate(trial, 'finished');
    else this.fail(trial, finalError(missing));
  }

  /** It has failed: it is tried again, or has ended. */
  fail(trial: Trial, error: TrialError): void {
    const { maxFailures } = this.#setup;
    const record: ErrorRecord = {
      name: error.name,
      message: error.message,
      code: error.code,
      stack: error.stack,
      details: error.details,
    };
    if (!error.isFinal && trial.record.failures < maxFailures && this.#end === undefined) {
      this.#runs.requeue(trial, record);
      goOnFromLatest(trial);
      this.#ledger.tell('onTrialRecover', trial, { error: record });
      return;
    }
    this.#recordEnd(trial, { status: 'ERROR', stopReason: null, error: record });
    this.#errors++;
    trial.failure = error.original;
    this.#setup.scheduler.onTrialError?.(trial, this.#wishes.control);
    this.#proposals.tell(trial, toldOf(trial));
    this.carryOutWishes();
    this.#ledger.tell('onTrialError', trial, { error: record });
    if (this.#setup.failFast) {
      this.#finishWith({ kind: 'failed', trial });
      this.stopAll('experiment');
    } else if (this.hasTooManyErrors) this.stopAll('experiment');
  }

  /** Whether so many trials have failed for good that the experiment ends. */
  get hasTooManyErrors(): boolean {
    return this.#errors > 0 && this.#errors >= this.#setup.maxErrors;
  }

  stopTrial(trial: Trial, reason: StopReason): void {
    if (trial.hasEnded) return;
    const isHeld = trial.phase === 'running' || this.#setup.isDrivenByHand;
    if (isHeld) this.terminateRunning(trial, reason);
    else this.terminate(trial, reason);
  }

  #recordEnd(
    trial: Trial,
    how:
      | {
          readonly status: 'TERMINATED';
          readonly stopReason: StopReason;
          readonly error: null;
        }
      | {
          readonly status: 'ERROR';
          readonly stopReason: null;
          readonly error: ErrorRecord;
        },
  ): void {
    const { number } = trial;
    const { durationMs } = trial.record;
    this.#ledger.record({ kind: 'end', number, ...how, at: this.#setup.now(), durationMs }, trial);
    this.#live--;
  }

  /** EN-2. */
  carryOutWishes(): void {
    for (let wish = this.#wishes.take(); wish !== undefined; wish = this.#wishes.take()) {
      switch (wish.kind) {
        case 'stop':
          this.stopTrial(wish.trial, 'scheduler');
          break;
        case 'exploit':
          this.#takeovers.begin(wish.trial, wish.source, wish.config);
          break;
        case 'resources':
          this.#runs.setResources(wish.trial, wish.resources);
          break;
      }
    }
  }

  // Of the experiment.

  /** All trials end, and with them the experiment. */
  stopAll(reason: StopReason): void {
    this.#finishWith({ kind: 'complete' });
    // Whoever works on trials of a study can't be told, and what comes of them counts.
    if (this.#setup.isDrivenByHand) return;
    for (const trial of this.#trials) this.stopTrial(trial, reason);
  }

  /** Trials that run are told to leave, and can be taken up by another process. */
  breakOff(end: ExperimentEnd): void {
    this.#finishWith(end);
    for (const trial of this.#trials) this.#runs.leave(trial, 'interrupted');
  }

  /**
   * Nothing runs, and nothing was started: what is left waits for a decision that never comes, and ends as in Ray. True if that may be
   * what a searcher has waited for, so that new ones can begin.
   */
  settle(): boolean {
    if (this.#end !== undefined || this.#live === 0) return false;
    // Where none of them has ever run, none of the next would.
    const haveRun = this.#trials.some((trial) => !trial.hasEnded && hasBegun(trial));
    for (const trial of this.#trials) this.stopTrial(trial, 'scheduler');
    return haveRun && !this.#samples.isExhausted;
  }

  #finishWith(end: ExperimentEnd): void {
    this.#end ??= end;
    this.#samples.exhaust();
  }
}
