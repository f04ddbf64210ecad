/**
 * Which modules a worker may import in the place of a function that travels by value.
 *
 * Not every module that is loaded here can be loaded there: the entry file must never run a second time (nor a module
 * that imports it), a test runner transforms modules in its own process only, and Node loads TypeScript only where it
 * strips types or has a loader. Every question is answered without loading anything; where the answer is not certain it
 * is no, and the function travels by value.
 */

import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { basename, extname } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

import { hasLoader } from './exec-arguments.ts';
import { resolvePackage } from './package-resolution.ts';
import { type ModuleAnalysis, analyseModule } from './parser.ts';
import { isMainThread } from './probe.ts';
import { testRunner } from './test-runner.ts';

const TYPESCRIPT = new Set(['.ts', '.mts', '.cts', '.tsx']);
/** What loaders put in the place of a missing or a JavaScript extension. */
const GUESSED = ['.ts', '.tsx', '.mts', '.cts', '.js', '.mjs', '.cjs', '.jsx', '.json'];

/** What `import.meta` has in Node; the rest is a bundler's. */
const META_OF_NODE = new Set(['dirname', 'filename', 'main', 'resolve', 'url']);

let givenEntries: readonly string[] | undefined;

/** In a worker: the entry files of the driver, which must not run here either. */
export function useEntryUrls(urls: readonly string[]): void {
  givenEntries = urls;
  reaching.clear();
}

/** The URLs of the files that must never run in a worker: the program that was started, and under a test runner, its files. */
export function entryUrls(): readonly string[] {
  return givenEntries ?? [...mainUrls(), ...testRunner().entryUrls()];
}

let mains: readonly string[] | undefined;

function mainUrls(): readonly string[] {
  if (mains !== undefined) return mains;
  const main = process.argv[1];
  mains = [];
  if (main === undefined) return mains;
  try {
    // `node main` without an extension is found as `require` finds it.
    const path = createRequire(pathToFileURL(`${process.cwd()}/`)).resolve(main);
    mains = [pathToFileURL(path).href, pathToFileURL(realpathSync(path)).href];
  } catch {
    // A program that is no file (`node -e`, a single executable) can't be imported either.
  }
  return mains;
}

/** True if a worker can import the module, and the program's entry file does not run by that. */
export function canImport(url: string): boolean {
  if (url.startsWith('node:')) return true;
  if (!url.startsWith('file:') || url.includes('?')) return false;
  if (entryUrls().includes(url)) return false;
  const path = fileURLToPath(url);
  if (!isLoadable(path)) return false;
  return !reachesEntry(url);
}

/**
 * True if functions of the module may travel by reference: a worker can import it, and it is not the file that this
 * thread was started with, which Node names nowhere.
 */
export function canReference(url: string): boolean {
  const isKnown = isMainThread() || testRunner().isActive || url.includes('/node_modules/');
  return isKnown && canImport(url);
}

/** True if a worker can import what `specifier` means in the module `parent`, under the conditions of `canImport`. */
export function canImportFrom(specifier: string, parent: string): boolean {
  if (isBuiltin(specifier)) return true;
  if (/^(data|node|https?):/.test(specifier)) return true;
  if (parent === '') return !isRelative(specifier);
  const targets = resolveGuessing(specifier, fileURLToPath(parent));
  if (targets.length > 0) return canImport(pathToFileURL(targets[0]!).href);
  // Only a loader knows what it means; workers have the loaders that Node was started with, not the test runner's.
  const last = stem(specifier);
  const mayBeEntry = entryUrls().some((entry) => stem(entry) === last);
  return isPackageName(specifier) || (!testRunner().isActive && !mayBeEntry);
}

function isLoadable(path: string): boolean {
  const isInPackage = path.includes('/node_modules/');
  if (testRunner().isActive && !isInPackage) {
    // What the test runner loaded here says nothing about what Node can load there.
    return hasLoader(process.execArgv) || loadsNatively(path, new Set());
  }
  if (!TYPESCRIPT.has(extname(path))) return true;
  return hasLoader(process.execArgv) || (stripsTypes() && !isInPackage && extname(path) !== '.tsx');
}

function stripsTypes(): boolean {
  const { typescript } = process.features as { readonly typescript?: unknown };
  return typescript === 'strip' || typescript === 'transform';
}

/** True if plain Node loads the file and all that it imports: whole file names, erasable syntax, nothing of a bundler. */
function loadsNatively(path: string, visited: Set<string>): boolean {
  if (visited.has(path)) return true;
  visited.add(path);
  const extension = extname(path);
  if (extension === '.json' || path.includes('/node_modules/')) return true;
  const isTypeScript = TYPESCRIPT.has(extension);
  if (isTypeScript ? !stripsTypes() || extension === '.tsx' : !/\.[cm]?js$/.test(extension)) {
    return false;
  }
  const analysis = analysisOf(path);
  if (analysis === undefined || analysis.inerasableSyntax.length > 0) return false;
  if (!analysis.metaProperties.every((name) => META_OF_NODE.has(name))) return false;
  return analysis.dependencies.every(
    ({ specifier, isType }) => isType || resolvesNatively(specifier, path, analysis, visited),
  );
}

function resolvesNatively(
  specifier: string,
  parent: string,
  { imports }: ModuleAnalysis,
  visited: Set<string>,
): boolean {
  if (isBuiltin(specifier)) return true;
  if (!isRelative(specifier)) {
    const resolved = resolveBare(specifier, parent);
    return resolved !== undefined && specifier !== 'vitest';
  }
  const target = fileURLToPath(new URL(specifier, pathToFileURL(parent)));
  if (!existsSync(target) || entryUrls().includes(pathToFileURL(target).href)) return false;
  if (!loadsNatively(target, visited)) return false;
  // A type that is imported without `type` is a missing export when only types are stripped.
  const types = TYPESCRIPT.has(extname(target)) ? analysisOf(target)?.exportedTypes : undefined;
  return imports.every(
    (each) =>
      each.specifier !== specifier ||
      each.isType ||
      each.imported === undefined ||
      types?.includes(each.imported) !== true,
  );
}

const reaching = new Map<string, boolean>();

/** True if loading the module loads an entry file, as far as literal specifiers tell. */
function reachesEntry(url: string): boolean {
  const known = reaching.get(url);
  if (known !== undefined) return known;
  const entries = entryUrls()
    .filter((entry) => entry.startsWith('file:'))
    .map((entry) => fileURLToPath(entry));
  const reaches = entries.length > 0 && pathReaches(fileURLToPath(url), entries, new Set());
  reaching.set(url, reaches);
  return reaches;
}

function pathReaches(path: string, entries: readonly string[], visited: Set<string>): boolean {
  if (entries.includes(path)) return true;
  // Packages don't import the program that uses them.
  if (visited.has(path) || path.includes('/node_modules/') || extname(path) === '.json')
    return false;
  visited.add(path);
  if (!/\.[cm]?[jt]sx?$/.test(path)) return false;
  const analysis = analysisOf(path);
  if (analysis === undefined) return true;
  return analysis.dependencies.some(({ specifier, isType, isDynamic }) => {
    if (isType || isDynamic || isBuiltin(specifier)) return false;
    const targets = resolveGuessing(specifier, path);
    if (targets.length > 0) return targets.some((each) => pathReaches(each, entries, visited));
    // An alias of some loader: the last part of its name has to do.
    const last = stem(specifier);
    return !isPackageName(specifier) && entries.some((entry) => stem(entry) === last);
  });
}

/** The files that a specifier may mean to some loader. */
export function resolveGuessing(specifier: string, parent: string): string[] {
  if (!isRelative(specifier)) {
    const resolved = resolveBare(specifier, parent);
    return resolved === undefined ? [] : [resolved];
  }
  const target = fileURLToPath(new URL(specifier, pathToFileURL(parent)));
  const bare = target.replace(/\.[cm]?jsx?$/, '');
  const guesses = [
    target,
    ...GUESSED.flatMap((extension) => [target + extension, bare + extension]),
    ...GUESSED.map((extension) => `${target}/index${extension}`),
  ];
  return guesses.filter((guess) => extname(guess) !== '' && existsSync(guess)).map(realPath);
}

/** The file of a package, of an import map's name, or of an absolute path; undefined for names that Node doesn't know. */
function resolveBare(specifier: string, parent: string): string | undefined {
  try {
    if (specifier.startsWith('file:')) return realPath(fileURLToPath(specifier));
    const found = resolvePackage(specifier, parent);
    return found !== undefined && existsSync(found)
      ? realPath(found)
      : createRequire(parent).resolve(specifier);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A package that exists, but only under conditions that nobody here knows.
    return code === 'ERR_PACKAGE_PATH_NOT_EXPORTED' ? `/node_modules/${specifier}` : undefined;
  }
}

function isRelative(specifier: string): boolean {
  return /^\.{0,2}\//.test(specifier) || specifier === '.' || specifier === '..';
}

function isPackageName(specifier: string): boolean {
  return /^(@[\w.-]+\/)?[a-z][\w.-]*$/.test(specifier) && !specifier.startsWith('@/');
}

function stem(path: string): string {
  return basename(path).replace(/\.[cm]?[jt]sx?$/, '');
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

const analyses = new Map<string, ModuleAnalysis | undefined>();

/** The analysis of a file as it is on the disk; undefined if it can't be read or parsed. */
function analysisOf(path: string): ModuleAnalysis | undefined {
  if (analyses.has(path)) return analyses.get(path);
  let analysis: ModuleAnalysis | undefined;
  try {
    analysis = analyseModule(readFileSync(path, 'utf8'), TYPESCRIPT.has(extname(path)));
  } catch {
    // A file that was moved since it was loaded: nothing is known of it.
  }
  analyses.set(path, analysis);
  return analysis;
}

/** How an export of a module behaves, seen from a module that imports it. */
export function mayChange(specifier: string, parent: string, name: string): boolean {
  if (isBuiltin(specifier)) return false;
  if (!parent.startsWith('file:')) return true;
  const [target] = resolveGuessing(specifier, fileURLToPath(parent));
  return target === undefined || exportMayChange(target, name, new Set());
}

function exportMayChange(path: string, name: string, visited: Set<string>): boolean {
  if (visited.has(path) || /\.(json|node|wasm)$/.test(path)) return false;
  visited.add(path);
  const analysis = /\.[cm]?[jt]sx?$/.test(path) ? analysisOf(path) : undefined;
  // What is not known may change.
  if (analysis === undefined) return true;
  // The names of a CommonJS module are copied once when it is imported.
  if (!analysis.isModule) return false;
  const local = analysis.exports.find(({ exported }) => exported === name)?.local;
  if (local !== undefined) {
    const imported = analysis.imports.find((each) => each.local === local);
    if (imported?.imported !== undefined) {
      return mayChangeFrom(path, imported.specifier, imported.imported, visited);
    }
    return analysis.declarations.some((each) => each.name === local && each.isReassigned);
  }
  const reexport = analysis.reexports.find(({ exported }) => exported === name);
  if (reexport !== undefined) {
    if (reexport.imported === undefined) return false;
    return mayChangeFrom(path, reexport.specifier, reexport.imported, visited);
  }
  // `export *`: whichever of them it is.
  return analysis.reexports
    .filter(({ exported }) => exported === undefined)
    .some(({ specifier }) => mayChangeFrom(path, specifier, name, visited));
}

function mayChangeFrom(
  path: string,
  specifier: string,
  name: string,
  visited: Set<string>,
): boolean {
  if (isBuiltin(specifier)) return false;
  const [target] = resolveGuessing(specifier, path);
  return target === undefined || exportMayChange(target, name, visited);
}
