/**
 * What tasks and actors have started ends with the driver, however that ends and whatever its workers do at that moment.
 * Every process that must not be left has a fifo open: its end says that all of them have gone.
 */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createReadStream, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const BUSY = ['looping', 'waiting', 'blocked', 'idle actor', 'busy actor'];
const STATES = [...BUSY, 'idle'];
const KINDS = ['worker', 'child', 'grandchild'];

/** Far beyond what an end takes; only what is left behind makes a test wait for so long. */
const DEADLINE_MS = 20_000;

let folder: string;
/** What the driver has named so far, by `state kind`. */
let pids: Map<string, number>;
let driver: ChildProcess;
/** Resolves once none of them has the fifo any more. */
let allGone: Promise<void>;

/** Starts the driver, and resolves when all are there. */
async function startFamilies(): Promise<void> {
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const fixture = join(import.meta.dirname, 'fixtures', 'descendants.mjs');
  // No file of its memory when it aborts.
  driver = spawn('sh', ['-c', 'ulimit -c 0; exec "$0" "$@"', process.execPath, fixture, fifo], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let stderr = '';
  driver.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const lines = createInterface(createReadStream(fifo));
  allGone = new Promise((resolve) => void lines.once('close', resolve));
  await new Promise<void>((resolve, reject) => {
    driver.once('exit', () => reject(new Error(`the driver has ended: ${stderr}`)));
    lines.on('line', (line) => {
      const [, name, pid] = /^(.*) (\d+)$/.exec(line)!;
      pids.set(name!, Number(pid));
      if (pids.size === BUSY.length * KINDS.length) driver.stdin!.write('return\n');
      if (pids.size === STATES.length * KINDS.length + 1) resolve();
    });
  });
  const expected = STATES.flatMap((state) => KINDS.map((kind) => `${state} ${kind}`));
  expect([...pids.keys()].toSorted()).toEqual([...expected, 'idle detached'].toSorted());
  // Each in a worker of its own.
  const workers = STATES.map((state) => pids.get(`${state} worker`));
  expect(new Set(workers).size).toBe(STATES.length);
}

/** Whether a process runs. One that nobody has waited for yet has ended. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX]/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch (error) {
    if (['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code!)) return false;
    throw error;
  }
}

/** Waits until all have gone but the one that was detached. */
async function expectAllGone(): Promise<void> {
  let timer;
  const late = new Promise<string>((resolve) => {
    timer = setTimeout(() => resolve('left behind'), DEADLINE_MS);
  });
  const outcome = await Promise.race([allGone.then(() => 'gone'), late]);
  clearTimeout(timer);
  const left = outcome === 'gone' ? [] : [...pids].filter(([, pid]) => runs(pid));
  expect({ outcome, left }).toEqual({ outcome: 'gone', left: [] });
  expect(runs(pids.get('idle detached')!)).toBe(true);
}

/** Stops a process, all threads of it. */
async function stop(pid: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  const isStopped = (thread: string) =>
    /\) T/.test(readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'));
  // The kernel tells of this only to the parent.
  while (!readdirSync(`/proc/${pid}/task`).every(isStopped)) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function endOf(process: ChildProcess): Promise<number | NodeJS.Signals | null> {
  return await new Promise((resolve) => {
    process.once('exit', (code, signal) => resolve(signal ?? code));
  });
}

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-descendants-'));
  pids = new Map();
  await startFamilies();
});

afterEach(async () => {
  for (const pid of [driver.pid!, ...pids.values()]) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
  await allGone;
  rmSync(folder, { recursive: true });
});

describe('what was started in tasks and actors ends with the driver', () => {
  test.each(['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGKILL', 'SIGSEGV'] as const)(
    'when %s ends it',
    async (signal) => {
      const end = endOf(driver);
      driver.kill(signal);
      expect(await end).toBe(signal);
      await expectAllGone();
    },
  );

  test.each([
    ['abort', 'SIGABRT'],
    ['throw', 1],
    ['reject', 1],
    ['exit', 3],
    ['shutdown', 0],
  ] as const)('when it ends by itself: %s', async (ending, expected) => {
    const end = endOf(driver);
    driver.stdin!.write(`${ending}\n`);
    expect(await end).toBe(expected);
    await expectAllGone();
  });

  test('when its workers are stopped, and SIGKILL ends it', async () => {
    for (const state of STATES) await stop(pids.get(`${state} worker`)!);
    const end = endOf(driver);
    driver.kill('SIGKILL');
    expect(await end).toBe('SIGKILL');
    await expectAllGone();
  });
});
