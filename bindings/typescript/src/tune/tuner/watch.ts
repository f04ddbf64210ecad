/** What a reporter is told of an experiment that runs. */

import type { Controller } from '../controller/controller.ts';
import { Reporting } from '../reporters/reporters.ts';
import type { RunInfo } from '../reporters/state.ts';
import type { Patience } from './patience.ts';
import type { TunerSettings } from './settings.ts';

/** See the file. */
export class Watch {
  readonly #controller: Controller;
  readonly #settings: TunerSettings;
  readonly #folder: string | null;
  readonly #reporting: Reporting | null;
  readonly #patience: Patience;
  readonly #began: number;

  /** `spentMs` is how long earlier processes have run the experiment. */
  constructor(
    controller: Controller,
    settings: TunerSettings,
    folder: string | null,
    spentMs: number,
    patience: Patience,
  ) {
    this.#patience = patience;
    this.#began = Date.now() - spentMs;
    this.#controller = controller;
    this.#settings = settings;
    this.#folder = folder;
    this.#reporting = settings.reporter === undefined ? null : new Reporting(settings.reporter);
  }

  /** Something has happened, or time has passed. */
  step(done: boolean): Promise<void> | undefined {
    if (this.#patience.hasGivenUp(this)) return undefined;
    const now = Date.now();
    if (this.#reporting === null || (!done && !this.#reporting.isDue(now))) return undefined;
    const { experiment } = this.#controller;
    return this.#patience.waitFor(
      this,
      'reporter.report()',
      this.#reporting.report(experiment, this.#info(now), { nowMs: now, done }),
    );
  }

  #info(now: number): RunInfo {
    const { maxConcurrentTrials, timeBudgetMs } = this.#settings;
    return {
      now,
      elapsedMs: now - this.#began,
      numSamples: this.#controller.total,
      timeBudgetMs,
      maxConcurrentTrials,
      waiting: this.#controller.waitsFor.map(
        ({ trial, lack: { resource, needed, used, total } }) =>
          `trial ${trial.id} waits for ${needed} ${resource}: ${used} of ${total} in use`,
      ),
      resources: this.#controller.resourceUse,
      path: this.#folder,
    };
  }
}
