/** Errors of an experiment that another process has run are of the classes that they had there. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { TaskError, init, shutdown } from 'eagleray';
import {
  MetricError,
  Study,
  Tuner,
  TuneError,
  gridSearch,
  loadResults,
  report,
  uniform,
} from 'eagleray/tune';
import { afterAll, beforeAll, expect, test } from 'vitest';

let storagePath = '';
beforeAll(async () => {
  storagePath = mkdtempSync(join(tmpdir(), 'eagleray-errors-'));
  await init({ numCpus: 2 });
});
afterAll(async () => {
  await shutdown();
  rmSync(storagePath, { recursive: true, force: true });
});

const OPTIONS = { metric: 'loss', mode: 'min', reporter: 'silent', outputs: [] } as const;

async function train({ kind }: { kind: string }): Promise<void> {
  if (kind === 'no metric') return;
  await report({ loss: 1 });
  class OutOfData extends RangeError {
    override readonly name = 'OutOfData';
    readonly rows = 12;
  }
  const cause = new AggregateError([new TypeError('first'), new OutOfData('second')], 'several', {
    cause: new URIError('deepest'),
  });
  throw kind === 'several' ? cause : new RangeError('too far', { cause });
}

/** As the process has them that ran the trials, as one that looks, and as one that goes on. */
async function seen(): Promise<readonly (readonly Error[])[]> {
  const results = await new Tuner(train, {
    ...OPTIONS,
    storagePath,
    name: 'seen',
    ifExists: 'overwrite',
    space: { kind: gridSearch(['no metric', 'several', 'one']) },
  }).fit();
  const path = join(storagePath, 'seen');
  const restored = await Tuner.restore(path, train, { reporter: 'silent' }).fit();
  return [results.errors, loadResults(path).errors, restored.errors];
}

test('they are instances of their classes, with their text', async () => {
  const [here, ...others] = await seen();
  expect(here).toHaveLength(3);
  for (const errors of others) {
    const [missing, several, one] = errors;
    expect(missing).toBeInstanceOf(MetricError);
    expect(missing).toBeInstanceOf(TuneError);
    expect(several).toBeInstanceOf(TaskError);
    expect(one).toBeInstanceOf(TaskError);
    for (const [place, error] of errors.entries()) {
      expect(error.message).toBe(here![place]!.message);
      expect(error.stack).toBe(here![place]!.stack);
      expect((error as TaskError).code).toBe((here![place] as TaskError).code);
    }
  }
});

test('what is in them is there: fields, causes and the errors of an AggregateError', async () => {
  const [, ...others] = await seen();
  for (const [missing, several, one] of others) {
    expect(missing).toMatchObject({ metric: 'loss', reported: [] });
    const { cause, pid, route, taskName } = several as TaskError;
    expect(taskName).toBe('seen');
    expect(route).toEqual([{ taskName, pid }]);
    expect(one!.cause).toBeInstanceOf(RangeError);
    for (const aggregate of [cause, (one!.cause as Error).cause] as AggregateError[]) {
      expect(aggregate).toBeInstanceOf(AggregateError);
      expect(aggregate.cause).toBeInstanceOf(URIError);
      const [first, second] = aggregate.errors as [Error, Error & { rows: number }];
      expect(first).toBeInstanceOf(TypeError);
      // A class of the program: the nearest that there is.
      expect(Object.getPrototypeOf(second)).toBe(RangeError.prototype);
      expect([second.name, second.message, second.rows]).toEqual(['OutOfData', 'second', 12]);
    }
  }
});

test('those of a study too', () => {
  const study = new Study({ ...STUDY, storagePath, name: 'study' });
  study.fail(study.ask(), new RangeError('too far'));
  study.close();
  const [error] = loadResults(join(storagePath, 'study')).errors;
  expect(error).toBeInstanceOf(RangeError);
});

const STUDY = { space: { x: uniform(0, 1) }, metric: 'loss', mode: 'min' } as const;
