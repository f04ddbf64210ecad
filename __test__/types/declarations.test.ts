/** What users get of types: nowhere `any`, which would take the checks away from whatever it touches. */

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

const dist = join(import.meta.dirname, '../../dist');

test('the declarations of the built package have no `any`', () => {
  const files = readdirSync(dist, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.d.ts'),
  );
  expect(files).toContain(join('tune', 'index.d.ts'));
  const found = files.flatMap((file) => {
    const code = readFileSync(join(dist, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    const lines = code.split('\n').filter((line) => /\bany\b/.test(line));
    return lines.map((line) => `${file}: ${line.trim()}`);
  });
  expect(found).toEqual([]);
});
