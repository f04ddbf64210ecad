/**
 * Functions and classes travel from whole programs to whole worker processes, on every Node and under every loader
 * that users have: each program is the entry file of a real process.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { type Results, Workshop, nodes } from './bundle.ts';
import { expectedOfCommonJs, expectedOfEsm } from './expected.ts';

const FIXTURES = join(import.meta.dirname, 'fixtures');

const workshop = new Workshop();
beforeAll(() => workshop.prepare(), 60_000);
afterAll(() => workshop.remove());

/** What a program noted, without what differs each time. */
function comparable(results: Results): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(results)
      .filter(([name]) => name !== 'timing' && name !== 'stderr' && !name.startsWith('stack'))
      .map(([name, value]) => [
        name,
        withoutLines((value as { error?: string } | null)?.error ?? value),
      ]),
  );
}

/** Titles without their lines: those are tested by themselves. */
function withoutLines(value: unknown): unknown {
  return typeof value === 'string' ? value.replaceAll(/\((\w[\w.]*):\d+\)/g, '($1)') : value;
}

/** Where something stands in a program, as `line:column`. */
function place(fixture: string, text: string): string {
  const before = readFileSync(join(FIXTURES, fixture), 'utf8').split(text)[0]!.split('\n');
  return `${before.length}:${before.at(-1)!.length + 1}`;
}

/** Titles and stacks name the lines that the author of the program wrote. */
function expectPlaces(results: Results, file: string): void {
  const program = 'esm/program.mjs';
  expect(frames(results, 'stack', file)).toEqual([
    place(program, "new RangeError('from the worker')"),
    place(program, "inner();\n});\nawait scenario('stack of a class"),
  ]);
  expect(frames(results, 'stack of a class', file)).toEqual([
    place(program, "new Error('from a method')"),
    place(program, 'go();\n});'),
  ]);
  const line = place(program, 'function double').split(':')[0];
  expect(results['by value: entry']).toBe(`value double (${file}:${line})`);
}

/** The frames of a stack in the program's own file, as `line:column`. */
function frames(results: Results, name: string, file: string): string[] {
  const { stack } = results[name] as { stack: string };
  return [...stack.matchAll(/([\w.]+):(\d+):(\d+)\)?$/gm)].flatMap(([, base, line, column]) =>
    base === file ? [`${line}:${column}`] : [],
  );
}

for (const node of nodes()) {
  describe(node.title, { timeout: 60_000 }, () => {
    it('an .mjs program', async () => {
      const directory = workshop.project('esm', 'mjs');
      const results = await workshop.run(directory, [node.path, 'program.mjs']);
      expect(comparable(results)).toEqual(expectedOfEsm('program.mjs', 'mjs'));
      expectPlaces(results, 'program.mjs');
      expect(results['stderr']).toBe('');
    });

    it('an .mjs program, where the native module knows nothing of functions', async () => {
      const directory = workshop.project('esm', 'mjs');
      const command = [node.path, 'program.mjs'];
      const results = await workshop.run(directory, command, { SHIPPING_PROBE: 'none' });
      expect(comparable(results)).toEqual(expectedOfEsm('program.mjs', 'mjs'));
      expectPlaces(results, 'program.mjs');
    });

    it('a CommonJS program', async () => {
      const directory = workshop.project('commonjs', 'cjs');
      const results = await workshop.run(directory, [node.path, 'program.cjs']);
      expect(comparable(results)).toEqual(expectedOfCommonJs());
      expect(frames(results, 'stack', 'program.cjs')).toEqual([
        place('commonjs/program.cjs', "new Error('here')"),
      ]);
      expect(results['stderr']).toBe('');
    });

    it('a .ts program under tsx', async () => {
      const directory = workshop.project('esm', 'ts');
      const results = await workshop.run(directory, [node.path, '--import', 'tsx', 'program.ts']);
      expect(comparable(results)).toEqual(expectedOfEsm('program.ts', 'ts'));
      expectPlaces(results, 'program.ts');
      expect(results['stderr']).toBe('');
    });

    it.runIf(node.stripsTypes)('a .ts program whose types Node strips', async () => {
      const directory = workshop.project('esm', 'ts');
      const results = await workshop.run(directory, [node.path, 'program.ts']);
      expect(comparable(results)).toEqual(expectedOfEsm('program.ts', 'ts'));
      expectPlaces(results, 'program.ts');
      expect(results['stderr']).toBe('');
    });

    for (const pool of ['forks', 'threads', 'vmForks']) {
      it(`a test file in vitest's ${pool}`, async () => {
        const directory = workshop.project('esm', 'ts', 'test');
        const results = await workshop.run(directory, [
          node.path,
          'node_modules/vitest/vitest.mjs',
          'run',
          `--pool=${pool}`,
        ]);
        const expected = expectedOfEsm('program.test.ts', 'ts');
        expect(comparable(results)).toEqual(
          node.stripsTypes ? expected : { ...expected, ...WITHOUT_TYPESCRIPT },
        );
        expectPlaces(results, 'program.test.ts');
      });
    }
  });
}

/** Where workers can't load TypeScript, what the test runner loaded travels by value: with variables of its own. */
const WITHOUT_TYPESCRIPT = {
  'import stays an import': [0, 0],
  'live shorthand': 0,
  'modules load once': 'undefined',
  'dynamic import': expect.stringMatching(/--import tsx/) as unknown,
  'reference: function': 'value helper (helpers.ts)',
  'reference: default export': 'value answer (helpers.ts)',
  'reference: class': 'value Shape (helpers.ts)',
  'reference: renamed export': 'value hidden (helpers.ts)',
};
