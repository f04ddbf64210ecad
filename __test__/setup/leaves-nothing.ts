/**
 * After every test file its process has no worker any more. Runs behind the `afterAll` hooks of the file, which shut the
 * runtime down. What the kernel lists under `/proc` is only there on Linux.
 */

import { readFileSync } from 'node:fs';

import { afterAll, expect } from 'vitest';

import { childrenOf } from '../faults/fixtures/belongings.mjs';

const DEADLINE_MS = 10_000;

/** The workers among this process's children; those that have ended have no command line any more. */
function workers(): { pid: number; program: string }[] {
  return childrenOf('self').flatMap((pid) => {
    const program = commandOf(pid);
    return /\bworker\.[cm]js\b/.test(program) ? [{ pid, program }] : [];
  });
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code!)) return '';
    throw error;
  }
}

afterAll(async () => {
  if (process.platform !== 'linux') return;
  const deadline = Date.now() + DEADLINE_MS;
  // A worker that a test has just killed may need a moment; the kernel has no event for its end.
  while (workers().length > 0 && Date.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  expect(workers()).toEqual([]);
});
