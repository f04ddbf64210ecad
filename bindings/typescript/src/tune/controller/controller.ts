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

import {
  MetricError,
  SearchExhaustedError,
  type TrialEndReason,
  TrialTimeoutError,
} from '../errors.ts';
import type {
  CheckpointRecord,
  ErrorRecord,
  ExperimentEvent,
  ExperimentHeader,
} from '../experiment/events.ts';
import {
  type ExperimentRecord,
  applyEvent,
  applyToTrial,
  newExperiment,
  newTrial,
} from '../experiment/record.ts';
import { RESERVED_METRICS, leavesOf, metricAt } from '../metrics.ts';
import type { Scheduler, SchedulerControl } from '../schedulers/scheduler.ts';
import type { Searcher } from '../search/searcher.ts';
import type { Space } from '../space/space.ts';
import type { ActiveStopper } from '../stoppers/stopper.ts';
import type { ReportedMetrics, StopReason, TrialResources } from '../types.ts';
import { Capacity, type Lack, type Quantities } from './capacity.ts';
import type {
  CallbackEvent,
  ExperimentEnd,
  Instruction,
  TrialEnd,
  TrialError,
  TrialReport,
} from './instructions.ts';
import type { CheckpointRanking } from '../results/kept-checkpoints.ts';
import { droppedCheckpoints } from './kept-checkpoints.ts';
import { Proposals } from './proposals.ts';
import { Trial } from './trial.ts';

/** Bounds of a metric that configs have to keep to be good. */
export interface OutcomeBound {
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

/** What an experiment is run with: all checked and completed. */
export interface ControllerSetup {
  readonly header: ExperimentHeader;
  readonly space: Space;
  readonly searcher: Searcher;
  readonly scheduler: Scheduler;
  readonly stopper: ActiveStopper;
  /** Samples; the grid is multiplied by the searcher. */
  readonly numSamples: number;
  readonly capacity: Quantities;
  readonly maxConcurrent: number;
  readonly deterministic: boolean;
  readonly resources: (config: unknown) => TrialResources;
  /** An error if a trial with these resources could never run. */
  readonly infeasible: (resources: TrialResources) => TrialError | undefined;
  readonly maxFailures: number;
  readonly maxErrors: number;
  readonly failFast: boolean;
  readonly trialTimeoutMs: number;
  /** Trials that are told to leave, and go on later, save their state: those of classes. */
  readonly savesOnLeaving: boolean;
  readonly checkpoints: CheckpointRanking;
  readonly pointsToEvaluate: readonly unknown[];
  readonly knownResults: readonly { readonly config: unknown; readonly metrics: ReportedMetrics }[];
  readonly parameterConstraints: readonly ((config: never) => boolean)[];
  readonly outcomeConstraints: ReadonlyMap<string, OutcomeBound>;
  /** Keeps an event for good; called before anybody else may see it (CT-1). */
  readonly record: (event: ExperimentEvent) => void;
  /** Milliseconds since 1970, for what is recorded; nothing is decided by it. */
  readonly now: () => number;
  /** The number of the next trial, for journals that others write to as well; null: the next one in order. */
  readonly nextNumber: (() => number) | null;
  /** Trials begin when `next` is called, and not by themselves; what is thrown by others is thrown on. */
  readonly isDrivenByHand: boolean;
}

/** Whether a trial could be made when somebody asked for one. */
export type NextTrial = { readonly trial: Trial } | { readonly none: 'wait' | 'done' };

/** See the file. */
export class Controller {
  readonly experiment: ExperimentRecord;
  readonly trials: Trial[] = [];
  readonly #setup: ControllerSetup;
  readonly #capacity: Capacity;
  readonly #proposals: Proposals;
  readonly #control: SchedulerControl;
  readonly #byId = new Map<string, Trial>();
  readonly #total: number;
  #instructions: Instruction[] = [];
  /** What a scheduler has asked for about other trials, to be done when it has returned. */
  #wishes: (() => void)[] = [];
  /** Those that are to take over another one's state, and wait for it. */
  readonly #takers = new Set<Trial>();
  #live = 0;
  #errors = 0;
  #isExhausted = false;
  /** Set when no new trial begins any more, and those that run are told to end. */
  #end: ExperimentEnd | undefined;
  #isFinished = false;

  constructor(setup: ControllerSetup) {
    this.#setup = setup;
    this.experiment = newExperiment(setup.header);
    this.#capacity = new Capacity(setup.capacity, setup.maxConcurrent);
    const { metrics, modes, seed } = setup.header;
    setup.searcher.setup({
      // Not those of the header, which are data: branches have domains in them.
      parameters: setup.space.parameters,
      metrics: metrics.map((name, index) => ({ name, mode: modes[index]! })),
      seed,
    });
    const [metric, mode] = metrics.length === 1 ? [metrics[0], modes[0]] : [undefined, undefined];
    setup.scheduler.setup?.({ metric, mode, seed });
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
    const hasAllTrials = (): boolean => this.#isExhausted || this.trials.length >= this.#total;
    this.#control = {
      trials: this.trials,
      get hasAllTrials() {
        return hasAllTrials();
      },
      stop: (id) => this.#wish(id, (trial) => this.#stopTrial(trial, 'scheduler')),
      exploit: (id, fromId, config) => {
        const [trial, source] = [this.#byId.get(id), this.#byId.get(fromId)];
        if (trial === undefined || source === undefined || trial.hasEnded) return false;
        const hasState =
          trial === source
            ? !hasBegun(trial) || this.#hasStateOfReport(trial)
            : source.latestCheckpoint !== null || this.#canSave(source);
        if (!hasState) return false;
        this.#wish(id, () => this.#exploit(trial, source, config));
        return true;
      },
      setResources: (id, resources) =>
        this.#wish(id, (trial) => this.#setResources(trial, resources)),
    };
    this.#tellKnown();
  }

  /** How many trials there will be; Infinity if nobody knows. */
  get total(): number {
    return this.#total;
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

  /** Takes up what an earlier process has recorded, before `start`. */
  restore(earlier: ExperimentRecord): void {
    for (const record of earlier.trials) {
      this.experiment.trials.push(record);
      const trial = this.#add(
        new Trial(record, record.resources ?? this.#setup.resources(record.config)),
      );
      if (!trial.hasEnded) this.#live++;
      if (trial.status === 'ERROR') this.#errors++;
      this.#setup.scheduler.onTrialAdd?.(trial, this.#control);
      const { number, id, repeatIndex } = record.header;
      const asked = { number, id, ...(repeatIndex === null ? {} : { repeatIndex }) };
      this.#proposals.observe(asked, trial.config);
    }
    this.#proposals.skipPoints(earlier.trials.length);
    this.#replay();
    this.#wishes = [];
    for (const trial of this.trials) {
      if (trial.status === 'RUNNING') this.#requeue(trial, null);
      if (!trial.hasEnded) goOnFromLatest(trial);
    }
  }

  /** Everything begins. */
  start(): Instruction[] {
    return this.#step(() => undefined);
  }

  /** A trial that runs has reported. */
  reported(trial: Trial, report: TrialReport): Instruction[] {
    return this.#step(() => this.#report(trial, report));
  }

  /** A run has ended, however. */
  ended(trial: Trial, end: TrialEnd): Instruction[] {
    if (end.attempt !== trial.attempt || trial.phase === 'idle') return [];
    return this.#step(() => this.#endRun(trial, end));
  }

  /** A trial has run for longer than `trialTimeoutMs`. */
  timedOut(trial: Trial, attempt: number): Instruction[] {
    if (attempt !== trial.attempt || trial.phase !== 'running') return [];
    const timeoutMs = this.#setup.trialTimeoutMs;
    const error = new TrialTimeoutError('', { timeoutMs });
    return this.#step(() => {
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

  /** For `Study`: the next trial, which its caller runs. @throws SpaceError, and what a searcher throws */
  next(): NextTrial {
    const next = this.#create();
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
    else if (isOfTrial(event)) applyToTrial(trial.record, event);
  }

  #add(trial: Trial): Trial {
    this.trials.push(trial);
    this.#byId.set(trial.id, trial);
    return trial;
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
    if (!this.#hasPending()) this.#create();
    const id = this.#setup.scheduler.chooseTrialToRun(this.#control);
    this.#carryOutWishes();
    if (id === undefined) return this.#widenChoice();
    const trial = this.#byId.get(id);
    if (trial === undefined || trial.phase !== 'idle' || trial.hasEnded) return false;
    if (this.#isInExploit(trial)) return false;
    if (this.#capacity.lackOf(trial.resources) !== undefined) return false;
    this.#run(trial);
    return true;
  }

  /** The scheduler wants none of those that there are. Only if nothing runs that could change its mind it gets one more. */
  #widenChoice(): boolean {
    if (this.#capacity.running > 0) return false;
    return 'trial' in this.#create();
  }

  #hasPending(): boolean {
    // Those that could run are among the last ones, but for the few that failed or were paused.
    for (let at = this.trials.length - 1; at >= this.#firstLive(); at--) {
      const trial = this.trials[at]!;
      if (trial.status === 'PENDING' && trial.phase === 'idle') return true;
    }
    return false;
  }

  #firstLivePlace = 0;

  #firstLive(): number {
    while (this.trials[this.#firstLivePlace]?.hasEnded === true) this.#firstLivePlace++;
    return this.#firstLivePlace;
  }

  #create(): NextTrial {
    const { length } = this.trials;
    if (this.#isExhausted || this.#end !== undefined) return { none: 'done' };
    if (length >= this.#total) {
      this.#isExhausted = true;
      return { none: 'done' };
    }
    const number = this.#nextNumber();
    const id = String(number).padStart(5, '0');
    const proposal = this.#proposals.next({ number, id });
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
    const header = { number, id, config, values, repeatIndex, source: null };
    const record = newTrial(header);
    const trial = this.#add(new Trial(record, this.#setup.resources(config)));
    this.experiment.trials.push(record);
    this.#live++;
    this.#setup.record({ kind: 'trial', trial: header, at: this.#setup.now() });
    this.#setup.scheduler.onTrialAdd?.(trial, this.#control);
    const infeasible = this.#setup.infeasible(trial.resources);
    if (infeasible !== undefined) this.#fail(trial, infeasible);
    return { trial };
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
    if (checkpoint === null) this.#tell('onTrialStart', trial);
    else this.#tell('onTrialRestore', trial, { checkpoint });
  }

  #begin(trial: Trial): void {
    const iteration = trial.startFrom?.iteration ?? 0;
    trial.phase = 'running';
    trial.attempt++;
    trial.decided = 0;
    trial.reason = undefined;
    trial.iterationBefore = iteration;
    trial.timeBefore = trial.startTime;
    this.#capacity.take(trial.resources);
    this.#record({ kind: 'start', number: trial.number, iteration, at: this.#setup.now() }, trial);
  }

  // What trials say.

  #report(trial: Trial, given: TrialReport): void {
    const { attempt, report } = given;
    if (attempt !== trial.attempt || trial.phase === 'idle') return;
    if (trial.phase === 'leaving') {
      this.#say({ kind: 'answer', trial, attempt, report, reason: trial.reason ?? 'experiment' });
      return;
    }
    if (report <= trial.decided) {
      // It has asked before, and the answer was lost on its way.
      this.#say({ kind: 'answer', trial, attempt, report, reason: null });
      return;
    }
    trial.decided = report;
    const metrics = this.#rowOf(trial, given);
    const checkpoint = given.checkpoint
      ? checkpointOf(trial, metrics.trainingIteration, this.experiment)
      : null;
    this.#record(
      {
        kind: 'report',
        number: trial.number,
        metrics,
        checkpoint,
        violations: this.#violations(metrics),
      },
      trial,
    );
    if (checkpoint !== null) this.#keep(trial, checkpoint);
    const wrong = this.#wrongMetric(metrics);
    if (wrong === undefined) this.#decide(trial, metrics);
    else this.#failAtReport(trial, wrong);
    this.#tell('onTrialResult', trial, { result: metrics });
    this.#say({ kind: 'answer', trial, attempt, report, reason: trial.reason ?? null });
  }

  #rowOf(trial: Trial, given: TrialReport): ReportedMetrics {
    const last = trial.record.history.at(-1);
    const timeTotalMs = trial.timeBefore + given.elapsedMs;
    const before = given.report === 1 ? trial.timeBefore : (last?.timeTotalMs ?? 0);
    // One by one: V8 takes ten times as long for a literal that begins with a spread, and this is done for each report.
    const row: Record<string, unknown> = {};
    for (const name of Object.keys(given.metrics)) row[name] = given.metrics[name];
    row.trainingIteration = trial.iterationBefore + given.report;
    row.timeThisIterMs = Math.max(0, timeTotalMs - before);
    row.timeTotalMs = timeTotalMs;
    row.timestamp = given.timestamp;
    row.trialId = trial.id;
    row.pid = given.pid;
    row.hostname = given.hostname;
    row.done = given.done;
    return row as ReportedMetrics;
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

  /** A metric that is there and no number. */
  #wrongMetric(metrics: ReportedMetrics): MetricError | undefined {
    for (const metric of this.#setup.header.metrics) {
      const value = metricAt(metrics, metric);
      if (value === undefined || typeof value === 'number') continue;
      return new MetricError(
        `the metric ${metric} is ${JSON.stringify(value)}; it has to be a number`,
        { metric, reported: namesOf(metrics) },
      );
    }
    return undefined;
  }

  #failAtReport(trial: Trial, error: MetricError): void {
    this.#fail(trial, finalError(error));
    this.#leave(trial, 'experiment');
  }

  #decide(trial: Trial, metrics: ReportedMetrics): void {
    const { stopper, scheduler, searcher } = this.#setup;
    const isStopped = stopper.onResult(trial.id, metrics);
    const isAllStopped = stopper.stopAll();
    const decision = isStopped
      ? 'CONTINUE'
      : scheduler.onTrialResult(trial, metrics, this.#control);
    if (this.#hasMetrics(metrics)) searcher.onResult?.(trial, metrics);
    this.#carryOutWishes();
    // A wish of the scheduler may have ended this very trial.
    if (trial.phase === 'running') {
      if (isStopped) this.#terminateRunning(trial, 'stopper');
      else if (decision === 'STOP') this.#terminateRunning(trial, 'scheduler');
      else if (decision === 'PAUSE') this.#pause(trial);
      // It goes on from the same state at once.
      else if (trial.isToSave) this.#leave(trial, 'paused');
      else if (trial.nextResources !== undefined && this.#hasStateOfReport(trial)) {
        this.#leave(trial, 'resources');
      }
    }
    if (isAllStopped) this.#stopAll('experiment');
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
    else if (end.error !== null) this.#fail(trial, end.error);
    else this.#endByItself(trial, end);
  }

  #save(trial: Trial, iteration: number): void {
    const checkpoint = checkpointOf(trial, iteration, this.experiment);
    this.#record({ kind: 'checkpoint', number: trial.number, checkpoint }, trial);
    this.#keep(trial, checkpoint);
  }

  #endByItself(trial: Trial, end: TrialEnd): void {
    trial.record.durationMs = trial.timeBefore + end.elapsedMs;
    const missing = this.#setup.header.metrics.find(
      (metric) => !trial.record.history.some((row) => metricAt(row, metric) !== undefined),
    );
    if (missing === undefined) {
      this.#terminate(trial, 'finished');
      return;
    }
    const reported = namesOf(trial.record.history.at(-1) ?? {});
    const error = new MetricError(
      `the trial has ended and never reported the metric ${missing}; ` +
        (reported.length === 0 ? 'it reported nothing' : `it reported ${reported.join(', ')}`),
      { metric: missing, reported },
    );
    this.#fail(trial, finalError(error));
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

  #terminate(trial: Trial, stopReason: StopReason): void {
    const { number } = trial;
    const { scheduler, stopper } = this.#setup;
    const wasRunning = trial.phase === 'running' || stopReason === 'finished';
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
    this.#tellSearcher(trial);
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
      goOnFromLatest(trial);
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
    this.#tellSearcher(trial);
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
    const values = this.#valuesOf(config);
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

  #valuesOf(config: unknown): (number | null)[] {
    try {
      const values = this.#setup.space.valuesWithin(config, 'exploit');
      return values.map((value) => (Number.isNaN(value) ? null : value));
    } catch {
      // PBT's factors may leave the domains, as Ray's do: such a config has no numbers of the space.
      return this.#setup.space.parameters.map(() => null);
    }
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

  #wish(id: string, carryOut: (trial: Trial) => void): void {
    const trial = this.#byId.get(id);
    if (trial !== undefined) this.#wishes.push(() => carryOut(trial));
  }

  #carryOutWishes(): void {
    for (let wish = this.#wishes.shift(); wish !== undefined; wish = this.#wishes.shift()) wish();
  }

  // What the searcher learns.

  #tellSearcher(trial: Trial): void {
    const { config, status, metrics } = trial;
    const { stopReason, violations } = trial.record;
    const violation = Object.values(violations ?? {}).reduce(
      (sum, each) => sum + Math.max(0, each),
      0,
    );
    this.#proposals.tell(trial, { config, status, metrics, stopReason, violation });
  }

  #tellKnown(): void {
    const { knownResults } = this.#setup;
    for (const [index, { config, metrics }] of knownResults.entries()) {
      // Before all trials of this experiment, in their order.
      const number = index - knownResults.length;
      this.#proposals.tell(
        { number, id: `known-${index}` },
        { config, metrics, status: 'TERMINATED', stopReason: 'finished' },
      );
    }
  }

  #hasMetrics(metrics: ReportedMetrics): boolean {
    return this.#setup.header.metrics.every((metric) => metricAt(metrics, metric) !== undefined);
  }

  #violations(metrics: ReportedMetrics): Record<string, number> | null {
    const { outcomeConstraints } = this.#setup;
    if (outcomeConstraints.size === 0) return null;
    const violations: Record<string, number> = {};
    for (const [name, { min = -Infinity, max = Infinity }] of outcomeConstraints) {
      const value = metricAt(metrics, name);
      // What was not reported is not known to keep its bounds.
      const isKnown = typeof value === 'number' && !Number.isNaN(value);
      violations[name] = isKnown ? Math.max(min - value, value - max) : Infinity;
    }
    return violations;
  }

  // Taking up an earlier process's work.

  /** Tells scheduler, stopper and searcher what they were told then, in the order of time. */
  #replay(): void {
    const { scheduler, stopper, searcher } = this.#setup;
    type Step = {
      readonly at: number;
      readonly trial: Trial;
      readonly row: ReportedMetrics | null;
    };
    const steps: Step[] = this.trials.flatMap((trial) => [
      ...trial.record.history.map((row) => ({ at: row.timestamp, trial, row })),
      ...(trial.hasEnded ? [{ at: trial.record.endedAt ?? 0, trial, row: null }] : []),
    ]);
    steps.sort((one, other) => one.at - other.at);
    for (const { trial, row } of steps) {
      if (row !== null) {
        stopper.onResult(trial.id, row);
        scheduler.onTrialResult(trial, row, this.#control);
        if (this.#hasMetrics(row)) searcher.onResult?.(trial, row);
      } else if (trial.status === 'ERROR') scheduler.onTrialError?.(trial, this.#control);
      else {
        const { history } = trial.record;
        if (history.length > 0) stopper.onTrialComplete(trial.id, history.at(-1)!);
        scheduler.onTrialComplete?.(trial, trial.metrics as ReportedMetrics, this.#control);
      }
    }
    for (const trial of this.trials) if (trial.hasEnded) this.#tellSearcher(trial);
  }
}

/** An error after which a trial is not tried again. */
export function finalError(error: Error): TrialError {
  return { ...recordOf(error), isFinal: true, original: error };
}

/** An error as a record. */
export function recordOf(error: Error & { readonly code?: unknown }): ErrorRecord {
  return {
    name: error.name,
    message: error.message,
    code: typeof error.code === 'string' ? error.code : null,
    stack: error.stack ?? `${error.name}: ${error.message}`,
  };
}

function checkpointOf(
  trial: Trial,
  iteration: number,
  { header }: ExperimentRecord,
): CheckpointRecord {
  const isStored = header.options.storagePath !== null;
  const folder = `trials/${trial.id}/checkpoint_${String(iteration).padStart(6, '0')}`;
  return { iteration, path: isStored ? folder : null };
}

function hasBegun(trial: Trial): boolean {
  return trial.record.startedAt !== null;
}

/** The next run of a trial goes on from its latest checkpoint, or from the beginning. */
function goOnFromLatest(trial: Trial): void {
  trial.startFrom = trial.latestCheckpoint;
  trial.startTime = timeAt(trial, trial.startFrom?.iteration ?? 0);
}

/** Run time of a trial up to an iteration. */
function timeAt(trial: Trial, iteration: number): number {
  const row = trial.record.history.findLast((each) => each.trainingIteration <= iteration);
  return row?.timeTotalMs ?? 0;
}

function namesOf(metrics: object): string[] {
  const own = Object.fromEntries(
    Object.entries(metrics).filter(([name]) => !RESERVED_METRICS.has(name)),
  ) as ReportedMetrics;
  return [...leavesOf(own)].map(([path]) => path);
}

function isOfTrial(
  event: ExperimentEvent,
): event is Exclude<ExperimentEvent, { kind: 'experiment' | 'restore' | 'trial' }> {
  return event.kind !== 'experiment' && event.kind !== 'restore' && event.kind !== 'trial';
}
