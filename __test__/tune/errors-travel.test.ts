/** Errors of tuning that are thrown in a task: what arrives has their class, code, text and fields. */

import { TaskError, get, init, put, remote, shutdown } from 'eagleray';
import {
  ExperimentExistsError,
  JournalError,
  MetricError,
  NoResultError,
  SearchExhaustedError,
  SpaceError,
  StorageError,
  TrialFailedError,
  TrialStoppedError,
  TrialTimeoutError,
  TuneError,
} from 'eagleray/tune';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rejection } from '../api/rejection.ts';

beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(async () => {
  await shutdown();
});

const ERRORS: readonly TuneError[] = [
  new ExperimentExistsError('it exists', { path: '/runs/a' }),
  new JournalError('line 3 is odd', { path: '/runs/a/journal.log', line: 3 }),
  new MetricError('no loss', { metric: 'loss', reported: ['accuracy'] }),
  new NoResultError('no trial has ended'),
  new SearchExhaustedError('nothing is left', { waiting: false }),
  new SpaceError('no config meets the constraints'),
  new StorageError('the disk is full', { path: '/runs/a' }, { cause: new Error('ENOSPC') }),
  new TrialFailedError('it failed', { trialId: '00001', config: { x: 1 } }),
  new TrialStoppedError('', { reason: 'scheduler' }),
  new TrialTimeoutError('', { timeoutMs: 5 }),
];

const partsOf = (error: Error): object => ({
  ...error,
  name: error.name,
  message: error.message,
  prototype: Object.getPrototypeOf(error) as unknown,
  cause: String(error.cause),
});

test.each(ERRORS.map((error) => [error.name, error] as const))('%s', async (_name, error) => {
  const fails = remote((thrown: Error) => {
    throw thrown;
  });
  const arrived = await rejection<TaskError>(get(fails.remote(error)));
  expect(arrived).toBeInstanceOf(TaskError);
  for (const each of [arrived.cause as TuneError, await get(put(error))]) {
    expect(each).toBeInstanceOf(TuneError);
    expect(partsOf(each)).toEqual(partsOf(error));
    expect(each.stack).toBe(error.stack);
  }
});
