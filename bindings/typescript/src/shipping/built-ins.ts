/**
 * Values that every process has already: globals, what Node's own modules export, and what the SDK exports.
 *
 * They travel by name. A name is an address (`global:`, `node:fs`, `eagleray:`) and a path of members
 * (`Math.max`, `promises.readFile`).
 */

import { builtinModules } from 'node:module';

import { GLOBALS, SDK } from './address.ts';
import { builtInModule, loadedModules } from './built-in-modules.ts';
import { isOfNode } from './node-functions.ts';

/** Where to find a value that the receiver has too. */
export interface BuiltInName {
  readonly moduleUrl: string;
  readonly path: string;
}

/** Globals that Node makes enumerable, unlike those of the language; others that are enumerable are the program's. */
const ENUMERABLE_GLOBALS = new Set([
  'atob',
  'btoa',
  'clearImmediate',
  'clearInterval',
  'clearTimeout',
  'console',
  'crypto',
  'fetch',
  'global',
  'navigator',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'setInterval',
  'setTimeout',
  'structuredClone',
]);

/** Globals behind getters that may be read: the others load parts of Node, or warn. */
const READABLE_GETTERS = new Set(['Buffer', 'crypto', 'fetch', 'performance', 'process']);

/** True if a global variable is one that every Node process has. */
export function isStandardGlobal(name: string): boolean {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, name);
  if (descriptor === undefined) return false;
  return descriptor.enumerable !== true || ENUMERABLE_GLOBALS.has(name);
}

let sdk = new Map<unknown, string>();
let sdkExports: Readonly<Record<string, unknown>> = {};

/**
 * Tells shipping what the SDK exports, in the driver as in the workers: such values always travel by name, so that a
 * task that calls `get` calls that of its own process.
 */
export function useSdkExports(exports: Readonly<Record<string, unknown>>): void {
  sdkExports = exports;
  sdk = new Map();
  for (const [name, value] of Object.entries(exports)) {
    if (isReferable(value)) sdk.set(value, name);
  }
}

/**
 * The name of a value that every process has; undefined if it is none of them.
 *
 * @param where looks into those of Node's modules that are loaded, or loads them all.
 */
export function builtInName(
  value: unknown,
  where: 'loaded modules' | 'all modules' = 'loaded modules',
): BuiltInName | undefined {
  if (!isReferable(value)) return undefined;
  const exported = sdk.get(value);
  if (exported !== undefined) return { moduleUrl: SDK, path: exported };
  if (typeof value !== 'function') return nameOfObject(value);
  // Programs hang functions of theirs on modules of Node, and on globals. Theirs come first: looking for the names of Node's
  // costs tens of milliseconds, once, because V8 makes some globals when they are looked at, and loads half of Node for them.
  return isOfNode(value as Function) ? nameOfFunction(value, where) : undefined;
}

function nameOfObject(value: object): BuiltInName | undefined {
  const path = globalObjects().get(value);
  if (path !== undefined) return { moduleUrl: GLOBALS, path };
  const moduleUrl = builtInModule(value);
  return moduleUrl === undefined ? undefined : { moduleUrl, path: '' };
}

function nameOfFunction(
  value: object,
  where: 'loaded modules' | 'all modules',
): BuiltInName | undefined {
  const path = globalFunctions().get(value);
  if (path !== undefined) return { moduleUrl: GLOBALS, path };
  const found = loadedBuiltIns().get(value);
  if (found !== undefined || where === 'loaded modules') return found;
  return (
    nameBehindGetter(value) ?? (allBuiltIns ??= namesIn(builtinModules, UNLOADABLE)).get(value)
  );
}

const behindGetters = new WeakMap<object, BuiltInName>();

/**
 * The name of a function that a loaded module has behind a getter, as `fs.ReadStream`. Most getters load a part of Node
 * when they are read, so only those are that have the name of the function.
 */
function nameBehindGetter(value: object): BuiltInName | undefined {
  const known = behindGetters.get(value);
  if (known !== undefined) return known;
  const path: unknown = Object.getOwnPropertyDescriptor(value, 'name')?.value;
  if (typeof path !== 'string') return undefined;
  for (const [exports, moduleUrl] of loadedModules()) {
    const member = Object.getOwnPropertyDescriptor(exports as object, path);
    if (member?.get?.call(exports) !== value) continue;
    const name = { moduleUrl, path };
    behindGetters.set(value, name);
    return name;
  }
  return undefined;
}

/** True if a module namespace object is the SDK's: all that it has is exported by the SDK. */
export function isSdkNamespace(namespace: object): boolean {
  const values = Object.entries(namespace).filter(([, value]) => isReferable(value));
  return sdk.size > 0 && values.length > 0 && values.every(([, value]) => sdk.has(value));
}

/** The value of a name that `builtInName` gave in some process. Throws if this process has no such value. */
export function builtInValue({ moduleUrl, path }: BuiltInName): unknown {
  let value: unknown;
  if (moduleUrl === GLOBALS) value = globalThis;
  else if (moduleUrl === SDK) value = sdkExports;
  else value = process.getBuiltinModule(moduleUrl);
  if (path === '') return value;
  value = memberAt(value, path);
  if (value === undefined) throw new TypeError(`this process has no ${moduleUrl} ${path}`);
  return value;
}

function memberAt(holder: unknown, path: string): unknown {
  let value = holder;
  for (const step of path.split('.')) {
    value = (value as Record<string, unknown> | undefined)?.[step];
  }
  return value;
}

function isReferable(value: unknown): value is object {
  return typeof value === 'function' || (typeof value === 'object' && value !== null);
}

/** Global variables whose names are those of classes, and that are none. */
const NAMESPACES = new Set([
  'Atomics',
  'Intl',
  'JSON',
  'Math',
  'Reflect',
  'Temporal',
  'WebAssembly',
]);

/** Global objects behind which the instances of classes stand: their methods are inherited. */
const INSTANCES = ['crypto', 'crypto.subtle', 'performance'];

let objects: Map<unknown, string> | undefined;

/** Objects among the globals. Looking at a class may load it, so none is looked at. */
function globalObjects(): Map<unknown, string> {
  if (objects !== undefined) return objects;
  objects = new Map();
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    if (!/^[a-z]/.test(name) && !NAMESPACES.has(name)) continue;
    const value = valueOfGlobal(name);
    if (typeof value === 'object') note(objects, value, name);
  }
  note(objects, process.env, 'process.env');
  for (const path of INSTANCES) note(objects, memberAt(globalThis, path), path);
  return objects;
}

/** What a standard global holds, unless reading it loads something, or warns. */
function valueOfGlobal(name: string): unknown {
  if (!isStandardGlobal(name)) return undefined;
  if (READABLE_GETTERS.has(name)) return (globalThis as Record<string, unknown>)[name];
  return Object.getOwnPropertyDescriptor(globalThis, name)!.value;
}

let functions: Map<unknown, string> | undefined;

/** Functions of the global object, two members deep, and methods of prototypes. */
function globalFunctions(): Map<unknown, string> {
  if (functions !== undefined) return functions;
  functions = new Map();
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const value = valueOfGlobal(name);
    if (typeof value === 'function') note(functions, value, name);
    // Most of what they hold is data of this process, such as `argv`, not what every process has.
    if (name === 'process' || name === 'global' || name === 'globalThis') continue;
    noteMembers(functions, value, name);
    const prototype: unknown = typeof value === 'function' ? value.prototype : undefined;
    noteMembers(functions, prototype, `${name}.prototype`);
  }
  for (const path of INSTANCES) {
    const instance = memberAt(globalThis, path);
    // A Node without cryptography has none, and a program may have put something else there.
    if (!isReferable(instance)) continue;
    const prototype: unknown = Object.getPrototypeOf(instance);
    if (prototype !== Object.prototype) noteMembers(functions, prototype, path);
  }
  // The class that all typed arrays extend has no name.
  const typedArray = Object.getPrototypeOf(Int8Array) as typeof Int8Array;
  note(functions, typedArray, 'Int8Array.__proto__');
  noteMembers(functions, typedArray, 'Int8Array');
  noteMembers(functions, typedArray.prototype, 'Int8Array.prototype');
  return functions;
}

function noteMembers(paths: Map<unknown, string>, holder: unknown, path: string): void {
  if (!isReferable(holder)) return;
  for (const name of Object.getOwnPropertyNames(holder)) {
    if (name.includes('.')) continue;
    const value: unknown = Object.getOwnPropertyDescriptor(holder, name)?.value;
    if (typeof value === 'function') note(paths, value, `${path}.${name}`);
  }
}

function note(paths: Map<unknown, string>, value: unknown, path: string): void {
  if (isReferable(value) && !paths.has(value)) paths.set(value, path);
}

interface NodeInternals {
  readonly moduleLoadList?: readonly string[];
}

let loadedNames = new Map<unknown, BuiltInName>();
let loadedSeen = -1;
let allBuiltIns: Map<unknown, BuiltInName> | undefined;

/** The functions of Node's own modules that are loaded: as a rule, a value is of a module that is. */
function loadedBuiltIns(): Map<unknown, BuiltInName> {
  const loaded = (process as NodeInternals).moduleLoadList ?? [];
  if (loaded.length !== loadedSeen) {
    // Most parts that are loaded later are none that a program can have.
    const isNew = publicNames(loaded.slice(Math.max(0, loadedSeen))).length > 0;
    loadedSeen = loaded.length;
    if (isNew) loadedNames = namesIn(publicNames(loaded), UNREADABLE);
  }
  return loadedNames;
}

/** The modules among the parts of Node that programs can have. */
function publicNames(parts: readonly string[]): string[] {
  return parts.flatMap((part) => /^NativeModule (?!internal\/)(.+)$/.exec(part)?.[1] ?? []);
}

/** Modules that are a second name of another one, or whose exports warn or throw when they are read. */
const UNREADABLE = /^_|^node:|^(punycode|sys|trace_events)$/;

/** Those too that warn when they are loaded; whoever holds something of them has loaded them. */
const UNLOADABLE = new RegExp(`${UNREADABLE.source}|^(sqlite|wasi)$`);

function namesIn(modules: readonly string[], skipped: RegExp): Map<unknown, BuiltInName> {
  const names = new Map<unknown, BuiltInName>();
  const nested: (() => void)[] = [];
  for (const name of modules) {
    if (skipped.test(name)) continue;
    const moduleUrl = `node:${name}`;
    const exports: unknown = process.getBuiltinModule(moduleUrl);
    if (!isReferable(exports)) continue;
    if (typeof exports === 'function') names.set(exports, { moduleUrl, path: '' });
    for (const [member, value] of noteFunctions(names, moduleUrl, exports, '')) {
      if (isPartOfNode(name, member, value)) {
        nested.push(() => noteFunctions(names, moduleUrl, value, `${member}.`));
      }
    }
  }
  // What a module exports itself is named by that, so these come last.
  for (const noteThem of nested) noteThem();
  return names;
}

/** Members of `process` that have functions of Node's; most others hold what the program has put there. */
const PARTS_OF_PROCESS = new Set(['finalization', 'permission', 'report']);

/** False for what a program fills, such as the listeners of `process`. */
function isPartOfNode(module: string, member: string, value: object): boolean {
  if (typeof value === 'function') return true;
  return module === 'process' ? PARTS_OF_PROCESS.has(member) : !member.startsWith('_');
}

/**
 * Notes the functions among the members. Returns what may have further ones: `path.posix.join`, `util.types.isProxy`,
 * `process.hrtime.bigint`.
 */
function noteFunctions(
  names: Map<unknown, BuiltInName>,
  moduleUrl: string,
  holder: object,
  prefix: string,
): [name: string, value: object][] {
  const members = Object.getOwnPropertyNames(holder).flatMap((name): [string, object][] => {
    const value: unknown = Object.getOwnPropertyDescriptor(holder, name)?.value;
    return isReferable(value) && !name.includes('.') ? [[name, value]] : [];
  });
  const isNew = members.filter(([, value]) => !names.has(value));
  for (const [name, value] of isNew) {
    if (typeof value !== 'function' || names.has(value)) continue;
    names.set(value, { moduleUrl, path: prefix + name });
  }
  return isNew;
}
