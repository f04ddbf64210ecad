/**
 * Methods of users' own that have to answer at once: a promise is refused, and what it may be rejected with is not let loose on the
 * process as an unhandled rejection.
 */

import { types } from 'node:util';

import { type Place, invalid } from '../option-checks.ts';

/** What may be a promise. The refusal says what is wrong: nobody looks at what becomes of the promise. */
export function letGo(value: unknown): void {
  if (types.isPromise(value)) value.catch(() => undefined);
}

/** @throws InvalidArgumentError for a promise */
export function refusePromise(value: unknown, place: Place): void {
  if (!types.isPromise(value)) return;
  letGo(value);
  throw invalid(place, value, 'an answer at once, and no promise of it');
}

/** An object whose methods throw an InvalidArgumentError where they return a promise; all else is as it was. */
export function answeringAtOnce<T extends object>(target: T, call: string): T {
  const methods = new Map<unknown, unknown>();
  return new Proxy(target, {
    get(_target, key) {
      // With the object itself, which may have private fields.
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      let method = methods.get(value);
      if (method === undefined) {
        const place = { call, name: `what ${String(key)}() returned` };
        method = (...given: unknown[]): unknown => {
          const answer: unknown = Reflect.apply(value, target, given);
          refusePromise(answer, place);
          return answer;
        };
        methods.set(value, method);
      }
      return method;
    },
  });
}
