import { existsSync } from 'node:fs';
import {
  AlreadyInitializedError,
  InfeasibleResourcesError,
  InvalidArgumentError,
  NotInitializedError,
  NotSupportedError,
  type TaskError,
  availableResources,
  clusterResources,
  get,
  getRuntimeContext,
  getSync,
  init,
  isInitialized,
  kill,
  nodes,
  put,
  remote,
  shutdown,
  wait,
} from 'eagleray';
import { afterEach, describe, expect, test } from 'vitest';

import { rejection } from './rejection.ts';

afterEach(async () => {
  await shutdown();
});

describe('init', () => {
  test('resolves to a context', async () => {
    expect(isInitialized()).toBe(false);
    const context = await init({ numCpus: 2, resources: { Custom: 3 } });
    expect(isInitialized()).toBe(true);
    expect(context.address).toBeNull();
    expect(context.nodeId).not.toBe('');
    expect(context.resources).toMatchObject({ CPU: 2, Custom: 3 });
    expect(context.sessionDir).not.toBe('');
    await shutdown();
    expect(isInitialized()).toBe(false);
    expect(existsSync(context.sessionDir)).toBe(false);
  });

  test('a second time is an AlreadyInitializedError', async () => {
    const first = await init({ numCpus: 1 });
    const error = await rejection<AlreadyInitializedError>(init());
    expect(error).toBeInstanceOf(AlreadyInitializedError);
    expect(error.code).toBe('ERR_EAGLERAY_ALREADY_INITIALIZED');
    const again = await init({ ignoreReinitError: true });
    expect(again.nodeId).toBe(first.nodeId);
  });

  test('inside a task is a second time, and gives the context of the driver if that is ignored', async () => {
    const { nodeId, resources, sessionDir } = await init({ numCpus: 1 });
    const again = remote(async () => {
      const context = await init({ ignoreReinitError: true });
      await context[Symbol.asyncDispose]();
      return { ...context, [Symbol.asyncDispose]: undefined, still: await get(put('alive')) };
    });
    const seen = await get(again.remote());
    expect(seen).toMatchObject({ address: null, nodeId, resources, sessionDir, still: 'alive' });
    const error = await rejection<TaskError>(get(remote(() => init()).remote()));
    expect(error.cause).toBeInstanceOf(AlreadyInitializedError);
  });

  test('is disposed of by await using', async () => {
    const context = await init({ numCpus: 1 });
    await context[Symbol.asyncDispose]();
    expect(isInitialized()).toBe(false);
  });

  test.each([
    { numCpu: 1 },
    { numCpus: -1 },
    { numCpus: 'two' },
    { numCpus: Infinity },
    { objectStoreMemory: -1 },
    { resources: { CPU: 1 } },
    { resources: { Custom: -1 } },
    { namespace: 5 },
    { env: { A: 5 } },
    { logToDriver: 'yes' },
    { workerExecArgv: 'text' },
  ])('with %o is an InvalidArgumentError', async (options) => {
    expect(await rejection(init(options as never))).toBeInstanceOf(InvalidArgumentError);
    expect(isInitialized()).toBe(false);
  });

  test('with an address is not supported yet', async () => {
    const error = await rejection<NotSupportedError>(init({ address: 'ray://x:1' }));
    expect(error).toBeInstanceOf(NotSupportedError);
    expect(error.message).toMatch(/\d+\.\d+/);
  });

  test('env is the environment of every worker', async () => {
    await init({ numCpus: 1, env: { EAGLERAY_TEST_INIT: 'yes' } });
    expect(await get(remote(() => process.env['EAGLERAY_TEST_INIT']).remote())).toBe('yes');
  });

  test("workers start in the driver's directory", async () => {
    await init({ numCpus: 1 });
    expect(await get(remote(() => process.cwd()).remote())).toBe(process.cwd());
  });
});

describe('without init', () => {
  test('put starts the runtime', async () => {
    const ref = put(5);
    expect(isInitialized()).toBe(true);
    expect(await get(ref)).toBe(5);
  });

  test('a task starts the runtime', async () => {
    expect(await get(remote(() => 5).remote())).toBe(5);
    expect(isInitialized()).toBe(true);
  });

  test.each([
    ['clusterResources', clusterResources],
    ['availableResources', availableResources],
    ['nodes', nodes],
    ['getRuntimeContext', getRuntimeContext],
  ])('%s is a NotInitializedError', (_name, call: () => unknown) => {
    expect(call).toThrow(NotInitializedError);
    expect(isInitialized()).toBe(false);
  });

  test('shutdown does nothing', async () => {
    expect(await shutdown()).toBeUndefined();
  });
});

describe('resources', () => {
  test('of the cluster', async () => {
    await init({ numCpus: 2, resources: { Custom: 1.5, None: 0 } });
    const total = clusterResources();
    expect(total).toMatchObject({ CPU: 2, Custom: 1.5, None: 0 });
    expect(availableResources()).toMatchObject({ CPU: 2, Custom: 1.5, None: 0 });
    expect(total['memory']).toBeGreaterThan(0);
    expect(total['objectStoreMemory']).toBeGreaterThan(0);
    expect(total['GPU']).toBeTypeOf('number');
    expect(Object.keys(availableResources()).toSorted()).toEqual(Object.keys(total).toSorted());
  });

  test('numCpus: 0 is a cluster that runs only tasks without CPUs', async () => {
    await init({ numCpus: 0 });
    expect(clusterResources()['CPU']).toBe(0);
    expect(() => remote(() => 1).remote()).toThrow(InfeasibleResourcesError);
    expect(await get(remote(() => 1, { numCpus: 0 }).remote())).toBe(1);
  });

  test('idle leases count as available', async () => {
    await init({ numCpus: 2 });
    await get([remote(() => 1).remote(), remote(() => 2).remote()]);
    expect(availableResources()['CPU']).toBe(2);
  });

  test('what a running task holds is not available', async () => {
    await init({ numCpus: 2, resources: { Custom: 1 } });
    const seen = remote(() => availableResources(), { numCpus: 1.5, resources: { Custom: 0.5 } });
    expect(await get(seen.remote())).toMatchObject({ CPU: 0.5, Custom: 0.5 });
    expect(availableResources()).toMatchObject({ CPU: 2, Custom: 1 });
  });

  test('numGpus: ids and CUDA_VISIBLE_DEVICES', async () => {
    await init({ numCpus: 2, numGpus: 2 });
    const ids = (): [string[], string | undefined] => [
      getRuntimeContext().acceleratorIds.GPU,
      process.env['CUDA_VISIBLE_DEVICES'],
    ];
    const [one, visible] = await get(remote(ids, { numGpus: 1 }).remote());
    expect(one).toHaveLength(1);
    expect(visible).toBe(one.join(','));
    const [two] = await get(remote(ids, { numGpus: 2 }).remote());
    expect(two).toHaveLength(2);
    expect(await get(remote(ids).remote())).toEqual([[], '']);
  });

  test('nodes lists this one', async () => {
    const { nodeId } = await init({ numCpus: 2 });
    expect(nodes()).toMatchObject([{ nodeId, alive: true, resources: { CPU: 2 } }]);
  });
});

describe('getRuntimeContext', () => {
  test('in the driver', async () => {
    const { nodeId } = await init({ numCpus: 1, namespace: 'mine' });
    const context = getRuntimeContext();
    expect(context).toMatchObject({
      nodeId,
      namespace: 'mine',
      taskId: null,
      taskName: null,
      actorId: null,
      actorName: null,
      currentActor: null,
      signal: null,
      isCanceled: false,
    });
    expect(context.jobId).not.toBe('');
    expect(context.capabilities.externalSharedArrayBuffer).toBeTypeOf('boolean');
  });

  test('in a task', async () => {
    await init({ numCpus: 2, namespace: 'mine' });
    const read = remote(function read() {
      const context = getRuntimeContext();
      const { actorId, assignedResources, jobId, namespace, taskId, taskName, workerId } = context;
      return {
        actorId,
        assignedResources,
        jobId,
        namespace,
        taskId,
        taskName,
        workerId,
        aborted: context.signal!.aborted,
      };
    });
    const ref = read.options({ numCpus: 0.5, memory: 1000 }).remote();
    const driver = getRuntimeContext();
    const seen = await get(ref);
    expect(seen).toMatchObject({
      actorId: null,
      assignedResources: { CPU: 0.5, memory: 1000 },
      jobId: driver.jobId,
      namespace: 'mine',
      taskId: ref.id,
      taskName: 'read',
      aborted: false,
    });
    expect(seen.workerId).not.toBe(driver.workerId);
  });

  test('in an actor', async () => {
    await init({ numCpus: 2 });
    class Context {
      read(): unknown {
        const { actorId, actorName, assignedResources, taskName } = getRuntimeContext();
        return { actorId, actorName, assignedResources, taskName };
      }
    }
    const actor = remote(Context, { memory: 2000 }).remote();
    expect(await get(actor.read.remote())).toEqual({
      actorId: actor.actorId,
      actorName: null,
      assignedResources: { memory: 2000 },
      taskName: 'Context.read',
    });
  });
});

describe('shutdown', () => {
  test('makes old refs and handles errors', async () => {
    await init({ numCpus: 1 });
    class Nothing {
      run(): void {}
    }
    const handle = remote(Nothing).remote();
    const refs = [put(1), put({ x: 1 }), remote(() => 1).remote()];
    await get(refs);
    await shutdown();
    await init({ numCpus: 1 });
    for (const ref of refs) {
      expect(await rejection(get(ref))).toBeInstanceOf(InvalidArgumentError);
      expect(() => getSync(ref)).toThrow(InvalidArgumentError);
      expect(await rejection(wait([ref]))).toBeInstanceOf(InvalidArgumentError);
      expect(() => put([ref])).toThrow(InvalidArgumentError);
      expect(() => remote((x: unknown) => x).remote(ref)).toThrow(InvalidArgumentError);
    }
    expect(() => handle.run.remote()).toThrow(InvalidArgumentError);
    expect(() => put([handle])).toThrow(InvalidArgumentError);
    expect(() => kill(handle)).toThrow(InvalidArgumentError);
  });

  test('leaves remote functions and classes usable', async () => {
    class Counter {
      value = 0;
      add(): number {
        return (this.value += 1);
      }
    }
    const square = remote((x: number) => x * x);
    const RemoteCounter = remote(Counter);
    for (let round = 0; round < 3; round++) {
      await init({ numCpus: 1 });
      expect(await get(square.remote(4))).toBe(16);
      expect(await get(RemoteCounter.remote().add.remote())).toBe(1);
      await shutdown();
    }
  });

  test('rejects what waits', async () => {
    await init({ numCpus: 1 });
    const waiting = rejection(get(remote(() => new Promise<never>(() => undefined)).remote()));
    await get(remote(() => 1, { numCpus: 0 }).remote());
    await shutdown();
    expect(await waiting).toBeInstanceOf(NotInitializedError);
  });

  test('ends detached actors', async () => {
    await init({ numCpus: 1, namespace: 'same' });
    class Nothing {
      run(): number {
        return 1;
      }
    }
    const Named = remote(Nothing, { name: 'n', lifetime: 'detached' });
    await get(Named.remote().run.remote());
    await shutdown();
    await init({ numCpus: 1, namespace: 'same' });
    expect(await get(Named.remote().run.remote())).toBe(1);
  });

  test('twice at once is one', async () => {
    await init({ numCpus: 1 });
    await Promise.all([shutdown(), shutdown()]);
    expect(isInitialized()).toBe(false);
  });
});
