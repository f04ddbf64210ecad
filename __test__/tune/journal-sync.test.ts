/** When a journal is brought to the disk, and what becomes of a sync that fails. The system's calls are replaced. */

import { mkdtempSync, rmSync } from 'node:fs';
import type * as fileSystem from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { readExperiment } from '../../bindings/typescript/src/tune/journal/experiment-reader.ts';
import { isLocked } from '../../bindings/typescript/src/tune/journal/lock.ts';
import { JournalWriter, type Fsync } from '../../bindings/typescript/src/tune/journal/writer.ts';
import { historyOf } from './journal-histories.ts';

type Callback = (error: Error | null) => void;

const calls = vi.hoisted(() => ({
  fdatasync: vi.fn<(file: number, callback: Callback) => void>(),
  fdatasyncSync: vi.fn<(file: number) => void>(),
  writeSync: vi.fn<typeof fileSystem.writeSync>(),
}));

vi.mock('node:fs', async (original) => ({ ...(await original<typeof fileSystem>()), ...calls }));

let folder: string;
let file: string;

beforeEach(async () => {
  const { writeSync } = await vi.importActual<typeof fileSystem>('node:fs');
  calls.writeSync.mockReset().mockImplementation(writeSync as never);
  calls.fdatasync.mockReset();
  calls.fdatasyncSync.mockReset();
  vi.useFakeTimers();
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-journal-'));
  file = path.join(folder, 'journal.log');
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(folder, { recursive: true });
});

function begun(fsync: Fsync): JournalWriter {
  const writer = JournalWriter.open(file, { fsync, study: 'a' });
  writer.append(historyOf({ seed: 1, name: 'a', events: 1 }).next().value!);
  return writer;
}

const again = { kind: 'restore', at: 1 } as const;

/** Ends the sync that is under way. */
function answer(error: Error | null = null): void {
  calls.fdatasync.mock.lastCall![1](error);
}

test("'always' syncs each event before it returns", () => {
  using writer = begun('always');
  expect(calls.fdatasyncSync).toHaveBeenCalledTimes(1);
  writer.append(again);
  expect(calls.fdatasyncSync).toHaveBeenCalledTimes(2);
});

test("'never' syncs when it is told to, and not at the end", () => {
  const writer = begun('never');
  vi.advanceTimersByTime(60_000);
  expect(calls.fdatasyncSync).not.toHaveBeenCalled();
  writer.sync();
  expect(calls.fdatasyncSync).toHaveBeenCalledTimes(1);
  writer.close();
  expect(calls.fdatasyncSync).toHaveBeenCalledTimes(1);
  expect(calls.fdatasync).not.toHaveBeenCalled();
});

test("'interval' syncs a second after something was written, one sync at a time, and at the end", () => {
  const writer = begun('interval');
  for (let event = 0; event < 10; event++) writer.append(again);
  vi.advanceTimersByTime(999);
  expect(calls.fdatasync).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1);
  expect(calls.fdatasync).toHaveBeenCalledTimes(1);
  writer.append(again);
  vi.advanceTimersByTime(5000);
  expect(calls.fdatasync).toHaveBeenCalledTimes(1);
  answer();
  vi.advanceTimersByTime(1000);
  expect(calls.fdatasync).toHaveBeenCalledTimes(2);
  answer();
  vi.advanceTimersByTime(60_000);
  expect(calls.fdatasync).toHaveBeenCalledTimes(2);
  writer.append(again);
  writer.close();
  expect(calls.fdatasyncSync).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(60_000);
  expect(calls.fdatasync).toHaveBeenCalledTimes(2);
});

test('one that fails in the background is an error of the next event, and of all later ones', () => {
  const writer = begun('interval');
  vi.advanceTimersByTime(1000);
  const cause = new Error('EIO');
  answer(cause);
  const failed = expect.objectContaining({ name: 'StorageError', path: file, cause });
  expect(() => writer.append(again)).toThrow(failed);
  expect(() => writer.append(again)).toThrow(failed);
  // It was told: ending has nothing to add.
  writer.close();
  expect(isLocked(file)).toBe(false);
  expect(readExperiment(file).sessions.length).toBe(1);
});

test('one that fails in the background is an error of closing if no event came after it', () => {
  const writer = begun('interval');
  vi.advanceTimersByTime(1000);
  answer(new Error('EIO'));
  expect(() => writer.close()).toThrow(expect.objectContaining({ name: 'StorageError' }));
  expect(isLocked(file)).toBe(false);
});

test('one that fails is an error of what asked for it, and gives the lock back all the same', () => {
  const writer = begun('never');
  calls.fdatasyncSync.mockImplementation(() => {
    throw new Error('EIO');
  });
  expect(() => writer.sync()).toThrow(expect.objectContaining({ name: 'StorageError' }));
  writer.close();
  const other = begun('interval');
  expect(() => other.close()).toThrow(expect.objectContaining({ name: 'StorageError' }));
  expect(isLocked(file)).toBe(false);
});

test('closing during a sync leaves the file open until it has ended', () => {
  const writer = begun('interval');
  vi.advanceTimersByTime(1000);
  const [descriptor] = calls.fdatasync.mock.lastCall!;
  writer.close();
  expect(isLocked(file)).toBe(false);
  const other = JournalWriter.open(file, { fsync: 'interval', study: 'a' });
  other.append(again);
  vi.advanceTimersByTime(1000);
  const [next] = calls.fdatasync.mock.lastCall!;
  expect(next).not.toBe(descriptor);
  for (const [, callback] of calls.fdatasync.mock.calls) callback(null);
  other.close();
});

test('one that fails after closing is a warning of the process', () => {
  const writer = begun('interval');
  vi.advanceTimersByTime(1000);
  writer.close();
  const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
  answer(new Error('EIO'));
  expect(warnings).toHaveBeenCalledExactlyOnceWith(
    expect.objectContaining({ name: 'StorageError', path: file }),
  );
  warnings.mockRestore();
});

test('an event is one write, and the rest of a short one is written after it', () => {
  using writer = begun('never');
  expect(calls.writeSync).toHaveBeenCalledTimes(1);
  for (const event of historyOf({ seed: 2, name: 'a', events: 200 })) {
    if (event.kind === 'experiment') continue;
    const before = calls.writeSync.mock.calls.length;
    writer.append(event);
    expect(calls.writeSync.mock.calls.length).toBe(before + 1);
  }
  const { experiment } = readExperiment(file);
  const actual = calls.writeSync.getMockImplementation() as (...values: unknown[]) => number;
  calls.writeSync.mockImplementationOnce(((descriptor: number, bytes: Buffer, from: number) =>
    actual(descriptor, bytes, from, 5)) as never);
  writer.append({ kind: 'restore', at: 7 });
  expect(readExperiment(file)).toMatchObject({ experiment });
  expect(readExperiment(file).sessions.at(-1)!.startedAt).toBe(7);
});
