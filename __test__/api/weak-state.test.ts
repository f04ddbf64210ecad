/**
 * State that a module keeps of instances in a WeakMap, as compilers keep `#private` members for old targets. Where the class
 * goes by reference, nothing of an instance tells of it: the instance would arrive without, in silence.
 */

import { mkdirSync } from 'node:fs';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { runProgram } from '../examples/run-program.ts';
import { makeUserProject, type UserProject } from '../examples/user-project.ts';

let project: UserProject;

const CLASSES = `
  const states = new WeakMap();
  const members = new WeakSet();
  class Exported { constructor() { states.set(this, 1); } read() { return states.get(this); } }
  class Inner { constructor() { states.set(this, 1); } read() { return states.get(this); } }
  class Derived extends Exported { more = 1; }
  class Marked { constructor() { members.add(this); } read() { return members.has(this); } }
  class List extends Array { constructor() { super(); states.set(this, 1); } read() { return states.get(this); } }
  class Free { n = 1; read() { return this.n + (states.get(this) ?? 0); } }
  const cache = new WeakMap();
  const lookUp = (object) => cache.get(object) ?? (cache.set(object, 1), 1);
  class Cached { constructor() { lookUp(this); } read() { return lookUp(this); } }
  const make = () => new Inner();`;

beforeAll(() => {
  project = makeUserProject();
  project.write(
    'own.mjs',
    `${CLASSES} export { Exported, Derived, Marked, List, Free, Cached, make };`,
  );
  mkdirSync(`${project.folder}/node_modules/weak`);
  project.write('node_modules/weak/package.json', '{ "name": "weak", "main": "index.js" }');
  project.write(
    'node_modules/weak/index.js',
    `${CLASSES}
     exports.Exported = Exported; exports.Derived = Derived; exports.Marked = Marked;
     exports.List = List; exports.Free = Free; exports.Cached = Cached; exports.make = make;`,
  );
});

afterAll(() => project.remove());

test.each(['./own.mjs', 'weak'])(
  'an instance of a class of %s is refused if a WeakMap has it',
  async (from) => {
    const program = project.write(
      'program.mjs',
      `import { get, init, remote, shutdown } from 'eagleray';
     import { Exported, Derived, Marked, List, Free, Cached, make } from '${from}';
     await init({ numCpus: 1 });
     const results = {};
     for (const [name, value] of Object.entries({
       Exported: new Exported(), Inner: make(), Derived: new Derived(), Marked: new Marked(),
       List: new List(), Free: new Free(), Cached: new Cached(),
     })) {
       try {
         results[name] = await get(remote((given) => given.read()).remote({ given: value }.given));
       } catch (error) {
         results[name] = error.name + ': ' + error.message;
       }
     }
     await shutdown();
     console.log(JSON.stringify(results));`,
    );
    const options = { execArgv: [], cwd: project.folder };
    const { code, stderr, stdout } = await runProgram(program, options);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { Cached, Free, ...others } = JSON.parse(stdout) as Record<string, unknown>;
    expect([Free, Cached]).toEqual([1, 1]);
    expect(Object.keys(others)).toEqual(['Exported', 'Inner', 'Derived', 'Marked', 'List']);
    for (const [name, message] of Object.entries(others)) {
      expect([name, message]).toEqual([
        name,
        expect.stringMatching(
          /^SerializationError: .*(WeakMap|WeakSet|weak collections).*perProcess|ES2022/,
        ),
      ]);
    }
  },
);
