import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { numberIn, root, runProgram, typeScriptLoaders } from './run-program.ts';

const folder = join(root, 'examples/tune');

/** What each program prints, besides ending with code 0. */
const programs: Record<string, (stdout: string) => void> = {
  'tpe-asha.ts': (stdout) => {
    expect(numberIn(stdout, /^best accuracy ([\d.]+) with/m)).toBeGreaterThan(0.92);
    expect(numberIn(stdout, /^(\d+) of 30 trials were stopped early$/m)).toBeGreaterThan(8);
    expect(numberIn(stdout, /^(\d+) epochs instead of 270$/m)).toBeLessThan(200);
  },
  'pbt.ts': (stdout) => {
    expect(numberIn(stdout, /^best accuracy ([\d.]+);/m)).toBeGreaterThan(0.9);
    expect(stdout).toMatch(/^after epoch 0: learning rate [\d.e-]+$/m);
  },
  'thousand-trials.ts': (stdout) => {
    expect(stdout).toMatch(/^what matters: \{ [xy]: 0\.\d+, [xy]: 0\.\d+ \}$/m);
    expect(stdout).toMatch(/^1000 trials in \d+ ms: [\d.]+ ms each$/m);
    expect(numberIn(stdout, /^best loss ([\d.e-]+) at/m)).toBeLessThan(0.1);
  },
  'ask-tell.ts': (stdout) => {
    expect(stdout).toMatch(/^best \{ shape: 'wave', x: -0\.\d+ \} with y -0\.\d+ of 60$/m);
  },
  'pareto-front.ts': (stdout) => {
    const front = [...stdout.matchAll(/^(\d+) weights: accuracy ([\d.]+) /gm)].map(
      ([, weights, accuracy]) => [Number(weights), Number(accuracy)] as const,
    );
    expect(front.length).toBeGreaterThan(2);
    for (const [place, [weights, accuracy]] of front.entries()) {
      if (place === 0) continue;
      expect(weights).toBeGreaterThanOrEqual(front[place - 1]![0]);
      expect(accuracy).toBeGreaterThanOrEqual(front[place - 1]![1]);
    }
    expect(numberIn(stdout, /^the front covers (\d+) of 2500$/m)).toBeGreaterThan(1500);
  },
};

let cwd = '';

beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'eagleray-examples-'));
});

afterEach(() => rmSync(cwd, { recursive: true }));

test('every program in examples/tune/ is tried', () => {
  const tried = [...Object.keys(programs), 'digits.ts', 'resume.ts'];
  expect(readdirSync(folder).toSorted()).toEqual(tried.toSorted());
});

describe.each(typeScriptLoaders)('under $loader', ({ execArgv }) => {
  test.each(Object.keys(programs))('%s prints what it promises and ends', async (name) => {
    const { code, stdout, stderr } = await runProgram(join(folder, name), { execArgv, cwd });
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.not.stringMatching(/error|warn/i) });
    programs[name]!(stdout);
  });

  test('resume.ts comes to the same end when it is killed on its way', async () => {
    const file = join(folder, 'resume.ts');
    const child = spawn(process.execPath, [...execArgv, file], {
      cwd,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const journal = join(cwd, 'eagleray_results/resume/journal.log');
    await expect
      .poll(() => endedTrials(journal), { timeout: 40_000, interval: 20 })
      .toBeGreaterThan(3);
    child.kill('SIGKILL');
    await once(child, 'close');

    const resumed = await runProgram(file, { execArgv, cwd });
    expect(resumed.stdout).toMatch(/^goes on$/m);
    rmSync(join(cwd, 'eagleray_results'), { recursive: true });
    const undisturbed = await runProgram(file, { execArgv, cwd });
    const end = /^12 of 12 trials done, best rate .*$/m;
    expect(resumed.stdout.match(end)?.[0]).toBe(undisturbed.stdout.match(end)![0]);
  });
});

/** How many trials have ended, as an experiment's journal has it that is being written. */
function endedTrials(journal: string): number {
  try {
    return readFileSync(journal, 'utf8').split('"eagleray:end"').length - 1;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 0;
    throw error;
  }
}
