/** `table()` and `toCsv()`: which columns there are, and that a reader of RFC 4180 gets what was written. */

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Study, choice, randint, uniform, writeOutputs } from 'eagleray/tune';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { ParameterDescription } from '../../bindings/typescript/src/tune/space/parameter.ts';
import { csvOf } from '../../bindings/typescript/src/tune/results/csv.ts';
import { tableOf } from '../../bindings/typescript/src/tune/results/rows.ts';
import { experimentOf, LOSS } from './results-fixture.ts';
import { parseCsv } from './results-oracle.ts';

function parameter(...keys: readonly (string | number)[]): ParameterDescription {
  return { name: keys.join('.'), path: keys, kind: 'uniform', args: [0, 1] };
}

describe('the table', () => {
  test('has a row for each trial: its own columns, the metrics, the config', () => {
    const { columns, rows } = tableOf(
      experimentOf(LOSS, [
        {
          config: { lr: 0.1 },
          reports: [{ accuracy: 1, loss: 2 }, { loss: 1 }],
          stopReason: 'stopper',
        },
        { config: { lr: 0.2, net: { depth: 2 } }, status: 'ERROR', reports: [{ loss: 3 }] },
        { config: { lr: 0.3 }, status: 'PENDING' },
      ]),
    );
    expect(columns.join(' ')).toBe(
      'trialId status stopReason iterations durationMs failures error loss config.lr config.net.depth',
    );
    expect(rows).toEqual([
      {
        trialId: '00000',
        status: 'TERMINATED',
        stopReason: 'stopper',
        iterations: 2,
        durationMs: 2000,
        failures: 0,
        error: null,
        // `accuracy` is not in the last report.
        loss: 1,
        'config.lr': 0.1,
      },
      {
        trialId: '00001',
        status: 'ERROR',
        stopReason: null,
        iterations: 1,
        durationMs: 1000,
        failures: 0,
        error: 'Error: boom',
        loss: 3,
        'config.lr': 0.2,
        'config.net.depth': 2,
      },
      {
        trialId: '00002',
        status: 'PENDING',
        stopReason: null,
        iterations: 0,
        durationMs: 0,
        failures: 0,
        error: null,
        'config.lr': 0.3,
      },
    ]);
  });

  test('has the experiment’s metrics first, and one that is an element of a list', () => {
    const { columns, rows } = tableOf(
      experimentOf({ metrics: ['eval.losses[1]'], modes: ['min'] }, [
        { reports: [{ accuracy: 1, eval: { losses: [5, 6], rate: 3, none: {} } }] },
      ]),
    );
    expect(columns.slice(7)).toEqual([
      'eval.losses[1]',
      'accuracy',
      'eval.losses',
      'eval.rate',
      'eval.none',
    ]);
    expect(rows[0]).toMatchObject({ 'eval.losses[1]': 6, 'eval.losses': [5, 6], 'eval.none': {} });
  });

  test('keeps metrics apart that are called like other columns', () => {
    const reports = [
      { error: 0.5, status: 'fine', config: { lr: 9 }, configuration: 1, metrics: { error: 7 } },
    ];
    const { columns, rows } = tableOf(experimentOf({}, [{ config: { lr: 1 }, reports }]));
    expect(columns.slice(7)).toEqual([
      'metrics.error',
      'metrics.status',
      'metrics.config.lr',
      'configuration',
      'metrics.metrics.error',
      'config.lr',
    ]);
    expect(rows[0]).toMatchObject({
      error: null,
      'metrics.error': 0.5,
      'metrics.metrics.error': 7,
      'metrics.config.lr': 9,
      'config.lr': 1,
    });
  });

  test('splits those lists of a config in which parameters are', () => {
    const parameters = [
      parameter('layers', 0, 'units'),
      parameter('layers', 1, 'units'),
      parameter('sizes'),
    ];
    const config = { layers: [{ units: 8 }, { units: 16 }], sizes: [3, 3], seed: null };
    const { rows } = tableOf(experimentOf({ parameters }, [{ config }]));
    expect(rows[0]).toMatchObject({
      'config.layers[0].units': 8,
      'config.layers[1].units': 16,
      'config.sizes': [3, 3],
      'config.seed': null,
    });
  });
});

describe('branches', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'eagleray-table-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('have the columns of where they are in a config, in the table, toCsv() and results.csv', async () => {
    const configs = [
      { optimizer: { kind: 'sgd', lr: 0.5, momentum: 0.25 }, layers: [3, 8] },
      { optimizer: { kind: 'adam', lr: 0.125 }, layers: [4] },
      { optimizer: 'none', layers: [5, 8] },
    ] as const;
    using study = new Study({
      space: {
        optimizer: choice([
          { kind: 'sgd', lr: uniform(0, 1), momentum: uniform(0, 1) },
          { kind: 'adam', lr: uniform(0, 1) },
          'none',
        ]),
        layers: choice([[randint(1, 9), 8], [randint(1, 9)]]),
      },
      pointsToEvaluate: configs as never,
      metric: 'loss',
      mode: 'min',
      storagePath: folder,
    });
    for (const { length } of configs.map(String)) study.tell(study.ask(), { loss: length });
    const rows = study.results.table().map((row) =>
      // The same ones whichever branch was chosen: searchers call them optimizer[0].lr and optimizer[1].lr.
      Object.fromEntries(Object.entries(row).filter(([name]) => name.startsWith('config'))),
    );
    expect(rows).toEqual([
      {
        'config.optimizer.kind': 'sgd',
        'config.optimizer.lr': 0.5,
        'config.optimizer.momentum': 0.25,
        'config.layers[0]': 3,
        'config.layers[1]': 8,
      },
      { 'config.optimizer.kind': 'adam', 'config.optimizer.lr': 0.125, 'config.layers[0]': 4 },
      { 'config.optimizer': 'none', 'config.layers[0]': 5, 'config.layers[1]': 8 },
    ]);
    const [names] = parseCsv(study.results.toCsv());
    expect(names!.filter((name) => name.startsWith('config'))).toEqual([
      ...Object.keys(rows[0]!),
      'config.optimizer',
    ]);
    await writeOutputs(path.join(folder, 'study'), ['csv']);
    const written = readFileSync(path.join(folder, 'study', 'results.csv'), 'utf8');
    expect(written).toBe(study.results.toCsv());
  });
});

describe('CSV', () => {
  test('reads back as what was written', () => {
    const texts = ['plain', 'a,b', 'say "hi"', 'two\nlines', 'two\r\nlines', '', '"', ' spaced '];
    const experiment = experimentOf(
      LOSS,
      texts.map((note, at) => ({
        config: { note, flag: at % 2 === 0, list: [at, 'x,"y"'], none: null },
        reports: [
          { loss: [1.5, NaN, Infinity, -Infinity, -0, 1e21, 1e-7, 0][at]!, 'odd,"name"': 1 },
        ],
      })),
    );
    const csv = csvOf(experiment);
    const [head, ...rows] = parseCsv(csv);
    expect(head).toEqual([
      ...'trialId status stopReason iterations durationMs failures error loss'.split(' '),
      'odd,"name"',
      'config.note',
      'config.flag',
      'config.list',
      'config.none',
    ]);
    expect(rows.map((row) => row[9])).toEqual(texts);
    expect(rows.map((row) => row[7])).toEqual([
      '1.5',
      'NaN',
      'Infinity',
      '-Infinity',
      '0',
      '1e+21',
      '1e-7',
      '0',
    ]);
    expect(rows[0]!.slice(10)).toEqual(['true', '[0,"x,\\"y\\""]', 'null']);
    expect(csv.endsWith('\r\n')).toBe(true);
  });

  test('has empty cells where there is no value, and where there is no error or reason', () => {
    const csv = csvOf(
      experimentOf(LOSS, [{ config: { lr: 1 }, reports: [{ loss: null }] }, { status: 'PENDING' }]),
    );
    expect(csv).toBe(
      'trialId,status,stopReason,iterations,durationMs,failures,error,loss,config.lr\r\n' +
        '00000,TERMINATED,finished,1,1000,0,,null,1\r\n' +
        '00001,PENDING,,0,0,0,,,\r\n',
    );
  });

  test('of an experiment without trials is a line of names', () => {
    expect(csvOf(experimentOf({}, []))).toBe(
      'trialId,status,stopReason,iterations,durationMs,failures,error\r\n',
    );
  });
});
