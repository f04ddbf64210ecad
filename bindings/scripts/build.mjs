/**
 * Builds the package into `dist/`: the native module (release), the SDK, the worker's entry, the page of
 * tuning's reports and the types.
 *
 * `node bindings/scripts/build.mjs [--types-only] [--sdk-only]`. cargo, and a stamp over the SDK's sources, skip what
 * is up to date.
 */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync } from 'node:zlib';

import {
  keyOfSdk,
  keepReachableTypes,
  writeCommandLine,
  writeCommonJsTypes,
  writeDoors,
  writeTuneDoors,
} from './doors.mjs';
import { reportPage, reportSources } from './report-page.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const dist = join(root, 'dist');
const sources = join(root, 'bindings/typescript/src');
/** As `report-html.ts` of the SDK names it. */
const REPORT_PAGE = 'tune-report.html.br';
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** What of the SDK's sources tuning has from the package that is installed, by the names that users have. */
const PUBLIC_SOURCES = new Set(['index.ts', 'errors.ts', 'error-classes.ts']);

const publicSdk = {
  name: 'public-sdk',
  setup(build) {
    build.onResolve({ filter: /^\.\.?\// }, ({ path, resolveDir }) =>
      PUBLIC_SOURCES.has(relative(sources, join(resolveDir, path)))
        ? { path: './index.cjs', external: true }
        : undefined,
    );
  },
};

export function run(command, args, options = {}) {
  const { status, signal } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (status !== 0) {
    console.error(`${command} ${args.join(' ')} failed (${signal ?? status})`);
    process.exit(status ?? 1);
  }
}

function buildNative() {
  const napi = join(root, 'node_modules/@napi-rs/cli/dist/cli.js');
  run(process.execPath, [
    napi,
    'build',
    '--platform',
    '--release',
    '--no-js',
    '--manifest-path',
    join(root, 'bindings/native/Cargo.toml'),
    '--package-json-path',
    join(root, 'package.json'),
    '--output-dir',
    dist,
    '--dts',
    'native-generated.d.ts',
  ]);
  rmSync(join(dist, 'native-generated.d.ts'), { force: true });
}

function stampOfSources() {
  const hash = createHash('sha256');
  const visit = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true }).toSorted((a, b) =>
      a.name < b.name ? -1 : 1,
    )) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) visit(path);
      else hash.update(entry.name).update(readFileSync(path));
    }
  };
  visit(sources);
  visit(reportSources);
  for (const name of [
    'package.json',
    'tsconfig.json',
    'bindings/scripts/build.mjs',
    'bindings/scripts/doors.mjs',
    'bindings/scripts/report-page.mjs',
  ]) {
    hash.update(readFileSync(join(root, name)));
  }
  return hash.digest('hex');
}

async function buildSdk() {
  const stampFile = join(dist, '.stamp');
  const stamp = stampOfSources();
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  for (const name of readdirSync(dist)) {
    if (!name.endsWith('.node')) rmSync(join(dist, name), { recursive: true, force: true });
  }
  const { build } = await import('esbuild');
  // CommonJS, because test runners that have a module system of their own take it, and because workers start faster without
  // the loader of modules.
  const bundle = (source, options) =>
    build({
      absWorkingDir: root,
      entryPoints: [source],
      outdir: dist,
      outExtension: { '.js': '.cjs' },
      bundle: true,
      format: 'cjs',
      platform: 'node',
      target: 'node20.19',
      legalComments: 'none',
      ...options,
    });
  // One file, so that whoever imports it and whoever requires it share one runtime.
  await bundle(
    { in: join(sources, 'package.ts'), out: 'eagleray' },
    {
      define: { 'import.meta.url': 'ownUrl' },
      banner: { js: "const ownUrl = require('node:url').pathToFileURL(__filename).href;" },
    },
  );
  const sdk = readFileSync(join(dist, 'eagleray.cjs'));
  // One letter beyond, in a comment that is kept, and V8 holds all of it in two bytes a letter: loading takes 7 ms longer.
  const letter = sdk.findIndex((byte) => byte > 0x7f);
  if (letter !== -1) {
    const line = sdk.subarray(0, letter).toString().split('\n').length;
    throw new Error(`dist/eagleray.cjs:${line} has a letter beyond ASCII`);
  }
  const stampOfSdk = createHash('sha256').update(sdk).digest('hex').slice(0, 16);
  for (const name of ['program', 'worker']) {
    await bundle(
      { in: join(sources, `doors/${name}.ts`), out: name },
      {
        define: {
          SDK_STAMP: JSON.stringify(stampOfSdk),
          SDK_KEY: JSON.stringify(keyOfSdk(manifest.version)),
        },
      },
    );
  }
  writeDoors(dist, manifest.version);
  // Tuning is built on what users import, and nothing else of the SDK: the same modules, so that there is one of each class.
  await bundle(
    { in: join(sources, 'tune/package.ts'), out: 'eagleray-tune' },
    {
      define: { 'import.meta.url': 'ownUrl' },
      banner: { js: "const ownUrl = require('node:url').pathToFileURL(__filename).href;" },
      // Names stay, so that stacks can be read; a map would be as large as the code.
      minifyWhitespace: true,
      lineLimit: 120,
      plugins: [publicSdk],
    },
  );
  writeTuneDoors(dist);
  writeCommandLine(dist);
  // A file of its own: it is read when a report is written, and no program loads the charting library. Packed, it is a third.
  writeFileSync(join(dist, REPORT_PAGE), brotliCompressSync(await reportPage()));
  const require = createRequire(import.meta.url);
  const tsc = join(dirname(require.resolve('typescript/package.json')), 'bin/tsc');
  run(process.execPath, [tsc, '-p', 'bindings/typescript/tsconfig.json']);
  keepReachableTypes(dist);
  writeCommonJsTypes(dist);
  writeFileSync(stampFile, stamp);
}

mkdirSync(dist, { recursive: true });
if (!process.argv.includes('--sdk-only')) buildNative();
await buildSdk();
