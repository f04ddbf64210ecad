/**
 * Ray's tutorial in its order, from the first remote function to a sharded parameter server.
 * Each step says what it shows and checks it; docs/tutorial.md explains it at length.
 *
 * Run it: node examples/tutorial.ts
 */
import assert from 'node:assert/strict';
import {
  clusterResources,
  get,
  getRuntimeContext,
  init,
  put,
  remote,
  shutdown,
  wait,
} from 'eagleray';
import type { ActorHandle } from 'eagleray';

/** 1. Remote functions (tasks). Any function can become one. */
function regularFunction(): number {
  return 1;
}
const remoteFunction = remote(regularFunction);

await init();
assert.equal(regularFunction(), 1);
const ref = remoteFunction.remote(); // Returns at once, with a ref of the result to come.
assert.equal(await get(ref), 1);
console.log('1. a remote function gives a ref, and get gives its value');

/** 2. Parallelism. */
for (let i = 0; i < 4; i++) {
  regularFunction(); // These happen serially.
}
const refs = Array.from({ length: 4 }, () => remoteFunction.remote()); // These happen in parallel.
assert.deepEqual(await get(refs), [1, 1, 1, 1]);
console.log('2. regular functions run serially, remote functions in parallel');

/** 3. Resources. They are found out by `init`, or given to it. */
console.log(`3. this machine has ${clusterResources()['CPU']} CPUs for tasks`);
await shutdown();
await init({ numCpus: 8, numGpus: 4, resources: { Custom: 2 } });
assert.equal(clusterResources()['CPU'], 8);
assert.equal(clusterResources()['GPU'], 4);
assert.equal(clusterResources()['Custom'], 2);

const train = remote(() => getRuntimeContext().assignedResources, { numCpus: 2, numGpus: 0.5 });
const assigned = await get(train.remote());
assert.equal(assigned['CPU'], 2);
assert.equal(assigned['GPU'], 0.5);
console.log(
  '   it had 8 CPUs, 4 GPUs and 2 Custom when init said so; a task took 2 CPUs and half a GPU',
);

/** 4. The object store: put, get, lists, wait. */
const stored = put({ y: 1 });
assert.deepEqual(await get(stored), { y: 1 });
const doSomeWork = remote((x: number) => x * x);
assert.deepEqual(await get([0, 1, 2, 3].map((x) => doSomeWork.remote(x))), [0, 1, 4, 9]);
const [ready, notReady] = await wait([0, 1, 2, 3].map((x) => doSomeWork.remote(x)));
assert.equal(ready.length, 1);
assert.equal(notReady.length, 3);
console.log('4. put stores a value, get reads one or a list, wait tells what is ready');

/** 5. Zero copy: typed arrays come back as views of the shared memory. */
const numbers = put(new Float64Array(1_000_000).fill(0.5));
const sum = remote((array: Float64Array) => array.reduce((total, x) => total + x, 0));
assert.deepEqual(await get([sum.remote(numbers), sum.remote(numbers)]), [500_000, 500_000]);
console.log('5. two tasks read one array of 8 MB in shared memory');

/** 6. Remote classes (actors). Each runs in its own process and keeps its state. */
class Counter {
  value = 0;

  increment(): number {
    this.value += 1;
    return this.value;
  }
}
const RemoteCounter = remote(Counter, { numCpus: 2, numGpus: 0.5 });
const counter = RemoteCounter.remote();
assert.equal(await get(counter.increment.remote()), 1);
assert.equal(await get(counter.increment.remote()), 2);
console.log('6. an actor counts');

/** 7. Handles as arguments: a parameter server that tasks share. */
class ParameterServer {
  parameters: Float64Array;

  constructor(dimension: number) {
    this.parameters = new Float64Array(dimension);
  }

  getParameters(): Float64Array {
    return this.parameters;
  }

  updateParameters(gradient: Float64Array): void {
    this.parameters = this.parameters.map((parameter, i) => parameter + gradient[i]!);
  }
}

async function work(servers: ActorHandle<ParameterServer>[], steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) {
    const pieces = await get(servers.map((server) => server.getParameters.remote()));
    const gradients = pieces.map((piece) => new Float64Array(piece.length).fill(1));
    await get(servers.map((server, i) => server.updateParameters.remote(gradients[i]!)));
  }
}

const RemoteParameterServer = remote(ParameterServer);
const worker = remote(work);

const server = RemoteParameterServer.remote(10);
await get([worker.remote([server], 5), worker.remote([server], 5)]);
assert.deepEqual(await get(server.getParameters.remote()), new Float64Array(10).fill(10));
console.log('7. two workers made 10 updates of a parameter server');

/** 8. Sharding: the parameters are spread over several servers. */
const servers = Array.from({ length: 3 }, () => RemoteParameterServer.remote(4));
await get([worker.remote(servers, 5), worker.remote(servers, 5)]);
const shards = await get(servers.map((shard) => shard.getParameters.remote()));
assert.deepEqual(
  shards,
  [1, 2, 3].map(() => new Float64Array(4).fill(10)),
);
console.log('8. three servers hold a third of the parameters each');

/** 9. The four tips; each has an example of its own with the times, tip-1 to tip-4. */
const late = await get([0, 1, 2, 3].map((x) => doSomeWork.remote(x))); // Tip 1: one get, at the end.
assert.deepEqual(late, [0, 1, 4, 9]);
const batch = remote((first: number, last: number) => {
  let total = 0;
  for (let x = first; x < last; x++) {
    total += x * x;
  }
  return total;
});
assert.equal(await get(batch.remote(0, 1000)), 332_833_500); // Tip 2: one task for many small pieces.
const once = put(new Float64Array(10_000).fill(1)); // Tip 3: stored once, passed often.
assert.deepEqual(await get([sum.remote(once), sum.remote(once)]), [10_000, 10_000]);
let pending = [0, 1, 2, 3].map((x) => doSomeWork.remote(x));
const squares: number[] = [];
while (pending.length > 0) {
  const [done, rest] = await wait(pending); // Tip 4: each result as soon as it is there.
  squares.push(...(await get(done)));
  pending = rest;
}
assert.deepEqual(
  squares.sort((a, b) => a - b),
  [0, 1, 4, 9],
);
console.log('9. late get, batches, put once, wait');

await shutdown();
