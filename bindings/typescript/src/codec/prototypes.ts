/**
 * What an object is, by its prototype: a built-in kind, an instance of the user's class, or something that can't be
 * stored. Decided once per prototype.
 */

import { isNative } from '../describe-value.ts';
import * as errors from '../errors.ts';
import { SerializationError } from '../errors.ts';
import { MADE_THERE, PER_PROCESS } from '../remedies.ts';
import type { FunctionDescription } from './hooks.ts';
import { platformKindOf } from './platform-kinds.ts';
import { type PlatformObstacle, platformObstacle } from './remedies.ts';
import { type Unstorable, nameOf, unstorable } from './unstorable.ts';
import { DESERIALIZE, ERROR_NAMES, SERIALIZE, Tag, VIEW_NAMES } from './wire.ts';

/** How the objects of one prototype are stored. */
export interface Plan {
  /** The built-in kind that the objects are, or that their class extends: one of the tags of objects. */
  readonly base: number;
  /** The class that they keep; undefined for built-in ones. */
  readonly class: Function | undefined;
  /** True if the class stores a state of its own making. */
  readonly custom: boolean;
  /** The number of a class of Node or of the web that is data, or -1. */
  readonly kind: number;
  /** For errors whose own prototype can't travel: the prototype that they arrive with instead. */
  readonly kept: object | undefined;
  /** Where the modules of the classes may keep what belongs to an instance. */
  readonly hiding: readonly (WeakMap<object, unknown> | WeakSet<object>)[];
}

const plain = { class: undefined, custom: false, kind: -1, kept: undefined, hiding: [] };

/** Built-in prototypes by the tag of their objects. */
const BUILT_IN = new Map<object, number>();

function builtIn(tag: number, ...constructors: (Function | undefined)[]): void {
  for (const each of constructors) if (each !== undefined) BUILT_IN.set(each.prototype, tag);
}

function global(name: string): Function | undefined {
  const found = (globalThis as Record<string, unknown>)[name];
  return typeof found === 'function' ? found : undefined;
}

/** The classes of functions. What only inherits from one of them is no function, but what bundlers make of a module. */
const FUNCTION_KINDS = [
  () => undefined,
  async () => undefined,
  function* generator() {},
  async function* generator() {},
].map((each: Function) => each.constructor);

builtIn(Tag.Object, Object, ...FUNCTION_KINDS);
builtIn(Tag.Array, Array);
builtIn(Tag.Map, Map);
builtIn(Tag.Set, Set);
builtIn(Tag.Date, Date);
builtIn(Tag.RegExp, RegExp);
builtIn(Tag.Boxed, Number, String, Boolean, BigInt, Symbol);
builtIn(Tag.Memory, ArrayBuffer, SharedArrayBuffer);
builtIn(Tag.View, ...VIEW_NAMES.map(global));
builtIn(Tag.Error, ...ERROR_NAMES.map(global));
builtIn(Tag.DomException, DOMException);
builtIn(Tag.Url, URL);
builtIn(Tag.UrlSearchParams, URLSearchParams);
builtIn(
  Tag.EaglerayError,
  ...Object.values(errors).filter(
    (each): each is typeof errors.EaglerayError =>
      typeof each === 'function' &&
      (each === errors.EaglerayError || each.prototype instanceof errors.EaglerayError),
  ),
);

const WITHOUT_CLASS =
  'its prototype belongs to no class that can be found, because the `constructor` of that prototype is missing or is ' +
  'another class';

const WITH_CLASS = `set it (A.prototype.constructor = A), or send a copy: { ...object }; if it is a package's, ${MADE_THERE}`;

/** What has to be known of the classes of an object. */
export interface Classes {
  /** Throws a `SerializationError` if a class can't travel. */
  describe(constructor: Function): FunctionDescription;
  /** True for a class of Node or of V8. */
  isOfPlatform(constructor: Function): boolean;
  /** False if something that a class captures can't be stored. */
  isStorable(constructor: Function): boolean;
  /** The WeakMaps and WeakSets around a class. */
  weakCollections(constructor: Function): Plan['hiding'];
}

/** Makes the plans of one encoder. */
export class Plans {
  private readonly plans = new WeakMap<object, Plan>();

  constructor() {
    for (const [prototype, base] of BUILT_IN) this.plans.set(prototype, { base, ...plain });
  }

  /** The plan of a prototype that was met before, or that is built in. */
  get(prototype: object): Plan | undefined {
    return this.plans.get(prototype);
  }

  make(prototype: object, value: object, known: Classes): Plan {
    const plan = planOf(prototype, value, known);
    this.plans.set(prototype, plan);
    return plan;
  }
}

function planOf(prototype: object, value: object, known: Classes): Plan {
  const kind = platformKindOf(prototype);
  if (kind !== -1) return { base: Tag.Platform, ...plain, kind };
  const { classes, base } = ancestryOf(prototype, value, known);
  const own = classes[0];
  if (own === undefined) {
    return isErrorBase(base) ? errorPlan(prototype, classes, base, known) : { base, ...plain };
  }
  if (typeof (own as never)[SERIALIZE] === 'function') {
    if (typeof (own as never)[DESERIALIZE] !== 'function') {
      throw unstorable(
        value,
        "its class has Symbol.for('eagleray.serialize') without Symbol.for('eagleray.deserialize')",
      );
    }
    return { base, ...plain, class: own, custom: true };
  }
  if (isErrorBase(base)) return errorPlan(prototype, classes, base, known);
  for (const each of classes) check(each, value, known);
  // What a class holds that goes by value is looked at by itself.
  const referred = classes.filter((each) => known.describe(each).kind === 'reference');
  const hiding = [...new Set(referred.flatMap((each) => known.weakCollections(each)))];
  return { base, ...plain, class: own, hiding };
}

/**
 * The plan of an error. An error always travels, because it is how a user learns what went wrong: if its class can't
 * (it is an internal one of Node, has #private members, or captures what can't be stored), it arrives as its nearest
 * class that can, with its name.
 */
function errorPlan(
  prototype: object,
  classes: readonly Function[],
  base: number,
  known: Classes,
): Plan {
  const kept = classes.findIndex((_, first) =>
    classes.slice(first).every((each) => travels(each, known)),
  );
  if (kept === -1) {
    return { base, ...plain, kept: builtInPrototype(prototype) };
  }
  const constructor = classes[kept]!;
  const isOwn = constructor.prototype === prototype;
  return {
    base,
    ...plain,
    class: constructor,
    kept: isOwn ? undefined : (constructor.prototype as object),
  };
}

function travels(constructor: Function, known: Classes): boolean {
  if (isNative(constructor)) return false;
  let description: FunctionDescription;
  try {
    description = known.describe(constructor);
  } catch (error) {
    if (error instanceof SerializationError) return false;
    throw error;
  }
  if (description.hasPrivateMembers === true) return false;
  return description.kind === 'reference' || known.isStorable(constructor);
}

function check(constructor: Function, value: object, known: Classes): void {
  if (isNative(constructor)) throw ofPlatform(constructor, value, known);
  let description: FunctionDescription;
  try {
    description = known.describe(constructor);
  } catch (error) {
    // A class that Node does not export.
    if (known.isOfPlatform(constructor)) throw ofPlatform(constructor, value, known);
    throw error;
  }
  if (description.kind === 'reference' && description.isOfPlatform === true) {
    throw ofPlatform(constructor, value, known);
  }
  checkPrivateMembers(description, value);
}

/** Why instances of a class of Node or V8 can't be stored, also where it is only the base of the value's class. */
function ofPlatform(constructor: Function, value: object, known: Classes): Unstorable {
  const { reason, remedy } = obstacleOf(value, known);
  const isOwn = known.isOfPlatform(value.constructor);
  if (isOwn) return unstorable(value, reason, remedy);
  const base = `its class extends ${constructor.name}`;
  return unstorable(value, reason === '' ? base : `${base}: ${reason}`, remedy);
}

function checkPrivateMembers(description: FunctionDescription, value: object): void {
  if (description.hasPrivateMembers !== true) return;
  throw unstorable(
    value,
    "its class has #private members, which can't be read from outside",
    description.isOfPackage === true
      ? MADE_THERE
      : "give it static [Symbol.for('eagleray.serialize')](instance) and " +
          "static [Symbol.for('eagleray.deserialize')](state), or, if it belongs to a process, " +
          PER_PROCESS,
  );
}

/** Refuses an object of which the module of its class keeps something that nothing of the object tells of. */
export function refuseHidden(value: object, hiding: Plan['hiding']): void {
  const found = hiding.find((each) => each.has(value));
  if (found === undefined) return;
  throw unstorable(
    value,
    `the module of its class keeps something of it in a ${nameOf(found)}, which can't be listed`,
    `compile for ES2022 or newer if these are its #private members, or ${MADE_THERE}`,
  );
}

/** The user's classes of an object, nearest first, and the built-in kind under them. */
function ancestryOf(
  prototype: object,
  value: object,
  known: Classes,
): { classes: Function[]; base: number } {
  const base = baseOf(prototype);
  const classes: Function[] = [];
  for (
    let each: object | null = prototype;
    each !== null && builtInTag(each) === undefined;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    const constructor: unknown = Object.getOwnPropertyDescriptor(each, 'constructor')?.value;
    if (typeof constructor === 'function' && constructor.prototype === each) {
      classes.push(constructor);
    } else if (!isErrorBase(base)) {
      if (!isOfKind(value, known)) throw unstorable(value, WITHOUT_CLASS, WITH_CLASS);
      const { reason, remedy } = obstacleOf(value, known);
      throw unstorable(value, reason, remedy);
    }
  }
  return { classes, base };
}

function baseOf(prototype: object): number {
  const found = builtInPrototype(prototype);
  // Nothing is found under a class that extends null.
  return found === undefined ? Tag.Object : builtInTag(found)!;
}

/** The nearest built-in prototype: the object itself or one of its prototypes. */
function builtInPrototype(prototype: object): object | undefined {
  for (
    let each: object | null = prototype;
    each !== null;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    if (builtInTag(each) !== undefined) return each;
  }
  return undefined;
}

function builtInTag(prototype: object): number | undefined {
  return BUILT_IN.get(prototype) ?? foreignTag(prototype);
}

/** The tag of a built-in prototype of another realm, such as a `node:vm` context: it is taken for ours of that name. */
function foreignTag(prototype: object): number | undefined {
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  if (typeof constructor !== 'function' || constructor.prototype !== prototype) return undefined;
  if (!isNative(constructor)) return undefined;
  const ours = global(constructor.name);
  return ours === undefined ? undefined : BUILT_IN.get(ours.prototype);
}

export function isErrorBase(tag: number): boolean {
  return tag === Tag.Error || tag === Tag.EaglerayError || tag === Tag.DomException;
}

/** True for what is no object of a class of the program, such as an iterator or the environment. */
function isOfKind(value: object, known: Classes): boolean {
  if (value === process.env) return true;
  if (Object.prototype.toString.call(value) !== '[object Object]') return true;
  try {
    const { constructor } = value as { constructor?: unknown };
    return (
      typeof constructor === 'function' && constructor !== Object && known.isOfPlatform(constructor)
    );
  } catch {
    // A class that does not let itself be found is one of the program.
    return false;
  }
}

function obstacleOf(value: object, known: Classes): PlatformObstacle {
  return platformObstacle(value, (each) => known.isOfPlatform(each));
}
