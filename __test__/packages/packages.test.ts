/**
 * Packages that Node programs use, each in four ways: imported inside the task, captured in the entry file, as an argument,
 * as a result. In each way a value is what it is at home, or it is refused; then what the message advises is done, and works.
 *
 * At the end a table says what was found, and what the first use costs beside the import of the package.
 */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { run } from '../integrations/project.ts';
import { PACKAGES, type PackageCase, type ValueCase } from './cases.ts';
import { type Findings, type Outcome, REMEDIES, WAYS, writeProgram } from './programs.ts';

/** What every refusal of a package's value advises, and what else it may. */
const ADVICE = /perProcess\(\(\) => …\)/;
const ADVISES_MODULE = /make the value in a module and import it where it is used/;
/** Nothing that only the authors of the package can do. */
const FOR_AUTHORS = /static \[Symbol|ES2022/;

/** By package. */
const rows = new Map<string, string[][]>();

test('there are forty of them, of every kind', () => {
  expect(PACKAGES.length).toBeGreaterThanOrEqual(40);
  expect(new Set(PACKAGES.map(({ name }) => name)).size).toBe(PACKAGES.length);
});

test.concurrent.each(PACKAGES)('$name', async (tried) => {
  const program = writeProgram(tried);
  const results = `${program}.json`;
  const { code, errors } = await run(import.meta.dirname, process.execPath, [program, results]);
  expect({ code, errors: errors.replaceAll(/^.*(?:Warning|--trace-).*\n/gm, '') }).toEqual({
    code: 0,
    errors: '',
  });
  const findings = JSON.parse(readFileSync(results, 'utf8')) as Findings[];
  expect(findings.length).toBe(tried.values.length);
  const importMs = await importTime(tried);
  rows.set(
    tried.name,
    findings.map((found, index) => {
      return rowOf(tried, tried.values[index]!, found, index === 0 ? importMs : undefined);
    }),
  );
  for (const [index, found] of findings.entries()) judge(tried.values[index]!, found);
});

function judge({ refused }: ValueCase, { home, make, ways }: Findings): void {
  for (const way of WAYS) {
    const { error, isRefusal, value } = ways[way];
    // Inside the task nothing of the package travels.
    if (way === 'imported' || refused === undefined) {
      expect([make, way, value ?? error]).toEqual([make, way, home]);
      continue;
    }
    expect([make, way, value, isRefusal]).toEqual([make, way, undefined, true]);
    expect([make, way, error]).toEqual([make, way, expect.stringMatching(refused)]);
    expect([make, way, error]).toEqual([make, way, expect.stringMatching(ADVICE)]);
    expect([make, way, error]).toEqual([make, way, expect.not.stringMatching(FOR_AUTHORS)]);
  }
  // What is advised works, also where it is not needed.
  for (const remedy of REMEDIES) {
    const { error, value } = ways[remedy];
    expect([make, remedy, value ?? error]).toEqual([make, remedy, home]);
  }
}

/** How long a fresh process takes to import the package. */
async function importTime({ imports }: PackageCase): Promise<number> {
  const specifiers = JSON.stringify(Object.keys(imports));
  const program = `const start = performance.now();
    for (const each of ${specifiers}) await import(each);
    console.log(performance.now() - start);
    process.exit();`;
  const folder = join(import.meta.dirname, '.cache');
  const { output } = await run(folder, process.execPath, ['--input-type=module', '-e', program]);
  return Number(output);
}

function rowOf(
  { kind, name }: PackageCase,
  { make }: ValueCase,
  { home, ways }: Findings,
  importMs: number | undefined,
): string[] {
  const verdicts = WAYS.map((way) => verdictOf(ways[way], home));
  const needed = verdicts.includes('refused');
  const remedies = REMEDIES.every((each) => ways[each].value === home) ? 'tried' : 'FAILS';
  return [
    importMs === undefined ? '' : `${name} (${kind})`,
    make.length > 44 ? `${make.slice(0, 43)}…` : make,
    ...verdicts,
    needed ? `${advised(ways.captured)}, ${remedies}` : '',
    importMs === undefined ? '' : importMs.toFixed(0),
    ways.captured.ms.toFixed(0),
    ways.argument.ms.toFixed(0),
  ];
}

function verdictOf({ error, isRefusal, value }: Outcome, home: string): string {
  if (error !== undefined) return isRefusal === true ? 'refused' : 'WRONG';
  return value === home ? 'right' : 'WRONG';
}

function advised({ error = '' }: Outcome): string {
  return ADVISES_MODULE.test(error) ? 'module, perProcess' : 'perProcess';
}

afterAll(() => {
  const head = ['package', 'value', ...WAYS, 'remedy', 'import ms', 'first use ms', 'next ms'];
  const body = PACKAGES.flatMap(({ name }) => rows.get(name) ?? []);
  const table = [head, head.map(() => '---'), ...body];
  const widths = head.map((_, column) => Math.max(...table.map((row) => row[column]!.length)));
  const lines = table.map((row) => {
    const cells = row.map((cell, column) => {
      const fill = cell === '---' ? '-' : ' ';
      return cell.replace('---', '').padEnd(widths[column]!, fill);
    });
    return `| ${cells.join(' | ')} |`;
  });
  process.stdout.write(`\n${lines.join('\n')}\n\n`);
});
