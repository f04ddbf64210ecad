/** Output of workers: prefixes, folding of repeated lines, and that no line is lost. */
import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import {
  FOLD_WINDOW_MS_DEFAULT,
  FOLDED_LENGTH_MAX,
  LogOutput,
  REMEMBERED_LINES_MAX,
  wantsColour,
  type LogOutputOptions,
} from '../../bindings/typescript/src/log-output.ts';
import { VirtualTime } from './virtual-time.ts';

function create(options: LogOutputOptions = {}) {
  const time = new VirtualTime();
  const stdout: string[] = [];
  const stderr: string[] = [];
  const output = new LogOutput(
    (text) => stdout.push(text),
    (text) => stderr.push(text),
    { now: time.now, schedule: time.schedule, ...options },
  );
  return { time, stdout, stderr, output };
}

test('a line goes to its stream at once, with the name and pid of who wrote it', () => {
  const { output, stdout, stderr } = create();
  output.line('square', 123, 'stdout', 'hello');
  output.line('Counter', 124, 'stderr', 'careful');
  output.line('square', 123, 'stdout', '');
  expect(stdout).toEqual(['(square pid=123) hello\n', '(square pid=123) \n']);
  expect(stderr).toEqual(['(Counter pid=124) careful\n']);
});

describe('folding', () => {
  test('the same line from several workers is printed once, then counted', () => {
    const { output, stdout, time } = create();
    output.line('work', 1, 'stdout', 'ready');
    for (const pid of [2, 3, 2, 3]) output.line('work', pid, 'stdout', 'ready');
    expect(stdout).toEqual(['(work pid=1) ready\n']);
    time.advance(FOLD_WINDOW_MS_DEFAULT);
    expect(stdout).toEqual([
      '(work pid=1) ready\n',
      '(work pid=3) ready [repeated 4x across 2 workers]\n',
    ]);
  });

  test('a single repetition is printed as it came', () => {
    const { output, stdout, time } = create();
    output.line('work', 1, 'stdout', 'ready');
    output.line('other', 2, 'stdout', 'ready');
    time.advance(FOLD_WINDOW_MS_DEFAULT);
    expect(stdout).toEqual(['(work pid=1) ready\n', '(other pid=2) ready\n']);
  });

  test('several repetitions by one worker say so', () => {
    const { output, stdout } = create();
    for (const pid of [1, 2, 2]) output.line('work', pid, 'stdout', 'ready');
    output.flush();
    expect(stdout[1]).toBe('(work pid=2) ready [repeated 2x across 1 worker]\n');
  });

  test('what one worker repeats is not folded', () => {
    const { output, stdout } = create();
    for (let i = 0; i < 3; i++) output.line('work', 1, 'stdout', 'again');
    expect(stdout).toHaveLength(3);
  });

  test('lines that differ, or go to the other stream, are not folded', () => {
    const { output, stdout, stderr } = create();
    output.line('work', 1, 'stdout', 'step 1');
    output.line('work', 2, 'stdout', 'step 2');
    output.line('work', 2, 'stderr', 'step 1');
    expect(stdout).toHaveLength(2);
    expect(stderr).toHaveLength(1);
  });

  test('after the window the same line is printed at once again', () => {
    const { output, stdout, time } = create();
    output.line('work', 1, 'stdout', 'tick');
    time.advance(FOLD_WINDOW_MS_DEFAULT);
    output.line('work', 2, 'stdout', 'tick');
    expect(stdout).toEqual(['(work pid=1) tick\n', '(work pid=2) tick\n']);
  });

  test('an overdue timer does not lengthen the window', () => {
    // A busy driver: time has passed, but no timer could run.
    const late = { ms: 0 };
    const { output, stdout } = create({ now: () => late.ms, schedule: () => () => {} });
    output.line('work', 1, 'stdout', 'tick');
    output.line('work', 2, 'stdout', 'tick');
    late.ms = FOLD_WINDOW_MS_DEFAULT + 1;
    output.line('work', 3, 'stdout', 'tick');
    expect(stdout).toEqual(['(work pid=1) tick\n', '(work pid=2) tick\n', '(work pid=3) tick\n']);
  });

  test('a window of 0 prints everything', () => {
    const { output, stdout, time } = create({ foldWindowMs: 0 });
    for (const pid of [1, 2, 3]) output.line('work', pid, 'stdout', 'ready');
    expect(stdout).toHaveLength(3);
    expect(time.pendingTimers).toBe(0);
  });

  test('each line has a window of its own, and no timer is left when all are over', () => {
    const { output, stdout, time } = create();
    for (const pid of [1, 2, 3]) output.line('work', pid, 'stdout', 'first');
    time.advance(3000);
    for (const pid of [1, 2, 3]) output.line('work', pid, 'stdout', 'second');
    time.advance(2000);
    expect(stdout.at(-1)).toBe('(work pid=3) first [repeated 2x across 2 workers]\n');
    expect(time.pendingTimers).toBe(1);
    time.advance(3000);
    expect(stdout.at(-1)).toBe('(work pid=3) second [repeated 2x across 2 workers]\n');
    expect(time.pendingTimers).toBe(0);
  });
});

describe('no line is lost', () => {
  test('flush prints what is held back and stops the timer', () => {
    const { output, stdout, time } = create();
    for (const pid of [1, 2, 3]) output.line('work', pid, 'stdout', 'ready');
    output.flush();
    expect(stdout.at(-1)).toBe('(work pid=3) ready [repeated 2x across 2 workers]\n');
    expect(time.pendingTimers).toBe(0);
    output.flush();
    expect(stdout).toHaveLength(2);
  });

  test('more different lines than are remembered: the oldest repetitions come out', () => {
    const { output, stdout } = create();
    for (const pid of [1, 2, 3]) output.line('work', pid, 'stdout', 'first');
    for (let i = 0; i < REMEMBERED_LINES_MAX; i++) output.line('work', 1, 'stdout', `line ${i}`);
    expect(stdout).toHaveLength(REMEMBERED_LINES_MAX + 2);
    expect(stdout).toContain('(work pid=3) first [repeated 2x across 2 workers]\n');
  });

  test('very long lines are printed and not remembered', () => {
    const { output, stdout, time } = create();
    const long = 'x'.repeat(FOLDED_LENGTH_MAX + 1);
    for (const pid of [1, 2, 3]) output.line('work', pid, 'stdout', long);
    expect(stdout).toHaveLength(3);
    expect(time.pendingTimers).toBe(0);
  });

  test('the counts of random output add up to what was written', () => {
    let state = 7;
    const random = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % below;
    };
    const { output, stdout, stderr, time } = create();
    const written = new Map<string, number>();
    for (let i = 0; i < 5000; i++) {
      const stream = random(2) === 0 ? 'stdout' : 'stderr';
      const text = `line ${random(20)}`;
      written.set(`${stream} ${text}`, (written.get(`${stream} ${text}`) ?? 0) + 1);
      output.line('work', random(8), stream, text);
      if (random(50) === 0) time.advance(random(4000));
    }
    output.flush();
    const printed = new Map<string, number>();
    for (const [stream, lines] of [['stdout', stdout] as const, ['stderr', stderr] as const]) {
      for (const line of lines) {
        const match = /^\(work pid=\d\) (line \d+)(?: \[repeated (\d+)x .*\])?\n$/.exec(line);
        const key = `${stream} ${match![1]}`;
        printed.set(key, (printed.get(key) ?? 0) + Number(match![2] ?? 1));
      }
    }
    expect(printed).toEqual(written);
    expect(stdout.length + stderr.length).toBeLessThan(5000);
  });
});

describe('colour', () => {
  test('prefixes and counts are coloured on the streams that are terminals', () => {
    const { output, stdout, stderr } = create({ wantsColour: (stream) => stream === 'stdout' });
    for (const pid of [1, 2, 3]) output.line('work', pid, 'stdout', 'ready');
    output.line('work', 1, 'stderr', 'plain');
    output.flush();
    expect(stdout).toEqual([
      '\u001B[36m(work pid=1)\u001B[39m ready\n',
      '\u001B[36m(work pid=3)\u001B[39m ready\u001B[32m [repeated 2x across 2 workers]\u001B[39m\n',
    ]);
    expect(stderr).toEqual(['(work pid=1) plain\n']);
  });

  test('is wanted on terminals only, and not where the environment refuses it', () => {
    expect(wantsColour({ isTTY: true }, {})).toBe(true);
    expect(wantsColour({ isTTY: false }, {})).toBe(false);
    expect(wantsColour({}, {})).toBe(false);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: '1' })).toBe(false);
    expect(wantsColour({ isTTY: true }, { NO_COLOR: '' })).toBe(true);
    expect(wantsColour({ isTTY: true }, { TERM: 'dumb' })).toBe(false);
  });
});

test('a line that is held back does not keep the process alive', () => {
  const module = new URL('../../bindings/typescript/src/log-output.ts', import.meta.url).href;
  const program = `
    import { LogOutput } from ${JSON.stringify(module)};
    const output = new LogOutput((text) => process.stdout.write(text), () => {}, { foldWindowMs: 2 ** 30 });
    for (const pid of [1, 2, 3]) output.line('work', pid, 'stdout', 'ready');
    process.on('exit', () => output.flush());
  `;
  const { stdout, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', '--input-type=module', '--eval', program],
    { encoding: 'utf8', timeout: 60_000 },
  );
  expect(status).toBe(0);
  expect(stdout).toContain('[repeated 2x across 2 workers]');
});
