/**
 * What code of users gets to see of trials: objects of its own, so that whatever it writes to them stays with it.
 *
 * - SH-1 Nothing that is shown is shared with a record, or with anybody else's view.
 * - SH-2 A trial is shown by the same object each time, which says how the trial stands when it is read.
 * - SH-3 Nothing is copied before it is read, and nothing twice while it stays the same: what it costs goes by what is read, and not
 *   by how many trials there are.
 */

import { inspect, type InspectOptions } from 'node:util';

import { copyOfData } from '../data-copies.ts';
import { copyOfConfig } from '../space/space.ts';
import type { TrialResources } from '../types.ts';
import type { ScheduledTrial, SchedulerControl } from './scheduler.ts';

/** The view of one who is shown trials. */
export class ShownTrials {
  readonly #trials: readonly ScheduledTrial[];
  readonly #shown = new WeakMap<ScheduledTrial, ScheduledTrial>();
  #list: ScheduledTrial[] = [];
  /** How many the list has, unless it was changed by its reader. */
  #listed = 0;

  /** @param trials all there are, which is a list that grows */
  constructor(trials: readonly ScheduledTrial[]) {
    this.#trials = trials;
  }

  /** All of them, by number: a list that grows, and is made anew where its reader has made it longer or shorter. */
  get list(): readonly ScheduledTrial[] {
    if (this.#list.length !== this.#listed) {
      this.#list = [];
      this.#listed = 0;
    }
    for (; this.#listed < this.#trials.length; this.#listed++) {
      this.#list.push(this.of(this.#trials[this.#listed]!));
    }
    return this.#list;
  }

  /** SH-2. */
  of(trial: ScheduledTrial): ScheduledTrial {
    let shown = this.#shown.get(trial);
    if (shown === undefined) this.#shown.set(trial, (shown = new ShownTrial(trial)));
    return shown;
  }
}

/** What a scheduler of a user's own is shown: trials, and what it asks by. */
export interface SchedulerView {
  readonly shown: ShownTrials;
  readonly control: SchedulerControl;
}

/** A function that gives for a controller the same view each time. */
export function schedulerViews(): (control: SchedulerControl) => SchedulerView {
  const views = new WeakMap<SchedulerControl, SchedulerView>();
  return (control) => {
    let view = views.get(control);
    if (view === undefined) {
      const shown = new ShownTrials(control.trials);
      views.set(control, (view = { shown, control: shownControl(control, shown) }));
    }
    return view;
  };
}

function shownControl(control: SchedulerControl, shown: ShownTrials): SchedulerControl {
  const { firstWaiting } = control;
  const own = {
    ...(firstWaiting === undefined
      ? {}
      : {
          firstWaiting: () => {
            const trial = firstWaiting();
            return trial === undefined ? undefined : shown.of(trial);
          },
        }),
    stop: (id: string) => control.stop(id),
    exploit: (id: string, fromId: string, config: unknown) => control.exploit(id, fromId, config),
    setResources: (id: string, resources: TrialResources) => control.setResources(id, resources),
  };
  readAnew(own, 'trials', () => shown.list);
  readAnew(own, 'hasAllTrials', () => control.hasAllTrials);
  return own as unknown as SchedulerControl;
}

/** SH-2, SH-3. A class, because many are read for each report: objects with accessors of their own take four times as long. */
class ShownTrial implements ScheduledTrial {
  readonly id: string;
  readonly number: number;
  readonly #trial: ScheduledTrial;
  #configOf: unknown;
  #config: unknown;
  #metricsOf: ScheduledTrial['metrics'] | undefined;
  #metrics: ScheduledTrial['metrics'] = {};

  constructor(trial: ScheduledTrial) {
    this.id = trial.id;
    this.number = trial.number;
    this.#trial = trial;
  }

  get status(): ScheduledTrial['status'] {
    return this.#trial.status;
  }

  set status(value) {
    replace(this, 'status', value);
  }

  get config(): unknown {
    const { config } = this.#trial;
    if (this.#configOf !== config) {
      this.#configOf = config;
      this.#config = copyOfConfig(config);
    }
    return this.#config;
  }

  set config(value) {
    replace(this, 'config', value);
  }

  get metrics(): ScheduledTrial['metrics'] {
    const { metrics } = this.#trial;
    if (this.#metricsOf !== metrics) {
      this.#metricsOf = metrics;
      this.#metrics = copyOfData(metrics);
    }
    return this.#metrics;
  }

  set metrics(value) {
    replace(this, 'metrics', value);
  }

  toJSON(): ScheduledTrial {
    const { id, number, status, config, metrics } = this;
    return { id, number, status, config, metrics };
  }

  [inspect.custom](_depth: number, options: InspectOptions): string {
    return inspect(this.toJSON(), options);
  }
}

/** A property that is made when it is read, until something is written to it, as to any other. */
export function readAnew(owner: object, name: string, read: () => unknown): void {
  const set = (value: unknown): void => replace(owner, name, value);
  Object.defineProperty(owner, name, { get: read, set, enumerable: true, configurable: true });
}

function replace(owner: object, name: string, value: unknown): void {
  const how = { value, writable: true, enumerable: true, configurable: true };
  Object.defineProperty(owner, name, how);
}
