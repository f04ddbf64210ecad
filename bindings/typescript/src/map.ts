/**
 * `map`: the values that a remote function gives for each item.
 *
 * 1. An item is taken from the source only while fewer than `concurrency` others are in flight or unread.
 * 2. The first failure that is read ends the iteration; what is in flight then is cancelled, and so it is when the program
 *    ends the iteration or its signal fires.
 */

import { Completions } from './as-completed.ts';
import { InvalidArgumentError, describeValue } from './errors.ts';
import type { ObjectRefImplementation } from './object-ref.ts';
import { normalizeMapOptions } from './options.ts';
import { currentSession } from './runtime/current.ts';
import { remoteParts } from './runtime/remote-values.ts';
import type { Runtime, WaitLimits } from './runtime/runtime.ts';
import { Source } from './source.ts';
import type { MethodOptions } from './types.ts';

type Ref = ObjectRefImplementation;
type Result = IteratorResult<unknown, undefined>;

const DONE: Result = Object.freeze({ done: true, value: undefined });

/** For each CPU so many calls: one that runs, and one that follows. */
const CALLS_PER_CPU = 2;

class Mapped implements AsyncIterableIterator<unknown, undefined> {
  private readonly session: Runtime;
  private readonly flow: Completions;
  private readonly limits: WaitLimits;
  /** Submitted and not read. */
  private readonly open = new Set<Ref>();
  private isOpen = true;
  /** The end of the last call of `next`: each begins when the one before has ended. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    session: Runtime,
    source: Source<unknown>,
    submit: (item: unknown) => Ref,
    options: { concurrency: number; ordered: boolean; signal: AbortSignal | null },
  ) {
    const { concurrency, ordered, signal } = options;
    this.session = session;
    this.limits = { timeoutMs: null, signal, keepCpus: false };
    const refs = source.mapped((item) => {
      const ref = submit(item);
      this.open.add(ref);
      return ref;
    });
    this.flow = new Completions(session, refs, {
      signal,
      inOrder: ordered,
      areTogether: false,
      hasRoom: () => this.open.size < concurrency,
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<Result> {
    const result = this.last.then(() => this.step());
    this.last = result.catch(() => undefined);
    return result;
  }

  private async step(): Promise<Result> {
    if (!this.isOpen) return DONE;
    try {
      const { done, value: ref } = await this.flow.next();
      if (done === true) {
        this.isOpen = false;
        return DONE;
      }
      const [value] = await this.session.get([ref], this.limits);
      this.open.delete(ref);
      ref.dispose();
      // There is room for another one, which is on its way while this value is used.
      if (this.isOpen) this.flow.advance();
      return { done: false, value };
    } catch (error) {
      // `return` has ended the iteration, and the call with it.
      if (!this.isOpen) return DONE;
      // What the source throws at its end is of no interest beside the reason for it.
      this.end().catch(() => undefined);
      throw error;
    }
  }

  async return(): Promise<Result> {
    await this.end();
    return DONE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Ends the iteration, and cancels what is in flight. */
  private async end(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    for (const ref of this.open) {
      if (!this.session.isClosed) this.session.cancel(ref, false, true);
      ref.dispose();
    }
    await this.flow.return();
  }
}

/** See `map` in `index.ts`. */
export function map(items: unknown, remoteFunction: unknown, options?: unknown): Mapped {
  const source = new Source<unknown>(items, 'map()', 'items');
  const submit = submitterOf(remoteFunction);
  const { concurrency, ordered, signal } = normalizeMapOptions(options);
  const session = currentSession();
  return new Mapped(session, source, submit, {
    concurrency: concurrency ?? defaultConcurrency(session),
    ordered,
    signal,
  });
}

function defaultConcurrency(session: Runtime): number {
  return Math.max(1, Math.ceil(CALLS_PER_CPU * (session.settings.resources['CPU'] ?? 0)));
}

/** Calls a remote function, or a method of an actor. */
function submitterOf(value: unknown): (item: unknown) => Ref {
  const parts = remoteParts(value);
  if (parts === undefined || parts.kind === 'class') {
    const allowed = 'a remote function, or a method of an actor';
    const got = parts === undefined ? describeValue(value) : 'a remote class';
    throw new InvalidArgumentError(`map() takes ${allowed}, as remote(fn) returns it; got ${got}`, {
      argument: 'remoteFunction',
      value: got,
      allowed,
    });
  }
  const { numReturns = 1 } = (
    parts.kind === 'method'
      ? (parts.options as { given: MethodOptions<number> }).given
      : parts.options
  ) as MethodOptions<number>;
  if (numReturns !== 1) {
    const allowed = 'numReturns: 1, which is the default';
    throw new InvalidArgumentError(
      `map() gives one value for each item, and ${parts.title} has numReturns: ${numReturns}; allowed: ${allowed}`,
      { argument: 'numReturns', value: numReturns, allowed },
    );
  }
  const { remote } = value as { remote(item: unknown): Ref };
  return (item) => remote(item);
}
