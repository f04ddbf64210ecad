/**
 * `npm run test:integrations`: the package in the test runners, bundlers, frameworks and runtimes that people have. Their packages
 * are in a package.json of their own, `__test__/integrations/package.json`, and are installed when they are first needed.
 *
 * Arguments are handed to vitest.
 */

import { install } from './setup.mjs';

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { run } = await import('./build.mjs');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const folder = join(root, '__test__/integrations');

install(folder);
run(process.execPath, [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--config',
  join(folder, 'vitest.config.ts'),
  ...process.argv.slice(2),
]);
