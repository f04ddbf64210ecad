/** What trials may run with: what tasks may, so that no trial is refused when it is to start. */

import { type Place, checkOptions, invalid, resourceChecks } from '../../option-checks.ts';
import { letGo } from '../answers-at-once.ts';
import { copyOfData } from '../data-copies.ts';
import { isPlainObject } from '../plain-object.ts';
import type { TrialResources } from '../types.ts';
import type { TrialError } from './instructions.ts';
import { finalError } from './reports.ts';
import type { ControllerSetup } from './setup.ts';

/** In their normal form: as they are counted. @throws InvalidArgumentError */
export function checkResources(value: unknown, place: Place): TrialResources {
  letGo(value);
  if (!isPlainObject(value)) {
    throw invalid(place, value, `an object of ${Object.keys(resourceChecks).join(', ')}`);
  }
  // A copy, of what users have in it as well.
  return copyOfData(checkOptions(place.call, resourceChecks, value, place.name));
}

/** What a trial with a config runs with; where that can't be said or can never be had, why: then it runs with nothing. */
export function resourcesFor(
  { resources: of, infeasible }: Pick<ControllerSetup, 'resources' | 'infeasible'>,
  config: unknown,
): { readonly resources: TrialResources; readonly error: TrialError | undefined } {
  let resources: TrialResources;
  try {
    resources = of(config);
  } catch (thrown) {
    return { resources: {}, error: finalError(thrown) };
  }
  return { resources, error: infeasible(resources) };
}
