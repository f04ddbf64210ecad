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
    if (shown === undefined) this.#shown.set(trial, (shown = shownTrial(trial)));
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

function shownTrial(trial: ScheduledTrial): ScheduledTrial {
  const configOf = remembered(copyOfConfig);
  const metricsOf = remembered<ScheduledTrial['metrics']>(copyOfData);
  const shown = newShown({ id: trial.id, number: trial.number });
  readAnew(shown, 'status', () => trial.status);
  readAnew(shown, 'config', () => configOf(trial.config));
  readAnew(shown, 'metrics', () => metricsOf(trial.metrics));
  return shown as ScheduledTrial;
}

/** An object for {@link readAnew}. */
export function newShown<Given extends object>(given: Given): Given {
  return Object.assign(Object.create(PRINTED) as Given, given);
}

/** Node prints accessors as `[Getter/Setter]`; whoever prints such an object wants to see what they give. */
const PRINTED: object = Object.create(Object.prototype, {
  [inspect.custom]: {
    value(this: object, _depth: number, options: InspectOptions) {
      return inspect({ ...this }, options);
    },
  },
});

/** A property that is made when it is read, until something is written to it, as to any other. */
export function readAnew(owner: object, name: string, read: () => unknown): void {
  Object.defineProperty(owner, name, {
    get: read,
    set(value: unknown) {
      Object.defineProperty(owner, name, { value, writable: true, ...LISTED });
    },
    ...LISTED,
  });
}

const LISTED = { enumerable: true, configurable: true } as const;

/** The same copy as long as what it is of is the same. */
function remembered<Value>(copy: (value: Value) => Value): (value: Value) => Value {
  let last: { readonly of: Value; readonly made: Value } | undefined;
  return (value) => {
    if (last === undefined || last.of !== value) last = { of: value, made: copy(value) };
    return last.made;
  };
}
