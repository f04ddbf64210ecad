/**
 * A sharded parameter server, after "Implementing a Parameter Server in 15 Lines of Python with Ray"
 * (https://ray-project.github.io/2018/07/15/parameter-server-in-fifteen-lines.html), on real data:
 * softmax regression on 1,797 handwritten digits of 8×8 pixels (data/README.md).
 *
 * The parameters are cut into slices, one per server actor. Workers run on their own: each pulls
 * the slices, uses them in the order in which they arrive, computes a gradient on its part of the
 * training set and pushes the pieces back, without waiting for the other workers. The main program
 * watches the accuracy on a fifth of the digits that no worker ever sees.
 *
 * Run it: node examples/parameter-server.ts [--passes 200] [--workers 2] [--servers 4] [--seed 1]
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { clusterResources, get, init, put, remote, shutdown, wait } from 'eagleray';
import type { ActorHandle, ObjectRef } from 'eagleray';

const classCount = 10;
const pixelCount = 64;
/** The pixels and a constant 1, whose weight is the bias. */
const featureCount = pixelCount + 1;
const brightestPixel = 16;

const batchSize = 32;
const learningRate = 0.1;
const goalAccuracy = 0.92;

/** Some examples: `images` holds `featureCount` numbers for each, `labels` the digit. */
interface Examples {
  images: Float64Array;
  labels: Uint8Array;
}

/** What a worker tells after a pass over its part. */
interface PassReport {
  pid: number;
  /** Time spent computing, without the time spent waiting for parameters. */
  busyMs: number;
}

/** Owns one slice of the parameters: `classCount` numbers for each of its features. */
class ParameterServer {
  parameters: Float64Array;

  constructor(length: number) {
    this.parameters = new Float64Array(length);
  }

  pull(): Float64Array {
    return this.parameters;
  }

  push(gradient: Float64Array): void {
    for (let i = 0; i < gradient.length; i++) {
      this.parameters[i]! -= learningRate * gradient[i]!;
    }
  }
}

/** The task that a worker runs: one pass of stochastic gradient descent over its part of the data. */
async function trainOnePass(
  servers: ActorHandle<ParameterServer>[],
  part: Examples,
): Promise<PassReport> {
  const pushes: ObjectRef<void>[] = [];
  let busyMs = 0;

  for (let first = 0; first < part.labels.length; first += batchSize) {
    const last = Math.min(first + batchSize, part.labels.length);
    const activations = new Float64Array((last - first) * classCount);

    let pending = servers.map((server) => server.pull.remote());
    const sliceOf = new Map(pending.map((ref, slice) => [ref.id, slice]));
    while (pending.length > 0) {
      const [ready, rest] = await wait(pending);
      for (const ref of ready) {
        const parameters = await get(ref);
        const start = performance.now();
        const features = featuresOfSlice(sliceOf.get(ref.id)!, servers.length);
        addActivations(activations, part.images, first, features, parameters);
        busyMs += performance.now() - start;
      }
      pending = rest;
    }

    const start = performance.now();
    const errors = softmaxErrors(activations, part.labels.subarray(first, last));
    const gradients = servers.map((_, slice) =>
      gradientOfSlice(errors, part.images, first, featuresOfSlice(slice, servers.length)),
    );
    busyMs += performance.now() - start;

    // Nobody waits for a push: calls of one caller run in their order, so that the next pull sees it.
    servers.forEach((server, slice) => pushes.push(server.push.remote(gradients[slice]!)));
  }

  await get(pushes);
  return { pid: process.pid, busyMs };
}

const { values: options } = parseArgs({
  options: {
    passes: { type: 'string', default: '200' },
    workers: { type: 'string' },
    servers: { type: 'string', default: '4' },
    seed: { type: 'string', default: '1' },
  },
});
const RemoteServer = remote(ParameterServer);
const train = remote(trainOnePass);

const startOfProgram = performance.now();
await init();

const workerCount = Number(options.workers ?? Math.min(Math.max(clusterResources()['CPU']!, 2), 8));
const serverCount = Number(options.servers);
const passCount = Number(options.passes);

const digits = readDigits(new URL('data/digits.csv.gz', import.meta.url));
const order = shuffled(digits.labels.length, Number(options.seed));
const heldOutCount = Math.floor(order.length / 5);
const heldOut = select(digits, order.slice(0, heldOutCount));
const training = order.slice(heldOutCount);

// Each part is stored once; every pass of its worker reads it in shared memory, without a copy.
const parts = Array.from({ length: workerCount }, (_, worker) =>
  put(
    select(
      digits,
      training.filter((_, i) => i % workerCount === worker),
    ),
  ),
);
const servers = Array.from({ length: serverCount }, (_, slice) => {
  const { first, last } = featuresOfSlice(slice, serverCount);
  return RemoteServer.remote((last - first) * classCount);
});

console.log(
  `${training.length} digits to learn from, ${heldOutCount} held out; ` +
    `${serverCount} parameter servers, ${workerCount} workers, ${passCount} passes`,
);

const startOfTraining = performance.now();
const workerOf = new Map<string, number>();
const passesOf = new Map<number, { passes: number; busyMs: number }>();
let running: ObjectRef<PassReport>[] = [];
let started = 0;
let finished = 0;

const startPass = (worker: number): void => {
  const pass = train.remote(servers, parts[worker]!);
  workerOf.set(pass.id, worker);
  running.push(pass);
  started += 1;
};
for (let worker = 0; worker < Math.min(workerCount, passCount); worker++) {
  startPass(worker);
}

const printEvery = Math.max(1, Math.floor(passCount / 10));
while (running.length > 0) {
  const [ready, rest] = await wait(running);
  running = rest;
  for (const pass of ready) {
    const { pid, busyMs } = await get(pass);
    const sofar = passesOf.get(pid) ?? { passes: 0, busyMs: 0 };
    passesOf.set(pid, { passes: sofar.passes + 1, busyMs: sofar.busyMs + busyMs });
    finished += 1;
    if (started < passCount) {
      startPass(workerOf.get(pass.id)!);
    }
    workerOf.delete(pass.id);
    if (finished % printEvery === 0) {
      const elapsedMs = performance.now() - startOfTraining;
      const percent = (100 * (await accuracy(servers, heldOut))).toFixed(1);
      console.log(
        `after ${String(finished).padStart(4)} passes  accuracy ${percent.padStart(5)} %  ` +
          `${elapsedMs.toFixed(0).padStart(6)} ms`,
      );
    }
  }
}

const trainingMs = performance.now() - startOfTraining;
const reached = await accuracy(servers, heldOut);
await shutdown();

console.log(`\nfinal accuracy ${(100 * reached).toFixed(1)} % on ${heldOutCount} held-out digits`);
console.log(
  `trained in ${trainingMs.toFixed(0)} ms, ` +
    `${(performance.now() - startOfProgram).toFixed(0)} ms with start and shutdown`,
);
for (const [pid, { passes, busyMs }] of passesOf) {
  console.log(
    `worker pid=${pid}: ${passes} passes, computed ${busyMs.toFixed(0)} of ${trainingMs.toFixed(0)} ms ` +
      `(busy ${((100 * busyMs) / trainingMs).toFixed(0)} %)`,
  );
}
if (reached < goalAccuracy) {
  console.error(`the accuracy is below the goal of ${100 * goalAccuracy} %`);
  process.exitCode = 1;
}

/** The features, from `first` up to but without `last`, whose weights a server keeps. */
function featuresOfSlice(slice: number, sliceCount: number): { first: number; last: number } {
  return {
    first: Math.floor((slice * featureCount) / sliceCount),
    last: Math.floor(((slice + 1) * featureCount) / sliceCount),
  };
}

/** Adds what one slice of the parameters contributes: the sum over the slices is `images × weights`. */
function addActivations(
  activations: Float64Array,
  images: Float64Array,
  firstImage: number,
  features: { first: number; last: number },
  parameters: Float64Array,
): void {
  for (let i = 0; i < activations.length / classCount; i++) {
    for (let feature = features.first; feature < features.last; feature++) {
      const value = images[(firstImage + i) * featureCount + feature]!;
      const row = (feature - features.first) * classCount;
      for (let digit = 0; digit < classCount; digit++) {
        activations[i * classCount + digit]! += value * parameters[row + digit]!;
      }
    }
  }
}

/** The gradient of the cross-entropy by the activations: probability minus 1 for the true digit. */
function softmaxErrors(activations: Float64Array, labels: Uint8Array): Float64Array {
  const errors = new Float64Array(activations.length);
  for (let i = 0; i < labels.length; i++) {
    const row = activations.subarray(i * classCount, (i + 1) * classCount);
    // Subtracting the largest keeps the exponentials finite and changes no probability.
    const largest = Math.max(...row);
    const exponentials = row.map((activation) => Math.exp(activation - largest));
    const sum = exponentials.reduce((total, exponential) => total + exponential, 0);
    for (let digit = 0; digit < classCount; digit++) {
      const target = labels[i] === digit ? 1 : 0;
      errors[i * classCount + digit] = exponentials[digit]! / sum - target;
    }
  }
  return errors;
}

/** The mean gradient of a batch for the weights of one slice. */
function gradientOfSlice(
  errors: Float64Array,
  images: Float64Array,
  firstImage: number,
  features: { first: number; last: number },
): Float64Array {
  const imageCount = errors.length / classCount;
  const gradient = new Float64Array((features.last - features.first) * classCount);
  for (let i = 0; i < imageCount; i++) {
    for (let feature = features.first; feature < features.last; feature++) {
      const value = images[(firstImage + i) * featureCount + feature]! / imageCount;
      const row = (feature - features.first) * classCount;
      for (let digit = 0; digit < classCount; digit++) {
        gradient[row + digit]! += value * errors[i * classCount + digit]!;
      }
    }
  }
  return gradient;
}

/** The share of the examples whose digit is recognised with what the servers know now. */
async function accuracy(
  from: ActorHandle<ParameterServer>[],
  { images, labels }: Examples,
): Promise<number> {
  const slices = await get(from.map((server) => server.pull.remote()));
  const activations = new Float64Array(labels.length * classCount);
  slices.forEach((parameters, slice) =>
    addActivations(activations, images, 0, featuresOfSlice(slice, slices.length), parameters),
  );
  const right = labels.filter((label, i) => {
    const row = activations.subarray(i * classCount, (i + 1) * classCount);
    return row.indexOf(Math.max(...row)) === label;
  });
  return right.length / labels.length;
}

/** Reads lines of 64 pixels and a digit; pixels are scaled to 0 … 1. */
function readDigits(file: URL): Examples {
  const lines = gunzipSync(readFileSync(file)).toString('latin1').trim().split('\n');
  const images = new Float64Array(lines.length * featureCount);
  const labels = new Uint8Array(lines.length);
  lines.forEach((line, i) => {
    const numbers = line.split(',').map(Number);
    const pixels = numbers.slice(0, pixelCount).map((pixel) => pixel / brightestPixel);
    images.set([...pixels, 1], i * featureCount);
    labels[i] = numbers[pixelCount]!;
  });
  return { images, labels };
}

/** The examples with these indices. */
function select({ images, labels }: Examples, indices: number[]): Examples {
  const selected = new Float64Array(indices.length * featureCount);
  indices.forEach((index, i) => {
    const first = index * featureCount;
    selected.set(images.subarray(first, first + featureCount), i * featureCount);
  });
  return { images: selected, labels: Uint8Array.from(indices, (index) => labels[index]!) };
}

/** The numbers below `length` in an order that depends on the seed alone (Fisher–Yates). */
function shuffled(length: number, seed: number): number[] {
  const random = randomNumbers(seed);
  const numbers = Array.from({ length }, (_, i) => i);
  for (let i = length - 1; i > 0; i--) {
    const other = Math.floor(random() * (i + 1));
    [numbers[i], numbers[other]] = [numbers[other]!, numbers[i]!];
  }
  return numbers;
}

/** Mulberry32: a small generator with a seed, which `Math.random` does not have. */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
