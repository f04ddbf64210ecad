/**
 * `npm run fixtures`: writes the fixtures again that say what others decide. What is compared with what is in
 * `__test__/tune/references/README.md`. `npm run fixtures -- optuna ray` takes only scripts with one of these words in their names.
 */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';

import { call, pythonWith, root } from './python.mjs';

/** Other modules of these folders: what others import, and what tests run themselves. */
const NO_SCRIPTS = new Set(['toy_controller.py', 'optuna_journal.py']);

const words = process.argv.slice(2);
const python = pythonWith('references', join(root, '__test__/tune/references/requirements.txt'));
for (const folder of [
  'crates/search/tests/fixtures',
  '__test__/tune/fixtures',
  '__test__/tune/references',
]) {
  for (const file of readdirSync(join(root, folder)).sort()) {
    if (!file.endsWith('.py') || NO_SCRIPTS.has(file)) continue;
    if (words.length > 0 && !words.some((word) => file.includes(word))) continue;
    console.log(`${folder}/${file}`);
    call(python, [join(root, folder, file)]);
  }
}
