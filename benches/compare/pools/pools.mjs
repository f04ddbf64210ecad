// The worker pools, each behind the same three calls and as its own README says it is to be used: fixed at a number
// of workers, everything else at its defaults. A pool's package is loaded only when it is the one that is measured.

import { fileURLToPath } from 'node:url';

const url = (/** @type {string} */ name) => new URL(`./workers/${name}`, import.meta.url).href;
const path = (/** @type {string} */ name) => fileURLToPath(url(name));

/**
 * @typedef {object} Pool
 * @property {(argument: number) => Promise<string>} run the empty task: returns a short string
 * @property {(array: Float64Array) => Promise<number>} byteLength gets an array and returns its size
 * @property {() => Promise<unknown>} close
 *
 * @typedef {object} PoolKind
 * @property {(workers: number) => Promise<Pool>} open
 * @property {string[]} cases what it is measured with
 * @property {string} [package] loaded before the clock of `init` starts, as ours is
 */

const ALL_CASES = ['task-sync', 'task-async', 'pass-100mb', 'init'];
// Arguments go to processes as JSON, which has no typed arrays.
const CASES_WITHOUT_ARRAYS = ['task-sync', 'task-async', 'init'];

/**
 * By their names in the tables. `POOLS` in `anchors.mjs` has those that are pools.
 *
 * @type {Record<string, PoolKind>}
 */
export const pools = {
  // With threads only: with processes it may wait for ever, because it tells a new process to start before that one
  // listens.
  poolifier: {
    package: 'poolifier',
    cases: ALL_CASES,
    async open(workers) {
      const { FixedThreadPool } = await import('poolifier');
      const pool = new FixedThreadPool(workers, path('poolifier.mjs'));
      return {
        // The first function of the worker is what `execute` runs when no name is given.
        run: (argument) => pool.execute(argument),
        byteLength: (array) => pool.execute(array, 'byteLength'),
        close: () => pool.destroy(),
      };
    },
  },
  piscina: {
    package: 'piscina',
    cases: ALL_CASES,
    async open(workers) {
      const { Piscina } = await import('piscina');
      const pool = new Piscina({
        filename: url('functions.mjs'),
        minThreads: workers,
        maxThreads: workers,
      });
      return {
        run: (argument) => pool.run(argument),
        byteLength: (array) => pool.run(array, { name: 'byteLength' }),
        close: () => pool.destroy(),
      };
    },
  },
  tinypool: {
    package: 'tinypool',
    cases: ALL_CASES,
    open: (workers) => tinypoolPool(workers, 'worker_threads'),
  },
  'tinypool (processes)': {
    package: 'tinypool',
    cases: CASES_WITHOUT_ARRAYS,
    open: (workers) => tinypoolPool(workers, 'child_process'),
  },
  workerpool: {
    package: 'workerpool',
    cases: ALL_CASES,
    open: (workers) => workerpoolPool(workers, 'thread'),
  },
  'workerpool (processes)': {
    package: 'workerpool',
    cases: CASES_WITHOUT_ARRAYS,
    open: (workers) => workerpoolPool(workers, 'process'),
  },
  // No pool: what any pool has to pay that copies its arguments by structured clone.
  structuredClone: {
    cases: ['pass-100mb'],
    async open() {
      return {
        byteLength: async (array) => structuredClone(array).byteLength,
        close: async () => {},
      };
    },
  },
};

async function tinypoolPool(workers, runtime) {
  const { Tinypool } = await import('tinypool');
  const pool = new Tinypool({
    filename: url('functions.mjs'),
    runtime,
    minThreads: workers,
    maxThreads: workers,
  });
  return {
    run: (argument) => pool.run(argument),
    byteLength: (array) => pool.run(array, { name: 'byteLength' }),
    close: () => pool.destroy(),
  };
}

async function workerpoolPool(workers, workerType) {
  const { default: workerpool } = await import('workerpool');
  const pool = workerpool.pool(path('workerpool.mjs'), {
    workerType,
    minWorkers: workers,
    maxWorkers: workers,
  });
  return {
    run: (argument) => pool.exec('run', [argument]),
    byteLength: (array) => pool.exec('byteLength', [array]),
    close: () => pool.terminate(),
  };
}
