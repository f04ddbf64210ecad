/**
 * `npm run test:packages`: values of forty packages that Node programs use, in every way in which they can be used. The
 * packages are in a package.json of their own, `__test__/packages/package.json`, and are installed when they are first needed.
 *
 * Arguments are handed to vitest: `npm run test:packages -- -t zod`.
 */

import { install } from './setup.mjs';

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { run } = await import('./build.mjs');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const folder = join(root, '__test__/packages');

install(folder);
run(process.execPath, [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--config',
  join(folder, 'vitest.config.ts'),
  ...process.argv.slice(2),
]);
