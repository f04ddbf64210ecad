/**
 * Runs an experiment on a virtual clock: does for the controller what `tuner/experiment-run.ts` does with processes.
 *
 * - SI-1 The clock goes from one event to the next; what follows from an event is done before the next.
 * - SI-2 A run that is told to end does so at that time, and its worker is free then.
 * - SI-3 Each trial has random numbers of its own: what it takes does not depend on what the others do.
 */

import { InvalidArgumentError } from '../../index.ts';
import { Capacity, totalsOf } from '../controller/capacity.ts';
import { Controller, finalError, recordOf } from '../controller/controller.ts';
import type { ExperimentEnd, Instruction, TrialError } from '../controller/instructions.ts';
import { randomNumbers, trialSeed } from '../controller/seeds.ts';
import type { Trial } from '../controller/trial.ts';
import { copyOfData } from '../data-copies.ts';
import type { ExperimentRecord } from '../experiment/record.ts';
import { checkMetrics } from '../metrics.ts';
import { isPlainObject } from '../plain-object.ts';
import type { RandomNumbers } from '../space/domain.ts';
import { headerOf } from '../tuner/header.ts';
import type { SearchSettings } from '../tuner/settings.ts';
import type { Metrics, TrialResources } from '../types.ts';
import { EventQueue } from './event-queue.ts';

/** More reports than this, lost ones counted, mean that nothing ends the trials. */
export const REPORTS_MAX = 2_000_000;

/** What a simulation is made with. */
export interface SimulationSetup {
  /** For messages: the function that users call. */
  readonly call: string;
  readonly settings: SearchSettings;
  readonly objective: (config: unknown, iteration: number) => unknown;
  readonly workers: number;
  readonly duration: (config: unknown, iteration: number, random: RandomNumbers) => unknown;
  readonly dropProbability: number;
}

/** What came of it. */
export interface SimulationOutcome {
  readonly experiment: ExperimentRecord;
  /** What trials in ERROR have failed with, by number. */
  readonly failures: ReadonlyMap<number, Error>;
  readonly timeMs: number;
  readonly busyMs: number;
}

/** A worker that works on a trial. */
interface Run {
  readonly trial: Trial;
  /** What it works with: a copy, as a process has one. */
  readonly config: unknown;
  readonly attempt: number;
  /** As many as the trial takes CPUs. */
  readonly workers: number;
  readonly beganAtMs: number;
  /** When it has begun with the next report. */
  sinceMs: number;
  /** Reports of this run that were made. */
  reports: number;
  hasEnded: boolean;
}

/** See the file. */
export class Simulation {
  readonly #setup: SimulationSetup;
  readonly #controller: Controller;
  readonly #queue = new EventQueue<Run>();
  readonly #runs = new Map<Trial, Run>();
  readonly #random = new Map<Trial, RandomNumbers>();
  /** Steps of the controller that are due at this time. */
  readonly #due: (() => readonly Instruction[])[] = [];
  #nowMs = 0;
  #busyMs = 0;
  #reports = 0;
  #end: ExperimentEnd | undefined;

  constructor(setup: SimulationSetup) {
    this.#setup = setup;
    const { settings, workers } = setup;
    const checkpoints = { numToKeep: 0, scoreAttribute: undefined, scoreOrder: 'min' } as const;
    const header = headerOf('simulation', settings, { storagePath: null, checkpoints });
    const capacity = totalsOf({ CPU: workers });
    this.#controller = new Controller({
      ...settings,
      // The clock begins here.
      header: { ...header, createdAt: 0 },
      searcher: settings.search,
      capacity,
      maxConcurrent: workers,
      deterministic: false,
      savesOnLeaving: false,
      resources: () => ({ numCpus: 1 }),
      infeasible: infeasibleIn(new Capacity(capacity, 1)),
      // Reports that are lost; what the objective throws is final.
      maxFailures: Infinity,
      maxErrors: Infinity,
      failFast: false,
      trialTimeoutMs: Infinity,
      checkpoints,
      knownResults: [],
      record: () => undefined,
      now: () => this.#nowMs,
      nextNumber: null,
      isDrivenByHand: false,
    });
  }

  /** The time on its clock, in milliseconds. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** @throws what a searcher, a scheduler, a stopper or `duration` throws @throws InvalidArgumentError if nothing ends it */
  run(): SimulationOutcome {
    this.#due.push(() => this.#controller.start());
    for (;;) {
      this.#settle();
      if (this.#end !== undefined) break;
      const next = this.#queue.take();
      if (next === undefined) throw new Error('nothing is due, and the experiment has not ended');
      const run = next.event;
      if (run.hasEnded) continue;
      this.#nowMs = next.atMs;
      this.#arrive(run);
    }
    if (this.#end.kind === 'broken') throw this.#end.error;
    const { experiment, trials } = this.#controller;
    const failures = new Map<number, Error>();
    for (const { number, failure } of trials)
      if (failure instanceof Error) failures.set(number, failure);
    return { experiment, failures, timeMs: this.#nowMs, busyMs: this.#busyMs };
  }

  /** SI-1. */
  #settle(): void {
    for (let step = this.#due.shift(); step !== undefined; step = this.#due.shift()) {
      for (const instruction of step()) this.#carryOut(instruction);
    }
  }

  #carryOut(instruction: Instruction): void {
    switch (instruction.kind) {
      case 'run':
        this.#start(instruction.trial, instruction.attempt);
        return;
      case 'interrupt':
        this.#leave(instruction.trial, instruction.attempt);
        return;
      case 'answer':
        if (instruction.reason === null) this.#goOn(instruction.trial, instruction.attempt);
        return;
      case 'finish':
        this.#end = instruction.end;
        return;
      case 'drop':
      case 'adopt':
      case 'callback':
        // Checkpoints are records, and nobody listens.
        return;
    }
  }

  #start(trial: Trial, attempt: number): void {
    const run: Run = {
      trial,
      config: copyOfData(trial.config),
      attempt,
      workers: Math.max(1, trial.resources.numCpus ?? 1),
      beganAtMs: this.#nowMs,
      sinceMs: this.#nowMs,
      reports: 0,
      hasEnded: false,
    };
    this.#runs.set(trial, run);
    this.#work(run);
  }

  /** It begins with its next report. */
  #work(run: Run): void {
    const { call, duration } = this.#setup;
    const iteration = run.trial.iterationBefore + run.reports + 1;
    const durationMs = duration(run.config, iteration, this.#randomOf(run.trial));
    if (typeof durationMs !== 'number' || !(durationMs >= 0) || durationMs === Infinity) {
      throw new InvalidArgumentError(
        `${call}: duration() has to give a number of milliseconds from 0 up`,
        { argument: 'duration', value: durationMs },
      );
    }
    run.sinceMs = this.#nowMs;
    this.#queue.add(this.#nowMs + durationMs, run);
  }

  /** The next report of a run is made, or lost. */
  #arrive(run: Run): void {
    const { trial, attempt } = run;
    const { call, dropProbability } = this.#setup;
    if (++this.#reports > REPORTS_MAX) {
      throw new InvalidArgumentError(
        `${call}: after ${REPORTS_MAX} reports trials still run (${trial.id} is at iteration ${trial.iteration}); ` +
          'give stop, a scheduler that ends trials, or let the objective return done: true',
        { argument: 'stop' },
      );
    }
    this.#spend(run);
    if (dropProbability > 0 && this.#randomOf(trial)() < dropProbability) {
      this.#finish(run, DROPPED);
      return;
    }
    const iteration = trial.iterationBefore + run.reports + 1;
    let report: { readonly metrics: Metrics; readonly done: boolean };
    try {
      report = this.#reportOf(run.config, iteration);
    } catch (error) {
      this.#finish(run, finalError(error));
      return;
    }
    run.reports++;
    const { metrics, done } = report;
    this.#due.push(() =>
      this.#controller.reported(trial, {
        attempt,
        report: run.reports,
        metrics,
        done,
        checkpoint: true,
        elapsedMs: this.#nowMs - run.beganAtMs,
        timestamp: this.#nowMs,
        pid: 0,
        hostname: 'simulated',
      }),
    );
    if (done) this.#finish(run, null);
  }

  #reportOf(
    config: unknown,
    iteration: number,
  ): { readonly metrics: Metrics; readonly done: boolean } {
    const returned = this.#setup.objective(config, iteration);
    if (!isPlainObject(returned) || !('done' in returned)) {
      return { metrics: checkMetrics(returned, 'objective()'), done: false };
    }
    const { done, ...metrics } = returned;
    if (typeof done === 'boolean' || done === undefined) {
      return { metrics: checkMetrics(metrics, 'objective()'), done: done ?? false };
    }
    throw new InvalidArgumentError('objective(): done has to be true or false', {
      argument: 'done',
      value: done,
    });
  }

  /** It was told to go on. One that has made its last report has ended by now. */
  #goOn(trial: Trial, attempt: number): void {
    const run = this.#runs.get(trial);
    if (run !== undefined && run.attempt === attempt) this.#work(run);
  }

  /** SI-2. */
  #leave(trial: Trial, attempt: number): void {
    const run = this.#runs.get(trial);
    if (run === undefined || run.attempt !== attempt) return;
    this.#spend(run);
    this.#finish(run, null);
  }

  /** Its worker was busy up to now. */
  #spend(run: Run): void {
    this.#busyMs += (this.#nowMs - run.sinceMs) * run.workers;
    run.sinceMs = this.#nowMs;
  }

  #finish(run: Run, error: TrialError | null): void {
    const { trial, attempt } = run;
    run.hasEnded = true;
    this.#runs.delete(trial);
    this.#due.push(() =>
      this.#controller.ended(trial, {
        attempt,
        error,
        saved: null,
        at: this.#nowMs,
        elapsedMs: this.#nowMs - run.beganAtMs,
      }),
    );
  }

  /** SI-3. */
  #randomOf(trial: Trial): RandomNumbers {
    let random = this.#random.get(trial);
    if (random === undefined) {
      // Others than those of the trial's `sampleFrom`.
      random = randomNumbers(trialSeed(trialSeed(this.#setup.settings.seed, trial.number), 1));
      this.#random.set(trial, random);
    }
    return random;
  }
}

/** A report that was lost: the trial is tried again. */
const DROPPED: TrialError = {
  ...recordOf(new Error('the report was lost (dropProbability)')),
  isFinal: false,
  original: undefined,
};

/** An error for what more workers than there are would have to work on. */
function infeasibleIn(whole: Capacity): (resources: TrialResources) => TrialError | undefined {
  return (resources) => {
    const lack = whole.lackOf(resources);
    if (lack === undefined) return undefined;
    return finalError(
      new Error(`a trial takes ${lack.needed} ${lack.resource}, and there are ${lack.total}`),
    );
  };
}
