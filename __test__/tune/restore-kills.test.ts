/**
 * Experiments whose driver, workers or both are killed at random moments, again and again, and gone on with: nothing that a trial saw
 * settle is lost, and what comes of it equals what comes of an experiment that was left alone. `EAGLERAY_TUNE_KILLS` and
 * `EAGLERAY_TUNE_SEED` say how many kills, and from which seed.
 */

import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Tuner, loadResults } from 'eagleray/tune';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { readExperiment } from '../../bindings/typescript/src/tune/journal/experiment-reader.ts';
import { childrenOf } from '../faults/fixtures/belongings.mjs';

const KILLS = Number(process.env['EAGLERAY_TUNE_KILLS'] ?? 20);
const FIRST_SEED = Number(process.env['EAGLERAY_TUNE_SEED'] ?? 1);

/** What repeats exactly, whatever happens to its processes. */
const REPEATABLE = ['random', 'grid of gridSearch', 'grid', 'sobol', 'halton', 'repeater', 'class'];
/** What does not: who is compared with whom depends on time. */
const TIMED = ['promotion', 'asha', 'hyperband', 'pbt'];
const KINDS = [...REPEATABLE, ...TIMED];

/** The latest moment of a kill after the driver has started. */
const LATEST_MS = 1_500;

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-restore-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Driver {
  readonly process: ChildProcess;
  /** Resolves when it has gone: whether it has come to its end. */
  readonly ended: Promise<boolean>;
}

function start(name: string, kind: string): Driver {
  const fixture = join(import.meta.dirname, 'fixtures', 'restore-driver.mjs');
  const child = spawn(process.execPath, [fixture, folder, name, kind], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [output, errors] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = new Promise<boolean>((resolve, reject) => {
    child.once('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(false);
      else if (code === 0 && output.includes('done')) resolve(true);
      else reject(new Error(`the driver ended with ${code ?? signal}: ${output}${errors}`));
    });
  });
  return { process: child, ended };
}

/** Of a seed, so that a failure can be had again. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** Kills a part of it at a random moment, and the driver in the end. */
async function disturb(driver: Driver, random: () => number): Promise<void> {
  const pid = driver.process.pid!;
  const what = ['driver', 'worker', 'both'][Math.floor(random() * 3)]!;
  const [first, second] = [random() * LATEST_MS, random() * LATEST_MS].sort((a, b) => a - b);
  await Promise.race([driver.ended, new Promise((resolve) => setTimeout(resolve, first))]);
  if (driver.process.exitCode !== null) return;
  if (what !== 'driver') {
    const workers = childrenOf(pid);
    if (workers.length > 0) kill(workers[Math.floor(random() * workers.length)]!);
  }
  if (what === 'worker') {
    const rest = second! - first!;
    await Promise.race([driver.ended, new Promise((resolve) => setTimeout(resolve, rest))]);
  }
  if (driver.process.exitCode === null) kill(pid);
  await driver.ended;
}

/** Reports of a journal, those that were replaced later, too: `id iteration loss`. */
function reportsIn(name: string): Set<string> {
  const reports = new Set<string>();
  readExperiment(join(folder, name, 'journal.log'), {
    onEvent(event) {
      if (event.kind !== 'report') return;
      const { trialId, trainingIteration, loss } = event.metrics;
      reports.add(`${trialId} ${trainingIteration} ${String(loss)}`);
    },
  });
  return reports;
}

/** Every report that a trial saw settle is in the journal. */
function expectNothingLost(name: string): void {
  const file = join(folder, `${name}.settled`);
  if (!existsSync(file)) return;
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  const reports = reportsIn(name);
  expect(lines.filter((line) => !reports.has(line))).toEqual([]);
}

/** What came of an experiment, without times and processes. */
function outcomeOf(name: string): unknown[] {
  return [...loadResults(join(folder, name))].map(
    ({ number, config, status, stopReason, history }) => ({
      number,
      config,
      status,
      stopReason,
      history: history.map(({ loss, trainingIteration, done }) => ({
        loss,
        trainingIteration,
        done,
      })),
    }),
  );
}

function expectWhole(name: string): void {
  const results = loadResults(join(folder, name));
  expect([...results].map(({ number }) => number)).toEqual(
    Array.from({ length: results.length }, (_, index) => index),
  );
  for (const { status, history, error } of results) {
    expect([status, error]).toEqual(['TERMINATED', null]);
    const iterations = history.map(({ trainingIteration }) => trainingIteration);
    expect(new Set(iterations).size).toBe(iterations.length);
  }
}

describe.each(KINDS)('%s', (kind) => {
  const name = kind.replaceAll(' ', '-');
  const place = KINDS.indexOf(kind);
  // The kills are shared out among the kinds.
  const kills = Math.floor((KILLS + KINDS.length - 1 - place) / KINDS.length);

  test(`${kills} kills change nothing of what comes of it`, { timeout: 600_000 }, async () => {
    const random = randomOf(FIRST_SEED * 1_000 + place);
    let round = 0;
    let done = 0;
    const undisturbed = `${name}-undisturbed`;
    await start(undisturbed, kind).ended;
    expectWhole(undisturbed);
    while (done < kills) {
      const each = `${name}-${round++}`;
      for (let more = Math.min(kills - done, 1 + Math.floor(random() * 4)); more > 0; more--) {
        await disturb(start(each, kind), random);
        done++;
        if (Tuner.canRestore(join(folder, each))) expectNothingLost(each);
      }
      expect(await start(each, kind).ended).toBe(true);
      expectNothingLost(each);
      expectWhole(each);
      expect(loadResults(join(folder, each))).toHaveLength(
        loadResults(join(folder, undisturbed)).length,
      );
      if (REPEATABLE.includes(kind)) expect(outcomeOf(each)).toEqual(outcomeOf(undisturbed));
    }
  });
});
