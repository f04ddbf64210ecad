/**
 * How a function or class travels: by reference where the receiver can import it, else as text and values. That is
 * decided once for each function, with all that never changes of it: its text, its place, and what its text needs.
 *
 * Invariants:
 * 1. A reference is only given if the export is this very function: seen in the module's exports, or read from the
 *    text that V8 compiled. In doubt a function travels by value.
 * 2. Nothing of the program runs: no getter of the program, no method, no module.
 */

import { types } from 'node:util';

import type { FunctionReference, ValuePath } from '../codec/hooks.ts';
import { isNative } from '../describe-value.ts';
import { SDK, isPackaged } from './address.ts';
import { hasArrivedBound, partsOfBound } from './bound-functions.ts';
import { type BuiltInName, builtInName } from './built-ins.ts';
import { PER_PROCESS } from '../remedies.ts';
import { cannotTravel } from './failure.ts';
import { remember } from './identity.ts';
import { importedExport } from './imported-functions.ts';
import { type BoundParts, type Inspection, inspect } from './inspection.ts';
import { type Located, locate } from './location.ts';
import { insideFunction } from './inside-modules.ts';
import { canReference } from './module-graph.ts';
import { type FunctionAnalysis, analyseFunction } from './parser.ts';
import { functionOrigin } from './probe.ts';
import { type ExportReference, exportOf } from './reference.ts';
import { type Script, scriptOf } from './scripts.ts';
import type { Place } from './source-positions.ts';
import { insideKey } from './stand-ins.ts';

/** A function that travels by value. */
export interface ByValue {
  readonly kind: 'value';
  readonly source: string;
  readonly analysis: FunctionAnalysis;
  readonly located: Located;
  /** How errors name it, such as `helper (math.ts:12)`. */
  readonly title: string;
  /** As in `FunctionByValue`. */
  readonly hasPrivateMembers: boolean;
}

/** What `bind` made of a function of a package, which travels as what it is made of. */
export interface Bound {
  readonly kind: 'bound';
  readonly parts: BoundParts;
}

/** How a function travels. */
export type Way = FunctionReference | ByValue | Bound;

const ways = new WeakMap<Function, Way>();

/**
 * How a function travels that is of this process, neither an import nor one that arrived.
 *
 * @param look inspects the function.
 * @throws SerializationError if it can't travel; the path in its message leads to the culprit.
 */
export function wayOf(fn: Function, path: ValuePath, look: () => Inspection): Way {
  let way = ways.get(fn);
  if (way === undefined) {
    way = decide(fn, path, look);
    ways.set(fn, way);
  }
  return way;
}

function decide(fn: Function, path: ValuePath, look: () => Inspection): Way {
  const builtIn = builtInName(fn);
  if (builtIn !== undefined) return builtInReference(builtIn);
  const name = nameOf(fn);
  if (types.isProxy(fn)) throw cannotTravel(path, name, "a proxy can't be sent");
  const source = Function.prototype.toString.call(fn);
  if (isNative(fn)) {
    const found = builtInName(fn, 'all modules');
    if (found !== undefined) return builtInReference(found);
    const imported = importedExport(fn);
    if (imported !== undefined) return exportReference(fn, imported, name);
    const parts = partsOfBound(fn);
    if (parts === undefined) throw cannotTravel(path, name, NATIVE);
    const origin = originOfBound(fn, parts);
    if (origin === 'package') return { kind: 'bound', parts };
    throw cannotTravel(path, name, origin === 'program' ? BOUND : NATIVE_BOUND);
  }
  const { place, script } = standingOf(fn, look);
  const located = locate(fn, source, place, script);
  if (located.file.startsWith('node:')) {
    // Loading every module of Node's is only worth while where nothing else is left.
    const found = builtInName(fn, 'all modules');
    if (found !== undefined) return builtInReference(found);
    throw cannotTravel(
      path,
      name,
      `it is a part of Node that no module exports; if what has it belongs to this process, ${PER_PROCESS}`,
    );
  }
  const analysis = analysed(fn, source, located, path);
  const title = `${name} (${located.shownFile}:${located.shownLine})`;
  const hasPrivateMembers = declaresPrivateMembers(fn, analysis);
  const reference =
    (canReference(located.url) ? exportOf(fn, located, look) : undefined) ?? importedExport(fn);
  if (reference !== undefined) {
    const isOfPackage = isPackaged(located.url);
    return { ...exportReference(fn, reference, title), hasPrivateMembers, isOfPackage };
  }
  const inside = insideFunction(fn, located, look);
  if (inside !== undefined) {
    const key = insideKey(inside.witness.moduleUrl, inside.witness.exportName, inside.variable);
    remember(key, fn);
    return {
      kind: 'reference',
      key,
      ...inside.witness,
      title,
      hasPrivateMembers,
      isOfPackage: true,
    };
  }
  return { kind: 'value', source, analysis, located, title, hasPrivateMembers };
}

function exportReference(
  fn: Function,
  reference: ExportReference,
  title: string,
): FunctionReference {
  const key = `${reference.moduleUrl}#${reference.exportName}`;
  remember(key, fn);
  return { kind: 'reference', key, ...reference, title };
}

/** Where a function stands: the probe says it at once, the inspector if it has to. */
export function standingOf(fn: Function, look: () => Inspection): { place: Place; script: Script } {
  const origin = functionOrigin(fn);
  if (origin !== undefined) {
    return { place: origin, script: scriptOf(fn, String(origin.scriptId), origin) };
  }
  const inspection = look();
  return { place: inspection, script: scriptOf(fn, inspection.scriptId) };
}

const analyses = new WeakMap<Located, FunctionAnalysis>();

/** The analysis of a function's text: closures that were made at one place have the same. */
function analysed(
  fn: Function,
  source: string,
  located: Located,
  path: ValuePath,
): FunctionAnalysis {
  let analysis = analyses.get(located);
  if (analysis === undefined) {
    try {
      analysis = analyseFunction(source);
    } catch (error) {
      throw cannotTravel(path, nameOf(fn), "its text can't be parsed", [], error);
    }
    analyses.set(located, analysis);
  }
  return analysis;
}

function builtInReference({ moduleUrl, path }: BuiltInName): FunctionReference {
  const key = `${moduleUrl}#${path}`;
  const isOfPlatform = moduleUrl !== SDK;
  return { kind: 'reference', key, moduleUrl, exportName: path, title: path, isOfPlatform };
}

const NATIVE = `a native function can't be sent; if what has it belongs to this process, ${PER_PROCESS}`;

const BOUND =
  "a bound function can't be sent; wrap it in an arrow function: (...all) => object.method(...all)";
const NATIVE_BOUND = `${BOUND}; if what has it belongs to this process, ${PER_PROCESS}`;

/**
 * Whose function was bound. Packages may have done it, as validators and loggers bind their methods to their instances: nobody
 * can write an arrow function instead. In a program it is written, and shows what goes along.
 */
function originOfBound(fn: Function, { target }: BoundParts): 'package' | 'program' | 'native' {
  if (hasArrivedBound(fn)) return 'package';
  if (types.isProxy(target)) return 'program';
  const parts = partsOfBound(target);
  if (parts !== undefined) return originOfBound(target, parts);
  if (isNative(target)) return 'native';
  const { url } = standingOf(target, () => inspect(target)).script;
  if (url.startsWith('node:')) return 'native';
  return isPackaged(url) ? 'package' : 'program';
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
