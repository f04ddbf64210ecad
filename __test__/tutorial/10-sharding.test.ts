import { get, init, remote, shutdown } from 'eagleray';
import type { ActorHandle } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

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

  pid(): number {
    return process.pid;
  }
}

/** Pulls every shard, and adds to each parameter its place in the whole. */
async function work(servers: ActorHandle<ParameterServer>[], steps: number): Promise<void> {
  for (let step = 0; step < steps; step++) {
    const shards = await get(servers.map((server) => server.getParameters.remote()));
    let place = 0;
    const updates = shards.map((shard) => shard.map(() => place++));
    await get(servers.map((server, i) => server.updateParameters.remote(updates[i]!)));
  }
}

const RemoteParameterServer = remote(ParameterServer);

describe('sharding across multiple parameter servers', () => {
  beforeAll(async () => {
    await init({ numCpus: 4 });
  });

  afterAll(async () => {
    await shutdown();
  });

  test('"starting up multiple parameter server actors": each shard lives in its own process', async () => {
    const servers = Array.from({ length: 4 }, () => RemoteParameterServer.remote(5));
    const pids = await get(servers.map((server) => server.pid.remote()));
    expect(new Set(pids).size).toBe(4);
  });

  test('"shard the parameters across multiple parameter servers": workers pull and push all shards', async () => {
    const servers = Array.from({ length: 4 }, () => RemoteParameterServer.remote(5));
    const remoteWork = remote(work);
    await get([0, 1, 2].map(() => remoteWork.remote(servers, 10)));
    const shards = await get(servers.map((server) => server.getParameters.remote()));
    expect(shards.map((shard) => shard.length)).toEqual([5, 5, 5, 5]);
    expect(shards.flatMap((shard) => [...shard])).toEqual(
      Array.from({ length: 20 }, (_, place) => 30 * place),
    );
  });
});
