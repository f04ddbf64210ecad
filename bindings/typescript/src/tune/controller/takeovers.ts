/**
 * Trials that go on from another one's state, or from their own with another config: PBT's exploits.
 *
 * - TO-1 Who is to take over leaves first, and so does the other one where its latest state is not saved yet; then it is done.
 * - TO-2 Neither of them runs before that.
 */

import { checkpointOf, goOnFrom, hasBegun, valuesIn } from './going-on.ts';
import type { Ledger } from './ledger.ts';
import type { Runs } from './runs.ts';
import type { ControllerSetup } from './setup.ts';
import type { Trial } from './trial.ts';

/** See the file. */
export class Takeovers {
  readonly #setup: ControllerSetup;
  readonly #ledger: Ledger;
  readonly #runs: Runs;
  /** Those that are to take over another one's state, and wait for it. */
  readonly #takers = new Set<Trial>();

  constructor(setup: ControllerSetup, ledger: Ledger, runs: Runs) {
    this.#setup = setup;
    this.#ledger = ledger;
    this.#runs = runs;
  }

  /** Whether there is, or will be, a state to go on from; a trial that has not begun can begin with another config. */
  isPossible(trial: Trial, source: Trial): boolean {
    if (trial === source) return !hasBegun(trial) || this.hasStateOfReport(trial);
    return source.latestCheckpoint !== null || this.#canSave(source);
  }

  /** If it leaves at this report, nothing of it is lost. */
  hasStateOfReport(trial: Trial): boolean {
    return this.#setup.savesOnLeaving || trial.latestCheckpoint?.iteration === trial.iteration;
  }

  /** TO-1. */
  begin(trial: Trial, source: Trial, config: unknown): void {
    if (trial.hasEnded) return;
    trial.exploit = { source, config };
    this.#takers.add(trial);
    this.#runs.leave(trial, 'exploited');
    source.isToSave = source.phase === 'running' && this.#canSave(source);
    this.finishOf(trial);
  }

  /** It waits for another one's state, or another one for its: TO-2. */
  concern(trial: Trial): boolean {
    if (this.#takers.has(trial)) return true;
    for (const { exploit } of this.#takers) if (exploit?.source === trial) return true;
    return false;
  }

  /** A trial has left: its state goes to those that wait for it. */
  finishFrom(source: Trial): void {
    for (const taker of this.#takers) {
      if (taker.exploit?.source === source && taker !== source) this.finishOf(taker);
    }
  }

  /** A trial that is to take over does so, if nothing has to be waited for any more. */
  finishOf(trial: Trial): void {
    const { exploit } = trial;
    if (exploit === undefined || trial.phase !== 'idle') return;
    const { source, config } = exploit;
    if (source.isToSave || (source.phase === 'leaving' && this.#canSave(source))) return;
    trial.exploit = undefined;
    this.#takers.delete(trial);
    if (!trial.hasEnded) this.#takeOver(trial, source, config);
  }

  /** Its latest state is not saved yet, and will be when it leaves. */
  #canSave(trial: Trial): boolean {
    if (!this.#setup.savesOnLeaving || trial.phase === 'idle' || trial.hasEnded) return false;
    return (trial.latestCheckpoint?.iteration ?? 0) < trial.iteration;
  }

  #takeOver(trial: Trial, source: Trial, config: unknown): void {
    const from = source.latestCheckpoint;
    // It could not be saved after all: there is nothing to go on from.
    if (from === null && hasBegun(trial)) return;
    const { number } = trial;
    const values = valuesIn(this.#setup.space, config);
    const exploit = { kind: 'exploit', number, source: source.number, config, values } as const;
    if (from === null) {
      this.#ledger.record({ ...exploit, checkpoint: null }, trial);
      return;
    }
    const checkpoint = checkpointOf(trial, from.iteration, this.#ledger.experiment);
    const own = trial.record.checkpoints.filter(({ iteration }) => iteration !== from.iteration);
    if (source !== trial) {
      const adopted = { trial: source, checkpoint: from };
      this.#ledger.say({ kind: 'adopt', trial, from: adopted, checkpoint });
    }
    this.#ledger.record({ ...exploit, checkpoint }, trial);
    if (own.length > 0) this.#ledger.say({ kind: 'drop', trial, checkpoints: own });
    goOnFrom(trial, checkpoint, source);
  }
}
