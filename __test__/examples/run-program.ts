import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The root of the repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href;

/** The ways to run a TypeScript file that this version of Node has, with the arguments that each needs. */
export const typeScriptLoaders: { loader: string; execArgv: string[] }[] = [
  { loader: 'tsx', execArgv: ['--import', tsx] },
  ...(process.features.typescript ? [{ loader: 'type stripping', execArgv: [] }] : []),
];

/** How a program ended and what it printed. */
export interface Outcome {
  /** `null` when a signal ended it. */
  code: number | null;
  stdout: string;
  stderr: string;
}

export interface RunOptions {
  /** Arguments for Node, before the file. */
  execArgv: string[];
  /** Arguments for the program. @default none */
  args?: string[];
  /** Its working directory. @default the root of the repository */
  cwd?: string;
}

/** A program that has not ended by then hangs, and is killed, so that its test fails with what it printed. */
const longestRunMs = 150_000;

/** Runs a program in a process of its own, as a user would, until it has ended. */
export function runProgram(
  file: string,
  { execArgv, args = [], cwd = root }: RunOptions,
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      [...execArgv, file, ...args],
      { cwd, env: environmentOfAUser(), timeout: longestRunMs, killSignal: 'SIGKILL' },
      (_error, stdout, stderr) => resolve({ code: child.exitCode, stdout, stderr }),
    );
  });
}

/** This process's environment without what the test runner put into it. */
function environmentOfAUser(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('VITEST') && name !== 'NODE_ENV' && name !== 'NODE_OPTIONS',
    ),
  );
}

/** Whether a process with this number is alive. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') {
      return false;
    }
    throw error;
  }
}

/** The first group of the only match of `pattern` in `text`, as a number. */
export function numberIn(text: string, pattern: RegExp): number {
  const match = pattern.exec(text);
  if (match === null) {
    throw new Error(`${pattern} does not occur in:\n${text}`);
  }
  return Number(match[1]);
}
