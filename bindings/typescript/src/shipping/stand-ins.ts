/**
 * What takes the place of an imported name on its way: the codec knows functions that are found by importing, and an
 * import is just that, whatever it holds. So an import travels as a function that is none, described as a reference.
 */

import type { FunctionReference } from '../codec/hooks.ts';

/** The keys of stand-ins begin with it, so that the receiver tells them from functions by reference. */
const IMPORT_KEY = 'import:';

const descriptions = new WeakMap<Function, FunctionReference>();
const standIns = new Map<string, Function>();

/**
 * The stand-in for a member of a module; the same one each time.
 *
 * @param member the name of the export, `*` for the namespace object; `interop` says that it is unwrapped as a test
 *   runner or a compiler's helper does it.
 */
export function standInFor(moduleUrl: string, member: string, interop: Interop = 'none'): Function {
  const key = `${IMPORT_KEY}${interop}:${moduleUrl}#${member}`;
  let standIn = standIns.get(key);
  if (standIn === undefined) {
    standIn = () => undefined;
    standIns.set(key, standIn);
    descriptions.set(standIn, {
      kind: 'reference',
      key,
      moduleUrl,
      exportName: member,
      title: `import ${member} from ${moduleUrl}`,
    });
  }
  return standIn;
}

const INSIDE_KEY = 'inside:';
const INSIDE_IMPORT_KEY = 'import-inside:';

/** The key of a function that a variable of a module holds. */
export function insideKey(moduleUrl: string, witness: string, variable: string): string {
  return `${INSIDE_KEY}${variable}:${moduleUrl}#${witness}`;
}

/**
 * The stand-in for what a variable of a module holds.
 *
 * @param witness the name of an export, by which the variable is found.
 */
export function standInForVariable(moduleUrl: string, witness: string, variable: string): Function {
  const key = `${INSIDE_IMPORT_KEY}${variable}:${moduleUrl}#${witness}`;
  let standIn = standIns.get(key);
  if (standIn === undefined) {
    standIn = () => undefined;
    standIns.set(key, standIn);
    const title = `${variable} of ${moduleUrl}`;
    descriptions.set(standIn, { kind: 'reference', key, moduleUrl, exportName: witness, title });
  }
  return standIn;
}

/** Which variable of a module a reference with this key means; undefined if it means an export. */
export function variableOfKey(key: string): string | undefined {
  return /^(?:import-)?inside:([^:]+):/.exec(key)?.[1];
}

/** True for the key of something that is imported, and not of a function. */
export function isStandInKey(key: string): boolean {
  return key.startsWith(INSIDE_IMPORT_KEY) || key.startsWith(IMPORT_KEY);
}

/** How a module is changed before a member is taken from it. */
export type Interop =
  | 'none'
  /** vitest: `default` of a CommonJS module that was compiled from ESM is its `exports.default`. */
  | 'runner'
  /** TypeScript's `__importStar`, esbuild's `__toESM`. */
  | 'star'
  /** esbuild's `__toESM(module, 1)`: `default` is always the whole module. */
  | 'node'
  /** TypeScript's `__importDefault`. */
  | 'default';

/** The description of a stand-in; undefined for real functions. */
export function standInDescription(fn: Function): FunctionReference | undefined {
  return descriptions.get(fn);
}

/** How a reference with this key is to be unwrapped; undefined if it is a function's, not a stand-in's. */
export function interopOfKey(key: string): Interop | undefined {
  if (!key.startsWith(IMPORT_KEY)) return undefined;
  return key.slice(IMPORT_KEY.length, key.indexOf(':', IMPORT_KEY.length)) as Interop;
}

/** A stand-in after its arrival. */
export class Imported {
  /** What the name holds. */
  readonly value: unknown;
  /** The stand-in under which it travels on. */
  readonly standIn: Function;

  constructor(value: unknown, standIn: Function) {
    this.value = value;
    this.standIn = standIn;
  }
}
