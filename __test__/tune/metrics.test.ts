/** What can be reported, and what is refused, however it is reported. */

import { availableResources, init, shutdown } from 'eagleray';
import { Trainable, Tuner, uniform } from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { METRICS_DEPTH_MAX, checkMetrics } from '../../bindings/typescript/src/tune/metrics.ts';
import { SPACE_DEPTH_MAX } from '../../bindings/typescript/src/tune/space/space.ts';

/** Objects and arrays in turn, so many within each other. */
function nested(depth: number, innermost: unknown): Record<string, unknown> {
  let value = innermost;
  for (let at = depth; at > 1; at--) value = at % 2 === 0 ? [value] : { o: value };
  return { o: value };
}

const refused = (argument: unknown): Error =>
  expect.objectContaining({ name: 'InvalidArgumentError', argument }) as Error;

describe('metrics', () => {
  test('with holes are refused, as undefined elements are', () => {
    // eslint-disable-next-line no-sparse-arrays
    expect(() => checkMetrics({ a: [, 1] }, 'report()')).toThrow(refused('a[0]'));
    expect(() => checkMetrics({ a: [1, undefined] }, 'report()')).toThrow(refused('a[1]'));
  });

  test('by symbols are refused, at any depth', () => {
    const named = { loss: 1, [Symbol('k')]: 1 };
    expect(() => checkMetrics(named, 'report()')).toThrow(refused('Symbol(k)'));
    expect(() => checkMetrics({ eval: named }, 'report()')).toThrow(refused('eval.Symbol(k)'));
    const hidden = Object.defineProperty({ loss: 1 }, Symbol('k'), { value: 1 });
    expect(checkMetrics(hidden, 'report()')).toEqual({ loss: 1 });
  });

  test('may be so deep, and no deeper', () => {
    const deepest = nested(METRICS_DEPTH_MAX, 1);
    expect(checkMetrics(deepest, 'report()')).toEqual(deepest);
    const invalid = expect.objectContaining({
      name: 'InvalidArgumentError',
      allowed: `${METRICS_DEPTH_MAX} objects and arrays within each other`,
    }) as Error;
    for (const depth of [METRICS_DEPTH_MAX + 1, 50_000]) {
      expect(() => checkMetrics(nested(depth, 1), 'report()')).toThrow(invalid);
    }
  });
});

test('a space may be so deep, and no deeper', () => {
  const make = (depth: number) => () =>
    new Tuner(() => ({ loss: 1 }), { space: nested(depth, uniform(0, 1)) });
  expect(make(SPACE_DEPTH_MAX)).not.toThrow();
  for (const depth of [SPACE_DEPTH_MAX + 1, 20_000]) {
    expect(make(depth)).toThrow(`${SPACE_DEPTH_MAX} objects and arrays within each other`);
  }
});

describe('what a trainable gives', () => {
  beforeAll(async () => {
    await init({ numCpus: 2 });
  });

  afterEach(async () => {
    await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
  });

  afterAll(async () => {
    await shutdown();
  });

  class DoneFive extends Trainable {
    step() {
      return { done: 5 as unknown as boolean, loss: 1 };
    }
  }

  const wrong: Record<string, never> = {
    'a step that is done: 5': DoneFive as never,
    'a pair of three': function* () {
      yield [{ loss: 1 }, { checkpoint: 1 }, 1];
    } as never,
    'a pair of none': function* () {
      yield [];
    } as never,
    holes: (() => ({ loss: 1, a: new Array<number>(2) })) as never,
  };

  test.each(Object.entries(wrong))('%s is an error that is final at once', async (_what, train) => {
    const results = await new Tuner(train, {
      storagePath: null,
      reporter: 'silent',
      maxFailures: 3,
      stop: { trainingIteration: 3 },
    }).fit();
    const { status, failures, error } = results.at(0)!;
    expect({ status, failures }).toEqual({ status: 'ERROR', failures: 0 });
    expect(error!.cause).toMatchObject({ name: 'InvalidArgumentError' });
  });
});
