import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isAlive, numberIn, root, runProgram, typeScriptLoaders } from './run-program.ts';

const file = join(root, 'examples/parameter-server.ts');

describe.each(typeScriptLoaders)('the main job under $loader', ({ execArgv }) => {
  test('learns the digits to 92 % and more, and tells how long it took and how busy each worker was', async () => {
    const { code, stdout, stderr } = await runProgram(file, { execArgv, args: ['--workers', '2'] });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain('1438 digits to learn from, 359 held out');
    expect(stdout.match(/^after +\d+ passes {2}accuracy +[\d.]+ % +\d+ ms$/gm)).toHaveLength(10);
    expect(numberIn(stdout, /^final accuracy ([\d.]+) % on 359/m)).toBeGreaterThanOrEqual(92);
    expect(numberIn(stdout, /^trained in (\d+) ms/m)).toBeGreaterThan(0);

    const workers = [...stdout.matchAll(/^worker pid=(\d+): (\d+) passes, .*\(busy (\d+) %\)$/gm)];
    expect(workers.length).toBeGreaterThanOrEqual(1);
    const passes = workers.map(([, , count]) => Number(count));
    expect(passes.reduce((sum, count) => sum + count, 0)).toBe(200);
    for (const [, pid, , busy] of workers) {
      expect(isAlive(Number(pid))).toBe(false);
      expect(Number(busy)).toBeGreaterThan(0);
      expect(Number(busy)).toBeLessThanOrEqual(100);
    }
  });

  test('runs with one server and one worker, and with more servers than fit evenly', async () => {
    for (const [servers, workers] of [
      ['1', '1'],
      ['7', '3'],
    ] as const) {
      const { code, stdout, stderr } = await runProgram(file, {
        execArgv,
        args: ['--servers', servers, '--workers', workers, '--seed', '2'],
      });
      expect(stderr).toBe('');
      expect(code).toBe(0);
      expect(stdout).toContain(`${servers} parameter servers, ${workers} workers`);
    }
  });

  test('says so and fails when the accuracy stays below the goal', async () => {
    const { code, stdout, stderr } = await runProgram(file, { execArgv, args: ['--passes', '1'] });
    expect(numberIn(stdout, /^final accuracy ([\d.]+) %/m)).toBeLessThan(92);
    expect(stderr).toContain('the accuracy is below the goal of 92 %');
    expect(code).toBe(1);
  });
});
