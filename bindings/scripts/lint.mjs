/** `npm run lint`: formats, lints and types of both languages; `--fix` mends what can be mended. */

import './setup.mjs';

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const integrations = join(root, '__test__/integrations');
const fix = process.argv.includes('--fix');
const bin = (name) => join(root, 'node_modules/.bin', name);
const checks = [
  ['cargo', ['fmt', '--all', ...(fix ? [] : ['--check'])]],
  ['cargo', ['clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings']],
  [
    bin('prettier'),
    [
      fix ? '--write' : '--check',
      '--log-level',
      'warn',
      'bindings',
      '__test__',
      'examples',
      'benches',
    ],
  ],
  [bin('oxlint'), [...(fix ? ['--fix'] : []), 'bindings', '__test__', 'examples', 'benches']],
  // Tests and examples import the package by its name, and so the types that were built.
  [process.execPath, ['bindings/scripts/build.mjs', '--sdk-only']],
  [bin('tsc'), ['--noEmit']],
  // In a browser's types, which the SDK must not have. The test needs a package that is installed with the integrations.
  [bin('tsc'), ['--noEmit', '-p', 'bindings/typescript/report']],
  ...(existsSync(join(integrations, 'node_modules/playwright-core'))
    ? [[bin('tsc'), ['--noEmit', '-p', join(integrations, 'tsconfig.browser.json')]]]
    : []),
];
let failed = 0;
for (const [command, args] of checks) {
  if (spawnSync(command, args, { cwd: root, stdio: 'inherit' }).status !== 0) {
    console.error(`failed: ${command.replace(`${root}/`, '')} ${args.join(' ')}`);
    failed++;
  }
}
process.exit(failed === 0 ? 0 : 1);
