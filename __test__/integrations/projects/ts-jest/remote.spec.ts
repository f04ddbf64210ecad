import * as ray from 'eagleray';
import { type ActorHandle, ObjectRef, TaskError, get, init, remote, shutdown } from 'eagleray';

import Tally, { square } from './math';

const factor = 3;
class Wrong extends Error {
  constructor(readonly status: number) {
    super('wrong');
  }
}

beforeAll(() => init({ numCpus: 2 }));
afterAll(() => shutdown());

test('functions', async () => {
  const ref: ObjectRef<number> = remote((x: number) => square(x) * factor).remote(4);
  expect(ref).toBeInstanceOf(ObjectRef);
  expect(await get(ref)).toBe(48);
  expect(await get(remote(square).remote(5))).toBe(25);
});
test('actor', async () => {
  const tally: ActorHandle<Tally> = remote(Tally).remote();
  await get(tally.add.remote(2));
  expect(await get(tally.add.remote(3))).toBe(5);
});
test('error', async () => {
  const failing = remote((): number => {
    throw new Wrong(400);
  });
  const error: unknown = await get(failing.remote()).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(TaskError);
  expect((error as TaskError).cause).toBeInstanceOf(Wrong);
  expect((error as TaskError).stack).toContain('remote.spec.ts');
});
test('import', async () => {
  expect((await import('eagleray')).get).toBe(ray.get);
});
test('task uses ray', async () => {
  const inner = remote(square);
  expect(
    await get(
      remote(
        async (x: number) => (await get(inner.remote(x))) + (await ray.get(ray.put(1))),
      ).remote(4),
    ),
  ).toBe(17);
});
