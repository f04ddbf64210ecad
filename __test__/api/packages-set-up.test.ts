/**
 * Packages that set themselves up when their entry is loaded: one file tells another what to use. Whoever gets a function
 * of such a file has the package as the program has it, not the one file.
 */

import { mkdirSync } from 'node:fs';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { runProgram } from '../examples/run-program.ts';
import { makeUserProject, type UserProject } from '../examples/user-project.ts';

let project: UserProject;

beforeAll(() => {
  project = makeUserProject();
  const folder = (name: string): void => {
    mkdirSync(`${project.folder}/node_modules/${name}`, { recursive: true });
  };
  const write = (name: string, text: string): void => {
    project.write(`node_modules/${name}`, text);
  };

  // One of CommonJS, of which a file in the middle does it.
  folder('required/lib');
  write('required/package.json', '{ "name": "required", "main": "index.js" }');
  write('required/index.js', "module.exports = require('./lib/all');");
  write(
    'required/lib/all.js',
    `exports.Writer = require('./writer');
     exports.Fast = require('./fast');
     exports.Writer.setUp(exports.Fast);`,
  );
  write(
    'required/lib/writer.js',
    `let Fast;
     class Writer { static create() { return new Fast(); } }
     Writer.setUp = (given) => { Fast = given; };
     module.exports = Writer;`,
  );
  write('required/lib/fast.js', 'module.exports = class Fast { name = "fast"; };');
  // Only a file of it, without the entry.
  folder('partly/lib');
  write('partly/package.json', '{ "name": "partly", "main": "index.js" }');
  write('partly/index.js', "globalThis.partlyLoaded = true; exports.add = require('./lib/add');");
  write('partly/lib/add.js', 'module.exports = function add(a, b) { return a + b; };');

  // The same as ECMAScript modules, with and without a list of what the package exports.
  const modules: [name: string, manifest: object][] = [
    ['imported', { exports: { '.': './index.js', './package.json': './package.json' } }],
    ['@scope/main', { main: './index.js' }],
    [
      'branched',
      { exports: { '.': { import: { default: './index.js' } }, './more': './more.js' } },
    ],
  ];
  folder('@scope');
  for (const [name, manifest] of modules) {
    folder(name);
    write(`${name}/package.json`, JSON.stringify({ name, type: 'module', ...manifest }));
    write(
      `${name}/index.js`,
      `import { setUp } from './words.js';
       export { say, Speaker } from './words.js';
       setUp({ hello: 'hi' });`,
    );
    write(`${name}/more.js`, `import { setUp } from './words.js'; setUp({ more: 'more' });`);
    write(
      `${name}/words.js`,
      `let words = {};
       export const setUp = (more) => { words = { ...words, ...more }; };
       export function say(word) { return words[word] ?? 'unknown'; }
       export class Speaker { say(word) { return say(word); } }
       export const makeSayer = () => (word) => say(word);`,
    );
  }
  // Of one that says that its files may be loaded by themselves, only the file is.
  folder('pure');
  write(
    'pure/package.json',
    '{ "name": "pure", "type": "module", "sideEffects": false, "exports": "./index.js" }',
  );
  write('pure/index.js', "globalThis.pureLoaded = true; export { add } from './add.js';");
  write('pure/add.js', 'export function add(a, b) { return a + b; }');

  // What a package does not export uses what the exports use: marks that are compared, tables that are filled.
  folder('inner');
  write('inner/package.json', '{ "name": "inner", "type": "module", "exports": "./index.js" }');
  write('inner/index.js', INNER('export { Tree, leaf, register, makeReader };'));
  // As bundlers make one file of a package: everything stands in a function.
  folder('inner-bundled');
  write('inner-bundled/package.json', '{ "name": "inner-bundled", "main": "index.js" }');
  write(
    'inner-bundled/index.js',
    `exports.Tree = exports.leaf = exports.register = exports.makeReader = undefined;
     (function (factory) { factory(exports); })(function (exports) {
       ${INNER('exports.Tree = Tree; exports.leaf = leaf; exports.register = register; exports.makeReader = makeReader;')}
     });`,
  );
  folder('inner-commonjs');
  write('inner-commonjs/package.json', '{ "name": "inner-commonjs", "main": "index.js" }');
  write(
    'inner-commonjs/index.js',
    INNER(
      'exports.Tree = Tree; exports.leaf = leaf; exports.register = register; exports.makeReader = makeReader;',
    ),
  );
});

/** The text of a package with `Tree`, which is exported, and `Leaf` and helpers, which are not. */
const INNER = (exports: string): string => `
  const REMOVED = {};
  const DELETE = Symbol('delete');
  const KEY = Symbol('key');
  const seen = new Map();
  class Leaf {
    constructor(value) { this.value = value; }
    update(value) { return value === REMOVED ? undefined : new Leaf(value); }
    isGone(how) { return how === DELETE; }
    get count() { return note(this.constructor.name); }
  }
  function note(name) { seen.set(name, (seen.get(name) ?? 0) + 1); return seen.get(name); }
  const Other = (() => class Hidden extends Leaf {})();
  class Tree {
    constructor(leaf) { this.leaf = leaf; this[KEY] = 7; }
    secret() { return this[KEY]; }
    static secretOf(reader) { return reader[KEY]; }
    remove() { return new Tree(this.leaf.update(REMOVED)); }
    asks() { return this.leaf.isGone(DELETE); }
    isLeaf() { return this.leaf instanceof Leaf; }
    counts() { return [note('Leaf'), this.leaf.count]; }
  }
  const leaf = (value, isOther) => isOther ? new Other(value) : new Leaf(value);
  const register = () => note('register');
  const makeReader = () => {
    const prefix = '>';
    const reader = (tree) => prefix + (tree.leaf.update(REMOVED) ?? 'none') + tree[KEY];
    reader[KEY] = 8;
    return reader;
  };
  ${exports}`;

afterAll(() => project.remove());

async function results(text: string): Promise<unknown> {
  const program = project.write(
    'program.mjs',
    `import { get, init, remote, shutdown } from 'eagleray';
     ${text}
     await init({ numCpus: 1 });
     const results = [];
     for (const call of calls) results.push(await get(call()));
     await shutdown();
     console.log(JSON.stringify(results));`,
  );
  const { code, stderr, stdout } = await runProgram(program, {
    execArgv: [],
    cwd: project.folder,
  });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout);
}

test('a class of CommonJS is set up as at home', async () => {
  expect(
    await results(`
      import required from 'required';
      const { Writer } = required;
      const writer = new Writer();
      const calls = [
        () => remote((Given) => Given.create().name).remote(Writer),
        () => remote(() => Writer.create().name).remote(),
        () => remote((given) => given.constructor.create().name).remote(writer),
        () => remote(() => writer.constructor.create().name).remote(),
      ];`),
  ).toEqual(['fast', 'fast', 'fast', 'fast']);
});

test('a file of a package that was required without its entry is loaded without it', async () => {
  expect(
    await results(`
      import { createRequire } from 'node:module';
      const add = createRequire(import.meta.url)('partly/lib/add');
      const calls = [
        () => remote((given) => [given(1, 2), globalThis.partlyLoaded ?? false]).remote(add),
      ];`),
  ).toEqual([[3, false]]);
});

test.each(['imported', '@scope/main', 'branched'])(
  'functions and classes of the module package %s are set up as at home',
  async (name) => {
    expect(
      await results(`
        import { say, Speaker } from '${name}';
        const said = say;
        const speaker = new Speaker();
        const calls = [
          () => remote((given) => given('hello')).remote(said),
          () => remote((given) => given.say('hello')).remote(speaker),
          () => remote(() => speaker.say('hello')).remote(),
          () => remote((given) => given('more')).remote(said),
        ];`),
    ).toEqual(['hi', 'hi', 'hi', 'unknown']);
  },
);

test('another entry of a package counts, where the program has loaded that one', async () => {
  expect(
    await results(`
      import 'branched/more';
      const { say } = await import('./node_modules/branched/words.js');
      const calls = [() => remote((given) => [given('hello'), given('more')]).remote(say)];`),
  ).toEqual([['unknown', 'more']]);
});

test('a package without side effects is loaded by the file', async () => {
  expect(
    await results(`
      import { add } from 'pure';
      const added = add;
      const calls = [
        () => remote((given) => [given(1, 2), globalThis.pureLoaded ?? false]).remote(added),
      ];`),
  ).toEqual([[3, false]]);
});

test.each(['inner', 'inner-commonjs', 'inner-bundled'])(
  'what the package %s does not export goes together with what it exports',
  async (name) => {
    expect(
      await results(`
        import { Tree, leaf, makeReader } from '${name}';
        const tree = new Tree(leaf(1));
        const other = new Tree(leaf(2, true));
        const reader = makeReader();
        const use = (given) => [
          given.remove().leaf ?? 'none', given.asks(), given.isLeaf(), given.leaf.value, given.secret(),
        ];
        const calls = [
          () => remote((given, how) => how(given)).remote(tree, use),
          () => remote(() => use(tree)).remote(),
          () => remote((given, how) => how(given)).remote(other, use),
          () => remote((given) => given.leaf.constructor === new Tree(leaf(1)).leaf.constructor).remote(tree),
          () => remote((read, given) => read(given)).remote(reader, tree),
          () => remote((given) => given.counts()).remote(tree),
          () => remote((read, given) => given.constructor.secretOf(read)).remote(reader, tree),
          () => remote(() => Tree.secretOf(reader)).remote(),
        ];`),
    ).toEqual([
      ['none', true, true, 1, 7],
      ['none', true, true, 1, 7],
      ['none', true, true, 2, 7],
      true,
      '>none7',
      [1, 2],
      8,
      8,
    ]);
  },
);

test.each(['inner', 'inner-commonjs', 'inner-bundled'])(
  'and comes home as what it is, from the package %s',
  async (name) => {
    expect(
      await results(`
      import { Tree, leaf } from '${name}';
      const tree = new Tree(leaf(1));
      const calls = [async () => {}].slice(1);
      await init({ numCpus: 1 });
      const back = await get(remote((given) => given).remote(tree));
      const made = await get(remote(() => new Tree(leaf(5))).remote());
      globalThis.found = [back, made].map((each) => [
        each.isLeaf(), each.remove().leaf ?? 'none', each.leaf.constructor === tree.leaf.constructor, each.secret(),
      ]);
      calls.push(() => remote((given) => given).remote(globalThis.found));
      await shutdown();`),
    ).toEqual([
      [
        [true, 'none', true, 7],
        [true, 'none', true, 7],
      ],
    ]);
  },
);
