/**
 * What a message advises has to be possible: users can't change the classes and functions of a package. And it has to work.
 */

import { mkdirSync } from 'node:fs';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { runProgram } from '../examples/run-program.ts';
import { makeUserProject, type UserProject } from '../examples/user-project.ts';

/** What can't travel, as it is written in a file: a function that makes one, and one that uses it. */
const makers: readonly [name: string, text: string][] = [
  [
    'privateMembers',
    'class Secret { #n = 1; read() { return this.#n; } } const make = () => new Secret();',
  ],
  [
    'weakInstance',
    'const states = new WeakMap(); class Weak { constructor() { states.set(this, 1); } read() { return states.get(this); } } const make = () => new Weak();',
  ],
  [
    'weakField',
    'class Holder { states = new WeakMap([[this, 1]]); read() { return this.states.get(this); } } const make = () => new Holder();',
  ],
  [
    'symbolOfClosure',
    "const n = Symbol('n'); const make = () => { const o = { [n]: 1 }; return { read: () => o[n] }; };",
  ],
  [
    'withoutClass',
    'const parent = { get() { return this.n; } }; const make = () => { const o = Object.assign(Object.create(parent), { n: 1 }); return { read: () => o.get() }; };',
  ],
  [
    'outerThis',
    'class Outer { n = 1; make() { return { read: () => this.n }; } } const make = () => new Outer().make();',
  ],
  [
    'promise',
    'const make = () => { const later = Promise.resolve(1); return { read: () => (later, 1) }; };',
  ],
  [
    'emitter',
    "import { EventEmitter } from 'node:events'; class Emits extends EventEmitter { read() { return 1; } } const make = () => new Emits();",
  ],
  [
    'closureOverSocket',
    "import { Socket } from 'node:net'; const make = () => { const s = new Socket(); return { read: () => (s.destroy(), 1) }; };",
  ],
  [
    'closureOverBlockList',
    "import { BlockList } from 'node:net'; const make = () => { const list = new BlockList(); return { read: () => (list.check('1.2.3.4'), 1) }; };",
  ],
  [
    'closureOverHash',
    "import { createHash } from 'node:crypto'; const make = () => { const hash = createHash('sha256'); return { read: () => (hash.copy(), 1) }; };",
  ],
];

let project: UserProject;

beforeAll(() => {
  project = makeUserProject();
  mkdirSync(`${project.folder}/node_modules/made`);
  const manifest = { name: 'made', type: 'module', exports: './index.js' };
  project.write('node_modules/made/package.json', JSON.stringify(manifest));
  const imports = new Set<string>();
  const blocks = makers.map(([name, text]) => {
    const body = text.replaceAll(/import [^;]+;/g, (found) => {
      imports.add(found);
      return '';
    });
    return `export const ${name} = (() => { ${body} return make; })();`;
  });
  const text = [...imports, ...blocks].join('\n');
  project.write('node_modules/made/index.js', text);
  project.write('own.mjs', text);
  project.write(
    'values.mjs',
    `import * as made from 'made';\n${makers
      .map(([name]) => `export const ${name} = made.${name}();`)
      .join('\n')}`,
  );
});

afterAll(() => project.remove());

async function results<T>(text: string): Promise<T> {
  const program = project.write('program.mjs', text);
  const options = { execArgv: [], cwd: project.folder };
  const { code, stderr, stdout } = await runProgram(program, options);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return JSON.parse(stdout) as T;
}

const refusals = (from: string): string => `
  import { get, init, remote, shutdown } from 'eagleray';
  import * as made from '${from}';
  await init({ numCpus: 1 });
  const use = remote((value) => value.read());
  const results = {};
  for (const [name, make] of Object.entries(made)) {
    const value = make();
    const attempts = [() => use.remote(value), () => remote(() => value.read()).remote()];
    results[name] = [];
    for (const attempt of attempts) {
      try {
        results[name].push(await get(attempt()));
      } catch (error) {
        results[name].push(error.name + ': ' + error.message);
      }
    }
  }
  await shutdown();
  console.log(JSON.stringify(results));`;

const ADVICE =
  /make the value in a module and import it where it is used, or let each process make its own: const x = perProcess\(\(\) => …\), and x\(\) where it is used/;
const IMPOSSIBLE =
  /static \[Symbol|A\.prototype\.constructor|ES2022|pass the object|await it|\{ \.\.\.object \}|the addresses|digest/;

test('what a package has made is refused with advice that its users can follow', async () => {
  const found = await results<Record<string, string[]>>(refusals('made'));
  expect(Object.keys(found).sort()).toEqual(makers.map(([name]) => name).sort());
  for (const [name, messages] of Object.entries(found)) {
    for (const message of messages) {
      expect([name, message]).toEqual([name, expect.stringMatching(/^SerializationError: /)]);
      expect([name, message]).toEqual([
        name,
        // Of what Node makes, it is always that.
        expect.stringMatching(name === 'emitter' ? /perProcess/ : ADVICE),
      ]);
      expect([name, message]).toEqual([name, expect.not.stringMatching(IMPOSSIBLE)]);
    }
  }
});

test("what the program's own code has made is refused with advice for that code", async () => {
  const found = await results<Record<string, string[]>>(refusals('./own.mjs'));
  const advised: Record<string, RegExp> = {
    privateMembers: /give it static \[Symbol/,
    weakInstance: /^1$|ES2022/,
    outerThis: /pass the object as an argument/,
    promise: /await it and send what it gives/,
    withoutClass: /set it \(A\.prototype\.constructor = A\)/,
    emitter: /perProcess/,
    closureOverSocket: /perProcess/,
    closureOverBlockList: /^SerializationError: send the addresses that it was made of/,
    closureOverHash: /can not be read; send what digest\(\) gives/,
  };
  for (const [name, advice] of Object.entries(advised)) {
    for (const message of found[name]!) {
      expect([name, String(message)]).toEqual([name, expect.stringMatching(advice)]);
      if (name !== 'emitter' && name !== 'closureOverSocket') continue;
      expect([name, message]).toEqual([
        name,
        expect.not.stringMatching(/make the value in a module/),
      ]);
    }
  }
});

test('the advice works: a module that is imported, and perProcess', async () => {
  const found = await results<Record<string, number[]>>(`
    import { get, init, perProcess, remote, shutdown } from 'eagleray';
    import * as made from 'made';
    import * as values from './values.mjs';
    await init({ numCpus: 1 });
    const results = {};
    for (const [name, make] of Object.entries(made)) {
      const value = perProcess(() => make());
      results[name] = [
        await get(remote((of) => values[of].read()).remote(name)),
        await get(remote(() => value().read()).remote()),
        await get(remote((given) => given().read()).remote(value)),
      ];
    }
    await shutdown();
    console.log(JSON.stringify(results));`);
  for (const [name] of makers) expect([name, found[name]]).toEqual([name, [1, 1, 1]]);
});
