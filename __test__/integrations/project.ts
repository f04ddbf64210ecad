/** Runs the programs of the folders in `projects/`, each a small project as a user has it. */

import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

export interface Ended {
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
}

/** Where the packages are installed, the one under test among them. */
export const NODE_MODULES = join(import.meta.dirname, 'node_modules');

export function projectFolder(name: string): string {
  return join(import.meta.dirname, 'projects', name);
}

/** The file that a package starts with when it is called by its name, such as `jest`. */
export function binary(packageName: string, command = packageName): string {
  const manifest = join(NODE_MODULES, packageName, 'package.json');
  const { bin } = createRequire(import.meta.url)(manifest) as {
    bin: string | Record<string, string>;
  };
  return join(dirname(manifest), typeof bin === 'string' ? bin : bin[command]!);
}

/** Runs a program to its end. Nothing of the test runner that runs this is visible to it. */
export async function run(
  folder: string,
  program: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const env: NodeJS.ProcessEnv = { ...process.env, NO_COLOR: '1', ...environment };
  for (const name of Object.keys(env)) {
    if (/^(VITEST|TEST$|NODE_ENV$|NODE_TEST_CONTEXT$|FORCE_COLOR$)/.test(name)) delete env[name];
  }
  const child = spawn(program, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, output, errors }));
  });
}

/** The same with Node as the program. */
export async function runNode(
  folder: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return run(folder, process.execPath, args, environment);
}
