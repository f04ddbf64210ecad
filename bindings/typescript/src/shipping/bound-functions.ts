/**
 * What `bind` makes of functions of packages. It has no text: it travels as what it is made of, the function, its `this` and
 * its first arguments.
 *
 * What arrives is a bound function again, of one that hands its calls on: what these are for comes later than the function
 * itself, so that objects may hold methods that are bound to them.
 */

import type {
  ConstructedFunction,
  FunctionByValue,
  LabelledValue,
  ValuePath,
} from '../codec/hooks.ts';
import { defineMember, writtenKey } from './class-members.ts';
import type { SymbolText } from './definition.ts';
import { cannotTravel } from './failure.ts';
import { type BoundParts, boundPartsOf } from './inspection.ts';
import { Box, travelling } from './shared-objects.ts';
import { Imported } from './stand-ins.ts';

/** The keys of bound functions begin with it. */
const BOUND_KEY = 'bound:';

/** A bound function without what it is made of. */
interface Definition {
  readonly name: string;
  readonly length: number;
  /** Properties that somebody gave it. */
  readonly properties: readonly {
    readonly key: string | SymbolText;
    readonly isEnumerable: boolean;
  }[];
}

/** Of those that arrived. */
const arrived = new WeakMap<Function, () => BoundParts>();

/** True for the key of a bound function. */
export function isBoundKey(key: string): boolean {
  return key.startsWith(BOUND_KEY);
}

/** True for a bound function that was sent here, and may be sent on. */
export function hasArrivedBound(fn: Function): boolean {
  return arrived.has(fn);
}

/** What a function is made of, if `bind` made it. */
export function partsOfBound(fn: Function): BoundParts | undefined {
  return arrived.get(fn)?.() ?? boundPartsOf(fn);
}

/**
 * Describes a bound function.
 *
 * @param key under which it travels, by itself.
 * @throws SerializationError if it is more than a bound function
 */
export function describeBound(
  fn: Function,
  { args, self, target }: BoundParts,
  key: string,
  path: ValuePath,
): FunctionByValue {
  const title = titleOf(fn);
  if (Object.getPrototypeOf(fn) !== Object.getPrototypeOf(target)) {
    throw cannotTravel(path, title, 'the prototype of a bound function was changed');
  }
  const properties: Definition['properties'][number][] = [];
  const values: LabelledValue[] = [
    { label: 'the function that is bound', value: travelling(target) },
    { label: 'its this', value: travelling(self) },
    ...args.map((value, index) => ({
      label: `bound argument ${index + 1}`,
      value: travelling(value),
    })),
  ];
  for (const property of Reflect.ownKeys(fn)) {
    if (property === 'length' || property === 'name') continue;
    const { enumerable, get, set, value } = Object.getOwnPropertyDescriptor(fn, property)!;
    const label = `static "${String(typeof property === 'symbol' ? property.description : property)}"`;
    if (get !== undefined || set !== undefined) {
      throw cannotTravel(path, title, "an accessor of a bound function can't be sent", [label]);
    }
    properties.push({ key: writtenKey(property), isEnumerable: enumerable === true });
    values.push({ label, value: travelling(value) });
  }
  const { length, name } = fn;
  const definition: Definition = { name, length, properties };
  return {
    kind: 'value',
    key: BOUND_KEY + key,
    definition: JSON.stringify(definition),
    values,
    title,
  };
}

function titleOf(fn: Function): string {
  const name: unknown = Object.getOwnPropertyDescriptor(fn, 'name')?.value;
  return typeof name === 'string' && name !== '' ? name : 'bound function';
}

/** Makes a bound function that arrives. */
export function constructBound(definitionText: string): Required<ConstructedFunction> {
  const { length, name, properties } = JSON.parse(definitionText) as Definition;
  let given: readonly unknown[] = [];
  const parts = (): BoundParts => {
    const [target, self, ...args] = given.map(contentOf);
    return {
      target: target as Function,
      self,
      args: args.slice(0, args.length - properties.length),
    };
  };
  let current: BoundParts | undefined;
  function forward(this: unknown, ...further: unknown[]): unknown {
    const { args, self, target } = (current ??= parts());
    const all = [...args, ...further];
    if (new.target === undefined) return Reflect.apply(target, self, all);
    return Reflect.construct(target, all, new.target === forward ? target : new.target) as unknown;
  }
  const value: Function = forward.bind(undefined);
  Object.defineProperties(value, {
    name: { value: name, configurable: true },
    length: { value: length, configurable: true },
  });
  arrived.set(value, () => current ?? parts());
  const complete = (): void => {
    const { target } = (current = parts());
    const prototype: unknown = Object.getOwnPropertyDescriptor(target, 'prototype')?.value;
    // `instanceof` of a bound function asks for that of the function.
    if (typeof prototype === 'object' && prototype !== null) forward.prototype = prototype;
    Object.setPrototypeOf(value, Object.getPrototypeOf(target) as object | null);
    const first = given.length - properties.length;
    for (const [index, { isEnumerable, key }] of properties.entries()) {
      const part = { of: 'value', isEnumerable } as const;
      defineMember(value, { on: 'static', key }, part, contentOf(given[first + index]));
    }
  };
  return {
    value,
    assign(values) {
      given = values;
      const boxes = values.filter((each) => each instanceof Box);
      let missing = boxes.length + 1;
      const count = (): void => {
        missing -= 1;
        if (missing === 0) complete();
      };
      for (const each of boxes) each.whenFilled(count);
      count();
    },
  };
}

function contentOf(given: unknown): unknown {
  return given instanceof Imported || given instanceof Box ? given.value : given;
}
