/**
 * Items of an iterable or async iterable, taken one after the other as far as there is room for them.
 *
 * 1. Nothing is taken before the first `pull`, and one item at a time is asked for.
 * 2. After `sourceEnded` or `close` nothing is taken, and an iterator that has not ended by itself is told once.
 */

import { InvalidArgumentError, describeValue } from './errors.ts';

/** Whoever takes items. */
export interface Taker<Item> {
  /** Whether one more may be taken. */
  readonly hasRoom: boolean;
  take(item: Item): void;
  /** There are no more. `failure` is set if that is because the iterable has thrown. */
  sourceEnded(failure: { readonly error: unknown } | undefined): void;
}

interface Iterating {
  next(): unknown;
  return?(): unknown;
}

interface AnyIterable {
  readonly [Symbol.asyncIterator]?: () => Iterating;
  readonly [Symbol.iterator]?: () => Iterating;
}

export class Source<Item> {
  private readonly isAsync: boolean;
  private readonly begin: () => Iterating;
  private iterator: Iterating | undefined;
  private isOpen = true;
  /** An item is on its way, or the code of a generator runs: it is asked for one item at a time. */
  private isAsked = false;
  private transform: (item: unknown) => unknown = (item) => item;

  /** `call` is named in errors, such as `map()`, and `items` is what it takes. */
  constructor(value: unknown, call: string, items: string) {
    const iterable = value as AnyIterable | null | undefined;
    this.isAsync = typeof iterable?.[Symbol.asyncIterator] === 'function';
    // The letters of a text are hardly what anybody means.
    const isSync = typeof value === 'object' && typeof iterable?.[Symbol.iterator] === 'function';
    if (!this.isAsync && !isSync) {
      throw new InvalidArgumentError(
        `${call} takes an iterable or async iterable of ${items}, such as an array; got ${describeValue(value)}`,
        { argument: items, value, allowed: 'an iterable or async iterable' },
      );
    }
    this.begin = () => iterable![this.isAsync ? Symbol.asyncIterator : Symbol.iterator]!();
  }

  /** The same source, with what is made of each item when it is taken. */
  mapped<Made>(transform: (item: Item) => Made): Source<Made> {
    this.transform = transform as (item: unknown) => unknown;
    return this as unknown as Source<Made>;
  }

  /** Hands items over until there is no room, no more item, or the next one is still awaited. */
  pull(taker: Taker<Item>): void {
    while (this.isOpen && !this.isAsked && taker.hasRoom) {
      this.isAsked = true;
      let result: unknown;
      try {
        this.iterator ??= this.begin();
        result = this.iterator.next();
      } catch (error) {
        this.end(taker, { error });
        return;
      }
      if (this.isAsync) {
        Promise.resolve(result).then(
          (arrived) => this.goOn(arrived, taker),
          (error: unknown) => this.end(taker, { error }),
        );
        return;
      }
      this.received(result, taker);
    }
  }

  private goOn(result: unknown, taker: Taker<Item>): void {
    this.received(result, taker);
    this.pull(taker);
  }

  private received(result: unknown, taker: Taker<Item>): void {
    this.isAsked = false;
    if (!this.isOpen) return;
    let isTaking = false;
    try {
      // What an iterator gives may be no object, or have accessors that throw.
      const { done, value } = result as IteratorResult<Item>;
      if (done === true) {
        this.end(taker, undefined);
        return;
      }
      isTaking = true;
      taker.take(this.transform(value) as Item);
    } catch (error) {
      // As in a loop, whose error is the one that counts.
      if (isTaking) this.close().catch(() => undefined);
      this.isOpen = false;
      taker.sourceEnded({ error });
    }
  }

  private end(taker: Taker<Item>, failure: { readonly error: unknown } | undefined): void {
    this.isAsked = false;
    if (!this.isOpen) return;
    this.isOpen = false;
    taker.sourceEnded(failure);
  }

  /**
   * Takes nothing more, and tells the iterable. Rejects with what that throws, unless an item of an async iterable is on its way.
   */
  async close(): Promise<void> {
    if (!this.isOpen) return;
    this.isOpen = false;
    // A generator that was never begun has nothing to end.
    const ended = this.iterator?.return?.();
    if (this.isAsync && this.isAsked) {
      // An async generator ends only when it has given that item, which may be never: whoever leaves the loop goes on, and has
      // nowhere left to catch what is thrown at that late end.
      Promise.resolve(ended).catch(() => undefined);
      return;
    }
    await ended;
  }
}
