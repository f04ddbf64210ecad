/** `put`, `get`, `wait`, `allocate`, `cancel`: checks arguments and hands on to the runtime of this process. */

import { InvalidArgumentError, describeValue } from './errors.ts';
import { ObjectRefImplementation, isRef, requireRef } from './object-ref.ts';
import {
  normalizeCancelOptions,
  normalizeGetOptions,
  normalizeGetSyncOptions,
  normalizeWaitOptions,
  normalizeWaitSyncOptions,
} from './options.ts';
import { currentSession, sessionIfAny } from './runtime/current.ts';
import type { Runtime, WaitLimits } from './runtime/runtime.ts';
import { type Parted, knownOf, loopOf, markReturned } from './wait-loop.ts';

const TypedArray = Object.getPrototypeOf(Uint8Array) as abstract new () => unknown;

export function put(value: unknown): ObjectRefImplementation {
  const session = currentSession();
  if (isRef(value)) {
    throw new InvalidArgumentError(
      'put() was given an ObjectRef; what it refers to is stored already',
      {
        argument: 'value',
        value: 'an ObjectRef',
        allowed: 'any value that is no ObjectRef (a ref inside an object is fine)',
      },
    );
  }
  return session.put(value);
}

/** The runtime for a ref or refs. A ref of a past runtime is an error, and no reason to start a new one. */
function sessionOf(target: unknown, call: string): Runtime {
  const running = sessionIfAny();
  if (running !== undefined) return running;
  const [ref] = Array.isArray(target) ? (target as unknown[]) : [target];
  if (ref instanceof ObjectRefImplementation) requireRef(ref, call, undefined);
  return currentSession();
}

/**
 * The refs of a list, as they are now. It is a copy, which is read once before anything is checked: the program may change
 * its list while it waits, and reading an element may run code of the program (getters, traps of proxies).
 */
function refsOf(
  value: unknown,
  call: string,
  session: Runtime,
): readonly ObjectRefImplementation[] {
  const refs: unknown = Array.isArray(value) ? [...(value as unknown[])] : value;
  return checkedRefs(refs, call, session);
}

/** The list of refs that a value is; those before `from` are known to be good ones. */
function checkedRefs(
  value: unknown,
  call: string,
  session: Runtime,
  from = 0,
): readonly ObjectRefImplementation[] {
  if (!Array.isArray(value)) {
    throw new InvalidArgumentError(
      `${call} takes a list of ObjectRefs; got ${describeValue(value)}`,
      {
        argument: 'refs',
        value,
        allowed: 'a list of ObjectRefs',
      },
    );
  }
  for (let index = from; index < value.length; index++) {
    const ref: unknown = value[index];
    // Nearly always a good one, which this tells fastest; `requireRef` knows what is wrong with any other.
    const candidate = ref as ObjectRefImplementation | null | undefined;
    if (
      candidate?.session !== session ||
      candidate.handle === -1 ||
      candidate.constructor !== ObjectRefImplementation
    ) {
      requireRef(ref, `${call}: element [${index}]`, session);
    }
  }
  return value as ObjectRefImplementation[];
}

export function get(target: unknown, options?: unknown): Promise<unknown> {
  try {
    const session = sessionOf(target, 'get()');
    const limits = normalizeGetOptions(options);
    if (Array.isArray(target)) {
      const refs = refsOf(target, 'get()', session);
      return refs.length === 0 ? withoutWaiting([], limits) : session.get(refs, limits);
    }
    return session.get([requireRef(target, 'get()', session)], limits).then(first);
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

/** What waiting for nothing gives: an aborted call rejects all the same, as `fetch` and timers do. */
function withoutWaiting<Value>(value: Value, { signal }: WaitLimits): Promise<Value> {
  return signal?.aborted === true ? Promise.reject(signal.reason as Error) : Promise.resolve(value);
}

function first(values: unknown[]): unknown {
  return values[0];
}

export function getSync(target: unknown, options?: unknown): unknown {
  const session = sessionOf(target, 'getSync()');
  const limits = normalizeGetSyncOptions(options);
  if (!Array.isArray(target))
    return session.getSync([requireRef(target, 'getSync()', session)], limits)[0];
  const refs = refsOf(target, 'getSync()', session);
  return refs.length === 0 ? [] : session.getSync(refs, limits);
}

/** Parts refs by the positions of the ready ones, keeping the order. */
function part<Ref>(refs: readonly Ref[], positions: readonly number[]): [Ref[], Ref[]] {
  const [position] = positions;
  // One of many, as in a loop over results: copying the rest as a block is far faster than one by one.
  if (positions.length === 1 && position !== undefined) {
    const notReady = refs.slice();
    return [notReady.splice(position, 1), notReady];
  }
  const ready: Ref[] = [];
  const notReady: Ref[] = [];
  let next = 0;
  for (let index = 0; index < refs.length; index++) {
    if (positions[next] === index) {
      ready.push(refs[index]!);
      next++;
    } else {
      notReady.push(refs[index]!);
    }
  }
  return [ready, notReady];
}

export function wait(target: unknown, options?: unknown): Promise<Parted> {
  try {
    const session = sessionOf(target, 'wait()');
    const list = Array.isArray(target) ? (target as unknown[]) : [];
    const known = knownOf(list);
    const loop = loopOf(list, known, session, (from) =>
      checkedRefs(target, 'wait()', session, from),
    );
    if (loop !== undefined) {
      const limits = normalizeWaitOptions(options, loop.size);
      return loop.wait(limits.numReturns, limits);
    }
    const refs = refsOf(target, 'wait()', session);
    const limits = normalizeWaitOptions(options, refs.length);
    if (refs.length === 0) return withoutWaiting<Parted>([[], []], limits);
    return session.wait(refs, limits.numReturns, limits).then((positions) => {
      const parted = part(refs, positions);
      markReturned(parted[1], known);
      return parted;
    });
  } catch (error) {
    return Promise.reject(error as Error);
  }
}

export function waitSync(target: unknown, options?: unknown): [unknown[], unknown[]] {
  const session = sessionOf(target, 'waitSync()');
  const refs = refsOf(target, 'waitSync()', session);
  const { numReturns, timeoutMs } = normalizeWaitSyncOptions(options, refs.length);
  if (refs.length === 0) return [[], []];
  return part(refs, session.waitSync(refs, numReturns, timeoutMs));
}

interface ArrayConstructor {
  readonly BYTES_PER_ELEMENT: number;
  readonly prototype: object;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): unknown;
}

export function allocate(constructor: unknown, length: unknown): unknown {
  if (typeof constructor !== 'function' || !(constructor.prototype instanceof TypedArray)) {
    throw new InvalidArgumentError(
      `allocate() takes the constructor of a typed array, such as Float64Array; got ${describeValue(constructor)}`,
      { argument: 'constructor', value: constructor, allowed: 'Float64Array, Uint8Array, …' },
    );
  }
  const Constructor = constructor as unknown as ArrayConstructor;
  const most = Math.floor(Number.MAX_SAFE_INTEGER / Constructor.BYTES_PER_ELEMENT);
  if (!Number.isInteger(length) || (length as number) < 0 || (length as number) > most) {
    throw new InvalidArgumentError(
      `allocate() takes a number of elements, a whole number from 0 to ${most}; got ${describeValue(length)}`,
      { argument: 'length', value: length, allowed: `a whole number from 0 to ${most}` },
    );
  }
  const byteLength = Constructor.BYTES_PER_ELEMENT * (length as number);
  if (byteLength === 0) return new Constructor(new ArrayBuffer(0), 0, 0);
  const shared =
    Constructor.BYTES_PER_ELEMENT > 1 ||
    constructor === Int8Array ||
    constructor === Uint8ClampedArray;
  return new Constructor(currentSession().allocate(byteLength, shared), 0, length as number);
}

export function cancel(target: unknown, options?: unknown): void {
  const session = sessionOf(target, 'cancel()');
  const ref = requireRef(target, 'cancel()', session);
  const { force, recursive } = normalizeCancelOptions(options);
  session.cancel(ref, force, recursive);
}
