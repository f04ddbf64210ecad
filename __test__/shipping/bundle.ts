/** Makes a directory with the programs under test, and runs them on a Node of choice. */

import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { build } from 'esbuild';

const HERE = import.meta.dirname;
const ROOT = join(HERE, '../..');

/** The parser: the native module of the SDK, or another one that has its two functions. */
function parserPath(): string {
  const given = process.env['SHIPPING_PARSER'];
  if (given !== undefined) return given;
  const directories = ['bindings/typescript/src', 'dist', 'bindings/native', '.'];
  for (const directory of directories
    .map((name) => join(ROOT, name))
    .filter((path) => existsSync(path))) {
    const found = readdirSync(directory).find((name) => name.endsWith('.node'));
    if (found !== undefined) return join(directory, found);
  }
  throw new Error('the native module is not built: npm run build');
}

/** A Node to run programs on. */
export interface TestedNode {
  readonly title: string;
  readonly path: string;
  readonly stripsTypes: boolean;
}

/** This Node, and those that `EAGLERAY_NODES` lists by path, with colons between them. */
export function nodes(): TestedNode[] {
  const further = (process.env['EAGLERAY_NODES'] ?? '').split(':').filter((path) => path !== '');
  return [process.execPath, ...further].map((path) => {
    const script = 'JSON.stringify([process.version, Boolean(process.features.typescript)])';
    const [version, stripsTypes] = JSON.parse(
      execFileSync(path, ['-p', script], { encoding: 'utf8' }),
    ) as [string, boolean];
    return { title: `Node ${version}`, path, stripsTypes };
  });
}

/** What a program noted, by name; `stderr` is what it and its workers wrote there. */
export type Results = Readonly<Record<string, unknown>>;

/** A directory of programs. */
export class Workshop {
  readonly directory = mkdtempSync(join(tmpdir(), 'eagleray-shipping-'));
  #sequence = 0;

  /** Bundles the transport, once. */
  async prepare(): Promise<void> {
    await build({
      entryPoints: { transport: join(HERE, 'transport.ts'), worker: join(HERE, 'worker.ts') },
      outdir: join(this.directory, 'bundle'),
      outExtension: { '.js': '.mjs' },
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: 'node20',
    });
  }

  /**
   * Copies programs into a directory of their own.
   *
   * @param extension takes the place of `EXT` in their text, and of their own.
   * @param kind `test` makes the entry file a test file.
   */
  project(
    fixtures: 'esm' | 'commonjs' | 'fine-points',
    extension: string,
    kind: 'program' | 'test' = 'program',
  ): string {
    const directory = this.#newProject();
    const source = join(HERE, 'fixtures', fixtures);
    const entry = kind === 'test' ? `program.test.${extension}` : `program.${extension}`;
    for (const name of readdirSync(source)) {
      const base = name.slice(0, name.lastIndexOf('.'));
      const target = base === 'program' ? entry : `${base}.${extension}`;
      const text = readFileSync(join(source, name), 'utf8')
        .replaceAll('program.EXT', entry)
        .replaceAll('EXT', extension);
      const isTest = kind === 'test' && base === 'program';
      writeFileSync(join(directory, target), isTest ? text + NO_TEST : text);
    }
    return directory;
  }

  /** Bundles the program `fixtures/bundled` into the one file of a directory, as `program.mjs` or `program.cjs`. */
  async bundledProject(format: 'esm' | 'cjs', minify: boolean): Promise<string> {
    const directory = this.#newProject();
    await build({
      entryPoints: [join(HERE, 'fixtures/bundled/program.mjs')],
      outfile: join(directory, format === 'esm' ? 'program.mjs' : 'program.cjs'),
      external: ['./transport.mjs'],
      bundle: true,
      format,
      minify,
      platform: 'node',
      target: 'node20',
    });
    return directory;
  }

  #newProject(): string {
    const directory = join(this.directory, `project-${this.#sequence++}`);
    mkdirSync(directory);
    const transport = readFileSync(join(this.directory, 'bundle/transport.mjs'), 'utf8');
    writeFileSync(join(directory, 'transport.mjs'), transport);
    writeFileSync(join(directory, 'package.json'), '{"type":"module"}');
    symlinkSync(join(ROOT, 'node_modules'), join(directory, 'node_modules'));
    return directory;
  }

  /** Runs a program; the result is what it noted. */
  async run(
    directory: string,
    command: readonly string[],
    environment: NodeJS.ProcessEnv = {},
  ): Promise<Results> {
    const results = join(directory, `results-${this.#sequence++}.json`);
    const [program, ...args] = command;
    const { stdout, stderr } = await promisify(execFile)(program!, args, {
      cwd: directory,
      env: {
        ...withoutRunner(process.env),
        SHIPPING_PARSER: parserPath(),
        SHIPPING_WORKER: join(this.directory, 'bundle/worker.mjs'),
        SHIPPING_RESULTS: results,
        ...environment,
      },
    });
    if (!existsSync(results)) throw new Error(`the program noted nothing: ${stdout}${stderr}`);
    return {
      ...(JSON.parse(readFileSync(results, 'utf8')) as Record<string, unknown>),
      stderr,
    };
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A test file without a test is an error. */
const NO_TEST = "\nimport { test } from 'vitest';\ntest('nothing', () => {});\n";

/** The programs under test must not think that they run inside this test runner. */
function withoutRunner(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(
      ([name]) => !/^(VITEST|TEST$|NODE_OPTIONS|NODE_ENV|MODE$|DEV$|PROD$|SSR$)/.test(name),
    ),
  );
}
