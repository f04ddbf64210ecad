/** What is written to a journal comes back: events one by one, the record, and what a torn line leaves of both. */

import {
  appendFileSync,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { JournalError } from '../../bindings/typescript/src/tune/errors.ts';
import type { ExperimentEvent } from '../../bindings/typescript/src/tune/experiment/events.ts';
import {
  readExperiment,
  type ReadOptions,
} from '../../bindings/typescript/src/tune/journal/experiment-reader.ts';
import { readJson, writeJson } from '../../bindings/typescript/src/tune/journal/python-json.ts';
import { JournalWriter } from '../../bindings/typescript/src/tune/journal/writer.ts';
import { historyOf, recordOf, type HistoryOptions } from './journal-histories.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-journal-'));
  file = path.join(folder, 'journal.log');
});

afterEach(() => rmSync(folder, { recursive: true }));

/** Writes a history, and gives its events and where in the file each ends. */
function write(
  options: HistoryOptions,
  onto = file,
): { events: ExperimentEvent[]; ends: number[] } {
  const events = [...historyOf(options)];
  using writer = JournalWriter.open(onto, { fsync: 'never', study: options.name });
  const ends = events.map((event) => {
    writer.append(event);
    return statSync(onto).size;
  });
  return { events, ends };
}

function eventsIn(options: ReadOptions = {}): ExperimentEvent[] {
  const events: ExperimentEvent[] = [];
  readExperiment(file, { ...options, onEvent: (event) => events.push(event) });
  return events;
}

const line = (value: object): string => `${JSON.stringify(value)}\n`;

describe('events', () => {
  test.each(Array.from({ length: 40 }, (_, seed) => seed))(
    'of a random experiment come back as they were (seed %i)',
    (seed) => {
      const { events } = write({ seed, name: 'experiment', events: 300, finish: seed % 2 === 0 });
      expect(eventsIn()).toEqual(events);
      expect(readExperiment(file).experiment).toEqual(recordOf(events));
    },
  );

  test('continue in the same file after each of many restarts', () => {
    const events = [...historyOf({ seed: 7, name: 'experiment', events: 400, finish: true })];
    for (let from = 0; from < events.length; from += 23) {
      using writer = JournalWriter.open(file, { fsync: 'never', study: 'experiment' });
      const before = events.slice(0, from);
      expect(writer.found?.experiment ?? null).toEqual(from === 0 ? null : recordOf(before));
      for (const event of events.slice(from, from + 23)) writer.append(event);
    }
    expect(eventsIn()).toEqual(events);
  });

  test('have each of their large parts once', () => {
    const events: ExperimentEvent[] = [...historyOf({ seed: 1, name: 'a', events: 2, metrics: 1 })];
    const report = 'b'.repeat(100_000);
    using writer = JournalWriter.open(file, { fsync: 'never', study: 'a' });
    for (const event of events) writer.append(event);
    const before = statSync(file).size;
    const metrics = { loss: 1, report, trainingIteration: 1 } as never;
    writer.append({ kind: 'report', number: 0, metrics, checkpoint: null, violations: null });
    expect(statSync(file).size - before).toBeLessThan(100_500);
  });

  test('tell how long each process has written', () => {
    const { events } = write({ seed: 3, name: 'experiment', events: 500 });
    const { sessions, experiment } = readExperiment(file);
    const restores = events.filter((event) => event.kind === 'restore');
    expect(sessions.length).toBe(restores.length + 1);
    expect(sessions[0]!.startedAt).toBe(experiment.header.createdAt);
    for (const [index, { startedAt, lastAt }] of sessions.entries()) {
      expect(lastAt).toBeGreaterThanOrEqual(startedAt);
      expect(startedAt).toBeLessThan(sessions[index + 1]?.startedAt ?? Infinity);
    }
  });
});

describe('a torn file', () => {
  test('has the whole events before, wherever it was torn', () => {
    const { events, ends } = write({ seed: 11, name: 'experiment', events: 40, metrics: 1 });
    const size = statSync(file).size;
    const records = events.map((_, index) => recordOf(events.slice(0, index + 1)));
    // Everywhere in the last events, and at a step that meets all places of a line in those before.
    const everywhere = ends.at(-6)!;
    for (let bytes = size; bytes >= ends[0]!; bytes -= bytes > everywhere ? 1 : 7) {
      truncateSync(file, bytes);
      const whole = ends.findLastIndex((end) => end <= bytes);
      expect(readExperiment(file).experiment, `${bytes} bytes`).toEqual(records[whole]);
    }
    for (let bytes = ends[0]! - 1; bytes >= 0; bytes--) {
      truncateSync(file, bytes);
      expect(() => readExperiment(file)).toThrow(JournalError);
    }
  });

  test('is cut when it is opened for writing, and then goes on', () => {
    const whole = path.join(folder, 'whole.log');
    const options = { seed: 12, name: 'experiment', events: 60, metrics: 1, finish: true };
    const { events, ends } = write(options, whole);
    const bytes = readFileSync(whole);
    for (let size = 0; size < bytes.length; size += size < 20 ? 1 : 37) {
      writeFileSync(file, bytes.subarray(0, size));
      const done = ends.findLastIndex((end) => end <= size) + 1;
      using writer = JournalWriter.open(file, { fsync: 'never', study: 'experiment' });
      expect(statSync(file).size).toBe(bytes.subarray(0, size).lastIndexOf('\n') + 1);
      for (const event of events.slice(done)) writer.append(event);
      expect(readExperiment(file).experiment).toEqual(recordOf(events));
    }
  });

  test('may end in zeros, as a power cut leaves them', () => {
    const { events } = write({ seed: 13, name: 'experiment', events: 30 });
    const { size } = statSync(file);
    appendFileSync(file, Buffer.alloc(4096));
    expect(readExperiment(file).experiment).toEqual(recordOf(events));
    appendFileSync(file, '\n');
    expect(readExperiment(file).experiment).toEqual(recordOf(events));
    JournalWriter.open(file, { fsync: 'never', study: 'experiment' }).close();
    expect(statSync(file).size).toBe(size);
  });

  test('has an error with its line where what is unreadable is not the last', () => {
    write({ seed: 14, name: 'experiment', events: 30 });
    const lines = readFileSync(file, 'utf8').split('\n');
    for (const broken of ['{"op_code":7,"worker', '', '[]', '7', '{"op_code":7}}', '"\u0001"']) {
      writeFileSync(file, lines.with(5, broken).join('\n'));
      expect(() => readExperiment(file)).toThrow(
        expect.objectContaining({ name: 'JournalError', path: file, line: 6 }),
      );
      expect(() => JournalWriter.open(file, { fsync: 'never', study: 'experiment' })).toThrow(
        expect.objectContaining({ name: 'JournalError', path: file, line: 6 }),
      );
      expect(readFileSync(file, 'utf8')).toBe(lines.with(5, broken).join('\n'));
    }
  });

  test('has an error where a line is no UTF-8', () => {
    write({ seed: 14, name: 'experiment', events: 30 });
    const bytes = readFileSync(file);
    bytes[bytes.indexOf('worker_id', bytes.indexOf('\n'))] = 0xff;
    writeFileSync(file, bytes);
    expect(() => readExperiment(file)).toThrow(expect.objectContaining({ line: 2 }));
  });
});

describe('foreign lines', () => {
  test('do not change what is ours, and their trials keep their numbers', () => {
    const others = { op_code: 9, worker_id: 'other' };
    let foreign = 0;
    using writer = JournalWriter.open(file, { fsync: 'never', study: 'experiment' });
    const numbers: number[] = [];
    const numberOf = (): number => {
      const number = writer.nextNumber();
      numbers.push(number);
      return number;
    };
    const events: ExperimentEvent[] = [];
    for (const event of historyOf({ seed: 21, name: 'experiment', events: 300, numberOf })) {
      writer.append(event);
      events.push(event);
      const note = { ...others, trial_id: 0, system_attr: { 'eagleray:report': 1 } };
      if (events.length % 7 === 3) {
        appendFileSync(file, line({ ...others, op_code: 4, study_id: 0, datetime_start: null }));
        foreign += 1;
        appendFileSync(file, line({ ...others, op_code: 2, study_id: 0, user_attr: { note: 1 } }));
        appendFileSync(file, line({ ...others, op_code: 0, study_name: 'b', directions: [1] }));
        appendFileSync(file, line({ ...others, op_code: 4, study_id: 7, datetime_start: null }));
        appendFileSync(file, line({ ...others, op_code: 10 }));
        if (numbers.length > 0 && numbers[0] === 0) appendFileSync(file, line(note));
        const ended = { ...others, op_code: 6, trial_id: 1, state: 1, values: [0] };
        if (numbers.length > 2) appendFileSync(file, line(ended));
      }
    }
    expect(eventsIn()).toEqual(events);
    const { experiment, trialIds } = readExperiment(file);
    expect(experiment).toEqual(recordOf(events));
    // All of them are of this one study, so numbers are places, and those of others are missing.
    expect(experiment.trials.map(({ header }) => header.number)).toEqual(trialIds);
    expect(foreign).toBeGreaterThan(10);
    const ours = experiment.trials.length;
    expect(trialIds.at(-1)).toBeGreaterThan(ours);
    expect(writer.nextNumber()).toBe(ours + foreign);
  });

  test('that come between a number and its trial move the place, and not the events', () => {
    using writer = JournalWriter.open(file, { fsync: 'never', study: 'experiment' });
    const [begin, ...rest] = historyOf({ seed: 22, name: 'experiment', events: 120 });
    writer.append(begin!);
    for (const event of rest) {
      if (event.kind === 'trial') {
        appendFileSync(file, line({ op_code: 4, worker_id: 'other', study_id: 0 }));
      }
      writer.append(event);
    }
    expect(readExperiment(file).experiment).toEqual(recordOf([begin!, ...rest]));
  });

  test('may hold a study of the same name: ours takes its place', () => {
    writeFileSync(file, line({ op_code: 0, worker_id: 'o', study_name: 'a', directions: [2] }));
    const { events } = write({ seed: 23, name: 'a', events: 50 });
    expect(readExperiment(file)).toMatchObject({ study: 1, experiment: recordOf(events) });
  });
});

describe('several experiments in a file', () => {
  test('are told apart by their names, and the last one is meant without', () => {
    const first = write({ seed: 31, name: 'first', events: 100 }).events;
    const second = write({ seed: 32, name: 'second', events: 100 }).events;
    expect(readExperiment(file, { study: 'first' }).experiment).toEqual(recordOf(first));
    expect(readExperiment(file, { study: 'second' }).experiment).toEqual(recordOf(second));
    expect(readExperiment(file).experiment).toEqual(recordOf(second));
    expect(() => readExperiment(file, { study: 'third' })).toThrow(JournalError);
  });

  test('of one name: the last one is there', () => {
    write({ seed: 33, name: 'same', events: 100 });
    const events = [...historyOf({ seed: 34, name: 'same', events: 100 })];
    using writer = JournalWriter.open(file, { fsync: 'never', study: 'same' });
    expect(writer.found).not.toBeNull();
    for (const event of events) writer.append(event);
    expect(readExperiment(file).experiment).toEqual(recordOf(events));
  });

  test('that was deleted is not there', () => {
    write({ seed: 35, name: 'a', events: 100 });
    appendFileSync(file, line({ op_code: 1, worker_id: 'other', study_id: 0 }));
    expect(() => readExperiment(file)).toThrow(JournalError);
  });
});

describe('a file of something else', () => {
  test.each([
    ['text', 'Dear diary,\ntoday was fine.\n'],
    ['one line without an end', 'Dear diary'],
    ['one line', 'Dear diary\n'],
    ['JSON of something else', '{"a":1}\n{"a":2}\n'],
    ['an unknown operation', '{"op_code":11,"worker_id":"x"}\n'],
    ['nothing', ''],
  ])('is an error, and stays as it is: %s', (_, text) => {
    writeFileSync(file, text);
    expect(() => readExperiment(file)).toThrow(JournalError);
    if (text !== '') {
      const open = (): unknown => JournalWriter.open(file, { fsync: 'never', study: 'a' });
      expect(open).toThrow(JournalError);
    }
    expect(readFileSync(file, 'utf8')).toBe(text);
  });

  test('is an error if there is none', () => {
    expect(() => readExperiment(file)).toThrow(
      expect.objectContaining({ path: file, line: 0, cause: expect.any(Error) }),
    );
  });

  test('of a newer version is an error: a later format, or an attribute of ours that is unknown', () => {
    write({ seed: 41, name: 'a', events: 3, metrics: 1 });
    const copy = path.join(folder, 'copy.log');
    copyFileSync(file, copy);
    const text = readFileSync(file, 'utf8').replace('"format":1', '"format":2');
    writeFileSync(file, text);
    expect(() => readExperiment(file)).toThrow(
      expect.objectContaining({ line: 3, message: expect.stringContaining('newer') }),
    );
    const later = { op_code: 9, worker_id: 'eagleray', trial_id: 0 };
    appendFileSync(copy, line({ ...later, system_attr: { 'eagleray:later': {} } }));
    expect(() => readExperiment(copy)).toThrow(
      expect.objectContaining({ message: expect.stringContaining('newer') }),
    );
  });
});

describe('JSON as Python writes it', () => {
  test.each([
    NaN,
    -Infinity,
    [NaN, null, 'NaN', Infinity],
    { NaN: NaN, a: '"NaN', b: '\\', Infinity: '-Infinity', c: [0, 1, { d: NaN }] },
    { a: '\\"Infinity\\', b: Infinity, ['__proto__']: [-Infinity] },
    '\u{1f600}\ud800 null',
    { nothing: null },
    [],
  ])('is read as it was: %j', (value) => {
    expect(readJson(writeJson(value))).toEqual(value);
  });

  test('has bare words, and only where they are needed', () => {
    expect(writeJson({ a: [NaN, Infinity, -Infinity, null, 1e21, 'NaN'], b: undefined })).toBe(
      '{"a":[NaN,Infinity,-Infinity,null,1e+21,"NaN"]}',
    );
    expect(writeJson({ a: null })).toBe('{"a":null}');
  });

  test('is an error where it is neither', () => {
    for (const text of ['', 'NaN NaN', '{"a":Infinity', 'Nan', '--Infinity', '{NaN:1}', '"NaN']) {
      expect(() => readJson(text), text).toThrow(SyntaxError);
    }
  });
});
