/** Trainables with large values, which are stored once for all trials: Ray's `tune.with_parameters`. */

import { InvalidArgumentError, type ObjectRef } from '../../index.ts';
import { invalid, isRecord } from '../../option-checks.ts';
import {
  type TrainableClass,
  Trainable,
  type TrainableFunction,
  isTrainableClass,
} from '../trial/trainable.ts';

declare const CONFIG: unique symbol;

/** A trainable with its parameters. */
export class WithParameters<in C> {
  /** Only for inference; no instance has it. */
  declare readonly [CONFIG]: (config: C) => void;
  readonly trainable: TrainableFunction | TrainableClass;
  readonly params: Readonly<Record<string, unknown>>;

  /** @internal */
  constructor(
    trainable: TrainableFunction | TrainableClass,
    params: Readonly<Record<string, unknown>>,
  ) {
    this.trainable = trainable;
    this.params = params;
  }
}

/** The values of parameters: refs are resolved. */
type Resolved<Params> = {
  [Name in keyof Params]: Params[Name] extends ObjectRef<infer Value> ? Value : Params[Name];
};

/**
 * Gives a trainable values that are stored once, and arrive as its third argument (`setup`'s, for a class).
 *
 * @throws InvalidArgumentError
 */
export function withParameters<C, Params extends Record<string, unknown>>(
  trainable: TrainableFunction<C, Resolved<Params>> | TrainableClass<C, Resolved<Params>>,
  params: Params,
): WithParameters<C> {
  const call = 'withParameters()';
  checkTrainable(trainable, call);
  if (!isRecord(params)) {
    throw invalid({ call, name: 'params' }, params, 'an object of values by name');
  }
  return new WithParameters(trainable as TrainableFunction | TrainableClass, { ...params });
}

/** What a trainable is made of. @throws InvalidArgumentError */
export function parametersOf(trainable: unknown): {
  readonly trainable: TrainableFunction | TrainableClass;
  readonly params: Readonly<Record<string, unknown>> | null;
} {
  if (trainable instanceof WithParameters) return trainable;
  return { trainable: checkTrainable(trainable, 'new Tuner()'), params: null };
}

const ALLOWED =
  'a function of a config, a generator function, or a class that extends Trainable (themselves, and not what they give when they are called)';

function checkTrainable(trainable: unknown, call: string): TrainableFunction | TrainableClass {
  const isClass = typeof trainable === 'function' && /^class\b/.test(String(trainable));
  if (typeof trainable === 'function' && (!isClass || isTrainableClass(trainable))) {
    return trainable as TrainableFunction | TrainableClass;
  }
  if (isClass && (trainable as { prototype: unknown }).prototype instanceof Trainable) {
    const { name } = trainable as Function;
    throw new InvalidArgumentError(
      `${call}: trainable is class ${name || '(no name)'}, which has no method step(); allowed: ${ALLOWED}`,
      { argument: 'trainable', value: trainable, allowed: ALLOWED },
    );
  }
  throw invalid({ call, name: 'trainable' }, trainable, ALLOWED);
}
