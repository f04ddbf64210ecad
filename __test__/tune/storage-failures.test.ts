/** What can't be written while trials run: `fit` rejects, no trial is blamed for it, and a restore goes on when there is room again. */

import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { availableResources, init, shutdown } from 'eagleray';
import {
  Checkpoint,
  StorageError,
  Trainable,
  Tuner,
  loadResults,
  report,
  reportSync,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

let folder = '';
let count = 0;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-storage-'));
  await init({ numCpus: 2 });
});

afterEach(async () => {
  await expect.poll(() => availableResources()['CPU'], { timeout: 20_000 }).toBe(2);
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

const QUIET = { reporter: 'silent', metric: 'loss', mode: 'min', outputs: [] } as const;

function rejection(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** An experiment in which a file is where the folder of trial 1 has to be: what a disk without room says comes the same way. */
function blocked() {
  const name = `blocked-${count++}`;
  const file = path.join(folder, name, 'trials/00001');
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, '');
  return { options: { ...QUIET, storagePath: folder, name, numSamples: 3, maxFailures: 2 }, file };
}

async function onward(_config: unknown, trial: TrialContext): Promise<void> {
  const begun = (await trial.checkpoint?.load()) as number | undefined;
  for (let step = begun ?? 0; step < 3; step++) {
    await report({ loss: step }, { checkpoint: step + 1 });
  }
}

class Onward extends Trainable {
  done = 0;

  override step() {
    this.done++;
    return { loss: this.done, done: this.done === 3 };
  }

  override saveCheckpoint(): number {
    return this.done;
  }

  override loadCheckpoint(state: number): void {
    this.done = state;
  }
}

describe('a checkpoint that can not be written', () => {
  const ways = {
    'by a function': onward,
    'by a class': Onward,
    'by a generator': async function* (_config: unknown, trial: TrialContext) {
      const begun = (await trial.checkpoint?.load()) as number | undefined;
      for (let step = begun ?? 0; step < 3; step++) {
        yield [{ loss: step }, { checkpoint: step + 1 }] as const;
      }
    },
    'by synchronous code': (_config: unknown, trial: TrialContext) => {
      for (let step = trial.iteration; step < 3; step++) {
        reportSync({ loss: step }, { checkpoint: step });
      }
    },
    'by code that catches everything': async (_config: unknown, trial: TrialContext) => {
      for (let step = trial.iteration; step < 3; step++) {
        await trial.report({ loss: step }, { checkpoint: step }).catch(() => undefined);
      }
    },
    'by code that awaits nothing': (_config: unknown, trial: TrialContext) => {
      for (let step = trial.iteration; step < 3; step++) {
        void trial.report({ loss: step }, { checkpoint: step });
      }
    },
  };

  test.each(Object.entries(ways))(
    '%s breaks fit off, and is nobody’s failure',
    async (_way, train) => {
      const { options, file } = blocked();
      const given = { ...options, checkpoints: { frequency: 1 } };
      const error = await rejection(new Tuner(train, given).fit());
      expect(error).toBeInstanceOf(StorageError);
      expect(error).toMatchObject({ path: path.join(file, 'checkpoint_000001') });
      const place = path.join(folder, options.name);
      const left = [...loadResults(place)].filter(({ number }) => number === 1);
      expect(left.map(({ status, failures }) => ({ status, failures }))).toEqual([
        { status: 'PENDING', failures: 0 },
      ]);

      rmSync(file);
      const results = await Tuner.restore(place, train as typeof onward, {
        reporter: 'silent',
      }).fit();
      expect([...results].map(({ status, failures }) => `${status} ${failures}`)).toEqual(
        Array.from({ length: 3 }, () => 'TERMINATED 0'),
      );
      expect([...results].map(({ history }) => history.length)).toEqual([3, 3, 3]);
    },
  );

  test('at the end of a class breaks fit off', async () => {
    const { options } = blocked();
    const given = { ...options, checkpoints: { atEnd: true } };
    expect(await rejection(new Tuner(Onward, given).fit())).toBeInstanceOf(StorageError);
  });

  test('the folder of a trial that can not be made breaks fit off', async () => {
    const { options, file } = blocked();
    const look = (_config: unknown, trial: TrialContext) => ({ loss: trial.path!.length });
    expect(await rejection(new Tuner(look, options).fit())).toMatchObject({
      name: 'StorageError',
      path: file,
    });
  });

  test('the error that came first is seen, and not that of what is written at the end', async () => {
    const { options, file } = blocked();
    mkdirSync(path.join(folder, options.name, 'results.csv'));
    const given = { ...options, outputs: ['csv'] as const };
    expect(await rejection(new Tuner(onward, given).fit())).toMatchObject({
      path: path.join(file, 'checkpoint_000001'),
    });
  });

  test('signals are not listened to any more after it', async () => {
    const before = process.listenerCount('SIGINT');
    const callbacks = [
      {
        onTrialResult() {
          throw new Error('mine');
        },
      },
    ];
    const name = `signals-${count++}`;
    const tuner = new Tuner(onward, { ...QUIET, storagePath: folder, name, callbacks });
    expect(await rejection(tuner.fit())).toMatchObject({ message: 'mine' });
    expect(process.listenerCount('SIGINT')).toBe(before);
  });
});

test('a folder that is named as a checkpoint and is gone when it is copied is the trial’s own mistake', async () => {
  const name = `unreadable-${count++}`;
  const missing = path.join(folder, 'nowhere');
  const train = async ({ missing: from }: { missing: string }) => {
    mkdirSync(from);
    const checkpoint = Checkpoint.fromDirectory(from);
    rmSync(from, { recursive: true });
    await report({ loss: 1 }, { checkpoint });
  };
  const results = await new Tuner(train, {
    ...QUIET,
    storagePath: folder,
    name,
    space: { missing },
    maxFailures: 3,
  }).fit();
  expect(results.at(0)!.status).toBe('ERROR');
  expect(results.at(0)!.failures).toBe(0);
  const { cause } = results.at(0)!.error as { cause: Error };
  expect(cause.name).toBe('SerializationError');
  expect(cause.message).toContain(missing);
  const trial = path.join(folder, name, 'trials/00000');
  expect(existsSync(trial) ? readdirSync(trial) : []).toEqual(['error.txt']);
});

/** What is done to an experiment's folder while it runs, and what is to be said. */
const CHANGES: Readonly<Record<string, readonly [change: (place: string) => void, said: string]>> =
  {
    'is removed': [(place) => rmSync(place, { recursive: true, force: true }), 'was removed'],
    'is renamed': [(place) => renameSync(place, `${place}-moved`), 'was moved or replaced'],
    'is renamed and made anew': [
      (place) => {
        renameSync(place, `${place}-moved`);
        mkdirSync(place);
        writeFileSync(path.join(place, 'journal.log'), '');
      },
      'was moved or replaced',
    ],
  };

describe.each(['interval', 'always', 'never'] as const)('with fsync: %j', (fsync) => {
  test.each(Object.keys(CHANGES))(
    'a folder that %s while trials run makes fit reject, and what was reported is where it was moved to',
    async (what) => {
      const [change, said] = CHANGES[what]!;
      const name = `changed-${count++}`;
      const place = path.join(folder, name);
      const seen: number[] = [];
      const callbacks = [
        {
          onTrialResult({ result }: { result?: Record<string, unknown> | undefined }) {
            seen.push(result!['loss'] as number);
            if (seen.length === 3) change(place);
          },
        },
      ];
      // It goes on until somebody notices, and saves only what is there before.
      const endless = async (_config: unknown, trial: TrialContext): Promise<void> => {
        const begun = (await trial.checkpoint?.load()) as number | undefined;
        if (begun !== undefined) return report({ loss: -begun });
        await report({ loss: 0 }, { checkpoint: 1 });
        for (let step = 1; ; step++) await report({ loss: step });
      };
      const options = { ...QUIET, outputs: ['jsonl'], storagePath: folder, name, fsync } as const;
      const tuner = new Tuner(endless, { ...options, callbacks });
      const error = (await rejection(tuner.fit())) as StorageError;
      expect(error).toMatchObject({
        name: 'StorageError',
        path: path.join(place, 'journal.log'),
        message: expect.stringContaining(said) as string,
      });
      if (what === 'is removed') return;
      const moved = loadResults(`${place}-moved`).at(0)!;
      expect(moved.status).toBe('PENDING');
      expect(moved.history.map(({ loss }) => loss).slice(0, seen.length)).toEqual(seen);
      const again = { reporter: 'silent', callbacks: [] } as const;
      const results = await Tuner.restore(`${place}-moved`, endless, again).fit();
      expect(results.at(0)!.history.map(({ loss }) => loss)).toEqual([0, -1]);
    },
  );
});

test('a folder that is renamed when all trials have ended makes fit reject, and none is made in its place', async () => {
  const name = `late-${count++}`;
  const place = path.join(folder, name);
  const callbacks = [{ onExperimentEnd: () => renameSync(place, `${place}-moved`) }];
  const outputs = ['csv', 'html'] as const;
  const options = { ...QUIET, storagePath: folder, name, numSamples: 3, outputs, callbacks };
  const error = (await rejection(new Tuner(onward, options).fit())) as StorageError;
  expect(error.message).toContain('was moved or replaced');
  expect(existsSync(place)).toBe(false);
  expect(loadResults(`${place}-moved`).numTerminated).toBe(3);
});

test('the checkpoint that is written where the folder was is not taken for the one that is in it', async () => {
  const name = `saved-${count++}`;
  const place = path.join(folder, name);
  const train = async (_config: unknown, trial: TrialContext): Promise<void> => {
    const begun = ((await trial.checkpoint?.load()) as number | undefined) ?? 0;
    for (let step = begun; step < 5; step++) {
      await report({ loss: -step, begun }, { checkpoint: step + 1 });
    }
  };
  const callbacks = [
    {
      onTrialResult({ result }: { result?: Record<string, unknown> | undefined }) {
        if (result!['loss'] === -2) renameSync(place, `${place}-moved`);
      },
    },
  ];
  const options = { ...QUIET, storagePath: folder, name };
  const error = await rejection(new Tuner(train, { ...options, callbacks }).fit());
  expect(error).toBeInstanceOf(StorageError);
  const results = await Tuner.restore(`${place}-moved`, train, { callbacks: [] }).fit();
  // The third is in the folder that was moved.
  expect(results.at(0)!.history.map(({ begun }) => begun)).toEqual([0, 0, 0, 3, 3]);
});
