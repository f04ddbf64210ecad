/**
 * What decides about an experiment: which trials there are, which run, and when they end. A pure state machine: events in,
 * instructions out; no clock, no process, no file. The same one runs `fit`, `Study` and `simulate`.
 *
 * - CT-1 What happens to a trial is recorded before stoppers, schedulers, searchers or callbacks see it.
 * - CT-2 A trial ends once. What its process says afterwards is dropped.
 * - CT-3 Every report of a run is answered once; a report that comes twice gets the same answer.
 * - CT-4 While a trial could run and there is room for it, either one runs or somebody has decided to wait for one that does; where
 *   nothing runs and nothing will, the experiment ends.
 * - CT-5 Resources of a trial are taken from `run` until its run has ended.
 */

import { invalid } from '../../option-checks.ts';
import { answeringAtOnce, letGo } from '../answers-at-once.ts';
import { SearchExhaustedError, type TrialEndReason, TrialTimeoutError } from '../errors.ts';
import {
  type CheckpointRecord,
  type ErrorRecord,
  type ExperimentEvent,
  type TrialEvent,
  type TrialHeader,
  isTrialEvent,
} from '../experiment/events.ts';
import {
  type ExperimentRecord,
  applyEvent,
  applyToTrial,
  newExperiment,
  newTrial,
} from '../experiment/record.ts';
import { isPlainObject } from '../plain-object.ts';
import type { SchedulerControl } from '../schedulers/scheduler.ts';
import type { Searcher } from '../search/searcher.ts';
import type { ReportedMetrics, StopReason, TrialResources } from '../types.ts';
import { Capacity, type Lack } from './capacity.ts';
import {
  checkpointOf,
  goOnAfterFailure,
  goOnFromLatest,
  hasBegun,
  runTimeOf,
  timeAt,
  valuesIn,
} from './going-on.ts';
import type {
  CallbackEvent,
  ExperimentEnd,
  Instruction,
  TrialEnd,
  TrialError,
  TrialReport,
} from './instructions.ts';
import { droppedCheckpoints } from './kept-checkpoints.ts';
import { Proposals } from './proposals.ts';
import { checkResources, resourcesFor } from './resources.ts';
import { type Decided, replay } from './replay.ts';
import {
  finalError,
  hasMetrics,
  missingMetric,
  rowOf,
  toldOf,
  violationsOf,
  wrongMetric,
} from './reports.ts';
import {
  type ControllerSetup,
  type NextTrial,
  type RestoreOptions,
  goalsOf,
  soleGoalOf,
} from './setup.ts';
import { TrialTable } from './trial-table.ts';
import { Trial } from './trial.ts';
import type { Wish } from './wishes.ts';

const DECISIONS: ReadonlySet<unknown> = new Set(['CONTINUE', 'PAUSE', 'STOP']);

/** So many trials at once that can never run are enough: there may be no end of them, and no other ones. */
const TRIES_MAX = 1000;

export { finalError, recordOf } from './reports.ts';
export type { ControllerSetup, NextTrial, OutcomeBound, RestoreOptions } from './setup.ts';

/** See the file. */
export class Controller {
  readonly experiment: ExperimentRecord;
  readonly #table = new TrialTable();
  readonly trials: readonly Trial[] = this.#table.trials;
  readonly #setup: ControllerSetup;
  readonly #capacity: Capacity;
  readonly #proposals: Proposals;
  readonly #control: SchedulerControl;
  readonly #total: number;
  #instructions: Instruction[] = [];
  /** What a scheduler has asked for about other trials, to be done when it has returned. */
  #wishes: Wish[] = [];
  /** Those that are to take over another one's state, and wait for it. */
  readonly #takers = new Set<Trial>();
  #live = 0;
  /** How many trials were made from others that had failed: they are no samples. */
  #remade = 0;
  #errors = 0;
  #isExhausted = false;
  /** For `Study`: those that an earlier process has asked for and not ended. */
  #toAskAgain: Trial[] = [];
  /** Set when no new trial begins any more, and those that run are told to end. */
  #end: ExperimentEnd | undefined;
  #isFinished = false;

  constructor(given: ControllerSetup) {
    const setup = withAnswersAtOnce(given);
    this.#setup = setup;
    this.experiment = newExperiment(setup.header);
    this.#capacity = new Capacity(setup.capacity, setup.maxConcurrent);
    const { seed } = setup.header;
    setup.searcher.setup({
      // Not those of the header, which are data: branches have domains in them.
      parameters: setup.space.parameters,
      metrics: goalsOf(setup.header),
      seed,
    });
    setup.scheduler.setup?.({ ...soleGoalOf(setup.header), seed });
    this.#total = setup.numSamples * (setup.searcher.configsPerSample ?? 1);
    this.#proposals = new Proposals({
      space: setup.space,
      searcher: setup.searcher,
      seed,
      pointsToEvaluate: setup.pointsToEvaluate,
      parameterConstraints: setup.parameterConstraints,
      // Who learns nothing proposes the same, whatever is known.
      lag: setup.deterministic && setup.searcher.isAdaptive !== false ? setup.maxConcurrent : null,
    });
    const hasAllTrials = (): boolean =>
      this.#isExhausted || this.trials.length - this.#remade >= this.#total;
    this.#control = {
      trials: this.trials,
      firstWaiting: () => this.#table.firstWaiting(),
      get hasAllTrials() {
        return hasAllTrials();
      },
      stop: (id) => void this.#wishes.push({ kind: 'stop', trial: this.#trialOf(id, 'stop()') }),
      exploit: (id, fromId, config) => this.#wishExploit(id, fromId, config),
      setResources: (id, resources) => {
        const trial = this.#trialOf(id, 'setResources()');
        const place = { call: 'setResources()', name: 'resources' };
        const checked = checkResources(resources, place);
        this.#wishes.push({ kind: 'resources', trial, resources: checked });
      },
    };
    this.#proposals.tellKnown(setup.knownResults);
  }

  /** How many trials there will be; Infinity if nobody knows. */
  get total(): number {
    return this.#total + this.#remade;
  }

  get isFinished(): boolean {
    return this.#isFinished;
  }

  /** Why trials that could run don't. */
  get waitsFor(): readonly { readonly trial: Trial; readonly lack: Lack }[] {
    return this.trials.flatMap((trial) => {
      if (trial.phase !== 'idle' || trial.status !== 'PENDING') return [];
      const lack = this.#capacity.lackOf(trial.resources);
      return lack === undefined ? [] : [{ trial, lack }];
    });
  }

  /** How much of each resource trials use. */
  get resourceUse(): Capacity['use'] {
    return this.#capacity.use;
  }

  /**
   * Takes up what an earlier process has recorded, before `start`, which gives what has to be done. What that process had decided and
   * not carried out is carried out now.
   *
   * @throws what schedulers, stoppers and searchers throw
   */
  restore(events: readonly ExperimentEvent[], options: RestoreOptions): void {
    const { decided, exploited, unfits, isOver } = replay(events, {
      setup: this.#setup,
      experiment: this.experiment,
      proposals: this.#proposals,
      control: this.#control,
      wishes: this.#wishes,
      configOf: options.configOf,
      add: (trial) => this.#table.add(trial),
      apply: (trial, event) => this.#apply(trial, event),
      tellSearcher: (trial) => this.#proposals.tell(trial, toldOf(trial)),
    });
    this.#live = this.trials.filter((trial) => !trial.hasEnded).length;
    this.#remade = this.trials.filter(isRemade).length;
    this.#proposals.skipPoints(this.trials.length - this.#remade);
    for (const trial of this.trials) {
      if (trial.hasEnded) continue;
      this.#dropLost(trial, options);
      if (!exploited.has(trial)) goOnFromLatest(trial);
    }
    this.#carryOutWishes();
    for (const [trial, what] of decided) this.#carryOutDecided(trial, what, options);
    for (const trial of this.trials) {
      if (trial.status === 'RUNNING') this.#requeue(trial, null);
      const unfit = trial.hasEnded
        ? undefined
        : (unfits.get(trial) ?? this.#setup.infeasible(trial.resources));
      if (unfit !== undefined) this.#fail(trial, unfit);
    }
    const failed = this.#table.failedForGood();
    if (options.ofErrors === 'nothing') this.#errors = failed.length;
    else for (const trial of failed) this.#remake(trial, options.ofErrors === 'withCheckpoint');
    const hasTooManyErrors = this.#errors > 0 && this.#errors >= this.#setup.maxErrors;
    if (isOver || hasTooManyErrors) this.#stopAll('experiment');
    if (this.#setup.isDrivenByHand) {
      this.#toAskAgain = this.trials.filter((trial) => !trial.hasEnded);
      this.#instructions = [];
    }
  }

  /** Everything begins. */
  start(): Instruction[] {
    return this.#step(() => undefined);
  }

  /** A trial that runs has reported. */
  reported(trial: Trial, report: TrialReport): Instruction[] {
    return this.#step(() => {
      try {
        this.#report(trial, report);
      } catch (error) {
        // The trial waits for an answer, and would until it is killed.
        const { attempt } = report;
        this.#say({ kind: 'answer', trial, attempt, report: report.report, reason: 'interrupted' });
        throw error;
      }
    });
  }

  /** A run has ended, however. */
  ended(trial: Trial, end: TrialEnd): Instruction[] {
    if (end.attempt !== trial.attempt || trial.phase === 'idle') return [];
    return this.#step(() => this.#endRun(trial, end));
  }

  /**
   * A run has ended because nothing can be written any more: the experiment is broken off, and nothing is recorded of it, so that
   * another process takes the trial up where it was.
   */
  lost(trial: Trial, attempt: number, error: unknown): Instruction[] {
    if (attempt !== trial.attempt || trial.phase === 'idle') return [];
    return this.#step(() => {
      trial.phase = 'idle';
      trial.isToSave = false;
      this.#capacity.giveBack(trial.resources);
      throw error;
    });
  }

  /** A trial has run for longer than `trialTimeoutMs`. */
  timedOut(trial: Trial, attempt: number): Instruction[] {
    if (attempt !== trial.attempt || trial.phase !== 'running') return [];
    const timeoutMs = this.#setup.trialTimeoutMs;
    const error = new TrialTimeoutError('', { timeoutMs });
    return this.#step(() => {
      trial.record.durationMs = Math.max(trial.record.durationMs, timeoutMs);
      this.#fail(trial, finalError(error));
      this.#leave(trial, 'experiment');
    });
  }

  /** Nothing new begins, and all trials that run end: the time is over. */
  timeBudgetOver(): Instruction[] {
    return this.#step(() => this.#stopAll('timeBudget'));
  }

  /** Everything stops where it is, to be taken up by another process. */
  interrupt(): Instruction[] {
    return this.#step(() => this.#endWith({ kind: 'interrupted' }));
  }

  /**
   * For `Study`: the next trial, which its caller runs. Those that an earlier process has left come first.
   *
   * @throws SpaceError, and what a searcher throws
   */
  next(): NextTrial {
    // The end of a trial may have been what a stopper has waited for.
    if (this.trials.length > 0 && this.#setup.stopper.stopAll()) this.#stopAll('experiment');
    const again = this.#end === undefined ? this.#toAskAgain.shift() : undefined;
    const next: NextTrial = again === undefined ? this.#create() : { trial: again };
    if ('trial' in next) this.#begin(next.trial);
    // Nobody runs them but the caller.
    this.#instructions = [];
    return next;
  }

  /** For `Study`: somebody has ended a trial as the scheduler would have. */
  prune(trial: Trial): void {
    this.#step(() => this.#stopTrial(trial, 'scheduler'));
  }

  /** For `Study`: one more config to try before those of the searcher. @throws InvalidArgumentError */
  enqueue(config: unknown, call: string): void {
    this.#proposals.enqueue(config, call);
  }

  /** For `Study`: the searcher's opinion. */
  score(config: unknown): ReturnType<NonNullable<Searcher['score']>> {
    return this.#setup.searcher.score?.(config);
  }

  /** One event, what follows from it, and what has to be done then. */
  #step(event: () => void): Instruction[] {
    try {
      event();
    } catch (error) {
      if (this.#setup.isDrivenByHand) throw error;
      // A scheduler, a stopper or a searcher has thrown, or nothing can be recorded any more.
      this.#endWith({ kind: 'broken', error });
    }
    this.#fill();
    return this.#taken();
  }

  #taken(): Instruction[] {
    const instructions = this.#instructions;
    this.#instructions = [];
    return instructions;
  }

  #say(instruction: Instruction): void {
    this.#instructions.push(instruction);
  }

  #tell(name: CallbackEvent['name'], trial: Trial, more: Partial<CallbackEvent> = {}): void {
    this.#say({ kind: 'callback', event: { name, trial, ...more } });
  }

  #record(event: ExperimentEvent, trial?: Trial): void {
    this.#setup.record(event);
    if (trial === undefined) applyEvent(this.experiment, event);
    else if (isTrialEvent(event)) this.#apply(trial, event);
  }

  #apply(trial: Trial, event: TrialEvent): void {
    applyToTrial(trial.record, event);
    this.#table.statusChanged(trial);
  }

  // New trials, and which run.

  /** Starts trials while there is room, and sees when all is over (CT-4). */
  #fill(): void {
    if (this.#isFinished || this.#setup.isDrivenByHand) return;
    try {
      this.#populate();
      while (this.#end === undefined && this.#capacity.hasPlace && this.#startOne());
    } catch (error) {
      // The searcher's or the scheduler's own, or no config was found: there is no way to go on.
      this.#endWith({ kind: 'broken', error });
    }
    if (this.#capacity.running > 0) return;
    if (this.#end === undefined && this.#live > 0) this.#settle();
    this.#finish();
  }

  /** A scheduler that compares all trials with each other has them all, before one runs. */
  #populate(): void {
    if (this.#setup.scheduler.needsAllTrials !== true || this.#total === Infinity) return;
    while ('trial' in this.#create());
  }

  /** Nothing runs, and nothing was started: what is left waits for a decision that never comes, and ends as in Ray. */
  #settle(): void {
    for (const trial of this.trials) this.#stopTrial(trial, 'scheduler');
  }

  #finish(): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#say({ kind: 'finish', end: this.#end ?? { kind: 'complete' } });
  }

  #finishWith(end: ExperimentEnd): void {
    this.#end ??= end;
    this.#isExhausted = true;
  }

  /** Trials that run are told to leave, and can be taken up by another process. */
  #endWith(end: ExperimentEnd): void {
    this.#finishWith(end);
    for (const trial of this.trials) this.#leave(trial, 'interrupted');
  }

  /** False if there is nothing to start now. */
  #startOne(): boolean {
    // The end of a trial may have been what a stopper has waited for.
    if (this.#setup.stopper.stopAll()) {
      this.#stopAll('experiment');
      return false;
    }
    // A scheduler chooses among those that there are: there has to be a new one to choose.
    this.#createPending();
    const id: unknown = this.#setup.scheduler.chooseTrialToRun(this.#control);
    this.#carryOutWishes();
    if (id === undefined || id === null) return this.#widenChoice();
    const trial = this.#trialOf(id, 'the scheduler', 'what chooseTrialToRun() returned');
    if (trial.phase !== 'idle' || trial.hasEnded) return false;
    if (this.#isInExploit(trial)) return false;
    if (this.#capacity.lackOf(trial.resources) !== undefined) return false;
    this.#run(trial);
    return true;
  }

  /** Sees that there is one that could run, if one is to be had: what can never run has ended at once, and takes no place. */
  #createPending(): void {
    for (let tries = 0; tries < TRIES_MAX && !this.#table.hasPending(); tries++) {
      if ('none' in this.#create()) return;
    }
  }

  /** The scheduler wants none of those that there are. Only if nothing runs that could change its mind it gets one more. */
  #widenChoice(): boolean {
    if (this.#capacity.running > 0) return false;
    return 'trial' in this.#create();
  }

  #create(): NextTrial {
    const place = this.trials.length - this.#remade;
    if (this.#isExhausted || this.#end !== undefined) return { none: 'done' };
    if (place >= this.#total) {
      this.#isExhausted = true;
      return { none: 'done' };
    }
    const number = this.#nextNumber();
    const id = idOf(number);
    const proposal = this.#proposals.next({ number, id, place });
    if (proposal === 'wait') {
      if (this.#live > 0) return { none: 'wait' };
      throw new SearchExhaustedError(
        'the searcher waits for results, and no trial is left that could have one',
        { waiting: true },
      );
    }
    if (proposal === 'done') {
      this.#isExhausted = true;
      return { none: 'done' };
    }
    const { config, repeatIndex } = proposal;
    const values = proposal.values.map((value) => (Number.isNaN(value) ? null : value));
    return { trial: this.#begun({ number, id, config, values, repeatIndex, source: null }) };
  }

  /** A trial is there, and PENDING. */
  #begun(header: TrialHeader): Trial {
    const record = newTrial(header);
    const { resources, error } = resourcesFor(this.#setup, header.config);
    const trial = new Trial(record, resources);
    // What can't be kept has not begun.
    this.#setup.record({ kind: 'trial', trial: header, at: this.#setup.now() });
    this.#table.add(trial);
    this.experiment.trials.push(record);
    this.#live++;
    this.#setup.scheduler.onTrialAdd?.(trial, this.#control);
    if (error !== undefined) this.#fail(trial, error);
    return trial;
  }

  #nextNumber(): number {
    const inOrder = (this.trials.at(-1)?.number ?? -1) + 1;
    return Math.max(inOrder, this.#setup.nextNumber?.() ?? 0);
  }

  #run(trial: Trial): void {
    this.#begin(trial);
    const { startFrom: checkpoint } = trial;
    this.#say({
      kind: 'run',
      trial,
      attempt: trial.attempt,
      checkpoint,
      iteration: trial.iterationBefore,
    });
    this.#tell('onTrialStart', trial);
    if (checkpoint !== null) this.#tell('onTrialRestore', trial, { checkpoint });
  }

  #begin(trial: Trial): void {
    const iteration = trial.startFrom?.iteration ?? 0;
    this.#record({ kind: 'start', number: trial.number, iteration, at: this.#setup.now() }, trial);
    trial.phase = 'running';
    trial.attempt++;
    trial.decided = 0;
    trial.reason = undefined;
    trial.iterationBefore = iteration;
    trial.timeBefore = trial.startTime;
    this.#capacity.take(trial.resources);
  }

  // What trials say.

  #report(trial: Trial, given: TrialReport): void {
    const { attempt, report } = given;
    if (attempt !== trial.attempt || trial.phase === 'idle') return;
    if (trial.phase === 'leaving') {
      // Another process goes on from here: what it is told then it decides about then.
      if (trial.reason === 'interrupted' && report > trial.decided) this.#keepReport(trial, given);
      this.#say({ kind: 'answer', trial, attempt, report, reason: trial.reason ?? 'experiment' });
      return;
    }
    if (report <= trial.decided) {
      // It has asked before, and the answer was lost on its way.
      this.#say({ kind: 'answer', trial, attempt, report, reason: null });
      return;
    }
    const metrics = this.#keepReport(trial, given);
    const wrong = wrongMetric(this.#setup.header.metrics, metrics);
    if (wrong === undefined) this.#decide(trial, metrics);
    else {
      this.#fail(trial, finalError(wrong));
      this.#leave(trial, 'experiment');
    }
    this.#tell('onTrialResult', trial, { result: metrics });
    this.#say({ kind: 'answer', trial, attempt, report, reason: trial.reason ?? null });
  }

  /** A report is in the record, and its checkpoint. */
  #keepReport(trial: Trial, given: TrialReport): ReportedMetrics {
    trial.decided = given.report;
    const metrics = rowOf(trial, given);
    const checkpoint = given.checkpoint
      ? checkpointOf(trial, metrics.trainingIteration, this.experiment)
      : null;
    this.#record(
      {
        kind: 'report',
        number: trial.number,
        metrics,
        checkpoint,
        violations: violationsOf(this.#setup.outcomeConstraints, metrics),
      },
      trial,
    );
    if (checkpoint !== null) this.#keep(trial, checkpoint);
    return metrics;
  }

  #keep(trial: Trial, checkpoint: CheckpointRecord): void {
    this.#tell('onTrialSave', trial, { checkpoint });
    this.#tell('onCheckpoint', trial, { checkpoint });
    const dropped = droppedCheckpoints(trial.record, this.#setup.checkpoints);
    if (dropped.length === 0) return;
    const iterations = dropped.map(({ iteration }) => iteration);
    this.#record({ kind: 'dropped', number: trial.number, iterations }, trial);
    this.#say({ kind: 'drop', trial, checkpoints: dropped });
  }

  #decide(trial: Trial, metrics: ReportedMetrics): void {
    const { stopper, scheduler } = this.#setup;
    const isStopped = stopper.onResult(trial.id, metrics);
    const isAllStopped = stopper.stopAll();
    const decision = isStopped
      ? 'CONTINUE'
      : scheduler.onTrialResult(trial, metrics, this.#control);
    if (!DECISIONS.has(decision)) {
      const place = { call: 'the scheduler', name: 'its answer to a report' };
      throw invalid(place, decision, "'CONTINUE', 'PAUSE', 'STOP', and no promise");
    }
    if (hasMetrics(this.#setup.header.metrics, metrics)) this.#proposals.report(trial, metrics);
    this.#carryOutWishes();
    // A wish of the scheduler may have ended this very trial.
    if (trial.phase === 'running') {
      if (isStopped) this.#terminateRunning(trial, 'stopper');
      else if (decision === 'STOP') this.#terminateRunning(trial, 'scheduler');
      // One that has come to its end by itself has nothing to go on with later.
      else if (!metrics.done) this.#interruptRun(trial, decision === 'PAUSE');
    }
    if (isAllStopped) {
      this.#stopTrial(trial, 'experiment');
      this.#stopAll('experiment');
    }
  }

  /** It may have to leave at this report, and goes on later from its state. */
  #interruptRun(trial: Trial, isPaused: boolean): void {
    if (isPaused) this.#pause(trial);
    // It goes on from the same state at once.
    else if (trial.isToSave) this.#leave(trial, 'paused');
    else if (trial.nextResources !== undefined && this.#hasStateOfReport(trial)) {
      this.#leave(trial, 'resources');
    }
  }

  #endRun(trial: Trial, end: TrialEnd): void {
    const { phase } = trial;
    trial.phase = 'idle';
    trial.isToSave = false;
    this.#capacity.giveBack(trial.resources);
    if (end.saved !== null) this.#save(trial, end.saved);
    // Its state goes to others before it takes over one itself.
    for (const taker of this.#takers) {
      if (taker.exploit?.source === trial && taker !== trial) this.#takeOverIfSaved(taker);
    }
    if (phase === 'leaving') this.#afterLeaving(trial);
    else if (end.error !== null) {
      trial.record.durationMs = runTimeOf(trial, end.elapsedMs);
      this.#fail(trial, end.error);
    } else this.#endByItself(trial, trial.timeBefore + end.elapsedMs);
  }

  #save(trial: Trial, iteration: number): void {
    const checkpoint = checkpointOf(trial, iteration, this.experiment);
    this.#record({ kind: 'checkpoint', number: trial.number, checkpoint }, trial);
    this.#keep(trial, checkpoint);
  }

  #endByItself(trial: Trial, durationMs: number): void {
    trial.record.durationMs = durationMs;
    const missing = missingMetric(this.#setup.header.metrics, trial.record.history);
    if (missing === undefined) this.#terminate(trial, 'finished');
    else this.#fail(trial, finalError(missing));
  }

  /** It was told to end, and has: whatever it did since then does not count. */
  #afterLeaving(trial: Trial): void {
    if (trial.hasEnded) {
      this.#takeOverIfSaved(trial);
      return;
    }
    goOnFromLatest(trial);
    trial.resources = trial.nextResources ?? trial.resources;
    trial.nextResources = undefined;
    this.#takeOverIfSaved(trial);
    if (trial.status !== 'PAUSED') this.#requeue(trial, null);
  }

  // How trials end, pause and change.

  #terminate(
    trial: Trial,
    stopReason: StopReason,
    wasRunning = trial.phase === 'running' || stopReason === 'finished',
  ): void {
    const { number } = trial;
    const { scheduler, stopper } = this.#setup;
    this.#record(
      {
        kind: 'end',
        number,
        status: 'TERMINATED',
        stopReason,
        error: null,
        at: this.#setup.now(),
        durationMs: trial.record.durationMs,
      },
      trial,
    );
    this.#live--;
    const { history } = trial.record;
    if (history.length > 0) stopper.onTrialComplete(trial.id, history.at(-1)!);
    if (!wasRunning) scheduler.onTrialRemove?.(trial, this.#control);
    else if (stopReason !== 'timeBudget' && stopReason !== 'experiment') {
      scheduler.onTrialComplete?.(trial, trial.metrics as ReportedMetrics, this.#control);
    }
    this.#proposals.tell(trial, toldOf(trial));
    this.#carryOutWishes();
    this.#tell('onTrialComplete', trial);
  }

  #terminateRunning(trial: Trial, stopReason: StopReason): void {
    this.#terminate(trial, stopReason);
    this.#leave(trial, stopReason);
  }

  /** It has failed: it is tried again, or has ended. */
  #fail(trial: Trial, error: TrialError): void {
    const { maxFailures } = this.#setup;
    const record: ErrorRecord = {
      name: error.name,
      message: error.message,
      code: error.code,
      stack: error.stack,
    };
    if (!error.isFinal && trial.record.failures < maxFailures && this.#end === undefined) {
      goOnAfterFailure(trial);
      this.#requeue(trial, record);
      this.#tell('onTrialRecover', trial, { error: record });
      return;
    }
    this.#record(
      {
        kind: 'end',
        number: trial.number,
        status: 'ERROR',
        stopReason: null,
        error: record,
        at: this.#setup.now(),
        durationMs: trial.record.durationMs,
      },
      trial,
    );
    this.#live--;
    this.#errors++;
    trial.failure = error.original;
    this.#setup.scheduler.onTrialError?.(trial, this.#control);
    this.#proposals.tell(trial, toldOf(trial));
    this.#carryOutWishes();
    this.#tell('onTrialError', trial, { error: record });
    if (this.#setup.failFast) {
      this.#finishWith({ kind: 'failed', trial });
      this.#stopAll('experiment');
    } else if (this.#errors >= this.#setup.maxErrors) this.#stopAll('experiment');
  }

  #requeue(trial: Trial, error: ErrorRecord | null): void {
    this.#record({ kind: 'requeue', number: trial.number, error, at: this.#setup.now() }, trial);
  }

  #pause(trial: Trial): void {
    this.#record({ kind: 'pause', number: trial.number, at: this.#setup.now() }, trial);
    this.#leave(trial, 'paused');
  }

  /** Its run is to end: the answer to its report says so, or its signal. */
  #leave(trial: Trial, reason: TrialEndReason): void {
    if (trial.phase !== 'running') return;
    trial.phase = 'leaving';
    trial.reason = reason;
    this.#say({ kind: 'interrupt', trial, attempt: trial.attempt, reason });
  }

  #stopTrial(trial: Trial, reason: StopReason): void {
    if (trial.hasEnded) return;
    if (trial.phase === 'running') this.#terminateRunning(trial, reason);
    else this.#terminate(trial, reason);
  }

  #stopAll(reason: StopReason): void {
    this.#finishWith({ kind: 'complete' });
    // Whoever works on trials of a study can't be told, and what comes of them counts.
    if (this.#setup.isDrivenByHand) return;
    for (const trial of this.trials) this.#stopTrial(trial, reason);
  }

  #exploit(trial: Trial, source: Trial, config: unknown): void {
    if (trial.hasEnded) return;
    trial.exploit = { source, config };
    this.#takers.add(trial);
    this.#leave(trial, 'exploited');
    source.isToSave = source.phase === 'running' && this.#canSave(source);
    this.#takeOverIfSaved(trial);
  }

  /** Its latest state is not saved yet, and will be when it leaves. */
  #canSave(trial: Trial): boolean {
    if (!this.#setup.savesOnLeaving || trial.phase === 'idle' || trial.hasEnded) return false;
    return (trial.latestCheckpoint?.iteration ?? 0) < trial.iteration;
  }

  /** It waits for another one's state, or another one for its: neither may change before that is done. */
  #isInExploit(trial: Trial): boolean {
    if (this.#takers.has(trial)) return true;
    for (const { exploit } of this.#takers) if (exploit?.source === trial) return true;
    return false;
  }

  #takeOverIfSaved(trial: Trial): void {
    const { exploit } = trial;
    if (exploit === undefined || trial.phase !== 'idle') return;
    const { source, config } = exploit;
    if (source.isToSave || (source.phase === 'leaving' && this.#canSave(source))) return;
    trial.exploit = undefined;
    this.#takers.delete(trial);
    if (!trial.hasEnded) this.#takeOver(trial, source, config);
  }

  #takeOver(trial: Trial, source: Trial, config: unknown): void {
    const from = source.latestCheckpoint;
    // It could not be saved after all: there is nothing to go on from.
    if (from === null && hasBegun(trial)) return;
    const { number } = trial;
    const values = valuesIn(this.#setup.space, config);
    const exploit = { kind: 'exploit', number, source: source.number, config, values } as const;
    if (from === null) {
      this.#record({ ...exploit, checkpoint: null }, trial);
      return;
    }
    const checkpoint = checkpointOf(trial, from.iteration, this.experiment);
    const own = trial.record.checkpoints.filter(({ iteration }) => iteration !== from.iteration);
    if (source !== trial) {
      this.#say({ kind: 'adopt', trial, from: { trial: source, checkpoint: from }, checkpoint });
    }
    this.#record({ ...exploit, checkpoint }, trial);
    if (own.length > 0) this.#say({ kind: 'drop', trial, checkpoints: own });
    trial.startFrom = checkpoint;
    trial.startTime = timeAt(source, from.iteration);
  }

  #setResources(trial: Trial, resources: TrialResources): void {
    const infeasible = this.#setup.infeasible(resources);
    if (infeasible !== undefined || trial.hasEnded) return;
    this.#record({ kind: 'resources', number: trial.number, resources }, trial);
    if (trial.phase === 'idle') trial.resources = resources;
    else trial.nextResources = resources;
  }

  /** If it leaves at this report, nothing of it is lost. */
  #hasStateOfReport(trial: Trial): boolean {
    return this.#setup.savesOnLeaving || trial.latestCheckpoint?.iteration === trial.iteration;
  }

  /** A trial that a scheduler names. @throws InvalidArgumentError */
  #trialOf(id: unknown, call: string, name = 'id'): Trial {
    const trial = this.#table.get(id as string);
    if (trial !== undefined) return trial;
    throw invalid({ call, name }, id, "the id of a trial, such as '00042'");
  }

  #wishExploit(id: string, fromId: string, config: unknown): boolean {
    const call = 'exploit()';
    const [trial, source] = [this.#trialOf(id, call), this.#trialOf(fromId, call, 'fromId')];
    letGo(config);
    if (!isPlainObject(config)) throw invalid({ call, name: 'config' }, config, 'a config');
    if (trial.hasEnded) return false;
    const hasState =
      trial === source
        ? !hasBegun(trial) || this.#hasStateOfReport(trial)
        : source.latestCheckpoint !== null || this.#canSave(source);
    if (hasState) this.#wishes.push({ kind: 'exploit', trial, source, config });
    return hasState;
  }

  #carryOutWishes(): void {
    for (let wish = this.#wishes.shift(); wish !== undefined; wish = this.#wishes.shift()) {
      switch (wish.kind) {
        case 'stop':
          this.#stopTrial(wish.trial, 'scheduler');
          break;
        case 'exploit':
          this.#exploit(wish.trial, wish.source, wish.config);
          break;
        case 'resources':
          this.#setResources(wish.trial, wish.resources);
          break;
      }
    }
  }

  // Taking up an earlier process's work.

  /** What was saved and is not there any more is not gone on from. */
  #dropLost(trial: Trial, { isLost }: RestoreOptions): void {
    const lost = trial.record.checkpoints.filter((checkpoint) => isLost(trial, checkpoint));
    if (lost.length === 0) return;
    const iterations = lost.map(({ iteration }) => iteration);
    this.#record({ kind: 'dropped', number: trial.number, iterations }, trial);
  }

  /** What had been decided about a trial's last report when the process died. */
  #carryOutDecided(trial: Trial, decided: Decided, { savesAtEnd }: RestoreOptions): void {
    if (trial.status !== 'RUNNING') return;
    switch (decided.kind) {
      case 'stop':
        this.#terminate(trial, decided.reason, true);
        break;
      case 'pause':
        this.#record({ kind: 'pause', number: trial.number, at: this.#setup.now() }, trial);
        break;
      case 'fail':
        this.#fail(trial, finalError(decided.error));
        break;
      case 'finish': {
        // Without the state that it was about to save it has to come to its end again.
        const hasSaved = trial.latestCheckpoint?.iteration === trial.iteration;
        if (!savesAtEnd || hasSaved) this.#endByItself(trial, trial.record.durationMs);
        break;
      }
    }
  }

  /** A new trial with the config of one that has failed. */
  #remake(failed: Trial, withCheckpoint: boolean): void {
    const number = this.#nextNumber();
    const { config } = failed;
    const { values } = failed.record;
    const source = failed.number;
    this.#remade++;
    const trial = this.#begun({
      number,
      id: idOf(number),
      config,
      values,
      repeatIndex: null,
      source,
    });
    this.#proposals.observe(trial, config);
    const from = failed.latestCheckpoint;
    if (!withCheckpoint || from === null || trial.hasEnded) return;
    const checkpoint = checkpointOf(trial, from.iteration, this.experiment);
    this.#say({ kind: 'adopt', trial, from: { trial: failed, checkpoint: from }, checkpoint });
    this.#record({ kind: 'checkpoint', number, checkpoint }, trial);
    trial.startFrom = checkpoint;
    trial.startTime = timeAt(failed, from.iteration);
  }
}

/** Ours answer at once; those of users may be asynchronous by mistake. */
function withAnswersAtOnce(setup: ControllerSetup): ControllerSetup {
  const { scheduler, searcher } = setup;
  return {
    ...setup,
    scheduler:
      scheduler.description === undefined ? answeringAtOnce(scheduler, 'the scheduler') : scheduler,
    searcher:
      searcher.description === undefined ? answeringAtOnce(searcher, 'the searcher') : searcher,
  };
}

/** Five digits or more. */
function idOf(number: number): string {
  return String(number).padStart(5, '0');
}

function isRemade({ record }: Trial): boolean {
  return record.header.source !== null;
}
