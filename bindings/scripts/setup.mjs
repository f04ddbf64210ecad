/** Installs what the working copy needs, unless it is there: the packages of `package-lock.json`, and looks for Rust. */

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** Installs the packages of a folder's `package-lock.json`, unless they are there. */
export function install(folder) {
  const stampFile = join(folder, 'node_modules/.eagleray-stamp');
  const stamp = createHash('sha256')
    .update(readFileSync(join(folder, 'package-lock.json')))
    .digest('hex');
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return;
  console.log(`Installing the development packages of ${relative(root, folder) || 'the clone'} …`);
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: folder,
    stdio: 'inherit',
  });
  if (status !== 0) process.exit(status ?? 1);
  writeFileSync(stampFile, stamp);
}

install(root);
if (spawnSync('cargo', ['--version']).status !== 0) {
  console.error(
    'Building eagleray needs Rust (cargo), which was not found. Install it from https://rustup.rs',
  );
  process.exit(1);
}
