/** Classes and functions of the values in `value-matrix.ts`: exports of a module that is not the entry. */

export class Point {
  x: number;
  y: number;

  constructor(x: number, y: number) {
    if (typeof x !== 'number')
      throw new TypeError('a constructor that must not run without arguments');
    this.x = x;
    this.y = y;
  }

  length(): number {
    return Math.hypot(this.x, this.y);
  }
}

export class Point3 extends Point {
  z: number;

  constructor(x: number, y: number, z: number) {
    super(x, y);
    this.z = z;
  }

  override length(): number {
    return Math.hypot(super.length(), this.z);
  }
}

/** Has an accessor of the name of an own property, and counts how often it is set. */
export class Guarded {
  static sets = 0;

  get level(): number {
    return -1;
  }
  set level(_level: number) {
    Guarded.sets++;
  }
}

export class Node<T> {
  value: T;
  next: Node<T> | null = null;

  constructor(value: T) {
    this.value = value;
  }
}

/** Decoding must not call `set`, which would count entries that were counted before. */
export class CountingMap<K, V> extends Map<K, V> {
  count = 0;

  override set(key: K, value: V): this {
    this.count++;
    return super.set(key, value);
  }

  twice(): number {
    return this.size * 2;
  }
}

export class Tags extends Set<string> {}

export class Stack<T> extends Array<T> {
  top(): T | undefined {
    return this.at(-1);
  }
}

export class Vector extends Float64Array {
  norm(): number {
    return Math.hypot(...this);
  }
}

export class Day extends Date {
  day(): string {
    return this.toISOString().slice(0, 10);
  }
}

export class Pattern extends RegExp {
  hits(text: string): boolean {
    return this.test(text);
  }
}

export class HttpError extends Error {
  status: number;
  override name = 'HttpError';

  constructor(status: number, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

export class RetryError extends RangeError {
  readonly attempts = 3;
}

/** A private member, stored by the class's own functions. */
export class Account {
  #balance: number;
  readonly owner: string;

  constructor(owner: string, balance: number) {
    this.owner = owner;
    this.#balance = balance;
  }

  get balance(): number {
    return this.#balance;
  }

  static [Symbol.for('eagleray.serialize')](account: Account): [string, number] {
    return [account.owner, account.#balance];
  }

  static [Symbol.for('eagleray.deserialize')]([owner, balance]: [string, number]): Account {
    return new this(owner, balance);
  }
}

/** Custom state that holds another object with custom state. */
export class Safe {
  readonly accounts: Map<string, unknown>;

  constructor(accounts: Map<string, unknown>) {
    this.accounts = accounts;
  }

  static [Symbol.for('eagleray.serialize')](safe: Safe): unknown {
    return { accounts: safe.accounts };
  }

  static [Symbol.for('eagleray.deserialize')](state: { accounts: Map<string, unknown> }): Safe {
    if (state.accounts.size === 0) throw new Error('the state is not complete yet');
    return new Safe(state.accounts);
  }
}

export class Secret {
  #key = 'hidden';

  reveal(): string {
    return this.#key;
  }
}

export function double(x: number): number {
  return x * 2;
}
