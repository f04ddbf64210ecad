/**
 * What a function holds is read when it travels: once for a remote function, at its first call, and each time for a
 * function or class that is a value. What the receiver does with it stays with the task that got it.
 */

import { type ActorHandle, get, getSync, init, kill, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

beforeAll(async () => {
  // One worker, so that a task runs where the one before it has left its traces.
  await init({ numCpus: 1 });
});

afterAll(() => shutdown());

const call = remote((fn: (...values: never[]) => unknown) => fn());

describe('a remote function', () => {
  test('holds what its variables had at its first call', async () => {
    let v = 'old';
    const read = remote(() => v);
    v = 'before the call';
    expect(await get(read.remote())).toBe('before the call');
    v = 'after it';
    expect(await get(read.remote())).toBe('before the call');
  });

  test('with other options is the same one', async () => {
    let v = 'old';
    const read = remote(() => v);
    expect(await get(read.remote())).toBe('old');
    v = 'new';
    expect(await get(read.options({ name: 'read it' }).remote())).toBe('old');
    const unused = remote(() => v);
    const sibling = unused.options({ maxRetries: 1 });
    expect(await get(sibling.remote())).toBe('new');
    v = 'newer';
    expect(await get([unused.remote(), sibling.remote()])).toEqual(['new', 'new']);
  });

  test('with other options has the same captured arrays and refs', async () => {
    const array = new Float64Array(100_000).fill(1);
    const held = put('held');
    const read = remote(async () => [array[99_999], await get(held)]);
    expect(await get(read.remote())).toEqual([1, 'held']);
    array.fill(2);
    expect(await get(read.options({ maxRetries: 0 }).remote())).toEqual([1, 'held']);
  });

  test('that is made again of the same function holds what there is then', async () => {
    let v = 'old';
    const read = (): string => v;
    expect(await get(remote(read).remote())).toBe('old');
    v = 'new';
    expect(await get(remote(read).remote())).toBe('new');
  });

  test('takes its helpers and classes as they are at its first call', async () => {
    let v = 'old';
    const helper = (): string => v;
    const deeper = (): string => helper();
    class Reader {
      read(): string {
        return helper();
      }
    }
    const values = async (): Promise<string[]> =>
      get([
        remote(() => helper()).remote(),
        remote(() => deeper()).remote(),
        remote(() => new Reader().read()).remote(),
      ]);
    expect(await values()).toEqual(['old', 'old', 'old']);
    v = 'new';
    expect(await values()).toEqual(['new', 'new', 'new']);
  });

  test('travels as a value with what its function holds then', async () => {
    const v = 'old';
    const read = remote(() => v);
    const use = remote(async (given: typeof read) => get(given.remote()));
    expect(await get(use.remote(read))).toBe('old');
  });
});

describe('a remote class', () => {
  test('holds what its variables had at its first actor, with whatever options', async () => {
    let v = 'old';
    class Reader {
      read(): string {
        return v;
      }
    }
    const read = async (made: ActorHandle<Reader>): Promise<string> => {
      const value = await get(made.read.remote());
      kill(made);
      return value;
    };
    const Remote = remote(Reader);
    expect(await read(Remote.remote())).toBe('old');
    v = 'new';
    expect(await read(Remote.remote())).toBe('old');
    expect(await read(Remote.options({ name: 'captures-reader' }).remote())).toBe('old');
    expect(await read(remote(Reader).remote())).toBe('new');
  });
});

describe('a function as a value', () => {
  /** The ways in which a function can be inside an argument. */
  const wrappings: readonly [
    name: string,
    wrap: (fn: () => unknown) => unknown,
    unwrap: (value: never) => unknown,
  ][] = [
    ['an argument', (fn) => fn, (fn: () => unknown) => fn()],
    [
      'a member',
      (fn) => ({ deep: [{ fn }] }),
      (v: { deep: { fn(): unknown }[] }) => v.deep[0]!.fn(),
    ],
    ['in a Map', (fn) => new Map([['fn', fn]]), (v: Map<string, () => unknown>) => v.get('fn')!()],
    [
      'a key of a Map',
      (fn) => new Map([[fn, 1]]),
      (v: Map<() => unknown, 1>) => [...v.keys()][0]!(),
    ],
    ['in a Set', (fn) => new Set([fn]), (v: Set<() => unknown>) => [...v][0]!()],
    [
      'a property of an error',
      (fn) => Object.assign(new Error('e'), { fn }),
      (v: { fn(): unknown }) => v.fn(),
    ],
    ['of a function', (fn) => () => fn(), (fn: () => unknown) => fn()],
    ['of a method', (fn) => ({ go: () => fn() }), (v: { go(): unknown }) => v.go()],
    [
      'of a class of an instance',
      (fn) => {
        class Holder {
          go(): unknown {
            return fn();
          }
        }
        return new Holder();
      },
      (v: { go(): unknown }) => v.go(),
    ],
    [
      'of a static field',
      (fn) =>
        class {
          static fn = fn;
        },
      (v: { fn(): unknown }) => v.fn(),
    ],
    [
      'an own property of a function',
      (fn) => Object.assign(() => 0, { fn }),
      (v: { fn(): unknown }) => v.fn(),
    ],
    ['put', (fn) => put(fn), (fn: () => unknown) => fn()],
  ];

  test.each(wrappings)(
    '%s: it has what its variables hold at each call',
    async (_, wrap, unwrap) => {
      let v = 'old';
      const fn = (): string => v;
      const use = remote(unwrap as (value: unknown) => unknown);
      expect(await get(use.remote(wrap(fn)))).toBe('old');
      v = 'new';
      expect(await get(use.remote(wrap(fn)))).toBe('new');
      v = 'newest';
      expect(await get(use.remote(wrap(fn)))).toBe('newest');
    },
  );

  test.each(wrappings)(
    '%s: what a task changes in it, no other task sees',
    async (_, wrap, unwrap) => {
      let n = 1;
      const list: number[] = [];
      const fn = (): number => {
        n += 1;
        list.push(n);
        return n * 100 + list.length;
      };
      const value = wrap(fn);
      const use = remote(unwrap as (value: unknown) => unknown);
      expect(await get(use.remote(value))).toBe(201);
      expect(await get(use.remote(value))).toBe(201);
      expect(n).toBe(1);
    },
  );

  test('an object made by a factory has the state of each call', async () => {
    const makeBasket = () => {
      const items: number[] = [];
      return {
        items,
        add(x: number): void {
          items.push(x);
        },
        total: (): number => items.reduce((a, b) => a + b, 0),
      };
    };
    type Basket = ReturnType<typeof makeBasket>;
    const look = remote((b: Basket) => [b.total(), b.items.length]);
    const spoil = remote((b: Basket) => {
      b.add(100);
      return [b.total(), b.items.length];
    });
    const basket = makeBasket();
    basket.add(1);
    expect(await get(look.remote(basket))).toEqual([1, 1]);
    basket.add(2);
    expect(await get(look.remote(basket))).toEqual([3, 2]);
    expect(await get(spoil.remote(basket))).toEqual([103, 3]);
    expect(await get(spoil.remote(basket))).toEqual([103, 3]);
    expect(await get(look.remote(basket))).toEqual([3, 2]);
    const ref = put(basket);
    expect(await get(spoil.remote(ref))).toEqual([103, 3]);
    expect(await get(spoil.remote(ref))).toEqual([103, 3]);
  });

  test('a class, and one behind an instance, has the state of each call', async () => {
    let unit = 'm';
    class Length {
      static made = 0;
      value = 1;
      show(): string {
        return `${this.value} ${unit}`;
      }
    }
    const viaClass = remote((C: typeof Length) => [new C().show(), ++C.made]);
    const viaInstance = remote((x: Length) => [
      x.show(),
      ++(x.constructor as typeof Length).made,
      x instanceof (x.constructor as typeof Length),
    ]);
    expect(await get(viaClass.remote(Length))).toEqual(['1 m', 1]);
    expect(await get(viaInstance.remote(new Length()))).toEqual(['1 m', 1, true]);
    unit = 'ft';
    Length.made = 10;
    expect(await get(viaClass.remote(Length))).toEqual(['1 ft', 11]);
    expect(await get(viaInstance.remote(new Length()))).toEqual(['1 ft', 11, true]);
    expect(await get(viaInstance.remote(new Length()))).toEqual(['1 ft', 11, true]);
    expect(Length.made).toBe(10);
  });

  test('a private static, a getter, an accessor and an added method are read at each call', async () => {
    let v = 'old';
    class Odd {
      static #count = 1;
      static bump(): number {
        return (Odd.#count += 1);
      }
      get now(): string {
        return v;
      }
      declare later?: () => string;
    }
    const use = remote((C: typeof Odd) => [C.bump(), new C().now, new C().later?.()]);
    expect(await get(use.remote(Odd))).toEqual([2, 'old', undefined]);
    v = 'new';
    Odd.bump();
    Odd.prototype.later = () => `later ${v}`;
    expect(await get(use.remote(Odd))).toEqual([3, 'new', 'later new']);
    Odd.prototype.later = () => 'replaced';
    expect(await get(use.remote(Odd))).toEqual([3, 'new', 'replaced']);
    delete Odd.prototype.later;
    expect(await get(use.remote(Odd))).toEqual([3, 'new', undefined]);
  });

  test('a variable that has its value later, and one that is declared in a loop, is no constant', async () => {
    const fns: (() => unknown)[] = [];
    for (let i = 0; i < 2; i++) {
      // oxlint-disable-next-line no-var, block-scoped-var
      var each = i;
      fns.push(() => each);
    }
    expect(await get(call.remote(fns[0]!))).toBe(1);
    // oxlint-disable-next-line block-scoped-var
    each = 5;
    expect(await get(call.remote(fns[0]!))).toBe(5);
    const early = (): unknown => late;
    expect(await get(call.remote(early))).toBe(undefined);
    // oxlint-disable-next-line no-var
    var late = 'here';
    expect(await get(call.remote(early))).toBe('here');
  });

  test('what a method call, an actor and a task inside a task get is of then, too', async () => {
    let v = 'old';
    const fn = (): string => v;
    class Caller {
      first: string;
      constructor(given: () => string) {
        this.first = given();
      }
      call(given: () => string): string[] {
        return [this.first, given()];
      }
    }
    const caller = remote(Caller).remote(fn);
    expect(await get(caller.call.remote(fn))).toEqual(['old', 'old']);
    v = 'new';
    expect(await get(caller.call.remote(fn))).toEqual(['old', 'new']);
    kill(caller);
    const nested = remote(async () => {
      let inner = 1;
      const read = (): number => inner;
      const use = remote((given: () => number) => given());
      const first = await get(use.remote(read));
      inner = 2;
      return [first, await get(use.remote(read))];
    });
    expect(await get(nested.remote())).toEqual([1, 2]);
  });

  test('a task that is tried again gets it anew', async () => {
    let n = 0;
    const bump = (): number => ++n;
    const again = remote(
      (given: () => number) => {
        const value = given();
        const tries = ((globalThis as { tries?: number }).tries ??= 0);
        (globalThis as { tries?: number }).tries = tries + 1;
        if (tries < 2) throw new TypeError('again');
        return value;
      },
      { retryExceptions: [TypeError], maxRetries: 3 },
    );
    expect(await get(again.remote(bump))).toBe(1);
  });

  test('a symbol in a variable that changes travels', async () => {
    let tag = Symbol('one');
    const read = (): string | undefined => tag.description;
    expect(await get(call.remote(read))).toBe('one');
    tag = Symbol('two');
    expect(await get(call.remote(read))).toBe('two');
  });

  test('a thousand closures over small values travel', async () => {
    let sum = 0;
    const fns = Array.from({ length: 1000 }, (_, i) => () => i + sum);
    const total = remote((all: (() => number)[]) => all.reduce((x, fn) => x + fn(), 0));
    expect(await get(total.remote(fns))).toBe(499_500);
    sum = 1;
    expect(await get(total.remote(fns))).toBe(500_500);
  });
});

describe('at home', () => {
  test('what get gives of a stored object is a snapshot, its methods included', async () => {
    const makeBasket = () => {
      const items: number[] = [];
      let count = 0;
      return {
        items,
        add(x: number): number {
          items.push(x);
          return ++count;
        },
        size: (): number => count,
      };
    };
    const original = makeBasket();
    const copy = await get(put(original));
    expect(copy.add(1)).toBe(1);
    expect([copy.items.length, original.items.length]).toEqual([1, 0]);
    expect([copy.size(), original.size()]).toEqual([1, 0]);
    const other = getSync(put(original));
    expect([other.items.length, other.size()]).toEqual([0, 0]);
  });

  test('a function that holds nothing that changes comes home as itself', async () => {
    const factor = 3;
    const double = (x: number): number => x * 2;
    const both = (x: number): number => double(x) * factor;
    const give = remote((fn: unknown) => fn);
    expect(await get(give.remote(double))).toBe(double);
    expect(await get(give.remote(both))).toBe(both);
    expect(await get(put(both))).toBe(both);
  });
});

describe('identity', () => {
  test('equal functions inside one value are equal, also across arguments', async () => {
    let n = 0;
    const bump = (): number => ++n;
    class Tag {
      static n = 0;
    }
    const same = remote((a: unknown[], b: unknown, c: { constructor: unknown }, d: unknown) => [
      a[0] === a[1],
      a[0] === b,
      c.constructor === d,
    ]);
    expect(await get(same.remote([bump, bump], bump, new Tag(), Tag))).toEqual([true, true, true]);
  });

  test('a function that holds nothing that changes is one in a worker', async () => {
    const listener = (): number => 1;
    class Emitter {
      listeners = new Set<() => number>();
      on(fn: () => number): number {
        return this.listeners.add(fn).size;
      }
      off(fn: () => number): boolean {
        return this.listeners.delete(fn);
      }
    }
    const emitter = remote(Emitter).remote();
    expect(await get(emitter.on.remote(listener))).toBe(1);
    expect(await get(emitter.on.remote(listener))).toBe(1);
    expect(await get(emitter.off.remote(listener))).toBe(true);
    kill(emitter);
  });

  test('instances that come one after the other are instances of the class that an actor knows', async () => {
    class Point {
      x = 1;
      twice(): number {
        return this.x * 2;
      }
    }
    class Counted extends Point {
      static made = 0;
      id = ++Counted.made;
    }
    class Mine extends Counted {}
    class Store {
      kept: unknown[] = [];
      add(value: Point): boolean[] {
        this.kept.push(value);
        return [
          value instanceof Point,
          value instanceof Counted,
          value instanceof Mine,
          this.kept.every((each) => each instanceof (value.constructor as typeof Point)),
        ];
      }
      ownCount(): number {
        return Counted.made;
      }
    }
    const store = remote(Store).remote();
    expect(await get(store.add.remote(new Counted()))).toEqual([true, true, false, true]);
    expect(await get(store.add.remote(new Counted()))).toEqual([true, true, false, true]);
    expect(await get(store.add.remote(new Mine()))).toEqual([true, true, true, false]);
    expect(await get(store.add.remote(new Point()))).toEqual([true, false, false, true]);
    // What arrives has the state of its sender; what the actor knows keeps its own.
    expect(await get(store.ownCount.remote())).toBe(0);
    kill(store);
  });

  test('a class with #private members and a state of its own meets itself', async () => {
    class Money {
      #cents: number;
      constructor(cents: number) {
        this.#cents = cents;
      }
      plus(other: Money): Money {
        return new Money(this.#cents + other.#cents);
      }
      get cents(): number {
        return this.#cents;
      }
      static [Symbol.for('eagleray.serialize')](money: Money): number {
        return money.cents;
      }
      static [Symbol.for('eagleray.deserialize')](cents: number): Money {
        return new Money(cents);
      }
    }
    class Purse {
      sum = new Money(0);
      add(money: Money): number {
        this.sum = this.sum.plus(money);
        return this.sum.cents;
      }
    }
    const purse = remote(Purse).remote();
    expect(await get(purse.add.remote(new Money(5)))).toBe(5);
    expect(await get(purse.add.remote(new Money(7)))).toBe(12);
    kill(purse);
  });

  test('errors and instances with a changing class come home as those of the class that left', async () => {
    class Failure extends Error {
      static count = 0;
      code = 'FAILURE';
    }
    class Item {
      static next = 1;
      id = Item.next++;
    }
    const make = remote(() => [new Item(), new Failure('no')]);
    const [item, failure] = (await get(make.remote())) as [Item, Failure];
    expect(item).toBeInstanceOf(Item);
    expect(item.constructor).toBe(Item);
    expect(failure).toBeInstanceOf(Failure);
    expect(Item.next).toBe(1);
  });

  test('retryExceptions knows a class whose state changes', async () => {
    class Flaky extends Error {
      static seen = 0;
    }
    class Worker {
      calls = 0;
      work(): number {
        this.calls++;
        if (this.calls < 3) throw new Flaky('again');
        return this.calls;
      }
    }
    const worker = remote(Worker).options({ maxTaskRetries: 5 }).remote();
    Flaky.seen = 1;
    expect(await get(worker.work.options({ retryExceptions: [Flaky] }).remote())).toBe(3);
    kill(worker);
  });

  test('a class that answers instanceof itself does so for classes derived from it, also when its state changes', async () => {
    class Branded {
      static asked = 0;
      brand = 1;
      static [Symbol.hasInstance](value: unknown): boolean {
        this.asked++;
        return (value as { brand?: unknown } | null)?.brand === 1;
      }
    }
    class Derived extends Branded {}
    class Again extends Derived {}
    const ask = remote(() => [
      { brand: 1 } instanceof Branded,
      { brand: 1 } instanceof Derived,
      { brand: 1 } instanceof Again,
      { brand: 2 } instanceof Again,
      Again.asked,
    ]);
    expect(await get(ask.remote())).toEqual([true, true, true, false, 4]);
  });
});
