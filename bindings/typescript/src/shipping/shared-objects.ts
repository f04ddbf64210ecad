/**
 * Objects that must be one object for all functions of a process that use them: variables that get their value later,
 * and what bundlers make of modules.
 *
 * The codec makes an object anew out of each envelope, but finds a function that arrived before by its key. Such an
 * object would part from the functions that were there already. So it travels as a function that is none, under a key
 * of its own, as imports do (`stand-ins.ts`).
 */

import { types } from 'node:util';

import type { ConstructedFunction, FunctionByValue, LabelledValue } from '../codec/hooks.ts';
import { isHolder } from './holder.ts';
import { isOwnKey, known, newKey, remember } from './identity.ts';
import { Imported } from './stand-ins.ts';

/** What an object is for; `name` is the variable that it was found in. */
type Form =
  /** Holds a variable as its `value`. */
  | { readonly is: 'cell'; readonly name: string }
  /**
   * The exports of a module as bundlers make them, all getters. The values are the getters, or what the settled ones
   * give; and after them what all gave, if the object comes from a process where it arrived.
   */
  | {
      readonly is: 'exports';
      readonly name: string;
      readonly members: readonly (Member & { readonly isSettled: boolean })[];
      readonly marks: Marks;
      readonly hasArrived: boolean;
    }
  /** A CommonJS module as bundlers import it: `default` is its exports, and getters read their members. */
  | { readonly is: 'imported'; readonly name: string; readonly members: readonly Member[] };

interface Member {
  readonly name: string;
  readonly isEnumerable: boolean;
}

/** An export of a bundled module. */
export interface ExportedMember {
  readonly name: string;
  readonly get: () => unknown;
  readonly settled: Settled | undefined;
}

/** What an export is for good. */
export interface Settled {
  readonly value: unknown;
}

/** What tells others that the object stands for a module. */
interface Marks {
  /** It has `__esModule`. */
  readonly isEsModule: boolean;
  /** It is tagged as a `Module`. */
  readonly isTagged: boolean;
}

/** The keys of these begin with it, so that the receiver tells them from functions. */
const SHARED_KEY = 'shared:';

const standIns = new WeakMap<object, Function>();
const descriptions = new WeakMap<Function, () => FunctionByValue>();

/** The stand-in of an object that has one. */
export function sharedStandIn(object: unknown): Function | undefined {
  return typeof object === 'object' && object !== null ? standIns.get(object) : undefined;
}

/** How a stand-in of this file travels; undefined for other functions. */
export function sharedDescription(fn: Function): FunctionByValue | undefined {
  return descriptions.get(fn)?.();
}

/** What goes onto the wire for something that arrived: an import or an object of this file travels as its stand-in. */
export function travelling(value: unknown): unknown {
  if (value instanceof Imported) return value.standIn;
  return sharedStandIn(value) ?? value;
}

function valueOf(given: unknown): unknown {
  return given instanceof Imported ? given.value : given;
}

/** True for the key of such an object. */
export function isSharedKey(key: string): boolean {
  return key.startsWith(SHARED_KEY);
}

/** The stand-in for the object that holds a variable. */
export function standInForCell(cell: { value: unknown }, name: string): Function {
  return sharedStandIn(cell) ?? newStandIn(cell, ownKey(), { is: 'cell', name }, () => []);
}

/** The stand-in for the exports of a module as bundlers make them; see `gettersOf`. */
export function standInForExports(
  object: object,
  name: string,
  exported: readonly ExportedMember[],
): Function {
  const members = exported.map((each) => {
    return { ...memberOf(object, each.name), isSettled: each.settled !== undefined };
  });
  const values = exported.map(({ get, settled }) => (settled === undefined ? get : settled.value));
  const marks = {
    isEsModule: Object.getOwnPropertyDescriptor(object, '__esModule')?.value === true,
    isTagged: Object.hasOwn(object, Symbol.toStringTag),
  };
  const form: Form = { is: 'exports', name, members, marks, hasArrived: false };
  return newStandIn(object, ownKey(), form, () => values);
}

/**
 * The stand-in for a CommonJS module as bundlers import it; see `importedModule`.
 *
 * @param exports its `module.exports`, or what stands for them.
 */
export function standInForImported(object: object, name: string, exports: unknown): Function {
  const members = Object.getOwnPropertyNames(object)
    .filter((each) => each !== 'default')
    .map((each) => memberOf(object, each));
  return newStandIn(object, ownKey(), { is: 'imported', name, members }, () => [exports]);
}

/**
 * The getters of an object that has nothing else, if all are arrow functions: esbuild's `__export` makes such objects,
 * and Rolldown's. Undefined for others: in an object that a program writes, a getter is no arrow function.
 */
export function gettersOf(object: object): ReadonlyMap<string, () => unknown> | undefined {
  if (types.isProxy(object) || !isWithoutClass(object)) return undefined;
  const names = Object.getOwnPropertyNames(object).filter((name) => name !== '__esModule');
  const symbols = Object.getOwnPropertySymbols(object);
  if (names.length === 0 || symbols.some((symbol) => symbol !== Symbol.toStringTag)) {
    return undefined;
  }
  const getters = new Map<string, () => unknown>();
  for (const name of names) {
    const getter = arrowGetter(object, name);
    if (getter === undefined) return undefined;
    getters.set(name, getter);
  }
  return getters;
}

/**
 * The `module.exports` behind an object that esbuild's `__toESM` or its like made of it: `default` is the exports, the
 * prototype is theirs, and everything else reads from them. Undefined if the object is something else.
 */
export function importedModule(object: object): { readonly exports: unknown } | undefined {
  if (types.isProxy(object)) return undefined;
  const descriptor = Object.getOwnPropertyDescriptor(object, 'default');
  if (descriptor === undefined || !('value' in descriptor)) return undefined;
  if (descriptor.writable === true || descriptor.configurable === true) return undefined;
  const exports: unknown = descriptor.value;
  if (exports === null || exports === undefined || types.isProxy(exports)) return undefined;
  if (Object.getPrototypeOf(object) !== Object.getPrototypeOf(Object(exports))) return undefined;
  const names = Object.getOwnPropertyNames(object).filter((name) => name !== 'default');
  const others = new Set(isHolder(exports) ? Object.getOwnPropertyNames(exports) : []);
  others.delete('default');
  // A frozen object of the program's that has nothing but a `default` is no copy of what that has.
  if (names.length === 0 && others.size > 0) return undefined;
  const isCopy = names.every((name) => others.has(name) && isReadThrough(object, name));
  return isCopy ? { exports } : undefined;
}

/**
 * Makes the object of a stand-in that arrives, or finds it. In the process that it left, it is another one each time:
 * there, its getters and variables are the program's own, and what comes home has the values of where it was.
 */
export function constructShared(key: string, definition: string): ConstructedFunction {
  const isHome = isOwnKey(key.slice(SHARED_KEY.length));
  const present = isHome ? undefined : known(key);
  if (present !== undefined) return asFunction(present);
  const form = JSON.parse(definition) as Form;
  const object: object = form.is === 'cell' ? { value: undefined } : {};
  let given: readonly unknown[] = [];
  if (!isHome) {
    remember(key, object);
    newStandIn(object, key, arrived(form), () => given.map(travelling));
  }
  return {
    ...asFunction(object),
    assign(values) {
      given = values;
      fill(object, form, values.map(valueOf), isHome);
    },
  };
}

function arrived(form: Form): Form {
  return form.is === 'exports' ? { ...form, hasArrived: true } : form;
}

/** The codec hands it on as it is; nothing calls it. */
function asFunction(object: object): ConstructedFunction {
  return { value: object as unknown as Function };
}

function fill(object: object, form: Form, values: readonly unknown[], isHome: boolean): void {
  switch (form.is) {
    case 'cell':
      (object as { value: unknown }).value = values[0];
      return;
    case 'exports':
      for (const [index, member] of form.members.entries()) {
        const hasValue = member.isSettled || (isHome && form.hasArrived);
        if (hasValue) {
          const value = values[member.isSettled ? index : form.members.length + index];
          Object.defineProperty(object, member.name, { value, enumerable: member.isEnumerable });
        } else {
          defineGetter(object, member, values[index] as () => unknown);
        }
      }
      if (form.marks.isEsModule) Object.defineProperty(object, '__esModule', { value: true });
      if (form.marks.isTagged) {
        Object.defineProperty(object, Symbol.toStringTag, { value: 'Module' });
      }
      return;
    case 'imported': {
      const [exports] = values;
      Object.setPrototypeOf(object, Object.getPrototypeOf(Object(exports)) as object | null);
      Object.defineProperty(object, 'default', { value: exports, enumerable: true });
      for (const member of form.members) {
        defineGetter(object, member, () => (exports as Record<string, unknown>)[member.name]);
      }
    }
  }
}

function defineGetter(object: object, { name, isEnumerable }: Member, get: () => unknown): void {
  Object.defineProperty(object, name, { get, enumerable: isEnumerable });
}

function ownKey(): string {
  return SHARED_KEY + newKey();
}

function newStandIn(
  object: object,
  key: string,
  form: Form,
  values: () => readonly unknown[],
): Function {
  const standIn = (): object => object;
  const definition = JSON.stringify(form);
  const title = `variable "${form.name}"`;
  standIns.set(object, standIn);
  descriptions.set(standIn, () => {
    return { kind: 'value', key, definition, values: labelled(object, form, values()), title };
  });
  return standIn;
}

function labelled(object: object, form: Form, values: readonly unknown[]): LabelledValue[] {
  switch (form.is) {
    case 'cell':
      return [{ label: '', value: travelling((object as { value: unknown }).value) }];
    case 'exports': {
      const labels = form.members.map(({ name }) => `export "${name}"`);
      const getters = labels.map((label, index) => ({ label, value: values[index] }));
      if (!form.hasArrived) return getters;
      const current = form.members.map(({ isSettled }, index) => {
        const value = isSettled ? values[index] : (values[index] as () => unknown)();
        return { label: labels[index]!, value: travelling(value) };
      });
      return [...getters, ...current];
    }
    case 'imported':
      return [{ label: '', value: values[0] }];
  }
}

function isWithoutClass(object: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(object);
  return (
    prototype === Object.prototype ||
    prototype === null ||
    // A copy of a module whose exports are a function.
    prototype === Function.prototype
  );
}

function arrowGetter(object: object, name: string): (() => unknown) | undefined {
  const getter = Object.getOwnPropertyDescriptor(object, name)?.get;
  if (getter === undefined) return undefined;
  return /^\(\s*\)\s*=>/.test(Function.prototype.toString.call(getter)) ? getter : undefined;
}

/** True for a getter as bundlers copy members: an arrow function, or one that is bound to the name of the member. */
function isReadThrough(object: object, name: string): boolean {
  const getter = Object.getOwnPropertyDescriptor(object, name)?.get;
  return getter?.name.startsWith('bound ') === true || arrowGetter(object, name) !== undefined;
}

function memberOf(object: object, name: string): Member {
  return { name, isEnumerable: Object.prototype.propertyIsEnumerable.call(object, name) };
}
