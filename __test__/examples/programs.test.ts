import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { numberIn, root, runProgram, typeScriptLoaders } from './run-program.ts';

const folder = join(root, 'examples');

/** What each program prints, besides ending with code 0 and printing nothing on stderr. */
const programs: Record<string, (stdout: string) => void> = {
  'tutorial.ts': (stdout) => {
    expect(stdout.match(/^\d\. /gm)).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((step) => `${step}. `),
    );
  },
  'tip-1-late-get.ts': (stdout) => {
    expectTimes(stdout, ['slow, get after each call', 'fast, get after all calls']);
    expect(stdout).toContain('results: 0 1 2 3 and 0 1 2 3');
  },
  'tip-2-batches.ts': (stdout) => {
    expectTimes(stdout, [
      'plain, no tasks at all',
      'slow, 100000 tiny tasks',
      'fast, 100 batches of 1000',
    ]);
    expect(stdout).toContain('results: the same');
  },
  'tip-3-put-once.ts': (stdout) => {
    expectTimes(stdout, [
      'slow, an 80 MB array passed to 10 tasks',
      'fast, put once and its ref passed',
      'fastest, allocated in the store, put without a copy',
    ]);
    expect(stdout).toContain('results: the same');
  },
  'tip-4-wait.ts': (stdout) => {
    expectTimes(stdout, ['slow, all results first', 'fast, each result as it comes']);
    const order = /^order of processing: 400 100 300 200 and ([\d ]+)$/m.exec(stdout)?.[1];
    // On a busy machine the workers start one after the other, and the order is another one.
    expect(order?.split(' ').sort()).toEqual(['100', '200', '300', '400']);
  },
  'monte-carlo-pi.ts': (stdout) => {
    expect(stdout).toMatch(/^100 % of \d+ darts$/m);
    // With 20,000,000 darts and more the standard deviation is below 0.0004.
    expect(Math.abs(numberIn(stdout, /^π is about ([\d.]+)$/m) - Math.PI)).toBeLessThan(0.003);
  },
  'tree-reduction.ts': (stdout) => {
    expect(stdout).toContain('31 tasks on 5 levels');
    expect(stdout).toContain('the sum is 7999998000000, it should be 7999998000000');
  },
  'actor-pool.ts': (stdout) => {
    expect(stdout).toMatch(/^24 pictures by \d+ actors in \d+ ms$/m);
    const pictures = /^pictures of each actor: ([\d ]+)$/m.exec(stdout)?.[1]?.split(' ') ?? [];
    expect(pictures.reduce((sum, count) => sum + Number(count), 0)).toBe(24);
    expect(stdout).toContain('mean level after the correction: 169.80');
  },
};

/** The times are printed, and mean what the machine makes them mean: they are not compared. */
function expectTimes(stdout: string, labels: string[]): void {
  for (const label of labels) {
    expect(stdout).toMatch(new RegExp(`^${label}: [\\d.]+ ms$`, 'm'));
  }
}

test('every program in examples/ is tried', () => {
  const tried = [...Object.keys(programs), 'parameter-server.ts', 'stopwatch.ts'];
  expect(readdirSync(folder).filter((name) => name.endsWith('.ts'))).toEqual(tried.sort());
});

describe.each(typeScriptLoaders)('under $loader', ({ execArgv }) => {
  test.each(Object.keys(programs))('%s prints what it promises and ends', async (name) => {
    const { code, stdout, stderr } = await runProgram(join(folder, name), { execArgv });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    programs[name]!(stdout);
  });
});
