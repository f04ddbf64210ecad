/** That a journal has one writer, what a killed one leaves behind, and what becomes of a disk that is full. */

import { spawn, spawnSync, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { Worker } from 'node:worker_threads';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { ExperimentLockedError, StorageError } from '../../bindings/typescript/src/tune/errors.ts';
import { readExperiment } from '../../bindings/typescript/src/tune/journal/experiment-reader.ts';
import { isLocked } from '../../bindings/typescript/src/tune/journal/lock.ts';
import { JournalWriter, type Fsync } from '../../bindings/typescript/src/tune/journal/writer.ts';
import { historyOf, recordOf } from './journal-histories.ts';

const CHILD = path.join(import.meta.dirname, 'fixtures/journal-child.ts');
const ARGUMENTS = ['--import', 'tsx', CHILD];
// A cache of compiled files would have to be written, too.
const ENVIRONMENT = { ...process.env, TSX_DISABLE_CACHE: '1', NODE_OPTIONS: '' };

let folder: string;
let file: string;
const children: ChildProcessByStdio<Writable, Readable, null>[] = [];

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-journal-'));
  file = path.join(folder, 'journal.log');
});

afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  rmSync(folder, { recursive: true });
});

interface Child {
  readonly process: ChildProcessByStdio<Writable, Readable, null>;
  /** Asked for at the beginning: it may end before it is waited for. */
  readonly ended: Promise<unknown>;
  readonly lines: Interface;
  next(): Promise<unknown>;
}

function start(what: string, command = process.execPath, before: readonly string[] = []): Child {
  const child = spawn(command, [...before, ...ARGUMENTS, what, file], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: ENVIRONMENT,
  });
  children.push(child);
  const ended = once(child, 'exit');
  const lines = createInterface(child.stdout);
  const iterator = lines[Symbol.asyncIterator]();
  return {
    process: child,
    ended,
    lines,
    next: async () => JSON.parse((await iterator.next()).value as string) as unknown,
  };
}

function open(fsync: Fsync = 'never'): JournalWriter {
  return JournalWriter.open(file, { fsync, study: 'experiment' });
}

const locked = expect.objectContaining({
  name: 'ExperimentLockedError',
  path: expect.stringContaining('journal.log'),
});

describe('the one writer', () => {
  test('shuts out others in the same process, by whatever name, until it is closed', () => {
    const writer = open();
    expect(isLocked(file)).toBe(true);
    expect(() => open()).toThrow(locked);
    const link = path.join(folder, 'link.log');
    symlinkSync(file, link);
    const hardLink = path.join(folder, 'hard-link.log');
    linkSync(file, hardLink);
    for (const other of [link, hardLink]) {
      expect(isLocked(other)).toBe(true);
      expect(() => JournalWriter.open(other, { fsync: 'never', study: 'experiment' })).toThrow(
        ExperimentLockedError,
      );
    }
    writer.close();
    writer.close();
    expect(isLocked(file)).toBe(false);
    open().close();
    expect(readdirSync(folder).sort()).toEqual(['hard-link.log', 'journal.log', 'link.log']);
  });

  test('does not shut out writers of other files, and files that are not there are not locked', () => {
    using _writer = open();
    const other = path.join(folder, 'other.log');
    expect(isLocked(other)).toBe(false);
    JournalWriter.open(other, { fsync: 'never', study: 'experiment' }).close();
  });

  test('shuts out threads of the same process', async () => {
    using _writer = open();
    const { dev, ino } = statSync(file, { bigint: true });
    const thread = new Worker(
      `const { createServer } = require('node:net');
       const { parentPort, workerData } = require('node:worker_threads');
       const server = createServer().on('error', ({ code }) => parentPort.postMessage(code));
       server.listen({ path: workerData, exclusive: true }, () => {
         parentPort.postMessage('bound');
         server.close();
       });`,
      { eval: true, workerData: `\0eagleray-journal-${dev}-${ino}`.padEnd(108, '\0') },
    );
    const ended = once(thread, 'exit');
    const [message] = (await once(thread, 'message')) as [string];
    expect(message).toBe('EADDRINUSE');
    await ended;
  });

  test('gives the lock back where opening fails afterwards', () => {
    writeFileSync(file, 'Dear diary\n');
    expect(() => open()).toThrow(expect.objectContaining({ name: 'JournalError' }));
    expect(isLocked(file)).toBe(false);
  });

  test('loses the lock with its process: killed in the middle of writing, all it wrote is there', async () => {
    for (let round = 0; round < 3; round++) {
      rmSync(file, { force: true });
      const child = start('write');
      expect(await child.next()).toBe('open');
      expect(() => open()).toThrow(locked);
      while (statSync(file).size < 100_000 * (round + 1)) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      child.process.kill('SIGKILL');
      await child.ended;
      expect(isLocked(file)).toBe(false);
      using writer = open();
      const { experiment } = readExperiment(file);
      expect(writer.found?.experiment).toEqual(experiment);
      expect(experiment.trials.length).toBeGreaterThan(10);
      expect(readdirSync(folder)).toEqual(['journal.log']);
    }
  });

  test('is one of several processes that try at the same time, again and again', async () => {
    const competitors = [start('compete'), start('compete'), start('compete')];
    for (const child of competitors) expect(await child.next()).toBe('ready');
    for (const child of competitors) child.process.stdin.write('go\n');
    let opened = 0;
    for (const child of competitors) {
      const said = (await child.next()) as { opened: number; locked: number };
      opened += said.opened;
    }
    const { experiment, trialIds } = readExperiment(file);
    expect(opened).toBeGreaterThan(0);
    // Each that had the lock has written one trial, with the number that was next.
    expect(experiment.trials.map(({ header }) => header.number)).toEqual(
      Array.from({ length: opened }, (_, number) => number),
    );
    expect(trialIds).toEqual(experiment.trials.map(({ header }) => header.number));
  });

  test('finds its trials among those that somebody else adds all the time', async () => {
    using writer = open();
    const history = historyOf({ seed: 8, name: 'experiment', events: 1e9, metrics: 1 });
    const events = [history.next().value!];
    writer.append(events[0]!);
    const child = start('disturb');
    expect(await child.next()).toBe('ready');
    // It takes numbers that are taken already, too: places are what counts.
    let moved = 0;
    while (moved < 40 && events.length < 200_000) {
      const event = history.next().value!;
      const next = event.kind === 'trial' ? writer.nextNumber() : 0;
      writer.append(event);
      if (event.kind === 'trial' && writer.nextNumber() > next + 1) moved += 1;
      events.push(event);
      if (events.length % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    child.process.stdin.write('stop\n');
    const others = (await child.next()) as number;
    expect(moved).toBe(40);
    const { experiment, trialIds } = readExperiment(file);
    expect(experiment).toEqual(recordOf(events));
    expect(new Set(trialIds).size).toBe(experiment.trials.length);
    expect(writer.nextNumber()).toBe(experiment.trials.length + others);
  });

  test('does not keep its process alive for a sync', async () => {
    const child = start('leave');
    const { lines } = child;
    const said: string[] = [];
    lines.on('line', (text) => said.push(text));
    await child.ended;
    expect(child.process.exitCode).toBe(0);
    expect(readExperiment(file).experiment.trials).toEqual([]);
  });
});

describe("a lock of Optuna's", () => {
  const torn = (): number => {
    using writer = open();
    for (const event of historyOf({ seed: 1, name: 'experiment', events: 20 }))
      writer.append(event);
    writer.close();
    const { size } = statSync(file);
    writeFileSync(file, '{"op_code":9,"worker', { flag: 'a' });
    return size;
  };

  test('keeps a torn line from being cut off while it is held', () => {
    torn();
    const { size } = statSync(file);
    symlinkSync(file, `${file}.lock`);
    expect(() => open()).toThrow(locked);
    expect(statSync(file).size).toBe(size);
    expect(isLocked(file)).toBe(false);
    unlinkSync(`${file}.lock`);
    open().close();
    expect(statSync(file).size).toBeLessThan(size);
  });

  test('that was left behind long ago is removed, of either kind', () => {
    for (const kind of ['symbolic link', 'file']) {
      const whole = torn();
      if (kind === 'file') writeFileSync(`${file}.lock`, '');
      else symlinkSync(file, `${file}.lock`);
      const past = Date.now() / 1000 - 60;
      lutimesSync(`${file}.lock`, past, past);
      open().close();
      expect(statSync(file).size).toBe(whole);
      expect(readdirSync(folder)).toEqual(['journal.log']);
      rmSync(file);
    }
  });

  test('is not waited for where nothing is torn', () => {
    using writer = open();
    for (const event of historyOf({ seed: 1, name: 'experiment', events: 20 }))
      writer.append(event);
    writer.close();
    symlinkSync(file, `${file}.lock`);
    open().close();
    expect(lstatSync(`${file}.lock`).isSymbolicLink()).toBe(true);
  });
});

interface Filled {
  readonly events: number;
  readonly whole: number;
  readonly size: number;
}

/** What is the same however the room ended. */
function expectTornEnd(said: Filled, cause: string): void {
  expect(said).toMatchObject({ isStorageError: true, path: file, cause, isRefused: true });
  expect(said.events).toBeGreaterThan(10);
  const events = [...historyOf({ seed: 6, name: 'experiment', events: said.events, metrics: 1 })];
  events.length = said.events;
  expect(readExperiment(file).experiment).toEqual(recordOf(events));
  expect(statSync(file).size).toBe(said.size);
}

describe('no room', () => {
  test('is a StorageError with its cause, and what was partly written is cut off later', async () => {
    const limited = ['-c', 'ulimit -f 32 && exec "$@"', 'bash', process.execPath];
    const child = start('fill', 'bash', limited);
    const said = (await child.next()) as Filled;
    await child.ended;
    expectTornEnd(said, 'EFBIG');
    expect(said.size).toBeGreaterThan(said.whole);
    using writer = open();
    expect(statSync(file).size).toBeLessThan(said.size);
    writer.append({ kind: 'restore', at: 1 });
    expect(readExperiment(file).sessions.at(-1)).toEqual({ startedAt: 1, lastAt: 1 });
  });

  const mounting = ['-rm', 'true'];
  const canMount = spawnSync('unshare', mounting).status === 0;

  test.skipIf(!canMount)('on a full disk is the same (needs the right to mount)', async () => {
    const disk = path.join(folder, 'disk');
    mkdirSync(disk);
    file = path.join(disk, 'journal.log');
    const kept = path.join(folder, 'kept.log');
    const script =
      'mount -t tmpfs -o size=32k none "$0" && trap "cp $0/journal.log $1" EXIT && shift && "$@"';
    const child = start('fill', 'unshare', [
      '-rm',
      'bash',
      '-c',
      script,
      disk,
      kept,
      process.execPath,
    ]);
    const said = (await child.next()) as Filled;
    await child.ended;
    const inside = file;
    writeFileSync(inside, readFileSync(kept));
    expectTornEnd(said, 'ENOSPC');
  });

  test('in a folder that is not there, or where the journal is a folder, is a StorageError', () => {
    const nowhere = path.join(folder, 'nowhere/journal.log');
    for (const wrong of [nowhere, folder]) {
      expect(() => JournalWriter.open(wrong, { fsync: 'never', study: 'a' })).toThrow(
        expect.objectContaining({
          name: 'StorageError',
          path: wrong,
          cause: expect.any(Error),
        }),
      );
    }
    expect(existsSync(nowhere)).toBe(false);
  });
});

describe('a journal that somebody takes away', () => {
  test('is a StorageError, at the next trial at the latest', () => {
    using writer = open();
    for (const event of historyOf({ seed: 1, name: 'experiment', events: 10 }))
      writer.append(event);
    unlinkSync(file);
    expect(() => writer.nextNumber()).toThrow(StorageError);
    expect(() => writer.append({ kind: 'restore', at: 1 })).toThrow(StorageError);
  });

  test('whose study is deleted is a StorageError', () => {
    using writer = open();
    for (const event of historyOf({ seed: 1, name: 'experiment', events: 10 }))
      writer.append(event);
    writeFileSync(file, '{"op_code":1,"worker_id":"other","study_id":0}\n', { flag: 'a' });
    expect(() => writer.nextNumber()).toThrow(StorageError);
  });

  test('that others fill with what is no journal is a StorageError that says where', () => {
    using writer = open();
    for (const event of historyOf({ seed: 1, name: 'experiment', events: 10 }))
      writer.append(event);
    writeFileSync(file, '{"op_code":77,"worker_id":"other"}\n', { flag: 'a' });
    const cause = expect.objectContaining({ name: 'JournalError', path: file });
    const failed = expect.objectContaining({ name: 'StorageError', path: file, cause });
    expect(() => writer.nextNumber()).toThrow(failed);
    expect(() => writer.append({ kind: 'restore', at: 1 })).toThrow(failed);
  });

  test('is not written to after it was closed', () => {
    const writer = open();
    writer.close();
    expect(() => writer.append({ kind: 'restore', at: 1 })).toThrow(StorageError);
    expect(() => writer.sync()).toThrow(StorageError);
  });
});
