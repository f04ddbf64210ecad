/**
 * What the examples tune: a network with one hidden layer that reads handwritten digits (../data/README.md). All of its state is
 * two arrays, so that it can be a checkpoint as it is.
 */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

/** `pixels` has 64 numbers from 0 to 1 for each digit. */
export interface Digits {
  pixels: Float64Array;
  labels: Uint8Array;
}

/** The weights of both layers; each unit has one for each input, and then its bias. */
export interface Network {
  hidden: Float64Array;
  output: Float64Array;
}

const PIXELS = 64;
const CLASSES = 10;

/** 1,437 digits to learn from, and 360 that are held out: every fifth. */
export function readDigits(): { training: Digits; heldOut: Digits } {
  const file = gunzipSync(readFileSync(new URL('../data/digits.csv.gz', import.meta.url)));
  const rows = file
    .toString()
    .trim()
    .split('\n')
    .map((line) => line.split(',').map(Number));
  const select = (chosen: number[][]): Digits => ({
    pixels: Float64Array.from(
      chosen.flatMap((row) => row.slice(0, PIXELS)),
      (pixel) => pixel / 16,
    ),
    labels: Uint8Array.from(chosen, (row) => row[PIXELS]!),
  });
  return {
    training: select(rows.filter((_, i) => i % 5 !== 0)),
    heldOut: select(rows.filter((_, i) => i % 5 === 0)),
  };
}

/** Small random weights. */
export function newNetwork(units: number, random: () => number): Network {
  const layer = (inputs: number, outputs: number): Float64Array =>
    new Float64Array((inputs + 1) * outputs).map(() => (2 * random() - 1) * Math.sqrt(3 / inputs));
  return { hidden: layer(PIXELS, units), output: layer(units, CLASSES) };
}

/** Learns from each digit once, in a random order: stochastic gradient descent, with weight decay. */
export function trainEpoch(
  { hidden, output }: Network,
  { pixels, labels }: Digits,
  { learningRate, decay = 0 }: { learningRate: number; decay?: number },
  random: () => number,
): void {
  const units = hidden.length / (PIXELS + 1);
  for (let step = 0; step < labels.length; step++) {
    const example = Math.floor(random() * labels.length);
    const inputs = pixels.subarray(example * PIXELS, (example + 1) * PIXELS);
    const activity = forward(hidden, inputs).map((sum) => Math.max(0, sum));
    const errors = softmax(forward(output, activity));
    errors[labels[example]!]! -= 1;

    const errorsBefore = new Float64Array(units);
    for (let unit = 0; unit < units; unit++) {
      if (activity[unit] === 0) continue;
      for (let digit = 0; digit < CLASSES; digit++) {
        errorsBefore[unit]! += errors[digit]! * output[digit * (units + 1) + unit]!;
      }
    }
    descend(output, activity, errors, learningRate, decay);
    descend(hidden, inputs, errorsBefore, learningRate, decay);
  }
}

/** The part of the digits that is read right. */
export function accuracy({ hidden, output }: Network, { pixels, labels }: Digits): number {
  let right = 0;
  for (const [example, label] of labels.entries()) {
    const inputs = pixels.subarray(example * PIXELS, (example + 1) * PIXELS);
    const scores = forward(
      output,
      forward(hidden, inputs).map((sum) => Math.max(0, sum)),
    );
    if (scores.indexOf(Math.max(...scores)) === label) right++;
  }
  return right / labels.length;
}

/** Random numbers from 0 to 1 that are the same for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

function forward(weights: Float64Array, inputs: Float64Array): Float64Array {
  const width = inputs.length + 1;
  return new Float64Array(weights.length / width).map((_, unit) => {
    let sum = weights[(unit + 1) * width - 1]!;
    for (let i = 0; i < inputs.length; i++) sum += weights[unit * width + i]! * inputs[i]!;
    return sum;
  });
}

function softmax(scores: Float64Array): Float64Array {
  const highest = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - highest));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/** A step against the gradient of the errors. */
function descend(
  weights: Float64Array,
  inputs: Float64Array,
  errors: Float64Array,
  learningRate: number,
  decay: number,
): void {
  const width = inputs.length + 1;
  for (const [unit, error] of errors.entries()) {
    for (let i = 0; i < width; i++) {
      const gradient = error * (i < inputs.length ? inputs[i]! : 1);
      weights[unit * width + i]! -= learningRate * (gradient + decay * weights[unit * width + i]!);
    }
  }
}
