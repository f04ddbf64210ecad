/**
 * Functions and classes of whole programs travel to real workers, however the program is run: as `.mjs`, `.cjs`, `.ts`
 * under tsx and with types stripped by Node, and inside vitest's forks and threads.
 */

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const TSX = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;
const VITEST = join(
  createRequire(import.meta.url).resolve('vitest/package.json'),
  '..',
  'vitest.mjs',
);

/** Inside the repository, so that `eagleray` is found as users find it. */
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(import.meta.dirname, '.programs-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

/** A module of the program: what it exports travels by reference. Types are there for those who strip them. */
const library = (typed: boolean, commonJs: boolean): string => {
  const type = (text: string) => (typed ? text : '');
  const text = `
export function triple(x${type(': number')})${type(': number')} { return x * 3; }
export class Sum {
  total = 0;
  add(x${type(': number')})${type(': number')} { return (this.total += triple(x)); }
}
export class Mistake extends Error { code = 'MISTAKE'; }
`;
  if (!commonJs) return text;
  return `${text.replaceAll('export ', '')}module.exports = { triple, Sum, Mistake };\n`;
};

/** What every program does: by value and by reference, functions, classes, errors, and instances. */
const body = (typed: boolean): string => {
  const type = (text: string) => (typed ? text : '');
  return `
const factor = 5;
const nested = (x${type(': number')}) => x * factor;
class Own { value = 1; grow(by${type(': number')}) { return (this.value += nested(by)); } }
class Point {
  x${type(': number')};
  constructor(x${type(': number')}) { this.x = x; }
  twice() { return this.x * 2; }
}
async function main()${type(': Promise<unknown>')} {
  await init({ numCpus: 2, objectStoreMemory: 64 * 2 ** 20 });
  const own = remote(Own).remote();
  const sum = remote(Sum).remote();
  const fails = remote(() => { throw new Mistake('on purpose'); });
  const results = await get([
    remote(nested).remote(2),
    remote(triple).remote(2),
    remote((x${type(': number')}) => triple(x) + nested(x)).remote(1),
    own.grow.remote(2),
    sum.add.remote(2),
  ]);
  const point = await get(remote((given${type(': Point')}) => new Point(given.twice())).remote(new Point(4)));
  let cause${type(': any')};
  await get(fails.remote()).catch((error${type(': any')}) => (cause = error.cause));
  await shutdown();
  return {
    results,
    point: [point instanceof Point, point.twice()],
    cause: [cause instanceof Mistake, cause.message, cause.code],
  };
}
`;
};

const expected = {
  results: [10, 6, 8, 11, 6],
  point: [true, 16],
  cause: [true, 'on purpose', 'MISTAKE'],
};

const NAMES = '{ get, init, remote, shutdown }';
const CLASSES = '{ Mistake, Sum, triple }';
const PRINT = "main().then((results) => console.log('RESULTS ' + JSON.stringify(results)));\n";

const esm = (typed: boolean, extension: string): string =>
  `import ${NAMES} from 'eagleray';\nimport ${CLASSES} from './library.${extension}';\n${body(typed)}`;

/** Runs Node on it, and returns what the program printed as its results. */
async function run(name: string, files: Record<string, string>, args: string[]): Promise<unknown> {
  const directory = mkdtempSync(join(folder, `${name.replaceAll(/\W/g, '-')}-`));
  for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, file), text);
  const environment = Object.entries(process.env).filter(([key]) => !key.startsWith('VITEST'));
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      args,
      { cwd: directory, env: Object.fromEntries(environment), timeout: 50_000 },
      (error, stdout, stderr) =>
        error === null ? resolve(stdout) : reject(new Error(`${stdout}\n${stderr}`)),
    );
  });
  const line = /^RESULTS (.*)$/m.exec(output);
  if (line === null) throw new Error(`no results in:\n${output}`);
  return JSON.parse(line[1]!);
}

describe('a program', () => {
  test('as .mjs', async () => {
    const files = {
      'library.mjs': library(false, false),
      'program.mjs': esm(false, 'mjs') + PRINT,
    };
    expect(await run('mjs', files, ['program.mjs'])).toEqual(expected);
  });

  test('as .cjs', async () => {
    const imports = `const ${CLASSES} = require('./library.cjs');\n`;
    const late = body(false).replace(
      'await init(',
      `const ${NAMES} = await import('eagleray');\n  await init(`,
    );
    const files = { 'library.cjs': library(false, true), 'program.cjs': imports + late + PRINT };
    expect(await run('cjs', files, ['program.cjs'])).toEqual(expected);
  });

  test('as .ts under tsx', async () => {
    const files = { 'library.ts': library(true, false), 'program.ts': esm(true, 'ts') + PRINT };
    expect(await run('tsx', files, ['--import', TSX, 'program.ts'])).toEqual(expected);
  });

  test.runIf(process.features.typescript)('as .ts whose types Node strips', async () => {
    const files = { 'library.ts': library(true, false), 'program.ts': esm(true, 'ts') + PRINT };
    expect(await run('strip', files, ['program.ts'])).toEqual(expected);
  });

  test.each(['forks', 'threads'])("as a test file in vitest's %s", async (pool) => {
    const test = `import { test } from 'vitest';
import { writeSync } from 'node:fs';
${esm(true, 'ts')}
test('program', async () => { writeSync(1, 'RESULTS ' + JSON.stringify(await main()) + '\\n'); });
`;
    const files = {
      'library.ts': library(true, false),
      'program.test.ts': test,
      'vitest.config.mjs':
        'export default { test: { server: { deps: { external: [/dist/] } } } };\n',
    };
    expect(await run(pool, files, [VITEST, 'run', `--pool=${pool}`])).toEqual(expected);
  });
});
