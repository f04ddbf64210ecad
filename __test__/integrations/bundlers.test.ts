/**
 * Programs that a bundler has made one file of. The package stays external; where it did not, the bundle uses the one that is
 * installed where it runs, and says what to do if there is none: workers are processes that have to find its files.
 */

import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { NODE_MODULES, binary, projectFolder, run, runNode } from './project.ts';

/** How each is called. `isExternal` adds the setting that `docs/integrations.md` gives. */
const BUNDLERS = [
  {
    name: 'esbuild, ESM',
    file: 'bundle.mjs',
    command: (isExternal: boolean): string[] => [
      binary('esbuild'),
      'program.mjs',
      '--bundle',
      '--platform=node',
      '--format=esm',
      '--outfile=out/bundle.mjs',
      ...(isExternal ? ['--external:eagleray'] : []),
    ],
  },
  {
    name: 'esbuild, CommonJS, minified',
    file: 'bundle.cjs',
    command: (isExternal: boolean): string[] => [
      binary('esbuild'),
      'program.cjs',
      '--bundle',
      '--minify',
      '--platform=node',
      '--format=cjs',
      '--outfile=out/bundle.cjs',
      ...(isExternal ? ['--external:eagleray'] : []),
    ],
  },
  {
    name: 'Rollup',
    file: 'bundle.mjs',
    command: (isExternal: boolean): string[] => [
      process.execPath,
      binary('rollup'),
      'program.mjs',
      '--plugin',
      'node-resolve',
      '--format',
      'es',
      '--file',
      'out/bundle.mjs',
      ...(isExternal ? ['--external', 'eagleray'] : []),
    ],
  },
  {
    name: 'webpack',
    file: 'bundle.cjs',
    command: (isExternal: boolean): string[] => [
      process.execPath,
      'webpack.cjs',
      ...(isExternal ? ['external'] : []),
    ],
  },
] as const;

describe.each(BUNDLERS)('$name', ({ command, file }) => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'eagleray-bundlers-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Builds the bundle, and moves it to where the folder of its sources and packages is not. */
  async function bundle(isExternal: boolean, target: string): Promise<string> {
    const source = join(folder, `${target}-source`);
    cpSync(projectFolder('bundlers'), source, { recursive: true });
    installIn(source);
    for (const name of readdirSync(NODE_MODULES)) {
      if (name !== 'eagleray')
        symlinkSync(join(NODE_MODULES, name), join(source, 'node_modules', name));
    }
    const [program, ...args] = command(isExternal);
    const ended = await run(source, program!, args);
    expect(ended, ended.output + ended.errors).toMatchObject({ code: 0 });
    const home = join(folder, target);
    renameSync(join(source, 'out'), home);
    rmSync(source, { recursive: true });
    return home;
  }

  /** Installs the package where the bundle runs, as `npm install` does it there. */
  function installIn(home: string, version?: string): void {
    mkdirSync(join(home, 'node_modules/eagleray'), { recursive: true });
    const installed = join(home, 'node_modules/eagleray');
    cpSync(join(NODE_MODULES, 'eagleray'), installed, { recursive: true });
    if (version === undefined) return;
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as object;
    writeFileSync(join(installed, 'package.json'), JSON.stringify({ ...manifest, version }));
  }

  test('works with the package external', async () => {
    const home = await bundle(true, 'external');
    expect(readFileSync(join(home, file), 'utf8')).not.toContain('was bundled');
    installIn(home);
    expect(await runNode(home, [file])).toEqual({ code: 0, output: '17\n', errors: '' });
  });

  test('works with the package in the bundle, if it is installed beside it', async () => {
    const home = await bundle(false, 'installed');
    installIn(home);
    expect(await runNode(home, [file])).toEqual({ code: 0, output: '17\n', errors: '' });
    // From another folder the bundle is found by where it is.
    const elsewhere = await runNode(tmpdir(), [join(home, file)]);
    expect(elsewhere).toEqual({ code: 0, output: '17\n', errors: '' });
  });

  test('says what to do where the package is not installed', async () => {
    const home = await bundle(false, 'alone');
    const { code, output, errors } = await runNode(home, [file]);
    expect({ code, output }).toEqual({ code: 1, output: '' });
    expect(errors).toMatch(/NotSupportedError/);
    expect(errors).toMatch(/eagleray was bundled into another file.*mark "eagleray" as external/);
    expect(errors).toMatch(/docs\/integrations\.md/);
  });

  test('refuses an installed package of another version', async () => {
    const home = await bundle(false, 'other');
    installIn(home, '99.0.0');
    const { code, output, errors } = await runNode(home, [file]);
    expect({ code, output }).toEqual({ code: 1, output: '' });
    expect(errors).toMatch(/was bundled, and what is installed beside the bundle is 99\.0\.0/);
  });
});
