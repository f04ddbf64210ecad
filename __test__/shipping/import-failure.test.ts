/** What an error says can be done about a module that is not there. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { importFailure } from '../../bindings/typescript/src/shipping/import-failure.ts';

const folder = mkdtempSync(join(tmpdir(), 'eagleray-missing-'));
writeFileSync(join(folder, 'typed.ts'), '');
writeFileSync(join(folder, 'typed.mts'), '');
afterAll(() => rmSync(folder, { recursive: true }));

function messageFor(file: string): string {
  const said = `Cannot find module '${join(folder, file)}' imported from ${folder}/main.mjs`;
  const error = Object.assign(new Error(said), { code: 'ERR_MODULE_NOT_FOUND' });
  return importFailure(error, `./${file}`, `file://${folder}/main.mjs`).message;
}

describe('a loader for TypeScript', () => {
  test.each(['gone.mjs', 'gone.js', 'gone.cjs', 'gone.jsx'])('is no matter of %s', (file) => {
    expect(messageFor(file)).not.toContain('TypeScript');
  });

  test.each(['typed.js', 'typed.mjs', 'gone.ts', 'gone'])('is advised for %s', (file) => {
    expect(messageFor(file)).toContain('--import tsx');
  });
});
