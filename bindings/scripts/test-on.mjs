/** Runs the TypeScript tests on another version of Node: `node bindings/scripts/test-on.mjs 24 [vitest arguments]`. */

import './setup.mjs';

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { run } = await import('./build.mjs');
const { nodeBinary } = await import('./nodes.mjs');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const [major, ...given] = process.argv.slice(2);
console.log(`Tests on Node ${major}:`);
run(await nodeBinary(major), [join(root, 'node_modules/vitest/vitest.mjs'), 'run', ...given]);
