/** What reporters show: the state of a run, and its tables and lines, as text of a given width. */

import { stripVTControlCharacters } from 'node:util';

import { describe, expect, test } from 'vitest';

import type { ParameterDescription } from '../../bindings/typescript/src/tune/space/parameter.ts';
import type { ExperimentRecord } from '../../bindings/typescript/src/tune/experiment/record.ts';
import {
  lineView,
  type LineMemory,
} from '../../bindings/typescript/src/tune/reporters/line-view.ts';
import {
  durationText,
  numberText,
  sparkline,
  valueText,
} from '../../bindings/typescript/src/tune/reporters/number-text.ts';
import { remainingMsOf } from '../../bindings/typescript/src/tune/reporters/remaining-time.ts';
import {
  ERRORS_MAX,
  reporterStateOf,
  VALUES_MAX,
  type ReporterState,
  type RunInfo,
} from '../../bindings/typescript/src/tune/reporters/state.ts';
import {
  tableView,
  type TableViewOptions,
} from '../../bindings/typescript/src/tune/reporters/table-view.ts';
import {
  cleaned,
  cutToWidth,
  widthOf,
  wrapped,
} from '../../bindings/typescript/src/tune/reporters/text-width.ts';
import { BEGIN, experimentOf, LOSS, type TrialSketch } from './results-fixture.ts';

const INFO: RunInfo = {
  now: BEGIN + 83_000,
  elapsedMs: 83_000,
  numSamples: 40,
  timeBudgetMs: null,
  maxConcurrentTrials: 2,
  waiting: [],
  resources: [
    { name: 'CPU', used: 2, total: 2 },
    { name: 'GPU', used: 0.5, total: 1 },
  ],
  path: './eagleray_results/digits',
};

function parameter(...path: readonly string[]): ParameterDescription {
  return { name: path.join('.'), path, kind: 'uniform', args: [0, 1] };
}

const PARAMETERS = [parameter('lr'), parameter('net', 'layers'), parameter('activation')];

function falling(from: number, count: number): { loss: number; accuracy: number }[] {
  return Array.from({ length: count }, (_, at) => ({
    loss: from / (at + 1),
    accuracy: 1 - from / (at + 2),
  }));
}

/** Two that run, one that waits for its turn, one that failed, and three that ended. */
const RUN: readonly TrialSketch[] = [
  { config: config(0.1, 2, 'relu'), reports: falling(3, 12) },
  { config: config(0.01, 3, 'tanh'), reports: falling(1, 12) },
  {
    config: config(0.5, 1, 'relu'),
    status: 'ERROR',
    reports: falling(9, 2),
    error: { message: 'loss is\nnot finite' },
  },
  { config: config(0.03, 2, 'gelu'), status: 'PAUSED', reports: falling(2, 4), stepMs: 2500 },
  { config: config(0.2, 4, 'relu'), reports: falling(4, 3), stopReason: 'scheduler' },
  { config: config(0.001234567, 3, 'silu'), status: 'RUNNING', reports: falling(2, 5) },
  { config: config(0.7, 2, 'relu'), status: 'RUNNING', startedAt: BEGIN + 80_000 },
  { config: config(0.9, 2, 'tanh'), status: 'PENDING' },
];

function config(lr: number, layers: number, activation: string): unknown {
  return { lr, net: { layers }, activation };
}

function stateOf(
  trials: readonly TrialSketch[] = RUN,
  info: Partial<RunInfo> = {},
  header: Parameters<typeof experimentOf>[0] = {},
): ReporterState {
  return reporterStateOf(experiment(trials, header), { ...INFO, ...info });
}

function experiment(
  trials: readonly TrialSketch[] = RUN,
  header: Parameters<typeof experimentOf>[0] = {},
): ExperimentRecord {
  return experimentOf({ ...LOSS, parameters: PARAMETERS, ...header }, trials);
}

function tableText(state: ReporterState, options: Partial<TableViewOptions> = {}): string {
  const lines = tableView(state, { width: 80, colours: false, done: false, ...options });
  return `\n${lines.join('\n')}\n`;
}

describe('the width of text', () => {
  test.each([
    ['', 0],
    ['loss', 4],
    ['größe', 5],
    ['e\u0301', 1], // a letter and a mark
    ['損失', 4],
    ['한국어', 6],
    ['ｆｕｌｌ', 8],
    ['🚀', 2],
    ['👨‍👩‍👧', 2], // one family
    ['🇩🇪', 2],
    ['❤️', 2],
    ['❤', 1],
    ['1️⃣', 2],
    ['हिन्दी', 3],
    ['a\u200bb', 2],
    ['▁▂█…', 4],
  ])('of %j is %i', (text, width) => {
    expect(widthOf(text)).toBe(width);
  });

  test('is that of EastAsianWidth.txt at the ends of its ranges', () => {
    // Each pair is the last narrow and the first wide letter, or the other way round.
    const ends =
      '\u10ff\u1100 \u303e\u303f \u3247\u3248 \u324f\u3250 \ua4cf\ua4d0 \uabf9\uac00 \uff00\uff01';
    expect(ends.split(' ').map((pair) => [...pair].map(widthOf))).toEqual([
      [1, 2],
      [2, 1],
      [2, 1],
      [1, 2],
      [2, 1],
      [1, 2],
      [1, 2],
    ]);
    expect([widthOf('\u{1ffff}'), widthOf('\u{20000}'), widthOf('\u{3fffd}')]).toEqual([1, 2, 2]);
  });

  test('is never exceeded by what is cut, and cutting splits no character', () => {
    const text = 'a損👨‍👩‍👧e\u0301b失c';
    expect(cutToWidth(text, 6)).toBe('a損👨‍👩‍👧…');
    expect(cutToWidth(text, 5)).toBe('a損…');
    expect(cutToWidth(text, 0)).toBe('');
    expect(cutToWidth('損', 1)).toBe('…');
    for (let width = 0; width < 12; width++) {
      expect(widthOf(cutToWidth(text, width))).toBeLessThanOrEqual(width);
    }
  });

  test('text of others cannot move the cursor, colour or turn what follows', () => {
    expect(cleaned('a\u001b[31mred\u001b[0m\r\n\tb\u0007')).toBe('ared b ');
    expect(cleaned('\u001b]0;title\u0007x\u202etxt')).toBe('xtxt');
    expect(cleaned('\ud800!')).toBe('\ufffd!');
  });

  test('lines are folded at spaces, and words that are too long anywhere', () => {
    expect(wrapped('one two three', 7, '  ')).toEqual(['one two', '  three']);
    expect(wrapped('abcdefgh', 3, ' ')).toEqual(['abc', ' de', ' fg', ' h']);
    expect(wrapped('損失損失', 3)).toEqual(['損', '失', '損', '失']);
    expect(wrapped('', 5)).toEqual(['']);
    for (let width = 2; width < 20; width++) {
      for (const line of wrapped(
        'why 損失 waits: averyveryverylongword and 🚀 more',
        width,
        '  ',
      )) {
        expect(widthOf(line)).toBeLessThanOrEqual(width);
      }
    }
  });
});

describe('numbers as text', () => {
  test.each([
    [0.30000000000000004, '0.3'],
    [0.000012345678, '0.000012346'],
    [1234567, '1234567'],
    [1.5e12, '1500000000000'],
    [1e21, '1e+21'],
    [-12.345678, '-12.346'],
    [NaN, 'NaN'],
    [-Infinity, '-Infinity'],
  ])('%d is %s', (value, text) => {
    expect(numberText(value)).toBe(text);
  });

  test.each([
    [0, '0 s'],
    [-5, '0 s'],
    [400, '0.4 s'],
    [990, '1 s'],
    [59_400, '59 s'],
    [59_900, '1 min'],
    [83_000, '1 min 23 s'],
    [3_599_700, '1 h'],
    [7_500_000, '2 h 5 min'],
    [86_390_000, '1 d'],
    [100_000_000, '1 d 4 h'],
  ])('%d ms are %s', (durationMs, text) => {
    expect(durationText(durationMs)).toBe(text);
  });

  test('values of any kind are one line', () => {
    expect(valueText({ a: [1 / 3, 'x\ny'], b: NaN })).toBe('{"a":[0.33333,"x\\ny"],"b":null}');
    expect(valueText({ size: 2n, at: [new Map()] })).toBe('{"size":"2n","at":["[Map]"]}');
    expect(['two\nlines', true, undefined, null].map(valueText)).toEqual([
      'two lines',
      'true',
      '',
      'null',
    ]);
  });

  test('a sparkline goes from the least to the greatest', () => {
    expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7])).toBe('▁▂▃▄▅▆▇█');
    expect(sparkline([2, 2, 2])).toBe('▁▁▁');
    expect(sparkline([1, NaN, 2, Infinity])).toBe('▁·█·');
    expect(sparkline([-Number.MAX_VALUE, 0, Number.MAX_VALUE])).toMatch(/^▁[▄▅]█$/);
    expect(sparkline([NaN])).toBe('·');
    expect(sparkline([])).toBe('');
  });
});

describe('the state of a run', () => {
  test('counts, and has the best of each metric', () => {
    const state = stateOf(RUN, {}, { metrics: ['loss', 'accuracy'], modes: ['min', 'max'] });
    expect(state.counts).toEqual({ PENDING: 1, RUNNING: 2, PAUSED: 1, TERMINATED: 3, ERROR: 1 });
    expect(state.best).toMatchObject([
      { metric: 'loss', mode: 'min', value: 1 / 12, trial: { trialId: '00001', iterations: 12 } },
      { metric: 'accuracy', mode: 'max', value: 1 - 1 / 13, trial: { trialId: '00001' } },
    ]);
    expect(stateOf([]).best).toEqual([]);
    expect(state.parameters).toEqual(['lr', 'net.layers', 'activation']);
  });

  test('has running trials first, then the best, and then pending ones, as many as are shown', () => {
    const numbersOf = (options: Parameters<typeof reporterStateOf>[2]): number[] =>
      reporterStateOf(experiment(), INFO, options).trials.map(({ number }) => number);
    expect(numbersOf({})).toEqual([5, 6, 1, 0, 3, 4, 2, 7]);
    expect(numbersOf({ maxProgressRows: 4 })).toEqual([5, 6, 1, 0]);
    expect(numbersOf({ sortByMetric: false })).toEqual([5, 6, 4, 3, 2, 1, 0, 7]);
    expect(numbersOf({ sortByMetric: false, maxProgressRows: 3 })).toEqual([5, 6, 4]);
    // What runs is always there.
    expect(numbersOf({ maxProgressRows: 0 })).toEqual([5, 6]);
  });

  test('has the last values of the metric, and run times', () => {
    const trials = stateOf([
      { status: 'RUNNING', reports: falling(1, 50) },
      { status: 'RUNNING', startedAt: BEGIN + 80_000 },
      { status: 'PENDING' },
    ]).trials;
    expect(trials[0]!.values).toHaveLength(VALUES_MAX);
    expect(trials[0]!.values.at(-1)).toBe(1 / 50);
    expect(trials.map(({ durationMs }) => durationMs)).toEqual([50_000, 3000, null]);
  });

  test('has the latest errors', () => {
    const failed = Array.from({ length: ERRORS_MAX + 2 }, (_, at): TrialSketch => ({
      status: 'ERROR',
      // The first ones fail last.
      startedAt: BEGIN - at * 1000,
      error: { message: `no ${at}` },
    }));
    const { errors, counts } = stateOf(failed);
    expect(counts.ERROR).toBe(ERRORS_MAX + 2);
    expect(errors).toHaveLength(ERRORS_MAX);
    expect(errors.at(-1)).toEqual({ trialId: '00000', name: 'Error', message: 'no 0' });
  });

  test('cannot change the record', () => {
    const record = experiment();
    const before = structuredClone(record);
    const state = reporterStateOf(record, INFO);
    Object.assign(state.trials[0]!.config as object, { lr: 99 });
    Object.assign(state.trials[0]!.metrics!, { loss: 0 });
    expect(record).toEqual(before);
  });

  test('says how many there are where more were made than planned', () => {
    expect(stateOf(RUN, { numSamples: 3 }).numSamples).toBe(8);
  });
});

describe('the estimated time', () => {
  const ended = { reports: falling(1, 10) }; // 10 s
  const running: TrialSketch = { status: 'RUNNING', reports: falling(1, 4) }; // 4 s so far

  function remaining(trials: readonly TrialSketch[], info: Partial<RunInfo> = {}): number | null {
    return remainingMsOf(experiment(trials), { ...INFO, ...info });
  }

  test('is what is left of the work, by how many run at a time', () => {
    // 2 that run need 6 s more each, 6 others 10 s each.
    expect(remaining([ended, ended, running, running], { numSamples: 10 })).toBe(
      (12_000 + 60_000) / 2,
    );
    expect(
      remaining([ended, ended, running, running], { numSamples: 10, maxConcurrentTrials: null }),
    ).toBe(36_000);
    // There are not enough left for all places.
    expect(remaining([ended, running], { numSamples: 2, maxConcurrentTrials: 8 })).toBe(6000);
    expect(remaining([ended, { ...running, status: 'PAUSED' }], { numSamples: 2 })).toBe(6000);
  });

  test('is not negative for one that takes longer than the others', () => {
    const long: TrialSketch = { status: 'RUNNING', reports: falling(1, 99) };
    expect(remaining([ended, long], { numSamples: 2 })).toBe(0);
  });

  test('is unknown before a trial has ended, and without a number of trials', () => {
    expect(remaining([running])).toBeNull();
    expect(remaining([ended], { numSamples: Infinity })).toBeNull();
  });

  test('is 0 at the end', () => {
    expect(remaining([ended, { status: 'ERROR' }], { numSamples: 2 })).toBe(0);
    expect(remaining([], { numSamples: 0 })).toBe(0);
  });

  test('is at most what a time budget leaves', () => {
    expect(remaining([ended], { numSamples: Infinity, timeBudgetMs: 100_000 })).toBe(17_000);
    expect(remaining([running], { timeBudgetMs: 80_000 })).toBe(0);
    expect(remaining([ended], { numSamples: 2, timeBudgetMs: 100_000 })).toBe(10_000);
  });
});

describe('a table', () => {
  const waiting = ['trial 00007 waits for 1 GPU (0.5 of 1 is free)'];

  test('of 80 columns', () => {
    expect(tableText(stateOf(RUN, { waiting }))).toBe(TABLE_80);
  });

  test('of 120 columns', () => {
    expect(tableText(stateOf(RUN, { waiting }), { width: 120 })).toBe(TABLE_120);
  });

  test('of 40 columns', () => {
    expect(tableText(stateOf(RUN, { waiting }), { width: 40 })).toBe(TABLE_40);
  });

  test('at the end', () => {
    const trials = RUN.filter(({ status }) => status === undefined || status === 'ERROR');
    expect(tableText(stateOf(trials, { numSamples: 4, waiting }), { done: true })).toBe(TABLE_DONE);
  });

  test('of several metrics, and of none', () => {
    const two = { metrics: ['loss', 'accuracy'], modes: ['min', 'max'] as const };
    expect(tableText(stateOf(RUN.slice(4), { path: null, resources: [] }, two))).toBe(
      TABLE_TWO_METRICS,
    );
    const none = { metrics: [], modes: [] };
    expect(tableText(stateOf(RUN.slice(4), { path: null, numSamples: Infinity }, none))).toBe(
      TABLE_NO_METRIC,
    );
  });

  test('before the first trial', () => {
    expect(tableText(stateOf([]))).toBe(`
digits  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  0 of 40 trials ended, 1 min 23 s
40 to come · CPU 2/2, GPU 0.5/1
folder: ./eagleray_results/digits
`);
  });

  test('of the columns that are asked for, with their headings', () => {
    expect(
      tableText(stateOf(RUN.slice(5), { path: null, resources: [], numSamples: 3 }), {
        metricColumns: [['accuracy', 'acc']],
        parameterColumns: [['net.layers', 'depth']],
      }),
    ).toBe(TABLE_OWN_COLUMNS);
  });

  test('names what it has no room for', () => {
    const lines = tableView(stateOf(), { width: 60, height: 16, colours: false, done: false });
    expect(lines.length).toBeLessThanOrEqual(16);
    expect(lines.join('\n')).toContain('not shown: 3 more trials; columns net.layers, activation');
  });

  test('fits into any width, whatever others have called things', () => {
    const wide = 'モデルの実験🚀'.repeat(3);
    const trials = RUN.map((sketch) => ({ ...sketch, config: { [wide]: `値${wide}`, lr: 1 } }));
    const state = stateOf(
      trials,
      { waiting: [`試行 00007 は待っている ${wide}`], path: `/tmp/${wide}/${wide}` },
      { name: wide, parameters: [parameter(wide), parameter('lr')] },
    );
    for (let width = 1; width <= 130; width++) {
      for (const colours of [false, true]) {
        for (const line of tableView(state, { width, colours, done: false })) {
          expect(widthOf(stripVTControlCharacters(line))).toBeLessThanOrEqual(width);
        }
      }
    }
  });

  test('has the same text with colours, and none of them left open', () => {
    const coloured = tableText(stateOf(RUN, { waiting }), { colours: true });
    expect(stripVTControlCharacters(coloured)).toBe(TABLE_80);
    expect(coloured).toContain('\u001b[36mRUNNING\u001b[39m');
    expect(coloured).toContain('\u001b[1mdigits\u001b[22m');
    for (const line of coloured.split('\n')) {
      let open: number | undefined;
      for (const [, code] of line.matchAll(/\u001b\[(\d+)m/g)) {
        const isEnd = code === '22' || code === '39';
        expect(open === undefined).toBe(!isEnd);
        open = isEnd ? undefined : Number(code);
      }
      expect(open).toBeUndefined();
    }
  });

  test('has long errors in three lines, and says how many there were earlier', () => {
    const failed = Array.from({ length: ERRORS_MAX + 1 }, (): TrialSketch => ({
      status: 'ERROR',
      error: { message: 'no '.repeat(200) },
    }));
    const lines = tableView(stateOf(failed), { width: 80, colours: false, done: false });
    const place = lines.indexOf('failed earlier: 1 more');
    expect(place).toBeGreaterThan(0);
    expect(lines[place + 1]).toMatch(/^failed 00001: Error: no no /);
    expect(lines[place + 3]).toBe('  …');
  });

  test('leaves room for trials where there are many errors and reasons to wait', () => {
    const trials: readonly TrialSketch[] = [
      ...RUN,
      ...Array.from({ length: 9 }, (): TrialSketch => ({ status: 'ERROR' })),
    ];
    const many = Array.from({ length: 9 }, (_, at) => `reason ${at}`);
    const options = { width: 80, height: 24, colours: false, done: false };
    const lines = tableView(stateOf(trials, { waiting: many }), options);
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(lines.filter((line) => line.startsWith('waiting'))).toEqual([
      'waiting: reason 0',
      'waiting: reason 1',
      'waiting: reason 2',
      'waiting: 6 more',
    ]);
    expect(lines.filter((line) => line.startsWith('failed'))).toHaveLength(4);
    expect(lines).toContain('failed earlier: 7 more');
  });
});

describe('lines', () => {
  function written(states: readonly ReporterState[]): string[] {
    let memory: LineMemory | undefined;
    return states.flatMap((state, place) => {
      const view = lineView(state, memory, place === states.length - 1);
      memory = view.memory;
      return [...view.lines, '--'];
    });
  }

  test('say what is new', () => {
    const begin = stateOf([], { elapsedMs: 0 });
    const waiting = stateOf(RUN.slice(0, 2), { waiting: ['no CPU is free'] });
    const middle = stateOf(RUN, { waiting: ['no CPU is free'], elapsedMs: 90_000 });
    const same = stateOf(RUN, { elapsedMs: 95_000 });
    const end = stateOf(RUN.slice(0, 3), { elapsedMs: 200_000, numSamples: 3 });
    expect(written([begin, waiting, middle, same, end])).toEqual([
      'digits: 40 trials, min loss, folder ./eagleray_results/digits',
      'digits: 0 of 40 trials ended, 40 to come, 0 s',
      '--',
      'digits: waiting: no CPU is free',
      'digits: 2 of 40 trials ended, 38 to come, best loss 0.083333 (trial 00001, iteration 12), 1 min 23 s, about 3 min 48 s left',
      '--',
      'digits: trial 00002 failed: Error: loss is not finite',
      'digits: 4 of 40 trials ended, 2 running, 1 paused, 33 to come, 1 failed, best loss 0.083333 (trial 00001, iteration 12), 1 min 30 s, about 2 min 4 s left',
      '--',
      '--',
      'digits: 3 of 3 trials ended, 1 failed, best loss 0.083333 (trial 00001, iteration 12), 3 min 20 s, done',
      'digits: config of trial 00001: lr=0.01, net.layers=3, activation=tanh',
      'digits: folder: ./eagleray_results/digits',
      '--',
    ]);
  });

  test('say it again when a trial waits once more', () => {
    const waits = stateOf([], { waiting: ['no CPU is free'] });
    const lines = written([waits, stateOf([]), waits, stateOf([])]);
    expect(lines.filter((line) => line.includes('waiting'))).toHaveLength(2);
  });

  test('count the failures that are too many to list', () => {
    const failed = Array.from({ length: ERRORS_MAX + 2 }, (): TrialSketch => ({ status: 'ERROR' }));
    const lines = written([stateOf([]), stateOf(failed)]);
    expect(lines).toContain('digits: 2 other trials failed');
    expect(lines.filter((line) => line.endsWith('failed: Error: boom'))).toHaveLength(ERRORS_MAX);
  });

  test('know no end of trials, and no folder', () => {
    const state = stateOf([{ reports: falling(1, 1) }], { numSamples: Infinity, path: null });
    expect(written([state])).toEqual([
      'digits: trials without end, min loss',
      'digits: 1 trial ended, best loss 1 (trial 00000, iteration 1), 1 min 23 s, done',
      '--',
    ]);
  });
});

// Looked at one by one before they were written down here.
const TABLE_80 = `
digits
━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  4 of 40 trials ended, 1 min 23 s, about 2 min 4 s left
2 running, 1 paused, 33 to come, 1 failed · CPU 2/2, GPU 0.5/1
best loss 0.083333 (trial 00001, iteration 12) with lr=0.01, net.layers=3,
  activation=tanh
waiting: trial 00007 waits for 1 GPU (0.5 of 1 is free)

trial  status      iter  time      loss  course           lr  net.lay…  activat…
00005  RUNNING        5   5 s       0.4  █▄▂▁▁     0.0012346         3  silu
00006  RUNNING        0   3 s                            0.7         2  relu
00001  TERMINATED    12  12 s  0.083333  ▂▂▁▁▁▁▁▁       0.01         3  tanh
00000  TERMINATED    12  12 s      0.25  ▂▂▁▁▁▁▁▁        0.1         2  relu
00003  PAUSED         4  10 s       0.5  █▃▂▁           0.03         2  gelu
00004  TERMINATED     3   3 s    1.3333  █▃▁             0.2         4  relu
00002  ERROR          2   2 s       4.5  █▁              0.5         1  relu
00007  PENDING        0                                  0.9         2  tanh
failed 00002: Error: loss is not finite
folder: ./eagleray_results/digits
`;
const TABLE_120 = `
digits  ━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  4 of 40 trials ended, 1 min 23 s, about 2 min 4 s left
2 running, 1 paused, 33 to come, 1 failed · CPU 2/2, GPU 0.5/1
best loss 0.083333 (trial 00001, iteration 12) with lr=0.01, net.layers=3, activation=tanh
waiting: trial 00007 waits for 1 GPU (0.5 of 1 is free)

trial  status      iter  time      loss  course               lr  net.layers  activation
00005  RUNNING        5   5 s       0.4  █▄▂▁▁         0.0012346           3  silu
00006  RUNNING        0   3 s                                0.7           2  relu
00001  TERMINATED    12  12 s  0.083333  █▄▃▂▂▂▁▁▁▁▁▁       0.01           3  tanh
00000  TERMINATED    12  12 s      0.25  █▄▃▂▂▂▁▁▁▁▁▁        0.1           2  relu
00003  PAUSED         4  10 s       0.5  █▃▂▁               0.03           2  gelu
00004  TERMINATED     3   3 s    1.3333  █▃▁                 0.2           4  relu
00002  ERROR          2   2 s       4.5  █▁                  0.5           1  relu
00007  PENDING        0                                      0.9           2  tanh
failed 00002: Error: loss is not finite
folder: ./eagleray_results/digits
`;
const TABLE_40 = `
digits
4 of 40 trials ended, 1 min 23 s, about
  2 min 4 s left
2 running, 1 paused, 33 to come, 1
  failed · CPU 2/2, GPU 0.5/1
best loss 0.083333 (trial 00001,
  iteration 12) with lr=0.01,
  net.layers=3, activation=tanh
waiting: trial 00007 waits for 1 GPU
  (0.5 of 1 is free)

trial  status          loss  course
00005  RUNNING          0.4  █▄▂▁▁
00006  RUNNING
00001  TERMINATED  0.083333  ▄▃▂▂▂▁▁▁▁▁▁
00000  TERMINATED      0.25  ▄▃▂▂▂▁▁▁▁▁▁
00003  PAUSED           0.5  █▃▂▁
00004  TERMINATED    1.3333  █▃▁
00002  ERROR            4.5  █▁
00007  PENDING
not shown: columns iter, time, lr, net.…
failed 00002: Error: loss is not finite
folder: ./eagleray_results/digits
`;
const TABLE_DONE = `
digits  ━━━━━━━━━━━━━━━━━━━━  4 of 4 trials ended, 1 min 23 s, done
1 failed
best loss 0.083333 (trial 00001, iteration 12) with lr=0.01, net.layers=3,
  activation=tanh

trial  status      iter  time      loss  course       lr  net.layers  activation
00001  TERMINATED    12  12 s  0.083333  ▂▂▂▁▁▁▁▁▁  0.01           3  tanh
00000  TERMINATED    12  12 s      0.25  ▂▂▂▁▁▁▁▁▁   0.1           2  relu
00003  TERMINATED     3   3 s    1.3333  █▃▁         0.2           4  relu
00002  ERROR          2   2 s       4.5  █▁          0.5           1  relu
failed 00002: Error: loss is not finite
folder: ./eagleray_results/digits
`;
const TABLE_TWO_METRICS = `
digits  ━╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  1 of 40 trials ended, 1 min 23 s, about 57 s left
2 running, 37 to come
best loss 0.4 (trial 00001, iteration 5) with lr=0.0012346, net.layers=3,
  activation=silu
best accuracy 0.66667 (trial 00001, iteration 5) with lr=0.0012346,
  net.layers=3, activation=silu

trial  status      iter  time    loss  accuracy  course         lr  net.layers
00001  RUNNING        5   5 s     0.4   0.66667  █▄▂▁▁   0.0012346           3
00002  RUNNING        0   3 s                                  0.7           2
00000  TERMINATED     3   3 s  1.3333         0  █▃▁           0.2           4
00003  PENDING        0                                        0.9           2
not shown: columns activation
`;
const TABLE_NO_METRIC = `
digits  1 trial ended, 1 min 23 s
2 running, 1 to come · CPU 2/2, GPU 0.5/1

trial  status      iter  time    loss  accuracy         lr  net.laye…  activati…
00001  RUNNING        5   5 s     0.4   0.66667  0.0012346          3  silu
00002  RUNNING        0   3 s                          0.7          2  relu
00000  TERMINATED     3   3 s  1.3333         0        0.2          4  relu
00003  PENDING        0                                0.9          2  tanh
`;
const TABLE_OWN_COLUMNS = `
digits  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  0 of 3 trials ended, 1 min 23 s
2 running, 1 to come
best loss 0.4 (trial 00000, iteration 5) with lr=0.0012346, net.layers=3,
  activation=silu

trial  status   iter  time      acc  course  depth
00000  RUNNING     5   5 s  0.66667  █▄▂▁▁       3
00001  RUNNING     0   3 s                       2
00002  PENDING     0                             2
`;
