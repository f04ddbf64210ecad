/** What schedulers, searchers, stoppers, callbacks and resource functions of users' own get wrong: it is said, and nothing hangs. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { availableResources, init, shutdown } from 'eagleray';
import {
  Tuner,
  fifo,
  report,
  resourceChanging,
  uniform,
  type Callback,
  type Scheduler,
  type SchedulerControl,
  type Searcher,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

let folder = '';
let count = 0;
const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-answers-'));
  process.on('unhandledRejection', note);
  await init({ numCpus: 2 });
});

afterEach(async () => {
  await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
  expect(unhandled).toEqual([]);
});

afterAll(async () => {
  await shutdown();
  process.off('unhandledRejection', note);
  rmSync(folder, { recursive: true, force: true });
});

const QUIET = { reporter: 'silent', storagePath: null, metric: 'loss', mode: 'min' } as const;

async function train(): Promise<void> {
  for (let loss = 0; loss < 3; loss++) await report({ loss });
}

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

function mine(name: string): Error {
  return new Error(`mine: ${name}`);
}

const refused = (words: string): object =>
  expect.objectContaining({
    name: 'InvalidArgumentError',
    message: expect.stringContaining(words) as string,
  }) as object;

describe('a scheduler', () => {
  const scheduler = (own: object): Scheduler =>
    ({
      onTrialResult: () => 'CONTINUE',
      chooseTrialToRun: ({ trials }: SchedulerControl) =>
        trials.find(({ status }) => status === 'PENDING')?.id,
      ...own,
    }) as Scheduler;
  const fit = async (own: object): Promise<unknown> =>
    rejection(new Tuner(train, { ...QUIET, numSamples: 2, scheduler: scheduler(own) }).fit());

  test.each(['setup', 'onTrialAdd', 'onTrialResult', 'onTrialComplete', 'chooseTrialToRun'])(
    'whose %s is asynchronous and throws',
    async (name) => {
      const error = await fit({
        [name]: async () => {
          throw mine(name);
        },
      });
      expect(error).toEqual(refused(name));
    },
  );

  test.each([['99999'], ['0'], [5], [{}], [true], [Promise.resolve('00000')]])(
    'that chooses %j',
    async (id) => {
      const error = await fit({ chooseTrialToRun: () => id });
      expect(error).toEqual(refused('chooseTrialToRun()'));
    },
  );

  const acts: Record<string, (control: SchedulerControl) => unknown> = {
    "stop('99')": ({ stop }) => stop('99'),
    'exploit of an unknown trial': ({ exploit }) => exploit('77', '00000', {}),
    'exploit from an unknown trial': ({ exploit }) => exploit('00000', '77', {}),
    'exploit with what is no config': ({ exploit }) => exploit('00000', '00000', 5),
    'exploit with a promise': ({ exploit }) =>
      exploit('00000', '00000', Promise.reject(mine('config'))),
    'setResources of an unknown trial': ({ setResources }) => setResources('88', { numCpus: 1 }),
    'setResources to what are none': ({ setResources }) =>
      setResources('00000', { cpus: 1 } as object),
    'setResources with a CPU by another name': ({ setResources }) =>
      setResources('00000', { resources: { CPU: 1 } }),
  };
  test.each(Object.entries(acts))('that asks for %s', async (name, act) => {
    const error = await fit({
      onTrialResult(_trial: unknown, _metrics: unknown, control: SchedulerControl) {
        act(control);
        return 'CONTINUE';
      },
    });
    expect(error).toEqual(refused(name.split(/[ (]/)[0]!));
  });

  test.each([
    [5],
    ['x'],
    [null],
    [{ numCpus: -1 }],
    [{ cpus: 2 }],
    [{ resources: { GPU: 1 } }],
    ['a promise'],
  ])('resourceChanging with allocate that returns %j', async (resources) => {
    const allocate = () =>
      (resources === 'a promise' ? Promise.reject(mine('allocate')) : resources) as never;
    const changing = resourceChanging(fifo(), { allocate });
    const tuner = new Tuner(train, { ...QUIET, scheduler: changing });
    expect(await rejection(tuner.fit())).toMatchObject({ name: 'InvalidArgumentError' });
  });
});

test.each(['setup', 'ask', 'tell', 'onResult'])(
  'a searcher whose %s is asynchronous and throws',
  async (name) => {
    const search = {
      setup() {},
      ask: () => ({ x: 0.5 }),
      tell() {},
      [name]: async () => {
        throw mine(name);
      },
    } as Searcher;
    const tuner = new Tuner(train, { ...QUIET, space: { x: uniform(0, 1) }, search });
    expect(await rejection(tuner.fit())).toEqual(refused(name));
  },
);

test.each(['onResult', 'stopAll'])(
  'a stopper whose %s is asynchronous and throws',
  async (name) => {
    const stop = {
      onResult: () => false,
      stopAll: () => false,
      [name]: async () => {
        throw mine(name);
      },
    } as never;
    expect(await rejection(new Tuner(train, { ...QUIET, stop }).fit())).toEqual(refused('stop'));
  },
);

describe('a callback', () => {
  const placed = () => ({ ...QUIET, storagePath: folder, name: `callback-${count++}` });

  test('may have getState alone, or setState alone, and both may be asynchronous', async () => {
    const options = placed();
    const getState = async () => ({ seen: 5 });
    await new Tuner(train, { ...options, callbacks: [{ getState }] }).fit();
    const states: unknown[] = [];
    const setState = async (state: never) => {
      await Promise.resolve();
      states.push(state);
    };
    await Tuner.restore(path.join(folder, options.name), train, {
      reporter: 'silent',
      numSamples: 2,
      callbacks: [{ setState }],
    }).fit();
    expect(states).toEqual([{ seen: 5 }]);
  });

  test.each(['getState', 'setState'])('whose %s is asynchronous and throws', async (name) => {
    const options = placed();
    const getState = () => 1;
    await new Tuner(train, { ...options, callbacks: [{ getState }] }).fit();
    const error = mine(name);
    const callback: Callback = {
      [name]: async () => {
        await Promise.resolve();
        throw error;
      },
    };
    const tuner = Tuner.restore(path.join(folder, options.name), train, {
      reporter: 'silent',
      numSamples: 2,
      callbacks: [callback],
    });
    expect(await rejection(tuner.fit())).toBe(error);
  });

  test('whose state can not be kept', async () => {
    const callbacks = [{ getState: () => ({ run: () => 1 }) }];
    expect(await rejection(new Tuner(train, { ...placed(), callbacks }).fit())).toMatchObject({
      name: 'SerializationError',
      message: expect.stringContaining('callbacks[0]') as string,
    });
  });
});

describe('a function that says what trials run with', () => {
  const ways: Record<string, (config: { x: number }) => unknown> = {
    throws: () => {
      throw mine('resources');
    },
    'returns no resources': () => 5,
    'returns a CPU by another name': () => ({ resources: { CPU: 1 } }),
    'returns half a GPU too many': () => ({ numGpus: 1.5 }),
    'is asynchronous': async () => ({ numCpus: 1 }),
    'is asynchronous and throws': async () => {
      throw mine('resources');
    },
  };
  test.each(Object.entries(ways))('and %s: those trials err, and others run', async (_way, of) => {
    const name = `resources-${count++}`;
    const resources = (config: { x: number }) =>
      (config.x === 1 ? of(config) : { numCpus: 1 }) as object;
    const options = { ...QUIET, storagePath: folder, name, maxFailures: 2 };
    const search: Searcher = { setup() {}, ask: ({ number }) => ({ x: number % 2 }), tell() {} };
    const space = { x: uniform(0, 2) };
    const tuner = new Tuner(train, { ...options, space, search, resources, numSamples: 4 });
    const statuses = ['TERMINATED', 'ERROR', 'TERMINATED', 'ERROR'];
    expect([...(await tuner.fit())].map(({ status }) => status)).toEqual(statuses);
    const again = Tuner.restore(path.join(folder, name), train, {
      reporter: 'silent',
      space,
      search,
      resources,
      numSamples: 6,
    });
    const results = await again.fit();
    expect([...results].map(({ status, failures }) => `${status} ${failures}`)).toEqual(
      [...statuses, 'TERMINATED', 'ERROR'].map((status) => `${status} 0`),
    );
  });

  test.each([
    [{ resources: { CPU: 1 } }, 'resources.resources.CPU'],
    [{ resources: { '': 1 } }, 'resources.resources.'],
    [{ numGpus: 1.5 }, 'resources.numGpus'],
    [{ numCpus: Infinity }, 'resources.numCpus'],
    [{ memory: '1' }, 'resources.memory'],
  ])('resources: %j are refused by the constructor', (resources, name) => {
    const given = { ...QUIET, resources: resources as object };
    expect(() => new Tuner(train, given)).toThrow(refused(`new Tuner(): ${name}`) as Error);
  });
});
