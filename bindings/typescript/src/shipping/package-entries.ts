/**
 * Which modules of a package have to be there before one of its files is of use.
 *
 * Packages set themselves up when their entry is loaded: one file tells another what to use. So whoever loads a file of a
 * package on behalf of a function loads the entries first by which the program has loaded the package. A package that says
 * that it has no side effects is taken at its word, as bundlers do.
 */

import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { isAbsoluteUrl, isPackaged, parseAddress, requireAddress } from './address.ts';
import { entriesOf, manifestOf } from './package-resolution.ts';
import { moduleUrls } from './scripts.ts';

const known = new Map<string, readonly string[]>();

const NONE: readonly string[] = [];

/** The addresses of the modules that have to be loaded before the one with this address, in their order. */
export function modulesBefore(address: string): readonly string[] {
  let found = known.get(address);
  if (found === undefined) {
    found = isPackaged(address) ? entriesBefore(address) : NONE;
    known.set(address, found);
  }
  return found;
}

function entriesBefore(address: string): readonly string[] {
  const { isRequired, parent, specifier } = parseAddress(address);
  if (isRequired) {
    const path = requiredPath(specifier, parent);
    return path === undefined ? NONE : requiredEntry(path);
  }
  // What one package imports by the name of another is an entry.
  if (!isAbsoluteUrl(specifier) && !/^[.#]/.test(specifier)) return NONE;
  const url = isAbsoluteUrl(specifier) ? specifier : new URL(specifier, parent).href;
  return url.startsWith('file:')
    ? importedEntries(fileURLToPath(parent === '' ? url : parent), url)
    : NONE;
}

function requiredPath(specifier: string, parent: string): string | undefined {
  if (specifier.startsWith('/')) return specifier;
  if (!specifier.startsWith('.')) return undefined;
  try {
    return createRequire(parent).resolve(specifier);
  } catch {
    // Whoever loads it says so.
    return undefined;
  }
}

/** The module by which the first of the package was required that has led to this file. */
function requiredEntry(path: string): readonly string[] {
  const { cache } = createRequire(import.meta.url);
  const folder = packageFolder(path);
  let entry = cache[path];
  if (entry === undefined) return NONE;
  const visited = new Set<NodeJS.Module>();
  while (!visited.has(entry)) {
    visited.add(entry);
    const { parent }: { parent?: NodeJS.Module | null | undefined } = entry;
    if (!parent || packageFolder(parent.filename) !== folder) break;
    entry = parent;
  }
  const { filename } = entry;
  return filename === path ? NONE : [requireAddress(filename, pathToFileURL(filename).href)];
}

function packageFolder(path: string | null | undefined): string | undefined {
  return /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path ?? '')?.[0];
}

const entries = new Map<string, readonly string[]>();

/**
 * The entries of the package of a file that are loaded as ECMAScript modules. Only where its manifest leaves that open is V8
 * asked, because its answer takes longer the more is loaded.
 */
function importedEntries(path: string, url: string): readonly string[] {
  const manifest = manifestOf(dirname(path));
  if (manifest === undefined || manifest.sideEffects === false) return NONE;
  let found = entries.get(manifest.directory);
  if (found === undefined) {
    const all = entriesOf(manifest).map((file) => file && pathToFileURL(file).href);
    const [main, ...others] = all;
    if (url === main) return NONE;
    // Its files can be had by its exports alone, so this one was loaded by the only entry that there is.
    const isOnly = main !== undefined && others.length === 0 && manifest.exports !== undefined;
    found = isOnly ? [main] : loadedEntries(main, others);
    entries.set(manifest.directory, found);
  }
  return found.includes(url) ? NONE : found;
}

function loadedEntries(
  main: string | undefined,
  others: readonly (string | undefined)[],
): readonly string[] {
  const loaded = moduleUrls();
  if (main !== undefined && loaded.has(main)) return [main];
  return others.filter((url): url is string => url !== undefined && loaded.has(url));
}
