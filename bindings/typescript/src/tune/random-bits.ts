/**
 * The generator of random numbers of everything in TypeScript that has a seed: sfc32 by Chris Doty-Humphrey (PractRand), the same on
 * every machine. Who uses it says how a seed becomes its state.
 */

/** How often it has to run before its state has mixed. */
const MIXING_ROUNDS = 12;

/** Numbers uniform in [0, 1), with 53 bits, as `Math.random`, from 96 bits of state. */
export function sfc32(first: number, second: number, third: number): () => number {
  let [a, b, c] = [first, second, third];
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum;
  };
  for (let round = 0; round < MIXING_ROUNDS; round++) next();
  return () => {
    const upper = next() >>> 5;
    const lower = next() >>> 6;
    return (upper * 2 ** 26 + lower) / 2 ** 53;
  };
}
