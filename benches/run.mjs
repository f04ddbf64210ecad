// `npm run bench`: our side alone, every row. See README.md.

import { rows, selectRows } from './anchors.mjs';
import { readOptions } from './harness/options.mjs';
import { requireBuild, runOurs } from './harness/ours.mjs';
import { OURS, Results } from './harness/results.mjs';
import { finish, takeTurn } from './harness/turns.mjs';

const options = readOptions('bench', { seconds: 2, windows: 3, rounds: 1, all: true });
const selected = selectRows(rows, options.filter);
const cases = new Set(selected.map((row) => row.case));
const results = new Results();

await requireBuild();
for (let round = 0; round < options.rounds; round++) {
  for (const name of cases) await takeTurn(results, OURS, name, () => runOurs(name, options));
}
finish(results, selected, options);
