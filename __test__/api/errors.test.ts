import {
  EaglerayError,
  GetTimeoutError,
  InvalidArgumentError,
  SerializationError,
  TaskError,
  get,
  getSync,
  init,
  put,
  remote,
  shutdown,
  type ObjectRef,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { rejection, thrown } from './rejection.ts';

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
});

class PaymentError extends Error {
  readonly amount: number;

  constructor(message: string, amount: number) {
    super(message);
    this.name = 'PaymentError';
    this.amount = amount;
  }

  describe(): string {
    return `${this.message}: ${this.amount}`;
  }
}

describe('an error that a task throws', () => {
  test('is the cause of a TaskError', async () => {
    const fail = remote(function failing() {
      throw new RangeError('out of range');
    });
    const error = await rejection<TaskError>(get(fail.remote()));
    expect(error).toBeInstanceOf(TaskError);
    expect(error).toBeInstanceOf(EaglerayError);
    expect(error.name).toBe('TaskError');
    expect(error.code).toBe('ERR_EAGLERAY_TASK');
    expect(error.taskName).toBe('failing');
    expect(error.pid).toBeGreaterThan(0);
    expect(error.pid).not.toBe(process.pid);
    expect(error.message).toContain('out of range');
    expect(error.cause).toBeInstanceOf(RangeError);
    expect((error.cause as Error).message).toBe('out of range');
  });

  test("has the user's file and line in its stack", async () => {
    const fail = remote(function failing() {
      throw new Error('here');
    });
    const error = await rejection<TaskError>(get(fail.remote()));
    const line = new Error('for its line').stack!.match(/errors\.test\.ts:(\d+)/)![1]!;
    const remoteLine = /errors\.test\.ts:(\d+)/.exec((error.cause as Error).stack!)![1]!;
    expect(Number(line) - Number(remoteLine)).toBe(3);
    expect(error.stack).toContain(`errors.test.ts:${remoteLine}`);
  });

  test('keeps its class, its own properties and its methods', async () => {
    const fail = remote(() => {
      throw new PaymentError('declined', 12);
    });
    const { cause } = await rejection<TaskError>(get(fail.remote()));
    expect(cause).toBeInstanceOf(PaymentError);
    expect((cause as PaymentError).amount).toBe(12);
    expect((cause as PaymentError).describe()).toBe('declined: 12');
  });

  test('arrives also if its class or a property can not be stored, as it does from put', async () => {
    class PrivateError extends RangeError {
      readonly #secret = 1;
      override name = 'PrivateError';
      readonly peers = new WeakMap();

      secret(): number {
        return this.#secret;
      }
    }
    const make = () => new PrivateError('private');
    const fail = remote(() => {
      throw make();
    });
    const { cause } = await rejection<TaskError>(get(fail.remote()));
    for (const error of [cause, await get(put(make()))]) {
      expect(error).toBeInstanceOf(RangeError);
      expect(error).toMatchObject({
        name: 'PrivateError',
        message: 'private',
        stack: expect.stringContaining('errors.test.ts') as unknown,
        peers: expect.stringMatching(/^not stored: weak collections.*WeakMap$/) as unknown,
      });
    }
  });

  test('that is no error and can not be stored is explained by a SerializationError', async () => {
    const fail = remote(() => {
      throw new WeakMap() as unknown as Error;
    });
    const { cause } = await rejection<TaskError>(get(fail.remote()));
    expect(cause).toBeInstanceOf(SerializationError);
  });

  test('keeps its code and its cause', async () => {
    const fail = remote(() => {
      throw Object.assign(new TypeError('outer', { cause: new RangeError('inner') }), {
        code: 'E_MINE',
      });
    });
    const { cause } = await rejection<TaskError>(get(fail.remote()));
    expect(cause).toBeInstanceOf(TypeError);
    expect((cause as Error & { code: string }).code).toBe('E_MINE');
    expect((cause as Error).cause).toBeInstanceOf(RangeError);
    expect(((cause as Error).cause as Error).message).toBe('inner');
  });

  test('of the system keeps errno, syscall and path', async () => {
    const fail = remote(async () => {
      const { readFile } = await import('node:fs/promises');
      await readFile('/does/not/exist');
    });
    const { cause } = await rejection<TaskError>(get(fail.remote()));
    expect(cause).toMatchObject({ code: 'ENOENT', syscall: 'open', path: '/does/not/exist' });
  });

  test('may be an AggregateError', async () => {
    const fail = remote(() => {
      throw new AggregateError([new RangeError('a'), new TypeError('b')], 'both');
    });
    const cause = (await rejection<TaskError>(get(fail.remote()))).cause as AggregateError;
    expect(cause).toBeInstanceOf(AggregateError);
    expect(cause.message).toBe('both');
    expect(cause.errors.map((each: Error) => each.constructor)).toEqual([RangeError, TypeError]);
  });

  test.each([['a text'], [7], [null], [undefined], [{ reason: 'an object' }]])(
    'may be no error at all: %o',
    async (value) => {
      const fail = remote((x: unknown) => {
        throw x;
      });
      const error = await rejection<TaskError>(get(fail.remote(value)));
      expect(error).toBeInstanceOf(TaskError);
      expect(error.cause).toEqual(value);
    },
  );

  test('that can not be stored is described', async () => {
    const fail = remote(() => {
      throw Object.assign(new Error('with a map'), { map: new WeakMap() });
    });
    const error = await rejection<TaskError>(get(fail.remote()));
    expect(error).toBeInstanceOf(TaskError);
    expect(error.message).toContain('with a map');
  });

  test('may be a rejected promise', async () => {
    const fail = remote(() => Promise.reject(new RangeError('later')));
    expect((await rejection<TaskError>(get(fail.remote()))).cause).toBeInstanceOf(RangeError);
  });

  test('is the same one each time that the ref is asked', async () => {
    const ref = remote(() => {
      throw new Error('no');
    }).remote();
    const first = await rejection(get(ref));
    expect(await rejection(get(ref))).toBe(first);
    expect(await rejection(get([put(1), ref]))).toBe(first);
    expect(thrown(() => getSync(ref))).toBe(first);
    expect(thrown(() => getSync([ref]))).toBe(first);
  });

  test('is the same one when getSync asked first', async () => {
    const ref = remote(() => {
      throw new Error('no');
    }).remote();
    const first = thrown(() => getSync(ref));
    expect(await rejection(get(ref))).toBe(first);
  });
});

describe('an error that travels', () => {
  test('through nested tasks stays one TaskError with the original as cause', async () => {
    const outer = remote(async function outer() {
      const inner = remote(function inner() {
        throw new PaymentError('declined', 3);
      });
      await get(inner.remote());
    });
    const error = await rejection<TaskError>(get(outer.remote()));
    expect(error).toBeInstanceOf(TaskError);
    expect(error.cause).toBeInstanceOf(PaymentError);
    expect(error.stack).toContain('inner');
    expect(error.stack).toContain('outer');
  });

  test('as an argument stays one TaskError with the original as cause', async () => {
    const fail = remote(function first() {
      throw new RangeError('no');
    });
    const next = remote(function second(x: unknown) {
      return x;
    });
    const error = await rejection<TaskError>(
      get(next.remote(next.remote(fail.remote() as ObjectRef<unknown>))),
    );
    expect(error).toBeInstanceOf(TaskError);
    expect(error.cause).toBeInstanceOf(RangeError);
  });

  test('may be caught by a task', async () => {
    const outer = remote(async () => {
      const inner = remote(() => {
        throw new RangeError('no');
      });
      try {
        await get(inner.remote());
        return 'nothing';
      } catch (error) {
        return ((error as Error).cause as Error).message;
      }
    });
    expect(await get(outer.remote())).toBe('no');
  });
});

describe('get of several refs', () => {
  test('rejects with the failure, and the others are not lost', async () => {
    const good = put('good');
    const bad = remote(() => {
      throw new RangeError('no');
    }).remote();
    expect(
      (await rejection<TaskError>(get([good, bad as ObjectRef<unknown>]))).cause,
    ).toBeInstanceOf(RangeError);
    expect(await get(good)).toBe('good');
  });

  test('rejects as soon as one fails, wherever it stands', async () => {
    const never = remote(() => new Promise<never>(() => undefined));
    const bad = remote(() => {
      throw new RangeError('no');
    });
    const hanging = never.remote();
    const error = await rejection<TaskError>(get([hanging as ObjectRef<unknown>, bad.remote()]));
    expect(error.cause).toBeInstanceOf(RangeError);
    const { cancel } = await import('eagleray');
    cancel(hanging, { force: true });
  });
});

describe('errors as values', () => {
  test('put and get keep an error with its class', async () => {
    const value = await get(put(new PaymentError('kept', 5)));
    expect(value).toBeInstanceOf(PaymentError);
    expect(value.amount).toBe(5);
  });

  test('a task may return an error', async () => {
    const value = await get(remote(() => new RangeError('just a value')).remote());
    expect(value).toBeInstanceOf(RangeError);
  });
});

describe('InvalidArgumentError', () => {
  test('names the argument, its value and what is allowed', () => {
    const error = thrown<InvalidArgumentError>(() =>
      remote(() => 1, { numCpus: 'two' as unknown as number }),
    );
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.code).toBe('ERR_EAGLERAY_INVALID_ARGUMENT');
    expect(error.argument).toContain('numCpus');
    expect(error.message).toContain('two');
    expect(error.allowed).not.toBeNull();
  });

  test('rejects where a promise is returned', async () => {
    const wrong = get(7 as unknown as ObjectRef<unknown>);
    expect(await rejection(wrong)).toBeInstanceOf(InvalidArgumentError);
  });
});

test('GetTimeoutError tells the time', async () => {
  const hanging = remote(() => new Promise<never>(() => undefined)).remote();
  const error = await rejection<GetTimeoutError>(get(hanging, { timeoutMs: 5 }));
  expect(error).toBeInstanceOf(GetTimeoutError);
  expect(error.code).toBe('ERR_EAGLERAY_GET_TIMEOUT');
  expect(error.timeoutMs).toBe(5);
  expect(error.missing).toBe(1);
});
