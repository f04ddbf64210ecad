/** The type tests compile: under this project's settings, and under those that a user may have. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const compiler = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url));
const project = fileURLToPath(new URL('.', import.meta.url));

test.each([
  ['as this project does', []],
  ['without exactOptionalPropertyTypes', ['--exactOptionalPropertyTypes', 'false']],
  ['without noUncheckedIndexedAccess', ['--noUncheckedIndexedAccess', 'false']],
  ['with the resolution of bundlers', ['--module', 'esnext', '--moduleResolution', 'bundler']],
])('compiles %s', { timeout: 120_000 }, (_, flags) => {
  const { stdout, status } = spawnSync(
    process.execPath,
    [compiler, '--noEmit', '--project', project, ...flags],
    { encoding: 'utf8' },
  );
  expect(stdout).toBe('');
  expect(status).toBe(0);
});
