/** `npm start`: sets everything up and runs the main job, the sharded parameter server. */

import './setup.mjs';

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const { run } = await import('./build.mjs');
const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const strips = process.features.typescript !== undefined && process.features.typescript !== false;
run(process.execPath, [
  ...(strips ? [] : ['--import', 'tsx']),
  join(root, 'examples/parameter-server.ts'),
  ...process.argv.slice(2),
]);
