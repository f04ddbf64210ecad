/**
 * What decides about an experiment: which trials there are, which run, and when they end. A pure state machine: events in,
 * instructions out; no clock, no process, no file. The same one runs `fit`, `Study` and `simulate`.
 *
 * It is made of parts, each of which owns its state and knows those above it alone:
 *
 * ```text
 *  ledger          what has happened, and what has to be done
 *  samples         how many trials there will be
 *  runs            which trials run
 *  saved-states    which checkpoints are kept
 *  takeovers       who goes on from another one's state
 *  wishes          what schedulers ask for
 *  endings         how trials end, and the experiment
 *  new-trials      where trials come from
 *  judge           what becomes of a report
 *  run-ends        what becomes of the end of a run
 *  restoring       what becomes of an earlier process's work
 *  controller      one event after the other, and who is next
 * ```
 *
 * - CT-1 What happens to a trial is recorded before stoppers, schedulers, searchers or callbacks see it.
 * - CT-2 A trial ends once. What its process says afterwards is dropped.
 * - CT-3 Every report of a run is answered once; a report that comes twice gets the same answer.
 * - CT-4 While a trial could run and there is room for it, either one runs or somebody has decided to wait for one that does; where
 *   nothing runs and nothing will, the experiment ends.
 * - CT-5 Resources of a trial are taken from `run` until its run has ended.
 */

import type { ExperimentEvent } from '../experiment/events.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import type { Searcher } from '../search/searcher.ts';
import type { Lack } from './capacity.ts';
import { Endings } from './endings.ts';
import type { Instruction, TrialEnd, TrialReport } from './instructions.ts';
import { Judge } from './judge.ts';
import { Ledger } from './ledger.ts';
import { NewTrials } from './new-trials.ts';
import { Proposals } from './proposals.ts';
import { type ControllerParts, takeUp } from './restoring.ts';
import { RunEnds } from './run-ends.ts';
import { Runs } from './runs.ts';
import { Samples } from './samples.ts';
import { SavedStates } from './saved-states.ts';
import {
  type ControllerSetup,
  type NextTrial,
  type RestoreOptions,
  goalsOf,
  soleGoalOf,
} from './setup.ts';
import { Takeovers } from './takeovers.ts';
import { TrialTable } from './trial-table.ts';
import type { Trial } from './trial.ts';
import { callableScheduler, callableSearcher } from './users-code.ts';
import { Wishes } from './wishes.ts';

export { finalError, recordOf } from './reports.ts';
export type { ControllerSetup, NextTrial, OutcomeBound, RestoreOptions } from './setup.ts';

/** See the file. */
export class Controller {
  readonly experiment: ExperimentRecord;
  readonly trials: readonly Trial[];
  readonly #setup: ControllerSetup;
  readonly #parts: ControllerParts;
  readonly #takeovers: Takeovers;
  readonly #judge: Judge;
  readonly #runEnds: RunEnds;
  /** For `Study`: those that an earlier process has asked for and not ended. */
  #toAskAgain: Trial[] = [];
  #isFinished = false;

  constructor(given: ControllerSetup) {
    const setup = {
      ...given,
      scheduler: callableScheduler(given.scheduler),
      searcher: callableSearcher(given.searcher),
    };
    introduce(setup);
    const table = new TrialTable();
    const { trials } = table;
    const ledger = new Ledger(setup.header, table, setup.record);
    const samples = new Samples(trials, setup.numSamples * (setup.searcher.configsPerSample ?? 1));
    const proposals = proposalsFor(setup);
    const runs = new Runs(setup, ledger);
    const savedStates = new SavedStates(ledger, setup.checkpoints);
    const takeovers = new Takeovers(setup, ledger, runs);
    const wishes = new Wishes(table, samples, takeovers);
    const shared = { setup, table, ledger, samples, proposals, runs, savedStates, wishes };
    const endings = new Endings({ ...shared, trials, takeovers });
    const newTrials = new NewTrials({ ...shared, endings });
    this.experiment = ledger.experiment;
    this.trials = trials;
    this.#setup = setup;
    this.#parts = { ...shared, endings, newTrials };
    this.#takeovers = takeovers;
    this.#judge = new Judge({ ...shared, takeovers, endings });
    this.#runEnds = new RunEnds({ ...shared, takeovers, endings });
    proposals.tellKnown(setup.knownResults);
  }

  /** How many trials there will be; Infinity if nobody knows. */
  get total(): number {
    return this.#parts.samples.total;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Why trials that could run don't. */
  get waitsFor(): readonly { readonly trial: Trial; readonly lack: Lack }[] {
    return this.trials.flatMap((trial) => {
      if (trial.phase !== 'idle' || trial.status !== 'PENDING') return [];
      const lack = this.#parts.runs.lackFor(trial);
      return lack === undefined ? [] : [{ trial, lack }];
    });
  }

  /** How much of each resource trials use. */
  get resourceUse(): Runs['resourceUse'] {
    return this.#parts.runs.resourceUse;
  }

  /**
   * Takes up what an earlier process has recorded, before `start`, which gives what has to be done. What that process had decided and
   * not carried out is carried out now.
   *
   * @throws what schedulers, stoppers and searchers throw
   */
  restore(events: readonly ExperimentEvent[], options: RestoreOptions): void {
    takeUp(events, options, this.#parts);
    if (!this.#setup.isDrivenByHand) return;
    this.#toAskAgain = this.trials.filter((trial) => !trial.hasEnded);
    this.#leaveUndone();
  }

  /** Everything begins. */
  start(): Instruction[] {
    return this.#step(() => undefined);
  }

  /** A trial that runs has reported. */
  reported(trial: Trial, report: TrialReport): Instruction[] {
    return this.#step(() => {
      try {
        this.#judge.report(trial, report);
      } catch (error) {
        // The trial waits for an answer, and would until it is killed.
        const { attempt } = report;
        this.#parts.ledger.say({
          kind: 'answer',
          trial,
          attempt,
          report: report.report,
          reason: 'interrupted',
        });
        throw error;
      }
    });
  }

  /** A run has ended, however. */
  ended(trial: Trial, end: TrialEnd): Instruction[] {
    if (end.attempt !== trial.attempt || trial.phase === 'idle') return [];
    return this.#step(() => this.#runEnds.ended(trial, end));
  }

  /**
   * A run has ended because nothing can be written any more: the experiment is broken off, and nothing is recorded of it, so that
   * another process takes the trial up where it was.
   */
  lost(trial: Trial, attempt: number, error: unknown): Instruction[] {
    if (attempt !== trial.attempt || trial.phase === 'idle') return [];
    return this.#step(() => {
      this.#parts.runs.release(trial);
      throw error;
    });
  }

  /** A trial has run for longer than `trialTimeoutMs`. */
  timedOut(trial: Trial, attempt: number): Instruction[] {
    if (attempt !== trial.attempt || trial.phase !== 'running') return [];
    return this.#step(() => this.#runEnds.timedOut(trial, this.#setup.trialTimeoutMs));
  }

  /** Nothing new begins, and all trials that run end: the time is over. */
  timeBudgetOver(): Instruction[] {
    return this.#step(() => {
      // EN-3: trials of an experiment that was interrupted go on in another process, however long this one still waits for them.
      if (this.#parts.endings.end === undefined) this.#parts.endings.stopAll('timeBudget');
    });
  }

  /** Everything stops where it is, to be taken up by another process. */
  interrupt(): Instruction[] {
    return this.#step(() => this.#parts.endings.breakOff({ kind: 'interrupted' }));
  }

  /**
   * For `Study`: the next trial, which its caller runs. Those that an earlier process has left come first.
   *
   * @throws SpaceError, and what a searcher throws
   */
  next(): NextTrial {
    const { runs, endings, newTrials } = this.#parts;
    // The end of a trial may have been what a stopper has waited for.
    if (this.trials.length > 0 && this.#setup.stopper.stopAll()) endings.stopAll('experiment');
    const again = endings.end === undefined ? this.#toAskAgain.shift() : undefined;
    const next: NextTrial = again === undefined ? newTrials.create() : { trial: again };
    if ('trial' in next) runs.begin(next.trial);
    this.#leaveUndone();
    return next;
  }

  /** For `Study`: a trial that an earlier process has asked for and not ended; undefined if there is none, or it was asked for again. */
  leftOver(number: number): Trial | undefined {
    return this.#toAskAgain.find((trial) => trial.number === number);
  }

  /** For `Study`: somebody has worked on that trial all the time. What it has reported stays, and nobody is asked to try it again. */
  goOnWith(trial: Trial): void {
    this.#parts.runs.goOn(trial);
    this.#toAskAgain = this.#toAskAgain.filter((each) => each !== trial);
    this.#leaveUndone();
  }

  /** For `Study`: somebody has ended a trial as the scheduler would have. */
  prune(trial: Trial): void {
    this.#step(() => this.#parts.endings.prune(trial));
  }

  /** For `Study`: one more config to try before those of the searcher. @throws InvalidArgumentError */
  enqueue(config: unknown, call: string): void {
    this.#parts.proposals.enqueue(config, call);
  }

  /** For `Study`: the searcher's opinion. */
  score(config: unknown): ReturnType<NonNullable<Searcher['score']>> {
    return this.#setup.searcher.score?.(config);
  }

  /** One event, what follows from it, and what has to be done then. */
  #step(event: () => void): Instruction[] {
    const { ledger, endings } = this.#parts;
    try {
      event();
    } catch (error) {
      if (this.#setup.isDrivenByHand) throw error;
      // A scheduler, a stopper or a searcher has thrown, or nothing can be recorded any more.
      endings.breakOff({ kind: 'broken', error });
    }
    if (!this.#setup.isDrivenByHand) this.#fill();
    return ledger.takeInstructions();
  }

  /** For `Study`: nobody runs trials but its caller. */
  #leaveUndone(): void {
    this.#parts.ledger.takeInstructions();
  }

  // Who is next.

  /** Starts trials while there is room, and sees when all is over (CT-4). */
  #fill(): void {
    if (this.#isFinished) return;
    const { runs, endings, newTrials } = this.#parts;
    do {
      try {
        newTrials.createAllIfCompared();
        while (endings.end === undefined && runs.hasPlace && this.#startOne());
      } catch (error) {
        // The searcher's or the scheduler's own, or no config was found: there is no way to go on.
        endings.breakOff({ kind: 'broken', error });
      }
      if (runs.count > 0) return;
    } while (endings.settle());
    this.#finish();
  }

  #finish(): void {
    const { ledger, endings } = this.#parts;
    this.#isFinished = true;
    ledger.say({ kind: 'finish', end: endings.end ?? { kind: 'complete' } });
  }

  /** False if there is nothing to start now. */
  #startOne(): boolean {
    const { table, runs, wishes, endings, newTrials } = this.#parts;
    const { scheduler, stopper } = this.#setup;
    // The end of a trial may have been what a stopper has waited for.
    if (stopper.stopAll()) {
      endings.stopAll('experiment');
      return false;
    }
    // A scheduler chooses among those that there are: there has to be a new one to choose.
    newTrials.createPending();
    const id: unknown = scheduler.chooseTrialToRun(wishes.control);
    endings.carryOutWishes();
    if (id === undefined || id === null) return this.#widenChoice();
    const trial = table.named(id, 'the scheduler', 'what chooseTrialToRun() returned');
    if (trial.phase !== 'idle' || trial.hasEnded) return false;
    if (this.#takeovers.concern(trial)) return false;
    if (runs.lackFor(trial) !== undefined) return false;
    runs.run(trial);
    return true;
  }

  /** The scheduler wants none of those that there are. Only if nothing runs that could change its mind it gets one more. */
  #widenChoice(): boolean {
    const { runs, newTrials } = this.#parts;
    return runs.count === 0 && 'trial' in newTrials.create();
  }
}

/** Searcher and scheduler hear what the experiment is about. @throws what they throw */
function introduce({ header, space, searcher, scheduler }: ControllerSetup): void {
  const { seed } = header;
  searcher.setup({
    // Not those of the header, which are data: branches have domains in them.
    parameters: space.parameters,
    metrics: goalsOf(header),
    seed,
  });
  scheduler.setup?.({ ...soleGoalOf(header), seed });
}

function proposalsFor(setup: ControllerSetup): Proposals {
  const { header, space, searcher, pointsToEvaluate, parameterConstraints } = setup;
  return new Proposals({
    space,
    searcher,
    seed: header.seed,
    pointsToEvaluate,
    parameterConstraints,
    // Who learns nothing proposes the same, whatever is known.
    lag: setup.deterministic && searcher.isAdaptive !== false ? setup.maxConcurrent : null,
  });
}
