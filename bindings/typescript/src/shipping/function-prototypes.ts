/** The prototypes that functions have before a program gives them others. */

import { isNative } from '../describe-value.ts';

const KINDS = [
  () => undefined,
  async () => undefined,
  function* generator() {},
  async function* generator() {},
].map((each: Function) => each.constructor as FunctionConstructor);

const PROTOTYPES = new Set<unknown>(KINDS.map(({ prototype }) => prototype));
const NAMES = new Set(KINDS.map(({ name }) => name));

/** True for `Function.prototype` and its like of other kinds of functions, of this realm or of another. */
export function isFunctionPrototype(prototype: unknown): boolean {
  if (PROTOTYPES.has(prototype)) return true;
  if (typeof prototype !== 'function' && typeof prototype !== 'object') return false;
  if (prototype === null) return false;
  const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
  return (
    typeof constructor === 'function' &&
    constructor.prototype === prototype &&
    NAMES.has(constructor.name) &&
    isNative(constructor)
  );
}
