import * as ray from 'eagleray';
import { square } from './square.mjs';
const two = 2;
afterAll(() => ray.shutdown());
test('esm', async () => {
  expect(await ray.get(ray.remote((x) => x * two).remote(21))).toBe(42);
  expect(await ray.get(ray.remote(square).remote(21))).toBe(441);
  expect(await ray.get(ray.remote((x) => square(x) + two).remote(21))).toBe(443);
});
test('built-in', async () => {
  expect(
    await ray.get(ray.remote(async () => (await import('node:path')).join('a', 'b')).remote()),
  ).toBe('a/b');
});
test('one', async () => {
  const { createRequire } = await import('node:module');
  expect(createRequire(import.meta.url)('eagleray').get).toBe(ray.get);
});
