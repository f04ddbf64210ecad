/**
 * That the files of every room depend on each other one way only, and in the order in which `docs/architecture.md` lists them.
 * `rust-imports.ts` says what counts as use in Rust. In TypeScript each import and re-export counts, those of types too: who
 * reads the one file has to read the other.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { crateImports, rustImports } from './rust-imports.ts';

const ROOT = path.resolve(import.meta.dirname, '../..');
const CRATES = readdirSync(path.join(ROOT, 'crates')).map((name) => `crates/${name}/src`);
const ARCHITECTURE = readFileSync(path.join(ROOT, 'docs/architecture.md'), 'utf8');

type Graph = ReadonlyMap<string, readonly string[]>;

/** The groups of files of which each reaches each other one, with the imports among them. */
function circles(graph: Graph): string[] {
  const reachable = new Map([...graph.keys()].map((file) => [file, reachableFrom(file, graph)]));
  const inCircles = [...graph.keys()].filter((file) => reachable.get(file)!.has(file));
  return inCircles.flatMap((file) =>
    graph
      .get(file)!
      .filter((used) => reachable.get(used)?.has(file))
      .map((used) => `${file} uses ${used}, which uses ${file} in the end`),
  );
}

function reachableFrom(start: string, graph: Graph): Set<string> {
  const found = new Set<string>();
  const open = [start];
  for (let file = open.pop(); file !== undefined; file = open.pop()) {
    for (const used of graph.get(file) ?? []) {
      if (found.has(used)) continue;
      found.add(used);
      open.push(used);
    }
  }
  return found;
}

function typescriptImports(folder: string): Map<string, string[]> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  );
  return new Map(
    files.map((file) => [
      file,
      specifiers(readFileSync(path.join(folder, file), 'utf8')).map((specifier) =>
        path.join(path.dirname(file), specifier),
      ),
    ]),
  );
}

/** What a TypeScript file names in imports and re-exports, as far as it is in the same package. */
function specifiers(text: string): string[] {
  const statements =
    /^(?:import|export)\b[^;'"]*?\bfrom\s*'(\.[^']*)'|^import\s*'(\.[^']*)'|\bimport\(\s*'(\.[^']*)'/gm;
  const found = [...text.matchAll(statements)].map((match) => match[1] ?? match[2] ?? match[3]!);
  return [...new Set(found)];
}

/** The places that a table of the document names in its first column, a list for each line; those without a folder are of that
 * of the one before. */
function rows(heading: string): string[][] {
  const section = ARCHITECTURE.slice(ARCHITECTURE.indexOf(heading) + heading.length).split(
    /^#/m,
    1,
  )[0]!;
  const lines = section.split('\n').filter((line) => line.startsWith('| `'));
  return lines.map((line) => {
    let folder = '';
    return [...line.split('|')[1]!.matchAll(/`([^`]+)`/g)].map(([, name]) => {
      if (name!.endsWith('/')) return name!;
      if (name!.includes('/')) folder = name!.slice(0, name!.lastIndexOf('/') + 1);
      return name!.includes('/') ? name! : folder + name!;
    });
  });
}

describe('no file depends on itself by way of others', () => {
  test.each([...CRATES, 'bindings/native/src'])('%s', (folder) => {
    const graph = rustImports(path.join(ROOT, folder));
    expect(graph.size).toBeGreaterThan(0);
    expect(circles(graph)).toEqual([]);
  });

  test('bindings/typescript/src', () => {
    const graph = typescriptImports(path.join(ROOT, 'bindings/typescript/src'));
    expect(graph.size).toBeGreaterThan(50);
    const unknown = [...graph].flatMap(([file, used]) =>
      used.filter((name) => !graph.has(name)).map((name) => `${file}: ${name}`),
    );
    expect(unknown).toEqual([]);
    expect(circles(graph)).toEqual([]);
  });
});

describe('docs/architecture.md', () => {
  test('its code map goes down, as the crates depend on each other', () => {
    const order = rows('## Code map').flat();
    const upward = order.flatMap((room, index) => {
      if (!room.startsWith('crates/')) return [];
      const manifest = readFileSync(path.join(ROOT, room, 'Cargo.toml'), 'utf8').split(
        /^\[dev-dependencies\]/m,
      )[0]!;
      return [...manifest.matchAll(/^eagleray-([\w-]+)/gm)]
        .map(([, name]) => `crates/${name}`)
        .filter((used) => order.indexOf(used) <= index)
        .map((used) => `${room} depends on ${used}, which is not below it`);
    });
    expect(order.filter((room) => room.startsWith('crates/')).sort()).toEqual(
      CRATES.map((folder) => path.dirname(folder)).sort(),
    );
    expect(upward).toEqual([]);
  });

  test('its list of the core worker has every file, and goes down as they use each other', () => {
    const graph = rustImports(path.join(ROOT, 'crates/core-worker/src'));
    const list = rows('### Files of `crates/core-worker/src`');
    const line = (file: string) => {
      const exact = list.findIndex((names) => names.includes(file));
      return exact !== -1
        ? exact
        : list.findIndex((names) =>
            names.some((name) => name.endsWith('/') && file.startsWith(name)),
          );
    };
    const files = [...graph.keys()].filter((file) => file !== 'lib.rs');
    expect(files.filter((file) => line(file) === -1)).toEqual([]);
    expect(
      list.flat().filter((name) => !files.some((file) => file === name || file.startsWith(name))),
    ).toEqual([]);
    const upward = files.flatMap((file) =>
      graph
        .get(file)!
        .filter((used) => used !== 'lib.rs' && line(used) < line(file))
        .map((used) => `${file} uses ${used}, which is above it`),
    );
    expect(upward).toEqual([]);
  });
});

describe('what counts as use in Rust', () => {
  const used = (files: Record<string, string>) =>
    Object.fromEntries(crateImports(new Map(Object.entries(files))));

  test('a name counts for the file that defines it', () => {
    const graph = used({
      'lib.rs': 'mod a;\nmod b;\nmod c;\npub use a::{First, second as third};\npub use b::*;',
      'a.rs': 'pub struct First; pub fn second() {}',
      'b.rs': 'pub const FOURTH: u8 = 4;',
      'c.rs': 'use crate::{First, third}; fn f() { crate::FOURTH; }',
    });
    expect(graph).toEqual({ 'lib.rs': [], 'a.rs': [], 'b.rs': [], 'c.rs': ['a.rs', 'b.rs'] });
  });

  test('a parent and a child that name what the other defines are a circle; neither a declaration nor a re-export is', () => {
    const child = 'use super::Parent; pub fn help() {}';
    const parent = 'mod child; pub use child::help; pub struct Parent;';
    expect(
      circles(
        crateImports(
          new Map([
            ['lib.rs', parent],
            ['child.rs', child],
          ]),
        ),
      ),
    ).toEqual([]);
    for (const use of [
      'fn f() { child::help() }',
      'fn f() { help() }',
      'fn f() { self::child::help() }',
      'use child::help as h;',
    ]) {
      const graph = crateImports(
        new Map([
          ['lib.rs', `${parent} ${use}`],
          ['child.rs', child],
        ]),
      );
      expect(circles(graph), use).toHaveLength(2);
    }
  });

  test('what a child takes from its parent may be what that has imported itself', () => {
    const graph = used({
      'lib.rs': 'mod a; mod b;',
      'a.rs': 'pub fn one() {}',
      'b/mod.rs': 'mod c; use crate::a::one; pub fn two() { one() }',
      'b/c.rs': 'use super::one;',
    });
    expect(graph).toEqual({ 'lib.rs': [], 'a.rs': [], 'b/mod.rs': ['a.rs'], 'b/c.rs': ['a.rs'] });
  });

  test('modules inside of a file are that file', () => {
    const graph = used({
      'lib.rs': 'mod a; mod b;',
      'a.rs':
        'const SIZE: u8 = 1; mod inside { use super::SIZE; use crate::b::{self, Other}; fn f() { super::super::b::g() } }',
      'b.rs': 'pub struct Other; pub fn g() {}',
    });
    expect(graph).toEqual({ 'lib.rs': [], 'a.rs': ['b.rs'], 'b.rs': [] });
  });

  test('tests, comments, texts and links of the documentation are none', () => {
    const graph = used({
      'lib.rs': 'mod a; mod b; #[cfg(test)] mod tests; #[cfg(all(test, loom))] mod checks;',
      'a.rs': `#[cfg(doc)] use crate::b::{B, C}; /// [x](crate::b::B)
        /* crate::b */ const TEXT: &str = "crate::b::B \\" crate::b"; const CHARACTER: char = '"'; // crate::b
        #[cfg(test)] #[allow(x)] mod tests { use crate::b::B; fn f() { { crate::b::B } } }`,
      'b.rs': 'pub struct B; use crate::a::TEXT;',
      'tests.rs': 'use crate::b::B;',
      'checks.rs': 'use crate::b::B;',
    });
    expect(graph).toEqual({ 'lib.rs': [], 'a.rs': [], 'b.rs': ['a.rs'] });
  });
});
