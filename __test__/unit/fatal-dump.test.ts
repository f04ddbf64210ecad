/** V8's dumps: what they say, what of them is shown, and that nothing else is lost. */

import { describe, expect, test } from 'vitest';

import {
  type ActorDiedError,
  OutOfMemoryError,
  WorkerCrashedError,
  fromWire,
  systemError,
  toWire,
} from '../../bindings/typescript/src/errors.ts';
import {
  DumpFilter,
  HELD_BACK_MS,
  readFatalMemory,
  withoutDump,
} from '../../bindings/typescript/src/fatal-dump.ts';

const NODE_20 = `
<--- Last few GCs --->

[4669:0x1c8ece20]      431 ms: Mark-Compact (reduce) 27.2 (60.2) -> 27.2 (29.2) MB, 55.92 / 0.00 ms  (average mu = 0.225, current mu = 0.001) last resort; GC in old space requested
[4669:0x1c8ece20]      487 ms: Mark-Compact (reduce) 27.2 (29.2) -> 27.1 (29.2) MB, 56.30 / 0.00 ms  (average mu = 0.126, current mu = 0.001) last resort; GC in old space requested


<--- JS stacktrace --->

FATAL ERROR: CALL_AND_RETRY_LAST Allocation failed - JavaScript heap out of memory
----- Native stack trace -----

 1: 0xb78db3 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]
 2: 0xee8300 v8::Utils::ReportOOMFailure(v8::internal::Isolate*, char const*, v8::OOMDetails const&) [node]
16: 0x195e476  [node]`.split('\n');

/** The ring of collections begins and ends anywhere; there is a stack of JavaScript. */
const NODE_24 =
  ` 0[5149:0x396b4000]      514 ms: Mark-Compact (reduce) 23.9 (25.8) -> 23.1 (25.3) MB, pooled: 0 MB, 70.67 / 0.00 ms  (+ 0.0 ms in 0 steps since start of marking) (average mu = 0.335, current mu = 0[5149:0x396b4000]      581 ms: Mark-Compact
FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
----- Native stack trace -----

 1: 0x931db0  [/usr/local/bin/node]
 2: 0x75968e node::OOMErrorHandler(char const*, v8::OOMDetails const&) [/usr/local/bin/node]

----- JavaScript stack trace -----

1: fill (file:///home/user/program.mjs:3:20)
2: runTask (file:///home/user/node_modules/eagleray/dist/worker.js:1:1)

`.split('\n');

const ONE_OBJECT = `

#
# Fatal error in , line 0
# Fatal JavaScript invalid size error 169220804 (see crbug.com/1201626)
#
#
#
#FailureMessage Object: 0x7ffd9d819970
----- Native stack trace -----

 1: 0xd32b41  [node]
 2: 0x214a881 V8_Fatal(char const*, ...) [node]`.split('\n');

const DUMPS: [string, string[]][] = [
  ['of Node 20', NODE_20],
  ['of Node 24', ['', '<--- Last few GCs --->', ...NODE_24]],
  ['of one object', ONE_OBJECT],
];

describe('what a dump says', () => {
  test.each([
    [NODE_20, { reason: 'CALL_AND_RETRY_LAST', isOneObject: false, usedMegabytes: 27.1 }],
    [NODE_24, { reason: 'Reached heap limit', isOneObject: false, usedMegabytes: 23.1 }],
    [
      ONE_OBJECT,
      {
        reason: 'Fatal JavaScript invalid size error 169220804',
        isOneObject: true,
        usedMegabytes: null,
      },
    ],
    [
      ['FATAL ERROR: invalid table size Allocation failed - JavaScript heap out of memory'],
      { reason: 'invalid table size', isOneObject: true, usedMegabytes: null },
    ],
    [
      ['FATAL ERROR: Zone Allocation failed - process out of memory'],
      { reason: 'Zone', isOneObject: false, usedMegabytes: null },
    ],
  ])('%#', (lines, expected) => {
    expect(readFatalMemory(lines)).toEqual(expected);
    expect(readFatalMemory(['before', ...lines])).toEqual(expected);
  });

  test.each([
    [[]],
    [['out of memory']],
    [['FATAL ERROR: Error::New napi_get_last_error_info', '----- Native stack trace -----']],
    [['# Fatal error in ../deps/v8/src/x.cc, line 12', '# Check failed: x.']],
  ])('nothing of other ends: %#', (lines: string[]) => {
    expect(readFatalMemory(lines)).toBeUndefined();
  });
});

describe('last lines without the dump', () => {
  test.each(DUMPS)('%s', (_, dump) => {
    expect(withoutDump(dump)).toEqual([]);
    expect(withoutDump(['one', '', '2: two', ...dump])).toEqual(['one', '', '2: two']);
  });

  test('of which the beginning is cut off', () => {
    for (const [, dump] of DUMPS.slice(0, 2)) {
      const reason = dump.findIndex((line) => line.startsWith('FATAL'));
      for (let cut = 1; cut <= reason; cut++) expect(withoutDump(dump.slice(cut))).toEqual([]);
    }
  });

  test('nothing goes of lines without one', () => {
    const lines = ['', '# Title', '#', ' 1: 0x1', 'FATAL ERROR: x', 'end', ''];
    expect(withoutDump(lines)).toEqual(lines);
  });
});

/** What is shown of lines of some processes, and a timer that a test lets run out. */
function filtering(): {
  shown: string[];
  write(lines: readonly string[], pid?: number, isError?: boolean): void;
  timers: (() => void)[];
  filter: DumpFilter;
} {
  const shown: string[] = [];
  const timers: (() => void)[] = [];
  const filter = new DumpFilter((callback, delayMs) => {
    expect(delayMs).toBe(HELD_BACK_MS);
    timers.push(callback);
  });
  return {
    shown,
    timers,
    filter,
    write(lines, pid = 1, isError = true) {
      for (const line of lines) filter.line(pid, isError, line, () => shown.push(line));
    },
  };
}

describe('what is shown of a dump', () => {
  test.each(DUMPS)('%s is the line that says why', (_, dump) => {
    const { shown, write, filter } = filtering();
    write(['before', ...dump, 'after']);
    filter.flush();
    const reason = dump.find((line) => /^FATAL|invalid size/.test(line));
    expect(shown).toEqual(['before', reason, 'after']);
  });

  test('lines of other processes and of the other stream stay where they are', () => {
    const { shown, write } = filtering();
    for (const [index, line] of NODE_20.entries()) {
      write([line], 1);
      write([`other ${index}`], 2);
      write([`output ${index}`], 1, false);
    }
    const others = NODE_20.flatMap((_, index) => [`other ${index}`, `output ${index}`]);
    expect(shown.filter((line) => line.startsWith('o'))).toEqual(others);
    // The empty line before the dump was shown, because the process went on with something else.
    expect(shown.filter((line) => !line.startsWith('o'))).toEqual([
      '',
      'FATAL ERROR: CALL_AND_RETRY_LAST Allocation failed - JavaScript heap out of memory',
    ]);
  });

  test('what only looks like the beginning of one is shown, in its order', () => {
    const { shown, write } = filtering();
    const lines = ['', '', '#', '# Fatal error in v8.cc, line 3', '# Check failed: a.', '#', 'end'];
    write(lines);
    expect(shown).toEqual(lines);
    write(['', '#']);
    write(['out'], 1, false);
    expect(shown).toEqual([...lines, '', '#', 'out']);
  });

  test('an empty line that nothing follows is shown a little later', () => {
    const { shown, timers, write } = filtering();
    write(['a', '']);
    expect(shown).toEqual(['a']);
    for (const timer of timers.splice(0)) timer();
    expect(shown).toEqual(['a', '']);
    write(['']);
    for (const timer of timers.splice(0)) timer();
    expect(shown).toEqual(['a', '', '']);
  });

  test('a process that writes on after a dump, such as of a process of its own, loses nothing', () => {
    const { shown, write } = filtering();
    for (let round = 0; round < 3; round++) write([...NODE_20, `round ${round}`, '3 : no frame']);
    expect(shown.filter((line) => !line.startsWith('FATAL'))).toEqual(
      [0, 1, 2].flatMap((round) => [`round ${round}`, '3 : no frame']),
    );
  });

  test('processes that ended in a dump are not remembered without end', () => {
    const { shown, write } = filtering();
    for (let pid = 1; pid <= 1000; pid++) write(NODE_20, pid);
    expect(shown).toHaveLength(1000);
    write(['1: the first process again'], 1);
    expect(shown.at(-1)).toBe('1: the first process again');
  });
});

describe('the error', () => {
  const crash = { exitCode: null, signal: 'SIGABRT', pid: 7, taskName: 'train' };

  test('of a task', () => {
    const stderrTail = ['loading', ...NODE_20];
    const error = systemError('WorkerCrashedError', '', { ...crash, stderrTail });
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error).toMatchObject({
      pid: 7,
      taskName: 'train',
      reason: 'CALL_AND_RETRY_LAST',
      stderrTail: ['loading'],
    });
    expect(error.message).toBe(
      'the worker (pid 7) ran out of memory while it ran train: V8 reached the limit of its heap (CALL_AND_RETRY_LAST, ' +
        "with 27.1 MB in use). Raise it with init({ workerExecArgv: ['--max-old-space-size=<MiB>'] }), or keep less in " +
        'JavaScript at a time; what is in the object store does not count\nIts last lines on stderr:\n    loading',
    );
    expect(fromWire(toWire(error))).toMatchObject({
      message: error.message,
      reason: 'CALL_AND_RETRY_LAST',
    });
  });

  test.each([
    ['SIGTRAP', null, ONE_OBJECT, /one array, text or table grew beyond what V8 can make/],
    ['SIGILL', null, ONE_OBJECT, /one array/],
    [null, 134, NODE_24, /the limit of its heap \(Reached heap limit, with 23\.1 MB in use\)/],
  ])('ended by %s or with %s', (signal, exitCode, stderrTail, words) => {
    const error = systemError('WorkerCrashedError', '', { ...crash, signal, exitCode, stderrTail });
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error.message).toMatch(words);
  });

  test('of workers that do not start keeps what the core said', () => {
    const message = ['no worker starts', ...NODE_24].join('\n');
    const error = systemError('WorkerCrashedError', message, { ...crash, stderrTail: NODE_24 });
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(error.message).toMatch(/^no worker starts: the worker \(pid 7\) ran out of memory/);
    expect(error.message).not.toMatch(/stack trace/);
  });

  test('of an actor is the cause of its own', () => {
    const details = { ...crash, actorId: 'a1', className: 'Hoarder', stderrTail: NODE_24 };
    const error = systemError('ActorDiedError', '', details) as ActorDiedError;
    expect(error.name).toBe('ActorDiedError');
    expect(error.cause).toBeInstanceOf(OutOfMemoryError);
    expect(error.message).toMatch(
      /^the actor Hoarder a1 is dead: its process \(pid 7\) ran out of mem/,
    );
    expect(error).toMatchObject({ signal: 'SIGABRT', stderrTail: [] });
    expect(error.stack).not.toMatch(/stack trace -----/);
  });

  test.each([
    ['another signal', { signal: 'SIGKILL', stderrTail: NODE_20 }],
    ['an exit of its own', { signal: null, exitCode: 1, stderrTail: NODE_20 }],
    ['another abort', { stderrTail: ['Assertion failed'] }],
    ['no last lines', {}],
  ])('is that of a crash for %s', (_, details) => {
    const error = systemError('WorkerCrashedError', '', { ...crash, ...details });
    expect(error).toBeInstanceOf(WorkerCrashedError);
  });
});
