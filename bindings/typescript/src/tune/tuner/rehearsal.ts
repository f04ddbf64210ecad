/**
 * Whether searcher and scheduler can do with the experiment, before it begins. Ours say so when they are set up; here others do that
 * which are made as they were, and nothing is done to those that were given.
 */

import { InvalidArgumentError } from '../../index.ts';
import { goalsOf, soleGoalOf } from '../controller/setup.ts';
import { schedulerFrom } from '../schedulers/scheduler-from.ts';
import type { SchedulerDescription } from '../schedulers/scheduler.ts';
import { searcherFrom } from '../search/searcher-from.ts';
import { type SearchSettings, TRIALS_MAX } from './settings.ts';

/** @throws InvalidArgumentError */
export function rehearse(settings: SearchSettings, call: string): void {
  const { space, seed, numSamples, search, scheduler } = settings;
  if (search.description !== undefined) {
    const searcher = searcherFrom(search.description);
    searcher.setup({
      parameters: space.parameters,
      metrics: goalsOf(settings),
      seed,
    });
    const trials = numSamples * (searcher.configsPerSample ?? 1);
    if (trials !== Infinity && trials > TRIALS_MAX) {
      throw new InvalidArgumentError(
        `${call}: ${numSamples} samples of a grid are ${trials} trials; allowed: at most ${TRIALS_MAX}`,
        { argument: 'numSamples', value: numSamples },
      );
    }
  }
  if (scheduler.description === undefined || readsFiles(scheduler.description)) return;
  schedulerFrom(scheduler.description).setup?.({ ...soleGoalOf(settings), seed });
}

/** A policy is read when it is replayed. */
function readsFiles({ name, options }: SchedulerDescription): boolean {
  const { scheduler } = options as { readonly scheduler?: SchedulerDescription };
  return name === 'pbtReplay' || (scheduler !== undefined && readsFiles(scheduler));
}
