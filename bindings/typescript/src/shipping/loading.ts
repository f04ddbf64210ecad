/**
 * The modules that arriving functions need: imported ahead, because functions are made synchronously and importing is
 * not. Once loaded, a module stays.
 */

import { createRequire } from 'node:module';
import { types } from 'node:util';

import { GLOBALS, SDK, parseAddress, requireAddress } from './address.ts';
import { importerOf } from './ambient.ts';
import { builtInModule, builtInModuleOfNamespace } from './built-in-modules.ts';
import { builtInValue, isSdkNamespace } from './built-ins.ts';
import { isHolder } from './holder.ts';
import { importFailure } from './import-failure.ts';
import { canImport } from './module-graph.ts';
import { urlOfNamespace } from './namespaces.ts';
import { WHOLE_MODULE } from './reference.ts';
import type { Interop } from './stand-ins.ts';
import { testRunner } from './test-runner.ts';

/** By address: the namespace object of a module, or the `module.exports` of a required one. */
const loaded = new Map<string, unknown>();
const loading = new Map<string, Promise<void>>();
const addressOf = new WeakMap<object, string>();

/**
 * Loads what an envelope needs (`requiredModules`). Returns nothing if all of it is there already, so that the usual
 * case stays synchronous.
 *
 * The promise is rejected with a `SerializationError` that names the module and who imports it.
 */
export function load(addresses: readonly string[]): Promise<void> | undefined {
  const waiting: Promise<void>[] = [];
  for (const address of addresses) {
    const promise = loadOne(address);
    if (promise !== undefined) waiting.push(promise);
  }
  if (waiting.length === 0) return undefined;
  return waiting.length === 1 ? waiting[0] : Promise.all(waiting).then(() => undefined);
}

function loadOne(address: string): Promise<void> | undefined {
  if (loaded.has(address) || isPresent(address)) return undefined;
  const started = loading.get(address);
  if (started !== undefined) return started;
  // What the test runner runs is here already: imported once more, its classes would be others.
  const runner = testRunner();
  const running = runner.exportsOf(address);
  if (running !== undefined && runner.moduleOf(running)?.isExternal === false) {
    keep(address, running);
    return undefined;
  }
  const { specifier, parent, isRequired } = parseAddress(address);
  if (isRequired) {
    try {
      keep(address, createRequire(parent === '' ? import.meta.url : parent)(specifier));
      return undefined;
    } catch (error) {
      return Promise.reject(importFailure(error, specifier, parent));
    }
  }
  const promise = importOne(address, specifier, parent);
  loading.set(address, promise);
  return promise;
}

async function importOne(address: string, specifier: string, parent: string): Promise<void> {
  try {
    keep(address, await importerOf(parent)(specifier));
  } catch (error) {
    throw importFailure(error, specifier, parent);
  } finally {
    // A module that fails once may succeed when it is asked for again.
    loading.delete(address);
  }
}

function keep(address: string, module: unknown): void {
  loaded.set(address, module);
  if (typeof module === 'object' && module !== null) addressOf.set(module, address);
}

/** True for what needs no loading: globals, the SDK, and Node's own modules. */
function isPresent(address: string): boolean {
  return address === GLOBALS || address === SDK || /^(require )?node:/.test(address);
}

/** What an export of a loaded module is. Throws if the module is not loaded or has no such export. */
export function exportedValue(address: string, name: string, interop: Interop): unknown {
  if (address === GLOBALS || address === SDK)
    return builtInValue({ moduleUrl: address, path: name });
  const isRequired = address.startsWith('require ');
  const module = unwrapped(address, interop);
  if (name === '*' || name === WHOLE_MODULE) return module;
  // Node's own modules are also named as a whole, and functions deep inside them by a path.
  if (name === '' || (address.startsWith('node:') && name.includes('.'))) {
    return builtInValue({ moduleUrl: address, path: name });
  }
  const holder = module as Record<string, unknown>;
  if (isMissing(holder, name)) {
    const { specifier, parent } = parseAddress(address);
    const what = isRequired ? 'its module.exports has' : 'it exports';
    throw importFailure(new Error(`${what} nothing called ${name}`), specifier, parent);
  }
  return holder[name];
}

function isMissing(holder: unknown, name: string): boolean {
  if (holder === null || holder === undefined) return true;
  return typeof holder === 'object' && !(name in holder);
}

/** The namespace object of a loaded module (`DecodeHooks.moduleNamespace`). */
export function moduleNamespace(address: string): object {
  return exportedValue(address, address === SDK ? '' : '*', 'none') as object;
}

/** The address of a module namespace object inside a value (`EncodeHooks.moduleUrl`), if a worker can import it. */
export function moduleUrl(namespace: object): string | undefined {
  const known = addressOf.get(namespace);
  if (known !== undefined) return known;
  if (isSdkNamespace(namespace)) return SDK;
  const ofRunner = testRunner().moduleOf(namespace);
  if (ofRunner?.url !== undefined) return canImport(ofRunner.url) ? ofRunner.url : undefined;
  const builtIn = builtInModuleOfNamespace(namespace);
  if (builtIn !== undefined) return builtIn;
  if (!types.isModuleNamespaceObject(namespace)) return undefined;
  const url = urlOfNamespace(namespace);
  if (url !== undefined) addressOf.set(namespace, url);
  return url;
}

/** The address of one of Node's own modules inside a value (`EncodeHooks.builtInModuleUrl`), as `require` gives it. */
export function builtInModuleUrl(exports: object): string | undefined {
  const name = builtInModule(exports);
  return name === undefined ? undefined : requireAddress(name, '');
}

const unwrappedModules = new Map<string, unknown>();

function unwrapped(address: string, interop: Interop): unknown {
  const module = loadedModule(address);
  if (interop === 'none') return module;
  const key = `${interop} ${address}`;
  let result = unwrappedModules.get(key);
  if (result === undefined) {
    result = unwrap(module, interop);
    unwrappedModules.set(key, result);
  }
  return result;
}

function loadedModule(address: string): unknown {
  if (loaded.has(address)) return loaded.get(address);
  const { specifier, parent, isRequired } = parseAddress(address);
  if (!specifier.startsWith('node:')) {
    throw importFailure(new Error('it was not loaded in time'), specifier, parent);
  }
  const exports = builtInValue({ moduleUrl: specifier, path: '' });
  const module = isRequired ? exports : namespaceOf(exports as object);
  keep(address, module);
  return module;
}

/** What `import * as name` gives for one of Node's own modules, without waiting for it. */
function namespaceOf(exports: object): object {
  return Object.defineProperties(Object.create(null) as object, {
    ...Object.getOwnPropertyDescriptors(exports),
    default: { value: exports, enumerable: true },
    [Symbol.toStringTag]: { value: 'Module' },
  });
}

type Members = Record<string, unknown>;

/** What compilers and test runners make of a module before they take members from it. */
function unwrap(module: unknown, interop: Exclude<Interop, 'none'>): unknown {
  const isMarked = isHolder(module) && (module as Members)['__esModule'] === true;
  switch (interop) {
    case 'default':
      return isMarked ? module : { default: module };
    case 'star':
      return isMarked ? module : withDefault(module);
    case 'node':
      return withDefault(module);
    case 'runner':
      return fromRunner(module as Members);
  }
}

function withDefault(module: unknown): object {
  const members =
    (typeof module === 'object' && module !== null) || typeof module === 'function'
      ? Object.getOwnPropertyDescriptors(module)
      : {};
  const { prototype: _prototype, default: _default, ...others } = members as PropertyDescriptorMap;
  return Object.defineProperties({ default: module }, others);
}

/** As vitest's module runner shows modules that Node loaded. */
function fromRunner(namespace: Members): object {
  let module = namespace;
  let defaultExport: unknown = 'default' in namespace ? namespace['default'] : namespace;
  if (
    typeof defaultExport === 'object' &&
    defaultExport !== null &&
    '__esModule' in defaultExport
  ) {
    module = defaultExport as Members;
    if ('default' in module) defaultExport = module['default'];
  }
  return new Proxy(module, {
    get: (target, name) => {
      if (name === 'default') return defaultExport;
      return (
        (target as Record<symbol | string, unknown>)[name] ??
        (defaultExport as Members | undefined)?.[name as string]
      );
    },
    has: (target, name) =>
      name === 'default' || name in target || (isHolder(defaultExport) && name in defaultExport),
  });
}
