/**
 * The properties of a function and of its prototype, as far as they decide how it is captured: which there are, and
 * which functions they are. What else properties hold is read each time.
 */

/** One property. */
interface Noted {
  readonly key: string | symbol;
  readonly isEnumerable: boolean;
  /** The functions that it is, in the order of value, getter, setter; undefined where it is none. */
  readonly functions: readonly (Function | undefined)[];
}

/** An object that has properties. */
interface NotedHolder {
  readonly holder: object;
  readonly parent: object | null;
  readonly properties: readonly Noted[];
}

export class PropertySnapshot {
  private readonly name: unknown;
  private readonly own: NotedHolder;
  private readonly prototype: NotedHolder | undefined;

  constructor(fn: Function) {
    this.name = nameOf(fn);
    this.own = noted(fn);
    const prototype = prototypeOf(fn);
    this.prototype = prototype === undefined ? undefined : noted(prototype);
  }

  /** True if nothing has changed that decides how the function is captured. */
  isStill(fn: Function): boolean {
    return (
      isSame(fn, this.own) &&
      Object.is(nameOf(fn), this.name) &&
      prototypeOf(fn) === this.prototype?.holder &&
      (this.prototype === undefined || isSame(this.prototype.holder, this.prototype))
    );
  }
}

function nameOf(fn: Function): unknown {
  return Object.getOwnPropertyDescriptor(fn, 'name')?.value;
}

function prototypeOf(fn: Function): object | undefined {
  const prototype: unknown = Object.getOwnPropertyDescriptor(fn, 'prototype')?.value;
  return typeof prototype === 'object' && prototype !== null ? prototype : undefined;
}

function noted(holder: object): NotedHolder {
  const properties = Reflect.ownKeys(holder).map((key) => {
    const descriptor = Object.getOwnPropertyDescriptor(holder, key)!;
    return {
      key,
      isEnumerable: descriptor.enumerable === true,
      functions: functionsOf(descriptor),
    };
  });
  return { holder, parent: Object.getPrototypeOf(holder) as object | null, properties };
}

function isSame(holder: object, { parent, properties }: NotedHolder): boolean {
  if (Object.getPrototypeOf(holder) !== parent) return false;
  const keys = Reflect.ownKeys(holder);
  if (keys.length !== properties.length) return false;
  return properties.every(({ functions, isEnumerable, key }, index) => {
    if (keys[index] !== key) return false;
    if (isOfEveryFunction(key)) return true;
    const descriptor = Object.getOwnPropertyDescriptor(holder, key)!;
    if ((descriptor.enumerable === true) !== isEnumerable) return false;
    const now = functionsOf(descriptor);
    return functions.every((each, part) => each === now[part]);
  });
}

/** Those have values that are read, or looked at by themselves. */
function isOfEveryFunction(key: string | symbol): boolean {
  return key === 'length' || key === 'name';
}

function functionsOf({ get, set, value }: PropertyDescriptor): (Function | undefined)[] {
  return [typeof value === 'function' ? (value as Function) : undefined, get, set];
}
