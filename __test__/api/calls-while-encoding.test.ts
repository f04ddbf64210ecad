/** Arguments may run code of the program while they are written (getters, traps of proxies), and that code may make calls. */

import { type ObjectRef, get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(() => shutdown());

const tell = remote((...all: unknown[]) => all);

class Teller {
  readonly given: unknown[];

  constructor(...given: unknown[]) {
    this.given = given;
  }

  tell(...all: unknown[]): unknown[] {
    return all;
  }

  start(): unknown[] {
    return this.given;
  }
}

const RemoteTeller = remote(Teller, { numCpus: 0 });
const large = new Uint8Array(70_000).fill(7);

/** What a getter may do in the middle of a call, and what comes of it. */
const doings: readonly [name: string, action: () => unknown, check: (made: never) => unknown][] = [
  ['a task', () => tell.remote(5, 6, 7, 8), (ref: ObjectRef<unknown>) => get(ref)],
  ['a task with an array', () => tell.remote(large, 1), (ref: ObjectRef<unknown>) => get(ref)],
  ['a task with a ref', () => tell.remote(put(1), put([2])), (ref: ObjectRef<unknown>) => get(ref)],
  ['a put', () => put({ x: 'y'.repeat(100) }), (ref: ObjectRef<unknown>) => get(ref)],
  ['an actor', () => RemoteTeller.remote(3, large), (actor: never) => actorStart(actor)],
  [
    'a call that makes another one',
    () =>
      tell.remote(
        9,
        {
          get deep() {
            return tell.remote(10, 11) && 12;
          },
        },
        13,
      ),
    (ref: ObjectRef<unknown>) => get(ref),
  ],
];

async function actorStart(actor: ReturnType<typeof RemoteTeller.remote>): Promise<unknown> {
  return get(actor.start.remote());
}

const expected: readonly unknown[] = [
  [5, 6, 7, 8],
  [large, 1],
  [1, [2]],
  { x: 'y'.repeat(100) },
  [3, large],
  [9, { deep: 12 }, 13],
];

/** What runs the action while it is looked at, and what stands in its place afterwards. */
const triggers: readonly [name: string, make: (action: () => void) => unknown, arrives: unknown][] =
  [
    [
      'a getter',
      (action) => ({
        get x() {
          action();
          return 1;
        },
      }),
      { x: 1 },
    ],
    [
      'a proxy',
      (action) =>
        new Proxy([1], {
          getPrototypeOf: (target) => {
            action();
            return Object.getPrototypeOf(target) as object;
          },
        }),
      [1],
    ],
  ];

describe.each(triggers)('%s among the arguments may make', (_, make, arrives) => {
  test.each(doings.map((each, index) => [...each, expected[index]] as const))(
    '%s',
    async (_name, action, check, gives) => {
      const made: unknown[] = [];
      const value = make(() => made.push(action()));
      const actor = RemoteTeller.remote();
      for (const all of [
        [value],
        ['a', value, 'z'],
        [large, value, put('ref'), { more: 1 }],
        [value, value],
      ]) {
        const right = all.map((each) => (each === value ? arrives : each));
        right.forEach((each, index) => {
          if (typeof each === 'object' && each !== null && 'handle' in each) right[index] = 'ref';
        });
        expect(await get(tell.remote(...all))).toEqual(right);
        expect(await get(actor.tell.remote(...all))).toEqual(right);
        expect(await get(RemoteTeller.remote(...all).start.remote())).toEqual(right);
      }
      expect(made.length).toBeGreaterThanOrEqual(12);
      for (const each of made.slice(0, 6)) expect(await check(each as never)).toEqual(gives);
    },
  );
});
