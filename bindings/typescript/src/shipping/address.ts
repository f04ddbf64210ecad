/**
 * How a module is named on its way to another process.
 *
 * A specifier means nothing without the module it stands in, and only the receiver's loaders can resolve it as the
 * sender's did (conditions, import maps, path aliases, `./x.js` for `x.ts`). So an address keeps both.
 */

import { isBuiltin } from 'node:module';

/** The scheme of values that every process has as global variables. */
export const GLOBALS = 'global:';
/** The scheme of what the SDK itself exports. */
export const SDK = 'eagleray:';

/** A module, as one module names it. */
export interface ModuleAddress {
  /** An absolute URL, or what is written in `import` or `require`. */
  readonly specifier: string;
  /** The URL of the module in which it is written; empty for an absolute URL. */
  readonly parent: string;
  /** It is loaded by `require`, and stands for its `module.exports`. */
  readonly isRequired: boolean;
}

const REQUIRE = 'require ';
const FROM = ' from ';

/** The address as one string. */
export function formatAddress({ specifier, parent, isRequired }: ModuleAddress): string {
  return `${isRequired ? REQUIRE : ''}${specifier}${parent === '' ? '' : `${FROM}${parent}`}`;
}

/** The address of a string that `formatAddress` made. */
export function parseAddress(text: string): ModuleAddress {
  const isRequired = text.startsWith(REQUIRE);
  const rest = isRequired ? text.slice(REQUIRE.length) : text;
  // The last one: a URL has no blanks, a specifier may have any.
  const at = rest.lastIndexOf(FROM);
  return at === -1
    ? { specifier: rest, parent: '', isRequired }
    : { specifier: rest.slice(0, at), parent: rest.slice(at + FROM.length), isRequired };
}

/** The address of an `import` of `specifier` in `parent`. */
export function importAddress(specifier: string, parent: string): string {
  return formatAddress({ ...named(specifier, parent), isRequired: false });
}

/** The address of a `require` of `specifier` in `parent`. */
export function requireAddress(specifier: string, parent: string): string {
  return formatAddress({ ...named(specifier, parent), isRequired: true });
}

function named(specifier: string, parent: string): { specifier: string; parent: string } {
  if (isBuiltin(specifier))
    return { specifier: `node:${specifier.replace(/^node:/, '')}`, parent: '' };
  return { specifier, parent: isAbsoluteUrl(specifier) ? '' : parent };
}

/** True for `file:…`, `node:…`, `data:…`; false for `./x.mjs`, `pkg` and `C:\x`. */
export function isAbsoluteUrl(specifier: string): boolean {
  return /^[a-z][a-z0-9+.-]+:/i.test(specifier);
}

/** True for what is of a package: a URL, a path, or an address. */
export function isPackaged(place: string): boolean {
  return place.includes('/node_modules/');
}
