/**
 * Which file of a crate uses which, read from its source.
 *
 * A file *uses* another when it names something that the other defines: in a `use`, or by its path. The name counts for the file
 * in which it is defined, however it was reached: a re-export (`pub use ring::RingWriter` in `lib.rs`), an import of the parent
 * that a child takes over, and `*` are followed. So:
 *
 * - `mod child;` is no use. It says where a file is, and every file has a parent.
 * - A re-export is no use by itself. It is one when the file also names what it re-exports.
 * - A child uses its parent when it names what the parent's file itself defines. A parent may use its children or be used by
 *   them, never both.
 * - An `impl` in one file for a type of another is a use of that other. Methods that are called on a value are not seen.
 * - Tests (`#[cfg(test)]`) and links of the documentation (`#[cfg(doc)]`) are no part of the crate. They may look at everything.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join, sep } from 'node:path';

interface Import {
  /** From the crate's root on; nothing for what is of another crate. */
  readonly path: readonly string[] | undefined;
  /** As what it is known here; `*` for all. */
  readonly name: string;
  readonly reExported: boolean;
}

interface Source {
  readonly file: string;
  readonly module: readonly string[];
  readonly children: Set<string>;
  readonly defined: Set<string>;
  readonly imports: Import[];
  /** Paths that are named outside of a `use`. */
  readonly named: (readonly string[])[];
  /** Every word that stands outside of a `use`. */
  readonly words: Set<string>;
}

const FACES = new Set(['mod', 'lib', 'main']);
const TEST_ONLY = /#\s*\[\s*cfg\s*\(\s*(?:test|doc|all\s*\(\s*test\b[^\]]*)\s*\)\s*\]/g;
const TOKEN = /[A-Za-z_]\w*|::|[{}();,*=!]|./gs;
const DEFINES = new Set(['fn', 'struct', 'enum', 'trait', 'const', 'static', 'type', 'union']);

/** The files that each file of a crate uses; `folder` is the crate's `src`. */
export function rustImports(folder: string): Map<string, string[]> {
  return crateImports(
    new Map(
      readdirSync(folder, { recursive: true, encoding: 'utf8' })
        .filter((file) => file.endsWith('.rs'))
        .sort()
        .map((file) => [file.split(sep).join('/'), readFileSync(join(folder, file), 'utf8')]),
    ),
  );
}

/** The same, for sources that are given by their paths. */
export function crateImports(texts: ReadonlyMap<string, string>): Map<string, string[]> {
  const sources = new Map<string, Source>();
  const places = [...texts].map(([file, text]) => ({ file, text, module: moduleOf(file) }));
  // A parent comes before its children, and says which of them are tests.
  places.sort((a, b) => a.module.length - b.module.length);
  for (const { file, text, module } of places) {
    const parent = sources.get(module.slice(0, -1).join('::'));
    if (module.length > 0 && !parent?.children.has(module.at(-1)!)) continue;
    sources.set(module.join('::'), read(file, module, withoutTests(bare(text))));
  }
  return new Map([...sources.values()].map((source) => [source.file, usedBy(source, sources)]));
}

function moduleOf(file: string): string[] {
  const parts = file.slice(0, -'.rs'.length).split('/');
  return FACES.has(parts.at(-1)!) ? parts.slice(0, -1) : parts;
}

/** The text without comments, and with empty literals. */
function bare(text: string): string {
  const skipped =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|\b[bc]?r(#*)"[\s\S]*?"\1|[bc]?"(?:\\[\s\S]|[^"\\])*"|b?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\])'/g;
  return text.replace(skipped, (found) => (found.startsWith('/') ? ' ' : '""'));
}

/** Takes out each item that only tests, or only the documentation, have. */
function withoutTests(text: string): string {
  let kept = '';
  let from = 0;
  for (const { index } of text.matchAll(TEST_ONLY)) {
    if (index < from) continue;
    kept += text.slice(from, index);
    from = endOfItem(text, index);
  }
  return kept + text.slice(from);
}

/** Where the item ends that begins with attributes at `from`: at a `;` or `,`, or with its braces. */
function endOfItem(text: string, from: number): number {
  let depth = 0;
  let isUse = false;
  for (let at = from; at < text.length; at++) {
    const character = text[at]!;
    if (depth === 0 && /^use\s/.test(text.slice(at, at + 4))) isUse = true;
    if ('{(['.includes(character)) depth += 1;
    else if ('})]'.includes(character)) {
      depth -= 1;
      // A field or a branch may end with what is around it.
      if (depth < 0) return at;
      if (depth === 0 && character === '}' && !isUse) return at + 1;
    } else if (depth === 0 && ';,'.includes(character)) return at + 1;
  }
  return text.length;
}

function read(file: string, module: readonly string[], text: string): Source {
  const source: Source = {
    file,
    module,
    children: new Set(),
    defined: new Set(),
    imports: [],
    named: [],
    words: new Set(),
  };
  const tokens = [...text.matchAll(TOKEN)]
    .map(([token]) => token)
    .filter((token) => token.trim() !== '');
  const uses: { path: string[]; name: string; reExported: boolean; here: string[] }[] = [];
  // Modules inside of the file are a part of it: only what `super` means depends on them.
  const inner: { readonly name: string; readonly depth: number }[] = [];
  let depth = 0;
  for (let at = 0; at < tokens.length; at++) {
    const token = tokens[at]!;
    const here = [...module, ...inner.map(({ name }) => name)];
    if (token === '{') depth += 1;
    else if (token === '}') {
      depth -= 1;
      if (inner.at(-1)?.depth === depth) inner.pop();
    } else if (token === 'mod' && tokens[at + 2] === ';') {
      source.children.add(tokens[at + 1]!);
      at += 2;
    } else if (token === 'mod' && tokens[at + 2] === '{') {
      inner.push({ name: tokens[at + 1]!, depth });
      at += 1;
    } else if (token === 'use') {
      const end = tokens.indexOf(';', at);
      const reExported = tokens[at - 1] === 'pub' || tokens[at - 1] === ')';
      for (const { path, name } of useTree(tokens.slice(at + 1, end))) {
        uses.push({ path, name, reExported, here });
      }
      at = end;
    } else if (/^\w/.test(token)) {
      if (DEFINES.has(tokens[at - 1]!)) source.defined.add(token);
      else if (tokens[at - 1] === '!' && tokens[at - 2] === 'macro_rules')
        source.defined.add(token);
      // `const fn`, `static mut`: the name is the next word.
      source.words.add(token);
      if (tokens[at + 1] === '::' && tokens[at - 1] !== '::') {
        const named = [token];
        while (tokens[at + 1] === '::' && /^\w/.test(tokens[at + 2] ?? '')) {
          named.push(tokens[at + 2]!);
          at += 2;
        }
        const absolute = absolutePath(named, here);
        source.named.push(absolute ?? [...module, ...named]);
      }
    }
  }
  // A path that says not where it begins is that of a child, of something that is known here, or of another crate.
  const ofThisCrate = uses.filter(({ path, here }) => absolutePath(path, here));
  const known = new Set([
    ...source.children,
    ...source.defined,
    ...ofThisCrate.map(({ name }) => name),
  ]);
  for (const { path, name, reExported, here } of uses) {
    const isOwn = known.has(path[0]!) && (path.length > 1 || name !== path[0]);
    const relative = isOwn ? [...module, ...path] : undefined;
    source.imports.push({ path: absolutePath(path, here) ?? relative, name, reExported });
  }
  return source;
}

/** The paths in `a::{b, c as d, e::*}`. */
function useTree(tokens: readonly string[]): { readonly path: string[]; readonly name: string }[] {
  const found: { path: string[]; name: string }[] = [];
  let at = 0;
  const walk = (prefix: readonly string[]): void => {
    const own = [...prefix];
    let name: string | undefined;
    for (; at < tokens.length; at++) {
      const token = tokens[at]!;
      if (token === '{') {
        at += 1;
        while (tokens[at] !== '}') {
          walk(own);
          if (tokens[at] === ',') at += 1;
        }
        at += 1;
        return;
      }
      if (token === ',' || token === '}') break;
      if (token === 'as') name = tokens[++at];
      else if (token === '*') name = '*';
      else if (token !== '::') own.push(token);
    }
    if (own.at(-1) === 'self' && own.length > 1) own.pop();
    found.push({ path: own, name: name ?? own.at(-1)! });
  };
  walk([]);
  return found;
}

/** A path from the crate's root on, or nothing where it does not say where it begins. */
function absolutePath(named: readonly string[], here: readonly string[]): string[] | undefined {
  if (named[0] === 'crate') return named.slice(1);
  if (named[0] === 'self') return [...here, ...named.slice(1)];
  if (named[0] !== 'super') return undefined;
  let from = [...here];
  let rest = [...named];
  while (rest[0] === 'super') {
    from = from.slice(0, -1);
    rest = rest.slice(1);
  }
  return [...from, ...rest];
}

function usedBy(source: Source, sources: ReadonlyMap<string, Source>): string[] {
  const paths = [...source.named];
  for (const { path, name, reExported } of source.imports) {
    if (path && (!reExported || source.words.has(name))) paths.push(path);
  }
  const used = new Set(paths.map((path) => owner(path, sources, new Set())?.file));
  return [...used].filter((file) => file !== undefined && file !== source.file).sort() as string[];
}

/** The file that defines what a path names. */
function owner(
  path: readonly string[],
  sources: ReadonlyMap<string, Source>,
  asked: Set<string>,
): Source | undefined {
  // A re-export of a re-export of itself is none.
  if (asked.has(path.join('::'))) return undefined;
  asked.add(path.join('::'));
  let current = sources.get('');
  for (const [index, name] of path.entries()) {
    if (!current) return undefined;
    const child: Source | undefined = sources.get([...current.module, name].join('::'));
    if (child) {
      current = child;
      continue;
    }
    if (current.defined.has(name)) return current;
    const rest = path.slice(index + 1);
    const imported = current.imports.find((one) => one.name === name);
    if (imported) return imported.path && owner([...imported.path, ...rest], sources, asked);
    for (const { path: from } of current.imports.filter((one) => one.name === '*')) {
      const found = from && owner([...from, name, ...rest], sources, asked);
      if (found?.defined.has(name)) return found;
    }
    // Something of another crate, or inside of a module that this file has itself.
    return current;
  }
  return current;
}
