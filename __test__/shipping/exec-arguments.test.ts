import { describe, expect, it } from 'vitest';

import {
  execArgvForWorkers,
  hasLoader,
} from '../../bindings/typescript/src/shipping/exec-arguments.ts';

describe('execArgvForWorkers', () => {
  it.each([
    [
      ['--import', 'tsx'],
      ['--import', 'tsx'],
    ],
    [
      ['--import=tsx', '-r', './a.cjs'],
      ['--import=tsx', '-r', './a.cjs'],
    ],
    [
      ['--loader', 'ts-node/esm'],
      ['--loader', 'ts-node/esm'],
    ],
    [
      ['--conditions', 'development', '-C', 'node'],
      ['--conditions', 'development', '-C', 'node'],
    ],
    [
      ['--permission', '--allow-fs-read=*', '--allow-addons'],
      ['--permission', '--allow-fs-read=*', '--allow-addons'],
    ],
    [
      ['--max-old-space-size=4096', '--expose-gc', '--stack-size=2000'],
      ['--max-old-space-size=4096', '--expose-gc', '--stack-size=2000'],
    ],
    [
      ['--enable-source-maps', '--no-warnings'],
      ['--enable-source-maps', '--no-warnings'],
    ],
  ])('keeps what belongs to the program: %j', (given, kept) => {
    expect(execArgvForWorkers(given)).toEqual(kept);
  });

  it.each([
    [['--inspect']],
    [['--inspect-brk=127.0.0.1:9229']],
    [['--inspect-port', '0']],
    [['--inspect_brk']],
    [['-e', 'main()']],
    [['-pe', '1 + 1']],
    [['--eval', 'main()', '--input-type', 'module']],
    [['--print', '1', '--input-type=module']],
    [['--test', '--test-name-pattern', 'x', '--test-reporter=spec']],
    [['--experimental-test-coverage', '--test-concurrency=2']],
    [['--watch', '--watch-path', './src']],
    [['--cpu-prof', '--cpu-prof-dir', '/x', '--heap-prof']],
    [['--heapsnapshot-signal', 'SIGUSR2']],
    [['-i']],
    [['--check']],
    [['--title', 'driver']],
    [['--trace-event-categories', 'v8']],
  ])('drops what is about this one process: %j', (given) => {
    expect(execArgvForWorkers(given)).toEqual([]);
  });

  it('takes no value for an option, and no option for a value', () => {
    expect(
      execArgvForWorkers([
        '--import',
        '--inspect',
        '--inspect',
        '--import',
        'tsx',
        '-e',
        'x',
        '-r',
        'y',
      ]),
    ).toEqual(['--import', '--inspect', '--import', 'tsx', '-r', 'y']);
  });

  it("keeps what vitest's own workers are started with", () => {
    const given = ['--require', '/x/vitest/suppress-warnings.cjs', '--conditions', 'node'];
    expect(execArgvForWorkers(given)).toEqual(given);
  });

  it('does not change what it is given', () => {
    const given = Object.freeze(['--inspect', '--import', 'tsx']);
    expect(execArgvForWorkers(given)).toEqual(['--import', 'tsx']);
  });
});

describe('hasLoader', () => {
  it.each([
    [['--import', 'tsx'], ''],
    [['--require=/x/preflight.cjs', '--import', 'file:///x/loader.mjs'], ''],
    [['--loader', 'ts-node/esm'], ''],
    [[], '--enable-source-maps --import tsx'],
  ])('sees a loader in %j and NODE_OPTIONS %j', (execArgv, nodeOptions) => {
    expect(hasLoader(execArgv, nodeOptions)).toBe(true);
  });

  it.each([
    [[], ''],
    [['--require', '/x/vitest/suppress-warnings.cjs', '--conditions', 'node'], ''],
    [['-e', 'import'], ''],
    [['-r', 'dotenv/config'], '--max-old-space-size=100'],
  ])('sees none in %j and NODE_OPTIONS %j', (execArgv, nodeOptions) => {
    expect(hasLoader(execArgv, nodeOptions)).toBe(false);
  });
});
