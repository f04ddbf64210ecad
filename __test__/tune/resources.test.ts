/** What trials may run with: what tasks may, and what is refused is refused in the same words. */

import { describe, expect, test } from 'vitest';

import { checkTaskOptions } from '../../bindings/typescript/src/options.ts';
import { checkResources } from '../../bindings/typescript/src/tune/controller/resources.ts';

const PLACE = { call: 'new Tuner()', name: 'resources' };

function refusal(call: () => unknown): { readonly message: string; readonly argument: string } {
  try {
    call();
  } catch (error) {
    return error as { readonly message: string; readonly argument: string };
  }
  throw new Error('was accepted');
}

describe('resources of a trial', () => {
  test.each([
    [{ numCpus: -1 }],
    [{ numCpus: '2' }],
    [{ numCpus: NaN }],
    [{ numCpus: Infinity }],
    [{ numCpus: 1e15 }],
    [{ numGpus: 1.5 }],
    [{ numGpus: 2 ** 31 }],
    [{ memory: -1 }],
    [{ memory: 1e15 }],
    [{ resources: ['Custom'] }],
    [{ resources: { CPU: 1 } }],
    [{ resources: { objectStoreMemory: 1 } }],
    [{ resources: { '': 1 } }],
    [{ resources: { 'a\0b': 1 } }],
    [{ resources: { ['n'.repeat(2000)]: 1 } }],
    [{ resources: { Custom: '1' } }],
  ])('%j is refused as for a task', (resources) => {
    const ofTask = refusal(() => checkTaskOptions(resources, 'remote()'));
    const ofTrial = refusal(() => checkResources(resources, PLACE));
    const isInside = ofTask.argument.startsWith('a name in ');
    expect(ofTrial.message).toBe(
      isInside
        ? ofTask.message.replace('remote(): a name in ', 'new Tuner(): a name in resources.')
        : ofTask.message.replace('remote(): ', 'new Tuner(): resources.'),
    );
    expect(ofTrial).toMatchObject({ name: 'InvalidArgumentError' });
  });

  test.each([
    [{}],
    [{ numCpus: 0.33333, numGpus: 0.5, memory: 1.5, resources: { Custom: 0.00001 } }],
    [{ numCpus: 0, numGpus: undefined, resources: { Custom: undefined } }],
    [{ numCpus: 1e14, memory: 1e14 }],
  ])('%j is counted as for a task', (resources) => {
    expect(checkResources(resources, PLACE)).toEqual(checkTaskOptions(resources, 'remote()'));
  });

  test('an option of tasks that is no resource is refused, and says what was meant', () => {
    expect(refusal(() => checkResources({ maxRetries: 1 }, PLACE))).toMatchObject({
      argument: 'resources.maxRetries',
      message: expect.stringContaining('there is no option resources.maxRetries (1). Allowed: num'),
    });
    expect(refusal(() => checkResources({ numCPUs: 1 }, PLACE)).message).toContain(
      'Did you mean numCpus?',
    );
  });

  test.each([[[1]], [7], [null], [new Map()], [Promise.resolve({ numCpus: 1 })]])(
    '%j is no object of resources',
    (value) => {
      expect(refusal(() => checkResources(value, PLACE)).message).toMatch(
        /^new Tuner\(\): resources is .*; allowed: an object of numCpus, numGpus, resources, memory$/,
      );
    },
  );
});
