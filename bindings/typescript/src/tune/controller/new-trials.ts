/**
 * Where trials come from: proposals, in order, as long as there are samples; and configs of trials that have failed.
 *
 * - NT-1 A trial that can never run is there and ends at once: it has a number, and an error that says why.
 */

import { SearchExhaustedError } from '../errors.ts';
import type { TrialHeader } from '../experiment/events.ts';
import { newTrial } from '../experiment/record.ts';
import type { Endings } from './endings.ts';
import { checkpointOf, goOnFrom } from './going-on.ts';
import type { Ledger } from './ledger.ts';
import type { Proposals } from './proposals.ts';
import { resourcesFor } from './resources.ts';
import type { Samples } from './samples.ts';
import type { ControllerSetup, NextTrial } from './setup.ts';
import type { TrialTable } from './trial-table.ts';
import { Trial } from './trial.ts';
import type { Wishes } from './wishes.ts';

/** So many trials at once that can never run are enough: there may be no end of them, and no other ones. */
const TRIES_MAX = 1000;

/** What new trials are made from. */
export interface NewTrialsParts {
  readonly setup: ControllerSetup;
  readonly table: TrialTable;
  readonly ledger: Ledger;
  readonly samples: Samples;
  readonly proposals: Proposals;
  readonly wishes: Wishes;
  readonly endings: Endings;
}

/** See the file. */
export class NewTrials {
  readonly #setup: ControllerSetup;
  readonly #table: TrialTable;
  readonly #ledger: Ledger;
  readonly #samples: Samples;
  readonly #proposals: Proposals;
  readonly #wishes: Wishes;
  readonly #endings: Endings;

  constructor(parts: NewTrialsParts) {
    this.#setup = parts.setup;
    this.#table = parts.table;
    this.#ledger = parts.ledger;
    this.#samples = parts.samples;
    this.#proposals = parts.proposals;
    this.#wishes = parts.wishes;
    this.#endings = parts.endings;
  }

  /** @throws SearchExhaustedError if the searcher waits for what never comes @throws SpaceError, and what a searcher throws */
  create(): NextTrial {
    // What somebody wants of a study is there also where the searcher has nothing left, by which all was over.
    const isWanted = this.#setup.isDrivenByHand && this.#proposals.hasPoints;
    const isOver = this.#samples.isExhausted ? !isWanted : this.#endings.end !== undefined;
    if (isOver) return { none: 'done' };
    if (this.#samples.areBegun) {
      this.#samples.exhaust();
      return { none: 'done' };
    }
    const number = this.#nextNumber();
    const id = idOf(number);
    const proposal = this.#proposals.next({ number, id, place: this.#samples.begun });
    if (proposal === 'wait') {
      if (this.#endings.hasLiveTrials) return { none: 'wait' };
      throw new SearchExhaustedError(
        'the searcher waits for results, and no trial is left that could have one',
        { waiting: true },
      );
    }
    if (proposal === 'done') {
      this.#samples.exhaust();
      return { none: 'done' };
    }
    const { config, repeatIndex, isEnqueued } = proposal;
    const values = proposal.values.map((value) => (Number.isNaN(value) ? null : value));
    const header = { number, id, config, values, repeatIndex, source: null };
    return { trial: this.#begun(isEnqueued ? { ...header, isEnqueued } : header) };
  }

  /** A scheduler that compares all trials with each other has them all, before one runs. */
  createAllIfCompared(): void {
    if (this.#setup.scheduler.needsAllTrials !== true || !this.#samples.isFinite) return;
    while ('trial' in this.create());
  }

  /** Sees that there is one that could run, if one is to be had: what can never run has ended at once, and takes no place. */
  createPending(): void {
    for (let tries = 0; tries < TRIES_MAX && !this.#table.hasPending(); tries++) {
      if ('none' in this.create()) return;
    }
  }

  /** A new trial with the config of one that has failed. */
  remake(failed: Trial, withCheckpoint: boolean): void {
    const number = this.#nextNumber();
    const { config } = failed;
    const { values } = failed.record;
    const source = failed.number;
    this.#samples.remake();
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
    const checkpoint = checkpointOf(trial, from.iteration, this.#ledger.experiment);
    const adopted = { trial: failed, checkpoint: from };
    this.#ledger.say({ kind: 'adopt', trial, from: adopted, checkpoint });
    this.#ledger.record({ kind: 'checkpoint', number, checkpoint }, trial);
    goOnFrom(trial, checkpoint, failed);
  }

  /** A trial is there, and PENDING. */
  #begun(header: TrialHeader): Trial {
    const { resources, error } = resourcesFor(this.#setup, header.config);
    const trial = new Trial(newTrial(header), resources);
    this.#ledger.add(trial, this.#setup.now());
    this.#endings.begun();
    this.#setup.scheduler.onTrialAdd?.(trial, this.#wishes.control);
    if (error !== undefined) this.#endings.fail(trial, error);
    return trial;
  }

  #nextNumber(): number {
    const inOrder = (this.#table.trials.at(-1)?.number ?? -1) + 1;
    return Math.max(inOrder, this.#setup.nextNumber?.() ?? 0);
  }
}

/** Five digits or more. */
function idOf(number: number): string {
  return String(number).padStart(5, '0');
}
