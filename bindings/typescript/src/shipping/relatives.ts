/**
 * Classes of one identity. A class that holds what may change is made anew with each delivery, so a process may have
 * several of it: those that its functions know, and those of instances that came one by one. `instanceof` takes them for
 * one.
 */

/** The identity of classes, and of their prototypes. */
const identities = new WeakMap<object, string>();

/** Has `instanceof` take a class for all of its identity. */
export function keepRelated(made: Function, identity: string): void {
  // A class that answers by itself, or inherits an answer, goes on doing that.
  const answer = (made as Partial<Answering>)[Symbol.hasInstance];
  if (answer !== Function.prototype[Symbol.hasInstance] && answer !== isRelative) return;
  const prototype: unknown = made.prototype;
  if (typeof prototype !== 'object' || prototype === null) return;
  identities.set(made, identity);
  identities.set(prototype, identity);
  Object.defineProperty(made, Symbol.hasInstance, {
    value: isRelative,
    configurable: true,
    writable: true,
  });
}

interface Answering {
  [Symbol.hasInstance](value: unknown): boolean;
}

/** As `instanceof` asks it; classes that are derived elsewhere inherit it. */
function isRelative(this: Function, value: unknown): boolean {
  const answer = inheritedAnswer(this);
  if (answer !== undefined) return answer.call(this, value);
  if (Function.prototype[Symbol.hasInstance].call(this, value)) return true;
  const identity = identities.get(this);
  if (identity === undefined || typeof value !== 'object' || value === null) return false;
  for (
    let each = Object.getPrototypeOf(value) as object | null;
    each !== null;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    if (identities.get(each) === identity) return true;
  }
  return false;
}

/**
 * The answer that a class inherits from one that answers by itself. It is looked for when it is asked for, because a class
 * is made before it has its base class.
 */
function inheritedAnswer(asked: Function): Answering[typeof Symbol.hasInstance] | undefined {
  for (
    let each = asked as object | null;
    each !== null && each !== Function.prototype;
    each = Object.getPrototypeOf(each) as object | null
  ) {
    if (!Object.hasOwn(each, Symbol.hasInstance)) continue;
    const answer = (each as Answering)[Symbol.hasInstance];
    if (answer !== isRelative) return answer;
  }
  return undefined;
}
