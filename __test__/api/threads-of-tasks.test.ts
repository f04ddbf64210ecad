/**
 * Threads that tasks start: they can't take part in the worker's runtime, and must not start another one, which would be a
 * full set of workers for each of them.
 */

import { get, init, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, expect, test } from 'vitest';

beforeAll(() => init({ numCpus: 2 }));
afterAll(() => shutdown());

const PATIENCE = { timeoutMs: 20_000 };

/** What a thread says that runs a text of JavaScript in a module of the package's users. */
const sayOfThread = remote(async (text: string, depth: number) => {
  const { Worker } = await import('node:worker_threads');
  const { once } = (await import('node:events')).default;
  const url = import.meta.resolve('eagleray');
  const program = `
    import { parentPort } from 'node:worker_threads';
    import * as eagleray from ${JSON.stringify(url)};
    const say = (error) => parentPort.postMessage([error?.name, error?.message]);
    try { say(await (async () => { ${text} })()); } catch (error) { say(error); }`;
  const inThread = (source: string) =>
    new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
  const nested = `
    import { Worker, parentPort } from 'node:worker_threads';
    new Worker(new URL(${JSON.stringify(`data:text/javascript,${encodeURIComponent(program)}`)}))
      .on('message', (message) => parentPort.postMessage(message));`;
  const worker = inThread(depth === 1 ? program : nested);
  const [said] = (await once(worker, 'message')) as [[string?, string?]];
  await worker.terminate();
  return said;
});

test.each([
  ['remote(…).remote()', 'await eagleray.get(eagleray.remote(() => 1).remote())', 1],
  ['put()', 'eagleray.put(1)', 1],
  ['init()', 'await eagleray.init()', 1],
  ['a thread of a thread', 'eagleray.put(1)', 2],
])('%s in a thread of a task is refused', async (_, text, depth) => {
  const [name, message] = await get(sayOfThread.remote(text, depth), PATIENCE);
  expect(name).toBe('NotSupportedError');
  expect(message).toMatch(/a thread that a task or actor has started/);
});

test('what asks for nothing works there', async () => {
  expect(await get(sayOfThread.remote('return eagleray.isInitialized();', 1), PATIENCE)).toEqual([
    undefined,
    undefined,
  ]);
});
