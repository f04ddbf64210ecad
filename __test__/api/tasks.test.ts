import { existsSync, writeFileSync, appendFileSync, readFileSync } from 'node:fs';
import {
  InfeasibleResourcesError,
  InvalidArgumentError,
  NotSupportedError,
  SerializationError,
  TaskError,
  WorkerCrashedError,
  get,
  getRuntimeContext,
  getSync,
  init,
  put,
  remote,
  shutdown,
  type ObjectRef,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';
import { rejection } from './rejection.ts';

const gates = makeGates();

beforeAll(async () => {
  await init({ numCpus: 2, resources: { Custom: 1 } });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

const square = remote((x: number) => x * x);

describe('calls', () => {
  test('a call gives a ref at once, and get its value', async () => {
    const ref = square.remote(4);
    expect(ref.id).toMatch(/^[0-9a-f]{32}$/);
    expect(await get(ref)).toBe(16);
  });

  test('a task runs in another process', async () => {
    const pid = await get(remote(() => process.pid).remote());
    expect(pid).not.toBe(process.pid);
  });

  test('async functions are awaited', async () => {
    const add = remote(async (a: number, b: number) => {
      await Promise.resolve();
      return a + b;
    });
    expect(await get(add.remote(1, 2))).toBe(3);
  });

  test('options() makes another function and leaves the first as it was', async () => {
    const named = square.options({ name: 'other' });
    expect(named).not.toBe(square);
    expect(await get([square.remote(2), named.remote(3)])).toEqual([4, 9]);
  });

  test('missing arguments are undefined', async () => {
    const f = remote((a?: number, ...rest: number[]) => [a, rest.length]);
    expect(await get(f.remote())).toEqual([undefined, 0]);
    expect(await get(f.remote(1, 2, 3))).toEqual([1, 2]);
  });

  test('a thousand calls come back in their places', async () => {
    const refs = Array.from({ length: 1000 }, (_, i) => square.remote(i));
    expect(await get(refs)).toEqual(Array.from({ length: 1000 }, (_, i) => i * i));
  });

  test('a direct call says what to write', () => {
    expect(() => (square as unknown as (x: number) => number)(4)).toThrow(InvalidArgumentError);
    expect(() => (square as unknown as (x: number) => number)(4)).toThrow(/\.remote\(/);
  });

  test('arguments are stored when the call is made', async () => {
    const gate = gates.next();
    const value = { x: 1 };
    const blocker = remote(async (path: string) => {
      await passGate(path);
    });
    const read = remote((given: { x: number }, _after: unknown) => given.x);
    const ref = read.remote(value, blocker.remote(gate) as ObjectRef<unknown>);
    value.x = 2;
    openGate(gate);
    expect(await get(ref)).toBe(1);
  });
});

describe('refs as arguments', () => {
  test('of a put', async () => {
    expect(await get(square.remote(put(5)))).toBe(25);
  });

  test('of a pending task', async () => {
    let ref = square.remote(1);
    const next = remote((x: number) => x + 1);
    for (let i = 0; i < 20; i++) ref = next.remote(ref);
    expect(await get(ref)).toBe(21);
  });

  test('of a large object', async () => {
    const sum = remote((a: Float64Array) => a.reduce((x, y) => x + y, 0));
    expect(await get(sum.remote(put(new Float64Array(100_000).fill(1))))).toBe(100_000);
  });

  test('of a failed task: the dependent fails with the same cause and never runs', async () => {
    const marker = gates.next();
    const fail = remote(() => {
      throw new RangeError('no');
    });
    const touch = remote((path: string, _x: unknown) => writeFileSync(path, ''));
    const error = await rejection(get(touch.remote(marker, fail.remote() as ObjectRef<unknown>)));
    expect(error).toBeInstanceOf(TaskError);
    expect((error as Error).cause).toBeInstanceOf(RangeError);
    expect(existsSync(marker)).toBe(false);
  });

  test('inside objects and arrays they arrive as refs', async () => {
    const open = remote(async (x: { ref: ObjectRef<number>; list: ObjectRef<number>[] }) => [
      x.ref.id,
      await get(x.ref),
      await get(x.list[0]!),
    ]);
    const ref = put(7);
    const pending = square.remote(3);
    expect(await get(open.remote({ ref, list: [pending] }))).toEqual([ref.id, 7, 9]);
  });

  test('borrowed refs can be given on to another task', async () => {
    const outer = remote(async ([ref]: [ObjectRef<number>]) => {
      const inner = remote(async (list: ObjectRef<number>[]) => (await get(list[0]!)) + 1);
      return get(inner.remote([ref]));
    });
    expect(await get(outer.remote([square.remote(3)]))).toBe(10);
  });

  test('a borrowed ref of a failed task fails in the borrower', async () => {
    const fail = remote(() => {
      throw new RangeError('no');
    });
    const outer = remote(async ([ref]: [ObjectRef<unknown>]) => {
      try {
        await get(ref);
        return 'no error';
      } catch (error) {
        return ((error as Error).cause as Error).name;
      }
    });
    expect(await get(outer.remote([fail.remote()]))).toBe('RangeError');
  });

  test('a task that returns a ref gives a ref to a ref', async () => {
    const outer = remote(() => put(11));
    const inner = await get(outer.remote());
    expect(await get(inner as ObjectRef<number>)).toBe(11);
  });

  test('a task may return the ref of a task that it started, and end before it', async () => {
    const gate = gates.next();
    const outer = remote((path: string) => {
      const inner = remote(async (p: string) => {
        await passGate(p);
        return 5;
      });
      return [inner.remote(path)];
    });
    const [ref] = await get(outer.remote(gate));
    openGate(gate);
    expect(await get(ref!)).toBe(5);
  });
});

describe('numReturns', () => {
  const three = remote((): [number, string, boolean] => [1, 'two', true], { numReturns: 3 });

  test('n gives n refs', async () => {
    const refs = three.remote();
    expect(refs).toHaveLength(3);
    expect(await get(refs)).toEqual([1, 'two', true]);
    expect(await get(refs[1])).toBe('two');
  });

  test('0 gives undefined, and the task runs', async () => {
    const marker = gates.next();
    const touch = remote((path: string) => openGate(path), { numReturns: 0 });
    expect(touch.remote(marker)).toBeUndefined();
    await passGate(marker);
    expect(existsSync(marker)).toBe(true);
  });

  test('a result of another length is a TaskError that says so', async () => {
    const wrong = remote((): number[] => [1, 2], { numReturns: 3 });
    const refs = wrong.remote() as unknown as ObjectRef<number>[];
    const error = await rejection(get(refs[2]!));
    expect(error).toBeInstanceOf(TaskError);
    expect((error as Error).message).toMatch(/numReturns: 3.*array of 2/s);
  });

  test('a result that can not be stored is named by its place', async () => {
    const wrong = remote((): [number, object] => [1, { key: new WeakMap() }], { numReturns: 2 });
    const [one, two] = wrong.remote();
    await expect(get(two)).rejects.toThrow('→ [1] → key "key" → WeakMap');
    await expect(get(one)).rejects.toBeInstanceOf(TaskError);
  });

  test('a result that is no array is a TaskError that says so', async () => {
    const wrong = remote((() => 'ab') as unknown as () => [number, number], { numReturns: 2 });
    await expect(get(wrong.remote()[0])).rejects.toThrow(/numReturns: 2/);
  });

  test('an error reaches every ref', async () => {
    const fail = remote(
      (): [number, number] => {
        throw new Error('no');
      },
      { numReturns: 2 },
    );
    const [a, b] = fail.remote();
    await expect(get(a)).rejects.toBeInstanceOf(TaskError);
    await expect(get(b)).rejects.toBeInstanceOf(TaskError);
  });

  test('options({ numReturns }) applies to its calls only', async () => {
    const pair = remote((): [number, number] => [1, 2]);
    const [a, b] = pair.options({ numReturns: 2 }).remote();
    expect(await get([a, b])).toEqual([1, 2]);
    expect(await get(pair.remote())).toEqual([1, 2]);
  });
});

describe('nested tasks', () => {
  test('tasks start tasks', async () => {
    const fib = remote(async function fib(n: number): Promise<number> {
      if (n < 2) return n;
      const self = remote(fib);
      const [a, b] = await get([self.remote(n - 1), self.remote(n - 2)]);
      return a + b;
    });
    expect(await get(fib.remote(5))).toBe(5);
  });

  test('a task that waits in getSync gives its CPU back, too', async () => {
    const outer = remote((depth: number): number => {
      if (depth === 0) return 0;
      const inner = remote((d: number): number => d * 2);
      return getSync(inner.remote(depth));
    });
    expect(await get([outer.remote(1), outer.remote(2), outer.remote(3), outer.remote(4)])).toEqual(
      [2, 4, 6, 8],
    );
  });
});

describe('retries', () => {
  test('a task whose process is killed runs again', async () => {
    const marker = gates.next();
    const crash = remote((path: string) => {
      if (!existsSync(path)) {
        writeFileSync(path, '');
        process.kill(process.pid, 'SIGKILL');
      }
      return 'survived';
    });
    expect(await get(crash.remote(marker))).toBe('survived');
  });

  test('maxRetries: 0 reports the crash with its signal', async () => {
    const crash = remote(
      () => {
        console.error('last words');
        process.kill(process.pid, 'SIGKILL');
      },
      { maxRetries: 0, name: 'crasher' },
    );
    const error = await rejection<WorkerCrashedError>(get(crash.remote()));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error.code).toBe('ERR_EAGLERAY_WORKER_CRASHED');
    expect(error.signal).toBe('SIGKILL');
    expect(error.exitCode).toBeNull();
    expect(error.message).toContain('SIGKILL');
  });

  test('process.exit() in a task is a crash with its exit code', async () => {
    const leave = remote(() => process.exit(7), { maxRetries: 0 });
    const error = await rejection<WorkerCrashedError>(get(leave.remote()));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error.exitCode).toBe(7);
    expect(error.signal).toBeNull();
  });

  test('a crash carries the last lines of stderr', async () => {
    const leave = remote(
      () => {
        process.stderr.write('the last words\n');
        process.exit(3);
      },
      { maxRetries: 0 },
    );
    const error = await rejection<WorkerCrashedError>(get(leave.remote()));
    expect(error.stderrTail.join('\n')).toContain('the last words');
    expect(error.message).toContain('the last words');
  });

  test('maxRetries: n is the number of further attempts', async () => {
    const log = gates.next();
    const crash = remote(
      (path: string) => {
        appendFileSync(path, 'x');
        process.kill(process.pid, 'SIGKILL');
      },
      { maxRetries: 2, name: 'crasher' },
    );
    const error = await rejection<WorkerCrashedError>(get(crash.remote(log)));
    expect(error).toBeInstanceOf(WorkerCrashedError);
    expect(error).toMatchObject({ taskName: 'crasher', signal: 'SIGKILL', exitCode: null });
    expect(error.message).toContain('while it ran crasher');
    expect(readFileSync(log, 'utf8')).toBe('xxx');
  });

  test('an error is not retried by default', async () => {
    const log = gates.next();
    const fail = remote((path: string) => {
      appendFileSync(path, 'x');
      throw new Error('no');
    });
    await expect(get(fail.remote(log))).rejects.toBeInstanceOf(TaskError);
    expect(readFileSync(log, 'utf8')).toBe('x');
  });

  const failTwice = (path: string, kind: 'range' | 'type'): string => {
    appendFileSync(path, 'x');
    if (readFileSync(path, 'utf8').length < 3) {
      throw kind === 'range' ? new RangeError('again') : new TypeError('again');
    }
    return 'done';
  };

  test('a method that is called class is a function', async () => {
    const holder = {
      class(this: void) {
        return 'called';
      },
    };
    expect(await get(remote(holder.class).remote())).toBe('called');
  });

  test('retryExceptions: true retries every error', async () => {
    const log = gates.next();
    expect(await get(remote(failTwice, { retryExceptions: true }).remote(log, 'type'))).toBe(
      'done',
    );
    expect(readFileSync(log, 'utf8')).toBe('xxx');
  });

  test('retryExceptions: true ends with the error when the budget is used up', async () => {
    const log = gates.next();
    const fail = remote(failTwice, { retryExceptions: true, maxRetries: 1 });
    await expect(get(fail.remote(log, 'type'))).rejects.toThrow(/again/);
    expect(readFileSync(log, 'utf8')).toBe('xx');
  });

  test('retryExceptions: [Class] looks also at what another task threw', async () => {
    const log = gates.next();
    const inner = remote(failTwice);
    const outer = remote(async (path: string) => get(inner.remote(path, 'range')), {
      retryExceptions: [RangeError],
    });
    expect(await get(outer.remote(log))).toBe('done');
    expect(readFileSync(log, 'utf8')).toBe('xxx');
  });

  test('retryExceptions: [Class] retries this class only', async () => {
    const log = gates.next();
    const fail = remote(failTwice, { retryExceptions: [RangeError] });
    expect(await get(fail.remote(log, 'range'))).toBe('done');
    const other = gates.next();
    await expect(get(fail.remote(other, 'type'))).rejects.toThrow(/again/);
    expect(readFileSync(other, 'utf8')).toBe('x');
  });

  test('retryExceptions matches subclasses of a class of the user', async () => {
    class Base extends Error {}
    class Special extends Base {}
    const log = gates.next();
    const fail = remote(
      (path: string) => {
        appendFileSync(path, 'x');
        if (readFileSync(path, 'utf8').length < 2) throw new Special('again');
        return 'done';
      },
      { retryExceptions: [Base] },
    );
    expect(await get(fail.remote(log))).toBe('done');
  });
});

describe('options', () => {
  test('maxCalls: 1 gives each call a process of its own', async () => {
    const pid = remote(() => process.pid, { maxCalls: 1 });
    const pids: number[] = [];
    for (let i = 0; i < 3; i++) pids.push(await get(pid.remote()));
    expect(new Set(pids).size).toBe(3);
  });

  test('env is the environment of the worker', async () => {
    const read = remote(() => process.env['EAGLERAY_TEST_VARIABLE'] ?? null, {
      env: { EAGLERAY_TEST_VARIABLE: 'yes' },
    });
    expect(await get(read.remote())).toBe('yes');
    expect(
      await get(remote(() => process.env['EAGLERAY_TEST_VARIABLE'] ?? null).remote()),
    ).toBeNull();
  });

  test('name is the task name', async () => {
    const f = remote(() => getRuntimeContext().taskName, { name: 'my task' });
    expect(await get(f.remote())).toBe('my task');
  });

  test('custom resources are held while the task runs', async () => {
    const both = remote(
      async (mine: string, other: string) => {
        openGate(mine);
        return existsSync(other) ? 'second' : 'first';
      },
      { resources: { Custom: 1 }, numCpus: 0 },
    );
    const [a, b] = [gates.next(), gates.next()];
    expect((await get([both.remote(a, b), both.remote(b, a)])).toSorted()).toEqual([
      'first',
      'second',
    ]);
  });

  test('what the cluster can never have is refused at the call', () => {
    expect(() => remote(() => 1, { numCpus: 3 }).remote()).toThrow(InfeasibleResourcesError);
    expect(() => remote(() => 1, { numGpus: 1000 }).remote()).toThrow(InfeasibleResourcesError);
    expect(() => remote(() => 1, { resources: { Missing: 1 } }).remote()).toThrow(/Missing/);
    expect(() => remote(() => 1, { memory: 2 ** 46 }).remote()).toThrow(InfeasibleResourcesError);
    expect(() => remote(() => 1, { memory: 2 ** 46 }).remote()).toThrow(
      /memory: asked for 64 TiB, there are [\d.]+ GiB$/,
    );
  });

  test('what the core can not count is refused before anything else, with the most that it can', () => {
    for (const options of [
      { memory: 2 ** 50 },
      { numCpus: 2 ** 50 },
      { resources: { Custom: 2 ** 50 } },
    ]) {
      expect(() => remote(() => 1, options)).toThrow(InvalidArgumentError);
      expect(() => remote(() => 1, options)).toThrow(/100,?000,?000,?000,?000/);
    }
  });

  test.each([
    ['an unknown option', { numCpu: 1 }],
    ['a negative quantity', { numCpus: -1 }],
    ['Infinity', { numCpus: Infinity }],
    ['NaN', { numCpus: NaN }],
    ['GPUs above 1 in parts', { numGpus: 1.5 }],
    ['CPU among resources', { resources: { CPU: 1 } }],
    ['GPU among resources', { resources: { GPU: 1 } }],
    ['memory among resources', { resources: { memory: 1 } }],
    ['a numReturns that is negative', { numReturns: -1 }],
    ['a numReturns that is not whole', { numReturns: 1.5 }],
    ['retryExceptions of another kind', { retryExceptions: 'yes' }],
    ['a list with something else than classes', { retryExceptions: [1] }],
    ['a name that is no text', { name: 7 }],
    ['an env that holds no texts', { env: { A: 1 } }],
    ['an option of actors', { maxRestarts: 1 }],
  ])('%s is an InvalidArgumentError', (_what, options) => {
    const make = remote as unknown as (f: () => void, o: unknown) => unknown;
    expect(() => make(() => undefined, options)).toThrow(InvalidArgumentError);
    const good = remote(() => undefined) as unknown as { options(o: unknown): unknown };
    expect(() => good.options(options)).toThrow(InvalidArgumentError);
  });

  test.each([1, 'text', null, undefined, {}])('remote(%o) is an InvalidArgumentError', (target) => {
    expect(() => (remote as unknown as (x: unknown) => unknown)(target)).toThrow(
      InvalidArgumentError,
    );
  });

  test('generator functions are not supported yet', () => {
    const make = remote as unknown as (f: unknown) => unknown;
    expect(() => make(function* () {})).toThrow(NotSupportedError);
    expect(() => make(async function* () {})).toThrow(NotSupportedError);
  });

  test('fractions of CPUs run side by side', async () => {
    const [a, b, c] = [gates.next(), gates.next(), gates.next()];
    const meet = remote(
      async (mine: string, others: string[]) => {
        openGate(mine);
        for (const other of others) await passGate(other);
        return true;
      },
      { numCpus: 0.5 },
    );
    expect(
      await get([meet.remote(a, [b, c]), meet.remote(b, [a, c]), meet.remote(c, [a, b])]),
    ).toEqual([true, true, true]);
  });
});

describe('what can be shipped', () => {
  test('closures with their variables', async () => {
    const offset = 10;
    const add = (x: number): number => x + offset;
    expect(await get(remote((x: number) => add(x) * 2).remote(1))).toBe(22);
  });

  test('variables are captured at the first call', async () => {
    let n = 1;
    const read = remote(() => n);
    expect(await get(read.remote())).toBe(1);
    n = 2;
    expect(await get(read.remote())).toBe(1);
    expect(await get(remote(() => n).remote())).toBe(2);
  });

  test('built-in functions go by their names', async () => {
    expect(await get(remote(Math.max).remote(1, 2))).toBe(2);
  });

  test('bound functions can not, and say so at the call', () => {
    expect(() => remote(function bound(this: unknown) {}.bind(null)).remote()).toThrow(
      SerializationError,
    );
  });

  test('the message shows the way to the culprit', () => {
    const socket = new WeakMap();
    const useSocket = (): boolean => socket.has({});
    const outer = remote(function outer() {
      return useSocket();
    });
    expect(() => outer.remote()).toThrow(/outer.*useSocket.*variable "socket"/s);
  });

  test('an argument that can not be stored names its path', () => {
    const f = remote(function f(_x: unknown) {});
    expect(() => f.remote({ a: [new WeakMap()] })).toThrow(SerializationError);
    expect(() => f.remote({ a: [new WeakMap()] })).toThrow(/f → argument 1.*a/s);
  });

  test('functions by value may call each other 500 deep', async () => {
    const links = Array.from(
      { length: 500 },
      (_, index) => `const f${index} = (x) => f${index + 1}(x + 1);`,
    );
    const make = new Function(`${links.join('\n')} const f500 = (x) => x; return f0;`);
    const first = (make as () => (x: number) => number)();
    expect(await get(remote(first).remote(1))).toBe(501);
  });

  test('the way to what can not travel begins with the name of the task or class', () => {
    const db = new WeakMap();
    const helper = () => db;
    const square = remote(function square() {
      return helper();
    });
    class Counter {
      count() {
        return helper();
      }
    }
    const path = String.raw`helper \(tasks\.test\.ts:\d+\) → variable "db" → WeakMap$`;
    expect(() => square.remote()).toThrow(new RegExp(`: square → ${path}`));
    expect(() => remote(Counter).remote()).toThrow(new RegExp(`: Counter → ${path}`));
    const anonymous = String.raw`anonymous function \(tasks\.test\.ts:\d+\)`;
    expect(() => remote(() => helper()).remote()).toThrow(new RegExp(`: ${anonymous} → ${path}`));
  });

  test('a remote function can be an argument', async () => {
    const apply = remote(async (f: typeof square, x: number) => get(f.remote(x)));
    expect(await get(apply.remote(square, 6))).toBe(36);
  });

  test('a result that can not be stored is a TaskError with a SerializationError as cause', async () => {
    const f = remote((): unknown => new WeakMap());
    const error = await rejection<TaskError>(get(f.remote()));
    expect(error).toBeInstanceOf(TaskError);
    expect(error.cause).toBeInstanceOf(SerializationError);
  });
});
