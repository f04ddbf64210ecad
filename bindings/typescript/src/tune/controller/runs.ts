/**
 * Which trials run, and with what: a run begins, is told to end, and has ended.
 *
 * - RU-1 Resources of a trial are taken from `run` until its run has ended (CT-5).
 * - RU-2 A run is told once that it is to end; why is what it was told then.
 * - RU-3 What changes about a trial while it runs is taken when its run has ended.
 */

import { isDeepStrictEqual } from 'node:util';

import type { TrialEndReason } from '../errors.ts';
import type { ErrorRecord } from '../experiment/events.ts';
import type { TrialResources } from '../types.ts';
import { Capacity } from './capacity.ts';
import type { Ledger } from './ledger.ts';
import type { ControllerSetup } from './setup.ts';
import type { Trial } from './trial.ts';

/** See the file. */
export class Runs {
  readonly #setup: ControllerSetup;
  readonly #ledger: Ledger;
  readonly #capacity: Capacity;

  constructor(setup: ControllerSetup, ledger: Ledger) {
    this.#setup = setup;
    this.#ledger = ledger;
    this.#capacity = new Capacity(setup.capacity, setup.maxConcurrent);
  }

  /** How much of each resource trials use. */
  get resourceUse(): Capacity['use'] {
    return this.#capacity.use;
  }

  /** How many run, or leave. */
  get count(): number {
    return this.#capacity.running;
  }

  /** Whether one more may run at all. */
  get hasPlace(): boolean {
    return this.#capacity.hasPlace;
  }

  /** What there is too little of for a trial to run. */
  lackFor(trial: Trial): ReturnType<Capacity['lackOf']> {
    return this.#capacity.lackOf(trial.resources);
  }

  /** A process is to work on a trial. */
  run(trial: Trial): void {
    this.begin(trial);
    const { startFrom: checkpoint } = trial;
    this.#ledger.say({
      kind: 'run',
      trial,
      attempt: trial.attempt,
      checkpoint,
      iteration: trial.iterationBefore,
    });
    this.#ledger.tell('onTrialStart', trial);
    if (checkpoint !== null) this.#ledger.tell('onTrialRestore', trial, { checkpoint });
  }

  /** The same where somebody works on it already. */
  begin(trial: Trial): void {
    this.#begin(trial, trial.startFrom?.iteration ?? 0, trial.startTime);
  }

  /** The same where the work has never stopped, though the process that has heard of it has ended. */
  goOn(trial: Trial): void {
    this.#begin(trial, trial.iteration, trial.record.durationMs);
  }

  #begin(trial: Trial, iteration: number, timeBefore: number): void {
    const { number } = trial;
    this.#ledger.record({ kind: 'start', number, iteration, at: this.#setup.now() }, trial);
    trial.phase = 'running';
    trial.attempt++;
    trial.decided = 0;
    trial.reason = undefined;
    trial.iterationBefore = iteration;
    trial.timeBefore = timeBefore;
    this.#capacity.take(trial.resources);
  }

  /** Its run is to end: the answer to its report says so, or its signal. */
  leave(trial: Trial, reason: TrialEndReason): void {
    if (trial.phase !== 'running') return;
    trial.phase = 'leaving';
    trial.reason = reason;
    this.#ledger.say({ kind: 'interrupt', trial, attempt: trial.attempt, reason });
  }

  /** Its run has ended, however. */
  release(trial: Trial): void {
    trial.phase = 'idle';
    trial.isToSave = false;
    this.#capacity.giveBack(trial.resources);
  }

  /** It goes on later. */
  pause(trial: Trial): void {
    this.recordPause(trial);
    this.leave(trial, 'paused');
  }

  /** The same where nobody works on it any more. */
  recordPause(trial: Trial): void {
    this.#ledger.record({ kind: 'pause', number: trial.number, at: this.#setup.now() }, trial);
  }

  /** It is to run again, after a failure where there is an error. */
  requeue(trial: Trial, error: ErrorRecord | null): void {
    const { number } = trial;
    const { durationMs } = trial.record;
    const at = this.#setup.now();
    this.#ledger.record({ kind: 'requeue', number, error, at, durationMs }, trial);
  }

  /** RU-3. Those that can never be had change nothing. */
  setResources(trial: Trial, resources: TrialResources): void {
    const infeasible = this.#setup.infeasible(resources);
    if (infeasible !== undefined || trial.hasEnded) return;
    // To begin again with what it has would be for nothing.
    if (isDeepStrictEqual(resources, trial.nextResources ?? trial.resources)) return;
    this.#ledger.record({ kind: 'resources', number: trial.number, resources }, trial);
    if (trial.phase === 'idle') trial.resources = resources;
    else {
      const isBack = isDeepStrictEqual(resources, trial.resources);
      trial.nextResources = isBack ? undefined : resources;
    }
  }

  /** RU-3. */
  takeNextResources(trial: Trial): void {
    trial.resources = trial.nextResources ?? trial.resources;
    trial.nextResources = undefined;
  }
}
