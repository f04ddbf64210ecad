/** The checkpoints of trials: which are kept when one more is there, and which are lost. Their files are whoever's who carries it out. */

import type { CheckpointRecord } from '../experiment/events.ts';
import { checkpointOf } from './going-on.ts';
import { droppedCheckpoints } from './kept-checkpoints.ts';
import type { Ledger } from './ledger.ts';
import type { ControllerSetup, RestoreOptions } from './setup.ts';
import type { Trial } from './trial.ts';

/** See the file. */
export class SavedStates {
  readonly #ledger: Ledger;
  readonly #ranking: ControllerSetup['checkpoints'];

  constructor(ledger: Ledger, ranking: ControllerSetup['checkpoints']) {
    this.#ledger = ledger;
    this.#ranking = ranking;
  }

  /** A trial has saved its state beside its reports. */
  save(trial: Trial, iteration: number): void {
    const checkpoint = checkpointOf(trial, iteration, this.#ledger.experiment);
    this.#ledger.record({ kind: 'checkpoint', number: trial.number, checkpoint }, trial);
    this.keep(trial, checkpoint);
  }

  /** A checkpoint is in the record: others may have had their time. */
  keep(trial: Trial, checkpoint: CheckpointRecord): void {
    this.#ledger.tell('onTrialSave', trial, { checkpoint });
    this.#ledger.tell('onCheckpoint', trial, { checkpoint });
    const dropped = droppedCheckpoints(trial.record, this.#ranking);
    if (dropped.length === 0) return;
    this.#recordDropped(trial, dropped);
    this.#ledger.say({ kind: 'drop', trial, checkpoints: dropped });
  }

  /** What was saved and is not there any more is not gone on from. */
  dropLost(trial: Trial, { isLost }: RestoreOptions): void {
    const lost = trial.record.checkpoints.filter((checkpoint) => isLost(trial, checkpoint));
    if (lost.length > 0) this.#recordDropped(trial, lost);
  }

  #recordDropped(trial: Trial, dropped: readonly CheckpointRecord[]): void {
    const iterations = dropped.map(({ iteration }) => iteration);
    this.#ledger.record({ kind: 'dropped', number: trial.number, iterations }, trial);
  }
}
