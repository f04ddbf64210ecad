/**
 * The text around the text of a function that arrived: it declares the variables that the function takes from around
 * it, and gives access to them.
 *
 * The variables are assigned once, when all values have arrived. Who asks which variables of the text change must not
 * count that.
 */

/** What stands before the text of a function, all on one line. */
export function beforeText(
  constants: readonly string[],
  variables: readonly string[],
  isStrict: boolean,
): string {
  const values = unusedName('values', [...variables, ...constants]);
  const assignments = variables.map((name, index) => `${name}=${values}[${index}]`).join(';');
  return (
    `(function(${constants.join()}){${isStrict ? "'use strict';" : ''}` +
    `${variables.length === 0 ? '' : `let ${variables.join()};`}` +
    `return[(${values})=>{${assignments}},()=>[${variables.join()}],`
  );
}

function unusedName(base: string, names: readonly string[]): string {
  let name = base;
  while (names.includes(name)) name = `$${name}`;
  return name;
}

const BEFORE =
  /^(\(function\([^()]*\)\{(?:'use strict';)?(?:let [^;{}]*;)?return\[\(\$*values\)=>\{)([^{}]*)\},\(\)=>\[/;

/** A script without the assignments that `beforeText` has, every character of the rest at its place. */
export function withoutAssignments(source: string): string {
  const [, before, assignments] = BEFORE.exec(source) ?? [];
  if (before === undefined || assignments === undefined) return source;
  const rest = source.slice(before.length + assignments.length);
  return before + ' '.repeat(assignments.length) + rest;
}
