/** Seeds that follow from others, and the random numbers of a seed. */

import { sfc32 } from '../random-bits.ts';

/** The seed of a trial, from that of the experiment and its number: 32 bits. */
export function trialSeed(seed: number, number: number): number {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  // Each part is mixed in before the next, so that (1, 2) and (2, 1) have nothing in common.
  return mixed(mixed(mixed(low) ^ high) ^ number);
}

/** The seed of what is drawn in the place of proposals: searchers of the experiment's own seed draw other numbers. */
export function seedOfDraws(seed: number): number {
  // No trial has it.
  return trialSeed(seed, -1);
}

/** A seeded `Math.random`. */
export function randomNumbers(seed: number): () => number {
  const a = mixed(seed);
  const b = mixed(a ^ 1);
  return sfc32(a, b, mixed(b ^ 2));
}

/** Every bit of the input changes half of those of the output (the finalizer of MurmurHash3). */
function mixed(value: number): number {
  let bits = (value + 0x9e3779b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
