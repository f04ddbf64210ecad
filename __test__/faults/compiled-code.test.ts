/**
 * Workers and drivers keep the code that V8 has compiled of the SDK for the next ones (`doors/compiled-code.ts`).
 * Whatever state that folder is in, they start; and nobody else can put code there that they would run.
 */

import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import nodeModule from 'node:module';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const PROGRAM = `
  const { get, init, remote, shutdown } = await import(process.env.EAGLERAY_OF_TEST ?? 'eagleray');
  await init({ numCpus: 1 });
  const places = remote(() => new Error('here').stack);
  console.log(await get(places.remote()));
  if (process.argv[1]) await new Promise((resolve) => setTimeout(resolve, 400));
  await shutdown();
`;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-code-test-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a program with one worker: what it prints. */
function run(
  environment: Record<string, string | undefined> = {},
  ...args: string[]
): Promise<string> {
  const env = {
    ...process.env,
    NODE_COMPILE_CACHE: folder,
    NODE_DISABLE_COMPILE_CACHE: undefined,
    ...environment,
  };
  const node = ['--input-type=module', '-e', PROGRAM, '--', ...args];
  return new Promise((resolve, reject) => {
    execFile(process.execPath, node, { cwd: import.meta.dirname, env }, (error, stdout, stderr) => {
      if (error === null && stderr === '') resolve(stdout);
      else reject(new Error(`it failed: ${stderr}`, { cause: error }));
    });
  });
}

/** The folder that is this package's, and the files in it. */
function kept(): { place: string; files: string[] } {
  const name = readdirSync(folder).find((entry) => entry.startsWith('eagleray-code-'));
  if (name === undefined) return { place: '', files: [] };
  const place = join(folder, name);
  return { place, files: readdirSync(place).map((file) => join(place, file)) };
}

interface Kept {
  readonly place: string;
  readonly loaded: string;
  readonly used: string;
  readonly driver: string;
}

/** Runs a short program and a longer one: the files that they leave. */
async function keptByRuns(): Promise<Kept> {
  expect(await run()).toContain('here');
  const first = kept();
  const [driver, loaded] = first.files.toSorted();
  expect(first.files).toHaveLength(2);
  expect(driver).toMatch(/\.driver$/);
  expect(loaded).toMatch(/\.loaded$/);
  expect(await run({}, 'for a while')).toContain('here');
  const [used, ...more] = kept().files.filter((file) => !first.files.includes(file));
  expect(used).toMatch(/\.used$/);
  expect(more).toEqual([]);
  return { place: first.place, loaded: loaded!, used: used!, driver: driver! };
}

describe('compiled code', () => {
  test('is kept for this user alone, and used as it is', async () => {
    const { place, used, loaded, driver } = await keptByRuns();
    expect(statSync(place).mode & 0o777).toBe(0o700);
    expect(statSync(used).size).toBeGreaterThan(statSync(loaded).size);
    const identities = (): unknown[] =>
      [used, loaded, driver].map((file) => [statSync(file).ino, statSync(file).mtimeMs]);
    const before = identities();
    expect(await run({}, 'for a while')).toContain('here');
    expect(identities()).toEqual(before);
  });

  test.each<[string, (file: string) => void]>([
    ['empty', (file) => truncateSync(file, 0)],
    ['cut', (file) => truncateSync(file, statSync(file).size >> 1)],
    ['of something else', (file) => writeFileSync(file, 'const code = 1;'.repeat(1_000))],
    ['of another version', (file) => writeFileSync(file, damaged(readFileSync(file), 4))],
  ])('that is %s is replaced', async (_, damage) => {
    const { used, driver } = await keptByRuns();
    const before = [used, driver].map((file) => statSync(file));
    for (const file of [used, driver]) damage(file);
    expect(await run({}, 'for a while')).toContain('here');
    for (const [index, file] of [used, driver].entries()) {
      expect(statSync(file).ino).not.toBe(before[index]!.ino);
      expect(statSync(file).size).toBeGreaterThan(before[index]!.size * 0.9);
    }
    expect(await run()).toContain('here');
  });

  test.each<[string, (place: string) => void]>([
    ['that others may write to', (place) => chmodSync(place, 0o777)],
    [
      'that is a link',
      (place) => {
        rmSync(place, { recursive: true });
        mkdirSync(join(folder, 'elsewhere'), { mode: 0o700 });
        symlinkSync(join(folder, 'elsewhere'), place);
      },
    ],
  ])('is neither read from a folder %s nor kept there', async (_, spoil) => {
    const { place, used, loaded, driver } = await keptByRuns();
    spoil(place);
    for (const bait of [used, loaded, driver]) writeFileSync(bait, 'bait');
    expect(await run({}, 'for a while')).toContain('here');
    for (const bait of [used, loaded, driver]) expect(readFileSync(bait, 'utf8')).toBe('bait');
  });

  test('is kept for each heap size', async () => {
    const { used } = await keptByRuns();
    const withHeap = (size: number): Promise<string> =>
      run({ NODE_OPTIONS: `--max-old-space-size=${size}` }, 'for a while');
    await withHeap(300);
    await withHeap(400);
    const files = kept().files.filter((file) => file.endsWith('.used'));
    expect(files).toHaveLength(3);
    expect(files).toContain(used);
    const identities = (): unknown[] =>
      files.map((file) => [statSync(file).ino, statSync(file).mtimeMs]);
    const before = identities();
    await withHeap(300);
    await withHeap(400);
    await run({}, 'for a while');
    expect(identities()).toEqual(before);
  });

  test('is kept for each place in which the package is installed', async () => {
    await keptByRuns();
    const copy = join(folder, 'copy');
    const dist = join(import.meta.dirname, '../../dist');
    for (const name of readdirSync(dist, { recursive: true, encoding: 'utf8' })) {
      if (!/\.(cjs|js|node)$/.test(name)) continue;
      mkdirSync(dirname(join(copy, name)), { recursive: true });
      if (name.endsWith('.node')) symlinkSync(join(dist, name), join(copy, name));
      else copyFileSync(join(dist, name), join(copy, name));
    }
    writeFileSync(join(copy, 'package.json'), '{ "type": "module" }');
    const url = pathToFileURL(join(copy, 'index.js')).href;
    const stack = await run({ EAGLERAY_OF_TEST: url });
    expect(stack).toContain(join(copy, 'eagleray.cjs'));
    expect(stack).not.toContain(join(dist, 'eagleray.cjs'));
  });

  test('loses what processes had begun to write when they were killed, and what is old', async () => {
    const { place, used } = await keptByRuns();
    const [oldPart, youngPart] = [`${used}.1`, `${used}.2`];
    const [oldCode, youngCode] = ['a.used', 'b.used'].map((name) => join(place, name));
    const ages: [string, number][] = [
      [oldPart, 3600],
      [youngPart, 0],
      [oldCode!, 31 * 24 * 3600],
      [youngCode!, 29 * 24 * 3600],
      [join(place, 'of-somebody-else'), 31 * 24 * 3600],
    ];
    for (const [file, ageSeconds] of ages) {
      writeFileSync(file, 'some code');
      const writtenAt = Date.now() / 1000 - ageSeconds;
      utimesSync(file, writtenAt, writtenAt);
    }
    rmSync(used);
    expect(await run({}, 'for a while')).toContain('here');
    const names = readdirSync(place);
    for (const gone of [oldPart, oldCode!]) expect(names).not.toContain(basename(gone));
    for (const left of [used, youngPart, youngCode!, 'of-somebody-else'])
      expect(names).toContain(basename(left));
  });

  test('is kept by a driver once it has started a runtime, also if it ends by a failure', async () => {
    const program = (text: string): Promise<string[]> =>
      new Promise((resolve) => {
        const env = { ...process.env, NODE_COMPILE_CACHE: folder };
        const node = ['--input-type=module', '-e', text];
        execFile(process.execPath, node, { cwd: import.meta.dirname, env }, () => {
          const stages = kept().files.map((file) => /[a-z]+$/.exec(file)![0]);
          rmSync(folder, { recursive: true, force: true });
          mkdirSync(folder);
          resolve(stages);
        });
      });
    expect(await program(`await import('eagleray');`)).toEqual([]);
    const start = `const { get, init, remote } = await import('eagleray'); await init();`;
    expect(await program(`${start} throw new Error('on purpose');`)).toContain('driver');
    expect(await program(`${start} process.exit(3);`)).toContain('driver');
  });

  test('of a driver is left alone where maps of the sources are wanted', async () => {
    const { driver } = await keptByRuns();
    truncateSync(driver, 0);
    expect(await run({ NODE_OPTIONS: '--enable-source-maps' })).toContain('here');
    expect(statSync(driver).size).toBe(0);
  });

  test('is not kept where it is not to be, or can not', async () => {
    expect(await run({ NODE_DISABLE_COMPILE_CACHE: '1' })).toContain('here');
    expect(readdirSync(folder)).toEqual([]);
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(await run({ NODE_COMPILE_CACHE: file })).toContain('here');
    expect(readFileSync(file, 'utf8')).toBe('');
  });

  // Node's own way of making folders never returns there. From 22.1 on it makes that of the variable itself, before any program.
  test.each([
    ['TMPDIR', { TMPDIR: '/proc', NODE_COMPILE_CACHE: undefined }],
    ...('enableCompileCache' in nodeModule
      ? []
      : [['NODE_COMPILE_CACHE', { NODE_COMPILE_CACHE: '/proc/code' }] as const]),
  ] as const)(
    'does not hold up workers if %s names a place below /proc',
    async (_, environment) => {
      expect(await run(environment)).toContain('here');
    },
  );

  test('shows errors where they are', async () => {
    await keptByRuns();
    const stack = await run();
    const map = readFileSync(join(import.meta.dirname, '../../dist/eagleray.cjs'), 'utf8').split(
      '\n',
    );
    const [, line, column] = /eagleray\.cjs:(\d+):(\d+)/.exec(stack)!;
    expect(map[Number(line) - 1]!.slice(Number(column) - 1)).toMatch(/^\w/);
  });
});

/** A copy with another byte at a position. */
function damaged(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at]! ^= 0xff;
  return copy;
}
