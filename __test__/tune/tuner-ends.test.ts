/** How `fit` ends: by Ctrl-C, with reporters that throw, and over a journal that is damaged. Nothing stays behind, and the first error is told. */
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { availableResources, init, shutdown } from 'eagleray';
import {
  Trainable,
  Tuner,
  asha,
  gridSearch,
  loadResults,
  uniform,
  writeOutputs,
  report,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';

import { isLocked } from '../../bindings/typescript/src/tune/journal/lock.ts';
import { failuresOf } from '../../bindings/typescript/src/tune/tuner/result-context.ts';

let storagePath = '';

beforeAll(async () => {
  storagePath = mkdtempSync(path.join(tmpdir(), 'eagleray-tune-'));
  await init({ numCpus: 2 });
});

afterEach(async () => {
  await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
});

afterAll(async () => {
  await shutdown();
  rmSync(storagePath, { recursive: true, force: true });
});

const QUIET = { reporter: 'silent', metric: 'loss', mode: 'min' } as const;

const train = async (): Promise<{ loss: number }> => ({ loss: 1 });

/** Files of an experiment that this process has open. */
function openFilesIn(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((number) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${number}`);
      return file.startsWith(folder) ? [file] : [];
    } catch {
      // That of the listing itself.
      return [];
    }
  });
}

describe('Ctrl-C', () => {
  // Those of the test runner would be taken for the program's own.
  let former: NodeJS.SignalsListener[] = [];

  beforeEach(() => {
    former = process.listeners('SIGINT') as NodeJS.SignalsListener[];
    process.removeAllListeners('SIGINT');
  });

  afterEach(() => {
    vi.restoreAllMocks();
    process.removeAllListeners('SIGINT');
    for (const listener of former) process.on('SIGINT', listener);
  });

  test('stops all experiments of the process, and takes its course once their journals are closed', async () => {
    class Endless extends Trainable {
      async step() {
        await new Promise((resolve) => setTimeout(resolve, 10));
        return { loss: 1 };
      }
      override saveCheckpoint() {
        return { saved: true };
      }
    }
    const names = ['one', 'other'];
    const journals = names.map((name) => path.join(storagePath, name, 'journal.log'));
    const kill = vi.spyOn(process, 'kill').mockImplementation(() => {
      expect(journals.map(isLocked)).toEqual([false, false]);
      return true;
    });
    const said = vi.spyOn(process.stderr, 'write').mockImplementation(() => true);
    const reported = new Set<string>();
    const fits = names.map((name) =>
      new Tuner(Endless, {
        ...QUIET,
        storagePath,
        name,
        maxConcurrentTrials: 1,
        callbacks: [
          {
            onTrialResult: () => {
              reported.add(name);
              if (reported.size === 2 && process.listenerCount('SIGINT') > 0) {
                expect(process.listenerCount('SIGINT')).toBe(1);
                process.emit('SIGINT');
              }
            },
          },
        ],
      }).fit(),
    );
    const ends = await Promise.allSettled(fits);
    expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    expect(kill.mock.calls).toEqual([[process.pid, 'SIGINT']]);
    expect(said.mock.calls.map(([text]) => String(text)).join('')).toMatch(
      /restore\(".*one"[^]*restore\(".*other"|restore\(".*other"[^]*restore\(".*one"/,
    );
    expect(process.listenerCount('SIGINT')).toBe(0);
    for (const name of names) {
      const [trial] = [...loadResults(path.join(storagePath, name))];
      expect(trial!.status).toBe('PENDING');
      expect(trial!.checkpoint).not.toBeNull();
    }
  });

  test('is nobody’s business after an experiment, also one that was broken off', async () => {
    const broken = [
      { callbacks: [{ onTrialResult: () => Promise.reject(new Error('broken')) }] },
      { reporter: { report: () => Promise.reject(new Error('broken')) } },
    ];
    for (const options of broken) {
      const fitting = new Tuner(train, { ...QUIET, storagePath: null, ...options }).fit();
      await expect(fitting).rejects.toThrow('broken');
      expect(process.listenerCount('SIGINT')).toBe(0);
    }
  });

  test('does not come to a program that listens itself', async () => {
    const own = vi.fn();
    process.on('SIGINT', own);
    const callbacks = [{ onTrialResult: () => void process.emit('SIGINT') }];
    const results = await new Tuner(train, { ...QUIET, storagePath: null, callbacks }).fit();
    expect(own).toHaveBeenCalledTimes(1);
    expect(results.at(0)!.status).toBe('TERMINATED');
  });
});

describe('what throws at the end', () => {
  test('keeps nothing else from being done', async () => {
    const fitting = new Tuner(train, {
      ...QUIET,
      storagePath,
      name: 'reporter',
      reporter: {
        report(_state, done) {
          if (done) throw new Error('reporter');
        },
      },
    }).fit();
    await expect(fitting).rejects.toThrow('reporter');
    const folder = path.join(storagePath, 'reporter');
    expect(existsSync(path.join(folder, 'results.csv'))).toBe(true);
    expect(existsSync(path.join(folder, 'report.html'))).toBe(true);
    expect(openFilesIn(folder)).toEqual([]);
    expect(isLocked(path.join(folder, 'journal.log'))).toBe(false);
  });

  test('does not hide what came first', async () => {
    const fitting = new Tuner(train, {
      ...QUIET,
      storagePath,
      name: 'first',
      callbacks: [{ onTrialResult: () => Promise.reject(new Error('callback')) }],
      reporter: {
        report(_state, done) {
          if (done) throw new Error('reporter');
        },
      },
    }).fit();
    await expect(fitting).rejects.toThrow('callback');
    expect(openFilesIn(path.join(storagePath, 'first'))).toEqual([]);
  });
});

test('the report says how much parameters matter, where enough is known', async () => {
  const options = { ...QUIET, storagePath, space: { x: uniform(0, 1), y: uniform(0, 1) }, seed: 1 };
  const goals = [
    { metric: 'loss', mode: 'min' },
    { metric: ['loss', 'size', 'never'], mode: ['min', 'max', 'min'] },
  ] as const;
  for (const [numSamples, goal] of [1, 20].flatMap((count) =>
    goals.map((each) => [count, each] as const),
  )) {
    const metrics = [goal.metric].flat();
    const name = `importances-${numSamples}-${metrics.length}`;
    const results = await new Tuner(
      async ({ x, y }: { x: number; y: number }) => ({ loss: x, size: y, never: NaN }),
      { ...options, ...goal, numSamples, name },
    ).fit();
    const folder = path.join(storagePath, name);
    // Trials without a finite value of a metric say nothing about it.
    const ofGrid =
      numSamples === 1
        ? null
        : metrics.map((metric) =>
            metric === 'never' ? [] : Object.entries(results.importances({ metric })),
          );
    for (const isAgain of [false, true]) {
      if (isAgain) await writeOutputs(folder, ['html']);
      const page = readFileSync(path.join(folder, 'report.html'), 'utf8');
      const [, shown] = /"importances":(null|\[.*?\]),"omitted"/.exec(page)!;
      const importances = JSON.parse(shown!) as { name: string; importance: number }[][] | null;
      expect(
        importances?.map((each) => each.map(({ name: parameter }) => parameter)) ?? null,
      ).toEqual(ofGrid?.map((each) => each.map(([parameter]) => parameter)) ?? null);
      for (const [place, [first]] of (importances ?? []).entries()) {
        if (first !== undefined) expect(first.importance).toBeCloseTo(ofGrid![place]![0]![1], 4);
      }
      if (importances !== null)
        expect(importances.map(([first]) => first?.name)).toEqual(
          ['x', 'y', undefined].slice(0, metrics.length),
        );
    }
  }
});

test('an experiment is overwritten although its journal is damaged', async () => {
  const options = { ...QUIET, storagePath, name: 'damaged' } as const;
  await new Tuner(train, options).fit();
  appendFileSync(path.join(storagePath, 'damaged', 'journal.log'), 'garbage\n{"op_code":10}\n');
  const results = await new Tuner(train, { ...options, ifExists: 'overwrite' }).fit();
  expect(results.at(0)!.status).toBe('TERMINATED');
  expect(loadResults(path.join(storagePath, 'damaged')).length).toBe(1);
});

test('an experiment that was interrupted goes on later, though its time ended while its trials did', async () => {
  const interruption = new AbortController();
  const timeBudgetMs = 1500;
  // It does not hear of the interruption, and has ended when the time is over.
  const deaf = async (): Promise<void> => {
    await report({ loss: 1 }, { checkpoint: 1 });
    await new Promise((resolve) => setTimeout(resolve, 2 * timeBudgetMs));
    await report({ loss: 2 });
  };
  const options = { ...QUIET, storagePath, name: 'interrupted', timeBudgetMs } as const;
  const fitting = new Tuner(deaf, {
    ...options,
    callbacks: [{ onTrialResult: () => interruption.abort(new Error('enough')) }],
  }).fit({ signal: interruption.signal });
  await expect(fitting).rejects.toThrow('enough');
  const [left] = loadResults(path.join(storagePath, 'interrupted'));
  expect(left).toMatchObject({ status: 'PENDING', stopReason: null });
});

test('an experiment that is being written to is not overwritten', async () => {
  const options = { ...QUIET, storagePath, name: 'written' } as const;
  let refused: unknown;
  await new Tuner(train, {
    ...options,
    callbacks: [
      {
        onTrialResult: async () => {
          const fitting = new Tuner(train, { ...options, ifExists: 'overwrite' }).fit();
          refused = await fitting.catch((error: unknown) => error);
        },
      },
    ],
  }).fit();
  expect(refused).toMatchObject({ name: 'ExperimentLockedError' });
});

test('trials of a function of resources that take no CPU are as many as there are CPUs', async () => {
  for (const numCpus of [0, 0.000_04]) {
    let most = 0;
    await new Tuner(train, {
      ...QUIET,
      storagePath: null,
      numSamples: 8,
      resources: () => ({ numCpus }),
      callbacks: [
        {
          onStepBegin: ({ trials }) => {
            const running = trials.filter(({ status }) => status === 'RUNNING');
            most = Math.max(most, running.length);
          },
        },
      ],
    }).fit();
    expect(most).toBe(2);
  }
});

test('a trial that can never run leaves no place empty', async () => {
  const begun: number[] = [];
  const results = await new Tuner(
    async ({ place }: { place: number }) => {
      // The first one lasts until the last one has begun.
      if (place === 0) await new Promise((resolve) => setTimeout(resolve, 1000));
      return { loss: place };
    },
    {
      ...QUIET,
      storagePath: null,
      space: { place: gridSearch([0, 1, 2]) },
      resources: ({ place }) => ({ numCpus: place === 1 ? 1000 : 1 }),
      callbacks: [
        {
          onTrialStart: ({ trial }) => void begun.push(trial!.number),
          onTrialResult: () => void begun.push(-1),
        },
      ],
    },
  ).fit();
  expect([...results].map(({ status }) => status)).toEqual(['TERMINATED', 'ERROR', 'TERMINATED']);
  expect(begun.slice(0, 2)).toEqual([0, 2]);
});

test('a trial that has returned its result is finished, whatever the scheduler thinks of pausing it', async () => {
  const results = await new Tuner(async ({ x }: { x: number }) => ({ loss: x }), {
    ...QUIET,
    storagePath: null,
    space: { x: uniform(0, 1) },
    numSamples: 12,
    scheduler: asha({ type: 'promotion', maxT: 16 }),
    seed: 1,
  }).fit();
  expect([...results].map(({ stopReason }) => stopReason)).toEqual(
    Array.from({ length: 12 }, () => 'finished'),
  );
});

test('errors of many trials are each looked up once', () => {
  let looked = 0;
  const trials = Array.from({ length: 1000 }, (_, number) => ({
    get number() {
      looked++;
      return number;
    },
    failure: new Error(String(number)),
  }));
  const failureOf = failuresOf(trials as never);
  for (const [number, { failure }] of trials.entries()) expect(failureOf(number)).toBe(failure);
  expect(looked).toBe(1000);
  trials.push({ number: 2000, failure: new Error('later') });
  expect(failureOf(2000)).toMatchObject({ message: 'later' });
  expect(failureOf(1500)).toBeUndefined();
});
