/**
 * Node's own modules inside values: each process has its own, so they travel by name, wherever they stand, and nothing of
 * them is read.
 */

import { builtinModules, isBuiltin } from 'node:module';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { get, init, put, remote, shutdown } from 'eagleray';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { runProgram } from '../examples/run-program.ts';

beforeAll(async () => {
  await init({ numCpus: 1 });
});

afterAll(() => shutdown());

/** Loading the others warns, or they are a second name of another module; not every Node has all of them. */
const NAMES = builtinModules.filter(
  (name) => !/^_|^node:|^(punycode|sqlite|sys|test|trace_events|wasi)/.test(name),
);

const moduleOf = (name: string): object => process.getBuiltinModule(`node:${name}`)!;

/** For each name, whether the value is that module of the process that asks. */
const areTheirs = (names: string[], values: unknown[]): string[] =>
  names.filter((name, index) => process.getBuiltinModule(`node:${name}`) !== values[index]);

const others = remote(areTheirs);

describe('every module of Node', () => {
  test('there are many of them', () => {
    expect(NAMES.length).toBeGreaterThan(40);
  });

  test('is the own one of the process that it arrives in', async () => {
    expect(await get(others.remote(NAMES, NAMES.map(moduleOf)))).toEqual([]);
  });

  test('is the same one at home, after put and get and as a result', async () => {
    // A console arrives as the global one, and vitest has put another in its place here.
    const names = NAMES.filter((name) => name !== 'console');
    const modules = names.map(moduleOf);
    expect(areTheirs(names, await get(put(modules)))).toEqual([]);
    const returned = await get(remote((values: object[]) => values).remote(modules));
    expect(areTheirs(names, returned)).toEqual([]);
  });

  test('is that one too in what a function holds', async () => {
    const modules = NAMES.map(moduleOf);
    const names = NAMES;
    const foreign = remote(() =>
      names.filter((name, index) => process.getBuiltinModule(`node:${name}`) !== modules[index]),
    );
    expect(await get(foreign.remote())).toEqual([]);
  });
});

test('every function that a module exports is the own one of the process that it arrives in', async () => {
  // What `process` has depends on how it was started.
  const names = NAMES.filter((name) => name !== 'process');
  const functions = names.flatMap((name) =>
    Object.entries(moduleOf(name)).flatMap(([key, value]): [string, string, unknown][] =>
      typeof value === 'function' ? [[name, key, value]] : [],
    ),
  );
  expect(functions.length).toBeGreaterThan(500);
  const areOwn = remote((all: [string, string, unknown][]) => {
    const isOwn = ([name, key, value]: [string, string, unknown]): boolean => {
      const exports = process.getBuiltinModule(`node:${name}`) as unknown as Record<
        string,
        unknown
      >;
      return exports[key] === value;
    };
    return all.filter((each) => !isOwn(each)).map(([name, key]) => `${name}.${key}`);
  });
  expect(await get(areOwn.remote(functions))).toEqual([]);
});

// Loading these warns, so they are looked into only if the program has loaded them.
test.each(
  [
    ['wasi', 'WASI'],
    ['sqlite', 'DatabaseSync'],
  ].filter(([name]) => isBuiltin(`node:${name}`)) as [string, string][],
)('so is one of node:%s, in a variable', async (name, key) => {
  const exported = (moduleOf(name) as Record<string, unknown>)[key];
  const isOwn = remote(() => {
    const own = process.getBuiltinModule(`node:${name}`) as unknown as Record<string, unknown>;
    return own[key] === exported;
  });
  expect(await get(isOwn.remote())).toBe(true);
});

class Tools {
  readonly fs = fs;
}

/** Where a module may stand, and the way to it. */
const places: readonly [name: string, value: unknown, find: (value: never) => unknown][] = [
  ['an argument', fs, (v) => v],
  ['an object', { fs }, (v: { fs: unknown }) => v.fs],
  ['an object with a symbol', { fs, [Symbol.for('s')]: 1 }, (v: { fs: unknown }) => v.fs],
  ['an object without prototype', Object.assign(Object.create(null), { fs }), (v: Tools) => v.fs],
  ['an array', [1, [fs]], (v: [1, [unknown]]) => v[1][0]],
  ['an array with holes', Object.assign([], { 3: fs }), (v: unknown[]) => v[3]],
  ['a Map', new Map([['fs', fs]]), (v: Map<string, unknown>) => v.get('fs')],
  ['a key of a Map', new Map([[fs, 1]]), (v: Map<unknown, 1>) => [...v.keys()][0]],
  ['a Set', new Set([fs]), (v: Set<unknown>) => [...v][0]],
  ['an instance', new Tools(), (v: Tools) => v.fs],
  ['an error', Object.assign(new Error('e'), { fs }), (v: Tools) => v.fs],
  [
    'an object deeper than values nest at once',
    Array.from({ length: 500 }).reduce<object>((inner) => ({ inner }), fs),
    (v: { inner: never }) => {
      let at: { inner?: object } = v;
      while (at.inner !== undefined) at = at.inner;
      return at;
    },
  ],
  ['a list after a copy of it', [{ ...path }, path, fs], (v: unknown[]) => v[2]],
];

describe('a module of Node in', () => {
  test.each(places)('%s is named', async (_, value, find) => {
    const isOwn = remote((v: never, way: (value: never) => unknown) => {
      return way(v) === process.getBuiltinModule('node:fs');
    });
    expect(await get(isOwn.remote(value as never, find))).toBe(true);
  });

  test('a value twice is one', async () => {
    const same = remote((v: { a: unknown; b: unknown }) => v.a === v.b && v.a !== undefined);
    expect(await get(same.remote({ a: fs.promises, b: fs.promises }))).toBe(true);
  });

  test('a value after copies of it and of its like stays a module', async () => {
    const check = remote((copy: typeof path, posix: unknown, win32: unknown) => {
      const own = process.getBuiltinModule('node:path');
      return [copy !== own && copy.sep === own.sep, posix === own, win32 === own.win32];
    });
    const unpack = remote(async (all: [typeof path, unknown, unknown]) =>
      get(check.remote(...all)),
    );
    expect(await get(unpack.remote([{ ...path }, path.posix, path.win32]))).toEqual([
      true,
      true,
      true,
    ]);
  });

  test('a value is named also when its members are replaced or some are added, as packages do', async () => {
    const tty = process.getBuiltinModule('node:tty') as unknown as Record<string | symbol, unknown>;
    const { isatty } = tty;
    const symbol = Symbol('of a package');
    try {
      tty['isatty'] = () => 'replaced';
      tty['added'] = new WeakMap();
      tty[symbol] = new WeakMap();
      const check = remote((v: { tty: unknown }) => {
        return v.tty === process.getBuiltinModule('node:tty') && !Object.hasOwn(v.tty, 'added');
      });
      expect(await get(check.remote({ tty }))).toBe(true);
    } finally {
      tty['isatty'] = isatty;
      delete tty['added'];
      delete tty[symbol];
    }
  });

  test('a value is named also when it was loaded after others have travelled', async () => {
    await get(others.remote([], []));
    const { default: vm } = await import('node:vm');
    expect(await get(others.remote(['vm'], [vm]))).toEqual([]);
  });
});

test('objects that only look like a module travel as what they are', async () => {
  const read = remote((v: Record<string, unknown>) => [typeof v['isatty'], v['other']]);
  const double = { isatty: () => true, ReadStream: null, WriteStream: null, other: 1 };
  expect(await get(read.remote(double))).toEqual(['function', 1]);
  expect(await get(put({ ...path }))).not.toBe(path);
});

// In a program of its own, because here vitest makes what `import * as` gives.
test('namespace objects, functions that are modules, and a module of the program around one arrive', async () => {
  const program = fileURLToPath(new URL('programs/namespaces.mjs', import.meta.url));
  const { code, stderr, stdout } = await runProgram(program, { execArgv: [] });
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  const right = {
    functions: true,
    namespaces: true,
    objects: true,
    ofProgram: [true, `<${path.sep}>`],
  };
  const places = JSON.parse(stdout) as unknown;
  expect(places).toEqual({ argument: right, captured: right, result: right });
});
