import { availableParallelism } from 'node:os';
import { clusterResources, get, getRuntimeContext, init, remote, shutdown } from 'eagleray';
import { afterEach, describe, expect, test } from 'vitest';

const assignedResources = remote(() => getRuntimeContext().assignedResources);

describe('default and overridden resources', () => {
  afterEach(async () => {
    await shutdown();
  });

  test('"The ray.init() command will automatically detect the available GPUs and CPUs"', async () => {
    const { resources } = await init();
    expect(Number.isInteger(resources['CPU'])).toBe(true);
    expect(resources['CPU']).toBeGreaterThanOrEqual(1);
    expect(resources['CPU']).toBeLessThanOrEqual(availableParallelism());
    expect(resources['GPU']).toBeGreaterThanOrEqual(0);
    expect(clusterResources()).toEqual(resources);
  });

  test('"ray.init(num_cpus=8, num_gpus=4, resources={\'Custom\': 2})" overrides what is detected', async () => {
    await init({ numCpus: 8, numGpus: 4, resources: { Custom: 2 } });
    expect(clusterResources()).toMatchObject({ CPU: 8, GPU: 4, Custom: 2 });
  });

  test('"If you do not specify any resources ..., the default is 1 CPU resource and no other resources"', async () => {
    await init({ numCpus: 8, numGpus: 4, resources: { Custom: 2 } });
    expect(await get(assignedResources.remote())).toEqual({ CPU: 1 });
  });
});
