/**
 * `npm run test:readers`: others read what tuning writes. Optuna, its dashboard, pandas, TensorBoard and MLflow are installed unless
 * they are there. Arguments are handed to vitest.
 */

import './setup.mjs';

import { join } from 'node:path';

import { pythonWith, root } from './python.mjs';

const { run } = await import('./build.mjs');

const python = pythonWith('readers', join(root, '__test__/tune/readers/requirements.txt'));
process.env['READERS_PYTHON'] = python;
process.env['OPTUNA_PYTHON'] = python;
run(process.execPath, [
  join(root, 'node_modules/vitest/vitest.mjs'),
  'run',
  '__test__/tune/readers.test.ts',
  '__test__/tune/journal-optuna.test.ts',
  ...process.argv.slice(2),
]);
