// The scalability cases of Ray's single-node release benchmarks: many arguments, many results, long queues.

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { get, put, remote } from 'eagleray';
import { durationMs, repeat } from '../harness/measure.mjs';
import { collectGarbage, growRealisticHeap } from '../harness/memory.mjs';
import { treeMemory } from '../harness/process-tree.mjs';
import { countArguments, holdCpuUntil, listOfNumbers, returnNothing } from './remote-code.mjs';

const ARGUMENTS = 10_000;
const RESULTS = 3_000;
const REFS = 10_000;
const BLOCKERS = 2;
const SAMPLES = 7;

const putMany = (count) => Array.from({ length: count }, (_, index) => put(index));

/**
 * Queues `count` tasks behind tasks that hold all CPUs, then lets them run.
 *
 * @param {number} count
 * @returns {Promise<{ submitMs: number, runMs: number, bytesPerTask: number }>}
 */
async function queueBehindBlockers(count) {
  const directory = mkdtempSync(join(tmpdir(), 'eagleray-bench-'));
  try {
    const gate = join(directory, 'gate');
    const started = Array.from({ length: BLOCKERS }, (_, index) => join(directory, `${index}`));
    const block = remote(holdCpuUntil);
    const blockers = started.map((file) => block.remote(gate, file));
    while (!started.every((file) => existsSync(file))) await setTimeout(5);

    const task = remote(returnNothing);
    collectGarbage();
    const bytesBefore = treeMemory(process.pid).bytes;
    const refs = new Array(count);
    const submitMs = await durationMs(() => {
      for (let i = 0; i < count; i++) refs[i] = task.remote();
    });
    collectGarbage();
    const bytesPerTask = (treeMemory(process.pid).bytes - bytesBefore) / count;

    const runMs = await durationMs(async () => {
      writeFileSync(gate, '');
      await get(refs);
    });
    await get(blockers);
    return { submitMs, runMs, bytesPerTask };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

export const scalabilityCases = {
  'task-10k-arguments': {
    async run() {
      const refs = putMany(ARGUMENTS);
      const count = remote(countArguments);
      const call = () =>
        durationMs(async () => {
          const received = await get(count.remote(...refs));
          if (received !== ARGUMENTS) throw new Error(`${received} arguments arrived`);
        });
      // Its own row is `init`: here a worker runs, and only the code of such a call is cold.
      await get(remote(returnNothing).remote());
      const cold = await call();
      const samples = await repeat(SAMPLES, call);
      return { rows: { 'task-10k-arguments-cold': [cold], 'task-10k-arguments': samples } };
    },
  },
  'task-3k-results': {
    async run() {
      const list = remote(listOfNumbers, { numReturns: RESULTS });
      const samples = await repeat(SAMPLES, () =>
        durationMs(async () => {
          const values = await get(list.remote(RESULTS));
          if (values.at(-1) !== RESULTS - 1) throw new Error(`${values.length} results came back`);
        }),
      );
      return { rows: { 'task-3k-results': samples } };
    },
  },
  'get-10k-refs': {
    async run() {
      growRealisticHeap();
      const refs = putMany(REFS);
      const samples = await repeat(SAMPLES, () => durationMs(() => get(refs)));
      return { rows: { 'get-10k-refs': samples } };
    },
  },
  'queued-50k': {
    async run() {
      const { submitMs, runMs, bytesPerTask } = await queueBehindBlockers(50_000);
      return {
        rows: {
          'queued-50k-submit': [submitMs],
          'queued-50k-run': [runMs],
          'queued-50k': [submitMs + runMs],
        },
        details: { bytesPerTask },
      };
    },
  },
  'queued-1m': {
    async run() {
      const { submitMs, runMs, bytesPerTask } = await queueBehindBlockers(1_000_000);
      return {
        rows: { 'queued-1m': [submitMs + runMs], 'queued-1m-memory': [bytesPerTask] },
        details: { submitMs, runMs },
      };
    },
  },
};
