// One turn of one side, and the end of a run: what the three benchmarks do alike.

import { formatNumber } from './results.mjs';

/**
 * Runs a case of one side and adds what it measured. Says on stderr how it came out, because a whole run takes minutes.
 *
 * @param {import('./results.mjs').Results} results
 * @param {string} side
 * @param {string} caseName
 * @param {() => Promise<import('./child.mjs').CaseResult>} run
 */
export async function takeTurn(results, side, caseName, run) {
  try {
    const result = await run();
    results.add(side, result);
    for (const [id, samples] of Object.entries(result.rows)) {
      console.error(`${id}, ${side}: ${samples.map(formatNumber).join(' · ')}`);
    }
  } catch (error) {
    results.fail(side, caseName, error);
    console.error(`${caseName}, ${side}: failed`);
  }
}

/**
 * Prints the table, writes the JSON, and decides the exit code: 1 when a case failed, and with `--check` also when a
 * "must" is missed.
 *
 * @param {import('./results.mjs').Results} results
 * @param {import('../anchors.mjs').Row[]} rows
 * @param {import('./options.mjs').Options} options
 */
export function finish(results, rows, options) {
  console.log();
  results.print(rows);
  if (options.json) results.writeJson(options.json, rows, options);
  const missed = options.check && results.missed(rows) > 0;
  if (results.failures.length > 0 || missed) process.exitCode = 1;
}
