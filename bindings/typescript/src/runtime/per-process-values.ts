/**
 * The functions of `perProcess` and the value that each has in this process: made at the first call, shared by all callers,
 * disposed of in the end. How they travel is the business of `per-process-travel.ts`.
 *
 * 1. A function has one value at a time. One whose `make` has failed has none.
 * 2. Its value lives as long as the function, and is disposed of when that is collected, if not before.
 * 3. A `make` that asks for its own value gets an error, also after an `await`; anybody else gets its promise.
 *
 * A value that has to be disposed of is held for that, and so is what it and its `dispose` refer to: if that is the function
 * itself, both last until the process ends.
 */

import { AsyncLocalStorage } from 'node:async_hooks';
import { types } from 'node:util';

import { InvalidArgumentError } from '../errors.ts';
import { type Disposable, disposeLater, disposeOf, withdraw } from './disposals.ts';

export type Make = () => unknown;
export type Dispose = (value: unknown) => unknown;

/** What a function was made of. */
export interface Parts {
  readonly make: Make;
  readonly dispose: Dispose | undefined;
}

interface Made {
  value: unknown;
  /** `make` was async, and its promise is open. */
  isPending: boolean;
  disposable: Disposable | undefined;
}

/** What has to be done when a function is collected. It must not lead to the function. */
export interface Ending {
  disposable: Disposable | undefined;
  /** What travelling has to do besides. */
  readonly alsoDo: (() => void)[];
}

/** A function, and what this process knows of it. */
export class PerProcess {
  /** What users have. */
  readonly value: Function;
  /** How messages name it. */
  readonly title: string;
  readonly ending: Ending = { disposable: undefined, alsoDo: [] };
  /** Says in the asynchronous context of `make` whose it is, and leads nowhere. */
  readonly token: object = {};
  made: Made | undefined = undefined;
  isMaking = false;
  private readonly read: () => Parts;
  private known: Parts | undefined = undefined;

  /** @param read gives what it is made of, when that is needed for the first time */
  constructor(title: string, read: () => Parts) {
    this.title = title;
    this.read = read;
    this.value = (): unknown => {
      const { made } = this;
      return made !== undefined && !made.isPending ? made.value : valueOf(this);
    };
    functions.set(this.value, this);
    collected.register(this.value, this.ending);
  }

  get parts(): Parts {
    return (this.known ??= this.read());
  }
}

const functions = new WeakMap<Function, PerProcess>();

const collected = new FinalizationRegistry<Ending>(({ alsoDo, disposable }) => {
  for (const each of alsoDo) each();
  if (disposable !== undefined) void disposeOf(disposable);
});

/** What is known of a function that `perProcess` has made, here or elsewhere; undefined for any other. */
export function perProcessOf(value: unknown): PerProcess | undefined {
  return typeof value === 'function' ? functions.get(value) : undefined;
}

/** Whose `make` the code that runs now is of: the innermost first. */
interface Making {
  readonly token: object;
  readonly outer: Making | undefined;
}

/** In use only while something is being made: in older Nodes it costs every promise of the process a little. */
const making = new AsyncLocalStorage<Making>();
let openMakes = 0;

function valueOf(its: PerProcess): unknown {
  const { made } = its;
  if (its.isMaking || (made !== undefined && isMadeBy(its))) {
    throw new InvalidArgumentError(
      `${its.title}: its make function calls the function that it makes the value of, which has none yet; use what ` +
        'make has at hand, or split it into two',
      {
        argument: 'make',
        value: 'a call of its own function',
        allowed: 'a function that ends without it',
      },
    );
  }
  return made === undefined ? makeNow(its) : made.value;
}

function isMadeBy({ token }: PerProcess): boolean {
  for (let each = making.getStore(); each !== undefined; each = each.outer) {
    if (each.token === token) return true;
  }
  return false;
}

function makeNow(its: PerProcess): unknown {
  const { dispose, make } = its.parts;
  const context: Making = { token: its.token, outer: making.getStore() };
  its.isMaking = true;
  openMakes++;
  const made: Made = { value: undefined, isPending: false, disposable: undefined };
  try {
    made.value = making.run(context, make);
    made.isPending = isThenable(made.value);
  } finally {
    its.isMaking = false;
    if (!made.isPending) makeEnded();
  }
  its.made = made;
  if (made.isPending) share(its, made, made.value as PromiseLike<unknown>);
  if (dispose !== undefined && its.made === made)
    made.disposable = disposableOf(its, made, dispose);
  return made.value;
}

function makeEnded(): void {
  if (--openMakes === 0) making.disable();
}

/**
 * All callers get one promise, and a failure makes room for the next try. Where the promise is nothing but a promise,
 * theirs follows it, so that a failure that none of them looks at is reported as any other.
 */
function share(its: PerProcess, made: Made, given: PromiseLike<unknown>): void {
  const settled = (): void => {
    if (made.isPending) makeEnded();
    made.isPending = false;
  };
  const follow = (value: unknown): unknown => {
    settled();
    return value;
  };
  const failed = (error: unknown): never => {
    settled();
    if (made.disposable !== undefined) withdraw(made.disposable);
    if (its.made === made) forgetMade(its);
    throw error;
  };
  // The `then` of something else may throw.
  const promise = types.isPromise(given)
    ? given
    : new Promise((resolve, reject) => void given.then(resolve, reject));
  const followed = promise.then(follow, failed);
  if (isNothingElse(given)) made.value = followed;
  // Whoever has the promise itself hears of its failure there.
  else followed.then(undefined, () => undefined);
}

/** True for a promise that has nothing besides, such as the methods of a child process. */
function isNothingElse(promise: object): boolean {
  return (
    types.isPromise(promise) &&
    Object.getPrototypeOf(promise) === Promise.prototype &&
    Object.getOwnPropertyNames(promise).length === 0
  );
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    ((typeof value === 'object' && value !== null) || typeof value === 'function') &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

function disposableOf(its: PerProcess, { value }: Made, dispose: Dispose): Disposable {
  const weak = new WeakRef(its);
  const disposable: Disposable = {
    title: its.title,
    value,
    dispose,
    forget: () => {
      const known = weak.deref();
      if (known?.made?.disposable === disposable) forgetMade(known);
    },
  };
  its.ending.disposable = disposable;
  disposeLater(disposable);
  return disposable;
}

function forgetMade(its: PerProcess): void {
  its.made = undefined;
  its.ending.disposable = undefined;
}
