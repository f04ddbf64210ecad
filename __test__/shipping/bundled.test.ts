/**
 * A program that esbuild bundled into one file sends functions that use what esbuild makes of modules: each finds in the
 * worker what it would have found at home, under readable names and under short ones.
 */

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type Results, Workshop, nodes } from './bundle.ts';

const workshop = new Workshop();
beforeAll(() => workshop.prepare(), 60_000);
afterAll(() => workshop.remove());

const BUNDLES = [
  { title: 'ESM', format: 'esm', minify: false },
  { title: 'ESM, minified', format: 'esm', minify: true },
  { title: 'CommonJS', format: 'cjs', minify: false },
  { title: 'CommonJS, minified', format: 'cjs', minify: true },
] as const;

for (const node of nodes()) {
  describe.each(BUNDLES)(`${node.title}, $title`, ({ format, minify }) => {
    let results: Results;
    beforeAll(async () => {
      const directory = await workshop.bundledProject(format, minify);
      const program = format === 'esm' ? 'program.mjs' : 'program.cjs';
      results = await workshop.run(directory, [node.path, program]);
    }, 60_000);

    test('the modules of Node are those of the worker', () => {
      expect(results).toMatchObject({
        'built-in modules': [true, false, 'function', true],
        'class of a built-in module': true,
        'module as Rolldown imports it': [true, true],
      });
    });

    test('CommonJS modules have their default and their names, whatever they export', () => {
      expect(results).toMatchObject({
        'module that is a function': [3, 6, 2],
        'module that is a class': ['hello', 'registry', 2, true],
        // The function that changes it, its default and its name: one module, and its names follow.
        'module that is an object': [4, 4, 4],
        'module that is an array': 'a,b',
      });
    });

    test('require is a real one in the worker', () => {
      expect(results).toMatchObject({
        require: 'function',
        'main module': false,
        'module that requires': 'required deep',
      });
    });

    test('import() of a module in the bundle runs it in the worker, once', () => {
      const exported = ['lazy', 'lazy deepest', 'lazy', 'deepest', 'deepest', 'function'];
      expect(results).toMatchObject({
        'lazy module': exported,
        'lazy module, again': exported,
        'live export': [1, true],
        'another function': 'deepest',
        'one namespace': true,
      });
    });

    test('a function that was made of it there has its exports wherever it goes', () => {
      expect(results).toMatchObject({
        'function made there runs here': 'lazy',
        'function made there, sent again': 'lazy',
      });
    });

    test('a module that has run at home travels with its values', () => {
      expect(results['module that was loaded at home']).toEqual(['home', 1]);
    });

    test('functions share a variable without a value, also when they are sent one by one', () => {
      expect(results).toMatchObject({
        'variable without a value': 'undefined',
        'variable that is set there': 'late',
      });
    });

    test('functions share variables of a function around them', () => {
      expect(results['bundle inside a function']).toBe('value');
    });

    test('the getters of other objects are read when they are sent', () => {
      expect(results['ordinary getter']).toEqual([1, 1]);
    });

    test('where scopes can not be told apart, what functions can not share is refused, not left without a value', async () => {
      const directory = await workshop.bundledProject(format, minify);
      const program = format === 'esm' ? 'program.mjs' : 'program.cjs';
      const without = await workshop.run(directory, [node.path, program], {
        SHIPPING_PROBE: 'none',
      });
      const { error } = without['bundle inside a function'] as { error: string };
      expect(error).toMatch(/^SerializationError: "inside" of the bundled module has no value yet/);
      expect(error).toMatch(/variable "\w+"$/);
      const { stderr: _, 'bundle inside a function': __, ...others } = without;
      expect(results).toMatchObject(others);
    });
  });
}
