/** The names of experiments and of the files of their trials: where they are, and that nothing is written elsewhere. */

import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { init, shutdown } from 'eagleray';
import { Study, Tuner, loadResults, uniform } from 'eagleray/tune';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';

import { defaultName } from '../../bindings/typescript/src/tune/tuner/default-name.ts';

let folder = '';

beforeAll(async () => {
  await init({ numCpus: 2 });
});

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-names-'));
  return () => rmSync(folder, { recursive: true, force: true });
});

afterAll(async () => {
  await shutdown();
});

const QUIET = { reporter: 'silent', outputs: [] } as const;

function called(name: unknown): () => { loss: number } {
  return Object.defineProperty(() => ({ loss: 1 }), 'name', { value: name });
}

test.each(['s3://bucket/results', 'gs://bucket', 'file:///tmp/results', 'HDFS://host/x'])(
  'an address is no storagePath: %s',
  (storagePath) => {
    const refused = expect.objectContaining({
      name: 'InvalidArgumentError',
      message: expect.stringMatching(/storagePath is .*allowed: a folder of this file system/),
    });
    expect(() => new Tuner(called('train'), { ...QUIET, storagePath })).toThrow(refused);
    const study = {
      space: { x: uniform(0, 1) },
      metric: 'loss',
      mode: 'min',
      storagePath,
    } as const;
    expect(() => new Study(study)).toThrow(refused);
  },
);

describe('a default name', () => {
  const now = new Date('2026-11-30T06:20:14Z');

  test.each([
    ['train', 'train'],
    ['', 'trainable'],
    [5, 'trainable'],
    ['../evil', 'evil'],
    ['..\\..\\evil', 'evil'],
    ['/etc/x', 'etc-x'],
    ['a/../b', 'a-..-b'],
    ['..', 'trainable'],
    ['.hidden', 'hidden'],
    ['--help', 'help'],
    ['one\ntwo\0\x1b[31m', 'one-two-[31m'],
    ['\u202Ertl', 'rtl'],
    ['\ud800lone', 'lone'],
    ['日本語', '日本語'],
    ['[we/ird]', '[we-ird]'],
    ['z'.repeat(400), 'z'.repeat(100)],
    ['😀'.repeat(400), '😀'.repeat(25)],
  ])('of a function that is called %j', (name, expected) => {
    expect(defaultName({ name }, now)).toBe(`${expected}-20261130-062014`);
  });

  test.each(['../evil', 'a/../b', 'z'.repeat(400)])('%j stays within storagePath', async (name) => {
    const storagePath = path.join(folder, 'within');
    const results = await new Tuner(called(name), { ...QUIET, storagePath }).fit();
    expect(path.dirname(results.path!)).toBe(storagePath);
    expect(readdirSync(folder)).toEqual(['within']);
    expect(loadResults(results.path!).length).toBe(1);
  });

  test('is another one for each experiment that begins in the same second', async () => {
    const tuners = Array.from({ length: 4 }, (_, place) => {
      // A default name is never gone on with, nor overwritten.
      const ifExists = (['fail', 'resume', 'overwrite', 'fail'] as const)[place]!;
      return new Tuner(called('same'), { ...QUIET, storagePath: folder, ifExists });
    });
    const all = await Promise.all(tuners.map(async (tuner) => tuner.fit()));
    expect(new Set(all.map((results) => results.path)).size).toBe(4);
    expect(readdirSync(folder).length).toBe(4);
  });
});

test.each(['x'.repeat(256), 'é'.repeat(128), '\ud800lone', 'a\0b'])(
  'the name %j is refused by the constructor',
  (name) => {
    const make = () => new Tuner(called('f'), { ...QUIET, storagePath: folder, name });
    expect(make).toThrow(expect.objectContaining({ argument: 'name' }));
    expect(readdirSync(folder)).toEqual([]);
  },
);

test('the longest name there can be', async () => {
  const name = 'x'.repeat(255);
  const results = await new Tuner(called('f'), { ...QUIET, storagePath: folder, name }).fit();
  expect(existsSync(path.join(folder, name))).toBe(true);
  expect(results.at(0)!.status).toBe('TERMINATED');
});

test.each([
  'journal.log',
  'checkpoint_000001',
  'error.txt',
  'events.out.tfevents.1',
  'x'.repeat(256),
])('logToFile: %j is a file of our own, or none', (logToFile) => {
  for (const given of [logToFile, ['mine.log', logToFile] as const]) {
    const make = () => new Tuner(called('f'), { ...QUIET, logToFile: given });
    expect(make).toThrow(expect.objectContaining({ argument: 'logToFile' }));
  }
});
