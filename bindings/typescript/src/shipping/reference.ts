/**
 * By which export a module gives a function away. Certain, or nothing: see invariant 1 of `describe.ts`.
 */

import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

import { requireAddress } from './address.ts';
import type { Located } from './location.ts';
import { testRunner } from './test-runner.ts';

/** A function by reference. */
export interface ExportReference {
  readonly moduleUrl: string;
  readonly exportName: string;
}

/** The whole of a CommonJS module. */
export const WHOLE_MODULE = 'module.exports';

/** The export that is `fn`; undefined if there is none, or none that is certain. */
export function exportOf(fn: Function, located: Located): ExportReference | undefined {
  const { url, script } = located;
  if (testRunner().isActive) {
    const exports = testRunner().exportsOf(url);
    if (exports !== undefined) {
      // Its getters only read variables.
      const exportName = Object.keys(exports).find(
        (name) => (exports as Record<string, unknown>)[name] === fn,
      );
      return exportName === undefined ? undefined : { moduleUrl: url, exportName };
    }
  }
  return script.isModule ? exportOfModule(located) : exportOfCommonJs(fn, url);
}

/** Reads the text that V8 compiled: the exported name is declared once, as exactly this function. */
function exportOfModule({ url, script, offset, module }: Located): ExportReference | undefined {
  const analysis = offset === -1 ? undefined : module();
  if (analysis === undefined) return undefined;
  const declaration = analysis.declarations.find(
    (each) => each.function?.start === offset && !each.isReassigned,
  );
  if (declaration === undefined || script.source === '') return undefined;
  const exported = analysis.exports.find(({ local }) => local === declaration.name)?.exported;
  return exported === undefined ? undefined : { moduleUrl: url, exportName: exported };
}

function exportOfCommonJs(fn: Function, url: string): ExportReference | undefined {
  const path = fileURLToPath(url);
  const loaded = createRequire(url).cache[path];
  if (loaded === undefined) return undefined;
  const moduleUrl = requireAddress(path, url);
  const exports: unknown = loaded.exports;
  if (exports === fn) return { moduleUrl, exportName: WHOLE_MODULE };
  if (typeof exports !== 'object' && typeof exports !== 'function') return undefined;
  const member = exports === null ? undefined : memberThatIs(exports, fn);
  return member === undefined ? undefined : { moduleUrl, exportName: member };
}

function memberThatIs(exports: object, fn: Function): string | undefined {
  const names = Object.getOwnPropertyNames(exports);
  // Compilers export through getters. Reading those of other names might load what nobody asked for.
  const likely = [fn.name, 'default'].filter((name) => names.includes(name));
  const byGetter = likely.find((name) => (exports as Record<string, unknown>)[name] === fn);
  if (byGetter !== undefined) return byGetter;
  return names.find((name) => Object.getOwnPropertyDescriptor(exports, name)?.value === fn);
}
