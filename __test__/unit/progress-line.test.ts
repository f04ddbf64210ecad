/** The progress line: when it shows, what it shows, and that it never mixes with other output. */
import { describe, expect, test } from 'vitest';
import {
  formatProgress,
  PROGRESS_DELAY_MS_DEFAULT,
  PROGRESS_INTERVAL_MS_DEFAULT,
  ProgressLine,
  type Progress,
  type ProgressLineOptions,
} from '../../bindings/typescript/src/progress-line.ts';
import { VirtualTime } from './virtual-time.ts';

/** A terminal that keeps what stands on its lines, as far as the codes that are used here need it. */
class Terminal {
  readonly isTTY: boolean;
  columns = 80;
  raw = '';
  lines = [''];

  constructor(isTTY = true) {
    this.isTTY = isTTY;
  }

  write(text: string): boolean {
    this.raw += text;
    // oxlint-disable-next-line no-control-regex
    for (const piece of text.split(/(\r|\n|\u001B\[2K)/)) {
      if (piece === '\n') this.lines.push('');
      else if (piece === '\u001B[2K') this.lines[this.lines.length - 1] = '';
      else if (piece !== '\r') this.lines[this.lines.length - 1] += piece;
    }
    return true;
  }
}

function create(options: Partial<ProgressLineOptions> = {}) {
  const time = new VirtualTime();
  const terminal = new Terminal();
  const progress = { done: 12, running: 4, pending: 24 };
  const line = new ProgressLine({
    stream: terminal,
    read: (): Progress => progress,
    now: time.now,
    schedule: time.schedule,
    env: {},
    ...options,
  });
  return { time, terminal, progress, line };
}

const TEXT = '12 of 40 tasks done, 4 running, 24 pending';

describe('formatProgress', () => {
  test('says what is done, running and pending, and for how long', () => {
    const progress = { done: 12, running: 4, pending: 24 };
    expect(formatProgress(progress, 12_345, 80)).toBe(`${TEXT} (12 s)`);
    expect(formatProgress(progress, 125_000, 80)).toBe(`${TEXT} (2 min 5 s)`);
  });

  test('is always shorter than the terminal is wide', () => {
    const progress = { done: 1e6, running: 1e3, pending: 1e9 };
    for (const columns of [0, 1, 2, 20, 79, 80, 200]) {
      const text = formatProgress(progress, 1e9, columns);
      expect(text.length).toBeLessThanOrEqual(Math.max(0, columns - 1));
    }
  });
});

describe('ProgressLine', () => {
  test('appears when a wait lasts, keeps up to date, and leaves nothing behind', () => {
    const { line, terminal, time, progress } = create();
    const done = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT - 1);
    expect(terminal.raw).toBe('');
    time.advance(1);
    expect(terminal.lines).toEqual([`${TEXT} (2 s)`]);
    progress.done = 13;
    progress.pending = 23;
    time.advance(PROGRESS_INTERVAL_MS_DEFAULT);
    expect(terminal.lines).toEqual(['13 of 40 tasks done, 4 running, 23 pending (2 s)']);
    done();
    expect(terminal.lines).toEqual(['']);
    expect(time.pendingTimers).toBe(0);
  });

  test.each(['', '0', 'false'])('CI=%j is no build server', (CI) => {
    const { line, terminal, time } = create({ env: { CI, TERM: 'xterm' } });
    const done = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT);
    expect(terminal.lines).toEqual([`${TEXT} (2 s)`]);
    done();
  });

  test('a short wait shows nothing', () => {
    const { line, terminal, time } = create();
    line.waiting()();
    time.advance(60_000);
    expect(terminal.raw).toBe('');
    expect(time.pendingTimers).toBe(0);
  });

  test('stays until the last of several waits has ended', () => {
    const { line, terminal, time } = create();
    const first = line.waiting();
    const second = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT);
    first();
    first();
    expect(terminal.lines).toEqual([`${TEXT} (2 s)`]);
    expect(time.pendingTimers).toBe(1);
    second();
    expect(terminal.lines).toEqual(['']);
    expect(time.pendingTimers).toBe(0);
  });

  test('a new wait starts its time anew', () => {
    const { line, terminal, time } = create();
    const first = line.waiting();
    time.advance(10_000);
    first();
    const second = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT);
    expect(terminal.lines).toEqual([`${TEXT} (2 s)`]);
    second();
  });

  test.each([
    ['the stream is no terminal', { stream: new Terminal(false) }],
    ['logToDriver is false', { wanted: false }],
    ['a build server shows the stream', { env: { CI: 'true' } }],
    ['the terminal can not take lines away', { env: { TERM: 'dumb' } }],
  ])('is off when %s', (_, options) => {
    const { line, time, terminal } = create(options);
    const done = line.waiting();
    expect(time.pendingTimers).toBe(0);
    time.advance(60_000);
    done();
    line.clear();
    expect(terminal.raw).toBe('');
  });

  test('makes way for other output on its own stream and comes back below it', () => {
    const { line, terminal, time } = create();
    const done = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT);
    terminal.write('(work pid=1) hello\n');
    expect(terminal.lines).toEqual(['(work pid=1) hello', '']);
    time.advance(PROGRESS_INTERVAL_MS_DEFAULT);
    expect(terminal.lines).toEqual(['(work pid=1) hello', `${TEXT} (2 s)`]);
    done();
    expect(terminal.lines).toEqual(['(work pid=1) hello', '']);
  });

  test('makes way for output on the other stream of the same terminal', () => {
    const screen = new Terminal();
    const stdout = { isTTY: true, write: (text: string) => screen.write(text) };
    const stderr = { isTTY: true, columns: 80, write: (text: string) => screen.write(text) };
    const { line, time } = create({ stream: stderr, guarded: [stdout, stderr] });
    const done = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT);
    stdout.write('result\n');
    expect(screen.lines).toEqual(['result', '']);
    time.advance(PROGRESS_INTERVAL_MS_DEFAULT);
    expect(screen.lines).toEqual(['result', `${TEXT} (2 s)`]);
    done();
    expect(screen.lines).toEqual(['result', '']);
  });

  test('gives the streams their own write back, whether own or inherited', () => {
    const own = { isTTY: true, write: () => true };
    const ownWrite = own.write;
    const inherited = new Terminal();
    const { line, time } = create({ guarded: [own, inherited] });
    const done = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT);
    expect(own.write).not.toBe(ownWrite);
    expect(Object.hasOwn(inherited, 'write')).toBe(true);
    done();
    expect(own.write).toBe(ownWrite);
    expect(Object.hasOwn(inherited, 'write')).toBe(false);
  });

  test('leaves a write alone that somebody has wrapped meanwhile', () => {
    const { line, terminal, time } = create();
    const done = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT);
    const guarded = terminal.write;
    const seen: string[] = [];
    const wrapped = (text: string): boolean => {
      seen.push(text);
      return guarded.call(terminal, text);
    };
    terminal.write = wrapped;
    done();
    expect(terminal.write).toBe(wrapped);
    terminal.write('after\n');
    expect(seen).toContain('after\n');
    expect(terminal.lines).toEqual(['after', '']);
  });

  test('passes callbacks and results of write through', () => {
    const calls: unknown[][] = [];
    const stream = {
      isTTY: true,
      columns: 80,
      write: (...args: unknown[]) => {
        calls.push(args);
        return false;
      },
    };
    const { line, time } = create({ stream });
    const done = line.waiting();
    time.advance(PROGRESS_DELAY_MS_DEFAULT);
    const callback = (): void => {};
    expect((stream.write as (...args: unknown[]) => boolean)('x', 'utf8', callback)).toBe(false);
    expect(calls.at(-1)).toEqual(['x', 'utf8', callback]);
    done();
  });
});
