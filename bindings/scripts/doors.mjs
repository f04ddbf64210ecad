/**
 * The ways into the package: small files beside `dist/eagleray.cjs`, which holds everything.
 *
 * - `index.js` is for `import` and `index.cjs` for `require`. Both give the same SDK, also where copies of the package meet:
 *   the first one that is loaded in a realm is that of all others of its version.
 * - A bundler may take up a door, but what is behind it only by name: a worker is a process that has to find the package's
 *   files. A door that finds no package where it is looks for one as the bundle would, and else says what to do.
 * - `command-line.cjs` is the program that users run.
 * - `program.cjs` is what the doors load, and `worker.cjs` what worker processes are started with (`bindings/typescript/src/doors/`).
 */

import { copyFileSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The key of the global symbol under which an SDK that is loaded is found. */
export function keyOfSdk(version) {
  return `eagleray@${version}`;
}

/** How both doors find what is behind them. Stands in their text, because a bundle has one file. */
const FIND = `
function find(nodeModule, here) {
  const key = Symbol.for(nameOfKey);
  const known = globalThis[key];
  if (known !== undefined) return known;
  const sdk = load(nodeModule, here);
  Object.defineProperty(globalThis, key, { value: sdk, configurable: true });
  return sdk;
}

function load(nodeModule, here) {
  const failures = [];
  for (const [from, specifier] of [
    [here, './program.cjs'],
    // A bundle has this file, and not those beside it. Where it is, not every bundle tells.
    [here, 'eagleray'],
    [process.argv[1], 'eagleray'],
    [process.cwd() + '/', 'eagleray'],
  ]) {
    let requireFrom;
    try {
      requireFrom = nodeModule.createRequire(from);
      requireFrom.resolve(specifier);
    } catch (error) {
      failures.push(error);
      continue;
    }
    const found = requireFrom(specifier);
    if (specifier !== 'eagleray') return found.sdk;
    const other = requireFrom('eagleray/package.json').version;
    if (other === version) return found;
    throw refusal('eagleray ' + version + ' was bundled, and what is installed beside the bundle is ' + other + '.');
  }
  throw refusal('eagleray was bundled into another file, where it can not start workers.', failures[0]);
}

function refusal(what, cause) {
  const error = new Error(
    what + ' Keep it out of the bundle, and install it where the program runs: mark "eagleray" as external ' +
      '(esbuild: --external:eagleray, rollup: external, webpack: externals, Next.js: serverExternalPackages). ' +
      'See docs/integrations.md',
    cause === undefined ? undefined : { cause },
  );
  error.code = 'ERR_EAGLERAY_NOT_SUPPORTED';
  error.name = 'NotSupportedError';
  return error;
}
`;

/**
 * Bundlers such as webpack rewrite `createRequire` where they see it imported, to nothing that works; they don't see this.
 * In a sandbox of modules, as Jest makes it, the imported one is the right one: it loads into the sandbox.
 */
const NODE_MODULE = `const isBundled = typeof imported.createRequire !== 'function';
const nodeModule = isBundled ? process.getBuiltinModule('node:module') : imported;
`;

/** Writes the doors into a folder that has `eagleray.cjs`. */
export function writeDoors(dist, version) {
  const { sdk } = createRequire(import.meta.url)(join(dist, 'eagleray.cjs'));
  const names = Object.keys(sdk).toSorted();
  const start =
    `const version = ${JSON.stringify(version)};\n` +
    `const nameOfKey = ${JSON.stringify(keyOfSdk(version))};\n${FIND}`;
  writeFileSync(
    join(dist, 'index.js'),
    `import * as imported from 'node:module';\n\n${start}\n${NODE_MODULE}` +
      `export const {\n${names.map((name) => `  ${name},\n`).join('')}} = find(nodeModule, import.meta.url);\n`,
  );
  writeFileSync(
    join(dist, 'index.cjs'),
    `'use strict';\nconst imported = require('node:module');\n\n${start}\n${NODE_MODULE}` +
      `module.exports = find(nodeModule, __filename);\n`,
  );
}

/** What `eagleray-tune.cjs` has for its own workers and the command line. */
const NOT_FOR_USERS = new Set(['TrialActor', 'TrialMailbox', 'commandLine', 'runFunction']);

/** What of `eagleray-tune.cjs` is `eagleray/tune/testing`. */
const OF_TESTING = new Set(['checkSearcher', 'simulate']);

/**
 * The doors of `eagleray/tune` and `eagleray/tune/testing` beside `eagleray-tune.cjs`, which all of them load: `.js` for `import`,
 * and `.cjs` for `require`.
 */
export function writeTuneDoors(dist) {
  const names = Object.keys(createRequire(import.meta.url)(join(dist, 'eagleray-tune.cjs')))
    .filter((name) => !NOT_FOR_USERS.has(name))
    .toSorted();
  writeTuneDoor(
    join(dist, 'tune'),
    names.filter((name) => !OF_TESTING.has(name)),
  );
  writeTuneDoor(
    join(dist, 'tune-testing'),
    names.filter((name) => OF_TESTING.has(name)),
  );
}

function writeTuneDoor(path, names) {
  const list = names.map((name) => `  ${name},\n`).join('');
  writeFileSync(
    `${path}.js`,
    `import loaded from './eagleray-tune.cjs';\n\nexport const {\n${list}} = loaded;\n`,
  );
  writeFileSync(
    `${path}.cjs`,
    `'use strict';\n\nconst {\n${list}} = require('./eagleray-tune.cjs');\n\nmodule.exports = {\n${list}};\n`,
  );
}

/** `npx eagleray …`: what `package.json` names as the package's program. */
export function writeCommandLine(dist) {
  writeFileSync(
    join(dist, 'command-line.cjs'),
    "#!/usr/bin/env node\n'use strict';\n\n" +
      "const { version } = require('../package.json');\n\n" +
      "require('./eagleray-tune.cjs').commandLine(process, version);\n",
    { mode: 0o755 },
  );
}

/** The files of types that others can be reached from. */
const TYPES = ['index.d.ts', 'tune/index.d.ts', 'tune/testing/index.d.ts'];

/** All files of types that the doors' own lead to. */
function reachableTypes(dist) {
  const found = new Set();
  const visit = (name) => {
    if (found.has(name)) return;
    found.add(name);
    const text = readFileSync(join(dist, name), 'utf8');
    for (const [, imported] of text.matchAll(/(?:from|import\()\s*'(\.\.?\/[^']+)\.[jt]s'/g)) {
      visit(join(dirname(name), `${imported}.d.ts`));
    }
  };
  TYPES.forEach(visit);
  return found;
}

/** Takes away the types of what users can't import. */
export function keepReachableTypes(dist) {
  const kept = reachableTypes(dist);
  for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.d.ts') && !kept.has(name)) rmSync(join(dist, name));
  }
}

/**
 * The types once more, for who requires the package: what a declaration file stands for is decided by the `package.json` above
 * it, and a module of ECMAScript can't be required in the eyes of older compilers.
 */
export function writeCommonJsTypes(dist) {
  const folder = join(dist, 'commonjs');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "type": "commonjs" }\n');
  for (const name of reachableTypes(dist)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    copyFileSync(join(dist, name), join(folder, name));
  }
}
