/** What is too much for a limit fails alone: the error says which limit, and everything else goes on. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { expect, test } from 'vitest';

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
