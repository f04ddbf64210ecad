/**
 * `asCompleted`: refs in the order in which they become ready.
 *
 * Each ref is watched once, so that a ref costs the same however many there are; a loop of `wait` takes quadratic time.
 *
 * 1. Every ref that was taken from the source is given once, unless the iteration is ended before.
 * 2. Calls of `next` are answered in their order.
 * 3. What the source has thrown is thrown after all refs that it gave before.
 */

import { type ObjectRefImplementation, requireRef } from './object-ref.ts';
import { normalizeAsCompletedOptions } from './options.ts';
import { currentSession } from './runtime/current.ts';
import type { LocalWait, ReadyListener, Runtime, WaitLimits } from './runtime/runtime.ts';
import { Source, type Taker } from './source.ts';

type Ref = ObjectRefImplementation;
export type RefResult = IteratorResult<Ref, undefined>;

const DONE: RefResult = Object.freeze({ done: true, value: undefined });

/** So many refs that were given are kept in the queue before it is made anew. */
const GIVEN_MAX = 1024;

/** What an iteration is besides its source. */
export interface CompletionOptions {
  readonly signal: AbortSignal | null;
  /** Refs are given in the order in which they came, also those that are not ready. */
  readonly inOrder: boolean;
  /** The refs were all there before: nothing happens to one of them while others are taken. */
  readonly areTogether: boolean;
  /** Whether one more ref may be taken while so many of them are not given. */
  hasRoom(notGiven: number): boolean;
}

export class Completions
  implements AsyncIterableIterator<Ref, undefined>, ReadyListener, Taker<unknown>
{
  private readonly session: Runtime;
  private readonly source: Source<unknown>;
  private readonly options: CompletionOptions;
  private readonly limits: WaitLimits;
  /** What can be given, from position `given` on. */
  private queue: Ref[] = [];
  private given = 0;
  private watched = 0;
  /** Refs that were taken from the source and are not watched yet: those of one pull are watched together. */
  private taken: Ref[] = [];
  private isSourceOpen = true;
  private failure: { readonly error: unknown } | undefined;
  private isOpen = true;
  /** Those who wait, the first one first. */
  private readonly requests: LocalWait<RefResult>[] = [];

  constructor(session: Runtime, source: Source<unknown>, options: CompletionOptions) {
    this.session = session;
    this.source = source;
    this.options = options;
    this.limits = { timeoutMs: null, signal: options.signal, keepCpus: false };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<RefResult> {
    if (!this.isOpen) return Promise.resolve(DONE);
    const { signal } = this.limits;
    if (signal?.aborted === true) {
      this.stop();
      return Promise.reject(signal.reason as Error);
    }
    if (this.requests.length === 0) {
      if (this.given === this.queue.length) this.advance();
      if (this.canAnswer) return this.answer();
    }
    const request = this.session.waitLocally<RefResult>(this.limits, [], () => DONE);
    this.requests.push(request);
    return request.promise.catch((error: unknown) => {
      // Aborted, cancelled, or the end of the runtime: of this request and of all others.
      this.stop();
      throw error;
    });
  }

  async return(): Promise<RefResult> {
    const closed = this.end();
    for (const request of this.requests.splice(0)) request.settle(DONE);
    await closed;
    return DONE;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Takes further refs from the source, as far as there is room, and answers those who wait. */
  advance(): void {
    this.pull();
    this.answerRequests();
  }

  private pull(): void {
    this.source.pull(this);
    this.watchTaken();
  }

  private watchTaken(): void {
    const { taken } = this;
    if (taken.length === 0) return;
    this.taken = [];
    try {
      for (const position of this.session.watchAll(taken, this, 0)) this.found(taken[position]!);
    } catch {
      this.watchEach(taken);
    }
  }

  /** One of them can't be waited for any more; what was taken before it is given all the same. */
  private watchEach(taken: readonly Ref[]): void {
    for (const [position, ref] of taken.entries()) {
      try {
        if (this.session.watch(ref, this, 0)) this.found(ref);
      } catch (error) {
        this.watched -= taken.length - position;
        this.source.close().catch(() => undefined);
        this.sourceEnded({ error });
        return;
      }
    }
  }

  private found(ref: Ref): void {
    this.watched--;
    this.queue.push(ref);
  }

  private answerRequests(): void {
    while (this.canAnswer && this.requests.length > 0) {
      const request = this.requests.shift()!;
      if (!request.isOpen()) continue;
      this.answer().then(request.settle, request.fail);
    }
  }

  get hasRoom(): boolean {
    return this.isOpen && this.options.hasRoom(this.watched + this.queue.length - this.given);
  }

  take(item: unknown): void {
    const ref = requireRef(item, 'asCompleted()', this.session);
    if (this.options.inOrder) {
      this.queue.push(ref);
    } else {
      this.watched++;
      this.taken.push(ref);
      // Code that makes refs may dispose of one before it makes the next.
      if (!this.options.areTogether) this.watchTaken();
    }
    this.answerRequests();
  }

  sourceEnded(failure: { readonly error: unknown } | undefined): void {
    this.isSourceOpen = false;
    this.failure = failure;
    this.advance();
  }

  ready(_index: number, ref: Ref): void {
    this.found(ref);
    this.answerRequests();
  }

  private get canAnswer(): boolean {
    return this.given < this.queue.length || (!this.isSourceOpen && this.watched === 0);
  }

  /** Gives what is there: a ref, the failure of the source, or that there is nothing more. */
  private answer(): Promise<RefResult> {
    if (this.given < this.queue.length) {
      const value = this.queue[this.given++]!;
      if (this.given === this.queue.length || this.given > GIVEN_MAX) {
        this.queue = this.queue.slice(this.given);
        this.given = 0;
      }
      // What is taken now is on its way while the one that was given is used.
      this.pull();
      return Promise.resolve({ done: false, value });
    }
    const { failure } = this;
    this.failure = undefined;
    this.stop();
    return failure === undefined ? Promise.resolve(DONE) : Promise.reject(failure.error as Error);
  }

  private stop(): void {
    // What the source throws at its end is of no interest beside the reason for it.
    this.end().catch(() => undefined);
  }

  private async end(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    this.queue = [];
    this.given = 0;
    this.session.unwatch(this);
    await this.source.close();
  }
}

/** See `asCompleted` in `index.ts`. */
export function asCompleted(refs: unknown, options?: unknown): Completions {
  const { concurrency, signal } = normalizeAsCompletedOptions(options);
  const source = new Source<unknown>(snapshot(refs), 'asCompleted()', 'refs');
  const session = currentSession();
  if (Array.isArray(refs)) {
    for (const [index, ref] of refs.entries())
      requireRef(ref, `asCompleted(): element [${index}]`, session);
  }
  return new Completions(session, source, {
    signal,
    inOrder: false,
    areTogether: Array.isArray(refs),
    hasRoom: concurrency === null ? () => true : (notGiven) => notGiven < concurrency,
  });
}

/** What is done to an array while its refs are awaited changes nothing. */
function snapshot(refs: unknown): unknown {
  return Array.isArray(refs) ? [...(refs as unknown[])] : refs;
}
