/** Reporters at work: what stands on a terminal or in a file, and that other output is neither lost nor mixed up. */

import { execFile, spawnSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { describe, expect, test } from 'vitest';

import {
  jsonReporter,
  lineReporter,
  LINES_INTERVAL_MS,
  reporterOf,
  Reporting,
  tableReporter,
  type Reporter,
  type ReporterOutput,
} from '../../bindings/typescript/src/tune/reporters/reporters.ts';
import {
  reporterStateOf,
  type ReporterState,
} from '../../bindings/typescript/src/tune/reporters/state.ts';
import {
  abilitiesOf,
  LiveLines,
  writeText,
  type OutputStream,
} from '../../bindings/typescript/src/tune/reporters/terminal.ts';
import { Screen, ScreenStream } from './reporters-screen.ts';
import { BEGIN, experimentOf, LOSS, randomOf, type TrialSketch } from './results-fixture.ts';

/** Callbacks that run when the test says so. */
class Turns {
  #waiting: (() => void)[] = [];

  readonly soon = (callback: () => void): (() => void) => {
    this.#waiting.push(callback);
    return () => {
      this.#waiting = this.#waiting.filter((each) => each !== callback);
    };
  };

  pass(): void {
    for (const callback of this.#waiting.splice(0)) callback();
  }
}

function liveOn(
  screen: Screen,
  turns = new Turns(),
): {
  live: LiveLines;
  stderr: OutputStream;
  stdout: OutputStream;
  turns: Turns;
} {
  const stderr = new ScreenStream(screen);
  const stdout = new ScreenStream(screen);
  return { live: new LiveLines(stderr, [stderr, stdout], turns.soon), stderr, stdout, turns };
}

const INFO = {
  now: BEGIN,
  elapsedMs: 83_000,
  numSamples: 4,
  timeBudgetMs: null,
  maxConcurrentTrials: 2,
  waiting: [],
  resources: [],
  path: null,
};

function stateOf(trials: readonly TrialSketch[] = [{ reports: [{ loss: 0.5 }] }]): ReporterState {
  return reporterStateOf(experimentOf(LOSS, trials), INFO);
}

describe('what a stream is good for', () => {
  const terminal = { isTTY: true };
  const file = {};
  test.each([
    [terminal, {}, true, true],
    [terminal, { TERM: 'dumb' }, false, false],
    [terminal, { CI: 'true' }, false, true],
    [terminal, { CI: 'false' }, true, true],
    [terminal, { CI: '' }, true, true],
    [terminal, { NO_COLOR: '1' }, true, false],
    [terminal, { NO_COLOR: '' }, true, true],
    [terminal, { FORCE_COLOR: '0' }, true, false],
    [terminal, { FORCE_COLOR: '1', NO_COLOR: '1' }, true, true],
    [file, {}, false, false],
    [file, { FORCE_COLOR: '' }, false, true],
    [file, { FORCE_COLOR: '3' }, false, true],
    [file, { CI: 'true' }, false, false],
  ])('%j with %j', (stream, env, isLive, colours) => {
    expect(abilitiesOf(stream, env)).toEqual({ isLive, colours });
  });
});

describe('live lines', () => {
  test('are drawn in the place of those before', () => {
    const screen = new Screen();
    const { live } = liveOn(screen);
    screen.write('$ node tune.js\n');
    live.show(['one', 'two', 'three']);
    live.show(['1', '2']);
    expect(screen.text).toEqual(['$ node tune.js', '1', '2']);
    live.end(['done']);
    expect(screen.text).toEqual(['$ node tune.js', 'done']);
  });

  test('come back below what others write', () => {
    const screen = new Screen();
    const { live, stdout, stderr, turns } = liveOn(screen);
    live.show(['table']);
    stdout.write('from a worker\n');
    expect(screen.text).toEqual(['from a worker']);
    stderr.write('a warning\n');
    turns.pass();
    expect(screen.text).toEqual(['from a worker', 'a warning', 'table']);
  });

  test('wait until a line has ended, but not longer than until there is something new', () => {
    const screen = new Screen();
    const { live, stdout, turns } = liveOn(screen);
    live.show(['table']);
    stdout.write('loading ');
    turns.pass();
    expect(screen.text).toEqual(['loading']);
    stdout.write('done\n');
    turns.pass();
    expect(screen.text).toEqual(['loading done', 'table']);
    stdout.write('half a line');
    live.show(['newer']);
    expect(screen.text).toEqual(['loading done', 'half a line', 'newer']);
    stdout.write('the rest\n');
    live.end(['end']);
    expect(screen.text).toEqual(['loading done', 'half a line', 'the rest', 'end']);
  });

  test('are not written after the end, and the streams have their own write again', () => {
    const screen = new Screen();
    const { live, stdout, stderr, turns } = liveOn(screen);
    live.show(['table']);
    stdout.write('x\n');
    live.end(['end']);
    turns.pass();
    stdout.write('after\n');
    turns.pass();
    expect(screen.text).toEqual(['x', 'end', 'after']);
    expect(Object.hasOwn(stdout, 'write')).toBe(false);
    expect(Object.hasOwn(stderr, 'write')).toBe(false);
  });

  test('leave a write that somebody else has put before theirs', () => {
    const screen = new Screen();
    const { live, stdout } = liveOn(screen);
    live.show(['table']);
    const inner = stdout.write;
    const outer: OutputStream['write'] = (chunk) => inner.call(stdout, `> ${chunk}`);
    stdout.write = outer;
    stdout.write('x\n');
    live.end(['end']);
    expect(stdout.write).toBe(outer);
    stdout.write('y\n');
    expect(screen.text).toEqual(['> x', 'end', '> y']);
  });

  test.each([
    [10, 3],
    [9, 4], // a wide character does not fit into the last column
    [5, 6],
    [40, 2],
  ])(
    'are taken away in a terminal that has got %i columns since, too: %i rows',
    (columns, rows) => {
      const screen = new Screen(40);
      const { live } = liveOn(screen);
      live.show(['損'.repeat(9), 'short']);
      screen.columns = columns;
      expect(writtenBy(live, screen)).toBe(`\u001b[${rows}A\r\u001b[J`);
    },
  );

  test('are cut where they would be higher than the terminal, but not at the end', () => {
    const screen = new Screen(80, 5);
    const { live } = liveOn(screen);
    const lines = Array.from({ length: 9 }, (_, at) => `line ${at}`);
    screen.write('before\n');
    for (let round = 0; round < 3; round++) live.show(lines);
    expect(screen.text).toEqual(['before', ...lines.slice(0, 4)]);
    live.end(lines);
    expect(screen.text).toEqual(['before', ...lines]);
  });

  test('let a chunk of bytes through as it is', () => {
    const screen = new Screen();
    const { live, stdout, turns } = liveOn(screen);
    live.show(['table']);
    stdout.write(new TextEncoder().encode('bytes\n') as never);
    turns.pass();
    expect(screen.text).toEqual(['bytes', 'table']);
  });

  test.each([1, 2, 3, 4, 5])('never lose or mix other output: random case %i', (seed) => {
    const random = randomOf(seed);
    const screen = new Screen(30, 8);
    const { live, stdout, stderr, turns } = liveOn(screen);
    const others: string[] = [];
    for (let step = 0; step < 300; step++) {
      const what = random();
      if (what < 0.4) {
        const text = `output ${step} ${'損'.repeat(Math.floor(random() * 8))}`;
        others.push(text);
        (random() < 0.5 ? stdout : stderr).write(`${text}\n`);
      } else if (what < 0.7) {
        turns.pass();
      } else {
        live.show(
          Array.from({ length: Math.floor(random() * 12) }, (_, at) => `table ${step} ${at}`),
        );
      }
    }
    live.end(['end']);
    expect(screen.text.join('').replaceAll(' ', '')).toBe(
      [...others, 'end'].join('').replaceAll(' ', ''),
    );
  });

  test('do not keep a process alive', async () => {
    const program = `
      import { LiveLines } from './reporters/terminal.ts';
      const stream = Object.assign(process.stdout, { isTTY: true });
      const live = new LiveLines(stream, [stream]);
      live.show(['table']);
      stream.write('other\\n');
      setTimeout(() => stream.write('last\\n'), 20);
    `;
    const folder = join(import.meta.dirname, '../../bindings/typescript/src/tune');
    const { stdout } = await promisify(execFile)(
      process.execPath,
      ['--import', 'tsx', '--input-type=module', '--eval', program],
      { cwd: folder, timeout: 30_000 },
    );
    const screen = new Screen();
    screen.write(stdout);
    // Whether the table comes back once more is a matter of time: nothing waits for it.
    expect(screen.text.filter((line) => line !== 'table')).toEqual(['other', 'last']);
  });
});

describe('writing', () => {
  test('to a reader who has gone is no error', () => {
    const listeners: ((error: Error) => void)[] = [];
    const stream: OutputStream = {
      write(_chunk, callback) {
        callback?.(new Error('EPIPE'));
        return false;
      },
      listenerCount: () => listeners.length,
      once: (_event, listener) => listeners.push(listener),
    };
    writeText(stream, 'x');
    writeText(stream, 'y');
    // One listener takes the error that comes; more would pile up.
    expect(listeners).toHaveLength(1);
  });
});

describe('reporters', () => {
  function outputOf(
    screen: Screen,
    isTTY: boolean,
    env: ReporterOutput['env'] = {},
  ): () => ReporterOutput {
    const stream = new ScreenStream(screen, isTTY);
    return () => ({ stream, guarded: [stream], env });
  }

  test('a table is drawn in its place on a terminal', () => {
    const screen = new Screen(60);
    const reporter = tableReporter({}, outputOf(screen, true, { NO_COLOR: '1' }));
    void reporter.report(stateOf([]), false);
    void reporter.report(stateOf(), false);
    void reporter.report(stateOf(), true);
    expect(screen.text).toEqual([
      'digits  1 of 4 trials ended, 1 min 23 s, done',
      '3 to come',
      'best loss 0.5 (trial 00000, iteration 1)',
      '',
      'trial  status      iter  time  loss',
      '00000  TERMINATED     1   1 s   0.5',
    ]);
  });

  test('a table is written anew in a file, without colours', () => {
    const screen = new Screen();
    const reporter = tableReporter({}, outputOf(screen, false));
    void reporter.report(stateOf([]), false);
    void reporter.report(stateOf([]), true);
    expect(screen.text.filter((line) => line.includes('0 of 4 trials'))).toHaveLength(2);
  });

  test('auto is a table on a terminal and lines elsewhere; silent is nothing', () => {
    const isTable = (isTTY: boolean, env: ReporterOutput['env']): boolean => {
      const screen = new Screen();
      void reporterOf('Tuner', 'auto', outputOf(screen, isTTY, env))!.report(stateOf(), true);
      return screen.text.some((line) => line.startsWith('trial  status'));
    };
    expect(isTable(true, {})).toBe(true);
    expect(isTable(false, {})).toBe(false);
    expect(isTable(true, { CI: '1' })).toBe(false);
    expect(isTable(true, { TERM: 'dumb' })).toBe(false);
    expect(reporterOf('Tuner', 'silent')).toBeUndefined();
  });

  test('lines are what is new', () => {
    const screen = new Screen(200);
    const reporter = lineReporter({}, outputOf(screen, false));
    void reporter.report(stateOf(), false);
    void reporter.report(stateOf(), false);
    expect(screen.text).toEqual([
      'digits: 4 trials, min loss',
      'digits: 1 of 4 trials ended, 3 to come, best loss 0.5 (trial 00000, iteration 1), 1 min 23 s, about 2 s left',
    ]);
    expect(reporter.maxReportFrequencyMs).toBe(LINES_INTERVAL_MS);
  });

  test('JSON is a line for each report, with null for what is no number in it', () => {
    const written: string[] = [];
    const stream = new ScreenStream(new Screen());
    stream.write = (chunk) => written.push(chunk) > 0;
    const reporter = jsonReporter({}, () => ({ stream, guarded: [], env: {} }));
    const config = { lr: { exact: 3n } };
    void reporter.report(stateOf([{ config, reports: [{ loss: NaN }] }]), true);
    expect(written).toHaveLength(1);
    expect(written[0]!.indexOf('\n')).toBe(written[0]!.length - 1);
    expect(JSON.parse(written[0]!)).toMatchObject({
      name: 'digits',
      done: true,
      counts: { TERMINATED: 1 },
      best: [],
      trials: [{ trialId: '00000', config: { lr: { exact: '3n' } }, values: [null] }],
    });
  });

  test('touch no stream before they report', () => {
    const output = (): never => expect.unreachable();
    expect(() => [
      tableReporter({}, output),
      lineReporter({}, output),
      jsonReporter({}, output),
      reporterOf('Tuner', 'auto', output),
    ]).not.toThrow();
  });

  test('options are checked', () => {
    expect(() => tableReporter({ maxProgressRows: -1 })).toThrow(/maxProgressRows is -1/);
    expect(() => tableReporter({ metricColumns: 'loss' } as never)).toThrow(
      /metricColumns is "loss"/,
    );
    expect(() => tableReporter({ metricColumns: [1] } as never)).toThrow(/metricColumns\[0\] is 1/);
    expect(() => tableReporter({ parameterColumns: { lr: '' } })).toThrow(
      /parameterColumns.lr is ""/,
    );
    expect(() => tableReporter({ sortBy: true } as never)).toThrow(/no option sortBy/);
    expect(() => reporterOf('Tuner', 'loud')).toThrow(/Tuner: reporter is "loud"; allowed: 'auto'/);
    expect(() => reporterOf('Tuner', {})).toThrow(/an object with a method report/);
    const own = { report: () => undefined };
    expect(reporterOf('Tuner', own)).toBe(own);
  });

  test('headings and columns are the user’s', () => {
    const screen = new Screen();
    const trials: TrialSketch[] = [{ config: { lr: 2 }, reports: [{ eval: { loss: 3 } }] }];
    const reporter = tableReporter(
      { metricColumns: { 'eval.loss': 'val' }, parameterColumns: ['lr'] },
      outputOf(screen, false),
    );
    void reporter.report(stateOf(trials), true);
    expect(screen.text).toContain('trial  status      iter  time  val  lr');
    expect(screen.text).toContain('00000  TERMINATED     1   1 s    3   2');
  });
});

describe('when a report is due', () => {
  const experiment = experimentOf(LOSS, [{ reports: [{ loss: 1 }] }]);

  test('at once, and then as often as the reporter says', async () => {
    const calls: boolean[] = [];
    const reporter: Reporter = {
      maxReportFrequencyMs: 100,
      report: (_state, done) => void calls.push(done),
    };
    const reporting = new Reporting(reporter);
    expect(reporting.isDue(0)).toBe(true);
    await reporting.report(experiment, INFO, { nowMs: 0, done: false });
    expect([reporting.isDue(99), reporting.isDue(100)]).toEqual([false, true]);
    await reporting.report(experiment, INFO, { nowMs: 50, done: true });
    expect(reporting.isDue(149)).toBe(false);
    expect(calls).toEqual([false, true]);
  });

  test('every five seconds unless it says so, and never again with Infinity', async () => {
    const reporting = new Reporting({ report: () => undefined });
    await reporting.report(experiment, INFO, { nowMs: 0, done: false });
    expect([reporting.isDue(4999), reporting.isDue(5000)]).toEqual([false, true]);
    const table = tableReporter({ maxReportFrequencyMs: Infinity });
    expect(table.maxReportFrequencyMs).toBe(Infinity);
  });

  test('it gets as many trials as it wants, and what it throws is the caller’s', async () => {
    let trials = -1;
    const many = experimentOf(
      LOSS,
      Array.from({ length: 30 }, () => ({ reports: [{ loss: 1 }] })),
    );
    const counting = new Reporting({
      maxProgressRows: 7,
      report: (state) => void (trials = state.trials.length),
    });
    await counting.report(many, INFO, { nowMs: 0, done: false });
    expect(trials).toBe(7);
    const failing = new Reporting({ report: () => Promise.reject(new Error('mine')) });
    await expect(failing.report(many, INFO, { nowMs: 0, done: true })).rejects.toThrow('mine');
  });
});

/** What `live` writes to take its lines away. */
function writtenBy(live: LiveLines, screen: Screen): string {
  const write = screen.write.bind(screen);
  let text = '';
  screen.write = (chunk) => {
    text += chunk;
    write(chunk);
  };
  live.end([]);
  screen.write = write;
  return text;
}

test.each([
  ['lineReporter', lineReporter],
  ['jsonReporter', jsonReporter],
])('%s has no options, and says so', (name, make) => {
  for (const options of [5, 'x', null, [], { maxReportFrequencyMs: 5 }]) {
    expect(() => make(options as never)).toThrow(`${name}(): `);
    expect(() => make(options as never)).toThrow(
      expect.objectContaining({ name: 'InvalidArgumentError' }),
    );
  }
  expect(() => [make(), make({})]).not.toThrow();
});

describe('the line of the core while a program waits', () => {
  const DRIVER = fileURLToPath(new URL('./fixtures/terminal-driver.mjs', import.meta.url));
  const LINE = 'tasks done';

  function writtenBy(waits: string, CI: string): string {
    // As a terminal it is a device, and it says that it is one.
    const device = openSync('/dev/null', 'w');
    try {
      const { stdout } = spawnSync(process.execPath, [DRIVER, JSON.stringify({ waits })], {
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', device],
        env: { ...process.env, CI, TERM: 'xterm' },
      });
      return JSON.parse(stdout) as string;
    } finally {
      closeSync(device);
    }
  }

  test('is drawn for get on a terminal, and on none of a build server', () => {
    expect(writtenBy('get', '')).toContain(LINE);
    expect(writtenBy('get', 'true')).toBe('');
  });

  test('is not drawn while an experiment runs: nothing is with a silent reporter', () => {
    expect(writtenBy('silent', '')).toBe('');
    const table = writtenBy('auto', '');
    expect(table).toContain('\u001B[');
    expect(table).not.toContain(LINE);
    const lines = writtenBy('auto', 'true');
    expect(lines).not.toBe('');
    expect(lines).not.toContain(LINE);
    expect(lines.replaceAll(/\u001B\[\d+m/g, '')).not.toContain('\u001B');
  });
});
