/**
 * What a call takes in on its way must reach whoever awaits it: the socket and the doorbell that brought it wake nobody
 * a second time.
 */
import {
  cancel,
  get,
  getSync,
  init,
  availableResources,
  put,
  remote,
  shutdown,
  wait,
  waitSync,
  type ObjectRef,
} from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';

import { makeGates, openGate, passGate } from './gates.ts';

const gates = makeGates();

beforeAll(async () => {
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  gates.dispose();
});

const pass = remote(async (path: string, value: number) => {
  await passGate(path);
  return value;
});

/** Runs when the event loop has gone idle and was woken by something else than the runtime. */
const later = (action: () => unknown) =>
  new Promise((resolve) => setTimeout(() => resolve(action()), 5));

test.each([
  ['getSync', (ref: ObjectRef<number>) => getSync(ref)],
  ['waitSync', (ref: ObjectRef<number>) => waitSync([ref])],
] as const)('%s in between does not put a get to sleep for good', async (_name, block) => {
  const [first, second] = [gates.next(), gates.next()];
  const [a, b] = [pass.remote(first, 1), pass.remote(second, 2)];
  const awaited = get(b);
  await later(() => {
    openGate(first);
    block(a);
    openGate(second);
  });
  expect(await awaited).toBe(2);
});

test.each([
  ['availableResources', () => availableResources()],
  ['get with timeoutMs: 0', (ref: ObjectRef<number>) => get(ref, { timeoutMs: 0 }).catch(() => 0)],
  ['wait with timeoutMs: 0', (ref: ObjectRef<number>) => wait([ref], { timeoutMs: 0 })],
  ['cancel', () => cancel(put([1]))],
] as const)('%s in between does not swallow what a get awaits', async (_name, call) => {
  const [end, never] = [gates.next(), gates.next()];
  const pending = pass.remote(never, 3);
  // A borrowed ref: its value comes over the control socket.
  const [inner] = await get(
    remote(async (path: string) => {
      const ray = await import('eagleray');
      const nested = ray.remote(async (gate: string) => {
        await passGate(gate);
        return 7;
      });
      return [nested.options({ numCpus: 0 }).remote(path)];
    }).remote(end),
  );
  const awaited = get(inner!);
  await later(() => openGate(end));
  const state = { done: false };
  void awaited.then(() => (state.done = true));
  // Some of these calls fall on the moment at which the value arrives. After the last one, nothing else wakes the driver.
  for (let calls = 0; calls < 30 && !state.done; calls++) await later(() => call(pending));
  expect(await awaited).toBe(7);
  openGate(never);
  expect(await get(pending)).toBe(3);
});
