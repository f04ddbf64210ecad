// Virtual environments for what we are compared with in Python.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { readProcessFile } from './process-tree.mjs';

const RAY_ENDS_WITHIN_MS = 60_000;

/**
 * The Python of a virtual environment, which is made on first use, and installed into again when its requirements have
 * changed since.
 *
 * @param {string} environment its folder
 * @param {string} requirements a file as `pip` reads it
 * @param {string} what is installed, in words
 */
export function pythonOf(environment, requirements, what) {
  const python = join(environment, 'bin/python');
  const wanted = readFileSync(requirements, 'utf8');
  const installed = join(environment, 'installed-requirements.txt');
  if (existsSync(installed) && readFileSync(installed, 'utf8') === wanted) return python;
  console.error(`installing ${what} into a virtual environment …`);
  const run = (/** @type {string} */ program, /** @type {string[]} */ ...programArguments) =>
    execFileSync(program, programArguments, { stdio: ['ignore', 'ignore', 'inherit'] });
  run(process.env.PYTHON ?? 'python3', '-m', 'venv', environment);
  run(python, '-m', 'pip', 'install', '--quiet', '--requirement', requirements);
  writeFileSync(installed, wanted);
  return python;
}

/**
 * Ray's own processes end some time after its driver has: whoever has the next turn has the cores to itself.
 *
 * @param {string} environment that Ray was started from
 */
export async function whenRayHasEnded(environment) {
  const isOfRay = (/** @type {string} */ pid) => {
    const command = readProcessFile(pid, 'cmdline') ?? '';
    return command.includes(environment) || command.startsWith('ray::');
  };
  const deadline = performance.now() + RAY_ENDS_WITHIN_MS;
  while (readdirSync('/proc').some((entry) => /^\d+$/.test(entry) && isOfRay(entry))) {
    if (performance.now() > deadline) throw new Error('processes of Ray are left');
    await setTimeout(100);
  }
}
