/** What `readJournal` makes of journals: of lines as Optuna writes them, and of our own. */

import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, expect, test } from 'vitest';

import { InvalidArgumentError } from '../../bindings/typescript/src/index.ts';
import { readJournal } from '../../bindings/typescript/src/tune/journal/known-results.ts';
import { JournalWriter } from '../../bindings/typescript/src/tune/journal/writer.ts';
import { historyOf, recordOf } from './journal-histories.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-journal-'));
  file = path.join(folder, 'journal.log');
});

afterEach(() => rmSync(folder, { recursive: true }));

const FLOAT =
  '{"name": "FloatDistribution", "attributes": {"step": null, "low": 0.0, "high": 1.0, "log": false}}';
const INTEGER =
  '{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 1, "high": 9}}';
const CHOICE =
  '{"name": "CategoricalDistribution", "attributes": {"choices": ["a", null, true, NaN]}}';
const OLD = '{"name": "LogUniformDistribution", "attributes": {"low": 0.1, "high": 1.0}}';

const worker = { worker_id: 'w-1' };
const study = (name: string): object => ({
  op_code: 0,
  ...worker,
  study_name: name,
  directions: [1],
});
const trial = (more: object = {}): object => ({
  op_code: 4,
  ...worker,
  study_id: 0,
  datetime_start: null,
  ...more,
});
const param = (id: number, name: string, value: number, distribution: string): object => ({
  op_code: 5,
  ...worker,
  trial_id: id,
  param_name: name,
  param_value_internal: value,
  distribution,
});
const state = (id: number, to: number, values: readonly number[] | null): object => ({
  op_code: 6,
  ...worker,
  trial_id: id,
  state: to,
  values,
});

function write(...lines: readonly object[]): void {
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
}

test('complete trials are results, by the values and names that Optuna has', () => {
  write(
    study('s'),
    trial(),
    param(0, 'x', 0.5, FLOAT),
    param(0, 'opt.n', 3, INTEGER),
    param(0, 'kind', 1, CHOICE),
    param(0, '__proto__', 0.2, OLD),
    state(0, 1, [2]),
    trial({
      state: 1,
      value: 7,
      values: null,
      params: { kind: 3, x: 0.25 },
      distributions: { kind: CHOICE, x: FLOAT },
    }),
  );
  const config = { x: 0.5, 'opt.n': 3, kind: null, ['__proto__']: 0.2 };
  expect(readJournal(file)).toEqual([
    { config, metrics: { value: 2 } },
    { config: { kind: NaN, x: 0.25 }, metrics: { value: 7 } },
  ]);
});

test('what Optuna drops is dropped', () => {
  write(
    study('s'),
    trial(),
    param(0, 'x', 0.5, FLOAT),
    state(0, 1, [2]),
    // On a finished trial.
    param(0, 'y', 0.5, FLOAT),
    state(0, 3, null),
    // Another kind, and other choices.
    trial(),
    param(1, 'x', 5, INTEGER),
    param(1, 'kind', 0, CHOICE),
    state(1, 1, [3]),
    trial(),
    param(2, 'kind', 0, CHOICE.replace('"a"', '"b"')),
    state(2, 1, [4]),
    // Of a study that there is not.
    trial({ study_id: 5, state: 1, value: 9 }),
    // Running, waiting, pruned, failed.
    trial(),
    trial({ state: 4 }),
    trial(),
    state(5, 2, [1]),
    trial(),
    state(6, 3, null),
  );
  expect(readJournal(file)).toEqual([
    { config: { x: 0.5 }, metrics: { value: 2 } },
    { config: { kind: 'a' }, metrics: { value: 3 } },
    { config: {}, metrics: { value: 4 } },
  ]);
});

test('several values are value, value1 and so on, or have the names that were set', () => {
  const names = {
    op_code: 3,
    ...worker,
    study_id: 0,
    system_attr: { 'study:metric_names': ['loss', 'size'] },
  };
  write(study('s'), trial({ state: 1, value: null, values: [1, 2] }));
  expect(readJournal(file)).toEqual([{ config: {}, metrics: { value: 1, value1: 2 } }]);
  write(study('s'), names, trial({ state: 1, values: [1, 2] }));
  expect(readJournal(file)).toEqual([{ config: {}, metrics: { loss: 1, size: 2 } }]);
});

test('one of several studies has to be named', () => {
  write(
    study('one'),
    study('two'),
    trial({ state: 1, value: 1 }),
    trial({ study_id: 1, state: 1, value: 2 }),
  );
  expect(() => readJournal(file)).toThrow(InvalidArgumentError);
  expect(readJournal(file, { study: 'two' })).toEqual([{ config: {}, metrics: { value: 2 } }]);
  const missing = expect.objectContaining({ name: 'JournalError', path: file });
  expect(() => readJournal(file, { study: 'three' })).toThrow(missing);
});

test('a distribution that is unknown, or a choice that there is not, is an error of its line', () => {
  const wrong = [
    param(0, 'x', 1, '{"name": "NewDistribution", "attributes": {}}'),
    param(0, 'x', 1, 'x'),
    param(0, 'x', 4, CHOICE),
  ];
  for (const line of wrong) {
    write(study('s'), trial(), line, state(0, 1, [1]));
    expect(() => readJournal(file)).toThrow(
      expect.objectContaining({ name: 'JournalError', path: file, line: 3 }),
    );
  }
});

test('results of an experiment of ours have its configs as they were, and all last metrics', () => {
  const events = [...historyOf({ seed: 80, name: 'own', events: 500, metrics: 1, finish: true })];
  const writer = JournalWriter.open(file, { fsync: 'never', study: 'own' });
  for (const event of events) writer.append(event);
  writer.close();
  const expected = recordOf(events)
    .trials.filter(
      ({ status, stopReason }) => status === 'TERMINATED' && stopReason !== 'scheduler',
    )
    .filter(({ history }) => Number.isFinite(history.at(-1)?.['loss']))
    .map(({ config, history }) => {
      const { loss, eval: nested, size, note, flag, NaN: odd } = history.at(-1)!;
      const metrics = { loss, eval: nested, size, note, flag, NaN: odd };
      return { config, metrics: JSON.parse(JSON.stringify(metrics)) as object };
    });
  const results = readJournal(file);
  expect(results.map(({ config }) => config)).toEqual(expected.map(({ config }) => config));
  expect(results.map(({ metrics }) => Object.keys(metrics).sort())).toEqual(
    expected.map(({ metrics }) => Object.keys(metrics).sort()),
  );
  expect(results.length).toBeGreaterThan(3);
  // Somebody else has added a trial.
  const state = { state: 1, value: 7, values: null };
  const values = { params: { x: 0.25 }, distributions: { x: FLOAT } };
  appendFileSync(file, `${JSON.stringify(trial({ ...state, ...values }))}\n`);
  expect(readJournal(file)).toEqual([...results, { config: { x: 0.25 }, metrics: { loss: 7 } }]);
});

test('arguments of the wrong form are named', () => {
  write(study('s'));
  for (const path of [undefined, null, 5, '', {}]) {
    expect(() => readJournal(path as never)).toThrow(InvalidArgumentError);
  }
  expect(() => readJournal(file, { stdy: 's' } as never)).toThrow(/there is no option stdy/);
});

test.each([[undefined], [null], [5], [''], [{}]])('a path that is %j is refused', (wrong) => {
  expect(() => readJournal(wrong as never)).toThrow(
    expect.objectContaining({ name: 'InvalidArgumentError', argument: 'path' }),
  );
});

test.each([
  [5, 'options'],
  [{ studi: 'a' }, 'studi'],
  [{ study: 5 }, 'study'],
])('options that are %j are refused', (wrong, argument) => {
  expect(() => readJournal(file, wrong as never)).toThrow(
    expect.objectContaining({ name: 'InvalidArgumentError', argument }),
  );
});
