/**
 * The values of constants of a module that V8 has forgotten: it keeps no variable that only the code of the module itself
 * uses, such as `KIND` in `const KIND = 'kind'; class Item { [KIND] = 1; }`.
 *
 * They are read from the text, where a literal is written for them. Whether a name at some place means the constant is
 * asked of the parser: in a text that assigns to the name there, the constant would be assigned to.
 */

import { type Located, moduleOf } from './location.ts';
import { type ModuleAnalysis, type SourceRange, analyseModule } from './parser.ts';

/** A literal without escapes: a text, a whole number, a registered symbol. */
const LITERAL = /'[^'\\\n]*'|"[^"\\\n]*"|`[^`\\$]*`|0|[1-9]\d*|Symbol\.for\('[^'\\\n]*'\)/.source;

/** The value of `name` where it stands in the text of a function, if it is certain. */
export function literalConstant(
  name: string,
  { start, end }: SourceRange,
  { offset, script }: Located,
): string | number | symbol | undefined {
  const { source } = script;
  if (offset === -1 || !isConstant(name, moduleOf(script))) return undefined;
  const declarations = [...source.matchAll(declarationOf(name))];
  const [declaration] = declarations;
  if (declaration === undefined || declarations.length > 1) return undefined;
  const [, before, literal] = declaration;
  const at = declaration.index + before!.length;
  // Without its name here, the module has no such constant: so this is no text of a comment, and no inner variable.
  const withoutName = replaced(source, { start: at, end: at + name.length }, `$${name}`);
  const others = analyseModule(withoutName, false);
  if (others === undefined || has(name, others)) return undefined;
  const place = { start: offset + start, end: offset + end };
  // Of a `const`, the parser would not say that it is assigned to.
  const variable = replaced(
    source,
    { start: declaration.index, end: at },
    before!.replace('const', 'let  '),
  );
  const assigning = analyseModule(replaced(variable, place, `(${name}=0)`), false);
  if (!has(name, assigning) || isConstant(name, assigning)) return undefined;
  return valueOf(literal!);
}

function declarationOf(name: string): RegExp {
  const escaped = name.replaceAll('$', String.raw`\$`);
  // Followed by what can't go on with the expression.
  const end = String.raw`(?=[ \t]*(?:[;,]|[\r\n]\s*[\w}@]))`;
  return new RegExp(String.raw`(\b(?:const|let)\s+)${escaped}\s*=\s*(${LITERAL})${end}`, 'g');
}

function has(name: string, analysis: ModuleAnalysis | undefined): boolean {
  return analysis?.declarations.some((each) => each.name === name) === true;
}

function isConstant(name: string, analysis: ModuleAnalysis | undefined): boolean {
  const declarations = analysis?.declarations.filter((each) => each.name === name);
  return declarations?.length === 1 && !declarations[0]!.isReassigned;
}

function replaced(text: string, { start, end }: SourceRange, by: string): string {
  return text.slice(0, start) + by + text.slice(end);
}

function valueOf(literal: string): string | number | symbol {
  if (/^\d/.test(literal)) return Number(literal);
  const text = literal.slice(literal.search(/['"`]/) + 1, literal.search(/['"`]\)?$/));
  return literal.startsWith('Symbol') ? Symbol.for(text) : text;
}
