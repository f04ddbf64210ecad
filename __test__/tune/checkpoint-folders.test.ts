/**
 * Checkpoints that are folders: a copy has what the folder has and needs nothing of it, what can't be copied is said at once, and
 * every way of going on has it.
 */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { InvalidArgumentError, SerializationError, init, shutdown } from 'eagleray';
import {
  Checkpoint,
  Trainable,
  Tuner,
  asha,
  loadResults,
  pbt,
  report,
  reportSync,
  uniform,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { rejection } from '../api/rejection.ts';
import {
  DirectoryCheckpoint,
  copyCheckpoint,
  removeCheckpoint,
  writeCheckpoint,
  writeCheckpointSync,
} from '../../bindings/typescript/src/tune/trial/checkpoint.ts';

let base = '';
let count = 0;

beforeAll(async () => {
  base = mkdtempSync(path.join(tmpdir(), 'eagleray-folders-'));
  await init({ numCpus: 2 });
});

afterAll(async () => {
  await shutdown();
  rmSync(base, { recursive: true, force: true });
});

const QUIET = { reporter: 'silent', handleSignals: false, outputs: [] } as const;

/** The error of the first trial. */
function causeOf(results: { at(index: number): { error: Error | null } | undefined }): Error {
  return results.at(0)!.error!.cause as Error;
}

/** Each way in which a folder is copied. */
const WAYS = {
  'by a report': (from: string, to: string) => writeCheckpoint(to, new DirectoryCheckpoint(from)),
  'by a blocking report': async (from: string, to: string) =>
    writeCheckpointSync(to, new DirectoryCheckpoint(from)),
  'by a trial that takes over': copyCheckpoint,
} as const;

describe.each(Object.entries(WAYS))('a folder that is copied %s', (_way, copy) => {
  let source = '';
  let to = '';

  beforeEach(() => {
    const place = path.join(base, `copy-${count++}`);
    source = path.join(place, 'source');
    to = path.join(place, 'trials', 'checkpoint_000001');
    mkdirSync(source, { recursive: true });
  });

  test('has links within it as they are, and leads nowhere else', async () => {
    mkdirSync(path.join(source, 'step-1', 'deep'), { recursive: true });
    writeFileSync(path.join(source, 'step-1', 'model'), 'weights');
    symlinkSync('step-1', path.join(source, 'latest'));
    symlinkSync('latest/model', path.join(source, 'chain'));
    symlinkSync('../model', path.join(source, 'step-1', 'deep', 'up'));
    symlinkSync('.', path.join(source, 'self'));
    symlinkSync(path.join(source, 'step-1', 'model'), path.join(source, 'absolute'));
    symlinkSync('../source/step-1/model', path.join(source, 'around'));
    await copy(source, to);
    rmSync(source, { recursive: true });
    const link = (name: string): string => readlinkSync(path.join(to, name));
    expect(['latest', 'chain', 'step-1/deep/up', 'self'].map(link)).toEqual([
      'step-1',
      'latest/model',
      '../model',
      '.',
    ]);
    for (const name of ['latest/model', 'chain', 'step-1/deep/up', 'absolute', 'around'])
      expect(readFileSync(path.join(to, name), 'utf8')).toBe('weights');
  });

  test('has what links lead to that leave it', async () => {
    const cache = path.join(source, '..', 'cache');
    mkdirSync(path.join(cache, 'blobs'), { recursive: true });
    writeFileSync(path.join(cache, 'blobs', 'one'), 'blob');
    symlinkSync('one', path.join(cache, 'blobs', 'again'));
    symlinkSync(path.join(source, 'here'), path.join(cache, 'blobs', 'back'));
    writeFileSync(path.join(source, 'here'), 'here');
    symlinkSync('../cache/blobs/one', path.join(source, 'file'));
    symlinkSync(path.join(cache, 'blobs'), path.join(source, 'folder'));
    await copy(source, to);
    rmSync(cache, { recursive: true });
    rmSync(source, { recursive: true });
    for (const name of ['file', 'folder/one', 'folder/again'])
      expect(readFileSync(path.join(to, name), 'utf8')).toBe('blob');
    expect(readFileSync(path.join(to, 'folder/back'), 'utf8')).toBe('here');
    expect(lstatSync(path.join(to, 'folder/again')).isSymbolicLink()).toBe(true);
  });

  test('keeps links that lead nowhere, or to themselves', async () => {
    symlinkSync('nowhere', path.join(source, 'dangling'));
    symlinkSync('round', path.join(source, 'round'));
    await copy(source, to);
    expect(readlinkSync(path.join(to, 'dangling'))).toBe('nowhere');
    expect(readlinkSync(path.join(to, 'round'))).toBe('round');
  });

  test('is the folder that a link leads to', async () => {
    writeFileSync(path.join(source, 'model'), 'weights');
    const link = path.join(source, '..', 'latest');
    symlinkSync('source', link);
    await copy(link, to);
    expect(lstatSync(to).isDirectory()).toBe(true);
    expect(readFileSync(path.join(to, 'model'), 'utf8')).toBe('weights');
  });

  test('has empty folders, odd names, modes, and thousands of files', async () => {
    mkdirSync(path.join(source, 'empty', 'more'), { recursive: true });
    mkdirSync(path.join(source, 'many'));
    for (let file = 0; file < 3000; file++)
      writeFileSync(path.join(source, 'many', `${file}`), `${file}`);
    const odd = [' spaces ', 'new\nline', 'ünïcode', '-rf', '.hidden', 'a'.repeat(255)];
    for (const name of odd) writeFileSync(path.join(source, name), name);
    writeFileSync(path.join(source, 'run.sh'), '', { mode: 0o755 });
    writeFileSync(path.join(source, 'secret'), '', { mode: 0o600 });
    mkdirSync(path.join(source, 'read-only'));
    writeFileSync(path.join(source, 'read-only', 'file'), '', { mode: 0o444 });
    chmodSync(path.join(source, 'read-only'), 0o555);
    await copy(source, to);
    const mode = (name: string): string => (statSync(path.join(to, name)).mode & 0o777).toString(8);
    expect(['run.sh', 'secret', 'read-only/file'].map(mode)).toEqual(['755', '600', '444']);
    // So that whoever has copied it can remove it.
    expect(mode('read-only')).toBe('755');
    expect(readdirSync(path.join(to, 'empty'))).toEqual(['more']);
    expect(readdirSync(path.join(to, 'many'))).toHaveLength(3000);
    expect(readFileSync(path.join(to, 'many', '2999'), 'utf8')).toBe('2999');
    expect(readdirSync(to)).toEqual(expect.arrayContaining(odd));
    chmodSync(path.join(source, 'read-only'), 0o755);
  });

  test('is a copy of a folder that has none, if it is empty', async () => {
    await copy(source, to);
    expect(readdirSync(to)).toEqual([]);
  });

  test('replaces what is there, also where it is copied from there', async () => {
    writeFileSync(path.join(source, 'model'), 'one');
    await copy(source, to);
    writeFileSync(path.join(to, 'more'), 'two');
    await copy(to, to);
    expect(readdirSync(to).sort()).toEqual(['model', 'more']);
  });

  /** What can't be copied, and how it is said. */
  const REFUSED: Readonly<Record<string, readonly [make: () => unknown, message: RegExp]>> = {
    'a pipe': [
      () => execFileSync('mkfifo', [path.join(source, 'pipe')]),
      /source\/pipe is a pipe; allowed/,
    ],
    'a link to a device': [
      () => symlinkSync('/dev/null', path.join(source, 'null')),
      /source\/null leads to \/dev\/null, which is a device; allowed/,
    ],
    'a link to a folder above': [
      () => symlinkSync('..', path.join(source, 'up')),
      /source\/up leads to .*, which contains the folder itself/,
    ],
    'a link to everything': [
      () => symlinkSync('/', path.join(source, 'root')),
      /source\/root leads to \/, which contains the folder itself/,
    ],
    'a folder that the copy would be in': [
      () => {
        source = path.dirname(source);
      },
      /checkpoints of the trial are written into it/,
    ],
    'a folder that is gone': [() => rmSync(source, { recursive: true }), /ENOENT/],
  };

  test.each(Object.keys(REFUSED))('can not have %s, and nothing is left', async (kind) => {
    const [make, message] = REFUSED[kind]!;
    writeFileSync(path.join(source, 'model'), 'weights');
    make();
    const error = await rejection<Error>(copy(source, to));
    expect(error.message).toMatch(message);
    expect(error.name).toBe(copy === copyCheckpoint ? 'StorageError' : 'SerializationError');
    expect(readdirSync(path.dirname(to))).toEqual([]);
  });

  test('can not have a socket', async () => {
    const server = createServer().listen(path.join(source, 'socket'));
    try {
      await new Promise((resolve) => server.once('listening', resolve));
      expect((await rejection<Error>(copy(source, to))).message).toMatch(/socket is a socket/);
    } finally {
      server.close();
    }
  });

  // Root reads everything.
  test.skipIf(process.getuid?.() === 0)('can not have what can not be read', async () => {
    writeFileSync(path.join(source, 'secret'), '', { mode: 0o000 });
    expect((await rejection<Error>(copy(source, to))).message).toMatch(/EACCES.*secret/);
  });
});

test('the removal of a checkpoint leaves alone what its links lead to', async () => {
  const place = path.join(base, `removed-${count++}`);
  const kept = path.join(place, 'kept');
  mkdirSync(kept, { recursive: true });
  writeFileSync(path.join(kept, 'file'), '');
  const checkpoint = path.join(place, 'checkpoint_000001');
  mkdirSync(checkpoint);
  symlinkSync(kept, path.join(checkpoint, 'link'));
  symlinkSync(kept, path.join(place, 'checkpoint_000002'));
  await removeCheckpoint(checkpoint);
  await removeCheckpoint(path.join(place, 'checkpoint_000002'));
  expect(readdirSync(place)).toEqual(['kept']);
  expect(readdirSync(kept)).toEqual(['file']);
});

describe('fromDirectory', () => {
  const wrong: Readonly<Record<string, readonly [path: unknown, message: RegExp]>> = {
    'a file': [import.meta.filename, /path is .*checkpoint-folders.test.ts.*; allowed: .*folder/],
    nothing: ['/nowhere/at/all', /path is .*\/nowhere\/at\/all.*; allowed: .*folder/],
    'below a file': [path.join(import.meta.filename, 'x'), /allowed: .*folder/],
    'an empty text': ['', /allowed: .*folder/],
    'a number': [5, /allowed: .*folder/],
  };
  test.each(Object.entries(wrong))('refuses %s at the call', (_what, [given, message]) => {
    const call = (): unknown => Checkpoint.fromDirectory(given as string);
    expect(call).toThrow(InvalidArgumentError);
    expect(call).toThrow(message);
  });

  test('means the folder that the path has named when it was called', () => {
    const before = process.cwd();
    process.chdir(base);
    try {
      mkdirSync('relative', { recursive: true });
      expect(Checkpoint.fromDirectory('relative').directory).toBe(
        path.join(process.cwd(), 'relative'),
      );
    } finally {
      process.chdir(before);
    }
  });
});

test.each(['report', 'report that is not awaited', 'reportSync'])(
  'without a folder of the experiment a %s of a folder is refused, and says what to do',
  async (how) => {
    const train = async ({ from }: { from: string }) => {
      const checkpoint = Checkpoint.fromDirectory(from);
      if (how === 'reportSync') reportSync({ loss: 1 }, { checkpoint });
      if (how === 'report') await report({ loss: 1 }, { checkpoint });
      void report({ loss: 1 });
      await report({ loss: 1 }, { checkpoint });
    };
    const results = await new Tuner(train, {
      ...QUIET,
      storagePath: null,
      space: { from: base, how },
      maxFailures: 3,
    }).fit();
    expect(results.at(0)).toMatchObject({ status: 'ERROR', failures: 0, checkpoint: null });
    expect(causeOf(results)).toMatchObject({ name: 'NotSupportedError' });
    expect(causeOf(results).message).toMatch(/storagePath.*null/);
  },
);

/** What is a checkpoint, where a state is to be. */
const NO_STATES: Readonly<
  Record<string, readonly [make: (trial: TrialContext) => unknown, message: RegExp]>
> = {
  'a folder in a value': [
    () => ({ step: 1, files: [Checkpoint.fromDirectory('.')] }),
    /has to be the checkpoint itself.*key "files"/,
  ],
  'a checkpoint': [(trial) => trial.checkpoint, /load\(\).*Checkpoint\.fromDirectory/],
  'a checkpoint in a value': [(trial) => ({ from: trial.checkpoint }), /load\(\)/],
};
test.each(
  Object.keys(NO_STATES).flatMap((what) => [true, false].map((isOnDisk) => [what, isOnDisk])),
)('%s is no state to save (on disk: %s)', async (what, isOnDisk) => {
  const results = await new Tuner(
    async (config: { what: string }, trial) => {
      if (trial.checkpoint === null) {
        await report({ loss: 1 }, { checkpoint: 1 });
        throw new Error('once');
      }
      await report({ loss: 1 }, { checkpoint: NO_STATES[config.what]![0](trial) });
    },
    {
      ...QUIET,
      storagePath: isOnDisk === true ? base : null,
      name: `no-state-${count++}`,
      space: { what: what as string },
      maxFailures: 1,
    },
  ).fit();
  expect(causeOf(results)).toBeInstanceOf(SerializationError);
  expect(causeOf(results).message).toMatch(NO_STATES[what as string]![1]);
});

/** Saves its state in a folder that it uses for everything. */
class Folders extends Trainable<{ rate: number; failAt?: number; length: number }> {
  n = 0;
  loadedFrom: unknown = null;

  override step() {
    this.n++;
    if (this.n === this.config.failAt && this.trial.attempt === 1) throw new Error('once');
    const loaded = this.loadedFrom instanceof Checkpoint ? this.loadedFrom.iteration : -1;
    return {
      loss: this.n * this.config.rate,
      n: this.n,
      loaded,
      done: this.n === this.config.length,
    };
  }

  override saveCheckpoint() {
    const folder = path.join(this.trial.path!, 'state');
    mkdirSync(folder, { recursive: true });
    writeFileSync(path.join(folder, 'n'), String(this.n));
    return Checkpoint.fromDirectory(folder);
  }

  override loadCheckpoint(checkpoint: Checkpoint) {
    this.loadedFrom = checkpoint;
    this.n = Number(readFileSync(path.join(checkpoint.path!, 'n'), 'utf8'));
  }
}

describe('a class that saves folders goes on', () => {
  const every = { frequency: 1 };

  test('after a failure', async () => {
    const results = await new Tuner(Folders, {
      ...QUIET,
      storagePath: base,
      name: 'after-failure',
      space: { rate: 1, failAt: 3, length: 5 },
      maxFailures: 1,
      checkpoints: every,
    }).fit();
    const [result] = results;
    expect(result).toMatchObject({ status: 'TERMINATED', failures: 1 });
    expect(result!.history.map(({ n, loaded }) => [n, loaded])).toEqual([
      [1, -1],
      [2, -1],
      [3, 2],
      [4, 2],
      [5, 2],
    ]);
    expect(readFileSync(path.join(result!.checkpoint!.path!, 'n'), 'utf8')).toBe('5');
  });

  test('after pauses', async () => {
    const results = await new Tuner(Folders, {
      ...QUIET,
      storagePath: base,
      name: 'after-pauses',
      space: { rate: uniform(0, 1), length: 100 },
      seed: 1,
      numSamples: 4,
      metric: 'loss',
      mode: 'min',
      scheduler: asha({ type: 'promotion', maxT: 8, gracePeriod: 2, reductionFactor: 2 }),
    }).fit();
    expect(results.numErrors).toBe(0);
    const last = Math.max(...[...results].map(({ history }) => history.length));
    expect(last).toBeGreaterThan(2);
    for (const { history } of results)
      expect(history.map(({ n }) => n)).toEqual(history.map((_, index) => index + 1));
  });

  test('as the copy of a better trial', async () => {
    const results = await new Tuner(Folders, {
      ...QUIET,
      storagePath: base,
      name: 'exploited',
      space: { rate: uniform(1, 2), length: 20 },
      seed: 3,
      numSamples: 4,
      metric: 'loss',
      mode: 'max',
      scheduler: pbt({
        timeAttr: 'trainingIteration',
        perturbationInterval: 4,
        hyperparamMutations: { rate: uniform(1, 2) },
        synch: true,
      }),
    }).fit();
    expect(results.numErrors).toBe(0);
    expect([...results].some(({ configs }) => configs.length > 1)).toBe(true);
    for (const { history } of results)
      expect(history.map(({ n }) => n)).toEqual(history.map((_, index) => index + 1));
  });

  test('after an interruption, by a restore', async () => {
    const abort = new AbortController();
    const options = {
      ...QUIET,
      storagePath: base,
      name: 'restored',
      space: { rate: 1, length: 6 },
      checkpoints: every,
    } as const;
    const callbacks = [
      {
        onTrialResult: ({ iteration }: { iteration: number }) => {
          if (iteration >= 0) abort.abort(new Error('enough'));
        },
      },
    ];
    await rejection(new Tuner(Folders, { ...options, callbacks }).fit({ signal: abort.signal }));
    const place = path.join(base, 'restored');
    const before = loadResults(place).at(0)!;
    expect(before.status).toBe('PENDING');
    const results = await Tuner.restore(place, Folders, { ...QUIET, callbacks: [] }).fit();
    const { history } = results.at(0)!;
    expect(history.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(history.at(-1)!['loaded']).toBe(before.checkpoint!.iteration);
    // The latest and the best: the loss has no mode here, so the latest is both.
    expect(readdirSync(path.join(place, 'trials/00000')).sort()).toEqual([
      'checkpoint_000006',
      'state',
    ]);
  });
});

test('a checkpoint that is not there any more says so', async () => {
  for (const kind of ['value', 'folder']) {
    const results = await new Tuner(
      async (config: { kind: string }, trial: TrialContext) => {
        const folder = path.join(trial.path!, 'state');
        mkdirSync(folder);
        writeFileSync(path.join(folder, 'file'), '');
        const checkpoint = config.kind === 'value' ? 1 : Checkpoint.fromDirectory(folder);
        await report({ loss: 1 }, { checkpoint });
      },
      { ...QUIET, storagePath: base, name: `gone-${kind}`, space: { kind } },
    ).fit();
    const checkpoint = results.at(0)!.checkpoint!;
    if (kind === 'folder') {
      const error = await rejection<Error>(checkpoint.load());
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error.message).toMatch(/made of a folder/);
    }
    rmSync(checkpoint.path!, { recursive: true });
    for (const isFile of [false, true]) {
      if (isFile) writeFileSync(checkpoint.path!, '');
      const error = await rejection<Error>(checkpoint.load());
      expect(error).toBeInstanceOf(InvalidArgumentError);
      expect(error.message).toMatch(/not there any more/);
      expect(error.message).toContain(checkpoint.path!);
      expect(error.message).not.toMatch(/made of a folder/);
    }
  }
});

test('a checkpoint in memory that has ended with its runtime says so', async () => {
  // This runtime is others' as well: the program is one of its own.
  const program = `
    import { shutdown } from 'eagleray';
    import { Tuner, report } from 'eagleray/tune';
    const results = await new Tuner(async () => report({ loss: 1 }, { checkpoint: 1 }),
      { storagePath: null, reporter: 'silent' }).fit();
    await shutdown();
    await results.at(0).checkpoint.load().catch((error) => console.log(error.name, error.message));
  `;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
    cwd: path.join(import.meta.dirname, '../..'),
    encoding: 'utf8',
  });
  expect(printed).toMatch(/InvalidArgumentError .*checkpoint.*storagePath/);
});

test('what is not kept is gone from the disk, with a restore too, and nothing besides', async () => {
  const outside = path.join(base, 'outside');
  mkdirSync(outside);
  writeFileSync(path.join(outside, 'precious'), '');
  const name = 'retained';
  const losses = [5, 1, 4, 2, 3, 6, 7, 0.5];
  const train = async (config: { outside: string; losses: number[] }, trial: TrialContext) => {
    const folder = path.join(trial.path!, 'work');
    for (let step = trial.iteration; step < config.losses.length; step++) {
      mkdirSync(path.join(folder, 'step'), { recursive: true });
      writeFileSync(path.join(folder, 'step', 'model'), String(step + 1));
      if (!existsSync(path.join(folder, 'latest')))
        symlinkSync('step', path.join(folder, 'latest'));
      await report(
        { loss: config.losses[step]! },
        { checkpoint: Checkpoint.fromDirectory(folder) },
      );
      // Removed with the next one, and not followed.
      const kept = path.join(trial.path!, `checkpoint_${String(step + 1).padStart(6, '0')}`);
      symlinkSync(config.outside, path.join(kept, 'added'));
      rmSync(folder, { recursive: true });
    }
  };
  const abort = new AbortController();
  const callbacks = [
    {
      onCheckpoint: ({ checkpoint }: { checkpoint?: { iteration: number } | undefined }) => {
        if (checkpoint?.iteration === 5) abort.abort(new Error('enough'));
      },
    },
  ];
  const options = {
    ...QUIET,
    storagePath: base,
    name,
    space: { outside, losses },
    metric: 'loss',
    mode: 'min',
    checkpoints: { numToKeep: 2 },
  } as const;
  await rejection(new Tuner(train, { ...options, callbacks }).fit({ signal: abort.signal }));
  const place = path.join(base, name);
  const kept = (): string[] =>
    readdirSync(path.join(place, 'trials/00000')).filter((each) => each.startsWith('checkpoint'));
  expect(kept().sort()).toEqual(['checkpoint_000002', 'checkpoint_000004', 'checkpoint_000005']);
  const results = await Tuner.restore(place, train, { ...QUIET, callbacks: [] }).fit();
  expect(kept().sort()).toEqual(['checkpoint_000002', 'checkpoint_000008']);
  const [result] = results;
  expect(result!.checkpoint!.iteration).toBe(8);
  expect(result!.bestCheckpoints.map(({ iteration }) => iteration)).toEqual([8, 2]);
  for (const { path: folder, iteration } of result!.bestCheckpoints)
    expect(readFileSync(path.join(folder!, 'latest/model'), 'utf8')).toBe(String(iteration));
  expect(readdirSync(outside)).toEqual(['precious']);
});

test.each(['dies', 'throws', 'ends'])(
  'what a run that %s has left of a checkpoint without a report is removed, and nothing besides',
  async (how) => {
    const train = async (config: { how: string }, trial: TrialContext): Promise<void> => {
      if (trial.attempt > 1)
        return report({ loss: 3, found: readdirSync(trial.path!).sort().join(' ') });
      await report({ loss: 2 });
      await report({ loss: 1 }, { checkpoint: 2 });
      // As if it was written, and its report came too late; and one as if it died at it.
      mkdirSync(path.join(trial.path!, 'checkpoint_000003'));
      mkdirSync(path.join(trial.path!, `checkpoint_000004.${process.pid}.writing`));
      writeFileSync(path.join(trial.path!, `checkpoint_000004.${process.pid}.writing`, 'file'), '');
      // Its own.
      for (const name of [
        'checkpoint_000001',
        'checkpoint_3',
        'checkpoint_000003.writing',
        'model',
      ])
        mkdirSync(path.join(trial.path!, name));
      if (config.how === 'throws') throw new Error('once');
      if (config.how === 'dies') {
        process.kill(process.pid, 'SIGKILL');
        await new Promise(() => undefined);
      }
    };
    const options = {
      ...QUIET,
      storagePath: base,
      name: `left-${how}`,
      space: { how },
      maxFailures: 1,
    };
    const results = await new Tuner(train, options).fit();
    const [result] = results;
    const kept = [
      'checkpoint_000001',
      'checkpoint_000002',
      'checkpoint_000003.writing',
      'checkpoint_3',
      'model',
    ];
    expect(result!.status).toBe('TERMINATED');
    expect(readdirSync(result!.path!).sort()).toEqual(kept);
    if (how !== 'ends') expect(result!.metrics['found']).toBe(kept.join(' '));
  },
);
