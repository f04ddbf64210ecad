// `npm run quality:tune`: whether our search algorithms find as good configs as those of others. See ../README.md.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { requireBuild } from '../harness/ours.mjs';
import { printTable } from '../harness/results.mjs';

const USAGE = `npm run quality:tune -- [options]
  --filter TEXT  only checks whose name contains TEXT (several: a,b): tpe, cmaes, gp, nsga2, importances
  --seeds N      at most so many seeds or instances of each: a quick look, which decides nothing (default: all)
  --json FILE    write all figures to FILE as JSON
  --check        end with exit code 1 when a verdict is missed`;

const options = readOptions();
await requireBuild();
const { checks } = await import('./checks.mjs');
const { Python } = await import('./python.mjs');
const parts = options.filter.split(',');
const selected = checks.filter(({ id }) => parts.some((part) => id.includes(part)));
const seedsMax = options.seeds === undefined ? Infinity : Number(options.seeds);
if (!(seedsMax >= 1)) fail(`--seeds is ${options.seeds}, it must be a number from 1`);
if (selected.length === 0) fail(`no check has ${options.filter} in its name`);

const python = new Python();
const reports = [];
for (const { id, title, run } of selected) {
  console.error(`\n${title} …`);
  const begin = performance.now();
  const report = await run(python, seedsMax);
  const seconds = Math.round((performance.now() - begin) / 1000);
  reports.push({ id, title, seconds, verdicts: report.verdicts, figures: report.figures });
  console.log(`\n${title} (${seconds} s)\n`);
  printTable(report.lines);
  console.log();
  for (const { must, found, isMet } of report.verdicts) {
    console.log(`${isMet ? 'met   ' : 'MISSED'}  ${must}: ${found}`);
  }
}
python.end();
if (options.json) writeFileSync(options.json, `${JSON.stringify(reports, null, 2)}\n`);
const isMet = reports.every(({ verdicts }) => verdicts.every((verdict) => verdict.isMet));
if (options.check && !isMet) process.exitCode = 1;

function readOptions() {
  let values;
  try {
    ({ values } = parseArgs({
      options: {
        filter: { type: 'string', default: '' },
        seeds: { type: 'string' },
        json: { type: 'string' },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }));
  } catch (error) {
    fail(error.message);
  }
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  return values;
}

function fail(/** @type {string} */ message) {
  console.error(`${message}\n\n${USAGE}`);
  process.exit(2);
}
