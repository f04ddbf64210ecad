/**
 * Where the module of a class keeps what belongs to its instances: WeakMaps and WeakSets that the text of the class uses.
 * Compilers put `#private` members there for targets before ES2022. What only others of the module use may be a cache.
 */

import { types } from 'node:util';

import { inspect, valueIn } from './inspection.ts';
import { isFunctionWithText } from './reference.ts';

/** The weak collections around a class (`EncodeHooks.weakCollections`). */
export function weakCollections(constructor: Function): readonly WeakCollection[] {
  if (!isFunctionWithText(constructor)) return NONE;
  const words = new Set(Function.prototype.toString.call(constructor).match(WORDS));
  return inspect(constructor).scopes.flatMap((scope) => {
    return Object.keys(scope.variables)
      .filter((name) => words.has(name))
      .map((name) => valueIn(scope, name))
      .filter((value): value is WeakCollection => types.isWeakMap(value) || types.isWeakSet(value));
  });
}

type WeakCollection = WeakMap<object, unknown> | WeakSet<object>;

const WORDS = /[\p{ID_Start}$_][\p{ID_Continue}$]*/gu;

const NONE: readonly WeakCollection[] = [];
