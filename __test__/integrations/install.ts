/**
 * Puts the package that was built where users have it: a real folder in `node_modules`. A link would not do, since test
 * runners and bundlers treat files inside and outside of `node_modules` in different ways.
 */

import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

export function setup(): void {
  putPackageInto(import.meta.dirname);
}

/** @param folder has the `node_modules`. */
export function putPackageInto(folder: string): void {
  const root = join(import.meta.dirname, '../..');
  const home = join(folder, 'node_modules/eagleray');
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  cpSync(join(root, 'dist'), join(home, 'dist'), { recursive: true });
  cpSync(join(root, 'package.json'), join(home, 'package.json'));
}
