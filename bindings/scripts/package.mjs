/**
 * `npm run package`: packs what users install, the SDK and this platform's binary, into `.cache/package/`.
 *
 * With `--try` it installs both tarballs in an empty folder, with no Rust on the PATH, and runs the README's example
 * there under Node 20, 22, 24 and 26, as `.mjs`, and as `.ts` where Node strips types; then it tunes something, and looks at that
 * with `npx eagleray`.
 */

import './setup.mjs';

import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

await import('./build.mjs');
const { nodeBinary } = await import('./nodes.mjs');

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const out = join(root, '.cache/package');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));

/** npm's names of the platforms that the release workflow builds, from Rust's. */
const PLATFORMS = {
  'x86_64-unknown-linux-gnu': { name: 'linux-x64-gnu', os: 'linux', cpu: 'x64', libc: 'glibc' },
  'aarch64-unknown-linux-gnu': {
    name: 'linux-arm64-gnu',
    os: 'linux',
    cpu: 'arm64',
    libc: 'glibc',
  },
  'x86_64-unknown-linux-musl': { name: 'linux-x64-musl', os: 'linux', cpu: 'x64', libc: 'musl' },
  'aarch64-unknown-linux-musl': {
    name: 'linux-arm64-musl',
    os: 'linux',
    cpu: 'arm64',
    libc: 'musl',
  },
  'x86_64-apple-darwin': { name: 'darwin-x64', os: 'darwin', cpu: 'x64' },
  'aarch64-apple-darwin': { name: 'darwin-arm64', os: 'darwin', cpu: 'arm64' },
};

function pack(folder) {
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', out], {
      cwd: folder,
      encoding: 'utf8',
    }),
  );
  return join(out, filename);
}

/** The package of one platform's binary. */
function packPlatform(platform) {
  const folder = join(out, platform.name);
  const binary = `eagleray.${platform.name}.node`;
  mkdirSync(folder, { recursive: true });
  copyFileSync(join(root, 'dist', binary), join(folder, binary));
  copyFileSync(join(root, 'LICENSE'), join(folder, 'LICENSE'));
  const { engines, license, version } = manifest;
  const description = `The native module of eagleray for ${platform.name}.`;
  const { cpu, libc, name, os } = platform;
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify(
      {
        name: `eagleray-${name}`,
        version,
        description,
        license,
        engines,
        main: binary,
        files: [binary],
        os: [os],
        cpu: [cpu],
        ...(libc === undefined ? {} : { libc: [libc] }),
      },
      null,
      2,
    ),
  );
  return pack(folder);
}

/** The SDK, with the platforms' packages as optional dependencies. */
function packSdk() {
  const folder = join(out, 'sdk');
  mkdirSync(join(folder, 'dist'), { recursive: true });
  const listed = JSON.parse(
    execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: root, encoding: 'utf8' }),
  );
  for (const { path } of listed[0].files) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyFileSync(join(root, path), join(folder, path));
  }
  const { devDependencies: _, napi, scripts: __, ...published } = manifest;
  published.optionalDependencies = Object.fromEntries(
    napi.targets.map((target) => [`eagleray-${PLATFORMS[target].name}`, manifest.version]),
  );
  writeFileSync(join(folder, 'package.json'), JSON.stringify(published, null, 2));
  return pack(folder);
}

function exampleOfReadme() {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const block = /```ts\n([\s\S]*?)```/.exec(readme);
  if (block === null) throw new Error('the README has no example');
  return block[1];
}

/** Keeps a small study, and looks at it with the installed program. */
function tryCommandLine(folder, env) {
  writeFileSync(
    join(folder, 'study.mjs'),
    `import { Study, uniform } from 'eagleray/tune';
const space = { x: uniform(0, 1) };
const study = new Study({ space, metric: 'loss', mode: 'min', storagePath: 'eagleray_results', name: 'tried' });
study.tell(study.ask(), { loss: 1 });
study.close();
`,
  );
  const run = (command, ...args) =>
    execFileSync(command, args, { cwd: folder, env, encoding: 'utf8', timeout: 60_000 });
  run(process.execPath, 'study.mjs');
  const listed = run('npx', '--no-install', 'eagleray', 'tune', 'ls');
  const page = run('npx', '--no-install', 'eagleray', 'tune', 'report', 'eagleray_results/tried');
  if (
    !listed.includes('tried') ||
    !readFileSync(join(folder, page.trim()), 'utf8').includes('tried')
  )
    throw new Error(`eagleray tune printed\n${listed}${page}`);
  console.log(`eagleray tune: ${page.trim()}`);
}

async function tryOut(tarballs) {
  const folder = mkdtempSync(join(tmpdir(), 'eagleray-try-'));
  try {
    writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
    const withoutRust = process.env.PATH.split(delimiter)
      .filter((entry) => !entry.includes('cargo'))
      .join(delimiter);
    const env = { ...process.env, PATH: withoutRust };
    // The other platforms' packages are not published yet; npm skips optional ones that it can't find.
    execFileSync('npm', ['install', '--no-audit', '--no-fund', ...tarballs], {
      cwd: folder,
      env,
      stdio: 'inherit',
    });
    const example = exampleOfReadme();
    writeFileSync(join(folder, 'example.mjs'), example);
    writeFileSync(join(folder, 'example.ts'), example);
    let passed = 0;
    for (const major of ['20', '22', '24', '26']) {
      const node = await nodeBinary(major);
      for (const file of major === '20' ? ['example.mjs'] : ['example.mjs', 'example.ts']) {
        const { signal, status, stderr, stdout } = spawnSync(node, [file], {
          cwd: folder,
          env,
          encoding: 'utf8',
          timeout: 60_000,
        });
        if (status !== 0)
          throw new Error(
            `${file} on Node ${major} ended with ${signal ?? status}:\n${stdout}${stderr}`,
          );
        console.log(`Node ${major} ${file}: ${stdout.trim().replaceAll('\n', ' | ')}`);
        passed++;
      }
    }
    tryCommandLine(folder, env);
    passed++;
    console.log(`package: ${passed} passed, 0 failed`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const here = Object.values(PLATFORMS).filter(({ name }) =>
  readdirSync(join(root, 'dist')).includes(`eagleray.${name}.node`),
);
const tarballs = [packSdk(), ...here.map(packPlatform)];
console.log(tarballs.map((tarball) => tarball.replace(`${root}/`, '')).join('\n'));
if (process.argv.includes('--try')) await tryOut(tarballs);
