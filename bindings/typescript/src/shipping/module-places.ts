/**
 * Values that modules make for themselves where workers import these modules too, such as `export const log =
 * perProcess(…)`: the module of each process has its own, and it is the same one by its place.
 */

import { types } from 'node:util';

import { isNative } from '../describe-value.ts';
import { isOfModule } from './bindings.ts';
import { standingOf } from './describe.ts';
import { type Inspection, inspect, valueIn } from './inspection.ts';
import { type Located, locate } from './location.ts';
import { canReference } from './module-graph.ts';
import { exportOf } from './reference.ts';

/** The place of a function in the file that its author wrote: the same text in every process; undefined if it has none. */
export function placeInFile(fn: Function): string | undefined {
  const { url, start } = locatedOf(fn)?.located ?? NOWHERE;
  return url === '' ? undefined : `${url}:${start.line}:${start.column}`;
}

const NOWHERE = { url: '', start: { line: 0, column: 0 } };

/**
 * True if a value was made when its module ran, once, and so is made again wherever the module is imported: it is an
 * export or a variable of the module.
 *
 * @param inside a function that was given to what made the value, and stands in that module.
 */
export function isOfImportedModule(value: Function, inside: Function): boolean {
  const found = locatedOf(inside);
  if (found === undefined || !canReference(found.located.url)) return false;
  const { located, look } = found;
  // What stands at the place is the function inside, and not what is looked for.
  const elsewhere = { ...located, offset: -1 };
  return (
    exportOf(value, elsewhere, look) !== undefined ||
    isDefaultExport(located) ||
    isVariable(value, located, look)
  );
}

function locatedOf(fn: Function): { located: Located; look: () => Inspection } | undefined {
  const source = Function.prototype.toString.call(fn);
  if (types.isProxy(fn) || isNative(fn)) return undefined;
  let inspection: Inspection | undefined;
  const look = (): Inspection => (inspection ??= inspect(fn));
  const { place, script } = standingOf(fn, look);
  return { located: locate(fn, source, place, script), look };
}

function isVariable(value: Function, located: Located, look: () => Inspection): boolean {
  const { scopes } = look();
  return scopes.some((scope) =>
    Object.keys(scope.variables).some(
      (name) => valueIn(scope, name) === value && isOfModule(name, scope, located, scopes),
    ),
  );
}

/** V8 lists `export default perProcess(…)` in no scope; but the text says it. */
function isDefaultExport({ offset, script }: Located): boolean {
  if (offset === -1) return false;
  const before = script.source.slice(Math.max(0, offset - 200), offset);
  return /(?:^|[;\s}])export\s+default\s+(?:[\w$]+\s*\.\s*)?perProcess\s*(?:<[^()]*>\s*)?\(\s*$/.test(
    before,
  );
}
