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

/** By method: what it is given in the place of its arguments. */
export type MethodArguments<T extends object> = {
  readonly [Name in keyof T]?: NonNullable<T[Name]> extends (...given: infer Given) => unknown
    ? (...given: Given) => Given
    : never;
};

/**
 * An object whose methods throw an InvalidArgumentError where they return a promise, and get what `given` makes of their arguments; all
 * else is as it was.
 */
export function answeringAtOnce<T extends object>(
  target: T,
  call: string,
  given: MethodArguments<T> = {},
): T {
  const methods = new Map<string | symbol, { readonly of: unknown; readonly method: unknown }>();
  return new Proxy(target, {
    get(_target, key) {
      // With the object itself, which may have private fields.
      const value: unknown = Reflect.get(target, key, target);
      if (typeof value !== 'function') return value;
      const known = methods.get(key);
      if (known?.of === value) return known.method;
      const place = { call, name: `what ${String(key)}() returned` };
      const argumentsFor = (given as Partial<Record<string | symbol, ArgumentsFor>>)[key];
      const method = (...args: unknown[]): unknown => {
        const own = argumentsFor === undefined ? args : argumentsFor(...args);
        const answer: unknown = Reflect.apply(value, target, own);
        refusePromise(answer, place);
        return answer;
      };
      methods.set(key, { of: value, method });
      return method;
    },
  });
}

type ArgumentsFor = (...given: unknown[]) => unknown[];
