/**
 * A function taken out of its module: its text made fit to be evaluated elsewhere, and how all that it uses is read.
 *
 * That is a plan, made once for each function: the text never changes, and neither does most of what it uses. What may
 * change is read each time the function travels: variables that something assigns to, and properties of the function
 * itself. A plan holds nothing that the function does not hold.
 */

import type { ValuePath } from '../codec/hooks.ts';
import { MADE_THERE } from '../remedies.ts';
import { isPackaged } from './address.ts';
import { type Binding, bindingOf, globalBinding, travellingMember } from './bindings.ts';
import { holderOf, isInText, membersOfText, originalOf, writtenKey } from './class-members.ts';
import { PRIVATE_STATICS } from './class-text.ts';
import type {
  Constant,
  Definition,
  MemberAlias,
  MemberKey,
  PropertyPart,
  Slot,
} from './definition.ts';
import { cannotTravel } from './failure.ts';
import { isNameOfFunctionAround } from './function-names.ts';
import { isFunctionPrototype } from './function-prototypes.ts';
import { isHolder } from './holder.ts';
import { type Scope, scopesWith } from './inspection.ts';
import { isMark } from './inside-modules.ts';
import { literalConstant } from './literal-constants.ts';
import { type Located, placeOf } from './location.ts';
import type { FreeVariable, FunctionAnalysis, SourceRange, VariableReference } from './parser.ts';
import { PropertySnapshot } from './property-snapshot.ts';
import { layOut } from './source-positions.ts';
import { moduleOfSymbol, nameSymbol, symbolText } from './symbols.ts';
import { testRunner } from './test-runner.ts';
import { TextEdits } from './text-edits.ts';
import { changesOf } from './variable-changes.ts';

/** A function to be captured, and what is known of it. */
export interface Capture {
  readonly fn: Function;
  readonly source: string;
  readonly analysis: FunctionAnalysis;
  /** The scopes around it, from the inside to the outside, with what their variables hold now. */
  readonly scopes: readonly Scope[];
  readonly located: Located;
  readonly path: ValuePath;
  readonly title: string;
  /** As in `FunctionByValue`. */
  readonly hasPrivateMembers: boolean;
}

/** What a function holds at the moment when it travels. */
export interface Reading {
  readonly path: ValuePath;
  /** The scopes around it, with what their variables hold. */
  readonly scopes: readonly Scope[];
  /** The values of private static members. */
  readonly privateMembers: ReadonlyMap<string, unknown>;
  /** What stands for a variable that the functions of a shipment share. */
  shared(variable: SharedVariable): Function;
}

/** A variable that something may assign to, as a function finds it. */
export interface SharedVariable {
  readonly name: string;
  /** As in `PlannedValue`. */
  readonly label: string;
  /** The number of its scope among those around the function, from the inside; none for a global variable. */
  readonly scope: number | undefined;
  /** The function itself assigns to it. */
  readonly isAssigned: boolean;
  readonly value: unknown;
}

/** One of the values that travel with a function. */
export type PlannedValue = {
  /** The step of the path, as users read it: `variable "db"`. */
  readonly label: string;
} & (
  | { /** It stays what it is: nothing is assigned to the variable. */ readonly fixed: unknown }
  | { /** Reads what may change. */ readonly read: (reading: Reading) => unknown }
);

/** How a function is captured, each time. */
export interface Plan {
  /** The definition as it travels. */
  readonly definition: string;
  /** Modules that have to be loaded before the function is made. */
  readonly modules: readonly string[];
  /** One for each slot of the definition. */
  readonly values: readonly PlannedValue[];
  /** It is no class by its text, but has a prototype as one. */
  readonly hasPrototype: boolean;
  /** False if the function or what it uses is not what it was when the plan was made: it needs another one. */
  isStill(): boolean;
}

/** Plans how a function is captured. Throws a `SerializationError` if it uses what can't be taken along. */
export function planCapture(capture: Capture): Plan {
  refuseOuterNames(capture);
  return new Capturer(capture).run();
}

function refuseOuterNames({ analysis, located, path, title }: Capture): void {
  const [privateName] = analysis.outerPrivateNames;
  const [reason, remedy] =
    privateName !== undefined
      ? [`it uses the private member ${privateName} of a class around it`]
      : analysis.outerThis
        ? [
            "an arrow function that uses the `this` around it can't be sent",
            'pass the object as an argument',
          ]
        : analysis.outerSuper
          ? ["a method that uses `super` can't be sent without its class"]
          : analysis.outerArguments
            ? ['an arrow function that uses the `arguments` around it can not be sent']
            : analysis.outerNewTarget
              ? ['an arrow function that uses the `new.target` around it can not be sent']
              : analysis.directEval
                ? ['it uses eval, which may use any variable, so what it needs is not known']
                : analysis.form === 'classMember'
                  ? ["a private method can't be sent without its class"]
                  : [];
  if (reason !== undefined) throw cannotTravel(path, title, withRemedy(reason, located, remedy));
}

/** What to do about it; users can't change functions of packages. */
function withRemedy(reason: string, { url }: Located, remedy?: string): string {
  const fitting = isPackaged(url) ? MADE_THERE : remedy;
  return fitting === undefined ? reason : `${reason}; ${fitting}`;
}

class Capturer {
  private readonly capture: Capture;
  private readonly edits: TextEdits;
  private readonly slots: Slot[] = [];
  private readonly values: PlannedValue[] = [];
  /** What has to be as it was for the plan to be good. */
  private readonly conditions: (() => boolean)[] = [];
  private readonly constants: Constant[] = [];
  private readonly modules = new Set<string>();
  /** What the text of a class makes, and what else of the class is just that. */
  private members: readonly MemberKey[] = [];
  private readonly aliases: MemberAlias[] = [];
  private readonly taken: Set<string>;
  /** Computed names that need no variables any more. */
  private readonly settled: SourceRange[] = [];

  constructor(capture: Capture) {
    this.capture = capture;
    this.edits = new TextEdits(capture.source);
    this.taken = new Set(capture.analysis.freeVariables.map(({ name }) => name));
  }

  run(): Plan {
    const { analysis, fn, hasPrivateMembers, located, source } = this.capture;
    const snapshot = new PropertySnapshot(fn);
    this.symbols();
    this.syntax();
    if (analysis.form === 'class') this.computedNames();
    for (const variable of analysis.freeVariables) this.variable(variable);
    if (analysis.form === 'class') this.classParts();
    if (analysis.form === 'class') this.members = membersOfText(fn, source);
    if (analysis.form !== 'class' || !isDerived(fn)) this.parent();
    this.ownProperties();
    if (analysis.form === 'class' || analysis.form === 'function') this.prototype();
    this.moveBack();
    const usesRunner = this.constants.some(
      ({ is }) => is === 'runnerImport' || is === 'importMeta',
    );
    const name: unknown = Object.getOwnPropertyDescriptor(fn, 'name')?.value;
    const definition: Definition = {
      form: analysis.form,
      source: this.edits.toString(),
      name: typeof name === 'string' ? name : '',
      length: lengthOf(fn),
      url: located.url,
      file: located.file,
      line: located.start.line,
      column: located.start.column,
      isMoved: located.positions !== undefined,
      isStrict: located.isStrict,
      hasPrivateMembers,
      slots: this.slots,
      constants: this.constants,
      ...(analysis.form === 'class' ? { members: this.members, aliases: this.aliases } : {}),
      ...(usesRunner && testRunner().isActive ? { runnerRoot: testRunner().root } : {}),
    };
    const { conditions, slots, values } = this;
    return {
      definition: JSON.stringify(definition),
      modules: [...this.modules],
      values,
      hasPrototype: slots.some(({ kind }) => kind === 'prototype' || kind === 'prototypeParent'),
      isStill: () => snapshot.isStill(fn) && conditions.every((holds) => holds()),
    };
  }

  /** Names the symbols of a package's module that the function has as keys. */
  private symbols(): void {
    const { fn, located, scopes } = this.capture;
    if (!isPackaged(located.url)) return;
    const prototype: unknown = Object.getOwnPropertyDescriptor(fn, 'prototype')?.value;
    for (const holder of [fn, prototype]) {
      if (!isHolder(holder)) continue;
      for (const symbol of Object.getOwnPropertySymbols(holder)) {
        nameSymbol(symbol, located, scopes);
        const module = moduleOfSymbol(symbolText(symbol));
        if (module !== undefined) this.modules.add(module);
      }
    }
  }

  /** A value that stays what it is. */
  private fixed(slot: Slot, label: string, value: unknown): void {
    this.slots.push(slot);
    this.values.push({ label, fixed: value });
  }

  /** A value that is read each time. */
  private changing(slot: Slot, label: string, read: (reading: Reading) => unknown): void {
    this.slots.push(slot);
    this.values.push({ label, read });
  }

  private fresh(length: number): string {
    const name = this.edits.freshName(length, this.taken);
    this.taken.add(name);
    return name;
  }

  private moveBack(): void {
    const { offset, positions, script, start } = this.capture.located;
    if (positions === undefined || offset === -1) return;
    layOut(this.edits, start, (within) => placeOf(script, offset + within), positions);
  }

  /** What is no variable but only works inside the module. */
  private syntax(): void {
    const { computedKey, dynamicImports, importMetas } = this.capture.analysis;
    if (computedKey !== undefined) this.edits.overlay(computedKey, '0');
    if (dynamicImports.length > 0) {
      const name = this.fresh('import'.length);
      this.constants.push({ name, is: 'import' });
      for (const range of dynamicImports) this.edits.overlay(range, name);
    }
    if (importMetas.length > 0) {
      const name = this.fresh('import.meta'.length);
      this.constants.push({ name, is: 'importMeta' });
      for (const range of importMetas) this.edits.overlay(range, name);
    }
  }

  private variable(variable: FreeVariable): void {
    const { name } = variable;
    const { located, path, scopes, title } = this.capture;
    const [scope] = scopesWith(name, scopes);
    const early = variable.references.filter(
      (each) => each.isEarly && !this.settled.some((key) => isWithin(each, key)),
    );
    if (scope === undefined) {
      // Functions that use it would have kept it, if it were a variable.
      const isForgotten = early.length > 0 && variable.references.every(({ isEarly }) => isEarly);
      if (isForgotten && this.forgotten(variable, early)) return;
      this.globalVariable(variable);
      return;
    }
    const value = readVariable(name, scope, path, title);
    if (early.length > 0) this.early(variable, early, value);
    if (variable.references.every(({ isEarly }) => isEarly)) return;
    const binding = bindingOf(variable, value, scope, located, scopes);
    const changes = isVariable(binding) ? changesOf(name, scope, located) : 'never';
    if (changes === 'always') this.sharedVariable(variable, scopes.indexOf(scope));
    else if (changes === 'once' && value === undefined) {
      this.lateVariable(variable, scopes.indexOf(scope));
    } else if (typeof value === 'symbol' && binding.kind === 'value') {
      this.constants.push({ name, is: 'symbol', value: symbolText(value) });
    } else this.bind(variable, binding, 'variable');
  }

  /** A variable that something assigns to: functions that travel together go on sharing it. */
  private sharedVariable(variable: FreeVariable, scope: number): void {
    const { isWritten, name } = variable;
    const read = this.readerOf(variable, scope);
    const holder = this.replaced(variable, 'value');
    const label = `variable "${name}"`;
    this.changing({ kind: 'variable', name: holder }, label, (reading) =>
      reading.shared({ name, label, scope, isAssigned: isWritten, value: read(reading) }),
    );
  }

  /** A variable that is declared further down and has no value yet. */
  private lateVariable(variable: FreeVariable, scope: number): void {
    const { name } = variable;
    this.changing({ kind: 'variable', name }, `variable "${name}"`, this.readerOf(variable, scope));
  }

  /** Reads what travels as the value of a variable. */
  private readerOf(variable: FreeVariable, at: number): (reading: Reading) => unknown {
    const { located, title } = this.capture;
    return ({ path, scopes }) => {
      const scope = scopes[at]!;
      const value = readVariable(variable.name, scope, path, title);
      const binding = bindingOf(variable, value, scope, located, scopes);
      switch (binding.kind) {
        case 'import':
        case 'mark':
        case 'shared':
          return binding.standIn;
        case 'refused':
          throw cannotTravel(path, title, binding.reason, [`variable "${variable.name}"`]);
        default:
          return value;
      }
    };
  }

  private bind(variable: FreeVariable, binding: Binding, kind: string): void {
    const { name } = variable;
    switch (binding.kind) {
      case 'value':
        this.fixed({ kind: 'variable', name }, `${kind} "${name}"`, binding.value);
        return;
      case 'import':
        this.fixed({ kind: 'variable', name }, `import "${name}"`, binding.standIn);
        return;
      case 'mark': {
        const { standIn, value } = binding;
        this.fixed({ kind: 'variable', name }, `${kind} "${name}"`, standIn);
        this.conditions.push(() => isMark(value));
        return;
      }
      case 'live': {
        const holder = this.replaced(variable, binding.member);
        this.fixed({ kind: 'variable', name: holder }, `import "${name}"`, binding.namespace);
        return;
      }
      case 'shared': {
        const { standIn } = binding;
        this.changing({ kind: 'variable', name }, `variable "${name}"`, () => standIn);
        return;
      }
      case 'members':
        for (const member of binding.names) this.member(name, binding.holder, member);
        return;
      case 'refused': {
        const { path, title } = this.capture;
        throw cannotTravel(path, title, binding.reason, [`variable "${name}"`]);
      }
      case 'ambient': {
        const { holder, is } = binding;
        this.constants.push({ name, is });
        if (holder !== undefined && !this.isOnlyCompared(variable)) {
          this.changing({ kind: 'moduleExports', module: name }, 'variable "exports"', () =>
            travellingMember(holder, 'exports'),
          );
        }
      }
    }
  }

  /** A member of an object that stands for a module: as a rule it stays what it is. */
  private member(name: string, holder: object, member: string): void {
    const value = travellingMember(holder, member);
    this.fixed({ kind: 'member', name, member }, `variable "${member}"`, value);
    this.conditions.push(() => Object.is(travellingMember(holder, member), value));
  }

  /** `require.main === module` needs nothing of what the module exports. */
  private isOnlyCompared({ references }: FreeVariable): boolean {
    const { source } = this.capture;
    return references.every(
      ({ start, end }) =>
        /[!=]==?\s*$/.test(source.slice(0, start)) || /^\s*[!=]==?/.test(source.slice(end)),
    );
  }

  /** A name that no scope has: a global, one that the program defined, or one that does not exist. */
  private globalVariable(variable: FreeVariable): void {
    const { name } = variable;
    const { located, path, source, title } = this.capture;
    if (isNameOfFunctionAround(name, source, located)) {
      const reason = `it uses "${name}", the name of the function expression around it, which can't be read from outside`;
      const remedy = `write const ${name} = function () { … } there`;
      throw cannotTravel(path, title, withRemedy(reason, located, remedy));
    }
    const isThere = name in globalThis;
    this.conditions.push(() => name in globalThis === isThere);
    const binding = globalBinding(variable);
    if (binding?.kind === 'value') this.sharedGlobal(variable);
    else if (binding !== undefined) this.bind(variable, binding, 'global variable');
  }

  /** A global variable of the program's own: anybody may assign to it. */
  private sharedGlobal(variable: FreeVariable): void {
    const { isWritten, name } = variable;
    const holder = this.replaced(variable, 'value');
    const label = `global variable "${name}"`;
    this.changing({ kind: 'variable', name: holder }, label, (reading) => {
      const value = (globalThis as Record<string, unknown>)[name];
      return reading.shared({ name, label, scope: undefined, isAssigned: isWritten, value });
    });
  }

  /** Puts a member of an object into the place of a variable, wherever it is used. Returns the object's name. */
  private replaced(variable: FreeVariable, member: string): string {
    const name = this.fresh(2);
    const isIdentifier = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u.test(member);
    const access = `${name}${isIdentifier ? `.${member}` : `[${JSON.stringify(member)}]`}`;
    for (const reference of variable.references) {
      if (reference.isEarly) continue;
      const text = reference.isShorthand
        ? `${variable.name}:${access}`
        : reference.isCallee
          ? `(0,${access})`
          : access;
      this.edits.replace(reference, text);
    }
    return name;
  }

  /**
   * Puts the names that methods have into the place of the expressions that gave them: V8 keeps no variable that only
   * such an expression used.
   */
  private computedNames(): void {
    const { analysis, fn, source } = this.capture;
    const holders = [fn, fn.prototype as object];
    for (const { key, member } of analysis.computedMembers) {
      const text = source.slice(member.start, member.end);
      const names = holders.flatMap((holder) =>
        Reflect.ownKeys(holder).filter((name) => isTextOf(holder, name, text)),
      );
      const [name] = names;
      if (name === undefined || names.length > 1) continue;
      const constant = constantOf(this.fresh(key.end - key.start), name);
      if (constant === undefined) continue;
      this.constants.push(constant);
      this.edits.overlay(key, constant.name);
      this.settled.push(key);
    }
  }

  /** A name that only computed field names use: a constant whose text tells its value, or a global. */
  private forgotten(variable: FreeVariable, early: readonly VariableReference[]): boolean {
    const { located, path, title } = this.capture;
    const { name } = variable;
    const values = early.map((reference) => literalConstant(name, reference, located));
    if (values.every((value) => value !== undefined)) {
      this.early(variable, early, values[0]);
      return true;
    }
    if (name in globalThis) return false;
    const reason = `the computed name of a field uses "${name}", which is not known any more`;
    throw cannotTravel(path, title, reason);
  }

  /** A name in a computed field name has to be there when the class is evaluated, before the values arrive. */
  private early(
    variable: FreeVariable,
    references: readonly VariableReference[],
    value: unknown,
  ): void {
    const name = this.fresh(variable.name.length);
    const constant = constantOf(name, value);
    const members = isHolder(value) ? variable.members : undefined;
    const constants =
      constant !== undefined
        ? [constant]
        : members?.map((member) =>
            constantOf(`${name}.${member}`, (value as Record<string, unknown>)[member]),
          );
    for (const each of constants ?? [undefined]) {
      if (each === undefined) {
        const { path, title } = this.capture;
        const reason = 'a computed member name needs a value that is no text, number or symbol';
        throw cannotTravel(path, title, reason, [`variable "${variable.name}"`]);
      }
      this.constants.push(each);
    }
    for (const reference of references) this.edits.overlay(reference, name);
  }

  private classParts(): void {
    const { analysis, fn } = this.capture;
    const { heritage, staticElements, staticPrivateFields, classBodyEnd } = analysis;
    for (const range of staticElements) this.edits.blank(range);
    if (heritage !== undefined) {
      // A class that is derived from nothing, until the superclass has arrived.
      const name = this.fresh(Math.max(1, heritage.end - heritage.start));
      this.constants.push({ name, is: 'nothing' });
      this.edits.overlay(heritage, name);
    }
    if (isDerived(fn)) this.fixed({ kind: 'superclass' }, 'superclass', Object.getPrototypeOf(fn));
    if (staticPrivateFields.length === 0 || classBodyEnd === undefined) return;
    const names = staticPrivateFields.map(({ name }) => name);
    for (const { initialiser } of staticPrivateFields) {
      if (initialiser !== undefined) this.edits.blank(initialiser);
    }
    for (const name of names) {
      this.changing({ kind: 'privateStatic', name }, `static "${name}"`, (reading) =>
        reading.privateMembers.get(name),
      );
    }
    const assignments = names.map((name, index) => `this.${name}=values[${index}]`).join(';');
    this.edits.insert(classBodyEnd, `;static ${PRIVATE_STATICS}(values){${assignments}}`);
  }

  /** The prototype of the function itself, where a program has given it another one. */
  private parent(): void {
    const { fn, path, title } = this.capture;
    const parent = Object.getPrototypeOf(fn) as object | null;
    if (isFunctionPrototype(parent)) return;
    if (parent === null || typeof parent === 'function') {
      this.fixed({ kind: 'parent' }, 'prototype', parent);
      return;
    }
    const constructor: unknown = Object.getOwnPropertyDescriptor(parent, 'constructor')?.value;
    if (typeof constructor !== 'function' || constructor.prototype !== parent) {
      const reason = 'its prototype is an object that is neither a function nor that of a class';
      throw cannotTravel(path, title, `${reason}; ${MADE_THERE}`);
    }
    this.fixed({ kind: 'parentPrototype' }, 'prototype', constructor);
  }

  private ownProperties(): void {
    const { fn, source, analysis } = this.capture;
    for (const key of Reflect.ownKeys(fn)) {
      const descriptor = Object.getOwnPropertyDescriptor(fn, key);
      if (descriptor === undefined || isBuiltInProperty(key, descriptor)) continue;
      if (analysis.form === 'class' && isInText(key, descriptor, source)) continue;
      this.property('static', key, descriptor);
    }
  }

  private prototype(): void {
    const { fn, source, analysis, located, path, title } = this.capture;
    const prototype: unknown = Object.getOwnPropertyDescriptor(fn, 'prototype')?.value;
    if (!isHolder(prototype) || analysis.isGenerator) return;
    for (const key of Reflect.ownKeys(prototype)) {
      const descriptor = Object.getOwnPropertyDescriptor(prototype, key);
      if (descriptor === undefined || (key === 'constructor' && descriptor.value === fn)) continue;
      if (analysis.form === 'class' && isInText(key, descriptor, source)) continue;
      this.property('prototype', key, descriptor);
    }
    if (analysis.form === 'class') return;
    const parent: unknown = Object.getPrototypeOf(prototype);
    if (parent === Object.prototype || parent === null) return;
    const constructor: unknown = (parent as { constructor?: unknown }).constructor;
    if (typeof constructor !== 'function' || constructor.prototype !== parent) {
      const reason = 'its prototype inherits from an object that is no prototype';
      throw cannotTravel(path, title, withRemedy(reason, located));
    }
    this.fixed({ kind: 'prototypeParent' }, 'superclass', constructor);
  }

  private property(
    kind: 'static' | 'prototype',
    key: string | symbol,
    descriptor: PropertyDescriptor,
  ): void {
    const { fn } = this.capture;
    const written = writtenKey(key);
    const label = `${kind} "${typeof key === 'symbol' ? String(key.description) : key}"`;
    const isEnumerable = descriptor.enumerable === true;
    const part = (of: PropertyPart['of'], value: unknown): void => {
      const from = originalOf(fn, value, this.members);
      if (from !== undefined) {
        this.aliases.push({ on: kind, key: written, part: { of, isEnumerable }, from });
        return;
      }
      const slot: Slot = { kind, key: written, part: { of, isEnumerable } };
      // Of functions, the snapshot tells when they are replaced.
      if (typeof value === 'function') this.fixed(slot, label, value);
      else this.changing(slot, label, () => valueOf(fn, kind, key));
    };
    if ('value' in descriptor) {
      part('value', descriptor.value);
      return;
    }
    if (descriptor.get !== undefined) part('get', descriptor.get);
    if (descriptor.set !== undefined) part('set', descriptor.set);
  }
}

/** True if a variable is nothing else but that, as an import is. */
function isVariable({ kind }: Binding): boolean {
  return kind === 'value' || kind === 'import' || kind === 'shared' || kind === 'mark';
}

function readVariable(name: string, scope: Scope, path: ValuePath, title: string): unknown {
  try {
    return scope.variables[name];
  } catch (error) {
    const reason = `the variable "${name}" is used before its declaration has run`;
    throw cannotTravel(path, title, reason, [`variable "${name}"`], error);
  }
}

/** True for a class that extends another one. */
function isDerived(fn: Function): boolean {
  const parent: unknown = Object.getPrototypeOf(fn);
  if (typeof parent !== 'function' || isFunctionPrototype(parent)) return false;
  // Else somebody has given it another prototype afterwards.
  return Object.getPrototypeOf(fn.prototype) === parent.prototype;
}

function lengthOf(fn: Function): number {
  const length: unknown = Object.getOwnPropertyDescriptor(fn, 'length')?.value;
  return typeof length === 'number' ? length : 0;
}

function valueOf(fn: Function, on: MemberKey['on'], key: string | symbol): unknown {
  return Object.getOwnPropertyDescriptor(holderOf(fn, on), key)?.value;
}

function isWithin(inner: SourceRange, outer: SourceRange): boolean {
  return outer.start <= inner.start && inner.end <= outer.end;
}

/** True if a method or accessor came from this text of a class member. */
function isTextOf(holder: object, name: string | symbol, text: string): boolean {
  const { value, get, set } = Object.getOwnPropertyDescriptor(holder, name) ?? {};
  return [value, get, set].some((each: unknown) => {
    if (typeof each !== 'function') return false;
    const own = Function.prototype.toString.call(each);
    return own.includes('[') && text.endsWith(own);
  });
}

function isBuiltInProperty(
  key: string | symbol,
  { value, enumerable }: PropertyDescriptor,
): boolean {
  switch (key) {
    case 'length':
      return enumerable !== true && typeof value === 'number';
    case 'prototype':
    case 'arguments':
    case 'caller':
      return enumerable !== true;
    case 'name':
      return enumerable !== true && typeof value === 'string';
    default:
      return false;
  }
}

function constantOf(name: string, value: unknown): Constant | undefined {
  switch (typeof value) {
    case 'string':
      return { name, is: 'text', value };
    case 'symbol':
      return { name, is: 'symbol', value: symbolText(value) };
    case 'number':
      return Number.isFinite(value) ? { name, is: 'number', value } : undefined;
    case 'boolean':
      return { name, is: 'boolean', value };
    case 'bigint':
      return { name, is: 'bigint', value: String(value) };
    default:
      return undefined;
  }
}
