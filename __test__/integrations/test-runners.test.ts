/**
 * The test runners that Node projects have, each with the setting that `docs/integrations.md` gives: tasks, actors, values and
 * errors do in them what they do in a program.
 */

import { expect, test } from 'vitest';

import { type Ended, binary, projectFolder, runNode } from './project.ts';

/** That a run has passed, with the number of its tests: a runner that finds none is content, too. */
function expectPassed(ended: Ended, count: RegExp): void {
  expect(ended.code, `${ended.output}\n${ended.errors}`).toBe(0);
  expect(ended.output + ended.errors).toMatch(count);
}

const jest = binary('jest');

test('Jest with its default, CommonJS modules', async () => {
  const ended = await runNode(projectFolder('jest'), [jest, 'remote.spec.js']);
  expectPassed(ended, /Tests: +8 passed, 8 total/);
});

test('Jest: files that run one after the other in one process, and end no runtime', async () => {
  const ended = await runNode(projectFolder('jest'), [jest, '--runInBand', 'unfinished']);
  expectPassed(ended, /Tests: +4 passed, 4 total/);
  expect(ended.errors).not.toMatch(/did not exit/);
});

test('Jest with ECMAScript modules', async () => {
  const ended = await runNode(projectFolder('jest'), [
    '--experimental-vm-modules',
    jest,
    '--testMatch',
    '**/*.spec.mjs',
  ]);
  expectPassed(ended, /Tests: +3 passed, 3 total/);
});

test('ts-jest', async () => {
  expectPassed(await runNode(projectFolder('ts-jest'), [jest]), /Tests: +5 passed, 5 total/);
});

test('Mocha, of both kinds of modules', async () => {
  const ended = await runNode(projectFolder('mocha'), [
    binary('mocha'),
    'remote.spec.cjs',
    'remote.spec.mjs',
  ]);
  expectPassed(ended, /8 passing/);
});

test('node:test, of both kinds of modules', async () => {
  const ended = await runNode(projectFolder('node-test'), ['--test', '--test-reporter=tap']);
  expectPassed(ended, /# pass 8\n# fail 0/);
});
