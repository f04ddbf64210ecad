/**
 * The programs by which a package is tried, one for each, as a user would write them: the imports at the top, values made
 * in the entry file. They are written into a folder beside the installed packages, which git ignores.
 */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import type { PackageCase, ValueCase } from './cases.ts';

const FOLDER = join(import.meta.dirname, '.cache');

/** What a program has found out, by value. */
export interface Findings {
  readonly make: string;
  /** What the check gives at home. */
  readonly home: string;
  /** What it gave in each way, or why the value was refused. */
  readonly ways: Readonly<Record<Way | Remedy, Outcome>>;
}

/** The four ways in which a value is used. */
export const WAYS = ['imported', 'captured', 'argument', 'result'] as const;
/** What messages advise. */
export const REMEDIES = ['module', 'perProcess', 'perProcess as argument', 'used there'] as const;

export type Way = (typeof WAYS)[number];
export type Remedy = (typeof REMEDIES)[number];

export interface Outcome {
  readonly value?: string;
  readonly error?: string;
  /** The error is a `SerializationError` of this process, thrown at the call. */
  readonly isRefusal?: boolean;
  readonly ms: number;
}

/** Writes the program that tries a package, and the module that its messages advise. Returns its path. */
export function writeProgram({ imports, name, values }: PackageCase): string {
  mkdirSync(FOLDER, { recursive: true });
  const module = `${name}.values.mjs`;
  const path = join(FOLDER, `${name}.mjs`);
  const statements = Object.entries(imports)
    .map(([specifier, names]) => importStatement(specifier, names))
    .join('\n');
  const made = values.map(({ make }, index) => `export const value${index} = ${make};`);
  writeFileSync(join(FOLDER, module), `${statements}\n\n${made.join('\n')}\n`);
  writeFileSync(
    path,
    `${statements}
import { writeFileSync } from 'node:fs';
import { get, init, perProcess, remote, shutdown } from 'eagleray';
import * as there from './${module}';

const outcome = async (attempt) => {
  const start = performance.now();
  try {
    const value = String(await attempt());
    return { value, ms: performance.now() - start };
  } catch (error) {
    const isRefusal = error?.name === 'SerializationError' || error?.cause?.name === 'SerializationError';
    return { error: String(error?.message ?? error), isRefusal, ms: performance.now() - start };
  }
};

await init({ numCpus: 1 });
await get(remote(() => 1).remote());
const results = [];
${values.map((each, index) => programOf(each, index, imports)).join('\n')}
await shutdown();
writeFileSync(process.argv[2], JSON.stringify(results));
process.exit();
`,
  );
  return path;
}

function programOf(
  { check, make }: ValueCase,
  index: number,
  imports: PackageCase['imports'],
): string {
  return `{
  const make = () => ${make};
  const check = ${check};
  const value = make();
  // Another one, because checking may change it.
  const home = String(await check(make()));
  const own = perProcess(make);
  const captured = await outcome(() => get(remote(async () => check(value)).remote()));
  const argument = await outcome(() => get(remote(async (given, use) => use(given)).remote(value, check)));
  const result = await outcome(async () => check(await get(remote(make).remote())));
  const imported = await outcome(() => get(remote(async () => {
    ${Object.entries(imports)
      .map(([specifier, names]) => dynamicImport(specifier, names))
      .join('\n    ')}
    return (${check})(${make});
  }).remote()));
  const module = await outcome(() => get(remote(async () => check(there.value${index})).remote()));
  const mine = await outcome(() => get(remote(async () => check(own())).remote()));
  const given = await outcome(() => get(remote(async (its, use) => use(its())).remote(own, check)));
  const usedThere = await outcome(() => get(remote(async () => check(make())).remote()));
  results.push({
    make: ${JSON.stringify(make)},
    home,
    ways: {
      imported, captured, argument, result,
      module, perProcess: mine, 'perProcess as argument': given, 'used there': usedThere,
    },
  });
}`;
}

function importStatement(specifier: string, names: Readonly<Record<string, string>>): string {
  return Object.entries(names)
    .map(([exported, local]) => {
      const what = exported === '*' ? `* as ${local}` : `{ ${exported} as ${local} }`;
      return `import ${what} from '${specifier}';`;
    })
    .join('\n');
}

function dynamicImport(specifier: string, names: Readonly<Record<string, string>>): string {
  return Object.entries(names)
    .map(([exported, local]) => {
      const what = exported === '*' ? local : `{ ${exported}: ${local} }`;
      return `const ${what} = await import('${specifier}');`;
    })
    .join(' ');
}
