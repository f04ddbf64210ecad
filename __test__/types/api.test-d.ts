/**
 * What the compiler accepts and what it refuses. Compiled by `tsc --noEmit` and never run: a line that should not
 * compile and does is an unused `@ts-expect-error`, which is an error itself.
 */
import { expectTypeOf } from 'vitest';
import * as sdk from '../../bindings/typescript/src/index.ts';
import type {
  ActorHandle,
  ActorMethod,
  AllocateSignature,
  AnyActorHandle,
  CancelSignature,
  GetActorSignature,
  GetSignature,
  GetSyncSignature,
  InitSignature,
  KillSignature,
  ObjectRef,
  PutSignature,
  RemoteClass,
  RemoteFunction,
  RemoteSignature,
  Unref,
  WaitSignature,
} from '../../bindings/typescript/src/types.ts';

declare const remote: RemoteSignature;
declare const get: GetSignature;
declare const getSync: GetSyncSignature;
declare const put: PutSignature;
declare const wait: WaitSignature;
declare const allocate: AllocateSignature;
declare const cancel: CancelSignature;
declare const kill: KillSignature;
declare const getActor: GetActorSignature;
declare const init: InitSignature;

// Tasks

export async function tasks(): Promise<void> {
  const square = remote((x: number) => x * x);
  expectTypeOf(square).toEqualTypeOf<RemoteFunction<[x: number], number>>();
  expectTypeOf(square.remote(2)).toEqualTypeOf<ObjectRef<number>>();
  expectTypeOf(get(square.remote(2))).toEqualTypeOf<Promise<number>>();
  expectTypeOf(getSync(square.remote(2))).toEqualTypeOf<number>();

  // Arguments are values or refs of them, and nothing else.
  square.remote(square.remote(2));
  square.remote(put(3));
  // @ts-expect-error a string is no number
  square.remote('2');
  // @ts-expect-error nor is a ref of one
  square.remote(put('2'));
  // @ts-expect-error an argument is missing
  square.remote();
  // @ts-expect-error one too many
  square.remote(1, 2);
  // @ts-expect-error a promise is no value
  square.remote(Promise.resolve(2));
  // @ts-expect-error a ref is no promise
  square.remote(2).then;
  // @ts-expect-error a ref is no number
  square.remote(2) + 1;
  // @ts-expect-error a remote function is called by .remote()
  square(2);
  expectTypeOf(await square.remote(2)).toEqualTypeOf<ObjectRef<number>>();

  // An async function's result is unwrapped once, and a ref it returns is not.
  const load = remote(async (path: string) => ({ path, size: 1 }));
  expectTypeOf(load.remote('x')).toEqualTypeOf<ObjectRef<{ path: string; size: number }>>();
  const start = remote(async () => square.remote(2));
  expectTypeOf(start.remote()).toEqualTypeOf<ObjectRef<ObjectRef<number>>>();
  expectTypeOf(await get(start.remote())).toEqualTypeOf<ObjectRef<number>>();
  const startSync = remote(() => square.remote(2));
  expectTypeOf(startSync.remote()).toEqualTypeOf<ObjectRef<ObjectRef<number>>>();
  expectTypeOf(remote(async () => {}).remote()).toEqualTypeOf<ObjectRef<void>>();
  expectTypeOf(remote(() => Math.random() < 0.5).remote()).toEqualTypeOf<ObjectRef<boolean>>();
  expectTypeOf(remote((): undefined | number => 1).remote()).toEqualTypeOf<
    ObjectRef<number | undefined>
  >();

  // Optional, default and rest parameters stay what they are.
  const scale = remote((x: number, factor = 2, label?: string) => `${label}${x * factor}`);
  scale.remote(1);
  scale.remote(1, put(3));
  scale.remote(1, 3, put('a'));
  // @ts-expect-error the label is a string
  scale.remote(1, 3, 4);
  const sum = remote((first: string, ...numbers: number[]) => first + numbers.length);
  sum.remote('a');
  sum.remote('a', 1, put(2), 3);
  // @ts-expect-error the rest are numbers
  sum.remote('a', 1, 'b');
  const either = remote((x: string | number) => x);
  either.remote(put(2));
  either.remote(put('a'));

  // Objects with refs inside keep their refs.
  const nested = remote((input: { part: ObjectRef<number> }) => input.part);
  nested.remote({ part: put(2) });
  // @ts-expect-error nested refs are not resolved, so a value does not fit
  nested.remote({ part: 2 });
  const list = remote((parts: ObjectRef<number>[]) => parts.length);
  list.remote([put(1), put(2)]);

  // Generic functions become what they are without their type argument; overloaded ones their last overload.
  const identity = remote(<T>(value: T): T => value);
  expectTypeOf(identity.remote(1)).toEqualTypeOf<ObjectRef<unknown>>();
  function parse(text: string): string;
  function parse(text: number): number;
  function parse(text: string | number): string | number {
    return text;
  }
  expectTypeOf(remote(parse).remote(1)).toEqualTypeOf<ObjectRef<number>>();
  // @ts-expect-error the first overload is not seen
  remote(parse).remote('a');

  // `any` stays any, and is not mistaken for an array.
  const loose = remote((text: string) => JSON.parse(text));
  expectTypeOf(loose.remote('1')).toEqualTypeOf<ObjectRef<any>>();
}

export function taskOptions(): void {
  const square = remote((x: number) => x * x, {
    numCpus: 2,
    numGpus: 0.5,
    resources: { Custom: 1 },
    memory: 2 ** 20,
    name: 'square',
    maxRetries: -1,
    retryExceptions: [TypeError],
    maxCalls: 1,
    env: { MODE: 'fast' },
  });
  expectTypeOf(square.options({ numGpus: 1 })).toEqualTypeOf<RemoteFunction<[x: number], number>>();
  // An option that is undefined counts as not given.
  square.options({ numCpus: undefined });

  // @ts-expect-error unknown option
  remote((x: number) => x, { numCpu: 2 });
  // @ts-expect-error unknown option
  square.options({ numCPUs: 2 });
  // @ts-expect-error an option of actors
  square.options({ maxRestarts: 1 });
  // @ts-expect-error wrong type
  square.options({ numCpus: '2' });
  // @ts-expect-error CPU has an option of its own
  square.options({ resources: { CPU: 1 } });
  // @ts-expect-error memory too
  square.options({ resources: { memory: 1 } });
  // @ts-expect-error environment variables are strings
  square.options({ env: { THREADS: 4 } });
  // @ts-expect-error no error class
  square.options({ retryExceptions: [Date] });
  // @ts-expect-error instances are no classes
  square.options({ retryExceptions: [new TypeError()] });
}

export async function severalResults(): Promise<void> {
  const split = remote((): [number, string] => [1, 'a'], { numReturns: 2 });
  expectTypeOf(split.remote()).toEqualTypeOf<[ObjectRef<number>, ObjectRef<string>]>();
  expectTypeOf(await get(split.remote())).toEqualTypeOf<[number, string]>();

  const chunks = remote(async (n: number) => Array.from({ length: n }, (_, i) => `${i}`));
  expectTypeOf(chunks.remote(3)).toEqualTypeOf<ObjectRef<string[]>>();
  expectTypeOf(chunks.options({ numReturns: 3 }).remote(3)).toEqualTypeOf<
    [ObjectRef<string>, ObjectRef<string>, ObjectRef<string>]
  >();
  expectTypeOf(chunks.options({ numReturns: 1 }).remote(3)).toEqualTypeOf<ObjectRef<string[]>>();
  expectTypeOf(chunks.options({ numReturns: 0 }).remote(3)).toEqualTypeOf<undefined>();
  expectTypeOf(chunks.options({ numReturns: 2000 }).remote(2000)).toEqualTypeOf<
    ObjectRef<string>[]
  >();

  // Options that say nothing about it leave the number of results alone.
  expectTypeOf(split.options({ numCpus: 2 }).remote()).toEqualTypeOf<
    [ObjectRef<number>, ObjectRef<string>]
  >();
  const three = chunks.options({ numReturns: 3 }).options({ name: 'three' });
  expectTypeOf(three.remote(3)).toEqualTypeOf<
    [ObjectRef<string>, ObjectRef<string>, ObjectRef<string>]
  >();

  // A number that is only known at run time.
  const n: number = Number('3');
  expectTypeOf(chunks.options({ numReturns: n }).remote(3)).toEqualTypeOf<
    undefined | ObjectRef<string[]> | ObjectRef<string>[]
  >();

  // What can never fit is `never`.
  expectTypeOf(remote(() => 1, { numReturns: 2 }).remote()).toBeNever();
  expectTypeOf(split.options({ numReturns: 3 }).remote()).toBeNever();
  expectTypeOf(remote(() => JSON.parse('[]'), { numReturns: 2 }).remote()).toEqualTypeOf<
    [ObjectRef<any>, ObjectRef<any>]
  >();
}

// Generic code over remote functions, as an actor pool or a map has it

export async function mapRemote<T, R>(task: RemoteFunction<[T], R>, items: T[]): Promise<R[]> {
  const refs = items.map((item) => task.remote(item));
  const one: Promise<R> = get(refs[0]!);
  await one;
  task.options({ numCpus: 2 }).remote(items[0]!) satisfies ObjectRef<R>;
  const [ready] = await wait(refs);
  ready satisfies ObjectRef<R>[];
  put(items[0]!) satisfies ObjectRef<T>;
  return get(refs);
}

// Actors

class Base {
  inherited(text: string): string {
    return text;
  }
}

class Counter extends Base {
  value: number;
  readonly label = 'counter';
  static total = 0;

  constructor(value = 0) {
    super();
    this.value = value;
  }

  increment(by = 1): number {
    return (this.value += by);
  }

  async read(): Promise<{ value: number }> {
    return { value: this.value };
  }

  bounds(): [low: number, high: string] {
    return [0, `${this.value}`];
  }

  add(this: Counter, ...numbers: number[]): number {
    return numbers.length;
  }

  chain(): this {
    return this;
  }

  get double(): number {
    return this.value * 2;
  }

  protected guarded(): void {}
  private hidden(): void {
    this.guarded();
  }

  callHidden(): void {
    this.hidden();
  }

  [Symbol.iterator](): Iterator<number> {
    return [this.value].values();
  }
}

export async function actors(): Promise<void> {
  const RemoteCounter = remote(Counter, { numCpus: 2, numGpus: 0.5, maxRestarts: 1 });
  expectTypeOf(RemoteCounter).toEqualTypeOf<RemoteClass<typeof Counter>>();
  const counter = RemoteCounter.remote();
  expectTypeOf(counter).toEqualTypeOf<ActorHandle<Counter>>();
  RemoteCounter.remote(put(2));
  RemoteCounter.options({ name: 'a', lifetime: 'detached', getIfExists: true }).remote(1);
  // @ts-expect-error the constructor takes a number
  RemoteCounter.remote('2');
  // @ts-expect-error unknown option
  RemoteCounter.options({ maxRetries: 2 });
  // @ts-expect-error unknown option
  remote(Counter, { numReturns: 2 });
  // @ts-expect-error the only lifetime with a name
  RemoteCounter.options({ lifetime: 'forever' });
  // @ts-expect-error a remote class is not constructed
  new RemoteCounter();

  expectTypeOf(counter.increment).toEqualTypeOf<ActorMethod<[by?: number], number>>();
  expectTypeOf(counter.increment.remote(2)).toEqualTypeOf<ObjectRef<number>>();
  expectTypeOf(await get(counter.increment.remote(put(2)))).toEqualTypeOf<number>();
  expectTypeOf(counter.read.remote()).toEqualTypeOf<ObjectRef<{ value: number }>>();
  expectTypeOf(counter.inherited.remote('a')).toEqualTypeOf<ObjectRef<string>>();
  counter.add.remote(1, put(2));
  counter.increment.remote();
  // @ts-expect-error by is a number
  counter.increment.remote('2');
  // @ts-expect-error methods are called by .remote()
  counter.increment(2);
  // @ts-expect-error unknown method
  counter.decrement;
  // @ts-expect-error a field is no method
  counter.value;
  // @ts-expect-error nor is an accessor
  counter.double;
  // @ts-expect-error nor a static member
  counter.total;
  // @ts-expect-error private
  counter.hidden;
  // @ts-expect-error protected
  counter.guarded;
  // @ts-expect-error symbols are no methods of a handle
  counter[Symbol.iterator];

  expectTypeOf(counter.bounds.options({ numReturns: 2 }).remote()).toEqualTypeOf<
    [low: ObjectRef<number>, high: ObjectRef<string>]
  >();
  counter.increment.options({ maxTaskRetries: 2, retryExceptions: true });
  // @ts-expect-error unknown option of a method
  counter.increment.options({ numCpus: 2 });

  expectTypeOf(counter.actorId).toEqualTypeOf<string>();
  counter.dispose();
  using again = RemoteCounter.remote();
  kill(again, { noRestart: true });
  // @ts-expect-error a ref is no handle
  kill(put(1));
  // @ts-expect-error a handle is no ref
  get(counter);
  // @ts-expect-error unknown option
  kill(counter, { force: true });

  // Handles travel as arguments, alone and inside objects.
  const poke = remote((handle: ActorHandle<Counter>, many: ActorHandle<Counter>[]) =>
    many.concat(handle).map((each) => each.increment.remote()),
  );
  poke.remote(counter, [counter]);
  class Other {
    other(): void {}
  }
  // @ts-expect-error a handle of another class
  poke.remote(remote(Other).remote(), []);

  class OtherWithState extends Other {
    state = 0;
  }
  remote(OtherWithState).remote() satisfies ActorHandle<Other>;
  // @ts-expect-error the same methods make no class the other one
  remote(Other).remote() satisfies ActorHandle<OtherWithState>;

  expectTypeOf(getActor<Counter>('a').increment.remote()).toEqualTypeOf<ObjectRef<number>>();
  getActor<Counter>('a', { namespace: 'b' });

  abstract class Abstract {
    abstract run(): void;
  }
  // @ts-expect-error an abstract class has no instances
  remote(Abstract);

  class Box<T> {
    content: T;
    constructor(content: T) {
      this.content = content;
    }
    open(): T {
      return this.content;
    }
  }
  const box: ActorHandle<Box<unknown>> = remote(Box).remote(1);
  expectTypeOf(box.open.remote()).toEqualTypeOf<ObjectRef<unknown>>();
}

// Objects

export async function objects(): Promise<void> {
  const number = put(1);
  const text = put('a');
  expectTypeOf(number).toEqualTypeOf<ObjectRef<number>>();
  expectTypeOf(number.id).toEqualTypeOf<string>();
  using disposed = put({ a: 1 });
  expectTypeOf(await get(disposed)).toEqualTypeOf<{ a: number }>();
  expectTypeOf<Unref<ObjectRef<ObjectRef<string>>>>().toEqualTypeOf<ObjectRef<string>>();

  // Tuples stay tuples, arrays stay arrays.
  expectTypeOf(await get([number, text])).toEqualTypeOf<[number, string]>();
  expectTypeOf(getSync([number, text])).toEqualTypeOf<[number, string]>();
  expectTypeOf(await get([])).toEqualTypeOf<[]>();
  const refs: ObjectRef<number>[] = [number, number];
  expectTypeOf(await get(refs)).toEqualTypeOf<number[]>();
  const fixed: readonly [ObjectRef<number>, ObjectRef<string>] = [number, text];
  expectTypeOf(await get(fixed)).toEqualTypeOf<[number, string]>();
  const [a, b] = await get([number, text]);
  expectTypeOf(a).toEqualTypeOf<number>();
  expectTypeOf(b).toEqualTypeOf<string>();
  const oneOrMany = Math.random() < 0.5 ? number : [text];
  expectTypeOf(await get(oneOrMany)).toEqualTypeOf<number | string[]>();
  // @ts-expect-error no ref
  get(1);
  // @ts-expect-error a value among refs
  get([number, 1]);
  // @ts-expect-error a promise is no ref
  get(Promise.resolve(1));
  // @ts-expect-error unknown option
  get(number, { timeout: 1 });
  get(number, { timeoutMs: 0, signal: AbortSignal.timeout(1) });
  // @ts-expect-error blocking calls can't be aborted
  getSync(number, { signal: AbortSignal.timeout(1) });

  const [ready, notReady] = await wait(refs, { numReturns: 2, timeoutMs: 5, fetchLocal: true });
  expectTypeOf(ready).toEqualTypeOf<ObjectRef<number>[]>();
  expectTypeOf(notReady).toEqualTypeOf<ObjectRef<number>[]>();
  const [some] = await wait([number, text]);
  expectTypeOf(await get(some[0]!)).toEqualTypeOf<string | number>();
  // @ts-expect-error values can't be waited for
  wait([1]);
  // @ts-expect-error unknown option
  wait(refs, { numReady: 1 });

  cancel(number, { force: true, recursive: false });
  // @ts-expect-error unknown option
  cancel(number, { noRestart: true });

  // Refs are covariant, and refs of different types are different.
  number satisfies ObjectRef<number | string>;
  number satisfies ObjectRef<unknown>;
  // @ts-expect-error not the other way round
  put<number | string>(1) satisfies ObjectRef<number>;
  // @ts-expect-error another type
  number satisfies ObjectRef<string>;
  interface NumberRef extends ObjectRef<number> {
    readonly unit: string;
  }
  const extended = number as NumberRef;
  expectTypeOf(await get(extended)).toEqualTypeOf<number>();
  // @ts-expect-error also where the members are all the same
  extended satisfies ObjectRef<string>;

  await init({ numCpus: 8, numGpus: 4, resources: { Custom: 2 }, objectStoreMemory: 2 ** 30 });
  // @ts-expect-error unknown option
  await init({ num_cpus: 8 });
}

export async function typedArrays(): Promise<void> {
  // Numeric arrays may come back over a SharedArrayBuffer; the types say so.
  const zeros = remote((length: number) => new Float64Array(length));
  expectTypeOf(zeros.remote(3)).toEqualTypeOf<ObjectRef<Float64Array>>();
  expectTypeOf(put(new Int32Array(3))).toEqualTypeOf<ObjectRef<Int32Array>>();
  // Bytes never do.
  expectTypeOf(put(new Uint8Array(3))).toEqualTypeOf<ObjectRef<Uint8Array<ArrayBuffer>>>();
  const norm = remote((vector: Float64Array) => vector.length);
  norm.remote(zeros.remote(3));
  norm.remote(new Float64Array(3));

  expectTypeOf(allocate(Float64Array, 10)).toEqualTypeOf<Float64Array>();
  expectTypeOf(allocate(Uint8Array, 10)).toEqualTypeOf<Uint8Array>();
  // @ts-expect-error no typed array
  allocate(Array, 10);

  const weights = remote(() => [new Float32Array(1), 'a'] as [Float32Array<ArrayBuffer>, string], {
    numReturns: 2,
  });
  expectTypeOf(weights.remote()).toEqualTypeOf<[ObjectRef<Float32Array>, ObjectRef<string>]>();
  class Vector extends Float64Array {
    norm(): number {
      return Math.hypot(...this);
    }
  }
  expectTypeOf(remote(() => new Vector(2)).remote()).toEqualTypeOf<ObjectRef<Vector>>();
}

// ObjectRef and ActorHandle are types and classes at once

export function classes(
  value: unknown,
  number: number | sdk.ObjectRef<number>,
  counterOrText: sdk.ActorHandle<Counter> | string,
): void {
  if (value instanceof sdk.ObjectRef) {
    expectTypeOf(value).toEqualTypeOf<ObjectRef<unknown>>();
    expectTypeOf(value.id).toEqualTypeOf<string>();
  }
  if (value instanceof sdk.ActorHandle) {
    expectTypeOf(value).toEqualTypeOf<AnyActorHandle>();
    kill(value);
  }
  // What is known of the value stays known.
  if (number instanceof sdk.ObjectRef) {
    expectTypeOf(number).toEqualTypeOf<ObjectRef<number>>();
  } else {
    expectTypeOf(number).toEqualTypeOf<number>();
  }
  if (counterOrText instanceof sdk.ActorHandle) {
    expectTypeOf(counterOrText.increment.remote(1)).toEqualTypeOf<ObjectRef<number>>();
  } else {
    expectTypeOf(counterOrText).toEqualTypeOf<string>();
  }
  const refs: sdk.ObjectRef<string>[] = [put('a')];
  expectTypeOf(get(refs)).toEqualTypeOf<Promise<string[]>>();
  expectTypeOf<sdk.ObjectRef<number>>().toEqualTypeOf<ObjectRef<number>>();
  expectTypeOf<sdk.ActorHandle<Counter>>().toEqualTypeOf<ActorHandle<Counter>>();
  expectTypeOf<sdk.Unref<sdk.ObjectRef<number>>>().toEqualTypeOf<number>();
  // @ts-expect-error a ref of a number is no ref of a string
  const wrong: sdk.ObjectRef<string> = number as sdk.ObjectRef<number>;
  // @ts-expect-error refs come from calls and put
  void [new sdk.ObjectRef(), wrong];
  // @ts-expect-error handles come from calls and getActor
  void new sdk.ActorHandle();
}

// perProcess

export async function perProcessValues(): Promise<void> {
  const { perProcess } = sdk;
  const log = perProcess(() => ({ info: (text: string) => text.length }));
  expectTypeOf(log).toEqualTypeOf<() => { info: (text: string) => number }>();
  expectTypeOf(log().info('a')).toEqualTypeOf<number>();
  const pool = perProcess(async () => ({ end: async () => 5 }), {
    // What was made, and not the promise of it; and what disposing gives is nobody's.
    dispose: (value) => {
      expectTypeOf(value).toEqualTypeOf<{ end: () => Promise<number> }>();
      return value.end();
    },
  });
  expectTypeOf(pool()).toEqualTypeOf<Promise<{ end: () => Promise<number> }>>();
  expectTypeOf((await pool()).end()).toEqualTypeOf<Promise<number>>();
  perProcess(() => 1, { dispose: undefined });
  perProcess(() => new Map<string, number>(), { dispose: (map) => map.clear() });
  expectTypeOf(remote(() => log().info('a')).remote()).toEqualTypeOf<ObjectRef<number>>();
  const options: sdk.PerProcessOptions<Promise<number>> = { dispose: (value: number) => value };
  void options;
  // @ts-expect-error it takes no arguments
  log('a');
  // @ts-expect-error nor does make
  perProcess((name: string) => name);
  // @ts-expect-error a value is no function that makes one
  perProcess({ info: () => undefined });
  // @ts-expect-error a class is not called
  perProcess(Map);
  // @ts-expect-error dispose gets what was made
  perProcess(() => 1, { dispose: (value: string) => value });
  // @ts-expect-error there is no such option
  perProcess(() => 1, { close: () => undefined });
}

// asCompleted and map

export async function completions(): Promise<void> {
  const { asCompleted, map } = sdk;
  const numbers = [1, 2].map((value) => put(value));
  for await (const ref of asCompleted(numbers))
    expectTypeOf(ref).toEqualTypeOf<ObjectRef<number>>();
  const pair = [put(1), put('a')] as const;
  for await (const ref of asCompleted(pair)) {
    expectTypeOf(ref).toEqualTypeOf<ObjectRef<number> | ObjectRef<string>>();
    expectTypeOf(await get(ref)).toEqualTypeOf<number | string>();
  }
  asCompleted(new Set(numbers), { concurrency: 5, signal: new AbortController().signal });
  async function* later(): AsyncGenerator<ObjectRef<boolean>> {
    yield put(true);
  }
  expectTypeOf(asCompleted(later())).toEqualTypeOf<sdk.Iteration<ObjectRef<boolean>>>();
  expectTypeOf((await asCompleted(numbers).next()).value).toEqualTypeOf<
    ObjectRef<number> | undefined
  >();
  // @ts-expect-error a list of numbers is no list of refs
  asCompleted([1, 2]);
  // @ts-expect-error a ref is no list
  asCompleted(put(1));
  // @ts-expect-error there is no such option
  asCompleted(numbers, { timeoutMs: 5 });
  await using completed = asCompleted(numbers);
  void completed;

  const length = remote((text: string) => text.length);
  const lengths = map(['a', 'b'], length);
  expectTypeOf(lengths).toEqualTypeOf<sdk.Iteration<number>>();
  for await (const value of lengths) expectTypeOf(value).toEqualTypeOf<number>();
  map([put('a'), 'b'], length, { concurrency: 2, ordered: false });
  map(new Set(['a']), length);
  async function* texts(): AsyncGenerator<string> {
    yield 'a';
  }
  expectTypeOf(map(texts(), length)).toEqualTypeOf<sdk.Iteration<number>>();
  // @ts-expect-error the function takes texts
  map([1, 2], length);
  // @ts-expect-error and refs of texts
  map([put(1)], length);
  // @ts-expect-error a plain function is not remote
  map(['a'], (text: string) => text.length);

  // Promises are awaited, and arrays may be over any buffer.
  const load = remote(async (path: string) => ({ path, data: new Float64Array(3) }));
  for await (const { data, path } of map(['a'], load)) {
    expectTypeOf(path).toEqualTypeOf<string>();
    expectTypeOf(data).toEqualTypeOf<Float64Array<ArrayBuffer>>();
  }
  const fill = remote((count: number) => new Float64Array(count));
  expectTypeOf(map([1], fill)).toEqualTypeOf<sdk.Iteration<Float64Array>>();

  // Further parameters must be optional.
  const repeat = remote((text: string, times = 2) => text.repeat(times));
  expectTypeOf(map(['a'], repeat)).toEqualTypeOf<sdk.Iteration<string>>();
  const none = remote(() => 5);
  expectTypeOf(map([1, 'a'], none)).toEqualTypeOf<sdk.Iteration<number>>();
  const rest = remote((...values: number[]) => values.length);
  expectTypeOf(map([1], rest)).toEqualTypeOf<sdk.Iteration<number>>();
  const join = remote((one: string, other: string) => one + other);
  // @ts-expect-error one argument is not enough
  map(['a'], join);
  const twoResults = remote((value: number) => [value, value], { numReturns: 2 });
  // @ts-expect-error it gives two refs
  map([1], twoResults);

  // Unions and generics.
  const either = remote((value: string | number) => value);
  expectTypeOf(map([1, 'a'], either)).toEqualTypeOf<sdk.Iteration<string | number>>();
  const mapNumbers = <T>(items: T[], fn: RemoteFunction<[item: T], { of: T }>) => map(items, fn);
  const boxed = remote((value: number) => ({ of: value }));
  expectTypeOf(mapNumbers([1], boxed)).toEqualTypeOf<sdk.Iteration<{ of: number }>>();

  const counter = remote(Counter).remote();
  expectTypeOf(map([1, 2], counter.increment)).toEqualTypeOf<sdk.Iteration<number>>();
  // @ts-expect-error the method takes numbers
  map(['a'], counter.increment);
  // @ts-expect-error a class is no function
  map([1], remote(Counter));
}
