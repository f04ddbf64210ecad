/** Errors as data and back: what comes of a journal is what a trial has thrown, of its class, with what is in it. */

import { expect, test } from 'vitest';

import * as sdk from '../../bindings/typescript/src/index.ts';
import * as tuning from '../../bindings/typescript/src/tune/errors.ts';
import { errorOf, recordOf } from '../../bindings/typescript/src/tune/experiment/error-record.ts';
import { readJson, writeJson } from '../../bindings/typescript/src/tune/journal/python-json.ts';

/** As it is after a journal was written and read. */
const again = (error: Error): Error =>
  errorOf(readJson(writeJson(recordOf(error))) as ReturnType<typeof recordOf>);

const partsOf = (error: Error): object => ({
  prototype: Object.getPrototypeOf(error) as unknown,
  name: error.name,
  message: error.message,
  stack: error.stack,
  properties: Object.fromEntries(
    Object.entries(Object.getOwnPropertyDescriptors(error))
      .filter(([key]) => key !== 'stack' && key !== 'cause' && key !== 'errors')
      .map(([key, { enumerable, value }]) => [key, { enumerable, value: value as unknown }]),
  ),
});

const BUILT_IN: readonly Error[] = [
  new Error('plain'),
  new EvalError('eval'),
  new RangeError('range'),
  new ReferenceError('reference'),
  new SyntaxError('syntax'),
  new TypeError('type'),
  new URIError('uri'),
  new AggregateError([], 'none'),
];

const OWN: readonly Error[] = [
  new tuning.TrialFailedError('it failed', { trialId: '00001', config: { x: [1, NaN] } }),
  new tuning.TrialTimeoutError('', { timeoutMs: 5 }),
  new tuning.TrialStoppedError('', { reason: 'scheduler' }),
  new tuning.MetricError('no loss', { metric: 'loss', reported: ['accuracy'] }),
  new tuning.NoResultError('none'),
  new tuning.SearchExhaustedError('nothing', { waiting: true }),
  new tuning.SpaceError('no config'),
  new tuning.ExperimentExistsError('there', { path: '/a' }),
  new tuning.ExperimentLockedError('locked', { path: '/a' }),
  new tuning.JournalError('odd', { path: '/a', line: 3 }),
  new tuning.StorageError('full', { path: '/a' }),
  new sdk.TaskError('', { taskName: 'train', pid: 7 }),
  new sdk.WorkerCrashedError('', { signal: 'SIGKILL', stderrTail: ['one', 'two'], pid: 7 }),
  new sdk.ActorDiedError('', { actorId: 'a', reason: 'killed' }),
  new sdk.OutOfMemoryError('', { pid: 7 }),
  new sdk.InfeasibleResourcesError('', { asked: { GPU: 2 }, total: { CPU: 2 } }),
  new sdk.SerializationError('no', { path: ['checkpoint', 'key "a"'] }),
  new sdk.InvalidArgumentError('', { argument: 'x', value: 1, allowed: '2' }),
];

test.each([...BUILT_IN, ...OWN].map((error) => [error.name, error] as const))(
  'an instance of %s comes back as one, with all that it has',
  (_name, error) => {
    const back = again(error);
    expect(back).toBeInstanceOf(error.constructor);
    expect(partsOf(back)).toEqual(partsOf(error));
    expect(Object.prototype.toString.call(back)).toBe('[object Error]');
  },
);

test('every class of errors that users can import comes back', () => {
  const classes = [...Object.values(sdk), ...Object.values(tuning)].filter(
    (each: unknown): each is typeof Error =>
      typeof each === 'function' && (each as typeof Error).prototype instanceof Error,
  );
  expect(classes.length).toBeGreaterThan(25);
  for (const { prototype } of classes) {
    const error = Object.setPrototypeOf(new Error('any'), prototype) as Error;
    expect(Object.getPrototypeOf(again(error))).toBe(prototype);
  }
});

test('causes and the errors of an AggregateError come back, however deep', () => {
  const deepest = new RangeError('deepest', { cause: { code: 7, list: [1, 'two', null] } });
  const middle = new AggregateError([new TypeError('first'), 'second', deepest], 'some', {
    cause: new URIError('middle', { cause: 'a text' }),
  });
  const back = again(new sdk.TaskError('', { taskName: 'train' }, { cause: middle }));
  const aggregate = back.cause as AggregateError;
  expect(aggregate).toBeInstanceOf(AggregateError);
  expect(aggregate.cause).toBeInstanceOf(URIError);
  expect((aggregate.cause as Error).cause).toBe('a text');
  const [first, second, third] = aggregate.errors as [TypeError, string, RangeError];
  expect(first).toBeInstanceOf(TypeError);
  expect(first.message).toBe('first');
  expect(second).toBe('second');
  expect(third).toBeInstanceOf(RangeError);
  expect(third.stack).toBe(deepest.stack);
  expect(third.cause).toEqual({ code: 7, list: [1, 'two', null] });
  expect(Object.keys(aggregate)).toEqual([]);
  expect('cause' in again(new Error('without'))).toBe(false);
});

test('what fetch and timers throw comes back as a DOMException', () => {
  const back = again(new DOMException('too late', 'TimeoutError')) as DOMException;
  expect(back).toBeInstanceOf(DOMException);
  expect([back.name, back.message, back.code]).toEqual(['TimeoutError', 'too late', 23]);
});

test('a class of the program comes back as the nearest one that is known, with its name and fields', () => {
  class OutOfData extends RangeError {
    override readonly name = 'OutOfData';
    readonly code = 'E_DATA';
    readonly rows = 12;
    readonly size = 10n;
    readonly at = new Date(0);
    readonly read = (): void => undefined;
  }
  class Failed extends Error {}
  const back = again(new OutOfData('no rows')) as OutOfData;
  expect(Object.getPrototypeOf(back)).toBe(RangeError.prototype);
  expect([back.name, back.code, back.rows]).toEqual(['OutOfData', 'E_DATA', 12]);
  expect({ ...back }).toEqual({
    code: 'E_DATA',
    rows: 12,
    size: '10n',
    at: '1970-01-01T00:00:00.000Z',
  });
  expect(Object.getPrototypeOf(again(new Failed('no')))).toBe(Error.prototype);
  // Its name is that of a class which it has nothing to do with.
  const misnamed = Object.assign(new Error('no'), { name: 'MetricError' });
  expect(again(misnamed)).not.toBeInstanceOf(tuning.MetricError);
  expect(again(misnamed).name).toBe('MetricError');
  // A system's error keeps what says where it came from.
  const system = Object.assign(new Error('ENOENT'), { code: 'ENOENT', errno: -2, path: '/a' });
  expect({ ...again(system) }).toEqual({ code: 'ENOENT', errno: -2, path: '/a' });
});

test('records of earlier versions, which have no details, are of the class that they name', () => {
  const record = { name: 'TypeError', message: 'no', code: null, stack: 'TypeError: no' };
  expect(errorOf(record)).toBeInstanceOf(TypeError);
  expect(Object.getPrototypeOf(errorOf({ ...record, name: 'Mine' }))).toBe(Error.prototype);
});

test('no error is too odd for a record', () => {
  const odd = new Error('odd');
  Object.defineProperty(odd, 'name', {
    get: () => {
      throw new Error('no name');
    },
  });
  odd.cause = odd;
  expect(again(odd).message).toBe('odd');
  expect(String(again(odd).cause)).toContain('odd');

  const large = Object.assign(new Error('large'), { body: 'x'.repeat(1_000_000), status: 500 });
  expect({ ...again(large) }).toEqual({ status: 500 });

  let chain = new Error('0');
  for (let index = 1; index < 1000; index++) chain = new Error(String(index), { cause: chain });
  expect(writeJson(recordOf(chain)).length).toBeLessThan(1_000_000);
  expect(again(chain).message).toBe('999');

  const looped: Record<string, unknown> = {};
  looped['self'] = looped;
  expect(again(Object.assign(new Error('looped'), { looped })).message).toBe('looped');
});
