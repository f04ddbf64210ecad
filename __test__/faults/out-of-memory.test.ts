/** A worker that runs out of V8's heap: the error says which limit that was, and nobody sees V8's dump. */

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { beforeAll, expect, test } from 'vitest';

interface Thrown {
  readonly name: string;
  readonly code: string;
  readonly isClass: boolean;
  readonly message: string;
  readonly stack: string;
  readonly reason?: string;
  readonly taskName?: string;
  readonly pid: number;
  readonly signal?: string;
  readonly stderrTail: readonly string[];
  readonly cause?: Thrown;
  readonly value?: unknown;
}

let said: Readonly<Record<string, Thrown>>;
let terminal: string;
let attempts: readonly string[];

beforeAll(async () => {
  const folder = mkdtempSync(join(tmpdir(), 'eagleray-memory-'));
  const file = join(folder, 'attempts');
  const program = join(import.meta.dirname, 'fixtures/out-of-memory.mjs');
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [program, file], {
    maxBuffer: 1 << 26,
  });
  attempts = readFileSync(file, 'utf8').trimEnd().split('\n');
  rmSync(folder, { recursive: true });
  const lines = stdout.trimEnd().split('\n');
  said = JSON.parse(lines.pop()!) as Record<string, Thrown>;
  terminal = lines.join('\n') + stderr;
}, 120_000);

/** Lines that only V8's dump has. */
const DUMP =
  /Last few GCs|JS stacktrace|stack trace -----|Mark-Compact|Scavenge|^ *\d+: 0x|OOMErrorHandler/m;

/** What the task wrote is all that is left of the last lines, unless V8's own were so many that it was lost. */
function expectOwnLines({ message, stderrTail }: Thrown): void {
  if (stderrTail.length === 0) {
    expect(message).not.toContain('last lines');
  } else {
    expect(stderrTail).toEqual(['before the end']);
    expect(message).toMatch(/Its last lines on stderr:\n {4}before the end$/);
  }
}

const REMEDY = "init({ workerExecArgv: ['--max-old-space-size=<MiB>'] })";

test('of a task it is an OutOfMemoryError with the limit and how to raise it', () => {
  const error = said['task']!;
  expect(error).toMatchObject({
    name: 'OutOfMemoryError',
    code: 'ERR_EAGLERAY_OUT_OF_MEMORY',
    isClass: true,
    taskName: 'fill',
  });
  expect(error.message).toContain(REMEDY);
  expect(error.message).toMatch(/^the worker \(pid \d+\) ran out of memory while it ran fill: /);
  expect(error.message).toMatch(/heap limit/i);
  expect(error.message).toMatch(/\d+(\.\d+)? MB/);
  expectOwnLines(error);
});

test('retries count as those of a crash do', () => {
  expect(said['retried']).toMatchObject({ isClass: true, taskName: 'refill' });
  expect(said['retried']!.pid).not.toBe(said['task']!.pid);
  // The first one and three retries, which is the default, each in a process of its own.
  expect(new Set(attempts).size).toBe(4);
  expect(attempts).toHaveLength(4);
});

test('of an actor it is the cause of the ActorDiedError, of later calls too', () => {
  for (const error of [said['call']!, said['later']!]) {
    expect(error).toMatchObject({
      name: 'ActorDiedError',
      signal: 'SIGABRT',
      cause: { code: 'ERR_EAGLERAY_OUT_OF_MEMORY' },
    });
    expect(error.message).toContain(REMEDY);
    expect(error.cause!.message).toContain(REMEDY);
    expectOwnLines(error);
  }
});

test('an actor that restarts is unavailable, and then works', () => {
  expect(said['unavailable']!.name).toBe('ActorUnavailableError');
  expect(said['again']!.value).toBe(42);
});

test('an allocation that fails in the task is the error of the task', () => {
  expect(said['buffer']).toMatchObject({ name: 'TaskError', code: 'ERR_EAGLERAY_TASK' });
  expect(said['buffer']!.message).toContain('RangeError: Array buffer allocation failed');
});

test('everything else goes on', () => {
  expect(said['kept']).toEqual([1, 2, 3]);
});

test('it stays what it is through other tasks', () => {
  expect(said['nested']).toMatchObject({ isClass: true, taskName: 'fill' });
  expect(said['argument']).toMatchObject({ isClass: true, taskName: 'fill' });
});

test("V8's dump is in no error and not on the terminal, but what the task wrote is", () => {
  for (const [name, error] of Object.entries(said)) {
    if (Array.isArray(error)) continue;
    expect(JSON.stringify(error.stderrTail ?? []), name).not.toMatch(DUMP);
    expect(error.message ?? '', name).not.toMatch(DUMP);
    expect(error.stack ?? '', name).not.toMatch(DUMP);
    expect(error.cause?.message ?? '', name).not.toMatch(DUMP);
  }
  expect(terminal).not.toMatch(DUMP);
  expect(terminal).toMatch(/\(fill pid=\d+\) before the end/);
  // One line says why a worker ended, also where the task was run again and nobody sees an error.
  expect(terminal).toMatch(/\(\w+ pid=\d+\) FATAL ERROR: .*JavaScript heap out of memory/);
  expect(terminal).not.toMatch(/\(\w+ pid=\d+\) *$/m);
});
