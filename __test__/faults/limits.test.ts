/** What is too much for a limit fails alone: the error says which limit, and everything else goes on. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { ActorDiedError, get, getActor, init, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { rejection } from '../api/rejection.ts';

test('without file descriptors left, only what needs one fails', () => {
  const fixture = join(import.meta.dirname, 'fixtures', 'descriptors.mjs');
  const { stderr, stdout } = spawnSync(
    '/bin/sh',
    ['-c', 'ulimit -n 128; exec "$0" "$1"', process.execPath, fixture],
    { encoding: 'utf8' },
  );
  const report = JSON.parse(stdout.split('\n').find((line) => line.startsWith('{')) ?? stderr) as {
    answers: number[];
    errors: string[];
    after: number;
  };
  expect(new Set(report.answers)).toEqual(new Set([1]));
  expect(report.errors.length).toBeGreaterThan(0);
  for (const error of report.errors) expect(error).toMatch(/too many open files.*ulimit -n/s);
  expect(report.after).toBe(42);
});

describe('without file descriptors for a while', () => {
  const run = (holdMs: number) => {
    const fixture = join(import.meta.dirname, 'fixtures', 'descriptors-for-a-while.mjs');
    const command = 'ulimit -n 200; exec "$0" "$@"';
    const { stderr, stdout } = spawnSync(
      '/bin/sh',
      ['-c', command, process.execPath, fixture, String(holdMs)],
      { encoding: 'utf8' },
    );
    const line = stdout.split('\n').find((each) => each.startsWith('{')) ?? stderr;
    return JSON.parse(line) as { meanwhile: string[]; afterwards: string[] };
  };

  test.each([20, 300, 1500])('of %d ms, nothing fails', (holdMs) => {
    expect(run(holdMs)).toEqual({
      meanwhile: ['1', 'elsewhere', 'slept', 'slept', 'slept'],
      afterwards: ['2', 'elsewhere', 'slept'],
    });
  });

  test('of a long time, a call fails, tasks run on the worker that there is, and the next call is right', () => {
    const { meanwhile, afterwards } = run(0);
    expect(meanwhile[0]).toMatch(/^ActorUnavailableError: .*too many open files.*ulimit -n/s);
    expect(meanwhile[1]).toMatch(/^WorkerCrashedError: .*too many open files.*ulimit -n/s);
    expect(meanwhile.slice(2)).toEqual(['slept', 'slept', 'slept']);
    expect(afterwards).toEqual(['1', 'elsewhere', 'slept']);
  });
});

describe('what is too large for a message', () => {
  const MEBIBYTE = 2 ** 20;

  beforeAll(() => init({ numCpus: 1 }));
  afterAll(() => shutdown());

  test('an error of a constructor arrives shortened', async () => {
    class Thrower {
      constructor(length: number) {
        throw new RangeError(`beginning ${'x'.repeat(length)}`);
      }
      method() {}
    }
    const RemoteThrower = remote(Thrower);
    // Above the limit of an error, and above that of any message.
    for (const length of [2 * MEBIBYTE, 80 * MEBIBYTE]) {
      const error = await rejection<Error>(get(RemoteThrower.remote(length).method.remote()));
      expect(error).toBeInstanceOf(ActorDiedError);
      const { message } = error.cause as Error;
      expect(message).toMatch(/too large \(\d+ bytes; 1048576 at most\).*RangeError: beginning x/);
      expect(message.length).toBeLessThan(2000);
    }
    expect(await get(remote(() => 'alive').remote())).toBe('alive');
  });

  test('an error of a constructor that just fits arrives whole', async () => {
    class Thrower {
      constructor(length: number) {
        throw new RangeError('x'.repeat(length));
      }
      method() {}
    }
    const { cause } = await rejection<Error>(
      get(
        remote(Thrower)
          .remote(MEBIBYTE / 4)
          .method.remote(),
      ),
    );
    expect(cause).toBeInstanceOf(RangeError);
    expect((cause as Error).message).toHaveLength(MEBIBYTE / 4);
  });

  test('a name is refused before anything is sent', async () => {
    expect(() => getActor('n'.repeat(70 * MEBIBYTE))).toThrow(/at most 1024 characters/);
    expect(await get(remote(() => 'alive').remote())).toBe('alive');
  });
});
