/** What trials may run with: checked as the core checks what tasks run with, so that no trial is refused when it is to start. */

import { type Place, invalid, isRecord } from '../../option-checks.ts';
import { letGo } from '../answers-at-once.ts';
import { isPlainObject } from '../plain-object.ts';
import type { TrialResources } from '../types.ts';
import type { TrialError } from './instructions.ts';
import { finalError } from './reports.ts';
import type { ControllerSetup } from './setup.ts';

const NAMES = ['numCpus', 'numGpus', 'resources', 'memory'];

/** The most characters of a resource's name. */
const NAME_LENGTH_MAX = 1024;

/** Resources that have an option of their own. */
const RESERVED: ReadonlyMap<string, string> = new Map([
  ['CPU', 'numCpus'],
  ['GPU', 'numGpus'],
  ['memory', 'memory'],
  ['objectStoreMemory', 'objectStoreMemory of init()'],
]);

/** @throws InvalidArgumentError */
export function checkResources(value: unknown, place: Place): TrialResources {
  letGo(value);
  if (!isPlainObject(value)) throw invalid(place, value, `an object of ${NAMES.join(', ')}`);
  const unknown = Object.keys(value).find((name) => !NAMES.includes(name));
  if (unknown !== undefined) {
    throw invalid({ ...place, name: `${place.name}.${unknown}` }, value[unknown], NAMES.join(', '));
  }
  for (const name of ['numCpus', 'numGpus', 'memory'] as const) {
    if (value[name] !== undefined) {
      checkQuantity(value[name], { ...place, name: `${place.name}.${name}` });
    }
  }
  const { numGpus, resources: own } = value;
  if (typeof numGpus === 'number' && numGpus > 1 && !Number.isInteger(numGpus)) {
    throw invalid(
      { ...place, name: `${place.name}.numGpus` },
      numGpus,
      'a fraction of one GPU (0 to 1), or a whole number of GPUs',
    );
  }
  if (own === undefined) return value;
  const at = { ...place, name: `${place.name}.resources` };
  if (!isRecord(own)) throw invalid(at, own, 'an object of numbers');
  for (const [name, quantity] of Object.entries(own)) checkCustom(name, quantity, at);
  return value;
}

function checkCustom(name: string, quantity: unknown, place: Place): void {
  if (quantity === undefined) return;
  if (name.length > NAME_LENGTH_MAX) {
    const allowed = `names of at most ${NAME_LENGTH_MAX} characters`;
    throw invalid({ ...place, name: `a name in ${place.name}` }, name, allowed);
  }
  const at = { ...place, name: `${place.name}.${name}` };
  const option = RESERVED.get(name);
  if (option !== undefined) throw invalid(at, quantity, `the option ${option} instead`);
  if (name === '' || name.includes('\0')) throw invalid(at, quantity, 'a name that is not empty');
  checkQuantity(quantity, at);
}

/** More than the core can count is more than there is anywhere, and is said to be that. */
function checkQuantity(value: unknown, place: Place): void {
  if (typeof value === 'number' && value >= 0 && Number.isFinite(value)) return;
  throw invalid(place, value, 'a finite number from 0 up');
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
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    return { resources: {}, error: finalError(error) };
  }
  return { resources, error: infeasible(resources) };
}
