/** Configs as they were, from what a journal has of them: elements of choices may be what is no data. */

import { isDeepStrictEqual } from 'node:util';

import { randomNumbers, trialSeed } from '../controller/seeds.ts';
import type { TrialHeader } from '../experiment/events.ts';
import { readJson, writeJson } from '../journal/python-json.ts';
import type { Space } from '../space/space.ts';
import { dataOf } from './data.ts';

/** Makes configs of an experiment again; one that its space does not give stays as data. */
export function configReviver(
  space: Space,
  seed: number,
): (config: unknown, values: TrialHeader['values'], number: number) => unknown {
  return (config, values, number) => {
    if (!isWhole(space, values)) return config;
    const built = space.build(
      values.map((value) => value ?? NaN),
      randomNumbers(trialSeed(seed, number)),
    );
    return isDeepStrictEqual(readJson(writeJson(dataOf(built))), config) ? built : config;
  };
}

/** A scheduler's own config can have none of the numbers of the space. */
function isWhole({ parameters }: Space, values: TrialHeader['values']): boolean {
  return parameters.every(({ condition }, index) => {
    const exists = condition === null || values[condition.parameter] === condition.choice;
    return !exists || typeof values[index] === 'number';
  });
}
