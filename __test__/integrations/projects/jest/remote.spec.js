const ray = require('eagleray');
const { square } = require('./math');

const factor = 3;
const scale = (x) => x * factor;
class Counter {
  total = 0;
  add(by) {
    return (this.total += by);
  }
}
class Wrong extends Error {
  status = 400;
}

beforeAll(() => ray.init({ numCpus: 2 }));
afterAll(() => ray.shutdown());

test('a function of the test file', async () => {
  expect(await ray.get(ray.remote(scale).remote(14))).toBe(42);
});
test('a function of a module', async () => {
  expect(await ray.get(ray.remote(square).remote(4))).toBe(16);
  expect(await ray.get(ray.remote((x) => square(x) + 1).remote(4))).toBe(17);
});
test('actor', async () => {
  const counter = ray.remote(Counter).remote();
  await ray.get(counter.add.remote(2));
  expect(await ray.get(counter.add.remote(3))).toBe(5);
});
test('values', async () => {
  const value = {
    date: new Date(5),
    map: new Map([[1, new Set([2])]]),
    re: /x/g,
    bytes: new Uint8Array(100_000).fill(7),
    error: new TypeError('t'),
    big: 10n,
    url: new URL('http://a/b'),
    array: new Array(3),
    buffer: Buffer.from('abc'),
    undefined: undefined,
  };
  const back = await ray.get(ray.put(value));
  expect(back).toEqual(value);
  expect(back.date).toBeInstanceOf(Date);
  expect(back.map).toBeInstanceOf(Map);
  expect(back.bytes).toBeInstanceOf(Uint8Array);
  expect(back.error).toBeInstanceOf(TypeError);
  expect(back.array).toBeInstanceOf(Array);
  expect(back.re).toBeInstanceOf(RegExp);
  const echoed = await ray.get(ray.remote((v) => v).remote(value));
  expect(echoed).toEqual(value);
  expect(await ray.get(ray.remote(() => value).remote())).toEqual(value);
});
test('error', async () => {
  const error = await ray
    .get(
      ray
        .remote(() => {
          throw new Wrong('no');
        })
        .remote(),
    )
    .catch((e) => e);
  expect(error).toBeInstanceOf(ray.TaskError);
  expect(error).toBeInstanceOf(Error);
  expect(error.cause).toBeInstanceOf(Wrong);
  expect(error.cause.status).toBe(400);
});
test('one runtime, however often it is required', () => {
  expect(require('eagleray')).toBe(ray);
  jest.resetModules();
  expect(require('eagleray').get).toBe(ray.get);
});
test('a ref is an instance of the class', () => {
  expect(ray.put(1)).toBeInstanceOf(ray.ObjectRef);
});
test('built-in', async () => {
  const { join } = require('node:path');
  expect(await ray.get(ray.remote(() => join('a', 'b')).remote())).toBe('a/b');
  expect(await ray.get(ray.remote(() => require('node:path').join('a', 'b')).remote())).toBe('a/b');
  expect(
    await ray.get(ray.remote(async () => (await import('node:path')).join('a', 'b')).remote()),
  ).toBe('a/b');
});
