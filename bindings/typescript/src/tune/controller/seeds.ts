/** Seeds that follow from others, and the random numbers of a seed. */

/** The seed of a trial, from that of the experiment and its number: 32 bits. */
export function trialSeed(seed: number, number: number): number {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  // Each part is mixed in before the next, so that (1, 2) and (2, 1) have nothing in common.
  return mixed(mixed(mixed(low) ^ high) ^ number);
}

/** A seeded `Math.random` (sfc32, Doty-Humphrey's Small Fast Counter, which passes PractRand). */
export function randomNumbers(seed: number): () => number {
  let a = mixed(seed);
  let b = mixed(a ^ 1);
  let c = mixed(b ^ 2);
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  // What is alike in neighbouring seeds is gone after so many.
  for (let round = 0; round < 12; round++) next();
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

/** Every bit of the input changes half of those of the output (the finalizer of MurmurHash3). */
function mixed(value: number): number {
  let bits = (value + 0x9e3779b9) | 0;
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}
