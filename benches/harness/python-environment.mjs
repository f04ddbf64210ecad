// Virtual environments of Python in which others are run.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes a virtual environment on first use, and installs again when the requirements have changed since.
 *
 * @param {string} environment its folder
 * @param {string} requirements the file that says what is installed
 * @param {string} what for the message, as it can take a minute
 * @returns {string} the path of its Python
 */
export function preparePython(environment, requirements, what) {
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
