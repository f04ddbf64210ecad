/**
 * `perProcess`: one value in each process, by whatever way its function comes; made at the first call, disposed of when the
 * process ends in order or the function is given back.
 */

import { mkdtempSync, readFileSync, rmSync, writeFileSync, appendFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  InvalidArgumentError,
  SerializationError,
  actorReady,
  exitActor,
  get,
  init,
  kill,
  perProcess,
  put,
  remote,
  shutdown,
  terminate,
} from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type Outcome, numberIn, runProgram } from '../examples/run-program.ts';
import { makeGates, openGate, passGate } from './gates.ts';
import own, { importHidden, importNamed, named, newOne, tools } from './programs/own-loggers.mjs';
import { rejection } from './rejection.ts';

const gates = makeGates();
const folder = mkdtempSync(join(tmpdir(), 'eagleray-per-process-'));
let journals = 0;

beforeAll(async () => {
  // One worker: what tasks share, they share there.
  await init({ numCpus: 1, logToDriver: false });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
  rmSync(folder, { recursive: true });
});

interface Own {
  pid: number;
  uses: number;
}
const make = (): Own => ({ pid: process.pid, uses: 0 });

/** A file into which processes write what has happened. */
function journal(): { path: string; lines(): string[] } {
  const path = join(folder, `journal-${journals++}`);
  writeFileSync(path, '');
  return { path, lines: () => readFileSync(path, 'utf8').split('\n').slice(0, -1) };
}

/** An error that a call threw. */
function thrownBy(call: () => unknown): Error {
  try {
    call();
  } catch (error) {
    return error as Error;
  }
  throw new Error('it threw nothing');
}

/** Waits until something is so; whoever brings it about opens the gate that is polled for. */
const until = (gate: string): Promise<void> => passGate(gate);

describe('one value in each process', () => {
  test('at home before and after travelling', async () => {
    const value = perProcess(make);
    const first = value();
    expect(value()).toBe(first);
    expect(first.pid).toBe(process.pid);
    expect((await get(remote(() => value()).remote())).pid).not.toBe(process.pid);
    expect(value()).toBe(first);
    expect(first.uses).toBe(0);
  });

  test('first used after it has travelled, it is at home the own one too', async () => {
    const value = perProcess(make);
    const there = await get(remote(() => value()).remote());
    expect(value().pid).toBe(process.pid);
    expect(there.pid).not.toBe(process.pid);
  });

  test('by several routes: captured, as argument, in an object, through a nested task', async () => {
    const value = perProcess(make);
    const captured = remote(() => ++value().uses);
    const alsoCaptured = remote(() => ++value().uses);
    const given = remote((use: () => Own) => ++use().uses);
    const inObject = remote(({ list: [use] }: { list: (() => Own)[] }) => ++use!().uses);
    const same = remote(
      (use: () => Own, { again }: { again: () => Own }) => use === value && again === value,
    );
    const nested = remote(async (use: () => Own) => {
      const [through, byClosure] = await get([
        given.remote(use),
        remote(() => ++use().uses).remote(),
      ]);
      return [through, byClosure];
    });
    expect(await get(captured.remote())).toBe(1);
    expect(await get(alsoCaptured.remote())).toBe(2);
    expect(await get(given.remote(value))).toBe(3);
    expect(await get(inObject.remote({ list: [value] }))).toBe(4);
    expect(await get(inObject.remote(put({ list: [value] })))).toBe(5);
    expect(await get(same.remote(value, { again: value }))).toBe(true);
    // It may be another process, where another value begins; then both are of that one.
    const [through, byClosure] = await get(nested.remote(value));
    expect([through, byClosure]).toEqual([1, 2].map((n) => (through === 6 ? n + 5 : n)));
    expect(value().uses).toBe(0);
  });

  test('back at home it is the very function', async () => {
    const value = perProcess(make);
    const back = remote((given: () => Own) => [given, value, () => given()] as const);
    const [one, two, closure] = await get(back.remote(value));
    expect(one).toBe(value);
    expect(two).toBe(value);
    expect(closure()).toBe(value());
    expect((await get(put({ value }))).value).toBe(value);
  });

  test('two calls of perProcess are two values, also of one make', async () => {
    const [one, two] = [perProcess(make), perProcess(make)];
    const use = remote(() => {
      one().uses = 5;
      return [two().uses, one() === two()];
    });
    expect(await get(use.remote())).toEqual([0, false]);
    expect(one()).not.toBe(two());
  });

  test('an actor has its own, shared by its methods', async () => {
    const value = perProcess(make);
    class Counter {
      count(): Own {
        value().uses++;
        return value();
      }
      again(use: () => Own): Own {
        use().uses++;
        return use();
      }
    }
    const counters = [1, 2].map(() => remote(Counter, { numCpus: 0 }).remote());
    const [one, two] = await get(counters.map((each) => each.count.remote()));
    const again = await get(counters[0]!.again.remote(value));
    const ofTask = await get(remote(() => value()).remote());
    expect(again).toEqual({ pid: one!.pid, uses: 2 });
    expect(new Set([one!.pid, two!.pid, ofTask.pid, process.pid]).size).toBe(4);
    counters.forEach((each) => kill(each));
  });

  test('one that a task has made: its own there, another one at home and in an actor', async () => {
    const makeOne = remote(() => {
      const value = perProcess(() => ({ pid: process.pid, uses: 0 }));
      value().uses = 10;
      return value;
    });
    const value = await get(makeOne.remote());
    expect(value()).toEqual({ pid: process.pid, uses: 0 });
    expect(value()).toBe(value());
    expect((await get(remote(() => value()).remote())).uses).toBe(10);
    class Uses {
      use(given: () => Own): Own {
        return given();
      }
    }
    const actor = remote(Uses, { numCpus: 0 }).remote();
    expect((await get(actor.use.remote(value))).uses).toBe(0);
    kill(actor);
  });

  test('whose maker has died goes on where it has come to', async () => {
    class Maker {
      make(): () => Own {
        return perProcess(() => ({ pid: process.pid, uses: 0 }));
      }
    }
    class Keeper {
      kept: (() => Own) | undefined;
      keep(given: () => Own): number {
        this.kept = given;
        return ++given().uses;
      }
      use(): number {
        return ++this.kept!().uses;
      }
      give(): () => Own {
        return this.kept!;
      }
    }
    const maker = remote(Maker, { numCpus: 0 }).remote();
    const keepers = [1, 2].map(() => remote(Keeper, { numCpus: 0 }).remote());
    const [one, two] = keepers as [(typeof keepers)[0], (typeof keepers)[0]];
    expect(await get(one.keep.remote(maker.make.remote()))).toBe(1);
    kill(maker);
    expect(await get(one.use.remote())).toBe(2);
    expect(await get(two.keep.remote(one.give.remote()))).toBe(1);
    kill(one);
    expect(await get(two.use.remote())).toBe(2);
    kill(two);
  });

  test('undefined is a value as any other', async () => {
    const value = perProcess(() => {
      (globalThis as { madeUndefined?: number }).madeUndefined =
        ((globalThis as { madeUndefined?: number }).madeUndefined ?? 0) + 1;
    });
    const use = remote(() => {
      value();
      value();
      return (globalThis as { madeUndefined?: number }).madeUndefined;
    });
    expect(await get([use.remote(), use.remote()])).toEqual([1, 1]);
  });

  test('is kept between requests whose functions have gone', async () => {
    const value = perProcess(make);
    for (let n = 1; n <= 5; n++) {
      expect(await get(remote(() => ++value().uses).remote())).toBe(n);
      await get(
        remote(async () => {
          const { setFlagsFromString } = await import('node:v8');
          const { runInNewContext } = await import('node:vm');
          setFlagsFromString('--expose-gc');
          (runInNewContext('gc') as () => void)();
        }).remote(),
      );
    }
  });
});

describe('what make uses', () => {
  test('is captured when the function travels first', async () => {
    let level = 'old';
    const value = perProcess(() => level);
    level = 'first';
    expect(await get(remote(() => value()).remote())).toBe('first');
    level = 'later';
    class Reads {
      read(): string {
        return value();
      }
    }
    // Another process, which had not got it before.
    const actor = remote(Reads, { numCpus: 0 }).remote();
    expect(await get(actor.read.remote())).toBe('first');
    expect(value()).toBe('later');
    kill(actor);
  });

  test('arrays, refs and handles are those of then, also if home has let go of them', async () => {
    class Answers {
      answer(): number {
        return 42;
      }
    }
    let array: Float64Array = new Float64Array(100_000).fill(1);
    let ref = put({ text: 'held' });
    let handle = remote(Answers, { numCpus: 0 }).remote();
    const value = perProcess(async () => [
      array[99_999],
      (await get(ref)).text,
      await get(handle.answer.remote()),
    ]);
    const use = (): Promise<unknown> => value();
    expect(await get(remote(use).remote())).toEqual([1, 'held', 42]);
    array.fill(2);
    array = new Float64Array(0);
    ref.dispose();
    ref = put({ text: 'other' });
    handle.dispose();
    handle = remote(Answers, { numCpus: 0 }).remote();
    class Uses {
      use(): Promise<unknown> {
        return value();
      }
    }
    const actor = remote(Uses, { numCpus: 0 }).remote();
    expect(await get(actor.use.remote())).toEqual([1, 'held', 42]);
    kill(actor);
  });

  test('make and dispose share what they use', async () => {
    const { path, lines } = journal();
    const gate = gates.next();
    let open = 0;
    const value = perProcess(() => ++open, {
      dispose: () => {
        appendFileSync(path, `${--open}\n`);
        writeFileSync(gate, '');
      },
    });
    expect(await get(remote(() => value(), { maxCalls: 1 }).remote())).toBe(1);
    await until(gate);
    expect(lines()).toEqual(['0']);
  });

  test('may be much', async () => {
    const text = 'x'.repeat(1_000_000);
    const rows = Array.from({ length: 20_000 }, (_, n) => ({ n }));
    const numbers = new Float64Array(1_000_000).fill(0.5);
    const value = perProcess(() => [text.length, rows.at(-1)!.n, numbers.at(-1)]);
    const expected = [1_000_000, 19_999, 0.5];
    expect(await get(remote(() => value()).remote())).toEqual(expected);
    // And goes on from there to another process.
    class Uses {
      use(given: () => unknown): unknown {
        return given();
      }
    }
    const actor = remote(Uses, { numCpus: 0 }).remote();
    const goOn = remote(async (to: typeof actor) => get(to.use.remote(value)));
    expect(await get(goOn.remote(actor))).toEqual(expected);
    kill(actor);
  });

  test('may be of a module that fails to load, and is tried again', async () => {
    const [file, flag] = [join(folder, 'may-fail.mjs'), join(folder, 'may-fail.flag')];
    writeFileSync(
      file,
      `import fs from 'node:fs'; if (fs.existsSync(${JSON.stringify(flag)})) throw new Error('no connection yet');
      export const connect = (n) => n + 1;`,
    );
    const { connect } = (await import(/* @vite-ignore */ pathToFileURL(file).href)) as {
      connect(n: number): number;
    };
    const value = perProcess(() => connect(1));
    const use = remote(() => value(), { maxRetries: 0 });
    writeFileSync(flag, '');
    const error = await rejection<Error>(get(use.remote()));
    expect(error.message).toContain('no connection yet');
    rmSync(flag);
    expect(await get([use.remote(), use.remote()])).toEqual([2, 2]);
  });

  test('a make that refers to its own function, for later', async () => {
    const value: () => { me(): boolean } = perProcess(() => {
      const self = { me: (): boolean => value() === self };
      return self;
    });
    expect(value().me()).toBe(true);
    expect(await get(remote(() => value().me()).remote())).toBe(true);
  });

  test('two that refer to each other travel, whichever comes first', async () => {
    for (const first of [0, 1]) {
      const one: () => { other(): unknown } = perProcess(() => ({ other: () => two() }));
      const two: () => { other(): unknown } = perProcess(() => ({ other: () => one() }));
      const pair = [one, two];
      const [a, b] = [pair[first]!, pair[1 - first]!];
      const use = remote((given: () => { other(): { other(): unknown } }) => {
        const value = given();
        return value.other().other() === value;
      });
      expect(await get(use.remote(a as never))).toBe(true);
      class Uses {
        use(given: () => { other(): { other(): unknown } }): boolean {
          const value = given();
          return value.other().other() === value;
        }
      }
      // It has the other one only, and by itself.
      const actor = remote(Uses, { numCpus: 0 }).remote();
      expect(await get(actor.use.remote(b as never))).toBe(true);
      kill(actor);
    }
  });

  test('many that use each other in layers cost what they are', async () => {
    // Each of a layer uses both of the one below: by value inside each other, they would be 2^20.
    let pair: (() => number)[] = [perProcess(() => 1), perProcess(() => 2)];
    for (let layer = 0; layer < 20; layer++) {
      const below = pair;
      pair = [0, 1].map((n) => perProcess(() => below[n]!() + below[1 - n]!() - below[0]!()));
    }
    const [top] = pair;
    expect(await get(remote(() => top!()).remote())).toBe(top!());
  });

  test('what cannot travel is refused with the way to it', async () => {
    const sink = new Writable();
    const logger = perProcess(() => ({ sink }));
    const error = await rejection<SerializationError>(
      (async () => get(remote(() => logger()).remote()))(),
    );
    expect(error).toBeInstanceOf(SerializationError);
    expect(error.message).toMatch(/variable "logger" → perProcess\(.*→ variable "sink" → Writable/);
    expect(logger().sink).toBe(sink);
  });

  test('the message about what belongs to a process names perProcess', () => {
    const sink = new Writable();
    const socket = new Socket();
    const parse = new Intl.NumberFormat('en').format;
    const uses: (() => unknown)[] = [() => sink, () => socket, () => parse];
    for (const use of uses) {
      expect(thrownBy(() => remote(use).remote()).message).toContain('perProcess(() => …)');
    }
    socket.destroy();
  });
});

describe('a make that is async', () => {
  test('gives one promise to all', async () => {
    const value = perProcess(async () => {
      await Promise.resolve();
      return { pid: process.pid, uses: 0 };
    });
    const [one, two] = [value(), value()];
    expect(one).toBe(two);
    expect(await one).toBe(await value());
    const use = remote(async () => {
      const isOne = value() === value();
      return [isOne, ++(await value()).uses] as const;
    });
    expect(await get([use.remote(), use.remote()])).toEqual([
      [true, 1],
      [true, 2],
    ]);
  });

  test('that fails is forgotten, and each of its callers hears of it', async () => {
    let tries = 0;
    const value = perProcess(async () => {
      tries++;
      await Promise.resolve();
      if (tries < 3) throw new RangeError(`try ${tries}`);
      return tries;
    });
    const use = async (): Promise<unknown[]> => {
      const told: unknown[] = [];
      for (const pair of [1, 2, 3]) {
        const ends = await Promise.allSettled([value(), value()]);
        told.push(
          pair,
          ...ends.map((end) =>
            end.status === 'fulfilled' ? end.value : (end.reason as Error).message,
          ),
        );
      }
      return told;
    };
    const expected = [1, 'try 1', 'try 1', 2, 'try 2', 'try 2', 3, 3, 3];
    expect(await get(remote(use).remote())).toEqual(expected);
    expect(await use()).toEqual(expected);
  });

  test('may give anything that has a then', async () => {
    // oxlint-disable-next-line unicorn/no-thenable -- that is what it is about
    const thenable = (then: (...ends: ((value: unknown) => void)[]) => void) => ({ then });
    const sync = perProcess(() => thenable((fulfil) => fulfil!(5)));
    expect(await sync()).toBe(5);
    expect(sync()).toBe(sync());
    let tries = 0;
    const broken = perProcess(() =>
      thenable((fulfil) => {
        if (++tries === 1) throw new RangeError('its then throws');
        fulfil!(6);
      }),
    );
    broken();
    await Promise.resolve();
    await Promise.resolve();
    expect(await broken()).toBe(6);
  });

  test('with methods of its own stays what it is', async () => {
    const value = perProcess(() =>
      Object.assign(Promise.resolve(1), { stop: (): string => 'stopped' }),
    );
    expect(value().stop()).toBe('stopped');
    expect(value()).toBe(value());
    expect(await value()).toBe(1);
  });

  test('that fails has nothing to dispose of', async () => {
    const { path, lines } = journal();
    const gate = gates.next();
    const value = perProcess(() => Promise.reject<number>(new Error('none')), {
      dispose: () => appendFileSync(path, 'disposed\n'),
    });
    const last = perProcess(() => 1, { dispose: () => writeFileSync(gate, '') });
    const use = remote(
      () => {
        last();
        return value().catch((error: Error) => error.message);
      },
      { maxCalls: 1 },
    );
    expect(await get(use.remote())).toBe('none');
    await until(gate);
    expect(lines()).toEqual([]);
  });
});

describe('a make that throws', () => {
  test('is tried again at the next call', async () => {
    let tries = 0;
    const value = perProcess(() => {
      if (++tries < 3) throw new RangeError(`try ${tries}`);
      return tries;
    });
    const use = (): unknown[] =>
      [1, 2, 3, 4].map(() => {
        try {
          return value();
        } catch (error) {
          return (error as Error).message;
        }
      });
    expect(await get(remote(use).remote())).toEqual(['try 1', 'try 2', 3, 3]);
    expect(use()).toEqual(['try 1', 'try 2', 3, 3]);
  });

  test('fails the task, and a retry of the task tries again', async () => {
    let tries = 0;
    const value = perProcess(() => {
      if (++tries < 3) throw new RangeError(`try ${tries}`);
      return tries;
    });
    expect(await get(remote(() => value(), { retryExceptions: true }).remote())).toBe(3);
  });

  test('because it calls its own function says so', async () => {
    const value: () => unknown = perProcess(() => value());
    const late: () => Promise<unknown> = perProcess(async () => {
      await Promise.resolve();
      return late();
    });
    const one: () => unknown = perProcess(() => two());
    const two: () => unknown = perProcess(() => one());
    for (const call of [value, one, two]) {
      const error = thrownBy(call);
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error.message).toMatch(/make function calls the function/);
    }
    expect((await rejection<Error>(late())).message).toMatch(/make function calls the function/);
    const there = await rejection<Error>(get(remote(() => value()).remote()));
    expect(there.message).toMatch(/make function calls the function/);
    const lateThere = await rejection<Error>(get(remote(() => late()).remote()));
    expect(lateThere.message).toMatch(/make function calls the function/);
  });

  test('others may ask while it is being made', async () => {
    const gate = gates.next();
    const value = perProcess(async () => {
      const { existsSync } = await import('node:fs');
      while (!existsSync(gate)) await new Promise((resolve) => setTimeout(resolve, 1));
      return 7;
    });
    const asked = [value(), Promise.resolve().then(() => value())];
    openGate(gate);
    expect(await Promise.all(asked)).toEqual([7, 7]);
  });
});

describe('when the process ends', () => {
  /** A value whose disposal is written down. */
  const noted = (): { value: () => number; gate: string; lines(): string[] } => {
    const { path, lines } = journal();
    const gate = gates.next();
    const value = perProcess(() => process.pid, {
      dispose: async (pid) => {
        await Promise.resolve();
        appendFileSync(path, `${pid === process.pid}\n`);
        writeFileSync(gate, '');
      },
    });
    return { value, gate, lines };
  };

  test('after maxCalls, the value is disposed of, and the next process makes its own', async () => {
    const { gate, lines, value } = noted();
    const use = remote(() => value(), { maxCalls: 2 });
    const pids = await get([use.remote(), use.remote()]);
    expect(pids[0]).toBe(pids[1]);
    await until(gate);
    expect(lines()).toEqual(['true']);
    expect(await get(use.remote())).not.toBe(pids[0]);
  });

  test('by exitActor, by terminate, or with the last handle', async () => {
    class Uses {
      use(given: () => number): number {
        return given();
      }
      leave(): void {
        exitActor();
      }
    }
    const ends: ((actor: ReturnType<typeof start>) => void)[] = [
      (actor) => void actor.leave.remote(),
      (actor) => terminate(actor),
      (actor) => actor.dispose(),
    ];
    const start = () => remote(Uses, { numCpus: 0 }).remote();
    for (const end of ends) {
      const { gate, lines, value } = noted();
      const actor = start();
      await get(actor.use.remote(value));
      end(actor);
      await until(gate);
      expect(lines()).toEqual(['true']);
    }
  });

  test('not if it is killed, or crashes', async () => {
    class Uses {
      use(given: () => number): number {
        return given();
      }
    }
    const { lines, value } = noted();
    const actor = remote(Uses, { numCpus: 0 }).remote();
    await get(actor.use.remote(value));
    kill(actor);
    await rejection(get(actor.use.remote(value)));
    const crash = remote(
      () => {
        value();
        process.exit(3);
      },
      { maxRetries: 0 },
    );
    await rejection(get(crash.remote()));
    // A worker has ended after them.
    const after = noted();
    await get(remote(() => after.value(), { maxCalls: 1 }).remote());
    await until(after.gate);
    expect(lines()).toEqual([]);
  });

  test('after a crash a retry makes a new value in its process', async () => {
    const value = perProcess(make);
    const gate = gates.next();
    const use = remote(async () => {
      const { existsSync, writeFileSync: write } = await import('node:fs');
      const { pid } = value();
      const uses = ++value().uses;
      if (existsSync(gate)) return { pid, uses };
      write(gate, '');
      process.kill(process.pid, 'SIGKILL');
      return new Promise<never>(() => undefined);
    });
    const { pid, uses } = await get(use.remote());
    expect(uses).toBe(1);
    expect(pid).not.toBe(process.pid);
    expect(await get(remote(() => ++value().uses).remote())).toBe(2);
  });

  test('a restarted actor has another one', async () => {
    const value = perProcess(make);
    class Uses {
      use(): Own {
        value().uses++;
        return value();
      }
      fail(): void {
        process.exit(1);
      }
    }
    const actor = remote(Uses, { numCpus: 0, maxRestarts: 1 }).remote();
    const before = await get(actor.use.remote());
    await rejection(get(actor.fail.remote()));
    const after = await get(actor.use.remote());
    expect([before.uses, after.uses]).toEqual([1, 1]);
    expect(after.pid).not.toBe(before.pid);
    kill(actor);
  });

  const program = (...args: string[]): Promise<Outcome> =>
    runProgram(fileURLToPath(new URL('programs/disposals.mjs', import.meta.url)), {
      execArgv: [],
      args,
    });
  const unnamed = ({ stdout }: Outcome): string[] =>
    stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => line.replace(/^\(\S+ pid=\d+\) /, ''));

  test('shutdown disposes of all of them, and waits for it', async () => {
    const outcome = await program('shutdown');
    expect(outcome.code).toBe(0);
    expect(unnamed(outcome)).toEqual([
      'worker disposed in the worker',
      'driver disposed in the driver',
    ]);
  });

  test('shutdown reaches processes in which something runs', async () => {
    const outcome = await program('running', mkdtempSync(join(folder, 'gates-')));
    expect(outcome.code).toBe(0);
    expect(unnamed(outcome)).toEqual(Array(2).fill('worker disposed in the worker'));
  });

  test('a program that just ends disposes of them as well', async () => {
    const outcome = await program('exit');
    expect(outcome.code).toBe(0);
    expect(unnamed(outcome).toSorted()).toEqual([
      'driver disposed in the driver',
      'worker disposed in the worker',
    ]);
  });

  test('without a runtime as well', async () => {
    const { code, stdout } = await program('alone');
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'driver disposed in the driver\n' });
  });

  test('after the next init there are new ones', async () => {
    const outcome = await program('twice');
    expect(outcome.code).toBe(0);
    expect(unnamed(outcome)).toEqual([
      'worker disposed in the worker',
      'driver disposed in the driver',
      'false worker worker',
      'worker disposed in the worker',
      'driver disposed in the driver',
    ]);
  });

  test('what was made last goes first', async () => {
    const order = ['second', 'third', 'first'];
    expect(unnamed(await program('order'))).toEqual([
      ...order.map((name) => `worker: ${name}`),
      ...order.map((name) => `driver: ${name}`),
    ]);
  });

  test('a dispose that fails is printed, and the others run', async () => {
    const { code, stderr, stdout } = await program('failing');
    expect(code).toBe(0);
    for (const where of ['worker', 'driver']) {
      expect(stdout).toContain(`${where} disposed in the ${where}`);
      expect(stderr).toMatch(
        new RegExp(`dispose of perProcess\\(.*has failed: RangeError: no way out of the ${where}`),
      );
      expect(stderr).toMatch(new RegExp(`has failed: RangeError: nor out of the ${where}`));
    }
    expect(stdout.endsWith('end\n')).toBe(true);
  });

  test('a dispose that never ends keeps neither the process nor the others', async () => {
    const { code, stderr, stdout } = await program('hanging');
    expect(code).toBe(0);
    for (const where of ['worker', 'driver']) {
      expect(stdout).toContain(`${where} disposed in the ${where}`);
    }
    expect(stderr.match(/dispose of perProcess\(\w+\) takes longer than 3000 ms/g)).toHaveLength(2);
    expect(stdout.endsWith('end\n')).toBe(true);
  });
});

test('10,000 of them, made in a loop, used and dropped, leave nothing and are all disposed of', async () => {
  const file = fileURLToPath(new URL('../faults/fixtures/per-process.mjs', import.meta.url));
  const { code, stderr, stdout } = await runProgram(file, {
    execArgv: ['--expose-gc'],
    args: ['10000', '2000'],
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const figures = [
    ...stdout.matchAll(/driver (\d+)\/(\d+) MB, worker (\d+)\/(\d+) MB, store (\d+) MB/g),
  ].map((each) => each.slice(1).map(Number));
  expect(figures).toHaveLength(12);
  // Caches have filled after some. Kept, a function is 5 kB at least: 35 MB by the end.
  const early = figures[3]!;
  for (const each of figures.slice(4)) {
    const [driver, driverRss, worker, workerRss, store] = each.map((n, at) => n - early[at]!);
    expect(Math.max(driver!, worker!), stdout).toBeLessThan(6);
    // What V8 and the allocator take for themselves, besides.
    expect(Math.max(driverRss!, workerRss!), stdout).toBeLessThan(120);
    expect(store, stdout).toBeLessThan(10);
  }
  expect(numberIn(stdout, /10001: .* disposed (\d+) and/)).toBe(10_001);
  expect(numberIn(stdout, /10001: .* and (\d+)$/m)).toBe(10_001);
});

describe('of a module that the workers import too', () => {
  class Uses {
    byClosure(): number {
      return ++named().uses;
    }
    given(use: () => { uses: number }): number {
      return ++use().uses;
    }
    call(use: () => number): number {
      return use();
    }
    importHidden = importHidden;
    hiddenByImport(): number {
      return importHidden();
    }
    namedByImport(): number {
      return importNamed();
    }
    own(): number {
      return ++own().uses;
    }
    another(): boolean {
      return newOne()() === newOne()();
    }
  }
  const start = () => remote(Uses, { numCpus: 0 }).remote();
  type Actor = ReturnType<typeof start>;
  const inTurn = async (calls: ((actor: Actor) => Promise<number>)[]): Promise<number[]> => {
    const actor = start();
    await get(actorReady(actor));
    const results: number[] = [];
    for (const call of calls) results.push(await call(actor));
    kill(actor);
    return results;
  };

  const ways: ((actor: Actor) => Promise<number>)[] = [
    (actor) => get(actor.byClosure.remote()),
    (actor) => get(actor.given.remote(named)),
    (actor) => get(actor.call.remote(tools.useNamed)),
    (actor) => get(actor.namedByImport.remote()),
  ];
  test('an export is one, by its import, as a value and through functions of the module', async () => {
    expect(await inTurn(ways)).toEqual([1, 2, 3, 4]);
    expect(await inTurn(ways.toReversed())).toEqual([1, 2, 3, 4]);
  });

  test('a variable of the module is one, whether its functions travel by value or by import', async () => {
    const hidden: ((actor: Actor) => Promise<number>)[] = [
      (actor) => get(actor.call.remote(tools.useHidden)),
      (actor) => get(actor.hiddenByImport.remote()),
    ];
    expect(await inTurn(hidden)).toEqual([1, 2]);
    expect(await inTurn(hidden.toReversed())).toEqual([1, 2]);
  });

  test('a default export is one', async () => {
    const both: ((actor: Actor) => Promise<number>)[] = [
      (actor) => get(actor.own.remote()),
      (actor) => get(actor.given.remote(own)),
    ];
    expect(await inTurn(both)).toEqual([1, 2]);
    expect(await inTurn(both.toReversed())).toEqual([1, 2]);
  });

  test('in CommonJS, both are one', async () => {
    const file = fileURLToPath(new URL('programs/commonjs-modules.cjs', import.meta.url));
    const { code, stderr, stdout } = await runProgram(file, { execArgv: [] });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toBe('1 2 1 2\n1 2 1 2\n');
  });

  test('what a function of it makes is another one each time', async () => {
    const [one, two] = [newOne(), newOne()];
    expect(one()).not.toBe(two());
    const actor = start();
    expect(await get(actor.another.remote())).toBe(false);
    expect(await get([one, two].map((each) => actor.given.remote(each)))).toEqual([1, 1]);
    kill(actor);
  });
});

describe('what it is given', () => {
  test('has to be a function that makes something', () => {
    class Pool {}
    const cases: [unknown, RegExp][] = [
      [undefined, /got undefined/],
      [{ make }, /takes a function/],
      [Pool, /write perProcess\(\(\) => new Pool\(…\)\)/],
      [class {}, /a class without a name; write perProcess\(\(\) => new TheClass\(…\)\)/],
      [remote(make), /what is remote/],
      [
        function* generate() {
          yield 1;
        },
        /a generator function/,
      ],
    ];
    for (const [given, message] of cases) {
      const error = thrownBy(() => perProcess(given as () => unknown));
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error.message).toMatch(message);
    }
  });

  test('options are checked', () => {
    const withOptions = (options: unknown) => () => perProcess(make, options as object);
    expect(thrownBy(withOptions({ dispos: make })).message).toMatch(/Did you mean dispose\?/);
    expect(thrownBy(withOptions({ dispose: 'end' })).message).toMatch(/dispose.*function/);
    expect(thrownBy(withOptions(make))).toBeInstanceOf(InvalidArgumentError);
    expect((withOptions({ dispose: undefined })() as () => Own)().pid).toBe(process.pid);
  });

  test('remote() of it is refused', () => {
    const error = thrownBy(() => remote(perProcess(make)));
    expect(error).toBeInstanceOf(InvalidArgumentError);
    expect(error.message).toMatch(/perProcess\(make\)/);
  });
});
