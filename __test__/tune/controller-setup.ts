/** What tests make controllers with: two trials at a time, each on a CPU, of which nothing is kept and none is tried again. */

import type { ControllerSetup } from '../../bindings/typescript/src/tune/controller/controller.ts';

/** All of a setup that is not what a test is about. */
export const PLAIN_SETUP = {
  capacity: new Map([['CPU', 20_000]]),
  maxConcurrent: 2,
  deterministic: false,
  resources: () => ({ numCpus: 1 }),
  infeasible: () => undefined,
  maxFailures: 0,
  maxErrors: Infinity,
  failFast: false,
  trialTimeoutMs: Infinity,
  checkpoints: { numToKeep: 1, scoreAttribute: 'loss', scoreOrder: 'min' },
  pointsToEvaluate: [],
  knownResults: [],
  parameterConstraints: [],
  outcomeConstraints: new Map(),
  record: () => undefined,
  now: () => 0,
  nextNumber: null,
  savesOnLeaving: false,
  isDrivenByHand: false,
} as const satisfies Partial<ControllerSetup>;
