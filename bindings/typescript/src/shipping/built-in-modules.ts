/**
 * Node's own modules as values: what `require` gives of one, and what `import * as` gives.
 *
 * Each process has its own, so a module travels by name, wherever it stands in a value; nothing of it is read.
 */

import { isBuiltin } from 'node:module';

interface NodeInternals {
  /** The parts of Node that are loaded, in their order; Node appends to it. */
  readonly moduleLoadList?: readonly string[];
}

// As they are now: what a program does to `process` later is of no matter.
const { getBuiltinModule } = process;
const { moduleLoadList = [] } = process as NodeInternals;

/** By what `require` gives: the name with its scheme. */
const modules = new Map<unknown, string>();
/** How many of the parts are in `modules`. */
let noted = 0;

/** The modules that are loaded, by what `require` gives of them. What a program holds of a module is of one of these. */
export function loadedModules(): ReadonlyMap<unknown, string> {
  if (noted === moduleLoadList.length) return modules;
  // These are there as global variables before anybody loads them.
  if (noted === 0) for (const name of ['process', 'console']) note(name);
  // Naming a module may load it.
  for (; noted < moduleLoadList.length; noted++) namesOf(moduleLoadList[noted]!).forEach(note);
  return modules;
}

/** The name of that module of Node's (`node:fs`) of which `require` gives this; undefined if there is none. */
export function builtInModule(exports: unknown): string | undefined {
  return loadedModules().get(exports);
}

/** The name of that module of Node's of which `import * as` gives this; undefined if there is none. */
export function builtInModuleOfNamespace(namespace: object): string | undefined {
  const { default: exports } = namespace as { default?: unknown };
  const name = builtInModule(exports);
  if (name === undefined) return undefined;
  // A module of the program may have it as its default export, and others besides.
  const others = Object.keys(namespace).filter((key) => !/^(default|module\.exports)$/.test(key));
  return others.every((key) => key in (exports as object)) ? name : undefined;
}

/** The modules that programs have for certain, or could have, once this part of Node is loaded. */
function namesOf(part: string): readonly string[] {
  const [, internal, name] = /^NativeModule (internal\/)?(.+)$/.exec(part) ?? [];
  if (name === undefined) return [];
  // Its members, which are modules too.
  if (name === 'path') return [name, 'path/posix', 'path/win32'];
  // What `fs.promises` gives is loaded as `internal/fs/promises`, and only later, if at all, as `fs/promises`.
  return internal === undefined || name.includes('/') ? [name] : [];
}

function note(name: string): void {
  const specifier = `node:${name}`;
  if (!isBuiltin(specifier)) return;
  let exports: unknown;
  try {
    exports = getBuiltinModule(specifier);
  } catch {
    // A module that this Node was made without, such as `trace_events`: nobody has it.
    return;
  }
  // `path` is `path/posix`, too.
  if (exports !== undefined && !modules.has(exports)) modules.set(exports, specifier);
}
