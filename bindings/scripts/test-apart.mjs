/**
 * Runs the tests of a folder that needs packages of its own, which are installed when they are first needed:
 * `node bindings/scripts/test-apart.mjs FOLDER [vitest arguments]`.
 *
 * - `npm run test:integrations`: the package in the test runners, bundlers, frameworks and runtimes that people have.
 * - `npm run test:packages`: values of forty packages that Node programs use, in every way in which they can be used.
 *   `npm run test:packages -- -t zod` tries one.
 */

import { install } from './setup.mjs';

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { run } = await import('./build.mjs');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const [name, ...given] = process.argv.slice(2);
const folder = join(root, '__test__', name);

install(folder);
run(process.execPath, [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--config',
  join(folder, 'vitest.config.ts'),
  ...given,
]);
