// `npm run bench`: our side alone, every row. See README.md.

import { rows, selectRows } from './anchors.mjs';
import { readOptions } from './harness/options.mjs';
import { requireBuild, runOurs } from './harness/ours.mjs';
import { formatNumber, OURS, Results } from './harness/results.mjs';

const options = readOptions('bench', { seconds: 2, windows: 3, rounds: 1, all: true });
const selected = selectRows(rows, options.filter);
const cases = [...new Set(selected.map((row) => row.case))];
const results = new Results();

await requireBuild();
for (let round = 0; round < options.rounds; round++) {
  for (const name of cases) {
    try {
      results.add(OURS, await runOurs(name, options));
    } catch (error) {
      results.fail(OURS, name, error);
    }
    reportProgress(name);
  }
}

console.log();
results.print(selected);
if (options.json) results.writeJson(options.json, selected, options);
if (results.failures.length > 0 || (options.check && results.missed(selected) > 0)) {
  process.exitCode = 1;
}

/** Says on stderr how a case came out, because the whole run takes minutes. */
function reportProgress(name) {
  for (const row of selected.filter((candidate) => candidate.case === name)) {
    const figure = results.summarise(row).figures[OURS];
    console.error(`${row.id}: ${figure ? `${formatNumber(figure.median)} ${row.unit}` : 'failed'}`);
  }
}
