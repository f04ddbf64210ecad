// The process of one case of one pool: `node case.mjs POOL CASE SETTINGS_AS_JSON`.

import { reportResult } from '../../harness/child.mjs';
import { durationMs, rate } from '../../harness/measure.mjs';
import { pools } from './pools.mjs';

const WORKERS = 2;
const IN_FLIGHT = 1_000;
const ARRAY_BYTES = 100_000_000;

/**
 * The same work as the cases of the same name in `ours/`.
 *
 * @type {Record<string, (pool: import('./pools.mjs').Pool, settings: import('../../harness/measure.mjs').Settings) => Promise<number[]>>}
 */
const cases = {
  'task-sync': (pool, settings) => rate(settings, () => pool.run(1)),
  'task-async': (pool, settings) =>
    rate(
      settings,
      () => Promise.all(Array.from({ length: IN_FLIGHT }, (_, index) => pool.run(index))),
      IN_FLIGHT,
    ),
  'pass-100mb': (pool, settings) => {
    const array = new Float64Array(ARRAY_BYTES / 8).fill(1.5);
    const pass = async () => {
      const received = await pool.byteLength(array);
      if (received !== ARRAY_BYTES) throw new Error(`${received} bytes arrived`);
    };
    return rate(settings, pass, ARRAY_BYTES / 1e9);
  },
};

const [poolName, caseName, settingsText = '{"seconds":2,"windows":1}'] = process.argv.slice(2);
if (!Object.hasOwn(pools, poolName)) throw new Error(`there is no pool "${poolName}"`);

if (pools[poolName].package) await import(pools[poolName].package);
let pool;
let samples;
const startMs = await durationMs(async () => {
  pool = await pools[poolName].open(WORKERS);
  if (pool.run) await pool.run(1);
});
if (caseName === 'init') samples = [startMs];
else if (Object.hasOwn(cases, caseName))
  samples = await cases[caseName](pool, JSON.parse(settingsText));
else throw new Error(`there is no case "${caseName}"`);
await pool.close();
reportResult({ rows: { [caseName]: samples } });
