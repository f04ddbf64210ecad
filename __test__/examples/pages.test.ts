import { existsSync, readFileSync, readdirSync } from 'node:fs';
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

const tunePages = readdirSync(join(root, 'docs/tune')).map((name) => `docs/tune/${name}`);

describe.each(tunePages)('%s', (page) => {
  // One loader is enough: what they do differently is none of tuning's business.
  const { execArgv } = typeScriptLoaders.at(-1)!;

  test('its blocks, one after the other, are a program that prints what it says', async () => {
    const code = codeBlocks(readPage(page), 'ts').join('\n');
    const file = project.write(`${page.replaceAll('/', '-')}.ts`, code);
    const outcome = await runProgram(file, { execArgv, cwd: project.folder });
    // On stderr is what reporters say, and what goes wrong.
    expect(outcome).toEqual({
      code: 0,
      stderr: expect.not.stringMatching(/error|assertion/i),
      stdout: expect.stringMatching(expectedOutput(code)),
    });
  });

  test('it can be read without Markdown that is broken: every block of code has a language', () => {
    const fences = readPage(page).match(/^```.*$/gm) ?? [];
    expect(fences.filter((fence, i) => (i % 2 === 0) === (fence === '```'))).toEqual([]);
  });
});

test.each([
  'README.md',
  'CONTRIBUTING.md',
  'docs/tutorial.md',
  'docs/glossary.md',
  'docs/integrations.md',
  'docs/per-process.md',
  ...tunePages,
  'examples/data/README.md',
  '__test__/tutorial/README.md',
])('every link of %s to a file leads somewhere', (page) => {
  const missing = linkedFiles(readPage(page)).filter(
    (target) => !existsSync(join(root, dirname(page), target)),
  );
  expect(missing).toEqual([]);
});
