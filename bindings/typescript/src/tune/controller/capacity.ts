/**
 * What trials run on: how many of them at a time.
 *
 * - CA-1 What is taken never exceeds what there is, nor `maxConcurrent` trials.
 * - CA-2 Where `maxConcurrent` says nothing, there are at most as many trials that take no CPU as there are CPUs: nothing else would
 *   bound them.
 */

import type { TrialResources } from '../types.ts';

/** Quantities by the names of resources: `CPU`, `GPU`, `memory` and custom ones. */
export type Quantities = ReadonlyMap<string, number>;

/** Resources are counted in units of 1/10,000, so that sums of tenths are what they are written as. */
const PRECISION = 10_000;

/** Why a trial can't start. */
export interface Lack {
  readonly resource: string;
  readonly needed: number;
  readonly used: number;
  readonly total: number;
}

/** See the file. */
export class Capacity {
  readonly #total: Quantities;
  readonly #maxConcurrent: number;
  readonly #used = new Map<string, number>();
  #running = 0;
  #withoutCpu = 0;
  readonly #withoutCpuMax: number;

  constructor(total: Quantities, maxConcurrent: number) {
    const cpus = Math.floor((total.get('CPU') ?? PRECISION) / PRECISION);
    this.#withoutCpuMax = maxConcurrent === Infinity ? Math.max(1, cpus) : Infinity;
    this.#total = total;
    this.#maxConcurrent = maxConcurrent;
  }

  get running(): number {
    return this.#running;
  }

  get maxConcurrent(): number {
    return this.#maxConcurrent;
  }

  /** Whether one more trial may run at all. */
  get hasPlace(): boolean {
    return this.#running < this.#maxConcurrent;
  }

  /** What there is too little of now; undefined if there is enough of all. */
  lackOf(resources: TrialResources): Lack | undefined {
    if (takesNoCpu(resources) && this.#withoutCpu >= this.#withoutCpuMax) {
      const resource = 'place for trials that take no CPU';
      return { resource, needed: 1, used: this.#withoutCpu, total: this.#withoutCpuMax };
    }
    for (const [resource, needed] of quantitiesOf(resources)) {
      const total = this.#total.get(resource) ?? 0;
      const used = this.#used.get(resource) ?? 0;
      if (used + needed > total) {
        return {
          resource,
          needed: needed / PRECISION,
          used: used / PRECISION,
          total: total / PRECISION,
        };
      }
    }
    return undefined;
  }

  /** How much of each resource trials use. */
  get use(): { readonly name: string; readonly used: number; readonly total: number }[] {
    return [...this.#used].map(([name, used]) => ({
      name,
      used: used / PRECISION,
      total: (this.#total.get(name) ?? 0) / PRECISION,
    }));
  }

  take(resources: TrialResources): void {
    this.#running++;
    if (takesNoCpu(resources)) this.#withoutCpu++;
    for (const [resource, needed] of quantitiesOf(resources)) {
      this.#used.set(resource, (this.#used.get(resource) ?? 0) + needed);
    }
  }

  giveBack(resources: TrialResources): void {
    this.#running--;
    if (takesNoCpu(resources)) this.#withoutCpu--;
    for (const [resource, needed] of quantitiesOf(resources)) {
      this.#used.set(resource, (this.#used.get(resource) ?? 0) - needed);
    }
  }
}

/** The quantities of a cluster, as `clusterResources()` gives them. */
export function totalsOf(resources: Readonly<Record<string, number>>): Quantities {
  return new Map(
    Object.entries(resources).map(([name, quantity]) => [name, Math.round(quantity * PRECISION)]),
  );
}

/** Or so little that it is none. */
function takesNoCpu({ numCpus = 1 }: TrialResources): boolean {
  return Math.round(numCpus * PRECISION) === 0;
}

/** What a trial takes, those of quantity 0 left out. */
function* quantitiesOf({
  numCpus = 1,
  numGpus = 0,
  memory = 0,
  resources = {},
}: TrialResources): Generator<[name: string, quantity: number]> {
  if (numCpus > 0) yield ['CPU', Math.round(numCpus * PRECISION)];
  if (numGpus > 0) yield ['GPU', Math.round(numGpus * PRECISION)];
  if (memory > 0) yield ['memory', Math.round(memory * PRECISION)];
  for (const [name, quantity] of Object.entries(resources)) {
    if (quantity > 0) yield [name, Math.round(quantity * PRECISION)];
  }
}
