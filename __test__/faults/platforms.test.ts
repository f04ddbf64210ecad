/**
 * What a program meets where there is no native module, none that loads, or no Node: an import that works, and one
 * error at the first call that says what was looked for and what to do. Bun and Deno themselves are in
 * `__test__/integrations`.
 */

import { execFile } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const DIST = join(import.meta.dirname, '../../dist');
const BINARY = readdirSync(DIST).find((name) => name.endsWith('.node'))!;
/** As napi-rs names this platform. */
const PLATFORM = BINARY.split('.')[1]!;

/** Tries one call after the other, and prints what each says. */
const PROGRAM = `
import * as ray from 'eagleray';
const said = { imported: Object.keys(ray).length, isInitialized: ray.isInitialized() };
const note = async (name, call) => {
  try {
    said[name] = ['worked', String(await call())];
  } catch (error) {
    said[name] = [error.name, error.code, error.message, error instanceof ray.NotSupportedError,
      error.feature, error.cause === undefined ? 'no cause' : error.cause.code ?? error.cause.name];
  }
};
const square = ray.remote((x) => x * x);
await note('init', () => ray.init());
await note('remote', () => square.remote(2));
await note('put', () => ray.put(1));
await note('get', () => ray.get([]));
await note('wait', () => ray.wait([]));
await note('allocate', () => ray.allocate(Float64Array, 10));
await note('again', () => ray.init());
await note('shutdown', () => ray.shutdown());
console.log(JSON.stringify(said));
`;

type Said = readonly [name: string, code: string, message: string, ...rest: unknown[]];
type Report = Readonly<Record<string, Said>>;

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-platforms-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

let made = 0;

/** Runs the program with a package that has what `prepare` puts beside the SDK, in a process that runs `before` first. */
async function run(prepare: (dist: string) => void, before = ''): Promise<Report> {
  const project = join(folder, String(made++));
  const home = join(project, 'node_modules/eagleray');
  mkdirSync(home, { recursive: true });
  cpSync(DIST, join(home, 'dist'), {
    recursive: true,
    filter: (path) => !path.endsWith('.node'),
  });
  copyFileSync(join(DIST, '../package.json'), join(home, 'package.json'));
  prepare(join(home, 'dist'));
  writeFileSync(join(project, 'program.mjs'), PROGRAM);
  writeFileSync(join(project, 'before.cjs'), before);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--require', './before.cjs', 'program.mjs'],
    { cwd: project },
  );
  return JSON.parse(stdout) as Report;
}

/** Every call that needs a runtime says the same; nothing else fails. */
function expectRefusal(report: Report, words: RegExp): void {
  const [name, code, message, isClass] = report['init']!;
  expect({ name, code, isClass }).toEqual({
    name: 'NotSupportedError',
    code: 'ERR_EAGLERAY_NOT_SUPPORTED',
    isClass: true,
  });
  expect(message).toMatch(words);
  for (const call of ['remote', 'put', 'get', 'wait', 'allocate', 'again']) {
    expect(report[call], call).toEqual(report['init']);
  }
  expect(report['isInitialized']).toBe(false);
  expect(report['shutdown']).toEqual(['worked', 'undefined']);
}

const copied = (dist: string): void => copyFileSync(join(DIST, BINARY), join(dist, BINARY));

describe.skipIf(process.platform !== 'linux')('without what it needs', () => {
  test('the program works with the binary beside it, or in its own package', async () => {
    expect((await run(copied))['init']![0]).toBe('worked');
    const report = await run((dist) => {
      const own = join(dist, `../../eagleray-${PLATFORM}`);
      mkdirSync(own);
      copyFileSync(join(DIST, BINARY), join(own, BINARY));
      writeFileSync(join(own, 'package.json'), JSON.stringify({ main: BINARY }));
    });
    expect(report['init']![0]).toBe('worked');
  });

  test('no binary: names the platform, what was looked for and what to do', async () => {
    const report = await run(() => undefined);
    expectRefusal(report, new RegExp(`no native module for ${PLATFORM}`));
    const [, , message] = report['init']!;
    expect(message).toContain(`eagleray-${PLATFORM}`);
    expect(message).toContain(process.version);
    expect(message).toMatch(/npm install.*optional/);
  });

  test.each([
    ['an empty file', (path: string) => writeFileSync(path, ''), /file too short/],
    [
      'a text',
      (path: string) => writeFileSync(path, 'no binary'.repeat(100)),
      /invalid ELF header/,
    ],
    [
      'a library that is no module of Node',
      (path: string) => copyFileSync(libraryOfThisProcess(), path),
      /did not self-register|self-register/,
    ],
  ])('a broken binary (%s): names the file and the reason', async (_, write, reason) => {
    const report = await run((dist) => write(join(dist, BINARY)));
    expectRefusal(report, reason);
    const [, , message] = report['init']!;
    expect(message).toContain(join('dist', BINARY));
    expect(message).toMatch(/damaged|another platform/);
    expect(report['init']!.at(-1)).toBe('ERR_DLOPEN_FAILED');
  });

  test('a broken file beside the SDK does not hide the package that works', async () => {
    const report = await run((dist) => {
      writeFileSync(join(dist, BINARY), '');
      const own = join(dist, `../../eagleray-${PLATFORM}`);
      mkdirSync(own);
      copyFileSync(join(DIST, BINARY), join(own, BINARY));
      writeFileSync(join(own, 'package.json'), JSON.stringify({ main: BINARY }));
    });
    expect(report['init']![0]).toBe('worked');
  });

  test('the package of the other libc is named for what it is', async () => {
    const other = PLATFORM.endsWith('musl')
      ? PLATFORM.replace('musl', 'gnu')
      : PLATFORM.replace('gnu', 'musl');
    const report = await run((dist) => {
      const own = join(dist, `../../eagleray-${other}`);
      mkdirSync(own);
      writeFileSync(join(own, 'package.json'), JSON.stringify({ main: 'none.node' }));
    });
    expectRefusal(report, new RegExp(`eagleray-${other} is installed, which is for another`));
  });
});

test.each([
  ['win32', 'x64', /Windows.*WSL/],
  ['darwin', 'arm64', /darwin-arm64/],
  ['freebsd', 'x64', /freebsd-x64/],
  ['linux', 'riscv64', /linux-riscv64/],
  ['linux', 'arm', /linux-arm\b/],
])('on %s %s the platform is named, with those that there are', async (platform, arch, words) => {
  const report = await run(
    copied,
    `Object.defineProperties(process, {
      platform: { value: ${JSON.stringify(platform)} },
      arch: { value: ${JSON.stringify(arch)} },
    });`,
  );
  expectRefusal(report, words);
  expect(report['init']![2]).toMatch(/Linux \(x64, arm64/);
});

test.each([
  ['Bun', "Object.defineProperty(process.versions, 'bun', { value: '1.2.3' });", /Bun 1\.2\.3/],
  ['Deno', "Object.defineProperty(process.versions, 'deno', { value: '2.0.0' });", /Deno 2\.0\.0/],
  ['an old Node', 'process.getBuiltinModule = undefined;', /Node 20\.19 or later; this is v/],
])('%s is told apart before anything is loaded', async (_, before, words) => {
  const report = await run(copied, before);
  expectRefusal(report, words);
  expect(report['init']![2]).toMatch(/Node/);
});

/** A shared library that is certainly there: one that this process has loaded. */
function libraryOfThisProcess(): string {
  const { sharedObjects } = process.report.getReport() as { sharedObjects: string[] };
  return sharedObjects.find((path) => /libm\.so|libm-|ld-linux|ld-musl/.test(path))!;
}
