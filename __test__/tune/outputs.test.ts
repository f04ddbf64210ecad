/** CSV, JSON lines and TensorBoard: exact bytes, and what happens where files can't be written. */

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

import { StorageError } from '../../bindings/typescript/src/tune/errors.ts';
import type { ExperimentEvent } from '../../bindings/typescript/src/tune/experiment/events.ts';
import { applyEvent } from '../../bindings/typescript/src/tune/experiment/record.ts';
import { csvOf, csvPieces } from '../../bindings/typescript/src/tune/results/csv.ts';
import {
  BUFFERED_LETTERS,
  ReportsAppender,
} from '../../bindings/typescript/src/tune/outputs/jsonl.ts';
import { openLiveOutputs } from '../../bindings/typescript/src/tune/outputs/live-outputs.ts';
import { varint } from '../../bindings/typescript/src/tune/outputs/tensorboard/protobuf.ts';
import {
  crc32c,
  maskedCrc32c,
} from '../../bindings/typescript/src/tune/outputs/tensorboard/record-file.ts';
import type { OutputName } from '../../bindings/typescript/src/tune/outputs/write-outputs.ts';
import { writeOutputs } from '../../bindings/typescript/src/tune/outputs/write-outputs.ts';
import {
  CREATED_AT,
  endEvent,
  experimentOf,
  largeExperiment,
  reportEvent,
  reported,
  startEvent,
  trialEvent,
} from './outputs-experiment.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'eagleray-outputs-'));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('results.csv', () => {
  test('has the fixed columns, metrics and config by path, and a row per trial', () => {
    const experiment = experimentOf(
      [
        trialEvent(0, {
          optimizer: { lr: 0.1 },
          layers: [8, { units: 16 }],
          sizes: [3, 3],
          tags: [],
        }),
        startEvent(0),
        reportEvent(0, 1, { eval: { loss: 0.5 }, good: true, label: 'a' }),
        reportEvent(0, 2, { eval: { loss: Number.NaN }, good: false, label: '', extra: null }),
        endEvent(0),
        trialEvent(1, { optimizer: { lr: 0.2 }, momentum: 0.9 }),
      ],
      {
        parameters: [
          { name: 'layers[1].units', path: ['layers', 1, 'units'], kind: 'uniform', args: [0, 9] },
        ],
      },
    );
    // A list is JSON unless there are parameters in it, and so is what `toCsv()` gives.
    expect(csvOf(experiment)).toBe(
      'trialId,status,stopReason,iterations,durationMs,failures,error,eval.loss,good,label,extra,config.optimizer.lr,config.layers[0],config.layers[1].units,config.sizes,config.tags,config.momentum\r\n' +
        '00000,TERMINATED,finished,2,8000,0,,NaN,false,"",null,0.1,8,16,"[3,3]",[],\r\n' +
        '00001,PENDING,,0,0,0,,,,,,0.2,,,,,0.9\r\n',
    );
  });

  test('quotes what has commas, quotes and line ends', () => {
    const error = { name: 'Error', message: 'a "b",\nc', code: null, stack: '' };
    const experiment = experimentOf([
      trialEvent(0, { 'a,b': 'x\r\ny' }),
      startEvent(0),
      endEvent(0, { status: 'ERROR', stopReason: null, error }),
    ]);
    expect(csvOf(experiment).split('\r\n00000')).toEqual([
      'trialId,status,stopReason,iterations,durationMs,failures,error,"config.a,b"',
      ',ERROR,,0,8000,0,"Error: a ""b"",\nc","x\r\ny"\r\n',
    ]);
  });

  test('keeps columns apart whose metrics have the names of others', () => {
    const experiment = experimentOf([
      trialEvent(0, { lr: 1 }),
      startEvent(0),
      reportEvent(0, 1, { status: 3, config: { lr: 2 }, 'metrics.status': 4 }),
    ]);
    const [names, row] = csvOf(experiment).split('\r\n');
    const columns = names!.split(',');
    expect(new Set(columns).size).toBe(columns.length);
    expect(columns.slice(7)).toEqual([
      'metrics.status',
      'metrics.config.lr',
      'metrics.metrics.status',
      'config.lr',
    ]);
    expect(row!.split(',').slice(7)).toEqual(['3', '2', '4', '1']);
  });

  test('comes in pieces that together are the text', () => {
    const experiment = largeExperiment({ trials: 2000, iterations: 1 });
    const pieces = [...csvPieces(experiment)];
    expect(pieces.length).toBeGreaterThan(2);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(2 ** 16 + 1000);
    expect(pieces.join('')).toBe(csvOf(experiment));
    expect(pieces.join('').split('\r\n')).toHaveLength(2002);
  });
});

describe('reports.jsonl', () => {
  test('has a line per report, with null for what is no finite number', async () => {
    const experiment = experimentOf([
      trialEvent(0, {}),
      startEvent(0),
      reportEvent(0, 1, { loss: Number.NaN, nested: { best: -Infinity } }),
      reportEvent(0, 2, { loss: 0.25, text: 'two\nlines' }),
    ]);
    await writeOutputs(folder, experiment, ['jsonl']);
    const text = readFileSync(join(folder, 'reports.jsonl'), 'utf8');
    expect(text.endsWith('\n')).toBe(true);
    const lines = text.trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toMatchObject([
      { loss: null, nested: { best: null }, trainingIteration: 1, trialId: '00000' },
      { loss: 0.25, text: 'two\nlines', trainingIteration: 2 },
    ]);
  });

  test('is held back up to a size, and whole after a flush and at the end', () => {
    const path = join(folder, 'reports.jsonl');
    const lines = () => readFileSync(path, 'utf8').split('\n').length - 1;
    const appender = new ReportsAppender(path);
    appender.append(reported(0, 1, { loss: 1 }));
    expect(lines()).toBe(0);
    appender.flush();
    expect(lines()).toBe(1);
    appender.append(reported(0, 2, { text: 'x'.repeat(BUFFERED_LETTERS) }));
    expect(lines()).toBe(2);
    appender.append(reported(0, 3, { loss: 1 }));
    appender.close();
    expect(lines()).toBe(3);
  });

  test('says that a file can not be written', () => {
    const path = join(folder, 'missing', 'reports.jsonl');
    expect(() => new ReportsAppender(path)).toThrow(StorageError);
  });
});

describe('TensorBoard', () => {
  test('checksums are those of the RFC', () => {
    // RFC 3720, appendix B.4: 32 zeros, 32 ones, 0 … 31.
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, byte) => byte))).toBe(0x46dd794e);
    expect(maskedCrc32c(Buffer.alloc(0))).toBe(0xa282ead8);
  });

  test('varints keep all bits of a whole number', () => {
    expect(varint(300).toString('hex')).toBe('ac02');
    expect(varint(2 ** 53 - 1).toString('hex')).toBe('ffffffffffffff0f');
  });

  test('a file begins with the bytes of its version', async () => {
    const experiment = experimentOf([trialEvent(0, {}), startEvent(0, CREATED_AT)]);
    await writeOutputs(folder, experiment, ['tensorboard']);
    const [first] = recordsOf(fileOf('00000'));
    const data = Buffer.concat([
      Buffer.from('09', 'hex'),
      doubleOf(CREATED_AT / 1000),
      Buffer.from('1a0d', 'hex'),
      Buffer.from('brain.Event:2'),
    ]);
    expect(first!.toString('hex')).toBe(data.toString('hex'));
  });

  test('a report is an event with its scalars at its iteration', async () => {
    const experiment = experimentOf([
      trialEvent(0, {}),
      startEvent(0),
      reportEvent(0, 300, { loss: 0.5, nested: { a: 2, text: 'x' } }, CREATED_AT + 1500),
      endEvent(0),
    ]);
    await writeOutputs(folder, experiment, ['tensorboard']);
    const records = recordsOf(fileOf('00000'));
    expect(records).toHaveLength(4);
    const scalars: [string, number][] = [
      ['loss', 0.5],
      ['nested.a', 2],
      ['timeThisIterMs', 500],
      ['timeTotalMs', 150_000],
    ];
    const values = scalars.map(([name, value]) => {
      const float = Buffer.alloc(4);
      float.writeFloatLE(value);
      const tag = Buffer.concat([Buffer.from([0x0a, name.length]), Buffer.from(name)]);
      const content = Buffer.concat([tag, Buffer.from([0x15]), float]);
      return Buffer.concat([Buffer.from([0x0a, content.length]), content]);
    });
    const summary = Buffer.concat(values);
    const expected = Buffer.concat([
      Buffer.from('09', 'hex'),
      doubleOf((CREATED_AT + 1500) / 1000),
      Buffer.from('10ac02', 'hex'),
      Buffer.from([0x2a, summary.length]),
      summary,
    ]);
    expect(records[2]!.toString('hex')).toBe(expected.toString('hex'));
  });

  test('only trials that ran have a folder', async () => {
    const experiment = experimentOf([trialEvent(0, {}), startEvent(0), trialEvent(1, {})]);
    await writeOutputs(folder, experiment, ['tensorboard']);
    expect(readdirSync(join(folder, 'trials'))).toEqual(['00000']);
  });
});

describe('outputs that grow', () => {
  const events: ExperimentEvent[] = [
    trialEvent(0, { lr: 1 }),
    startEvent(0),
    reportEvent(0, 1, { loss: 1 }),
    trialEvent(1, { lr: 2 }),
    startEvent(1),
    reportEvent(1, 1, { loss: 3 }),
    reportEvent(0, 2, { loss: 0.5 }),
    endEvent(0),
    reportEvent(1, 2, { loss: 2 }),
    endEvent(1, { status: 'ERROR', stopReason: null }),
  ];
  const outputs: OutputName[] = ['jsonl', 'tensorboard', 'csv'];

  test('end with the same files as when they are made anew, wherever a process was killed', async () => {
    const whole = experimentOf(events);
    await writeOutputs(join(folder, 'anew'), whole, ['tensorboard', 'jsonl']);
    for (let killedAfter = 0; killedAfter <= events.length; killedAfter++) {
      const path = join(folder, `grown-${killedAfter}`);
      const experiment = experimentOf([]);
      const first = await openLiveOutputs(path, experiment, outputs);
      for (const event of events.slice(0, killedAfter)) {
        applyEvent(experiment, event);
        first.onEvent(event);
      }
      // A killed process flushes nothing, and leaves a torn line; closing gives the file back.
      first.close();
      writeFileSync(join(path, 'reports.jsonl'), '{"torn', { flag: 'a' });
      const second = await openLiveOutputs(path, experiment, outputs);
      for (const event of events.slice(killedAfter)) {
        applyEvent(experiment, event);
        second.onEvent(event);
      }
      second.close();
      for (const id of ['00000', '00001']) {
        expect(fileOf(id, path).equals(fileOf(id, join(folder, 'anew')))).toBe(true);
      }
      expect(sortedLines(path)).toEqual(sortedLines(join(folder, 'anew')));
      expect(readdirSync(path).sort()).toEqual(['reports.jsonl', 'trials']);
    }
  });
});

describe('writing', () => {
  test('leaves the file before and nothing beside it where it fails', async () => {
    const experiment = experimentOf([trialEvent(0, {})]);
    mkdirSync(join(folder, 'results.csv', 'taken'), { recursive: true });
    const error = await writeOutputs(folder, experiment, ['csv']).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(StorageError);
    expect(error).toMatchObject({
      code: 'ERR_EAGLERAY_TUNE_STORAGE',
      path: join(folder, 'results.csv'),
    });
    expect((error as Error).cause).toBeInstanceOf(Error);
    expect(readdirSync(folder)).toEqual(['results.csv']);
  });

  test('keeps the file before where what is to be written can not be made', async () => {
    const path = join(folder, 'results.csv');
    writeFileSync(path, 'before');
    const experiment = experimentOf([trialEvent(0, {})]);
    const broken = { ...experiment, trials: [...experiment.trials, null as never] };
    await expect(writeOutputs(folder, broken, ['csv'])).rejects.toThrow(StorageError);
    expect(readFileSync(path, 'utf8')).toBe('before');
  });

  test('refuses outputs that there are not', async () => {
    const experiment = experimentOf([]);
    const excel = ['excel'] as unknown as OutputName[];
    await expect(writeOutputs(folder, experiment, excel)).rejects.toMatchObject({
      code: 'ERR_EAGLERAY_INVALID_ARGUMENT',
      argument: 'outputs',
    });
  });
});

/** Without `done`, which is known when a trial has ended: what was appended before has false (JL-1). */
function sortedLines(path: string): string[] {
  const text = readFileSync(join(path, 'reports.jsonl'), 'utf8');
  return text
    .replaceAll(/"done":(true|false)/g, '')
    .split('\n')
    .sort();
}

/** The file for TensorBoard of a trial. */
function fileOf(id: string, path = folder): Buffer {
  const trial = join(path, 'trials', id);
  const files = readdirSync(trial);
  expect(files).toEqual([expect.stringMatching(/^events\.out\.tfevents\.\d{10}\.eagleray$/)]);
  return readFileSync(join(trial, files[0]!));
}

/** The data of each record, whose checksums are checked. */
function recordsOf(file: Buffer): Buffer[] {
  const records: Buffer[] = [];
  for (let at = 0; at < file.length;) {
    const length = Number(file.readBigUInt64LE(at));
    expect(file.readUInt32LE(at + 8)).toBe(maskedCrc32c(file.subarray(at, at + 8)));
    const data = file.subarray(at + 12, at + 12 + length);
    expect(file.readUInt32LE(at + 12 + length)).toBe(maskedCrc32c(data));
    records.push(data);
    at += 16 + length;
  }
  return records;
}

function doubleOf(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}
