/** Warns of names in `stop: { … }` that no report has: probably misspelled, and then nothing is ever stopped by them. */

import type { ExperimentEvent } from '../experiment/events.ts';
import type { ActiveStopper } from '../stoppers/stopper.ts';

/** After so many reports it is said, also if no trial has ended: perhaps none ever will. */
const REPORTS_ENOUGH = 100;

/** Says it once, on stderr, as soon as a trial has ended well, or there were many reports. */
export class StopNames {
  readonly #stopper: ActiveStopper;
  #reports = 0;
  #isSaid = false;

  constructor(stopper: ActiveStopper) {
    this.#stopper = stopper;
  }

  /** Something has happened; the stopper has seen all reports but the one at hand. */
  note(event: ExperimentEvent): void {
    if (this.#isSaid) return;
    if (event.kind === 'end' && event.status === 'TERMINATED') this.end();
    if (event.kind !== 'report') return;
    if (this.#reports === REPORTS_ENOUGH) this.end();
    this.#reports++;
  }

  /** The experiment has ended. */
  end(): void {
    if (this.#isSaid || this.#reports === 0) return;
    const names = this.#stopper.unusedNames();
    if (names.length === 0) return;
    this.#isSaid = true;
    process.emitWarning(
      `stop: no report has had ${names.join(', ')} so far, so no trial is stopped by ${names.length === 1 ? 'it' : 'them'}`,
      'TuneWarning',
    );
  }
}
