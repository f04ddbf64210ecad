/** Runs one trial with the configs that a trial of population based training has had. Ray's `PopulationBasedTrainingReplay`. */

import { readFileSync } from 'node:fs';

import { InvalidArgumentError } from '../../index.ts';
import { isRecord, text } from '../../option-checks.ts';
import { JournalError } from '../errors.ts';
import { TrialQueue } from './fifo.ts';
import { parsePolicy } from './pbt-policy.ts';
import type { Policy } from './pbt-policy.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Takes a file `pbt_policy_<id>.txt`, also one of Ray's. The trial begins with the first config in it, and gets the others at the
 * iterations at which they were taken over, each at a report that has a checkpoint. An empty file: the trial keeps its own config.
 *
 * @throws InvalidArgumentError if the file's name is none; when there is a second trial
 * @throws JournalError when the experiment begins, if the file can't be read
 */
export function pbtReplay(file: string): Scheduler {
  const path = text(file, { call: 'pbtReplay()', name: 'file' });
  const queue = new TrialQueue();
  let policy: Policy | undefined;
  let place = 0;
  let trialId: string | undefined;
  return {
    description: { name: 'pbtReplay', options: { file: path } },
    setup() {
      policy = parsePolicy(readPolicy(path), path);
    },
    onTrialAdd(trial, control) {
      if (trialId !== undefined) {
        throw new InvalidArgumentError(
          'pbtReplay(): there is a second trial, which would do the same; set numSamples to 1',
          { argument: 'numSamples' },
        );
      }
      trialId = trial.id;
      // It has not begun, so this is the config it begins with.
      if (policy !== undefined) control.exploit(trial.id, trial.id, policy.firstConfig);
      else if (isRecord(trial.config) && Object.keys(trial.config).length > 0) return;
      else {
        throw new InvalidArgumentError(
          `pbtReplay(): neither has ${path} a policy, nor has the trial a config`,
          { argument: 'file', value: path },
        );
      }
    },
    onTrialResult(trial, metrics, control) {
      const change = policy?.changes[place];
      if (change === undefined || metrics.trainingIteration < change.iteration) return 'CONTINUE';
      // Without a checkpoint it is dropped, and tried again at the next report.
      if (control.exploit(trial.id, trial.id, change.config)) place += 1;
      return 'CONTINUE';
    },
    chooseTrialToRun: (control) => queue.next(control),
  };
}

function readPolicy(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new JournalError(
      `${path}: the policy can't be read: ${(error as Error).message}`,
      { path, line: 0 },
      { cause: error },
    );
  }
}
