/**
 * `npm test`: sets everything up and runs all tests, of Rust and of TypeScript.
 *
 * Arguments are handed to vitest; with some, only vitest runs. `test-on.mjs` runs them on other versions of Node.
 */

import './setup.mjs';

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { run } = await import('./build.mjs');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const given = process.argv.slice(2);

if (given.length === 0) run('cargo', ['test', '--workspace', '--quiet']);
run(process.execPath, [vitest, 'run', ...given]);
