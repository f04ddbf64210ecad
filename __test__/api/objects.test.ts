import {
  GetTimeoutError,
  InvalidArgumentError,
  SerializationError,
  allocate,
  get,
  getSync,
  init,
  put,
  remote,
  shutdown,
  wait,
  waitSync,
  type ObjectRef,
} from 'eagleray';
import { getEventListeners } from 'node:events';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';
import { rejection, thrown } from './rejection.ts';

const gates = makeGates();

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

const behind = remote(async (gate: string, value: number) => {
  await passGate(gate);
  return value;
});

const after = (gate: string, value: number): ObjectRef<number> => behind.remote(gate, value);

describe('put and get', () => {
  test.each([1, 'text', null, undefined, true, 10n, -0, NaN, [1, 2], { a: { b: 1 } }])(
    '%o comes back',
    async (value) => {
      expect(await get(put(value))).toEqual(value);
      expect(getSync(put(value))).toEqual(value);
    },
  );

  test('maps, sets, dates and expressions come back', async () => {
    const value = { map: new Map([[1, new Set(['a'])]]), date: new Date(5), expression: /x/gi };
    expect(await get(put(value))).toEqual(value);
  });

  // Up to a length a text is kept as it is until somebody asks for it, and as an argument up to a shorter one.
  test.each([0, 1, 1_023, 1_024, 16_384, 16_385, 70_000])(
    'a text of %i characters comes back at home, as an argument, and inside of values',
    async (length) => {
      const first = remote((text: string) => [text, text.length] as const);
      const inside = remote(async ({ ref }: { ref: ObjectRef<string> }) => await get(ref));
      for (const character of ['x', 'é', '€', '\uD83D']) {
        const text = character.repeat(length);
        const ref = put(text);
        expect(await get(ref)).toBe(text);
        expect(getSync(put(text))).toBe(text);
        expect(await get(first.remote(ref))).toEqual([text, length]);
        expect(await get(first.remote(ref))).toEqual([text, length]);
        expect(await get(inside.remote({ ref }))).toBe(text);
        expect(await get(inside.remote({ ref: put(text) }))).toBe(text);
      }
    },
  );

  test('cycles and shared identity come back', async () => {
    const shared = { x: 1 };
    const value: Record<string, unknown> = { a: shared, b: shared };
    value['self'] = value;
    const read = await get(put(value));
    expect(read['self']).toBe(read);
    expect(read['a']).toBe(read['b']);
  });

  test('what was put is a snapshot', async () => {
    const value = { x: 1, big: new Float64Array(20_000) };
    const ref = put(value);
    value.x = 2;
    value.big[0] = 7;
    const read = await get(ref);
    expect([read.x, read.big[0]]).toEqual([1, 0]);
  });

  test('each get of a large array is a view of its own that may be written', async () => {
    const ref = put(new Float64Array(20_000).fill(1));
    const first = await get(ref);
    first[0] = 99;
    const second = await get(ref);
    expect(second[0]).toBe(1);
    expect(first[0]).toBe(99);
    const sum = remote((array: Float64Array) => array[0]);
    expect(await get(sum.remote(ref))).toBe(1);
  });

  test('a list gives values in order', async () => {
    const [a, b] = [gates.next(), gates.next()];
    const refs = [after(a, 1), after(b, 2)] as const;
    openGate(b);
    await get(refs[1]);
    openGate(a);
    expect(await get(refs)).toEqual([1, 2]);
  });

  test('the same ref twice gives the value twice', async () => {
    const ref = put({ x: 1 });
    expect(await get([ref, ref])).toEqual([{ x: 1 }, { x: 1 }]);
  });

  test('get([]) is []', async () => {
    expect(await get([])).toEqual([]);
    expect(getSync([])).toEqual([]);
  });

  test('put of a ref is an InvalidArgumentError', () => {
    expect(() => put(put(1))).toThrow(InvalidArgumentError);
  });

  test.each([[1], ['text'], [null], [undefined], [{}], [[1]], [[null]]])(
    'get(%o) is an InvalidArgumentError',
    async (wrong) => {
      expect(await rejection(get(wrong as unknown as ObjectRef<unknown>))).toBeInstanceOf(
        InvalidArgumentError,
      );
      expect(() => getSync(wrong as unknown as ObjectRef<unknown>)).toThrow(InvalidArgumentError);
    },
  );

  test.each([
    { timeoutMs: -1 },
    { timeoutMs: 'x' },
    { timeoutMs: NaN },
    { unknown: 1 },
    { signal: 1 },
  ])('get(ref, %o) is an InvalidArgumentError', async (options) => {
    expect(await rejection(get(put(1), options as never))).toBeInstanceOf(InvalidArgumentError);
    expect(() => getSync(put(1), options as never)).toThrow(InvalidArgumentError);
  });

  test('what can not be stored is a SerializationError with the path', () => {
    const error = thrown<SerializationError>(() => put({ list: [{ bad: new WeakMap() }] }));
    expect(error).toBeInstanceOf(SerializationError);
    expect(error.message).toMatch(/list.*0.*bad/s);
  });

  test('a function comes back and can be called', async () => {
    const offset = 2;
    const add = await get(put((x: number) => x + offset));
    expect(add(1)).toBe(3);
  });

  test('an instance keeps its class', async () => {
    class Point {
      x = 1;
      double(): number {
        return this.x * 2;
      }
    }
    const point = await get(put(new Point()));
    expect(point).toBeInstanceOf(Point);
    expect(point.double()).toBe(2);
    const fromTask = await get(remote(() => new Point()).remote());
    expect(fromTask).toBeInstanceOf(Point);
  });

  test('Buffers come back as Buffers', async () => {
    for (const length of [3, 100_000]) {
      const read = await get(put(Buffer.alloc(length, 1)));
      expect(Buffer.isBuffer(read)).toBe(true);
      expect(read.equals(Buffer.alloc(length, 1))).toBe(true);
    }
  });

  test('views that share a buffer share one afterwards', async () => {
    const buffer = new ArrayBuffer(16);
    const read = await get(put({ a: new Uint8Array(buffer), b: new Uint8Array(buffer) }));
    read.a[0] = 5;
    expect(read.b[0]).toBe(5);
  });
});

describe('refs', () => {
  test('a ref is no promise', async () => {
    const ref = put(1);
    expect(await ref).toBe(ref);
    expect('then' in ref).toBe(false);
  });

  test('equal refs have equal ids', async () => {
    const ref = put(5);
    const back = await get(remote((list: ObjectRef<number>[]) => list).remote([ref]));
    expect(back[0]!.id).toBe(ref.id);
    expect(await get(back[0]!)).toBe(5);
    expect(put(5).id).not.toBe(ref.id);
  });

  test('a disposed ref is an InvalidArgumentError everywhere', async () => {
    const ref = put(1);
    ref.dispose();
    ref.dispose();
    expect(await rejection(get(ref))).toBeInstanceOf(InvalidArgumentError);
    expect(() => getSync(ref)).toThrow(InvalidArgumentError);
    expect(() => waitSync([ref])).toThrow(InvalidArgumentError);
    expect(() => remote((x: number) => x).remote(ref)).toThrow(InvalidArgumentError);
    expect(() => put([ref])).toThrow(InvalidArgumentError);
  });

  test('a ref has Symbol.dispose', async () => {
    const ref = put(1);
    ref[Symbol.dispose]();
    expect(await rejection(get(ref))).toBeInstanceOf(InvalidArgumentError);
  });

  test('a task still runs when its refs are dropped', async () => {
    const marker = gates.next();
    remote((path: string) => openGate(path))
      .remote(marker)
      .dispose();
    await passGate(marker);
  });

  test('disposing of a ref does not take the value from who is waiting', async () => {
    const gate = gates.next();
    const ref = after(gate, 3);
    const waiting = get(ref);
    ref.dispose();
    openGate(gate);
    expect(await waiting).toBe(3);
  });

  test('disposing of a ref does not take the value from a task that was given it', async () => {
    const ref = put(new Float64Array(20_000).fill(2));
    const sum = remote((array: Float64Array) => array.reduce((x, y) => x + y, 0));
    const result = sum.remote(ref);
    ref.dispose();
    expect(await get(result)).toBe(40_000);
  });
});

describe('allocate', () => {
  test('what was put is a snapshot of what was written', async () => {
    const array = allocate(Float64Array, 20_000);
    array.fill(3);
    const ref = put(array);
    array[0] = 4;
    expect((await get(ref))[0]).toBe(3);
    expect(array[0]).toBe(4);
  });

  test('a task returns what it allocated', async () => {
    const make = remote(() => allocate(Float32Array, 50_000).fill(2));
    const array = await get(make.remote());
    expect(array).toHaveLength(50_000);
    expect(array.at(-1)).toBe(2);
  });

  test.each([
    [Array],
    [Float64Array, -1],
    [Float64Array, 1.5],
    [Float64Array, 'x'],
    [undefined, 1],
  ])('allocate(%o, %o) is an InvalidArgumentError', (...wrong) => {
    expect(() => (allocate as unknown as (...x: unknown[]) => unknown)(...wrong)).toThrow(
      InvalidArgumentError,
    );
  });
});

describe('timeouts and signals', () => {
  test('timeoutMs: 0 gives the value if it is there', async () => {
    const ref = put(1);
    expect(await get(ref, { timeoutMs: 0 })).toBe(1);
    expect(getSync(ref, { timeoutMs: 0 })).toBe(1);
    const done = remote(() => 2).remote();
    await get(done);
    expect(await get(done, { timeoutMs: 0 })).toBe(2);
    expect(getSync(done, { timeoutMs: 0 })).toBe(2);
  });

  test('timeoutMs: 0 is a GetTimeoutError if it is not', async () => {
    const gate = gates.next();
    const ref = after(gate, 1);
    expect(await rejection(get(ref, { timeoutMs: 0 }))).toBeInstanceOf(GetTimeoutError);
    expect(() => getSync(ref, { timeoutMs: 0 })).toThrow(GetTimeoutError);
    openGate(gate);
    expect(await get(ref)).toBe(1);
  });

  test('a timeout cancels nothing but the waiting', async () => {
    const gate = gates.next();
    const ref = after(gate, 1);
    expect(await rejection(get(ref, { timeoutMs: 10 }))).toBeInstanceOf(GetTimeoutError);
    expect(() => getSync([ref, put(1)], { timeoutMs: 10 })).toThrow(GetTimeoutError);
    openGate(gate);
    expect(await get(ref)).toBe(1);
  });

  test('an aborted get rejects with the reason', async () => {
    const gate = gates.next();
    const ref = after(gate, 1);
    const controller = new AbortController();
    const waiting = rejection(get(ref, { signal: controller.signal }));
    const reason = new RangeError('enough');
    controller.abort(reason);
    expect(await waiting).toBe(reason);
    openGate(gate);
    expect(await get(ref)).toBe(1);
  });

  test('a signal that is aborted already rejects, also when the value is there', async () => {
    const signal = AbortSignal.abort('why');
    expect(await rejection(get(put(1), { signal }))).toBe('why');
    expect(await rejection(wait([put(1)], { signal }))).toBe('why');
    expect(await rejection(get([], { signal }))).toBe('why');
    expect(await rejection(wait([], { signal }))).toBe('why');
  });

  test('an aborted wait rejects with the reason', async () => {
    const gate = gates.next();
    const controller = new AbortController();
    const waiting = rejection(wait([after(gate, 1)], { signal: controller.signal }));
    controller.abort('why');
    expect(await waiting).toBe('why');
    openGate(gate);
  });

  // Node keeps what AbortSignal.any() and AbortSignal.timeout() give for as long as it has a listener.
  test('waiting leaves nothing at a signal when it has ended', async () => {
    const gate = gates.next();
    const { signal } = new AbortController();
    const refs = Array.from({ length: 20 }, (_, index) => after(gate, index));
    const waiting = [
      ...refs.map((ref) => get(ref, { signal })),
      wait(refs, { numReturns: 20, signal }),
    ];
    const tooLate = rejection(get(refs, { signal, timeoutMs: 1 }));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    expect(await tooLate).toBeInstanceOf(GetTimeoutError);
    openGate(gate);
    await Promise.all(waiting);
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  test('a listener that stops the event does not keep a get from ending', async () => {
    const gate = gates.next();
    const controller = new AbortController();
    controller.signal.addEventListener('abort', (event) => event.stopImmediatePropagation());
    const waiting = rejection(get(after(gate, 1), { signal: controller.signal }));
    controller.abort('why');
    openGate(gate);
    expect(await waiting).toBe('why');
  });

  test('a timeout counts the refs that were disposed of meanwhile as they are', async () => {
    const [quick, slow] = [gates.next(), gates.next()];
    const list = [after(quick, 1), after(slow, 2)];
    const getting = rejection(get(list, { timeoutMs: 2_000 }));
    const waiting = wait(list, { numReturns: 2, timeoutMs: 2_000 });
    openGate(quick);
    await wait([list[0]!]);
    for (const ref of list) ref.dispose();
    expect(await getting).toMatchObject({ missing: 1 });
    expect(await waiting).toEqual([[list[0]], [list[1]]]);
    openGate(slow);
  });
});

describe('wait', () => {
  test('gives what is ready and what is not, in the given order', async () => {
    const slow = gates.next();
    const late = after(slow, 1);
    const [a, b] = [put(1), put(2)];
    expect(await wait([late, a, b], { numReturns: 2 })).toEqual([[a, b], [late]]);
    expect(waitSync([b, late, a], { numReturns: 2 })).toEqual([[b, a], [late]]);
    openGate(slow);
  });

  test('gives no more than numReturns', async () => {
    const refs = [put(1), put(2), put(3)];
    expect(await wait(refs)).toEqual([[refs[0]], [refs[1], refs[2]]]);
    expect(waitSync(refs, { numReturns: 2 })).toEqual([[refs[0], refs[1]], [refs[2]]]);
  });

  test('timeoutMs ends it with what is ready', async () => {
    const gate = gates.next();
    const late = after(gate, 1);
    const ready = put(1);
    expect(await wait([late, ready], { numReturns: 2, timeoutMs: 10 })).toEqual([[ready], [late]]);
    expect(await wait([late, ready], { numReturns: 2, timeoutMs: 0 })).toEqual([[ready], [late]]);
    expect(waitSync([late], { timeoutMs: 10 })).toEqual([[], [late]]);
    expect(waitSync([late], { timeoutMs: 0 })).toEqual([[], [late]]);
    openGate(gate);
    expect(await wait([late])).toEqual([[late], []]);
  });

  test('a failed task is ready', async () => {
    const bad = remote(() => {
      throw new Error('no');
    }).remote();
    expect(await wait([bad])).toEqual([[bad], []]);
    await rejection(get(bad));
  });

  test('wait([]) is [[], []]', async () => {
    expect(await wait([])).toEqual([[], []]);
    expect(waitSync([])).toEqual([[], []]);
  });

  test.each([0, 3, -1, 1.5, NaN])('numReturns: %o of two refs is an error', async (numReturns) => {
    const refs = [put(1), put(2)];
    expect(await rejection(wait(refs, { numReturns }))).toBeInstanceOf(InvalidArgumentError);
    expect(() => waitSync(refs, { numReturns })).toThrow(InvalidArgumentError);
  });

  test('duplicates are an error', async () => {
    const ref = put(1);
    expect(await rejection(wait([ref, ref]))).toBeInstanceOf(InvalidArgumentError);
    expect(() => waitSync([ref, put(2), ref])).toThrow(InvalidArgumentError);
  });

  test('what is no list is an error', async () => {
    const ref = put(1) as unknown as ObjectRef<unknown>[];
    expect(await rejection(wait(ref))).toBeInstanceOf(InvalidArgumentError);
    expect(() => waitSync(ref)).toThrow(InvalidArgumentError);
  });
});

describe('in words', () => {
  test('a ref is its id, also in JSON', () => {
    const ref = put(1);
    expect(String(ref)).toBe(`ObjectRef(${ref.id})`);
    expect(JSON.stringify({ ref })).toBe(`{"ref":"ObjectRef(${ref.id})"}`);
    expect(inspect([ref])).toBe(`[ ObjectRef(${ref.id}) ]`);
    ref.dispose();
    expect(JSON.stringify([ref])).toBe('["ObjectRef(disposed)"]');
  });

  test('a handle is its class and id, also in JSON', () => {
    class Robot {
      move(): number {
        return 1;
      }
    }
    using handle = remote(Robot).remote();
    const text = `ActorHandle<Robot>(${handle.actorId})`;
    expect(String(handle)).toBe(text);
    expect(JSON.stringify({ handle })).toBe(`{"handle":"${text}"}`);
    expect(inspect(handle)).toBe(text);
  });
});

describe('a list of refs is what it was when the call was made', () => {
  test('for wait, when refs are taken out of it, put before, or all gone', async () => {
    for (const change of [
      (list: ObjectRef<number>[]) => void list.shift(),
      (list: ObjectRef<number>[]) => void list.unshift(put(0)),
      (list: ObjectRef<number>[]) => void (list.length = 0),
    ]) {
      const [slowGate, fastGate] = [gates.next(), gates.next()];
      const [slow, fast] = [after(slowGate, 1), after(fastGate, 2)];
      const list = [slow, fast];
      const waiting = wait(list);
      change(list);
      openGate(fastGate);
      expect(await waiting).toEqual([[fast], [slow]]);
      openGate(slowGate);
      await get(slow);
    }
  });

  test('for a wait that times out', async () => {
    const gate = gates.next();
    const slow = after(gate, 1);
    const list = [slow];
    const waiting = wait(list, { timeoutMs: 1 });
    list.push(put(0));
    expect(await waiting).toEqual([[], [slow]]);
    openGate(gate);
    await get(slow);
  });

  test('for get of large values', async () => {
    const gate = gates.next();
    const large = remote(async (path: string) => {
      await passGate(path);
      return new Float64Array(20_000).fill(3);
    });
    const list = [large.remote(gate), put(1)];
    const all = get(list);
    list.length = 0;
    openGate(gate);
    const [array, one] = await all;
    expect([(array as Float64Array)[19_999], one]).toEqual([3, 1]);
  });

  test('for the error that a ref fails with again, and for what a timeout counts', async () => {
    const gate = gates.next();
    const failing = remote(async (path: string) => {
      await passGate(path);
      throw new RangeError('inner');
    });
    const ref: ObjectRef<unknown> = failing.remote(gate);
    const list = [ref];
    const [failed, late] = [rejection(get(list)), rejection(get(list, { timeoutMs: 1 }))];
    list[0] = put(1);
    expect(await late).toMatchObject({ missing: 1 });
    openGate(gate);
    expect(await rejection(get(ref))).toBe(await failed);
  });

  test.each(['get', 'getSync', 'wait', 'waitSync'] as const)(
    'for %s, also while its elements are read, which may make calls or differ each time',
    async (call) => {
      const other = put(0);
      let reads = 0;
      const list = [put(1), put(2)];
      const [one, two] = list;
      Object.defineProperty(list, 1, {
        get: () => {
          getSync(remote(() => 0).remote());
          return reads++ === 0 ? two : other;
        },
      });
      const both = { numReturns: 2 };
      const result = {
        get: () => get(list),
        getSync: () => getSync(list),
        wait: () => wait(list, both),
        waitSync: () => waitSync(list, both),
      }[call];
      expect(await result()).toEqual(call.startsWith('get') ? [1, 2] : [[one, two], []]);
      expect(reads).toBe(1);
    },
  );
});
