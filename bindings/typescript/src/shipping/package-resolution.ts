/**
 * What a package's name means to `import`: `require.resolve` finds only what packages offer to `require`.
 *
 * The part of Node's algorithm that reads `exports` and `imports` of `package.json`, nothing else.
 */

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** A `package.json`. */
export interface PackageManifest {
  readonly directory: string;
  readonly name?: unknown;
  readonly exports?: unknown;
  readonly imports?: unknown;
  readonly main?: unknown;
  /** False says that its files may be loaded by themselves. */
  readonly sideEffects?: unknown;
}

const CONDITIONS = new Set(['node', 'import', 'module-sync', 'node-addons', 'default']);

/** The file that `import` finds for a package's name or a `#name` in the file `parent`; undefined if no manifest says. */
export function resolvePackage(specifier: string, parent: string): string | undefined {
  if (specifier.startsWith('#')) {
    const manifest = nearestManifest(dirname(parent));
    return manifest && fileOf(manifest, manifest.imports, specifier);
  }
  const [, name, rest] = /^((?:@[^/]+\/)?[^/]+)(\/.*)?$/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  const own = nearestManifest(dirname(parent));
  const manifest = own?.name === name && own.exports ? own : installed(name, dirname(parent));
  return manifest && fileOf(manifest, manifest.exports, `.${rest ?? ''}`);
}

/** The manifest of the package that a directory belongs to. */
export function manifestOf(directory: string): PackageManifest | undefined {
  // Folders of a package may have manifests that only say how their files are to be read.
  return ascending(directory)
    .filter((each) => !each.endsWith('/node_modules'))
    .map(manifestIn)
    .find((found) => found?.name !== undefined);
}

/** The files that `import` finds for the names of a package: first that of its own name, then those below it. */
export function entriesOf(manifest: PackageManifest): readonly (string | undefined)[] {
  const { directory, exports, main } = manifest;
  if (exports === undefined || exports === null) {
    return [join(directory, typeof main === 'string' ? main : 'index.js')];
  }
  const below = isObject(exports)
    ? Object.keys(exports).filter((key) => key.startsWith('./') && !key.includes('*'))
    : [];
  return ['.', ...below].map((name) => fileOf(manifest, exports, name));
}

function nearestManifest(directory: string): PackageManifest | undefined {
  return ascending(directory)
    .map(manifestIn)
    .find((found) => found !== undefined);
}

function installed(name: string, from: string): PackageManifest | undefined {
  const directories = ascending(from).map((directory) => join(directory, 'node_modules', name));
  return directories.map(manifestIn).find((found) => found !== undefined);
}

/** A directory and those that it is in. */
function ascending(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [directory, ...ascending(above)];
}

function manifestIn(directory: string): PackageManifest | undefined {
  try {
    const text = readFileSync(join(directory, 'package.json'), 'utf8');
    return { ...(JSON.parse(text) as object), directory };
  } catch {
    return undefined;
  }
}

function fileOf({ directory }: PackageManifest, given: unknown, name: string): string | undefined {
  if (given === undefined || given === null) return undefined;
  const isTable = isObject(given) && Object.keys(given).every((key) => /^[.#]/.test(key));
  const table = isTable ? given : { '.': given };
  const found = matching(table, name);
  const target = found && targetOf(found.target, found.star);
  return target?.startsWith('./') === true ? join(directory, target) : undefined;
}

/** The entry of a name, or of the longest pattern with a `*` that it fits. */
function matching(
  table: Readonly<Record<string, unknown>>,
  name: string,
): { target: unknown; star: string } | undefined {
  if (Object.hasOwn(table, name) && !name.includes('*')) return { target: table[name], star: '' };
  const patterns = Object.keys(table).flatMap((key) => {
    const [before = '', after] = key.split('*');
    const fits =
      after !== undefined &&
      name.length >= before.length + after.length &&
      name.startsWith(before) &&
      name.endsWith(after);
    return fits ? [{ key, before, after }] : [];
  });
  const [best] = patterns.toSorted((left, right) => right.before.length - left.before.length);
  if (best === undefined) return undefined;
  const { key, before, after } = best;
  return { target: table[key], star: name.slice(before.length, name.length - after.length) };
}

function targetOf(target: unknown, star: string): string | undefined {
  if (typeof target === 'string') return target.replaceAll('*', star);
  const choices = Array.isArray(target)
    ? (target as unknown[])
    : isObject(target)
      ? Object.keys(target).flatMap((key) => (CONDITIONS.has(key) ? [target[key]] : []))
      : [];
  for (const choice of choices) {
    const found = targetOf(choice, star);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
