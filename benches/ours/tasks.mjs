// Rates of tasks: the task loops of `ray microbenchmark`.

import { get, remote } from 'eagleray';
import { rate } from '../harness/measure.mjs';
import { Actor, byteLength, smallValue } from './remote-code.mjs';

const IN_FLIGHT = 1_000;
const SUBMITTERS = 4;
const TASKS_PER_SUBMITTER = 10_000;
const ARRAY_BYTES = 100_000_000;

const manyTasks = () => get(Array.from({ length: IN_FLIGHT }, () => smallValue.remote()));

export const taskCases = {
  'task-sync': {
    async run(settings) {
      return { rows: { 'task-sync': await rate(settings, () => get(smallValue.remote())) } };
    },
  },
  'task-async': {
    async run(settings) {
      return { rows: { 'task-async': await rate(settings, manyTasks, IN_FLIGHT) } };
    },
  },
  'task-batches': {
    async run(settings) {
      return { rows: { 'task-batches': await rate(settings, manyTasks) } };
    },
  },
  'task-four-submitters': {
    async run(settings) {
      const RemoteActor = remote(Actor, { numCpus: 0 });
      const actors = Array.from({ length: SUBMITTERS }, () => RemoteActor.remote());
      const submit = () =>
        get(actors.map((actor) => actor.smallValueBatch.remote(TASKS_PER_SUBMITTER)));
      return {
        rows: {
          'task-four-submitters': await rate(settings, submit, SUBMITTERS * TASKS_PER_SUBMITTER),
        },
      };
    },
  },
  'pass-100mb': {
    async run(settings) {
      const array = new Float64Array(ARRAY_BYTES / 8).fill(1.5);
      const remoteByteLength = remote(byteLength);
      const pass = async () => {
        const received = await get(remoteByteLength.remote(array));
        if (received !== ARRAY_BYTES) throw new Error(`${received} bytes arrived`);
      };
      return { rows: { 'pass-100mb': await rate(settings, pass, ARRAY_BYTES / 1e9) } };
    },
  },
};
