// `npm run bench:compare`: the worker pools of the JavaScript world and ours, in turn. See ../README.md.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rows, selectRows } from '../anchors.mjs';
import { runCase } from '../harness/child.mjs';
import { readOptions } from '../harness/options.mjs';
import { requireBuild, runOurs } from '../harness/ours.mjs';
import { OURS, Results } from '../harness/results.mjs';
import { finish, takeTurn } from '../harness/turns.mjs';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const POOL_CASE = fileURLToPath(new URL('pools/case.mjs', import.meta.url));
const TIMEOUT_MS = 60_000;

const options = readOptions('bench:compare', { seconds: 2, windows: 1, rounds: 3, all: true });
installPools();
await requireBuild();
const { pools } = await import('./pools/pools.mjs');

const compared = new Set(Object.values(pools).flatMap((pool) => pool.cases));
const selected = selectRows(
  rows.filter((row) => compared.has(row.case)),
  options.filter,
);
const results = new Results();

for (const caseName of new Set(selected.map((row) => row.case))) {
  for (let round = 0; round < options.rounds; round++) {
    await takeTurn(results, OURS, caseName, () => runOurs(caseName, options));
    for (const [name, pool] of Object.entries(pools)) {
      if (!pool.cases.includes(caseName)) continue;
      await takeTurn(results, name, caseName, () => runPool(name, caseName));
    }
  }
}

// A pool is no Ray: what these rows have to reach against Ray is judged by `npm run bench:ray`.
const judged = selected.map((row) => ({
  ...row,
  must: row.must.filter((target) => target.than !== 'ray'),
}));
finish(results, judged, options);

function runPool(name, caseName) {
  const { node, seconds, windows } = options;
  return runCase([node, POOL_CASE, name, caseName, JSON.stringify({ seconds, windows })], {
    timeoutMs: TIMEOUT_MS,
  });
}

/** Installs the pools on first use, and again when package.json names other versions than those installed. */
function installPools() {
  const { dependencies } = JSON.parse(readFileSync(`${HERE}package.json`, 'utf8'));
  const upToDate = Object.entries(dependencies).every(([name, version]) => {
    const manifest = `${HERE}node_modules/${name}/package.json`;
    return existsSync(manifest) && JSON.parse(readFileSync(manifest, 'utf8')).version === version;
  });
  if (upToDate) return;
  console.error('installing the worker pools …');
  execFileSync('npm', ['ci', '--no-audit', '--no-fund'], { cwd: HERE, stdio: 'inherit' });
}
