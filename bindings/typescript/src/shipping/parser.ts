/**
 * The parser's answers about functions and modules. The parser itself is native (`crates/free-variables`); this file
 * has the shapes of its answers and the place where it is plugged in, so that shipping needs no native module to be
 * loaded, or tested.
 *
 * Every offset counts UTF-16 code units, as `String.prototype.slice` does.
 */

import { EaglerayError } from '../errors.ts';

/** A stretch of a text: `text.slice(start, end)`. */
export interface SourceRange {
  readonly start: number;
  readonly end: number;
}

/** One occurrence of a free variable. */
export interface VariableReference extends SourceRange {
  /** It stands in `{ name }`. */
  readonly isShorthand: boolean;
  /** It stands in `name(…)`. */
  readonly isCallee: boolean;
  /** It is needed to evaluate a class, not only to run its code. */
  readonly isEarly: boolean;
}

/** A name that a function takes from around it, globals included. */
export interface FreeVariable {
  readonly name: string;
  readonly isWritten: boolean;
  /** It only occurs as `typeof name`, so it need not exist. */
  readonly onlyTypeof: boolean;
  /** The members used, if it only occurs as `name.member`. */
  readonly members?: readonly string[] | undefined;
  readonly references: readonly VariableReference[];
}

/** What the text of a function or class says about what it needs. */
export interface FunctionAnalysis {
  readonly form: 'arrow' | 'function' | 'class' | 'method' | 'getter' | 'setter' | 'classMember';
  readonly name?: string | undefined;
  readonly isAsync: boolean;
  readonly isGenerator: boolean;
  readonly isStrict: boolean;
  readonly computedKey?: SourceRange | undefined;
  readonly freeVariables: readonly FreeVariable[];
  readonly outerThis: boolean;
  readonly outerSuper: boolean;
  readonly outerArguments: boolean;
  readonly outerNewTarget: boolean;
  readonly importMetas: readonly SourceRange[];
  readonly dynamicImports: readonly SourceRange[];
  readonly directEval: boolean;
  readonly privateMembers: readonly string[];
  readonly outerPrivateNames: readonly string[];
  readonly heritage?: SourceRange | undefined;
  readonly classBodyEnd?: number | undefined;
  readonly staticElements: readonly SourceRange[];
  readonly staticPrivateFields: readonly {
    readonly name: string;
    readonly initialiser?: SourceRange | undefined;
  }[];
  /** Methods of a class whose names are computed; `member` ends with what the method's `toString` gives. */
  readonly computedMembers: readonly { readonly key: SourceRange; readonly member: SourceRange }[];
}

/** `import { imported as local } from 'specifier'`; no `imported` means the namespace object. */
export interface ModuleImport {
  readonly local: string;
  readonly specifier: string;
  readonly imported?: string | undefined;
  readonly hasAttributes: boolean;
  readonly isType: boolean;
}

/** What a name holds that was taken out of a module by `require` or `await import()`. */
export interface RequiredModule {
  readonly specifier: string;
  readonly member?: string | undefined;
  /** The compiler's function around `require`, such as `__toESM` or `__importStar`. */
  readonly helper?: string | undefined;
  readonly helperIsNode: boolean;
  readonly isDynamicImport: boolean;
}

/** A name that is declared at the top level of a module. */
export interface ModuleDeclaration {
  readonly name: string;
  readonly function?: SourceRange | undefined;
  readonly isReassigned: boolean;
}

/** A variable of any scope that holds a module or a member of one. */
export interface RequiredName {
  readonly name: string;
  /** Nothing is assigned to it later, and no other variable of the file has its name. */
  readonly isCertain: boolean;
  readonly required: RequiredModule;
}

/** What the text of a module says about its names. */
export interface ModuleAnalysis {
  readonly isModule: boolean;
  readonly isStrict: boolean;
  readonly strictRanges: readonly SourceRange[];
  readonly imports: readonly ModuleImport[];
  readonly exports: readonly { readonly exported: string; readonly local: string }[];
  readonly reexports: readonly {
    readonly exported?: string | undefined;
    readonly imported?: string | undefined;
    readonly specifier: string;
  }[];
  readonly exportedTypes: readonly string[];
  readonly declarations: readonly ModuleDeclaration[];
  readonly requiredNames: readonly RequiredName[];
  readonly dependencies: readonly {
    readonly specifier: string;
    readonly isDynamic: boolean;
    readonly isType: boolean;
  }[];
  readonly metaProperties: readonly string[];
  readonly inerasableSyntax: readonly string[];
}

/** The variables of one name that functions take from around them. */
export interface NamedVariables {
  readonly name: string;
  /**
   * Three numbers for each: start and end of its scope, and 1 if it may change once it has a value, 2 if it has its value
   * by a `var` that may come later, 0 if it does not change.
   */
  readonly scopes: readonly number[];
}

/** What the text of a script says about the changes of its variables. */
export interface VariableChanges {
  /** `eval(…)` occurs, which may assign to any variable. */
  readonly hasDirectEval: boolean;
  /** All variables of each name of which one does not have its value from the beginning and for good. */
  readonly variables: readonly NamedVariables[];
}

/** The native parser. Its functions throw if the text is not JavaScript (or TypeScript). */
export interface Parser {
  breakableOffsets(source: string): number[];
  freeVariables(source: string): FunctionAnalysis;
  analyseModule(source: string, typescript: boolean): ModuleAnalysis;
  variableChanges(source: string): VariableChanges;
}

let parser: Parser | undefined;

/** Plugs the parser in. The runtime does it when it loads the native module, before anything is shipped. */
export function useParser(implementation: Parser): void {
  parser = implementation;
}

function installed(): Parser {
  if (parser === undefined) {
    throw new EaglerayError(
      'ERR_EAGLERAY_INTERNAL',
      'functions are shipped before the parser is there',
    );
  }
  return parser;
}

/** Analyses the text of a function or class. Throws if it is none, as that of a native function. */
export function analyseFunction(source: string): FunctionAnalysis {
  return installed().freeVariables(source);
}

/** The offsets of a function's text before which white space of any kind may be put, ascending. */
export function breakableOffsets(source: string): readonly number[] {
  return installed().breakableOffsets(source);
}

/** Analyses the text of a module or CommonJS file; undefined if it can't be parsed. */
export function analyseModule(source: string, typescript: boolean): ModuleAnalysis | undefined {
  const { analyseModule: analyse } = installed();
  try {
    return analyse(source, typescript);
  } catch {
    // Not an error of the user's: the engine runs syntax that this parser may not know yet. Callers then know nothing
    // of the module and take the way that is right without it.
    return undefined;
  }
}

/** Which variables of a script may change once they have a value; undefined if it can't be parsed. */
export function variableChanges(source: string): VariableChanges | undefined {
  const { variableChanges: analyse } = installed();
  try {
    return analyse(source);
  } catch {
    // As above.
    return undefined;
  }
}
