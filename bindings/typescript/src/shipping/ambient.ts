/**
 * The functions and objects that a module has without declaring them, made anew for a function that was taken out of
 * its module: `import()`, `import.meta`, `require` and `module`.
 */

import { Module, createRequire, isBuiltin } from 'node:module';
import { dirname, resolve } from 'node:path';
import { existsSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

import type { AmbientKind, Definition } from './definition.ts';
import { addAdvice } from './import-failure.ts';
import { resolvePackage } from './package-resolution.ts';

/** What was made here, so that it travels on as what it is, not by value. */
const made = new WeakMap<object, AmbientKind>();

/** What kind of ambient thing a value is, if it was made for a function that arrived here. */
export function ambientOf(value: unknown): AmbientKind | undefined {
  const isHolder = (typeof value === 'object' && value !== null) || typeof value === 'function';
  return isHolder ? made.get(value) : undefined;
}

/** Makes what a function finds in its module. */
export function makeAmbient(is: AmbientKind, definition: Definition): unknown {
  const value = create(is, definition);
  made.set(value, is);
  return value;
}

function create(is: AmbientKind, { url, runnerRoot }: Definition): object {
  switch (is) {
    case 'import':
      return importerOf(url);
    case 'runnerImport': {
      const load = importerOf(url);
      return (specifier: string, options?: object) =>
        load(fromRunner(specifier, runnerRoot ?? process.cwd()), options);
    }
    case 'importMeta':
      return importMetaOf(url, runnerRoot !== undefined);
    case 'require':
      return createRequire(baseUrl(url));
    case 'module':
      return Object.assign(new Module(pathOf(url)), { filename: pathOf(url), loaded: true });
  }
}

/** What `import()` is called with; the options say that a module is JSON. */
type Importer = (specifier: string, options?: object) => Promise<object>;

/** `import()` as it is in the module `url`: what it names is resolved from there, by Node and its loaders. */
export function importerOf(url: string): Importer {
  let importer = importers.get(url);
  if (importer === undefined) {
    const load = nativeImporter(pathOf(url));
    importer = async (specifier, options) => {
      try {
        return await load(specifier, options);
      } catch (error) {
        // Programs look at what Node says, such as the code of a package that is not there, or at what the module threw.
        addAdvice(error, String(specifier));
        throw error;
      }
    };
    importers.set(url, importer);
  }
  return importer;
}

const importers = new Map<string, Importer>();

interface CompilableModule extends Module {
  _compile(source: string, filename: string): void;
}

/**
 * Only code that Node compiled as a module's has an `import()` that its loaders serve. `vm` offers the same as an
 * experimental feature, with a warning in every process.
 */
function nativeImporter(path: string): Importer {
  const module = new Module(path) as CompilableModule;
  module.filename = path;
  const source = 'module.exports = (specifier, options) => import(specifier, options);';
  module._compile(source, path);
  return module.exports as Importer;
}

function importMetaOf(url: string, hasEnvironment: boolean): object {
  const path = pathOf(url);
  return {
    dirname: dirname(path),
    filename: path,
    main: false,
    resolve: (specifier: string) => resolveFrom(specifier, url),
    url: baseUrl(url),
    ...(hasEnvironment ? { env: { ...process.env } } : {}),
  };
}

function resolveFrom(specifier: string, url: string): string {
  if (/^\.{0,2}\//.test(specifier)) return new URL(specifier, baseUrl(url)).href;
  if (/^[a-z][a-z0-9+.-]+:/i.test(specifier)) return specifier;
  const path = isBuiltin(specifier)
    ? specifier
    : (resolvePackage(specifier, pathOf(url)) ?? createRequire(baseUrl(url)).resolve(specifier));
  return path.startsWith('/') ? pathToFileURL(path).href : `node:${path.replace(/^node:/, '')}`;
}

/** vitest names files from its root: `/src/x.ts`, and those outside of it `/@fs/…`. */
function fromRunner(specifier: string, root: string): string {
  const file = specifier.startsWith('/@fs/') ? specifier.slice('/@fs'.length) : undefined;
  const path = (file ?? specifier).replace(/[?#].*$/, '');
  if (!path.startsWith('/')) return specifier;
  const inRoot = resolve(root, `.${path}`);
  return pathToFileURL(file === undefined && existsSync(inRoot) ? inRoot : path).href;
}

/** Code without a file is taken to stand in the working directory. */
function baseUrl(url: string): string {
  return url === '' ? pathToFileURL(resolve('[eval]')).href : url;
}

function pathOf(url: string): string {
  return fileURLToPath(baseUrl(url));
}
