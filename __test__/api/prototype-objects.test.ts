/** The prototype of a class or function as a value: it is that of the class that arrives, and no copy of it. */

import { get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';

beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(() => shutdown());

class Animal {
  legs = 4;
  say(): string {
    return `has ${this.legs}`;
  }
}

class Dog extends Animal {
  bark(): string {
    return 'woof';
  }
}

/** A class of the old style that keeps its prototype in a variable, as `Record` of immutable does. */
function makeType(): new () => { keys: string[] } {
  let isReady = false;
  const Type = function (this: unknown): void {
    if (isReady) return;
    isReady = true;
    prototype['keys'] = ['a'];
  } as unknown as new () => { keys: string[] };
  const prototype = Object.create(Animal.prototype) as Record<string, unknown>;
  Type.prototype = prototype;
  prototype['constructor'] = Type;
  return Type;
}

const cases: readonly [name: string, prototype: object, constructor: Function][] = [
  ['a class', Animal.prototype, Animal],
  ['a class that extends another one', Dog.prototype, Dog],
  ['a function', makeType().prototype as object, Function],
  ['a class of the language', Map.prototype, Map],
  ['Array', Array.prototype, Array],
  ['Object', Object.prototype, Object],
  ['an error class', TypeError.prototype, TypeError],
];

test.each(cases)('the prototype of %s', async (_, prototype, constructor) => {
  const check = remote((given: { prototype: object; again: object; Class: Function }) => [
    given.prototype === given.Class.prototype || given.Class === Function,
    given.prototype === given.again,
    given.prototype.constructor.prototype === given.prototype,
  ]);
  const value = { prototype, again: prototype, Class: constructor };
  expect(await get(check.remote(value))).toEqual([true, true, true]);
  const back = await get(put({ prototype }));
  if (constructor !== Function) expect(back.prototype).toBe(prototype);
  expect(await get(remote(() => prototype.constructor.prototype === prototype).remote())).toBe(
    true,
  );
});

test('methods of a prototype can be called on it', async () => {
  const call = remote((prototype: Dog) => prototype.bark() + prototype.say.call({ legs: 3 }));
  expect(await get(call.remote(Dog.prototype))).toBe('woofhas 3');
});

test('a function that keeps its own prototype in a variable goes on using that one', async () => {
  const Type = makeType();
  const use = remote((Given: typeof Type) => [new Given().keys, new Given().keys]);
  expect(await get(use.remote(Type))).toEqual([['a'], ['a']]);
  expect(await get(remote(() => new Type().keys).remote())).toEqual(['a']);
});

test('an object that only has a property called constructor is what it is', async () => {
  const value = { constructor: Animal, n: 1 };
  const own = { constructor: 'text', n: 2 };
  const back = await get(put([value, own]));
  expect([back[0]!.constructor, back[0]!.n, back[1]]).toEqual([Animal, 1, own]);
});
