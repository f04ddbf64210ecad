/**
 * Objects that must be one object for all functions of a shipment: variables that change, and what bundlers make of
 * modules.
 *
 * The codec keeps identity inside one envelope. The arguments of a call are several, and what stands for a module has
 * getters, which the codec would read. So such an object travels as a function that is none, under a key of its own,
 * as imports do (`stand-ins.ts`).
 */

import { types } from 'node:util';

import type { ConstructedFunction, FunctionByValue, LabelledValue } from '../codec/hooks.ts';
import { isHolder } from './holder.ts';
import { Imported } from './stand-ins.ts';
import { symbolOf, symbolText } from './symbols.ts';

/** What an object is for; `label` is the step of a path by which errors name it: `variable "settings"`. */
type Form =
  /** Holds a variable as its `value`; one that is a symbol of the program's is written here. */
  | { readonly is: 'cell'; readonly label: string; readonly symbol?: string }
  /** Holds an object that a variable has for good, so that it is one for functions in several envelopes. */
  | { readonly is: 'box'; readonly label: string }
  /** The exports of a module as bundlers make them, all getters. The values are these, or what the settled ones give. */
  | {
      readonly is: 'exports';
      readonly label: string;
      readonly members: readonly (Member & { readonly isSettled: boolean })[];
      readonly marks: Marks;
    }
  /** A CommonJS module as bundlers import it: `default` is its exports, and getters read their members. */
  | { readonly is: 'imported'; readonly label: string; readonly members: readonly Member[] };

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

/** The key of the object with that number in a shipment. */
export function sharedKey(number: number): string {
  return SHARED_KEY + number.toString(36);
}

/** True for the key of such an object. */
export function isSharedKey(key: string): boolean {
  return key.startsWith(SHARED_KEY);
}

/** What stands behind a stand-in. */
interface Shared {
  readonly form: Form;
  readonly values: readonly unknown[];
}

const standIns = new WeakMap<object, Function>();
const shared = new WeakMap<Function, () => Shared>();

/** The stand-in of an object that has one. */
export function sharedStandIn(object: unknown): Function | undefined {
  return typeof object === 'object' && object !== null ? standIns.get(object) : undefined;
}

/** How a stand-in of this file travels; undefined for other functions. `keyOf` gives keys to those of a shipment. */
export function sharedDescription(
  fn: Function,
  keyOf: (standIn: Function) => string,
): FunctionByValue | undefined {
  const read = shared.get(fn);
  if (read === undefined) return undefined;
  const { form, values } = read();
  return {
    kind: 'value',
    key: keyOf(fn),
    definition: JSON.stringify(form),
    values: labelled(form, values),
    // A variable that is shared is no step of its own.
    title: isVariable(form) ? '' : form.label,
  };
}

/** What goes onto the wire for something that arrived: an import or an object of this file travels as its stand-in. */
export function travelling(value: unknown): unknown {
  if (value instanceof Imported) return value.standIn;
  return sharedStandIn(value) ?? value;
}

function valueOf(given: unknown): unknown {
  return given instanceof Imported ? given.value : given;
}

/** Holds a variable that functions share. */
export interface Cell {
  value: unknown;
}

/** The stand-in for a variable that functions of a shipment share. */
export function newCell(label: string, value: unknown): Function {
  return newStandIn(() => cellOf(label, value));
}

function cellOf(label: string, value: unknown): Shared {
  // The codec takes no symbols but registered ones.
  return typeof value === 'symbol'
    ? { form: { is: 'cell', label, symbol: symbolText(value) }, values: [] }
    : { form: { is: 'cell', label }, values: [value] };
}

/** The stand-in for an object that a variable has for good. */
export function newBox(label: string, value: object): Function {
  return newStandIn(() => ({ form: { is: 'box', label }, values: [value] }));
}

/** An object of a variable, after its arrival. It may be on its way while a function that holds it is complete. */
export class Box {
  value: unknown = undefined;
  private waiting: (() => void)[] | undefined = [];

  fill(value: unknown): void {
    this.value = value;
    const { waiting = [] } = this;
    this.waiting = undefined;
    for (const act of waiting) act();
  }

  /** Acts once the object is there. */
  whenFilled(act: () => void): void {
    if (this.waiting === undefined) act();
    else this.waiting.push(act);
  }
}

/** The stand-in for the exports of a module as bundlers make them; see `gettersOf`. */
export function standInForExports(
  object: object,
  label: string,
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
  return standFor(object, () => ({ form: { is: 'exports', label, members, marks }, values }));
}

/**
 * The stand-in for a CommonJS module as bundlers import it; see `importedModule`.
 *
 * @param exports its `module.exports`, or what stands for them.
 */
export function standInForImported(object: object, label: string, exports: unknown): Function {
  const members = Object.getOwnPropertyNames(object)
    .filter((each) => each !== 'default')
    .map((each) => memberOf(object, each));
  const form: Form = { is: 'imported', label, members };
  return standFor(object, () => ({ form, values: [exports] }));
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

/** Makes the object of a stand-in that arrives. */
export function constructShared(definition: string): Required<ConstructedFunction> {
  const form = JSON.parse(definition) as Form;
  if (form.is === 'box') {
    const box = new Box();
    return { ...asFunction(box), assign: ([value]) => box.fill(value) };
  }
  const object: object = form.is === 'cell' ? { value: undefined } : {};
  let given: readonly unknown[] = [];
  // It travels on with what it holds then.
  standFor(object, () =>
    form.is === 'cell'
      ? cellOf(form.label, travelling((object as Cell).value))
      : { form, values: given.map(travelling) },
  );
  return {
    ...asFunction(object),
    assign(values) {
      given = values;
      fill(object, form, values.map(valueOf));
    },
  };
}

/** The codec hands it on as it is; nothing calls it. */
function asFunction(object: object): { value: Function } {
  return { value: object as unknown as Function };
}

function fill(
  object: object,
  form: Exclude<Form, { is: 'box' }>,
  values: readonly unknown[],
): void {
  switch (form.is) {
    case 'cell':
      (object as Cell).value = form.symbol === undefined ? values[0] : symbolOf(form.symbol);
      return;
    case 'exports':
      for (const [index, member] of form.members.entries()) {
        const value = values[index];
        if (member.isSettled) {
          Object.defineProperty(object, member.name, { value, enumerable: member.isEnumerable });
        } else {
          defineGetter(object, member, value as () => unknown);
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

function newStandIn(read: () => Shared): Function {
  const standIn = (): Shared => read();
  shared.set(standIn, read);
  return standIn;
}

function standFor(object: object, read: () => Shared): Function {
  const standIn = newStandIn(read);
  standIns.set(object, standIn);
  return standIn;
}

function isVariable({ is }: Form): boolean {
  return is === 'cell' || is === 'box';
}

function labelled(form: Form, values: readonly unknown[]): LabelledValue[] {
  return values.map((value, index) => {
    if (isVariable(form)) return { label: form.label, value };
    return { label: form.is === 'exports' ? `export "${form.members[index]!.name}"` : '', value };
  });
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
