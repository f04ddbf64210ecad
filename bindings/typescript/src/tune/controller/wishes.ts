/**
 * What schedulers ask for about other trials than the one at hand: checked when they ask, and kept until they have returned.
 */

import { invalid } from '../../option-checks.ts';
import { letGo } from '../answers-at-once.ts';
import { isPlainObject } from '../plain-object.ts';
import type { SchedulerControl } from '../schedulers/scheduler.ts';
import { copyOfConfig } from '../space/space.ts';
import type { TrialResources } from '../types.ts';
import { checkResources } from './resources.ts';
import type { Samples } from './samples.ts';
import type { Takeovers } from './takeovers.ts';
import type { TrialTable } from './trial-table.ts';
import type { Trial } from './trial.ts';

/** Something that a scheduler wants, as data. */
export type Wish =
  | { readonly kind: 'stop'; readonly trial: Trial }
  /** `trial` goes on from `source`'s checkpoint, with another config. */
  | {
      readonly kind: 'exploit';
      readonly trial: Trial;
      readonly source: Trial;
      readonly config: unknown;
    }
  | { readonly kind: 'resources'; readonly trial: Trial; readonly resources: TrialResources };

/** See the file. */
export class Wishes {
  /** What schedulers are given, to ask by. */
  readonly control: SchedulerControl;
  readonly #table: TrialTable;
  readonly #takeovers: Takeovers;
  readonly #wishes: Wish[] = [];

  constructor(table: TrialTable, samples: Samples, takeovers: Takeovers) {
    this.#table = table;
    this.#takeovers = takeovers;
    this.control = {
      trials: table.trials,
      firstWaiting: () => table.firstWaiting(),
      get hasAllTrials() {
        return samples.areComplete;
      },
      stop: (id) => this.#stop(id),
      exploit: (id, fromId, config) => this.#exploit(id, fromId, config),
      setResources: (id, resources) => this.#setResources(id, resources),
    };
  }

  /** The oldest one, which is nobody's any more. */
  take(): Wish | undefined {
    return this.#wishes.shift();
  }

  /** Whether there is such a one. */
  some(isMeant: (wish: Wish) => boolean): boolean {
    return this.#wishes.some(isMeant);
  }

  /** Those that are meant come to nothing. */
  withdraw(isMeant: (wish: Wish) => boolean): void {
    const kept = this.#wishes.filter((wish) => !isMeant(wish));
    if (kept.length < this.#wishes.length) this.#wishes.splice(0, Infinity, ...kept);
  }

  #stop(id: unknown): void {
    this.#wishes.push({ kind: 'stop', trial: this.#table.named(id, 'stop()') });
  }

  #exploit(id: unknown, fromId: unknown, config: unknown): boolean {
    const call = 'exploit()';
    const trial = this.#table.named(id, call);
    const source = this.#table.named(fromId, call, 'fromId');
    letGo(config);
    if (!isPlainObject(config)) throw invalid({ call, name: 'config' }, config, 'a config');
    if (trial.hasEnded) return false;
    const isPossible = this.#takeovers.isPossible(trial, source);
    // A copy: whoever has made it may go on with it.
    if (isPossible) {
      this.#wishes.push({ kind: 'exploit', trial, source, config: copyOfConfig(config) });
    }
    return isPossible;
  }

  #setResources(id: unknown, resources: unknown): void {
    const call = 'setResources()';
    const trial = this.#table.named(id, call);
    const checked = checkResources(resources, { call, name: 'resources' });
    this.#wishes.push({ kind: 'resources', trial, resources: checked });
  }
}
