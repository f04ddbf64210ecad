/** What results are made with: errors, checkpoints, and the arithmetic of the native module. */

import { join } from 'node:path';

import { NotSupportedError, type ObjectRef } from '../../index.ts';
import { native } from '../../native.ts';
import type { ResultGridContext } from '../results/result-grid.ts';
import { errorOf } from '../results/result.ts';
import { Checkpoint } from '../trial/checkpoint.ts';

/** What only the process that ran the trials has. */
export interface LivingParts {
  failureOf(number: number): unknown;
  valueOf(trialId: string, iteration: number): ObjectRef<unknown> | undefined;
}

/** `living` is null for experiments that another process has run. */
export function resultContext(
  folder: string | null,
  living: LivingParts | null,
): ResultGridContext {
  return {
    path: folder,
    hypervolume: (points, reference) =>
      native().hypervolumeOf(
        points.map((point) => [...point]),
        [...reference],
      ),
    importances: () => {
      throw new NotSupportedError('importances are not there yet', { feature: 'importances' });
    },
    revive: {
      error: (record, trial) => {
        const failure = living?.failureOf(trial.header.number);
        return failure instanceof Error ? failure : errorOf(record);
      },
      checkpoint: ({ iteration, path }, metrics, trial) => {
        if (path !== null && folder !== null) {
          return new Checkpoint({ path: join(folder, path) }, iteration, metrics);
        }
        const ref = living?.valueOf(trial.header.id, iteration);
        if (ref === undefined)
          throw new Error(`checkpoint ${iteration} of trial ${trial.header.id} is lost`);
        return new Checkpoint({ ref }, iteration, metrics);
      },
    },
  };
}
