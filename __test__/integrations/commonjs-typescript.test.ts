/** TypeScript that is compiled to CommonJS, as NestJS does it, and the types that it sees. */

import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { NODE_MODULES, binary, projectFolder, runNode } from './project.ts';

const tsc = binary('typescript', 'tsc');

test('a NestJS application starts the runtime, works with it, and ends with it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eagleray-nest-'));
  try {
    symlinkSync(NODE_MODULES, join(folder, 'node_modules'));
    const compiled = await runNode(projectFolder('nest'), [tsc, '-p', '.', '--outDir', folder]);
    expect(compiled, compiled.output).toMatchObject({ code: 0 });
    expect(await runNode(folder, ['main.js'])).toEqual({ code: 0, output: '30\n', errors: '' });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test.each([
  ['CommonJS', 'Node10'],
  ['Node16', 'Node16'],
  ['NodeNext', 'NodeNext'],
  ['ESNext', 'Bundler'],
])('types, --module %s --moduleResolution %s', async (module, moduleResolution) => {
  // `import = require` is CommonJS only; the file of modules is read in each.
  const files = module === 'ESNext' ? ['modules.mts'] : ['commonjs.cts', 'modules.mts'];
  const ended = await runNode(projectFolder('types'), [
    tsc,
    '--noEmit',
    '--strict',
    '--target',
    'ES2022',
    '--types',
    'node',
    '--module',
    module,
    '--moduleResolution',
    moduleResolution,
    ...files,
  ]);
  expect(ended, ended.output).toMatchObject({ code: 0 });
});
