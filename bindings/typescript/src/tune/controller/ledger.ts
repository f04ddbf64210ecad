/**
 * What has happened to trials, for good, and what has to be done because of it: events are recorded and change the state of the
 * experiment; instructions wait for whoever carries them out.
 *
 * - LE-1 An event is kept before it changes anything, so that what can't be kept has not happened (CT-1).
 * - LE-2 Instructions are given in the order in which they were said, and once.
 */

import type { ExperimentHeader, TrialEvent } from '../experiment/events.ts';
import { type ExperimentRecord, applyToTrial, newExperiment } from '../experiment/record.ts';
import type { CallbackEvent, Instruction } from './instructions.ts';
import type { ControllerSetup } from './setup.ts';
import type { TrialTable } from './trial-table.ts';
import type { Trial } from './trial.ts';

/** See the file. */
export class Ledger {
  readonly experiment: ExperimentRecord;
  readonly #table: TrialTable;
  readonly #keep: ControllerSetup['record'];
  #instructions: Instruction[] = [];

  constructor(header: ExperimentHeader, table: TrialTable, keep: ControllerSetup['record']) {
    this.experiment = newExperiment(header);
    this.#table = table;
    this.#keep = keep;
  }

  /** A trial is there, and PENDING. */
  add(trial: Trial, at: number): void {
    this.#keep({ kind: 'trial', trial: trial.record.header, at });
    this.addRecorded(trial);
  }

  /** The same for one that an earlier process has recorded. */
  addRecorded(trial: Trial): void {
    this.#table.add(trial);
    this.experiment.trials.push(trial.record);
  }

  record(event: TrialEvent, trial: Trial): void {
    this.#keep(event);
    this.applyRecorded(trial, event);
  }

  /** The same for what an earlier process has recorded. */
  applyRecorded(trial: Trial, event: TrialEvent): void {
    applyToTrial(trial.record, event);
    this.#table.statusChanged(trial);
  }

  /** Has something done. */
  say(instruction: Instruction): void {
    this.#instructions.push(instruction);
  }

  /** Tells callbacks. */
  tell(name: CallbackEvent['name'], trial: Trial, more: Partial<CallbackEvent> = {}): void {
    this.say({ kind: 'callback', event: { name, trial, ...more } });
  }

  /** LE-2. */
  takeInstructions(): Instruction[] {
    const instructions = this.#instructions;
    this.#instructions = [];
    return instructions;
  }
}
