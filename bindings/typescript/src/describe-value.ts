/** Values in the text of error messages: short, in one line, and never a failure of its own. */

import { types } from 'node:util';

/** A value as short text for messages. */
export function describeValue(value: unknown): string {
  let text: string;
  try {
    text = inspectValue(value);
  } catch {
    // A proxy or a `toString` that throws must not replace the error that is being described.
    text = `a ${typeof value}`;
  }
  return text.length > 120 ? `${text.slice(0, 119)}…` : text;
}

/** Whether a value is an error, of this realm or another one, and can be read. */
export function isError(value: unknown): value is Error {
  try {
    return types.isNativeError(value) || value instanceof Error;
  } catch {
    // A proxy whose traps throw. It is treated like any other value.
    return false;
  }
}

/** What was thrown, in one line. Must not throw itself, whatever the value is. */
export function describeThrown(thrown: unknown): string {
  if (isError(thrown)) {
    try {
      return thrown.message === '' ? thrown.name : `${thrown.name}: ${thrown.message}`;
    } catch {
      return 'an error that can not be read';
    }
  }
  return describeValue(thrown);
}

/** Tells a class from a function, also from a method that is called `class`. */
export function isClass(value: Function): boolean {
  return /^class\b(?!\s*\()/.test(Function.prototype.toString.call(value));
}

/** True for what is written in C++: built-in functions, bound functions, proxies of functions. */
export function isNative(fn: Function): boolean {
  return Function.prototype.toString.call(fn).endsWith('{ [native code] }');
}

function inspectValue(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'bigint':
      return `${value}n`;
    case 'function':
      return isClass(value)
        ? `class ${value.name || '(anonymous)'}`
        : `function ${value.name || '(anonymous)'}`;
    case 'object': {
      if (value === null) return 'null';
      const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
      if (Array.isArray(value) || name === 'Object' || name === undefined) {
        return JSON.stringify(value, shortened()) ?? 'an object';
      }
      return instanceOf(value, name);
    }
    default:
      return String(value);
  }
}

/** No text needs more: it is cut after a line. */
const PARTS_MAX = 50;

/** For `JSON.stringify`: names instead of objects with a class of their own, and an end to long walks. */
function shortened(): (key: string, value: unknown) => unknown {
  let parts = 0;
  return (_key, value) => {
    if (++parts > PARTS_MAX) return undefined;
    if (typeof value === 'bigint' || typeof value === 'function') return String(value);
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
    const name: unknown = Object.getPrototypeOf(value)?.constructor?.name;
    return name === 'Object' || name === undefined ? value : instanceOf(value, name);
  };
}

/** What an object is, by the name of its class. Generators have none, and their tag says what they are. */
function instanceOf(value: object, className: unknown): string {
  if (typeof className === 'string' && className !== '') return aOrAn(className);
  const tag = Object.prototype.toString.call(value).slice('[object '.length, -1);
  return tag === 'Object' ? 'an object of a class without a name' : aOrAn(tag);
}

function aOrAn(name: string): string {
  return `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name}`;
}
