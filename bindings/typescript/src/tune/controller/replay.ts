/**
 * Takes up what an earlier process has recorded: trials become what they were, and scheduler, stopper and searcher are told in the
 * same order what they were told then. What they want again is compared with what was done: the rest was cut off by the death of the
 * process. Records nothing and starts nothing.
 *
 * - RP-1 Everybody sees each event as then: with the trials as they were at that moment.
 * - RP-2 A step begins with a report, and what it decides is recorded before the next one begins. So what a scheduler has wanted of
 *   other trials, and decided, can be outstanding only after the last report; but a trial that runs takes its time to leave, and so
 *   does one that has said that it is done. In a process that was interrupted each trial may report once more, and nobody decides
 *   about that then: all of it is outstanding, also when the trial has been queued again.
 * - RP-3 What a stopper says about the last report of a trial that runs counts, even if that is another stopper now.
 */

import type { MetricError } from '../errors.ts';
import type {
  CheckpointRecord,
  ExperimentEvent,
  ExperimentHeader,
  TrialEvent,
  TrialHeader,
} from '../experiment/events.ts';
import { newTrial } from '../experiment/record.ts';
import type { ReportedMetrics } from '../types.ts';
import { goOnFrom } from './going-on.ts';
import type { TrialError } from './instructions.ts';
import type { Ledger } from './ledger.ts';
import type { Proposals } from './proposals.ts';
import { hasMetrics, toldOf, wrongMetric } from './reports.ts';
import { resourcesFor } from './resources.ts';
import type { ControllerSetup, RestoreOptions } from './setup.ts';
import { Trial } from './trial.ts';
import type { Wishes } from './wishes.ts';

/** What is to become of a trial after its last report. */
export type Decided =
  | { readonly kind: 'stop'; readonly reason: 'stopper' | 'scheduler' }
  | { readonly kind: 'pause' }
  /** Its metric is no number. */
  | { readonly kind: 'fail'; readonly error: MetricError }
  /** It has said itself that this was the last one. */
  | { readonly kind: 'finish' };

/** What a replay works on: parts of a controller. */
export interface ReplayParts {
  readonly setup: ControllerSetup;
  readonly ledger: Ledger;
  readonly proposals: Proposals;
  readonly wishes: Wishes;
  readonly configOf: RestoreOptions['configOf'];
}

/** What was not done when the process died; in `wishes` is what the scheduler wanted. */
export interface Replayed {
  readonly decided: ReadonlyMap<Trial, Decided>;
  /** Those that have taken over a state and not begun with it. */
  readonly exploited: ReadonlySet<Trial>;
  /** Those that can't run, because nobody can say with what. */
  readonly unfits: ReadonlyMap<Trial, TrialError>;
  /** A stopper wants all to end. */
  readonly isOver: boolean;
}

/** See the file. */
export function replay(events: readonly ExperimentEvent[], parts: ReplayParts): Replayed {
  return new Replay(parts).run(events);
}

class Replay {
  readonly #parts: ReplayParts;
  readonly #byNumber = new Map<number, Trial>();
  readonly #decided = new Map<Trial, Decided>();
  readonly #exploited = new Set<Trial>();
  readonly #unfits = new Map<Trial, TrialError>();

  constructor(parts: ReplayParts) {
    this.#parts = parts;
  }

  run(events: readonly ExperimentEvent[]): Replayed {
    const { setup, ledger } = this.#parts;
    for (const event of events) this.#apply(event);
    for (const trial of this.#byNumber.values()) {
      trial.phase = 'idle';
      if (trial.hasEnded) continue;
      if (trial.record.resources !== null) {
        trial.resources = trial.record.resources;
        continue;
      }
      const { resources, error } = resourcesFor(setup, trial.config);
      trial.resources = resources;
      if (error !== undefined) this.#unfits.set(trial, error);
    }
    const isOver = ledger.experiment.trials.length > 0 && setup.stopper.stopAll();
    return { decided: this.#decided, exploited: this.#exploited, unfits: this.#unfits, isOver };
  }

  #apply(event: ExperimentEvent): void {
    switch (event.kind) {
      case 'callbacks':
        return;
      case 'experiment':
        this.#beginProcess(event.header.options);
        return;
      case 'restore':
        this.#beginProcess(event.options);
        // Nobody has run any more.
        for (const trial of this.#byNumber.values()) trial.phase = 'idle';
        return;
      case 'trial':
        this.#add(event.trial);
        return;
      default: {
        const trial = this.#byNumber.get(event.number);
        if (trial !== undefined) this.#applyToTrial(trial, event);
      }
    }
  }

  #beginProcess(options: ExperimentHeader['options'] | undefined): void {
    const given = options?.['given'] as { readonly maxConcurrentTrials?: number } | undefined;
    const lag = given?.maxConcurrentTrials;
    if (lag !== undefined) this.#parts.proposals.resumeLag(lag);
  }

  #add(header: TrialHeader): void {
    const { setup, ledger, proposals, wishes, configOf } = this.#parts;
    const { id, number, source, repeatIndex, isEnqueued } = header;
    const values = header.values.map((value) => value ?? NaN);
    const proposed = { config: configOf(header.config, header.values, number), values };
    // What somebody else has chosen was not asked for.
    const isChosen = source !== null || isEnqueued === true;
    if (isChosen) proposals.observe({ id, number }, proposed.config);
    const config = isChosen
      ? proposed.config
      : proposals.resume({ id, number }, proposed, repeatIndex);
    const record = newTrial({ ...header, config });
    // What it runs with is seen at the end: it may have been given something else since.
    const trial = new Trial(record, {});
    ledger.addRecorded(trial);
    this.#byNumber.set(number, trial);
    setup.scheduler.onTrialAdd?.(trial, wishes.control);
  }

  #applyToTrial(trial: Trial, event: TrialEvent): void {
    switch (event.kind) {
      case 'start':
        this.#choose();
        this.#parts.ledger.applyRecorded(trial, event);
        trial.phase = 'running';
        trial.attempt++;
        this.#decided.delete(trial);
        this.#exploited.delete(trial);
        return;
      case 'report':
        this.#parts.ledger.applyRecorded(trial, event);
        this.#report(trial, event.metrics);
        return;
      case 'pause':
      case 'requeue': {
        this.#parts.ledger.applyRecorded(trial, event);
        trial.phase = 'idle';
        // One that was interrupted is queued again, and nobody has decided about its last report: RP-2.
        const isUndecided = event.kind === 'requeue' && event.error === null;
        if (!isUndecided) this.#decided.delete(trial);
        return;
      }
      case 'exploit':
        this.#exploit(trial, event.checkpoint, {
          ...event,
          config: this.#parts.configOf(event.config, event.values, trial.number),
        });
        return;
      case 'resources':
        this.#parts.wishes.withdraw(({ kind, trial: of }) => kind === 'resources' && of === trial);
        this.#parts.ledger.applyRecorded(trial, event);
        if (trial.phase === 'running') trial.phase = 'leaving';
        return;
      case 'end':
        this.#end(trial, event);
        return;
      case 'checkpoint':
      case 'dropped':
        this.#parts.ledger.applyRecorded(trial, event);
    }
  }

  #choose(): void {
    const { setup, wishes } = this.#parts;
    setup.scheduler.chooseTrialToRun(wishes.control);
  }

  #report(trial: Trial, metrics: ReportedMetrics): void {
    const { setup, proposals, wishes } = this.#parts;
    this.#beginStep(trial);
    const error = wrongMetric(setup.header.metrics, metrics);
    if (error !== undefined) {
      this.#decided.set(trial, { kind: 'fail', error });
      return;
    }
    const { stopper, scheduler } = setup;
    const isStopped = stopper.onResult(trial.id, metrics);
    stopper.stopAll();
    const decision = isStopped
      ? 'CONTINUE'
      : scheduler.onTrialResult(trial, metrics, wishes.control);
    if (hasMetrics(setup.header.metrics, metrics)) proposals.report(trial, metrics);
    const isStoppedOrChanged = wishes.some((wish) => wish.trial === trial);
    if (isStopped) this.#decided.set(trial, { kind: 'stop', reason: 'stopper' });
    else if (isStoppedOrChanged) {
      const isExploited = wishes.some(({ kind, trial: of }) => kind === 'exploit' && of === trial);
      if (isExploited) trial.phase = 'leaving';
    } else if (decision === 'STOP') this.#decided.set(trial, { kind: 'stop', reason: 'scheduler' });
    // One that has come to its end by itself has nothing to go on with later.
    else if (metrics.done) this.#decided.set(trial, { kind: 'finish' });
    else if (decision === 'PAUSE') this.#decided.set(trial, { kind: 'pause' });
  }

  /** It has gone on: what was outstanding about it was never to be done. */
  #beginStep(trial: Trial): void {
    this.#parts.wishes.withdraw((wish) => wish.trial === trial);
    this.#decided.delete(trial);
  }

  #exploit(
    trial: Trial,
    checkpoint: CheckpointRecord | null,
    event: TrialEvent & { readonly kind: 'exploit' },
  ): void {
    this.#parts.wishes.withdraw(({ kind, trial: of }) => kind === 'exploit' && of === trial);
    const source = this.#byNumber.get(event.source);
    this.#parts.ledger.applyRecorded(trial, event);
    this.#decided.delete(trial);
    trial.phase = 'idle';
    if (checkpoint === null) return;
    this.#exploited.add(trial);
    goOnFrom(trial, checkpoint, source);
  }

  #end(trial: Trial, event: TrialEvent & { readonly kind: 'end' }): void {
    const { setup, proposals, wishes } = this.#parts;
    const { control } = wishes;
    const { scheduler, stopper } = setup;
    const { stopReason } = event;
    // Nobody has wanted it while others reported: so it was when somebody had to be chosen.
    const wasDecided = this.#decided.has(trial);
    const isChoice =
      stopReason === 'scheduler' &&
      !wasDecided &&
      trial.phase === 'idle' &&
      !wishes.some(({ kind, trial: of }) => kind === 'stop' && of === trial);
    if (isChoice) this.#choose();
    const wasRunning = trial.phase === 'running' || wasDecided || stopReason === 'finished';
    this.#parts.ledger.applyRecorded(trial, event);
    trial.phase = 'idle';
    this.#decided.delete(trial);
    this.#parts.wishes.withdraw((wish) => wish.trial === trial);
    if (event.status === 'ERROR') scheduler.onTrialError?.(trial, control);
    else {
      const { history } = trial.record;
      if (history.length > 0) stopper.onTrialComplete(trial.id, history.at(-1)!);
      // EN-4: its caller has ended it, whatever the scheduler had said.
      if (stopReason === 'finished' && setup.isDrivenByHand) scheduler.onStopOverruled?.(trial);
      // The experiment was over then, and nobody had to know; now it may go on.
      const isOver = stopReason === 'timeBudget' || stopReason === 'experiment';
      if (!wasRunning || isOver) scheduler.onTrialRemove?.(trial, control);
      else scheduler.onTrialComplete?.(trial, trial.metrics as ReportedMetrics, control);
    }
    proposals.tell(trial, toldOf(trial));
  }
}
