import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { codeBlocks, expectedOutput, linkedFiles } from './code-blocks.ts';
import { root, runProgram, typeScriptLoaders } from './run-program.ts';
import { makeUserProject } from './user-project.ts';
import type { UserProject } from './user-project.ts';

const readPage = (name: string): string => readFileSync(join(root, name), 'utf8');

let project: UserProject;

beforeAll(() => {
  project = makeUserProject();
});

afterAll(() => {
  project.remove();
});

describe.each(typeScriptLoaders)('docs/tutorial.md under $loader', ({ execArgv }) => {
  test('its blocks, one after the other, are a program that prints what it says', async () => {
    const code = codeBlocks(readPage('docs/tutorial.md'), 'ts').join('\n');
    const file = project.write('tutorial.ts', code);
    const outcome = await runProgram(file, { execArgv, cwd: project.folder });
    expect(outcome).toEqual({
      code: 0,
      stderr: '',
      stdout: expect.stringMatching(expectedOutput(code)),
    });
  });
});

test.each([
  'README.md',
  'CONTRIBUTING.md',
  'docs/tutorial.md',
  'docs/glossary.md',
  'docs/integrations.md',
  'docs/per-process.md',
  'examples/data/README.md',
  '__test__/tutorial/README.md',
])('every link of %s to a file leads somewhere', (page) => {
  const missing = linkedFiles(readPage(page)).filter(
    (target) => !existsSync(join(root, dirname(page), target)),
  );
  expect(missing).toEqual([]);
});
