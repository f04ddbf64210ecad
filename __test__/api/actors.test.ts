import {
  InvalidArgumentError,
  NotSupportedError,
  PendingCallsLimitExceededError,
  TaskError,
  actorReady,
  get,
  getRuntimeContext,
  getSync,
  init,
  put,
  remote,
  shutdown,
  type ActorHandle,
  type ObjectRef,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate, passGateSync } from './gates.ts';
import { rejection } from './rejection.ts';

const gates = makeGates();

beforeAll(async () => {
  await init({ numCpus: 2, resources: { Custom: 1 } });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

class Counter {
  value: number;
  constructor(start = 0) {
    this.value = start;
  }
  increment(by = 1): number {
    return (this.value += by);
  }
  pid(): number {
    return process.pid;
  }
  fail(): never {
    throw new RangeError('method failed');
  }
  pair(): [number, number] {
    return [this.value, this.value + 1];
  }
  async later(gate: string): Promise<number> {
    await passGate(gate);
    return this.value;
  }
}

const RemoteCounter = remote(Counter);

describe('methods', () => {
  test('keep the state', async () => {
    const counter = RemoteCounter.remote(10);
    expect(await get(counter.increment.remote(2))).toBe(12);
    expect(await get(counter.increment.remote())).toBe(13);
  });

  test('run in the order of the calls', async () => {
    const counter = RemoteCounter.remote();
    const refs = Array.from({ length: 200 }, () => counter.increment.remote());
    expect(await get(refs)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
  });

  test('run in order also past a late argument', async () => {
    const gate = gates.next();
    class Log {
      lines: string[] = [];
      add(line: string): string[] {
        this.lines.push(line);
        return this.lines;
      }
    }
    const log = remote(Log).remote();
    const late = remote(async (path: string) => {
      await passGate(path);
      return 'late';
    });
    log.add.remote(late.remote(gate));
    const second = log.add.remote('second');
    openGate(gate);
    expect(await get(second)).toEqual(['late', 'second']);
  });

  test('may be called from getSync', () => {
    const counter = RemoteCounter.remote(1);
    expect(getSync(counter.increment.remote())).toBe(2);
  });

  test('take refs', async () => {
    const counter = RemoteCounter.remote(put(5));
    expect(await get(counter.increment.remote(counter.increment.remote(put(1))))).toBe(12);
  });

  test('that throw give a TaskError, and the actor lives on', async () => {
    const counter = RemoteCounter.remote();
    const error = await rejection<TaskError>(get(counter.fail.remote()));
    expect(error).toBeInstanceOf(TaskError);
    expect(error.cause).toBeInstanceOf(RangeError);
    expect(error.taskName).toBe('Counter.fail');
    expect(await get(counter.increment.remote())).toBe(1);
  });

  test('can not be called directly, and the error says how', () => {
    const counter = RemoteCounter.remote();
    const method = counter.increment as unknown as () => void;
    expect(method).toThrow(InvalidArgumentError);
    expect(method).toThrow(
      "Counter.increment of an actor can't be called directly; use .increment.remote(",
    );
  });

  test('travel alone, with their options, and keep the actor alive', async () => {
    const call = remote(async (method: ActorHandle<Counter>['increment'], by: number) =>
      get(method.remote(by)),
    );
    const { increment } = RemoteCounter.remote(10);
    expect(await get(call.remote(increment, 2))).toBe(12);
    expect(await get(remote(async () => get(increment.remote(3))).remote())).toBe(15);
    const again = await get(put({ methods: [increment, increment] }));
    expect(again.methods[0]).toBe(again.methods[1]);
    expect(await get(again.methods[0]!.remote(4))).toBe(19);
    const pair = await get(put(RemoteCounter.remote(1).pair.options({ numReturns: 2 })));
    expect(await get(pair.remote() as unknown as ObjectRef<number>[])).toEqual([1, 2]);
  });

  test('that have arrived twice are let go of one by one', async () => {
    const counter = RemoteCounter.remote(1);
    class Keeper {
      methods: ActorHandle<Counter>['increment'][] = [];
      add(method: ActorHandle<Counter>['increment']): number {
        return this.methods.push(method);
      }
      async call(): Promise<number[]> {
        return get(this.methods.map((method) => method.remote()));
      }
    }
    const keeper = remote(Keeper).remote();
    await get(keeper.add.remote(counter.increment));
    await get(keeper.add.remote(counter.increment));
    expect(await get(keeper.call.remote())).toEqual([2, 3]);
  });

  test('take numReturns', async () => {
    const counter = RemoteCounter.remote(3);
    const [a, b] = counter.pair.options({ numReturns: 2 }).remote();
    expect(await get([a, b])).toEqual([3, 4]);
    expect(counter.increment.options({ numReturns: 0 }).remote()).toBeUndefined();
    expect(await get(counter.increment.remote())).toBe(5);
  });

  test('may be async, one at a time', async () => {
    const gate = gates.next();
    const counter = RemoteCounter.remote();
    const first = counter.later.remote(gate);
    const second = counter.increment.remote();
    openGate(gate);
    expect(await get([first, second])).toEqual([0, 1]);
  });

  test.each([{ numCpus: 1 }, { numReturns: -1 }, { maxTaskRetries: 0.5 }, { unknown: 1 }])(
    'refuse %o as options',
    (options) => {
      const counter = RemoteCounter.remote();
      expect(() => counter.increment.options(options as never)).toThrow(InvalidArgumentError);
    },
  );

  const failTwice = class {
    calls = 0;
    run(): number {
      this.calls += 1;
      if (this.calls < 3) throw new RangeError('again');
      return this.calls;
    }
  };

  test('are not repeated after an error by default', async () => {
    const actor = remote(failTwice).remote();
    expect(await rejection(get(actor.run.options({ maxTaskRetries: 5 }).remote()))).toBeInstanceOf(
      TaskError,
    );
    expect(
      await get(actor.run.options({ retryExceptions: true, maxTaskRetries: 5 }).remote()),
    ).toBe(3);
  });

  test('with retryExceptions: true are repeated up to maxTaskRetries', async () => {
    const actor = remote(failTwice).remote();
    const method = actor.run.options({ retryExceptions: true, maxTaskRetries: 1 });
    expect(await rejection(get(method.remote()))).toBeInstanceOf(TaskError);
    expect(await get(actor.run.remote())).toBe(3);
  });

  test('with retryExceptions: [Class] are repeated for that class', async () => {
    const matching = remote(failTwice).remote();
    expect(
      await get(
        matching.run.options({ retryExceptions: [RangeError], maxTaskRetries: 5 }).remote(),
      ),
    ).toBe(3);
    const other = remote(failTwice).remote();
    const method = other.run.options({ retryExceptions: [TypeError], maxTaskRetries: 5 });
    expect(await rejection(get(method.remote()))).toBeInstanceOf(TaskError);
  });
});

describe('processes', () => {
  test('each actor has its own', async () => {
    const actors = [RemoteCounter.remote(), RemoteCounter.remote(), RemoteCounter.remote()];
    const pids = await get(actors.map((actor) => actor.pid.remote()));
    expect(new Set([...pids, process.pid]).size).toBe(4);
  });

  test('an actor holds no CPU while it lives', async () => {
    const actors = [RemoteCounter.remote(), RemoteCounter.remote(), RemoteCounter.remote()];
    await get(actors.map((actor) => actorReady(actor)));
    expect(await get(remote(() => 1, { numCpus: 2 }).remote())).toBe(1);
    expect(await get(actors[0]!.increment.remote())).toBe(1);
  });

  test('env is the environment of the actor', async () => {
    class Reader {
      read(): string | undefined {
        return process.env['EAGLERAY_TEST_ACTOR'];
      }
    }
    const reader = remote(Reader, { env: { EAGLERAY_TEST_ACTOR: 'yes' } }).remote();
    expect(await get(reader.read.remote())).toBe('yes');
  });
});

describe('handles', () => {
  test('go to tasks as arguments', async () => {
    const counter = RemoteCounter.remote();
    const add = remote(async (handle: typeof counter) => get(handle.increment.remote(5)));
    expect(await get(add.remote(counter))).toBe(5);
    expect(await get(counter.increment.remote())).toBe(6);
  });

  test('go inside objects, and through put', async () => {
    const counter = RemoteCounter.remote();
    const ref = put({ nested: [counter] });
    const add = remote(async (x: { nested: (typeof counter)[] }) =>
      get(x.nested[0]!.increment.remote(5)),
    );
    expect(await get(add.remote(ref))).toBe(5);
    const back = await get(ref);
    expect(back.nested[0]!.actorId).toBe(counter.actorId);
    expect(await get(back.nested[0]!.increment.remote())).toBe(6);
  });

  test('come back from tasks that made the actor', async () => {
    const make = remote(() => [remote(Counter).options({ name: 'kept by its handle' }).remote(4)]);
    const outer = remote(async (handles: ActorHandle<Counter>[]) =>
      get(handles[0]!.increment.remote()),
    );
    const handles = await get(make.remote());
    expect(await get(outer.remote(handles))).toBe(5);
  });

  test('go to other actors', async () => {
    class Caller {
      target: ActorHandle<Counter>;
      constructor(target: ActorHandle<Counter>) {
        this.target = target;
      }
      async call(): Promise<number> {
        return get(this.target.increment.remote());
      }
    }
    const counter = RemoteCounter.remote();
    const caller = remote(Caller).remote(counter);
    expect(await get(caller.call.remote())).toBe(1);
    expect(await get(counter.increment.remote())).toBe(2);
  });

  test('an actor can hand out its own handle', async () => {
    class Self {
      me(): unknown[] {
        return [getRuntimeContext().currentActor];
      }
      answer(): number {
        return 42;
      }
    }
    const self = remote(Self).remote();
    const [handle] = (await get(self.me.remote())) as ActorHandle<Self>[];
    expect(handle!.actorId).toBe(self.actorId);
    expect(await get(handle!.answer.remote())).toBe(42);
  });

  test('show only methods, and are no promises', async () => {
    const counter = RemoteCounter.remote();
    expect(await counter).toBe(counter);
    expect('value' in counter).toBe(false);
    expect(Object.keys(counter).toSorted()).toEqual(['fail', 'increment', 'later', 'pair', 'pid']);
  });

  test('have inherited methods, and no accessors, statics or function fields', async () => {
    class Base {
      inherited(): string {
        return 'base';
      }
      overridden(): string {
        return 'base';
      }
    }
    class Derived extends Base {
      static statics(): number {
        return 1;
      }
      field = (): number => 1;
      get accessor(): number {
        return 1;
      }
      override overridden(): string {
        return `derived of ${super.overridden()}`;
      }
    }
    const actor = remote(Derived).remote();
    expect(await get(actor.inherited.remote())).toBe('base');
    expect(await get(actor.overridden.remote())).toBe('derived of base');
    expect(Object.keys(actor).toSorted()).toEqual(['inherited', 'overridden']);
  });

  test('once disposed are an InvalidArgumentError', () => {
    const counter = RemoteCounter.remote();
    counter.dispose();
    counter.dispose();
    expect(() => counter.increment.remote()).toThrow(InvalidArgumentError);
    expect(() => put([counter])).toThrow(InvalidArgumentError);
  });
});

describe('remote classes', () => {
  test('can not be constructed directly', () => {
    expect(() => new (RemoteCounter as unknown as new () => unknown)()).toThrow(
      InvalidArgumentError,
    );
    expect(() => new (RemoteCounter as unknown as new () => unknown)()).toThrow(/\.remote\(/);
  });

  test.each(['options', 'remote', 'then'])('with a method called %s are refused', (name) => {
    const Reserved = { [name]: class {} }[name]!;
    Object.defineProperty(Reserved.prototype, name, { value() {} });
    expect(() => remote(Reserved)).toThrow(InvalidArgumentError);
  });

  test('with a generator method work, and only a remote call of it is not supported yet', async () => {
    class Streaming {
      *stream(): Generator<number> {
        yield 1;
        yield 2;
      }
      async *later(): AsyncGenerator<number> {
        yield* this.stream();
      }
      async all(): Promise<number[]> {
        const all = [];
        for await (const each of this.later()) all.push(each);
        return all;
      }
    }
    const handle = remote(Streaming).remote();
    expect(await get(handle.all.remote())).toEqual([1, 2]);
    const call = () => handle.stream.remote();
    expect(call).toThrow(NotSupportedError);
    expect(call).toThrow(/Streaming\.stream is a generator function/);
    expect(() => handle.later.options({}).remote()).toThrow(NotSupportedError);
    const fails = remote((given: typeof handle) => given.stream.remote() && undefined);
    await expect(get(fails.remote(handle))).rejects.toThrow(/Streaming\.stream is a generator/);
  });

  test('go to tasks', async () => {
    const use = remote(async (Remote: typeof RemoteCounter) =>
      get(Remote.remote(7).increment.remote()),
    );
    expect(await get(use.remote(RemoteCounter))).toBe(8);
  });

  test.each([
    { unknown: 1 },
    { numCpus: -1 },
    { maxRestarts: 0.5 },
    { maxConcurrency: 0 },
    { maxPendingCalls: 0.5 },
    { lifetime: 'forever' },
    { lifetime: 'detached' },
    { getIfExists: true },
    { name: '' },
    { namespace: 5 },
    { numReturns: 2 },
  ])('%o is an InvalidArgumentError', (options) => {
    expect(() => remote(Counter, options as never).remote()).toThrow(InvalidArgumentError);
  });
});

describe('concurrency', () => {
  test('async methods interleave', async () => {
    class Meeting {
      waiting: (() => void)[] = [];
      async meet(count: number): Promise<number> {
        if (this.waiting.length + 1 === count) {
          for (const resolve of this.waiting) resolve();
        } else {
          await new Promise<void>((resolve) => this.waiting.push(resolve));
        }
        return count;
      }
    }
    const meeting = remote(Meeting).remote();
    expect(await get(Array.from({ length: 50 }, () => meeting.meet.remote(50)))).toHaveLength(50);
  });

  test('maxConcurrency limits them', async () => {
    class Gauge {
      running = 0;
      most = 0;
      async run(): Promise<number> {
        this.running += 1;
        this.most = Math.max(this.most, this.running);
        await new Promise((resolve) => setImmediate(resolve));
        this.running -= 1;
        return this.most;
      }
    }
    const gauge = remote(Gauge, { maxConcurrency: 3 }).remote();
    expect(Math.max(...(await get(Array.from({ length: 30 }, () => gauge.run.remote()))))).toBe(3);
  });

  test('maxConcurrency changes nothing for synchronous methods', async () => {
    const counter = remote(Counter, { maxConcurrency: 4 }).remote();
    const refs = Array.from({ length: 50 }, () => counter.increment.remote());
    expect((await get(refs)).at(-1)).toBe(50);
  });

  test('later calls overtake a late argument in async actors', async () => {
    class Log {
      lines: string[] = [];
      async add(line: string): Promise<string[]> {
        this.lines.push(line);
        return this.lines;
      }
    }
    const gate = gates.next();
    const log = remote(Log).remote();
    const late = remote(async (path: string) => {
      await passGate(path);
      return 'late';
    }).remote(gate);
    const first = log.add.remote(late);
    expect(await get(log.add.remote('second'))).toEqual(['second']);
    openGate(gate);
    expect(await get(first)).toEqual(['second', 'late']);
  });

  test('each of several running methods has a context of its own', async () => {
    class Context {
      async id(): Promise<boolean> {
        const before = getRuntimeContext().taskId;
        await new Promise((resolve) => setImmediate(resolve));
        return before !== null && before === getRuntimeContext().taskId;
      }
    }
    const actor = remote(Context).remote();
    expect(await get(Array.from({ length: 10 }, () => actor.id.remote()))).toEqual(
      Array(10).fill(true),
    );
  });
});

describe('maxPendingCalls', () => {
  test('counts queued and running calls and is thrown by .remote()', async () => {
    const gate = gates.next();
    const counter = remote(Counter, { maxPendingCalls: 2 }).remote();
    const first = counter.later.remote(gate);
    const second = counter.increment.remote();
    expect(() => counter.increment.remote()).toThrow(PendingCallsLimitExceededError);
    openGate(gate);
    await get([first, second]);
    expect(await get(counter.increment.remote())).toBe(2);
  });

  test('counts each handle for itself', async () => {
    const gate = gates.next();
    const counter = remote(Counter, { maxPendingCalls: 1 }).remote();
    const other = await get(put(counter));
    const first = counter.later.remote(gate);
    const second = other.increment.remote();
    expect(() => counter.increment.remote()).toThrow(PendingCallsLimitExceededError);
    expect(() => other.increment.remote()).toThrow(PendingCallsLimitExceededError);
    openGate(gate);
    await get([first, second]);
    expect(await get(other.increment.remote())).toBe(2);
  });

  test('forgets what has ended, also if nobody holds the result', async () => {
    const counter = remote(Counter, { maxPendingCalls: 3000 }).remote();
    const silent = counter.increment.options({ numReturns: 0 });
    for (let round = 1; round <= 4; round++) {
      for (let index = 0; index < 1500; index++) silent.remote();
      expect(await get(counter.increment.remote())).toBe(1501 * round);
    }
  });
});

test('an actor blocks in its thread without holding up others', async () => {
  class Blocking {
    pass(gate: string): number {
      passGateSync(gate);
      return 1;
    }
  }
  const gate = gates.next();
  const blocking = remote(Blocking).remote();
  const ref = blocking.pass.remote(gate) as ObjectRef<number>;
  expect(await get(RemoteCounter.remote(1).increment.remote())).toBe(2);
  openGate(gate);
  expect(await get(ref)).toBe(1);
});
