// `npm run bench:tune`: tuning, in turn with Ray Tune and Optuna where they do the same. See ../../README.md.

import { fileURLToPath } from 'node:url';
import { selectRows, tuneRows } from '../../anchors.mjs';
import { runCase } from '../../harness/child.mjs';
import { readOptions } from '../../harness/options.mjs';
import { requireBuild, runOurs } from '../../harness/ours.mjs';
import { pythonOf, whenRayHasEnded } from '../../harness/python.mjs';
import { OURS, Results } from '../../harness/results.mjs';
import { finish, takeTurn } from '../../harness/turns.mjs';

const file = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const ENVIRONMENT = file('.venv');
const TIMEOUT_MS = 600_000;

/** Who does the same. */
const OTHERS = { 'tune-100': 'ray', 'tune-tpe': 'optuna', 'tune-gp': 'optuna' };
/** Ray takes minutes for 100 trials: once is enough. With `--quick` it runs ten of them. */
const RAYS_TRIALS = 100;
const RAYS_TRIALS_QUICK = 10;

const options = readOptions('bench:tune', {
  seconds: 2,
  windows: 1,
  rounds: 5,
  all: true,
  quick: `Ray with ${RAYS_TRIALS_QUICK} trials, whose time is multiplied, and reports for two seconds`,
});
const selected = selectRows(tuneRows, options.filter);
const cases = new Set(selected.map((row) => row.case));
await requireBuild();
const needsPython = [...cases].some((name) => Object.hasOwn(OTHERS, name));
const python = needsPython
  ? pythonOf(ENVIRONMENT, file('requirements.txt'), 'Ray Tune and Optuna')
  : undefined;
const results = new Results();
const raysTrials = options.quick ? RAYS_TRIALS_QUICK : RAYS_TRIALS;

for (const name of cases) {
  const other = OTHERS[name];
  for (let round = 0; round < options.rounds; round++) {
    await takeTurn(results, OURS, name, () => runOurs(name, options));
    if (other === 'optuna' || (other === 'ray' && round === 0)) {
      await takeTurn(results, other, name, () => runOther(name));
    }
  }
}
finish(results, selected, options);
if (options.quick && cases.has('tune-100')) {
  console.log(
    `ray has run ${raysTrials} trials; its time is multiplied by ${RAYS_TRIALS / raysTrials}`,
  );
}

async function runOther(/** @type {string} */ name) {
  const result = await runCase([python, file('case.py'), name, String(raysTrials)], {
    timeoutMs: TIMEOUT_MS,
    env: {
      // Ray would report the use of it to its makers.
      RAY_USAGE_STATS_ENABLED: '0',
      // One thread, as ours. PyTorch and NumPy read it when they are loaded.
      ...(OTHERS[name] === 'optuna' && { OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1' }),
    },
  });
  await whenRayHasEnded(ENVIRONMENT);
  return result;
}
