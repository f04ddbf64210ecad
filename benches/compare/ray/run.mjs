// `npm run bench:ray`: Ray and ours, in turn. See ../../README.md.

import { fileURLToPath } from 'node:url';
import { anchoredRows, BEST_POOL, rows, selectRows } from '../../anchors.mjs';
import { runCase } from '../../harness/child.mjs';
import { readOptions } from '../../harness/options.mjs';
import { requireBuild, runOurs } from '../../harness/ours.mjs';
import { pythonOf, whenRayHasEnded } from '../../harness/python.mjs';
import { formatNumber, OURS, Results } from '../../harness/results.mjs';
import { finish, takeTurn } from '../../harness/turns.mjs';

const file = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const ENVIRONMENT = file('../.venv');
const TIMEOUT_MS = 240_000;

/** What Ray has no counterpart of, or what would take it minutes. Only ours is measured then. */
const OURS_ALONE = new Set(['put-800mb-allocated', 'queued-1m', 'as-completed-100k']);
/** Cases that take so long on Ray, or vary so little there, that one round is enough. */
const ONE_ROUND = new Set([
  'task-four-submitters',
  'put-800mb',
  'get-800mb',
  'memory',
  'task-10k-arguments',
  'queued-50k',
  'installed-size',
  ...OURS_ALONE,
]);

const options = readOptions('bench:ray', { seconds: 2, windows: 1, rounds: 2, all: false });
const selected = selectRows(options.all ? rows : anchoredRows, options.filter);
const python = pythonOf(ENVIRONMENT, file('requirements.txt'), 'Ray');
await requireBuild();
const results = new Results();

for (const caseName of new Set(selected.map((row) => row.case))) {
  const rounds = ONE_ROUND.has(caseName) ? 1 : options.rounds;
  for (let round = 0; round < rounds; round++) {
    await takeTurn(results, OURS, caseName, () => runOurs(caseName, options));
    if (!OURS_ALONE.has(caseName)) await takeTurn(results, 'ray', caseName, () => runRay(caseName));
  }
}

// What these rows have to reach against the pools is judged by `npm run bench:compare`.
const judged = selected.map((row) => ({
  ...row,
  must: row.must.filter((target) => target.than !== BEST_POOL),
  should: row.should.filter((target) => target.than !== BEST_POOL),
}));
finish(results, judged, options);
for (const row of judged.filter(
  (candidate) => OURS_ALONE.has(candidate.case) && candidate.recorded.ray,
)) {
  console.log(
    `not run here: ${row.work}, ray: ${formatNumber(row.recorded.ray)} ${row.unit} (recorded)`,
  );
}
async function runRay(caseName) {
  const result = await runCase([python, file('case.py'), caseName, String(options.seconds)], {
    timeoutMs: TIMEOUT_MS,
    env: {
      BENCH_NODE: process.execPath,
      BENCH_PROCESS_TREE: file('../../harness/process-tree.mjs'),
      // Ray would report the use of it to its makers.
      RAY_USAGE_STATS_ENABLED: '0',
    },
  });
  await whenRayHasEnded(ENVIRONMENT);
  return result;
}
