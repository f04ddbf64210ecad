/**
 * An error that is passed on to other objects (the results of tasks and calls whose argument failed, the calls of an actor that
 * could not be made) keeps what it carries: its arrays, refs and handles are there after everything else has let go of them.
 *
 * Each situation gives up all that it has but what it returns. Then the room that became free is filled with other arrays of the
 * same size. That everything is given back is tested by a program of its own, because test runners keep errors.
 */

import { fileURLToPath } from 'node:url';

import {
  ActorDiedError,
  availableResources,
  cancel,
  get,
  init,
  put,
  remote,
  shutdown,
  wait,
  type ActorHandle,
  type ObjectRef,
} from 'eagleray';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';

import { runProgram } from '../examples/run-program.ts';
import { makeGates, openGate, passGate } from './gates.ts';

/** Elements of an array: large enough for the store. */
const LENGTH = 2 ** 16;

const gates = makeGates();

beforeEach(() => init({ numCpus: 3, objectStoreMemory: 48 * 2 ** 20, logToDriver: false }));
afterEach(() => shutdown());
afterAll(() => gates.dispose());

class Echo {
  same(value: unknown): unknown {
    return value;
  }
}
class Picky {
  readonly value: unknown;
  constructor(value?: unknown) {
    this.value = value;
  }
  same(value: unknown): unknown {
    return value;
  }
}
class Broken {
  constructor(kind: Kind) {
    throw failure(kind);
  }
  same(value: unknown): unknown {
    return value;
  }
}
class Keeper {
  private kept: ObjectRef<unknown> | undefined;
  keep({ ref }: Lent): void {
    this.kept = ref;
  }
  async look(): Promise<boolean> {
    const error = await errorOf(this.kept!);
    const isWhole = await holdsAll(error);
    this.kept = undefined;
    return isWhole;
  }
}

type Lent = { ref: ObjectRef<unknown> };

/** What an error carries. */
type Kind = 'array' | 'arrays' | 'long text' | 'ref' | 'handle' | 'all';

const ones = (): Float64Array => new Float64Array(LENGTH).fill(1);
const LONG_TEXT = 'x'.repeat(2 ** 19);

/** An error that carries something. */
function failure(kind: Kind): Error {
  const has = (wanted: Kind): boolean => kind === wanted || kind === 'all';
  return Object.assign(new RangeError('inner'), {
    kind,
    array: has('array') ? ones() : undefined,
    arrays: has('arrays') ? [ones(), ones(), ones()] : [],
    text: has('long text') ? LONG_TEXT : '',
    ref: has('ref') ? put(ones()) : undefined,
    handle: has('handle') ? remote(Echo).remote() : undefined,
  });
}

type Carrying = ReturnType<typeof failure> & {
  kind: Kind;
  array?: Float64Array;
  arrays: Float64Array[];
  text: string;
  ref?: ObjectRef<Float64Array>;
  handle?: ActorHandle<Echo>;
};

/** The error that code has thrown, whatever it was wrapped in. */
function innermost(error: unknown): Carrying {
  let found = error as Error;
  while (!('kind' in found) && found.cause !== undefined) found = found.cause as Error;
  if (!('kind' in found)) throw new Error('the error has lost its cause', { cause: error });
  return found as Carrying;
}

/** Whether an error has all that it was thrown with. */
async function holdsAll(error: unknown): Promise<boolean> {
  const { array, arrays, handle, kind, ref, text } = innermost(error);
  const areOnes = (values: Float64Array | undefined): boolean =>
    values?.length === LENGTH && values.every((value) => value === 1);
  const has = (wanted: Kind): boolean => kind === wanted || kind === 'all';
  if (has('array') && !areOnes(array)) return false;
  if (has('arrays') && !(arrays.length === 3 && arrays.every(areOnes))) return false;
  if (has('long text') && text !== LONG_TEXT) return false;
  if (has('ref') && !areOnes(await get(ref!))) return false;
  return !has('handle') || (await get(handle!.same.remote('there'))) === 'there';
}

async function errorOf(ref: ObjectRef<unknown>): Promise<unknown> {
  try {
    await get(ref);
  } catch (error) {
    return error;
  }
  throw new Error('it has not failed');
}

const boom = remote((kind: Kind): unknown => {
  throw failure(kind);
});
const lateBoom = remote(async (gate: string, kind: Kind): Promise<unknown> => {
  await passGate(gate);
  throw failure(kind);
});
const same = remote((...values: unknown[]): unknown => values[0]);
const three = remote((value: unknown): [unknown, unknown, unknown] => [
  value,
  value,
  value,
]).options({
  numReturns: 3,
});

/** A ref of an error that is there. */
async function failed(kind: Kind): Promise<ObjectRef<unknown>> {
  const ref = boom.remote(kind);
  await wait([ref]);
  return ref;
}

/** What a process makes of an error that it owns, or borrows. */
const passesOnItsOwn = remote(async (kind: Kind): Promise<Lent> => {
  const own = await failed(kind);
  const ref = same.remote(own);
  await wait([ref]);
  own.dispose();
  return { ref };
});
const passesOnLater = remote((kind: Kind): Lent => {
  const own = boom.remote(kind);
  const ref = same.remote(own);
  own.dispose();
  return { ref };
});
const passesOn = remote(async ({ ref: lent }: Lent): Promise<Lent> => {
  const ref = same.remote(lent);
  await wait([ref]);
  lent.dispose();
  return { ref };
});
const callsOn = remote(async (handle: ActorHandle<Picky>): Promise<Lent> => {
  const ref = handle.same.remote(1);
  await wait([ref]);
  return { ref };
});

/** What a situation does with a failed ref, which it need not dispose of; gives the refs that shall have the error. */
type Heirs = (failed: ObjectRef<unknown>) => Promise<ObjectRef<unknown>[]> | ObjectRef<unknown>[];

const ofFailedRef: Record<string, Heirs> = {
  'a task': (ref) => [same.remote(ref)],
  'a task whose second argument it is': (ref) => [same.remote(1, ref)],
  'a task of which it is two arguments': (ref) => [same.remote(ref, ref)],
  'several tasks': (ref) => Array.from({ length: 5 }, () => same.remote(ref)),
  'a call of an actor': (ref) => [remote(Echo).remote().same.remote(ref)],
  'a call of an actor that runs several at a time': (ref) => [
    remote(Echo).options({ maxConcurrency: 4 }).remote().same.remote(ref),
  ],
  'the call of an actor whose argument it is': (ref) => [remote(Picky).remote(ref).same.remote(1)],
  'all calls of an actor whose argument it is': async (ref) => {
    const actor = remote(Picky).remote(ref);
    const calls = [actor.same.remote(1), actor.same.remote(ref)];
    await wait(calls, { numReturns: 2 });
    // These come when it is known to be dead.
    return [...calls, actor.same.remote(2)];
  },
  'a task of the call of an actor whose argument it is': (ref) => [
    same.remote(remote(Picky).remote(ref).same.remote(1)),
  ],
  'the call of an actor whose argument is such a call': (ref) => {
    const first = remote(Picky).remote(ref).same.remote(1);
    return [remote(Picky).remote(first).same.remote(1)];
  },
  'the call of an actor that another process makes': async (ref) => {
    const actor = remote(Picky).remote(ref);
    const { ref: call } = await get(callsOn.remote(actor));
    return [call];
  },
  'all results of a task': (ref) => three.remote(ref),
  'the last result of a task': (ref) => {
    const [first, second, third] = three.remote(ref);
    first.dispose();
    second.dispose();
    return [third];
  },
  'a chain of 1,000 tasks': (ref) => {
    let last = ref;
    for (let count = 0; count < 1000; count++) {
      const next = same.remote(last);
      if (last !== ref) last.dispose();
      last = next;
    }
    return [last];
  },
  'a chain of tasks of several results': (ref) => {
    let last = ref;
    for (let count = 0; count < 20; count++) {
      const [first, second, third] = three.remote(last);
      for (const unused of [first, third, last]) if (unused !== ref) unused.dispose();
      last = second;
    }
    return [last];
  },
  'the middle of a chain': (ref) => {
    const middle = same.remote(ref);
    same.remote(middle).dispose();
    return [middle];
  },
  'a task of a process that has borrowed it': async (ref) => {
    const { ref: passed } = await get(passesOn.remote({ ref }));
    return [passed];
  },
  'a chain of tasks of processes that have borrowed it': async (ref) => {
    let last = ref;
    for (let count = 0; count < 5; count++) {
      const { ref: next } = await get(passesOn.remote({ ref: last }));
      if (last !== ref) last.dispose();
      last = next;
    }
    return [same.remote(last)];
  },
  'a task beside one that is cancelled': (ref) => {
    const cancelled = same.remote(ref);
    cancel(cancelled);
    cancelled.dispose();
    return [same.remote(ref)];
  },
};

const KINDS: Kind[] = ['array', 'all'];

describe('what an error carries is there for', () => {
  const situations = Object.entries(ofFailedRef).flatMap(([name, heirs]) =>
    KINDS.flatMap((kind) => [
      { name: `${name} (${kind})`, kind, heirs, isLate: false },
      { name: `${name}, which fails later (${kind})`, kind, heirs, isLate: true },
    ]),
  );
  test.each(situations)('$name', async ({ heirs, isLate, kind }) => {
    const gate = gates.next();
    const ref = isLate ? lateBoom.remote(gate, kind) : await failed(kind);
    // What waits for it inside of its own process waits until then.
    if (isLate) setTimeout(openGate, 20, gate);
    const refs = await heirs(ref);
    await wait(refs, { numReturns: refs.length });
    ref.dispose();
    await expectErrors(refs);
  });

  test.each<Kind>(['array', 'arrays', 'long text', 'ref', 'handle', 'all'])(
    'a task, a call and a creation (%s)',
    async (kind) => {
      const ref = await failed(kind);
      const refs = [
        same.remote(ref),
        remote(Echo).remote().same.remote(ref),
        remote(Picky).remote(ref).same.remote(1),
      ];
      await wait(refs, { numReturns: refs.length });
      ref.dispose();
      await expectErrors(refs);
    },
  );

  // The actors that it has made end with it.
  test.each<Kind>(['array', 'arrays', 'long text', 'ref'])(
    'the calls of an actor whose constructor has thrown it (%s)',
    async (kind) => {
      const actor = remote(Broken).remote(kind);
      const refs = [actor.same.remote(1)];
      await wait(refs);
      refs.push(actor.same.remote(2), same.remote(refs[0]));
      await wait(refs, { numReturns: refs.length });
      await expectErrors(refs);
      expect(await errorOf(actor.same.remote(3))).toBeInstanceOf(ActorDiedError);
    },
  );

  test.each(KINDS)('the driver, of a process that owned it (%s)', async (kind) => {
    for (const passing of [passesOnItsOwn, passesOnLater]) {
      const { ref } = await get(passing.remote(kind));
      await wait([ref]);
      await expectErrors([ref, same.remote(ref)]);
    }
  });

  test.each(KINDS)('an actor that keeps the result (%s)', async (kind) => {
    const keeper = remote(Keeper).remote();
    const ref = await failed(kind);
    const heir = same.remote(ref);
    await get(keeper.keep.remote({ ref: heir }));
    ref.dispose();
    heir.dispose();
    const others = await fillRoom();
    expect(await get(keeper.look.remote())).toBe(true);
    for (const other of others) other.dispose();
  });

  test.each(KINDS)('a result that was lent before it failed (%s)', async (kind) => {
    const keeper = remote(Keeper).remote();
    const gate = gates.next();
    const ref = lateBoom.remote(gate, kind);
    const heir = same.remote(ref);
    await get(keeper.keep.remote({ ref: heir }));
    openGate(gate);
    await wait([heir]);
    ref.dispose();
    heir.dispose();
    const others = await fillRoom();
    expect(await get(keeper.look.remote())).toBe(true);
    for (const other of others) other.dispose();
  });

  test('a task of one that was tried again', async () => {
    const again = boom.options({ maxRetries: 2, retryExceptions: true });
    const ref = again.remote('all');
    const heir = same.remote(ref);
    await wait([heir]);
    ref.dispose();
    await expectErrors([heir]);
  });

  test('arrays that outlive all refs', async () => {
    const ref = await failed('arrays');
    const heir = same.remote(ref);
    const ofCreation = remote(Picky).remote(ref).same.remote(1);
    const errors = [await errorOf(heir), await errorOf(ofCreation)];
    for (const each of [ref, heir, ofCreation]) each.dispose();
    const others = await fillRoom();
    for (const error of errors) expect(await holdsAll(error)).toBe(true);
    for (const other of others) other.dispose();
  });
});

test('what was passed on again and again is given back', async () => {
  const program = fileURLToPath(new URL('programs/inherited-errors.mjs', import.meta.url));
  const { code, stdout } = await runProgram(program, { execArgv: [] });
  expect({ code, stdout }).toEqual({ code: 0, stdout: 'not given back: 0\n' });
});

/** Fills the room that is free with other arrays. */
async function fillRoom(): Promise<ObjectRef<unknown>[]> {
  // Whatever was disposed of is let go of before a task that is submitted later has its result.
  await get(same.remote(1));
  const bytes = LENGTH * Float64Array.BYTES_PER_ELEMENT;
  const free = availableResources()['objectStoreMemory']!;
  const count = Math.floor((0.7 * free) / bytes);
  return Array.from({ length: count }, () => put(new Float64Array(LENGTH).fill(7)));
}

/** The refs, all of which are disposed of, are the error with all that it carries. */
async function expectErrors(refs: readonly ObjectRef<unknown>[]): Promise<void> {
  const others = await fillRoom();
  try {
    for (const ref of refs) expect(await holdsAll(await errorOf(ref))).toBe(true);
  } finally {
    for (const ref of [...refs, ...others]) ref.dispose();
  }
}
