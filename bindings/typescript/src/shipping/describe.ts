/**
 * How a function or class travels: by reference where the receiver can import it, else as text and values.
 *
 * Invariants:
 * 1. A reference is only given if the export is this very function: seen in the module's exports, or read from the
 *    text that V8 compiled. In doubt a function travels by value.
 * 2. A function is captured once: the description keeps the values that its variables had when it was first described
 *    (`forget` starts anew). What the values themselves hold is read when they are encoded.
 * 3. Nothing of the program runs: no getter of the program, no method, no module.
 */

import { types } from 'node:util';

import type { FunctionDescription, FunctionReference, ValuePath } from '../codec/hooks.ts';
import { SDK } from './address.ts';
import { type BuiltInName, builtInName } from './built-ins.ts';
import { captureValues } from './capture.ts';
import { cannotTravel } from './failure.ts';
import { keyOf, newKey, remember } from './identity.ts';
import { inspect, scriptOf } from './inspection.ts';
import { locate } from './location.ts';
import { canReference } from './module-graph.ts';
import { type FunctionAnalysis, analyseFunction } from './parser.ts';
import { arrivalOf } from './rebuild.ts';
import { exportOf } from './reference.ts';
import { sharedDescription } from './shared-objects.ts';
import { standInDescription } from './stand-ins.ts';

const descriptions = new WeakMap<Function, FunctionDescription>();

/**
 * Describes a function or class for the codec (`EncodeHooks.describeFunction`).
 *
 * @throws SerializationError if it can't travel; the path in its message leads to the culprit.
 */
export function describe(fn: Function, path: ValuePath): FunctionDescription {
  const known = standInDescription(fn) ?? sharedDescription(fn) ?? descriptions.get(fn);
  if (known !== undefined) return known;
  const description = newDescription(fn, path);
  descriptions.set(fn, description);
  return description;
}

/** Makes the next `describe` capture the function's variables anew, under a new key. */
export function forget(fn: Function): void {
  descriptions.delete(fn);
}

function newDescription(fn: Function, path: ValuePath): FunctionDescription {
  const arrived = onward(fn);
  if (arrived !== undefined) return arrived;
  const builtIn = builtInName(fn);
  if (builtIn !== undefined) return builtInReference(builtIn);
  const name = nameOf(fn);
  if (types.isProxy(fn)) throw cannotTravel(path, name, "a proxy can't be sent");
  const source = Function.prototype.toString.call(fn);
  if (isNative(source)) {
    const found = builtInName(fn, 'all modules');
    if (found !== undefined) return builtInReference(found);
    throw cannotTravel(path, name, nativeReason(name));
  }
  const analysis = analysed(fn, source, path);
  const inspection = inspect(fn);
  const located = locate(fn, source, inspection, scriptOf(inspection.scriptId));
  if (located.file.startsWith('node:')) {
    // Loading every module of Node's is only worth while where nothing else is left.
    const found = builtInName(fn, 'all modules');
    if (found !== undefined) return builtInReference(found);
    throw cannotTravel(path, name, 'it is a part of Node that no module exports');
  }
  const title = `${name} (${located.shownFile}:${located.shownLine})`;
  const hasPrivateMembers = declaresPrivateMembers(fn, analysis);
  const reference = canReference(located.url) ? exportOf(fn, located) : undefined;
  if (reference !== undefined) {
    const key = `${reference.moduleUrl}#${reference.exportName}`;
    remember(key, fn);
    return { kind: 'reference', key, ...reference, title, hasPrivateMembers };
  }
  const { definition, values } = captureValues({
    fn,
    source,
    analysis,
    inspection,
    located,
    path,
    title,
    hasPrivateMembers,
  });
  const key = newKey();
  remember(key, fn);
  return {
    kind: 'value',
    key,
    definition: JSON.stringify(definition),
    values,
    title,
    hasPrivateMembers,
  };
}

/** A function that arrived here travels on as it came, under its key, with what its variables hold now. */
function onward(fn: Function): FunctionDescription | undefined {
  const arrived = arrivalOf(fn);
  const key = keyOf(fn);
  if (arrived === undefined || key === undefined) return undefined;
  const { definitionText, title, hasPrivateMembers } = arrived;
  return {
    kind: 'value',
    key,
    definition: definitionText,
    values: arrived.values(),
    title,
    hasPrivateMembers,
  };
}

function builtInReference({ moduleUrl, path }: BuiltInName): FunctionReference {
  const key = `${moduleUrl}#${path}`;
  const isOfPlatform = moduleUrl !== SDK;
  return { kind: 'reference', key, moduleUrl, exportName: path, title: path, isOfPlatform };
}

function isNative(source: string): boolean {
  return /\{\s*\[native code\]\s*\}\s*$/.test(source);
}

function nativeReason(name: string): string {
  return name.startsWith('bound ')
    ? "a bound function can't be sent; wrap it in an arrow function: (...all) => object.method(...all)"
    : "a native function can't be sent";
}

function analysed(fn: Function, source: string, path: ValuePath): FunctionAnalysis {
  try {
    return analyseFunction(source);
  } catch (error) {
    throw cannotTravel(path, nameOf(fn), "its text can't be parsed", [], error);
  }
}

/** A class, or one that it extends, declares `#private` members of instances. */
function declaresPrivateMembers(fn: Function, analysis: FunctionAnalysis): boolean {
  if (analysis.privateMembers.length > 0) return true;
  if (analysis.form !== 'class') return false;
  const parent: unknown = Object.getPrototypeOf(fn);
  if (typeof parent !== 'function' || parent === Function.prototype) return false;
  const source = Function.prototype.toString.call(parent);
  // Classes of Node's own have their private members too, but they were judged when the codec met them.
  if (!source.startsWith('class')) return false;
  try {
    return declaresPrivateMembers(parent, analyseFunction(source));
  } catch {
    return false;
  }
}

function nameOf(fn: Function): string {
  const name: unknown = Object.getOwnPropertyDescriptor(fn, 'name')?.value;
  return typeof name === 'string' && name !== '' ? name : 'anonymous function';
}
