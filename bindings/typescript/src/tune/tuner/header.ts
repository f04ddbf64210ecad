/** What an experiment's journal begins with. */

import type { ExperimentHeader } from '../experiment/events.ts';
import { dataOf } from './data.ts';
import type { SearchSettings } from './settings.ts';

/** The header of an experiment; `options` are those that are kept beyond its search. */
export function headerOf(
  name: string,
  settings: SearchSettings,
  options: Readonly<Record<string, unknown>>,
): ExperimentHeader {
  return {
    name,
    metrics: settings.metrics,
    modes: settings.modes,
    seed: settings.seed,
    createdAt: Date.now(),
    parameters: settings.space.parameters.map(({ name: parameter, path, kind, args, when }) => ({
      name: parameter,
      path,
      kind,
      args: dataOf(args) as readonly unknown[],
      ...(when === undefined ? {} : { when }),
    })),
    options: { numSamples: settings.numSamples, ...options },
  };
}
