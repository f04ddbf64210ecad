/** Errors as they arrive: with all that they have, and whatever of it can be had where they arrive. */

import { request } from 'node:http';

import {
  ActorDiedError,
  SerializationError,
  type TaskError,
  get,
  getSync,
  init,
  put,
  remote,
  shutdown,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { DriverError, Plain } from './programs/driver-only.mjs';
import { rejection, thrown } from './rejection.ts';

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
});

/** Hides its details, as many packages do. */
class ValidationError extends Error {
  declare readonly issues: readonly { readonly path: readonly string[] }[];

  constructor(issues: ValidationError['issues']) {
    super('not valid');
    Object.defineProperty(this, 'issues', { value: issues, enumerable: false });
    Object.defineProperty(this, Symbol.for('kind'), { value: 'validation' });
  }

  get first(): string {
    return this.issues[0]!.path.join('.');
  }
}

function checkValidation(error: unknown): void {
  expect(error).toBeInstanceOf(ValidationError);
  const { first, issues, message } = error as ValidationError;
  expect({ first, issues, message }).toEqual({
    first: 'user.age',
    issues: [{ path: ['user', 'age'] }],
    message: 'not valid',
  });
  expect(Object.keys(error as object)).toEqual([]);
  expect((error as Record<symbol, unknown>)[Symbol.for('kind')]).toBe('validation');
}

const makeValidation = (): ValidationError => new ValidationError([{ path: ['user', 'age'] }]);

describe('hidden properties arrive', () => {
  test('of what a task throws, also on its way through a second task', async () => {
    const fail = remote(() => {
      throw makeValidation();
    });
    const pass = remote(async (refs: unknown[]) => get(refs[0] as never));
    const failed = fail.remote();
    checkValidation((await rejection<TaskError>(get(failed))).cause);
    checkValidation((await rejection<TaskError>(get(pass.remote([failed])))).cause);
  });

  test('of a value, an argument, a result and a cause', async () => {
    const same = remote((value: unknown) => value);
    checkValidation(await get(put(makeValidation())));
    checkValidation(await get(same.remote(makeValidation())));
    const outer = new Error('outer', { cause: new AggregateError([makeValidation()]) });
    const { cause } = (await get(same.remote(outer))) as { cause: AggregateError };
    checkValidation(cause.errors[0]);
  });

  test('of an error that is larger than a message', async () => {
    const fail = remote((length: number) => {
      const error = new RangeError('large');
      Object.defineProperty(error, 'samples', { value: new Float64Array(length).fill(3) });
      throw error;
    });
    const { cause } = await rejection<TaskError>(get(fail.remote(1e6)));
    const { samples } = cause as unknown as { samples: Float64Array };
    expect([samples.length, samples[999_999]]).toEqual([1e6, 3]);
  });

  test('of the error with which an actor could not start', async () => {
    class Broken {
      constructor() {
        throw makeValidation();
      }
      method(): number {
        return 1;
      }
    }
    const error = await rejection<ActorDiedError>(get(remote(Broken).remote().method.remote()));
    expect(error).toBeInstanceOf(ActorDiedError);
    checkValidation(error.cause);
  });
});

test('a request that fails keeps what it was and what came back', async () => {
  const fail = remote(async () => {
    const { once } = (await import('node:events')).default;
    const { createServer } = await import('node:http');
    const server = createServer((_asked, answer) => {
      answer.writeHead(503, { 'retry-after': '7' }).end('busy');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const asked = request({ port, method: 'POST', path: '/orders' });
    asked.end('{}');
    const [response] = (await once(asked, 'response')) as [NodeJS.ReadableStream];
    response.resume();
    server.close();
    const config = { url: '/orders', retry: () => true, agent: server };
    throw Object.assign(new Error('status 503'), { request: asked, response, config });
  });
  const { cause } = await rejection<TaskError>(get(fail.remote()));
  expect(cause).toMatchObject({
    message: 'status 503',
    request: { method: 'POST', path: '/orders' },
    response: { statusCode: 503, headers: { 'retry-after': '7' } },
    config: { url: '/orders', agent: expect.stringMatching(/^not stored: /) as unknown },
  });
  expect((cause as unknown as { config: { retry(): boolean } }).config.retry()).toBe(true);
});

/** What `worker-only.mjs` exports. */
interface WorkerOnly {
  readonly WorkerError: typeof Error;
  readonly Reply: new () => object;
  describe(): string;
}

/** As errors of `zod` are: what tells their class is in an object that inherits from one without a class. */
const InsideBase = Object.defineProperty({}, 'late', { get: () => 1 }) as object;

class Traced extends Error {
  declare readonly inside: { traits: Set<string> };

  constructor(message: string) {
    super(message);
    const inside = Object.assign(Object.create(InsideBase) as object, {
      traits: new Set(['Traced']),
    });
    Object.defineProperty(this, 'inside', { value: inside, enumerable: false });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return (value as Partial<Traced> | undefined)?.inside?.traits?.has('Traced') === true;
  }
}

test('what an error has inside of it, and that is of no class, is kept as data', async () => {
  const error = new Traced('not valid');
  expect(await get(put(error))).toBeInstanceOf(Traced);
  const fail = remote(() => {
    throw new Traced('not valid');
  });
  const { cause } = (await rejection(get(fail.remote()))) as TaskError;
  expect(cause).toBeInstanceOf(Traced);
  const tell = remote((given: unknown) => given instanceof Traced);
  expect(await get(tell.remote(error))).toBe(true);
});

describe('an error whose class can not be loaded arrives without it', () => {
  const moduleUrl = new URL('programs/worker-only.mjs', import.meta.url).href;
  const fail = remote(async (url: string) => {
    const { Reply, WorkerError, describe } = (await import(url)) as WorkerOnly;
    throw Object.assign(new WorkerError('busy'), {
      reply: new Reply(),
      describe,
      nested: [new WorkerError('nested')],
    });
  });

  test('in the driver', async () => {
    const { cause } = await rejection<TaskError>(get(fail.remote(moduleUrl)));
    expect(Object.getPrototypeOf(cause)).toBe(RangeError.prototype);
    expect(cause).toMatchObject({
      name: 'WorkerError',
      message: 'busy',
      status: 503,
      reply: { text: 'busy' },
      describe: expect.stringMatching(/^not stored: .*this module is for workers/) as unknown,
      nested: [{ name: 'WorkerError', message: 'nested' }],
    });
  });

  test('while anything else of such a class is an error that says why', async () => {
    const result = remote(async (url: string) => {
      const { Reply } = (await import(url)) as WorkerOnly;
      return [new Reply()];
    });
    const error = await rejection<Error>(get(result.remote(moduleUrl)));
    expect(error).toBeInstanceOf(SerializationError);
    expect(error.message).toContain('this module is for workers');
  });

  test('in a worker, as an argument', async () => {
    const look = remote((errors: [DriverError, Error]) => [
      errors[0] instanceof TypeError,
      errors[0].name,
      errors[0].status,
      (errors[1].cause as Error).name,
    ]);
    const errors: [DriverError, Error] = [
      new DriverError('odd'),
      new Error('outer', { cause: new DriverError('inner') }),
    ];
    expect(await get(look.remote(errors))).toEqual([true, 'DriverError', 400, 'DriverError']);
    const error = await rejection<TaskError>(get(look.remote([new Plain()] as never)));
    expect(error.message).toContain('this module is for the driver');
  });
});

describe('an error whose module is not loaded yet', () => {
  const moduleUrl = new URL('programs/loads-anywhere.mjs', import.meta.url).href;
  const fail = remote(async (url: string) => {
    const { AnywhereError } = (await import(url)) as { AnywhereError: typeof Error };
    throw new AnywhereError('lost');
  });

  test('is thrown by getSync without its class', () => {
    const error = thrown<TaskError>(() => getSync(fail.remote(moduleUrl)));
    expect(error.cause).toMatchObject({
      name: 'AnywhereError',
      message: 'lost',
      hint: 'look here',
    });
  });

  test('is the cause of a dead actor, with its class', async () => {
    const { Fails } = await import('./programs/loads-anywhere.mjs');
    const { cause } = await rejection<ActorDiedError>(get(remote(Fails).remote().method.remote()));
    expect((cause as unknown as { told(): string }).told()).toBe('no luck: look here');
  });

  test('has its class where get can wait for it', async () => {
    const { cause } = await rejection<TaskError>(get(fail.remote(moduleUrl)));
    expect((cause as unknown as { told(): string }).told()).toBe('lost: look here');
  });
});

describe('whatever is thrown arrives', () => {
  test.each<[string, () => unknown, RegExp]>([
    ['a frozen error', () => Object.freeze(new RangeError('frozen')), /frozen/],
    ['a proxy of an error', () => new Proxy(new RangeError('behind'), {}), /behind/],
    [
      'a proxy whose traps throw',
      () =>
        new Proxy(new RangeError('behind'), {
          get() {
            throw new Error('trapped');
          },
          ownKeys() {
            throw new Error('trapped');
          },
        }),
      /trapped|can not be read/,
    ],
    [
      'an error whose message can not be read',
      () =>
        Object.defineProperty(new Error(), 'message', {
          get() {
            throw new TypeError('no message');
          },
        }),
      /can not be read/,
    ],
    [
      'an error that is its own cause',
      () => {
        const error: Error = new Error('around');
        error.cause = { error };
        return error;
      },
      /around/,
    ],
    [
      'an error with a socket',
      () => Object.assign(new Error('socket'), { agents: [Promise.resolve()] }),
      /socket/,
    ],
  ])('%s', async (_name, make, message) => {
    const fail = remote((given: () => unknown) => {
      throw given() as Error;
    });
    const error = await rejection<TaskError>(get(fail.remote(make)));
    expect(error.message).toMatch(message);
    expect(error.cause).toBeInstanceOf(Error);
  });
});
