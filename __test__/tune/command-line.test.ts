/** The program `eagleray`, as it is installed: a process with arguments, beside experiments on disk that run or have ended. */
import { spawn, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { Study, uniform } from 'eagleray/tune';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly bin: { readonly eagleray: string };
};
const program = path.join(root, manifest.bin.eagleray);

let folder = '';

beforeAll(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'eagleray-command-line-'));
  for (const name of ['one', 'two']) {
    const study = begin(name);
    for (const loss of [3, 1, 2]) study.tell(study.ask(), { loss });
    study.close();
  }
  mkdirSync(path.join(folder, 'no-experiment'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function begin(name: string) {
  const space = { x: uniform(0, 1) };
  return new Study({ space, metric: 'loss', mode: 'min', seed: 1, storagePath: folder, name });
}

function eagleray(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...args], {
    cwd: folder,
    encoding: 'utf8',
  });
  return { status, stdout, stderr };
}

describe('eagleray', () => {
  test('says what there is, and its version', () => {
    expect(eagleray('--help')).toEqual({
      status: 0,
      stderr: '',
      stdout: expect.stringContaining('eagleray tune'),
    });
    expect(eagleray('--version').stdout).toBe(`${manifest.version}\n`);
    for (const args of [[], ['tuna'], ['tune'], ['tune', 'show'], ['tune', 'results']]) {
      expect(eagleray(...args)).toEqual({
        status: 2,
        stdout: '',
        stderr: expect.stringMatching(/^eagleray( tune)?: .*--help has more\)\n$/),
      });
    }
  });

  test.each(['ls', 'results', 'export', 'report'])('tune %s --help has its options', (name) => {
    const { status, stdout } = eagleray('tune', name, '--help');
    expect([status, stdout]).toEqual([0, expect.stringMatching(`^eagleray tune ${name}`)]);
  });
});

describe('eagleray tune', () => {
  test('ls lists the experiments in a folder, or the one that it is', () => {
    const all = JSON.parse(eagleray('tune', 'ls', '.', '--json').stdout) as { name: string }[];
    expect(all.map(({ name }) => name).toSorted()).toEqual(['one', 'two']);
    expect(eagleray('tune', 'ls', 'one').stdout).toMatch(/^one +3 .*3 TERMINATED/m);
    expect(eagleray('tune', 'ls', 'no-experiment')).toEqual({
      status: 0,
      stdout: '',
      stderr: 'eagleray tune: there are no experiments in no-experiment\n',
    });
  });

  test('results prints the trials, the best first', () => {
    const { status, stdout } = eagleray('tune', 'results', 'one', '--csv');
    const [, ...rows] = stdout.trim().split(/\r?\n/);
    expect([status, rows.map((row) => row.slice(0, 5))]).toEqual([0, ['00001', '00002', '00000']]);
    expect(eagleray('tune', 'results', 'one').stdout).toMatch(/^one: 3 TERMINATED, best loss 1/);
  });

  test('report and export make files, and print where they are', () => {
    expect(eagleray('tune', 'report', 'one').stdout).toBe('one/report.html\n');
    expect(readFileSync(path.join(folder, 'one/report.html'), 'utf8')).toContain('</html>');
    const { stdout } = eagleray('tune', 'export', 'one', '--csv', '--jsonl', '--tensorboard');
    expect(stdout).toBe('one/results.csv\none/reports.jsonl\none/trials\n');
    for (const name of stdout.trim().split('\n')) {
      expect(existsSync(path.join(folder, name))).toBe(true);
    }
  });

  test('says in one line what is wrong with a folder, and fails', () => {
    writeFileSync(path.join(folder, 'file'), '');
    mkdirSync(path.join(folder, 'torn'));
    writeFileSync(path.join(folder, 'torn/journal.log'), 'no journal\n{}\n');
    for (const [name, message] of [
      ['nowhere', 'there is no folder nowhere'],
      ['file', 'file is no folder'],
      [
        'no-experiment',
        'no-experiment is no folder of an experiment: there is no journal.log in it',
      ],
      ['torn', 'torn/journal.log'],
    ]) {
      const { status, stdout, stderr } = eagleray('tune', 'results', name!);
      expect([status, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/^eagleray tune: .*\n$/);
      expect(stderr).toContain(message);
    }
    rmSync(path.join(folder, 'torn'), { recursive: true });
  });

  test('works while an experiment runs, and does not disturb it', () => {
    const study = begin('running');
    const trial = study.ask();
    trial.report({ loss: 5 });
    const status = () =>
      (
        JSON.parse(eagleray('tune', 'results', 'running', '--json').stdout) as { status: string }[]
      )[0]!.status;
    expect(status()).toBe('RUNNING');
    expect(eagleray('tune', 'report', 'running').status).toBe(0);
    // What the experiment itself appends to is not written by two.
    expect(eagleray('tune', 'export', 'running', '--jsonl')).toEqual({
      status: 1,
      stdout: '',
      stderr: expect.stringContaining('appends to its output'),
    });
    study.tell(trial, { loss: 4 });
    expect(status()).toBe('TERMINATED');
    study.ask();
    study.close();
    const killed = JSON.parse(eagleray('tune', 'ls', 'running', '--json').stdout) as unknown[];
    // Nobody runs the second one any more.
    expect(killed).toMatchObject([{ trials: { TERMINATED: 1, PENDING: 1 } }]);
    appendFileSync(path.join(folder, 'running/journal.log'), '{"op_code": 4, "torn');
    expect(eagleray('tune', 'results', 'running').status).toBe(0);
  });

  test('a reader who has seen enough is no error', async () => {
    const child = spawn(process.execPath, [program, 'tune', 'results', 'one', '--json'], {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let stderr = '';
    child.stderr.on('data', (text) => (stderr += String(text)));
    const [code] = (await once(child, 'close')) as [number];
    expect([code, stderr]).toEqual([0, '']);
  });
});
