/**
 * What the doors `index.js` and `index.cjs` load in a program: `dist/program.cjs`, which loads the SDK with the code that an
 * earlier process has compiled, as workers do. Compiling is a third of what a driver does until its first call is on its way.
 */

import { createRequire } from 'node:module';
import { join } from 'node:path';
import { runInThisContext } from 'node:vm';

import { USED_AFTER_MS, loadCompiled } from './compiled-code.ts';
import type * as wholePackage from '../package.ts';

/** Names the content of `eagleray.cjs`; the build puts it here. */
declare const SDK_STAMP: string;

/** All that users import. */
export const { sdk } = load(join(__dirname, 'eagleray.cjs'));

function load(file: string): typeof wholePackage {
  if (!loadsAsNodeDoes()) return createRequire(__filename)(file) as typeof wholePackage;
  const loaded = loadCompiled(file, SDK_STAMP, 'driver');
  const loadedPackage = loaded.exports as typeof wholePackage;
  // Once in a process. One that only imports the package writes nothing.
  loadedPackage.whenStarted(() => {
    let isDone = false;
    const keep = (): void => {
      if (!isDone) loaded.keep('driver');
      isDone = true;
    };
    setTimeout(keep, USED_AFTER_MS).unref();
    process.once('exit', keep);
  });
  return loadedPackage;
}

/**
 * Whether what Node's own loader would do is known. A sandbox as Jest makes it has globals and modules of its own, and whoever
 * asked for source maps sees with them only what that loader has loaded.
 */
function loadsAsNodeDoes(): boolean {
  const { bun, deno } = process.versions;
  if (bun !== undefined || deno !== undefined || process.sourceMapsEnabled) return false;
  return runInThisContext('globalThis') === globalThis;
}
