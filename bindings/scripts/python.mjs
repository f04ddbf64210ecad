/** Environments of Python for what is run on request: each in a folder of `.cache`, made with the Python that PYTHON names or `python3`. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The Python that has what a `requirements.txt` names; installs it unless it is there. */
export function pythonWith(name, requirements) {
  const environment = join(root, '.cache', name);
  const python = join(environment, 'bin/python');
  const stampFile = join(environment, '.eagleray-stamp');
  const stamp = createHash('sha256').update(readFileSync(requirements)).digest('hex');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return python;
  console.log(`Installing ${name} for Python …`);
  mkdirSync(dirname(environment), { recursive: true });
  call(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', environment]);
  call(python, ['-m', 'pip', 'install', '--quiet', '--requirement', requirements]);
  writeFileSync(stampFile, stamp);
  return python;
}

/** Runs a program, and ends this one if that fails. */
export function call(program, parameters) {
  const { status, error } = spawnSync(program, parameters, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}
