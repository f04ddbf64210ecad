/** Errors: their names and codes, their way across processes, and what a user reads in them. */
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import * as errors from '../../bindings/typescript/src/errors.ts';
import {
  ActorDiedError,
  EaglerayError,
  errorOfTask,
  fromWire,
  InfeasibleResourcesError,
  InvalidArgumentError,
  ObjectStoreFullError,
  SerializationError,
  systemError,
  TaskCancelledError,
  TaskError,
  toWire,
  WorkerCrashedError,
} from '../../bindings/typescript/src/errors.ts';
import { hideOwnFrames, userStack } from '../../bindings/typescript/src/error-stack.ts';

/** One of each class, by class name, with all its details. */
const examples: Record<string, EaglerayError> = {
  TaskError: new TaskError('', { taskName: 'train', pid: 7 }, { cause: new TypeError('bad') }),
  WorkerCrashedError: new WorkerCrashedError('', {
    signal: 'SIGSEGV',
    exitCode: null,
    stderrTail: ['one', 'two'],
    pid: 7,
    taskName: 'train',
  }),
  ActorDiedError: new ActorDiedError(
    '',
    { actorId: 'a1', className: 'Counter', pid: 7, exitCode: 3, stderrTail: ['bye'] },
    { cause: new RangeError('in the constructor') },
  ),
  ActorUnavailableError: new errors.ActorUnavailableError('', { actorId: 'a1' }),
  TaskCancelledError: new TaskCancelledError('', { taskName: 'train', taskId: 't1' }),
  GetTimeoutError: new errors.GetTimeoutError('', { timeoutMs: 50, missing: 2 }),
  ObjectLostError: new errors.ObjectLostError('', { objectId: 'o1' }),
  OwnerDiedError: new errors.OwnerDiedError('', { objectId: 'o1' }),
  ObjectStoreFullError: new ObjectStoreFullError('', { requested: 150, free: 20, total: 200 }),
  OutOfMemoryError: new errors.OutOfMemoryError('', { pid: 7, taskName: 'train', stderrTail: [] }),
  SerializationError: new SerializationError('', { path: ['square', 'variable "db"', 'Socket'] }),
  InfeasibleResourcesError: new InfeasibleResourcesError('', {
    asked: { GPU: 8 },
    total: { CPU: 4, GPU: 0 },
  }),
  AlreadyInitializedError: new errors.AlreadyInitializedError(),
  NotInitializedError: new errors.NotInitializedError(),
  NotSupportedError: new errors.NotSupportedError('', { feature: 'address', since: '0.4.0' }),
  InvalidArgumentError: new InvalidArgumentError('', {
    argument: 'numCpus',
    value: -1,
    allowed: 'a number from 0 up',
  }),
  ActorNotFoundError: new errors.ActorNotFoundError('', { name: 'a', namespace: 'b' }),
  PendingCallsLimitExceededError: new errors.PendingCallsLimitExceededError('', {
    actorId: 'a1',
    limit: 2,
  }),
};

/** Own enumerable properties, which is what users see of an error beside its stack. */
function fieldsOf(error: Error): Record<string, unknown> {
  return Object.fromEntries(Object.entries(error));
}

test('there is an example of every exported error class', () => {
  const classes = Object.entries(errors)
    .filter(([name]) => name.endsWith('Error') && name !== 'EaglerayError')
    .filter(([, value]) => typeof value === 'function' && value.prototype instanceof EaglerayError)
    .map(([name]) => name);
  expect(classes.toSorted()).toEqual(Object.keys(examples).toSorted());
  expect(classes).toHaveLength(18);
});

describe.each(Object.entries(examples))('%s', (name, error) => {
  test('has its name, its code and a message without gaps', () => {
    expect(error).toBeInstanceOf(EaglerayError);
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe(name);
    expect(Object.keys(error)).not.toContain('name');
    const words = name.replace(/Error$/, '').replaceAll(/(?<=[a-z])(?=[A-Z])/g, '_');
    expect(error.code).toBe(`ERR_EAGLERAY_${words.toUpperCase()}`);
    for (const { message } of [error, systemError(name, '')]) {
      expect(message).not.toBe('');
      expect(message).not.toMatch(/null|NaN|[^\n ] {2}|\s$/);
    }
    expect(error.stack!.startsWith(`${name}: ${error.message}`)).toBe(true);
    expect(inspect(error)).toContain(error.code);
  });

  test('is the same after crossing processes as JSON', () => {
    const wire = JSON.parse(JSON.stringify(toWire(error)));
    const arrived = fromWire(wire, 'cause' in error ? { cause: error.cause } : undefined);
    expect(arrived.constructor).toBe(error.constructor);
    expect(arrived.name).toBe(error.name);
    expect(arrived.message).toBe(error.message);
    expect(arrived.stack).toBe(error.stack);
    expect(fieldsOf(arrived)).toEqual(fieldsOf(error));
    expect('cause' in arrived).toBe('cause' in error);
    expect(arrived.cause).toBe(error.cause);
    // And once more, because errors travel through several processes.
    expect(toWire(arrived)).toEqual(wire);
  });

  test('is made from what the native core reports, however it spells the kind', () => {
    const dashed = name
      .replace(/Error$/, '')
      .replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-')
      .toLowerCase();
    for (const kind of [name, name.replace(/Error$/, ''), error.code, dashed]) {
      const made = systemError(kind, 'words of the core', {});
      expect(made.constructor).toBe(error.constructor);
      expect(made.message).toBe('words of the core');
      expect(made.code).toBe(error.code);
    }
  });
});

describe('systemError', () => {
  test('takes null for "none" and one text for the last lines', () => {
    const error = systemError('WorkerCrashed', '', {
      signal: null,
      exitCode: 3,
      pid: 7,
      taskName: null,
      stderrTail: 'first\nsecond\n',
    }) as WorkerCrashedError;
    expect(error.stderrTail).toEqual(['first', 'second']);
    expect(error.signal).toBeNull();
    expect(error.exitCode).toBe(3);
    expect(error.message).toBe(
      'the worker (pid 7) exited with code 3\nIts last lines on stderr:\n    first\n    second',
    );
  });

  test('an unknown kind is an internal error that names it', () => {
    const error = systemError('Weird', 'what happened');
    expect(error.constructor).toBe(EaglerayError);
    expect(error.code).toBe('ERR_EAGLERAY_INTERNAL');
    expect(error.message).toBe('Weird: what happened');
    expect(fromWire(toWire(error)).code).toBe('ERR_EAGLERAY_INTERNAL');
    expect(systemError('internal', 'a defect').message).toBe('a defect');
  });

  test('words that are names of built-in properties are unknown kinds', () => {
    for (const kind of ['constructor', '__proto__', 'toString', '']) {
      expect(systemError(kind, 'x').code).toBe('ERR_EAGLERAY_INTERNAL');
    }
  });
});

test('damaged fields arrive as they are, and fail nothing', () => {
  for (const [name, error] of Object.entries(examples)) {
    const wire = toWire(error);
    const damaged = Object.fromEntries(Object.keys(wire.fields).map((field) => [field, 5]));
    expect(fromWire({ ...wire, fields: damaged }).name).toBe(name);
    expect(fromWire({ ...wire, fields: {} }).message).toBe(error.message);
  }
});

test('the remote stack arrives, and stays hidden from enumeration', () => {
  const error = examples['TaskError'] as TaskError;
  const arrived = fromWire(toWire(error)) as TaskError;
  expect(arrived.remoteStack).toBe(error.remoteStack);
  expect(arrived.remoteStack).toMatch(/^TypeError: bad\n/);
  expect(Object.keys(arrived)).not.toContain('remoteStack');
});

test('fromWire takes no fields that the class does not have', () => {
  const wire = toWire(new errors.ObjectLostError('', { objectId: 'o1' }));
  const arrived = fromWire({ ...wire, fields: { ...wire.fields, message: 'forged', extra: 1 } });
  expect(arrived.message).toBe(wire.message);
  expect(arrived).not.toHaveProperty('extra');
});

describe('errorOfTask', () => {
  function failInUserCode(): never {
    throw new RangeError('the user has written this');
  }

  test('a thrown error becomes the cause, and its stack shows the user the line that threw', () => {
    const thrown = catchOf(failInUserCode);
    const error = errorOfTask(thrown, 'train', 7) as TaskError;
    expect(error).toBeInstanceOf(TaskError);
    expect(error.cause).toBe(thrown);
    expect(error.taskName).toBe('train');
    expect(error.pid).toBe(7);
    expect(error.message).toBe('train (pid 7) failed: RangeError: the user has written this');
    expect(error.stack).toMatch(/^TaskError: train \(pid 7\) failed/);
    expect(error.stack).toMatch(/\nRangeError: .*\n\s+at failInUserCode .*errors\.test\.ts:\d+/);
    expect(error.stack).not.toContain('node:internal');
  });

  test('through several tasks it stays one error with one cause, and names every task', () => {
    const thrown = catchOf(failInUserCode);
    const inner = errorOfTask(thrown, 'inner', 1);
    const outer = errorOfTask(fromWire(toWire(inner), { cause: thrown }), 'outer', 2);
    const last = errorOfTask(outer, 'last', 3) as TaskError;
    expect(last.cause).toBe(thrown);
    expect(last.taskName).toBe('inner');
    expect(last.pid).toBe(1);
    expect(last.message).toBe('inner (pid 1) failed: RangeError: the user has written this');
    expect(last.route).toEqual([
      { taskName: 'inner', pid: 1 },
      { taskName: 'outer', pid: 2 },
      { taskName: 'last', pid: 3 },
    ]);
    expect(last.stack).toContain('through inner (pid 1) -> outer (pid 2) -> last (pid 3)\n');
    expect(last.stack!.match(/at failInUserCode/g)).toHaveLength(1);
  });

  test('values that are no errors are causes too', () => {
    for (const [thrown, words] of [
      ['text', '"text"'],
      [undefined, 'undefined'],
      [null, 'null'],
      [12n, '12n'],
      [Symbol('s'), 'Symbol(s)'],
      [{ code: 5 }, '{"code":5}'],
    ] as const) {
      const error = errorOfTask(thrown, 'train', 7);
      expect(error.cause).toBe(thrown);
      expect('cause' in error).toBe(true);
      expect(error.message).toBe(`train (pid 7) failed: ${words}`);
      expect(error.stack).toBe(`TaskError: ${error.message}`);
    }
  });

  test('a value that can not be described does not hide the failure', () => {
    const hostile = new Proxy(
      {},
      {
        get() {
          throw new Error('trap');
        },
        getPrototypeOf() {
          throw new Error('trap');
        },
      },
    );
    const error = errorOfTask(hostile, 'train', 7);
    expect(error.cause).toBe(hostile);
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    expect(errorOfTask(cyclic, 'train', 7).cause).toBe(cyclic);
    const unreadable = new Error('x');
    Object.defineProperty(unreadable, 'message', {
      get() {
        throw new Error('trap');
      },
    });
    expect(errorOfTask(unreadable, 'train', 7).cause).toBe(unreadable);
  });

  test('errors that say why an object has no value stay what they are', () => {
    const staying = ['WorkerCrashed', 'ActorDied', 'ActorUnavailable', 'ObjectLost', 'OwnerDied'];
    for (const name of [...staying, 'OutOfMemory', 'TaskCancelled']) {
      const error = examples[`${name}Error`]!;
      expect(errorOfTask(error, 'outer', 2)).toBe(error);
    }
  });

  test('errors of calls that the task made itself are causes', () => {
    for (const name of ['GetTimeoutError', 'SerializationError', 'InvalidArgumentError']) {
      const error = examples[name]!;
      const failed = errorOfTask(error, 'outer', 2);
      expect(failed).toBeInstanceOf(TaskError);
      expect(failed.cause).toBe(error);
    }
  });
});

test("userStack leaves out eagleray's and Node's own frames, but never all of them", () => {
  const error = new Error('x');
  error.stack = [
    'Error: x',
    '    at work (/home/user/work.ts:1:2)',
    '    at run (/home/user/node_modules/eagleray/dist/executor.js:5:6)',
    '    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)',
    '    at async /home/user/main.ts:3:4',
  ].join('\n');
  expect(userStack(error)).toBe(
    'Error: x\n    at work (/home/user/work.ts:1:2)\n    at async /home/user/main.ts:3:4',
  );
  error.stack = 'Error: x\n    at run (/home/user/node_modules/eagleray/dist/executor.js:5:6)';
  expect(userStack(error)).toBe(error.stack);
  expect(userStack('no error')).toBe('');
});

test('hideOwnFrames leaves where the user called, and the message where nobody did', () => {
  const error = new Error('x');
  error.stack = [
    'Error: x',
    '    at decode (/home/user/node_modules/eagleray/dist/index.js:5:6)',
    '    at work (/home/user/work.ts:1:2)',
  ].join('\n');
  expect(hideOwnFrames(error).stack).toBe('Error: x\n    at work (/home/user/work.ts:1:2)');
  error.stack = 'Error: x\n    at decode (/home/user/node_modules/eagleray/dist/index.js:5:6)';
  expect(hideOwnFrames(error).stack).toBe('Error: x');
});

/** 23.4 GiB, to the byte. */
const TOTAL_MEMORY = Math.round(23.4 * 2 ** 30);

describe('messages', () => {
  test.each([
    [examples['WorkerCrashedError'], /pid 7.*SIGSEGV.*train\n.*stderr:\n {4}one\n {4}two$/s],
    [examples['ActorDiedError'], /Counter a1 is dead: its constructor threw RangeError: in the/],
    [examples['ObjectStoreFullError'], /150 bytes: 20 bytes of 200 bytes are free\. Let go/],
    [
      new ObjectStoreFullError('', { requested: 300, free: 200, total: 200, largest: 200 }),
      /^the object store can never hold 300 bytes: it has 200 bytes in all\. Raise (?!.*Let go)/,
    ],
    [
      new ObjectStoreFullError('', { requested: 80, free: 100, total: 200, largest: 50 }),
      /80 bytes: 100 bytes of 200 bytes are free, but the largest piece of them has 50 bytes\. Let go/,
    ],
    [examples['SerializationError'], /square → variable "db" → Socket$/],
    [
      examples['InfeasibleResourcesError'],
      /can never start here: GPU: asked for 8, there are none$/,
    ],
    [examples['InvalidArgumentError'], /^numCpus is -1; allowed: a number from 0 up$/],
    [examples['GetTimeoutError'], /^2 values were not ready within 50 ms$/],
    [
      examples['NotSupportedError'],
      /^address is not supported yet; eagleray 0\.4\.0 will have it$/,
    ],
  ])('%s', (error, words) => {
    expect(error!.message).toMatch(words);
  });

  test('a full store shows bytes as a person reads them', () => {
    const gibibyte = 2 ** 30;
    const full = { requested: 0.75 * gibibyte, free: 0.5 * gibibyte, total: 2 * gibibyte };
    expect(new ObjectStoreFullError('', full).message).toMatch(
      /^the object store has no room for 768 MiB: 512 MiB of 2 GiB are free\./,
    );
  });

  test.each([
    [{ memory: 64 * 2 ** 30 }, 'memory: asked for 64 GiB, there are 23.4 GiB'],
    [{ CPU: 3, memory: 2 ** 30 }, 'CPU: asked for 3, there are 2'],
    [
      { CPU: 2.5, Custom: 1, memory: 2 ** 40 },
      'CPU: asked for 2.5, there are 2; Custom: asked for 1, there are none; memory: asked for 1 TiB, there are 23.4 GiB',
    ],
    // So close that fewer digits would show the same twice.
    [{ memory: TOTAL_MEMORY + 2 ** 20 }, 'memory: asked for 23.401 GiB, there are 23.4 GiB'],
    [
      { memory: TOTAL_MEMORY + 1 },
      `memory: asked for ${(TOTAL_MEMORY + 1).toLocaleString('en-US')} bytes, there are ${TOTAL_MEMORY.toLocaleString('en-US')} bytes`,
    ],
  ])('what is infeasible of %o', (asked, words) => {
    const total = { CPU: 2, GPU: 0, memory: TOTAL_MEMORY };
    const error = new InfeasibleResourcesError('', { asked, total, taskName: 'train' });
    expect(error.message).toBe(`train can never start here: ${words}`);
    expect(error).toMatchObject({ asked, total });
  });

  test('a dead actor shows the stack of its constructor', () => {
    const cause = new RangeError('in the constructor');
    expect(new ActorDiedError('', { actorId: 'a' }, { cause }).stack).toContain(
      'RangeError: in the constructor\n    at ',
    );
  });

  test('an actor that was killed says so instead of a cause', () => {
    const error = new ActorDiedError('', { actorId: 'a', reason: 'it was killed by kill()' });
    expect(error.message).toBe('the actor a is dead: it was killed by kill()');
    expect('cause' in error).toBe(false);
  });
});

function catchOf(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error('the call did not throw');
}
