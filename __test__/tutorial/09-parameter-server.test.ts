import { get, init, remote, shutdown } from 'eagleray';
import type { ActorHandle } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** The parameter server of Ray's blog. */
class ParameterServer {
  parameters: Float64Array;

  constructor(dimension: number) {
    this.parameters = new Float64Array(dimension);
  }

  getParameters(): Float64Array {
    return this.parameters;
  }

  updateParameters(update: Float64Array): void {
    this.parameters = this.parameters.map((parameter, i) => parameter + update[i]!);
  }
}

async function work(server: ActorHandle<ParameterServer>, steps: number): Promise<number> {
  for (let step = 0; step < steps; step++) {
    const parameters = await get(server.getParameters.remote());
    await get(server.updateParameters.remote(new Float64Array(parameters.length).fill(1)));
  }
  return process.pid;
}

const RemoteParameterServer = remote(ParameterServer);

describe('the parameter server', () => {
  beforeAll(async () => {
    await init({ numCpus: 4 });
  });

  afterAll(async () => {
    await shutdown();
  });

  test('"The @ray.remote decorator defines a service": it is instantiated as an actor', async () => {
    const server = RemoteParameterServer.remote(10);
    expect(await get(server.getParameters.remote())).toEqual(new Float64Array(10));
    await get(server.updateParameters.remote(Float64Array.from({ length: 10 }, (_, i) => i)));
    expect(await get(server.getParameters.remote())).toEqual(
      Float64Array.of(0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    );
  });

  test('different tasks share one parameter server: no update is lost', async () => {
    const server = RemoteParameterServer.remote(10);
    const remoteWork = remote(work);
    const pids = await get([0, 1, 2, 3].map(() => remoteWork.remote(server, 25)));
    expect(pids).not.toContain(process.pid);
    expect(await get(server.getParameters.remote())).toEqual(new Float64Array(10).fill(100));
  });

  test('parameters of 8 MB go back and forth the same way', async () => {
    const server = RemoteParameterServer.remote(2 ** 20);
    await get([0, 1].map(() => remote(work).remote(server, 3)));
    const parameters = await get(server.getParameters.remote());
    expect(parameters).toHaveLength(2 ** 20);
    expect(parameters.every((parameter) => parameter === 6)).toBe(true);
  });
});
