/**
 * The rarer shapes of functions and classes, in whole programs that send them to whole worker processes: each arrives as
 * what it is, or is refused where it is sent.
 */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { type Results, Workshop, nodes } from './bundle.ts';

const workshop = new Workshop();
beforeAll(() => workshop.prepare(), 60_000);
afterAll(() => workshop.remove());

/** What a program noted under these names; an error as its text, titles without their lines. */
function noted(results: Results, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    names.map((name) => {
      const value =
        (results[name] as { error?: string } | null | undefined)?.error ?? results[name];
      return [
        name,
        typeof value === 'string' ? value.replaceAll(/\(([\w.]+):\d+\)/g, '($1)') : value,
      ];
    }),
  );
}

/** A package that only `import` finds, also by its own name. */
const MANIFEST = {
  name: 'only-import',
  type: 'module',
  exports: { '.': { import: './library.mjs' }, './features/*': [{ import: './library/*' }] },
  imports: { '#inner': { node: './inner.mjs' } },
};

for (const node of nodes()) {
  describe(node.title, () => {
    let results: Results;
    beforeAll(async () => {
      const directory = workshop.project('fine-points', 'mjs');
      writeFileSync(join(directory, 'data.json'), '{"depth":3}');
      writeFileSync(join(directory, 'package.json'), JSON.stringify(MANIFEST));
      results = await workshop.run(directory, [node.path, 'program.mjs']);
    });

    const expectNoted = (expected: Record<string, unknown>): void =>
      expect(noted(results, Object.keys(expected))).toEqual(expected);

    test('exports that are not written as functions go by reference', () => {
      expectNoted({
        'wrapped export': 1,
        'wrapped export, imported': 2,
        'export of a mixin': 3,
        'export with a socket': 'function',
        'reference: renamed': 'reference anonymous function (library.mjs)',
        'by value: reassigned': 'value anonymous function (library.mjs)',
      });
    });

    test('the name of a function expression is refused to the functions inside', () => {
      const refused = (name: string): string =>
        `SerializationError: it uses "${name}", the name of the function expression around it, which can't be read from outside; write const ${name} = function () { … } there: value → [0] → anonymous function (program.mjs)`;
      expectNoted({
        'name of the function around': refused('named'),
        'name that hides a global': refused('fetch'),
        'name of a method around': 'undefined',
        'declared function around, made there': 'value anonymous function (program.mjs)',
        'declared function around, sent again': 'zero',
      });
    });

    test('computed field names are taken from constants of the text, or refused', () => {
      const refused = (title: string, name: string): string =>
        `SerializationError: the computed name of a field uses "${name}", which is not known any more: value → [0] → ${title} (program.mjs)`;
      expectNoted({
        'computed field names': [1, 2, 3, { kind: 1, dyn4: 4 }],
        'computed field name that is not known': refused('Unknown', 'parts'),
        'computed field name that is another': refused('Shadowed', 'KIND'),
      });
    });

    test('a class that was changed after its text had run arrives changed', () => {
      expectNoted({
        'class that was changed': [
          ['base and changed', 'base and changed', 'base and changed', true],
          ['third', 2, 'made', true],
          ['alias'],
          'alias,constructor,hello,hidden,length,second,size,third',
          'create,length,make,name,prototype',
        ],
      });
    });

    test('imports have their attributes, and names of packages mean what they mean to import', () => {
      const resolved = ['library.mjs', 'library/x.js', 'inner.mjs', 'node:fs', 'data.json'];
      expectNoted({
        'import with attributes': { depth: 3 },
        'import.meta.resolve here': resolved,
        'import.meta.resolve': resolved,
        'live binding of a package': 1,
      });
    });

    test('functions and objects that every process has are those of the worker', () => {
      expectNoted({
        'built-in functions': [
          [36, 'number', 'bigint', 'number'],
          [7, [0, 1, 2], true],
        ],
        'objects of the process': [true, true, 'string'],
      });
    });

    test('code of node -e has what modules have as global variables', async () => {
      const directory = workshop.project('fine-points', 'mjs');
      const program = `import('./transport.mjs').then(async ({ finish, scenario }) => {
        await scenario('require', () => require('node:path').basename(require.resolve('./library.mjs')));
        await scenario('module of Node', () => path.basename('a/b') + os.EOL);
        await scenario('names', () => [typeof exports, __filename]);
        finish();
      });`;
      expect(await workshop.run(directory, [node.path, '-e', program])).toEqual({
        require: 'library.mjs',
        'module of Node': 'b\n',
        names: ['object', '[eval]'],
        stderr: '',
      });
    });
  });
}
