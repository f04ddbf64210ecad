/**
 * However a driver ends, it leaves nothing: no process, no shared memory, no file. Each driver is a process of its
 * own with a temporary directory of its own; what is left of it is read from the kernel.
 */

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { describe, expect, test } from 'vitest';

import { segmentsOf } from './fixtures/belongings.mjs';

interface Belongings {
  children: number[];
  segments: number[];
}

interface Ended {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** The lines that are JSON, parsed. */
  reports: unknown[];
  stderr: string;
  temporaryFiles: string[];
}

/** Runs a fixture until its standard output is closed and it has ended. */
async function run(
  fixture: string,
  args: string[],
  onReport: (report: unknown, pid: number) => void = () => undefined,
): Promise<Ended> {
  const temporary = mkdtempSync(join(tmpdir(), 'eagleray-faults-'));
  try {
    const child = spawn(
      process.execPath,
      [join(import.meta.dirname, 'fixtures', fixture), ...args],
      {
        // Node's own cache of compiled code, which workers use, stays for the next program.
        env: { ...process.env, TMPDIR: temporary, NODE_DISABLE_COMPILE_CACHE: '1' },
        stdio: ['ignore', 'pipe', 'pipe'],
        // One that never ends is left by nobody either.
        timeout: 50_000,
        killSignal: 'SIGKILL',
      },
    );
    const reports: unknown[] = [];
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    createInterface(child.stdout).on('line', (line) => {
      if (!/^[[{]/.test(line)) return;
      reports.push(JSON.parse(line));
      onReport(reports.at(-1), child.pid!);
    });
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>(
      (resolve, reject) => {
        child.once('close', (...end) => resolve(end));
        child.once('error', reject);
      },
    );
    return { code, signal, reports, stderr, temporaryFiles: readdirSync(temporary) };
  } finally {
    rmSync(temporary, { recursive: true });
  }
}

/** Whether a process runs. One that nobody has waited for yet has ended, and holds nothing any more. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code!)) return false;
    throw error;
  }
}

const DEADLINE_MS = 10_000;

/** Resolves with those processes that still run when the deadline is over: it should be none. */
async function survivors(pids: number[]): Promise<number[]> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    const alive = pids.filter(runs);
    if (alive.length === 0 || Date.now() > deadline) return alive;
    // The kernel has no event for the end of a process that is not one's child.
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The processes that still have one of the segments. */
function holders(segments: number[]): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => segmentsOf(pid).some((segment) => segments.includes(segment)));
}

/** Runs a driver and proves that nothing of it is left. */
async function expectNothingLeft(ending: string, signal?: NodeJS.Signals): Promise<Ended> {
  const sharedMemory = readdirSync('/dev/shm');
  const ended = await run('driver.mjs', [ending], (_report, pid) => {
    if (signal !== undefined) process.kill(pid, signal);
  });
  expect(ended.reports, ended.stderr).toHaveLength(1);
  const { children, segments } = ended.reports[0] as Belongings;
  // Two workers for tasks and one for the actor, at most; and the one segment.
  expect(children.length).toBeGreaterThanOrEqual(2);
  expect(segments).toHaveLength(1);
  expect(await survivors(children)).toEqual([]);
  expect(holders(segments)).toEqual([]);
  expect(ended.temporaryFiles).toEqual([]);
  expect(readdirSync('/dev/shm')).toEqual(sharedMemory);
  return ended;
}

describe('a driver leaves nothing behind', () => {
  test('when it ends without shutdown', async () => {
    const { code, stderr } = await expectNothingLeft('normal');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });

  test.each(['exit', 'exit while busy'])('when it calls process.exit(): %s', async (ending) => {
    const { code, stderr } = await expectNothingLeft(ending);
    expect({ code, stderr }).toEqual({ code: 7, stderr: '' });
  });

  test.each(['throw', 'throw while busy'])('when it throws: %s', async (ending) => {
    const { code, stderr } = await expectNothingLeft(ending);
    expect(code).toBe(1);
    expect(stderr).toContain('the end of this program');
  });

  test.each(['SIGINT', 'SIGTERM', 'SIGKILL', 'SIGSEGV'] as const)(
    'when %s ends it while a worker is in a loop that never yields',
    async (signal) => {
      const ended = await expectNothingLeft('signal', signal);
      expect(ended.signal).toBe(signal);
    },
  );
});

describe('a driver in a thread leaves nothing behind', () => {
  interface ThreadReport {
    pid: number;
    length: number;
    code: number;
    segments: number[];
    left: Belongings;
  }

  async function threads(ending: string, count: number): Promise<ThreadReport[]> {
    const ended = await run('threads.mjs', [ending, String(count)]);
    expect({ code: ended.code, signal: ended.signal, stderr: ended.stderr }).toEqual({
      code: 0,
      signal: null,
      stderr: '',
    });
    const reports = ended.reports[0] as ThreadReport[];
    expect(reports).toHaveLength(count);
    for (const { length, segments, left } of reports) {
      expect(length).toBe(200_000);
      expect(segments).toHaveLength(1);
      expect(left).toEqual({ children: [], segments: [] });
    }
    expect(await survivors(reports.map((report) => report.pid))).toEqual([]);
    expect(holders(reports.flatMap((report) => report.segments))).toEqual([]);
    expect(ended.temporaryFiles).toEqual([]);
    return reports;
  }

  test('after shutdown, in twenty threads of one process', async () => {
    const reports = await threads('shutdown', 20);
    expect(reports.map((report) => report.code)).toEqual(Array(20).fill(0));
  });

  test('when it ends without shutdown', async () => {
    const reports = await threads('end', 3);
    expect(reports.map((report) => report.code)).toEqual([0, 0, 0]);
  });

  test('when it calls process.exit()', async () => {
    const reports = await threads('exit', 3);
    expect(reports.map((report) => report.code)).toEqual([3, 3, 3]);
  });

  test('when it is terminated while it waits', async () => {
    const reports = await threads('wait', 3);
    expect(reports.map((report) => report.code)).toEqual([1, 1, 1]);
  });

  test('when it is terminated while it is blocked', async () => {
    const reports = await threads('block', 3);
    expect(reports.map((report) => report.code)).toEqual([1, 1, 1]);
  });

  test('when its event loop can watch only a part of it', async () => {
    const ended = await run('half-watched.mjs', []);
    expect({ signal: ended.signal, stderr: ended.stderr }).toEqual({ signal: null, stderr: '' });
    const reports = ended.reports[0] as { exits: boolean; watch: string; code: number }[];
    // One end of the control socket is watched and the other is not; each in a thread that ends by itself and in one that
    // exits.
    expect(reports.map((report) => report.watch).toSorted()).toEqual([
      ...Array(2).fill("the event loop can't watch the runtime"),
      ...Array(2).fill('watches'),
    ]);
    expect(reports.map((report) => report.code)).toEqual([0, 0, 0, 0]);
  });
});
