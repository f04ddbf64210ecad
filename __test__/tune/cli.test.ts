/** `eagleray tune`: what is printed, written and returned, for arguments of all kinds, without files. */

import { describe, expect, test } from 'vitest';

import { StorageError } from '../../bindings/typescript/src/tune/errors.ts';
import type { ExperimentRecord } from '../../bindings/typescript/src/tune/experiment/record.ts';
import { main, type CommandHost } from '../../bindings/typescript/src/tune/cli/main.ts';
import { BEGIN, experimentOf, LOSS } from './results-fixture.ts';
import { parseCsv } from './results-oracle.ts';

const lr = { name: 'lr', path: ['lr'], kind: 'uniform' as const, args: [0, 1] };

const DIGITS = experimentOf({ ...LOSS, parameters: [lr] }, [
  {
    config: { lr: 0.5 },
    reports: [
      { loss: 3, note: 'a' },
      { loss: 2, note: 'b' },
    ],
  },
  {
    config: { lr: 0.1 },
    status: 'ERROR',
    reports: [{ loss: 0.1 }],
    error: { message: 'two\nlines' },
  },
  { config: { lr: 0.25 }, reports: [{ loss: 1, note: 'c' }], stopReason: 'scheduler' },
  { config: { lr: 0.75 }, reports: [{ loss: NaN }] },
  { config: { lr: 0.9 }, status: 'PENDING' },
]);

const SPEECH = experimentOf(
  { name: 'speech', metrics: ['wer', 'size'], modes: ['min', 'max'], createdAt: BEGIN + 3_600_000 },
  [
    { reports: [{ wer: 0.12345678, size: 7 }] },
    { reports: [{ wer: 0.5, size: 9 }], status: 'PAUSED' },
  ],
);

const EXPERIMENTS: Readonly<Record<string, ExperimentRecord>> = {
  'all/speech': SPEECH,
  'all/digits': DIGITS,
  'all/empty': experimentOf({ name: 'empty', createdAt: BEGIN - 1 }, []),
};

interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function run(args: string, host: Partial<CommandHost> = {}): Promise<Outcome> {
  let out = '';
  let err = '';
  const code = await main(args === '' ? [] : args.split(' '), {
    stdout: (text) => (out += text),
    stderr: (text) => (err += text),
    load: (path) => {
      const experiment = EXPERIMENTS[path];
      if (experiment === undefined) throw new Error(`ENOENT: no such file, open '${path}'`);
      return experiment;
    },
    list: (folder) => Object.keys(EXPERIMENTS).filter((path) => path.startsWith(`${folder}/`)),
    write: (output, _experiment, path) => `${path}/${output}.file`,
    width: 80,
    ...host,
  });
  return { code, out, err };
}

describe('results', () => {
  test('are a table, the best first and the failed last', async () => {
    expect(await run('results all/digits')).toEqual({
      code: 0,
      err: '',
      out: `digits: 3 TERMINATED, 1 ERROR, 1 PENDING, best loss 1 (00002)

trial  status      iter  time  loss  note    lr  error
00002  TERMINATED     1   1 s     1  c     0.25
00000  TERMINATED     2   2 s     2  b      0.5
00003  TERMINATED     1   1 s   NaN        0.75
00004  PENDING        0   0 s               0.9
00001  ERROR          1   1 s   0.1         0.1  Error: two lines
`,
    });
  });

  test('name the columns that have no room, and are not cut where there is no terminal', async () => {
    const narrow = await run('results all/digits --limit 2', { width: 36 });
    expect(narrow.out).toBe(`digits: 3 TERMINATED, 1 ERROR, 1
  PENDING, best loss 1 (00002)

trial  status      iter  time  loss
00002  TERMINATED     1   1 s     1
00000  TERMINATED     2   2 s     2
not shown: 3 more trials; columns
  note, lr
`);
    const config = { text: 'x'.repeat(39) };
    const wide = experimentOf(LOSS, [{ config, reports: [{ loss: 1 }] }]);
    const piped = await run('results x', { load: () => wide, width: Infinity });
    expect(piped.out).toContain(config.text);
  });

  test.each([
    ['', '2 0 3 4 1'], // NaN and no value: in order of numbers
    ['--descending', '0 2 3 4 1'],
    ['--sort loss', '1 2 0 3 4'],
    ['--sort lr', '1 2 0 3 4'],
    ['--sort config.lr --descending', '4 3 0 2 1'],
    ['--sort note', '0 2 1 3 4'],
    ['--sort note --descending', '2 0 1 3 4'],
    ['--sort trialId', '0 1 2 3 4'],
    ['--sort durationMs --limit 2', '4 1'],
  ])('in the order of %j are %s', async (options, numbers) => {
    const { out } = await run(`results all/digits --json ${options}`.trim());
    const rows = JSON.parse(out) as { trialId: string }[];
    expect(rows.map(({ trialId }) => Number(trialId)).join(' ')).toBe(numbers);
  });

  test('of several metrics are by number', async () => {
    const { out } = await run('results all/speech');
    expect(out).toBe(`speech: 1 TERMINATED, 1 PAUSED, best wer 0.12346 (00000), size 9 (00001)

trial  status      iter  time      wer  size
00000  TERMINATED     1   1 s  0.12346     7
00001  PAUSED         1   1 s      0.5     9
`);
  });

  test('with mode max have the greatest first', async () => {
    const load = (): ExperimentRecord =>
      experimentOf(
        { metrics: ['acc'], modes: ['max'] },
        [1, 3, 2].map((acc) => ({ reports: [{ acc }] })),
      );
    const { out } = await run('results x --json', { load });
    expect((JSON.parse(out) as { acc: number }[]).map(({ acc }) => acc)).toEqual([3, 2, 1]);
  });

  test('are CSV with all columns', async () => {
    const { out, code } = await run('results all/digits --csv --limit 1');
    expect(code).toBe(0);
    expect(parseCsv(out)).toEqual([
      'trialId status stopReason iterations durationMs failures error loss note config.lr'.split(
        ' ',
      ),
      ['00002', 'TERMINATED', 'scheduler', '1', '1000', '0', '', '1', 'c', '0.25'],
    ]);
  });

  test('are JSON with null for what is no number in it', async () => {
    const { out } = await run('results all/digits --json --sort trialId');
    expect((JSON.parse(out) as unknown[])[3]).toMatchObject({ loss: null, 'config.lr': 0.75 });
  });

  test('of an experiment without trials are a line', async () => {
    expect((await run('results all/empty')).out).toBe('empty: no trials\n');
  });

  test('cannot do anything to a terminal', async () => {
    const nasty = '\u001b]0;owned\u0007\u001b[2J';
    const load = (): ExperimentRecord =>
      experimentOf({ name: nasty }, [
        { config: { [nasty]: nasty }, reports: [{ [nasty]: nasty }] },
      ]);
    const { out } = await run('results x', { load });
    expect(out).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  });

  test('have colours where that is wanted', async () => {
    expect((await run('results all/empty', { colours: true })).out).toBe(
      '\u001b[1mempty: no trials\u001b[22m\n',
    );
  });
});

describe('ls', () => {
  test('lists experiments, the latest last', async () => {
    expect((await run('ls all', { width: 120 })).out).toBe(
      `name    trials  best                                 status                            created
empty        0                                                                         2026-11-29 11:59 UTC
digits       5  loss 1 (00002)                       3 TERMINATED, 1 ERROR, 1 PENDING  2026-11-29 12:00 UTC
speech       2  wer 0.12346 (00000), size 9 (00001)  1 TERMINATED, 1 PAUSED            2026-11-29 13:00 UTC
`,
    );
  });

  test('is JSON for programs', async () => {
    const { out } = await run('ls all --json');
    expect(JSON.parse(out)).toMatchObject([
      { name: 'empty', path: 'all/empty', trials: {}, best: [] },
      {
        name: 'digits',
        createdAt: BEGIN,
        trials: { TERMINATED: 3, ERROR: 1, PENDING: 1 },
        best: [{ metric: 'loss', value: 1, trialId: '00002' }],
      },
      { name: 'speech', best: [{ metric: 'wer' }, { metric: 'size', trialId: '00001' }] },
    ]);
  });

  test('shows the others where one can’t be read, and says so', async () => {
    const list = (): string[] => ['all/digits', 'all/broken'];
    const { code, out, err } = await run('ls all', { list });
    expect(out).toContain('digits');
    expect(err).toBe("eagleray tune: all/broken: ENOENT: no such file, open 'all/broken'\n");
    expect(code).toBe(1);
  });

  test('says that there is nothing', async () => {
    expect(await run('ls none')).toEqual({
      code: 0,
      out: '',
      err: 'eagleray tune: there are no experiments in none\n',
    });
    expect((await run('ls none --json')).out).toBe('[]\n');
  });

  test('looks where experiments are unless something else is said', async () => {
    const asked: string[] = [];
    await run('ls', { list: (folder) => (asked.push(folder), []) });
    expect(asked).toEqual(['./eagleray_results']);
  });
});

describe('export and report', () => {
  test('write what is asked for, and print where', async () => {
    const written: unknown[] = [];
    const write: CommandHost['write'] = async (output, experiment, path) => {
      written.push([output, experiment.header.name, path]);
      return `${path}/${output}`;
    };
    expect(await run('export all/digits --html --csv --tensorboard --jsonl', { write })).toEqual({
      code: 0,
      out: 'all/digits/csv\nall/digits/jsonl\nall/digits/tensorboard\nall/digits/html\n',
      err: '',
    });
    expect((await run('report all/digits', { write })).out).toBe('all/digits/html\n');
    expect(written).toHaveLength(5);
    expect(written.at(-1)).toEqual(['html', 'digits', 'all/digits']);
  });

  test('say in one line what failed', async () => {
    const write = (): never => {
      throw new StorageError('the disk\nis full', { path: 'all/digits/results.csv' });
    };
    expect(await run('export all/digits --csv', { write })).toEqual({
      code: 1,
      out: '',
      err: 'eagleray tune: the disk is full\n',
    });
    const load = (): PromiseLike<never> => Promise.reject(new Error(''));
    expect((await run('report x', { load })).err).toBe('eagleray tune: Error\n');
  });
});

describe('arguments', () => {
  test.each([
    ['', 'no command is given; there are ls, results, export, report'],
    ['show x', 'there is no command "show"; there are ls, results, export, report'],
    ['toString', 'there is no command "toString"; there are ls, results, export, report'],
    ['results', 'results needs the folder of an experiment'],
    ['results a b', 'results takes one folder, not "b" too'],
    ['ls a b', 'ls takes one folder, not "b" too'],
    ['results a --limit 0', '--limit is "0"; it has to be a whole number from 1 up'],
    ['results a --limit 2x', '--limit is "2x"; it has to be a whole number from 1 up'],
    ['results a --json --csv', '--json and --csv exclude each other'],
    ['export a', 'export needs at least one of --csv, --jsonl, --tensorboard, --html'],
    ['report a --csv', "Unknown option '--csv'"],
    ['results a --sort', "Option '--sort <value>' argument missing"],
    [
      'results all/empty --sort los',
      '--sort: there is no column "los"; there are trialId, status, stopReason, iterations, durationMs, failures, error',
    ],
  ])('%j are refused', async (args, reason) => {
    expect(await run(args)).toEqual({
      code: 2,
      out: '',
      err: `eagleray tune: ${reason} (--help has more)\n`,
    });
  });

  test.each(['--help', '-h', 'help'])('%s explains the commands', async (args) => {
    const { code, out, err } = await run(args);
    expect([code, err]).toEqual([0, '']);
    for (const command of ['ls', 'results', 'export', 'report']) {
      expect(out).toContain(`eagleray tune ${command}`);
    }
  });

  test.each([
    ['ls', ['--json']],
    ['results', ['--sort', '--descending', '--limit', '--json', '--csv']],
    ['export', ['--csv', '--jsonl', '--tensorboard', '--html']],
    ['report', []],
  ])('%s --help explains its options', async (command, options) => {
    const { code, out } = await run(`${command} --help`);
    expect(code).toBe(0);
    expect(out).toContain(`eagleray tune ${command}`);
    for (const option of options) expect(out).toContain(option);
    expect(Math.max(...out.split('\n').map(({ length }) => length))).toBeLessThanOrEqual(120);
  });
});
