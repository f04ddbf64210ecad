/**
 * After each of 500 random programs of nested tasks, actors, `maxCalls`, GPUs, crashes, cancellations and dropped refs, everything
 * that there is is available again: CPUs, GPUs, custom resources, memory and room in the store. `EAGLERAY_RANDOM_PROGRAMS` and
 * `EAGLERAY_RANDOM_SEED` say how many, and from which seed.
 */

import { clusterResources, init, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { carryOut } from './carry-out.mjs';
import { whenAllIsGivenBack } from './given-back.ts';
import { programOf } from './program.ts';

const PROGRAMS = Number(process.env['EAGLERAY_RANDOM_PROGRAMS'] ?? 100);
const FIRST_SEED = Number(process.env['EAGLERAY_RANDOM_SEED'] ?? 1);

/** Programs that share a runtime, whose workers the next one uses. */
const PROGRAMS_OF_RUNTIME = 25;

/** Far longer than anything takes to be given back. */
const PATIENCE_MS = 30_000;

const seedsFrom = (first: number, count: number) =>
  Array.from({ length: count }, (_, index) => first + index);

describe.each(
  Array.from({ length: Math.ceil(PROGRAMS / PROGRAMS_OF_RUNTIME) }, (_, index) => {
    const first = FIRST_SEED + index * PROGRAMS_OF_RUNTIME;
    return seedsFrom(first, Math.min(PROGRAMS_OF_RUNTIME, FIRST_SEED + PROGRAMS - first));
  }),
)('programs from the seed %d', (...seeds) => {
  beforeAll(async () => {
    await init({
      numCpus: 3,
      numGpus: 2,
      resources: { X: 2 },
      objectStoreMemory: 256 * 2 ** 20,
      logToDriver: false,
    });
  });
  afterAll(() => shutdown());

  test.each(seeds)('the program of seed %d gives back all that it has used', async (seed) => {
    await carryOut(programOf(seed));
    expect(await whenAllIsGivenBack(PATIENCE_MS)).toEqual(clusterResources());
  });
});
