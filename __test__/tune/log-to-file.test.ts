/** `logToFile`: what trials print is in files of theirs, whatever they are and whoever ran in the process before. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { InvalidArgumentError, NotSupportedError, init, shutdown } from 'eagleray';
import {
  Trainable,
  Tuner,
  choice,
  gridSearch,
  report,
  type ResultGrid,
  type TrialContext,
} from 'eagleray/tune';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

let folder = '';
let tests = 0;

/** All trials run in one process, one after the other. */
beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-logs-'));
  await init({ numCpus: 1, logToDriver: false });
});

afterAll(async () => {
  await shutdown();
  rmSync(folder, { recursive: true, force: true });
});

function options() {
  return {
    storagePath: folder,
    name: `test-${tests++}`,
    outputs: [],
    reporter: 'silent',
    logToFile: true,
  } as const;
}

function read(results: ResultGrid<unknown>, number: number, name: string): string {
  return readFileSync(path.join(results.at(number)!.path!, name), 'utf8');
}

describe('what is printed', () => {
  test('by functions goes to files of each trial, one after the other in one process', async () => {
    const results = await new Tuner(
      async ({ a }) => {
        console.log('begins', a);
        await new Promise((resolve) => setTimeout(resolve, 1));
        console.error('careful', a);
        await report({ a });
        process.stdout.write('c3r\u00fc\u00df', 'utf8');
        process.stdout.write(Uint8Array.of(33, 10));
        process.stdout.write('6f6b0a', 'hex');
      },
      { ...options(), space: { a: gridSearch([1, 2, 3]) } },
    ).fit();
    expect(new Set([...results].map(({ metrics }) => metrics['pid'])).size).toBe(1);
    for (const number of [0, 1, 2]) {
      expect(read(results, number, 'stdout.log')).toBe(
        `begins ${number + 1}\nc3r\u00fc\u00df!\nok\n`,
      );
      expect(read(results, number, 'stderr.log')).toBe(`careful ${number + 1}\n`);
    }
  });

  test('by generators goes there, also what is printed when they are stopped', async () => {
    const results = await new Tuner(
      function* ({ a }) {
        try {
          for (let i = 0; ; i++) {
            console.log(a, i);
            yield { i };
          }
        } finally {
          console.log('left', a);
        }
      },
      { ...options(), space: { a: gridSearch(['x', 'y']) }, stop: { trainingIteration: 2 } },
    ).fit();
    expect(read(results, 0, 'stdout.log')).toBe('x 0\nx 1\nleft x\n');
    expect(read(results, 1, 'stdout.log')).toBe('y 0\ny 1\nleft y\n');
  });

  test('by classes goes there from the constructor to the cleanup, and from the reset of an instance on to the next', async () => {
    class Talking extends Trainable<{ a: number }> {
      constructor() {
        super();
        console.log('made');
      }
      override setup({ a }: { a: number }) {
        console.log('set up', a);
      }
      step() {
        console.log('step', this.config.a);
        return { loss: 1, done: true };
      }
      override saveCheckpoint() {
        console.log('save', this.config.a);
        return {};
      }
      override resetConfig({ a }: { a: number }) {
        console.log('reset', a);
        this.config = { a };
        return a !== 3;
      }
      override cleanup() {
        console.log('clean', this.config.a);
      }
    }
    const space = { a: gridSearch([1, 2, 3]) };
    const apart = await new Tuner(Talking, {
      ...options(),
      space,
      reuseActors: false,
      checkpoints: { atEnd: true },
    }).fit();
    for (const number of [0, 1, 2]) {
      const a = number + 1;
      expect(read(apart, number, 'stdout.log')).toBe(
        `made\nset up ${a}\nstep ${a}\nsave ${a}\nclean ${a}\n`,
      );
    }
    const reused = await new Tuner(Talking, { ...options(), space }).fit();
    expect(read(reused, 0, 'stdout.log')).toBe('made\nset up 1\nstep 1\n');
    // Its instance refuses the third config, and ends: with the trial that it worked for.
    expect(read(reused, 1, 'stdout.log')).toBe('reset 2\nstep 2\nclean 3\n');
    expect(read(reused, 2, 'stdout.log')).toBe('reset 3\nmade\nset up 3\nstep 3\nclean 3\n');
  });

  test('by a retry follows what was there', async () => {
    const results = await new Tuner(
      (_config: unknown, { attempt }: TrialContext) => {
        console.log('attempt', attempt);
        if (attempt === 1) throw new Error('once');
      },
      { ...options(), maxFailures: 1 },
    ).fit();
    expect(read(results, 0, 'stdout.log')).toBe('attempt 1\nattempt 2\n');
  });

  test('by what a trial has left running goes to its own files, not to those of the next one', async () => {
    const results = await new Tuner(
      async ({ a }) => {
        if (a === 0) setInterval(() => console.log('still here'), 5).unref();
        await new Promise((resolve) => setTimeout(resolve, 50));
        console.log('end', a);
      },
      { ...options(), space: { a: gridSearch([0, 1]) } },
    ).fit();
    expect(read(results, 0, 'stdout.log')).toContain('still here\n');
    expect(read(results, 1, 'stdout.log')).toBe('end 1\n');
  });
});

test('a restored experiment prints into files as it did before', async () => {
  const talk = (_config: unknown, { number }: TrialContext) => console.log('trial', number);
  const first = await new Tuner(talk, options()).fit();
  const results = await Tuner.restore(first.path!, talk, {
    numSamples: 2,
    reporter: 'silent',
  }).fit();
  expect([read(results, 0, 'stdout.log'), read(results, 1, 'stdout.log')]).toEqual([
    'trial 0\n',
    'trial 1\n',
  ]);
});

describe('the files', () => {
  test('are there only if something is printed, and have the names that are given', async () => {
    const talk = ({ silent }: { silent: boolean }) => {
      if (silent) return;
      console.log('out');
      console.error('err');
    };
    const space = { silent: choice([false]) };
    const one = await new Tuner(talk, { ...options(), space, logToFile: 'all.txt' }).fit();
    expect(read(one, 0, 'all.txt')).toBe('out\nerr\n');
    const two = await new Tuner(talk, { ...options(), space, logToFile: ['a', 'b'] }).fit();
    expect(readdirSync(two.at(0)!.path!).toSorted()).toEqual(['a', 'b']);
    expect([read(two, 0, 'a'), read(two, 0, 'b')]).toEqual(['out\n', 'err\n']);
    const silent = await new Tuner(talk, { ...options(), space: { silent: choice([true]) } }).fit();
    expect(existsSync(path.join(silent.path!, 'trials'))).toBe(false);
    const off = await new Tuner(talk, { ...options(), space, logToFile: false }).fit();
    expect(existsSync(path.join(off.path!, 'trials'))).toBe(false);
  });

  test('that can not be written break fit off', async () => {
    const given = options();
    const file = path.join(folder, given.name, 'trials/00000/stdout.log');
    mkdirSync(file, { recursive: true });
    await expect(new Tuner(() => console.log('lost'), given).fit()).rejects.toMatchObject({
      name: 'StorageError',
      path: file,
    });
  });

  test.each([1, '', '..', 'a/b', ['a'], ['a', 'b', 'c'], ['a', ''], null])(
    '%j is refused',
    (logToFile) => {
      expect(() => new Tuner(() => {}, { logToFile: logToFile as never })).toThrow(
        InvalidArgumentError,
      );
    },
  );

  test('need a folder', () => {
    expect(() => new Tuner(() => {}, { storagePath: null, logToFile: true })).toThrow(
      NotSupportedError,
    );
    expect(() => new Tuner(() => {}, { storagePath: null, logToFile: false })).not.toThrow();
  });
});
