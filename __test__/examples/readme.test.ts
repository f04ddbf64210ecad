import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeBlocks, expectedOutput } from './code-blocks.ts';
import { root, runProgram, typeScriptLoaders } from './run-program.ts';
import { makeUserProject } from './user-project.ts';
import type { UserProject } from './user-project.ts';

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const examples = codeBlocks(readme, 'ts').map((code, i) => ({ number: i + 1, code }));

let project: UserProject;

beforeAll(() => {
  project = makeUserProject();
});

afterAll(() => {
  project.remove();
});

test('the README has an example', () => {
  expect(examples.length).toBeGreaterThan(0);
});

test.each(examples)('example $number runs as .mjs', async ({ number, code }) => {
  const file = project.write(`example-${number}.mjs`, code);
  const outcome = await runProgram(file, { execArgv: [], cwd: project.folder });
  expect(outcome).toEqual({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(expectedOutput(code)),
  });
});

describe.each(typeScriptLoaders)('under $loader', ({ loader, execArgv }) => {
  test.each(examples)('example $number runs as .ts', async ({ number, code }) => {
    const file = project.write(`example-${number}-${loader.replace(' ', '-')}.ts`, code);
    const outcome = await runProgram(file, { execArgv, cwd: project.folder });
    expect(outcome).toEqual({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(expectedOutput(code)),
    });
  });
});
