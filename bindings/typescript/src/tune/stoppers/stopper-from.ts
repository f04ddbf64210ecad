/** Makes our own stoppers again from what a journal keeps of them. */

import { InvalidArgumentError } from '../../index.ts';
import { experimentPlateauStopper } from './experiment-plateau-stopper.ts';
import { maximumIterationStopper } from './maximum-iteration-stopper.ts';
import { stagnationStopper } from './stagnation-stopper.ts';
import { allOf } from './stopper-of.ts';
import { type Stopper, type StopperDescription, described } from './stopper.ts';
import { timeoutStopper } from './timeout-stopper.ts';
import { trialPlateauStopper } from './trial-plateau-stopper.ts';

type Make = (...args: never[]) => Stopper;

const MAKERS: Readonly<Record<string, Make>> = {
  allOf,
  experimentPlateauStopper,
  maximumIterationStopper,
  stagnationStopper,
  timeoutStopper,
  trialPlateauStopper,
};

/** How one of our stoppers was made; undefined for everything else. */
export function descriptionOf(value: object): StopperDescription | undefined {
  return (value as { readonly [described]?: StopperDescription })[described];
}

/** A stopper that has seen nothing, made as the described one was. @throws InvalidArgumentError for what is none of ours */
export function stopperFrom({ name, args }: StopperDescription): Stopper {
  const make = Object.hasOwn(MAKERS, name) ? MAKERS[name] : undefined;
  if (make === undefined) {
    throw new InvalidArgumentError(`there is no stopper ${name}; give stop again with restore`, {
      argument: 'stop',
      value: name,
    });
  }
  return make(...(args as never[]));
}
