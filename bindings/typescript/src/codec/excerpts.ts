/**
 * What is worth keeping, inside of errors, of objects that can't be stored: of a response its status and headers, of an
 * instance of the program's own classes its properties.
 */

import { nameOf } from './unstorable.ts';

/** By name, how each property is read. */
export type Excerpt = Readonly<Record<string, () => unknown>>;

/** Properties of the classes of Node and of the web, and of packages that stand in for those. */
const KEPT: Readonly<Record<string, readonly string[]>> = {
  Response: ['status', 'statusText', 'ok', 'redirected', 'type', 'url', 'headers'],
  Request: ['method', 'url', 'headers'],
  IncomingMessage: ['statusCode', 'statusMessage', 'method', 'url', 'httpVersion', 'headers'],
  ClientRequest: ['method', 'protocol', 'host', 'path'],
  ServerResponse: ['statusCode', 'statusMessage'],
  Socket: ['remoteAddress', 'remotePort', 'localAddress', 'localPort'],
  TLSSocket: ['remoteAddress', 'remotePort', 'localAddress', 'localPort', 'authorized'],
  Blob: ['size', 'type'],
  File: ['name', 'size', 'type', 'lastModified'],
  ChildProcess: ['pid', 'exitCode', 'signalCode', 'spawnfile', 'spawnargs'],
};

/** Classes of which the entries are kept: what they are iterated over gives. */
const LISTED: ReadonlySet<string> = new Set(['Headers', 'FormData']);

/** Methods that give what is no property. */
const ASKED: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  ClientRequest: { headers: 'getHeaders' },
  ServerResponse: { headers: 'getHeaders' },
};

/** What is kept of an object that can't be stored; undefined if there is nothing worth it. */
export function excerptOf(
  value: object,
  isOfPlatform: (constructor: Function) => boolean,
): Excerpt | undefined {
  const object = value as Record<string, unknown>;
  try {
    const name = kindOf(object);
    const excerpt: Record<string, () => unknown> = {};
    if (name !== undefined && LISTED.has(name)) {
      for (const [key, each] of value as Iterable<[string, unknown]>) excerpt[key] = () => each;
    }
    const properties = name === undefined ? ownNames(object, isOfPlatform) : KEPT[name];
    for (const key of properties ?? []) {
      if (name === undefined || object[key] !== undefined) excerpt[key] = () => object[key];
    }
    for (const [key, method] of Object.entries((name && ASKED[name]) ?? {})) {
      excerpt[key] = () => ({ ...(object[method] as () => object).call(object) });
    }
    return Object.keys(excerpt).length === 0 ? undefined : excerpt;
  } catch {
    // What does not let itself be looked at has nothing to keep.
    return undefined;
  }
}

/** The class of the table that an object is of, itself or by inheritance. */
function kindOf(value: object): string | undefined {
  for (
    let prototype = Object.getPrototypeOf(value) as object | null;
    prototype !== null;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    const constructor: unknown = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    if (typeof constructor !== 'function') continue;
    const { name } = constructor;
    if (Object.hasOwn(KEPT, name) || LISTED.has(name)) return name;
  }
  return undefined;
}

/** The names of the properties of an instance of the program's own classes, or of what inherits from an object. */
function ownNames(
  value: object,
  isOfPlatform: (constructor: Function) => boolean,
): string[] | undefined {
  if (Object.prototype.toString.call(value) !== '[object Object]') return undefined;
  const { constructor } = value as { constructor?: unknown };
  const prototype: unknown = Object.getPrototypeOf(value);
  // What inherits from an object that is of no class, as the insides of errors of `zod` do, inherits that object's constructor.
  if (constructor === Object && prototype !== Object.prototype) return Object.keys(value);
  if (typeof constructor !== 'function' || isOfPlatform(constructor)) return undefined;
  return nameOf(value) === 'Object' ? undefined : Object.keys(value);
}
