/**
 * Functions and classes again, from what a `Shipment` made of them.
 *
 * The text is compiled under its old file name, at its old line and column, so stacks and breakpoints are those of the
 * program's own files. Captured variables are real variables of a function around the text: code runs as fast as it
 * did at home. They are assigned when all values have arrived, so that functions may capture each other.
 */

import { findSourceMap } from 'node:module';
import { Script } from 'node:vm';

import type { ConstructedFunction, FunctionSkeleton, LabelledValue } from '../codec/hooks.ts';
import { SerializationError } from '../errors.ts';
import { WeakValues } from '../weak-values.ts';
import { isPackaged } from './address.ts';
import { makeAmbient } from './ambient.ts';
import { constructBound, isBoundKey } from './bound-functions.ts';
import { arrangeMembers, defineMember, holderOf, readKey } from './class-members.ts';
import { PRIVATE_STATICS } from './class-text.ts';
import type { Constant, Definition, Slot } from './definition.ts';
import { keepRelated } from './relatives.ts';
import { noteExport } from './imported-functions.ts';
import {
  classOfDefinition,
  functionOf,
  isOwnIdentity,
  noteCopy,
  parseKey,
  remember,
  rememberClass,
} from './identity.ts';
import { insideValue } from './inside-modules.ts';
import { exportedValue } from './loading.ts';
import { Box, constructShared, isSharedKey, travelling } from './shared-objects.ts';
import {
  Imported,
  interopOfKey,
  isStandInKey,
  standInFor,
  standInForVariable,
  variableOfKey,
} from './stand-ins.ts';
import { moduleOfSymbol, symbolOf } from './symbols.ts';
import { beforeText } from './wrapper.ts';

/** A function that arrived by value, and how it travels on. */
export interface Arrival {
  readonly definitionText: string;
  readonly title: string;
  readonly hasPrivateMembers: boolean;
  /** As in `FunctionByValue`. */
  readonly isOfPackage: boolean;
  /** Nothing that it holds can change. */
  readonly isConstant: boolean;
  readonly isClass: boolean;
  /** Modules that have to be loaded before the function is made. */
  readonly modules: readonly string[];
  /** What its variables and properties hold now, under the labels they came with. */
  values(): LabelledValue[];
}

const arrivals = new WeakMap<Function, Arrival>();

/** How a function travels on that arrived here by value. */
export function arrivalOf(fn: Function): Arrival | undefined {
  return arrivals.get(fn);
}

/**
 * What arrives together: one value, or all arguments of one call. Functions that are no constants are made anew for
 * each delivery, and are one within it.
 */
export class Delivery {
  /** Why modules could not be loaded, by their addresses. */
  readonly unloaded: ReadonlyMap<string, unknown>;
  private made: Map<string, Function> | undefined = undefined;

  constructor(unloaded: ReadonlyMap<string, unknown> = NONE_UNLOADED) {
    this.unloaded = unloaded;
  }

  /**
   * Makes a function or finds it (`DecodeHooks.constructFunction`): in this process or this delivery under its key, in a
   * module that `load` loaded, or from its text.
   */
  construct(skeleton: FunctionSkeleton): ConstructedFunction {
    if (skeleton.kind === 'reference') return this.refer(skeleton);
    const { definition, key, labels } = skeleton;
    const present = this.made?.get(key);
    if (present !== undefined) return { value: present };
    const made = isSharedKey(key)
      ? constructShared(definition)
      : isBoundKey(key)
        ? constructBound(definition)
        : arrived(key, definition, labels);
    (this.made ??= new Map()).set(key, made.value);
    return made;
  }

  private refer(skeleton: Referred): ConstructedFunction {
    try {
      return referred(skeleton);
    } catch (error) {
      throw this.unloaded.get(skeleton.moduleUrl) ?? error;
    }
  }
}

const NONE_UNLOADED: ReadonlyMap<string, unknown> = new Map();

type Referred = Extract<FunctionSkeleton, { kind: 'reference' }>;

function referred({ exportName, key, moduleUrl }: Referred): ConstructedFunction {
  const interop = interopOfKey(key);
  if (interop !== undefined) {
    const value = exportedValue(moduleUrl, exportName, interop);
    const imported = new Imported(value, standInFor(moduleUrl, exportName, interop));
    // The codec hands it on to `assign` as it is; nothing calls it.
    return { value: imported as unknown as Function };
  }
  const variable = variableOfKey(key);
  if (variable !== undefined && isStandInKey(key)) {
    const value = insideValue(exportedValue(moduleUrl, exportName, 'none'), variable, moduleUrl);
    const standIn = standInForVariable(moduleUrl, exportName, variable);
    return { value: new Imported(value, standIn) as unknown as Function };
  }
  const known = functionOf(key);
  if (known !== undefined) return { value: known };
  const found = exportedValue(moduleUrl, exportName, 'none');
  const value = variable === undefined ? found : insideValue(found, variable, moduleUrl);
  if (typeof value !== 'function') {
    throw new SerializationError(
      `${variable ?? exportName} of ${moduleUrl} is no function in this process`,
    );
  }
  remember(key, value);
  if (variable === undefined) noteExport(value, { moduleUrl, exportName });
  return { value };
}

/** What is here already for a function of a file, which a process has described that may have ended. */
export function presentFor(skeleton: FunctionSkeleton): Function | undefined {
  if (skeleton.kind === 'reference') return undefined;
  const { identity, isConstant } = parseKey(skeleton.key);
  if (!isConstant) return undefined;
  return functionOf(identity) ?? classOfDefinition(skeleton.definition);
}

/** A function by value: the one that is here, if it is as good as that which arrives, or another one. */
function arrived(key: string, definition: string, labels: readonly string[]): ConstructedFunction {
  const { identity, isClass, isConstant } = parseKey(key);
  // At home a class is the very one that left; elsewhere each has what it held when it was sent.
  const isOne = isConstant || (isClass && isOwnIdentity(identity));
  const known = isOne ? functionOf(identity) : undefined;
  if (known !== undefined) return { value: known };
  const made = build(definition, labels, { isClass, isConstant });
  if (isConstant) remember(identity, made.value);
  else noteCopy(identity, made.value);
  if (isClass) keepRelated(made.value, identity);
  return made;
}

/** What the compiled text gives: the value, and access to the variables around it. */
type Compiled = readonly [
  assign: (values: readonly unknown[]) => void,
  read: () => readonly unknown[],
  holder: unknown,
];

function build(
  definitionText: string,
  labels: readonly string[],
  nature: Pick<Arrival, 'isClass' | 'isConstant'>,
): Required<ConstructedFunction> {
  const { definition, make, variables } = factoryOf(definitionText);
  const { form, slots } = definition;
  const constants = constantValues(definition);
  const [assignVariables, readVariables, holder] = run(make, constants, definition);
  const value = functionIn(holder, definition);
  if (value.name !== definition.name) {
    Object.defineProperty(value, 'name', { value: definition.name, configurable: true });
  }
  if (value.length !== definition.length) {
    Object.defineProperty(value, 'length', { value: definition.length, configurable: true });
  }
  const assignPrivate = takePrivateAssigner(value, slots);
  const { aliases = [], members } = definition;
  if (members !== undefined) arrangeMembers(value, members, aliases);
  if (nature.isConstant && form === 'class') rememberClass(definitionText, value);
  /** What each slot was given, for the slots that are no variables, and for imports. */
  let given: readonly unknown[] = [];
  arrivals.set(value, {
    ...nature,
    definitionText,
    title: titleOf(definition),
    hasPrivateMembers: definition.hasPrivateMembers,
    isOfPackage: isPackaged(definition.url),
    modules: symbolModules(definition),
    values: () => {
      const current = new Map(readVariables().map((each, index) => [variables[index]!, each]));
      return slots.map((slot, index) => ({
        label: labels[index]!,
        value: travelling(
          slot.kind === 'moduleExports'
            ? moduleIn(constants, slot.module).exports
            : currentValue(slot, given[index], value, current),
        ),
      }));
    },
  });
  const assign = (): void => {
    const byName = new Map<string, unknown>(variables.map((name) => [name, undefined]));
    const privates: unknown[] = [];
    for (const [index, slot] of slots.entries()) {
      const each = contentOf(given[index]);
      if (slot.kind === 'variable') byName.set(slot.name, each);
      else if (slot.kind === 'member') memberHolder(byName, slot.name)[slot.member] = each;
      else if (slot.kind === 'privateStatic') privates.push(each);
      else if (slot.kind === 'moduleExports') moduleIn(constants, slot.module).exports = each;
      else fit(value, slot, each);
    }
    assignVariables([...byName.values()]);
    assignPrivate?.(privates);
  };
  return {
    value,
    assign(values) {
      given = values;
      let missing = 1;
      const complete = (): void => {
        missing -= 1;
        if (missing === 0) assign();
      };
      for (const each of values) {
        if (!(each instanceof Box)) continue;
        missing += 1;
        each.whenFilled(complete);
      }
      complete();
    },
  };
}

function symbolModules(definition: Definition): readonly string[] {
  const { aliases = [], constants, members = [], slots } = definition;
  const keys = [...aliases, ...members, ...slots].flatMap((each) => {
    return 'key' in each && typeof each.key !== 'string' ? [each.key.symbol] : [];
  });
  const values = constants.flatMap((each) => (each.is === 'symbol' ? [each.value] : []));
  return [...new Set([...keys, ...values].flatMap((text) => moduleOfSymbol(text) ?? []))];
}

/** What a slot gets of what was given for it. */
function contentOf(given: unknown): unknown {
  return given instanceof Imported || given instanceof Box ? given.value : given;
}

function moduleIn(constants: ReadonlyMap<string, unknown>, name: string): { exports: unknown } {
  return constants.get(name) as { exports: unknown };
}

function memberHolder(variables: Map<string, unknown>, name: string): Record<string, unknown> {
  let holder = variables.get(name) as Record<string, unknown> | undefined;
  if (holder === undefined) {
    holder = {};
    variables.set(name, holder);
  }
  return holder;
}

/** What makes functions of one definition. */
interface Factory {
  readonly definition: Definition;
  readonly variables: readonly string[];
  readonly make: (...constants: unknown[]) => Compiled;
}

/**
 * The factories of definitions: functions that are sent again and again are compiled once. A factory is there as long as
 * a function of it is, and the last few in any case.
 */
const factories = new WeakValues<Factory>();

/** So many are kept while no function of them is left. */
const RECENT_MAX = 64;
const recent = new Set<Factory>();

function factoryOf(definitionText: string): Factory {
  let factory = factories.get(definitionText);
  if (factory === undefined) {
    factory = newFactory(JSON.parse(definitionText) as Definition);
    factories.set(definitionText, factory);
  }
  recent.delete(factory);
  recent.add(factory);
  if (recent.size > RECENT_MAX) {
    const [oldest] = recent;
    recent.delete(oldest!);
  }
  return factory;
}

function newFactory(definition: Definition): Factory {
  const { column, constants, isStrict, line, slots, source } = definition;
  const variables = [
    ...new Set(
      slots.flatMap((slot) => ('name' in slot && slot.kind !== 'privateStatic' ? [slot.name] : [])),
    ),
  ];
  const names = [...new Set(constants.map(({ name }) => name.replace(/\..*/, '')))];
  const [open, close] = framing(definition);
  // All of it on the line of the text, before it, so that no line of the text moves.
  const before = beforeText(names, variables, isStrict) + open;
  const after = `\n${close}})`;
  try {
    const script = new Script(before + source + after, {
      filename: fileName(definition),
      lineOffset: line,
      columnOffset: column - before.length,
    });
    return { definition, variables, make: script.runInThisContext() as Factory['make'] };
  } catch (error) {
    throw unmakeable(definition, error);
  }
}

function run(
  make: Factory['make'],
  constants: ReadonlyMap<string, unknown>,
  definition: Definition,
): Compiled {
  try {
    return make(...constants.values());
  } catch (error) {
    throw unmakeable(definition, error);
  }
}

function unmakeable(definition: Definition, error: unknown): SerializationError {
  const reason = error instanceof Error ? error.message : String(error);
  return new SerializationError(
    `${titleOf(definition)} can't be made again in this process: ${reason}`,
    {},
    { cause: error },
  );
}

/** What stands around the text, so that it is a function or an object that holds it. */
function framing({ form, source }: Definition): readonly [open: string, close: string] {
  if (form === 'function') {
    // Declared, because functions that it makes may travel, and of an expression's name they could not take the value.
    const name = /^(?:async\s+)?function[\s*]*([\w$]+)\s*\(/.exec(source)?.[1];
    if (name !== undefined) return [`${name}];`, ''];
  }
  return form === 'arrow' || form === 'function' || form === 'class' ? ['(', ')]'] : ['({', '})]'];
}

/** Node applies the source map of a file that it loaded to everything of that name, so the name must differ then. */
function fileName({ file, isMoved, url }: Definition): string {
  if (file === '') return 'evaluated code';
  return isMoved && findSourceMap(url) !== undefined ? `${file}?sent` : file;
}

/** The function in what its text gave: itself, or the one member of an object. */
function functionIn(holder: unknown, { form }: Definition): Function {
  if (form === 'arrow' || form === 'function' || form === 'class') return holder as Function;
  const [key] = Reflect.ownKeys(holder as object);
  const descriptor = Object.getOwnPropertyDescriptor(holder, key!)!;
  const part = form === 'getter' ? descriptor.get : form === 'setter' ? descriptor.set : undefined;
  return part ?? (descriptor.value as Function);
}

function constantValues(definition: Definition): Map<string, unknown> {
  const values = new Map<string, unknown>();
  for (const constant of definition.constants) {
    const at = constant.name.indexOf('.');
    const value = constantValue(constant, definition);
    if (at === -1) values.set(constant.name, value);
    else memberHolder(values, constant.name.slice(0, at))[constant.name.slice(at + 1)] = value;
  }
  return values;
}

function constantValue(constant: Constant, definition: Definition): unknown {
  switch (constant.is) {
    case 'text':
    case 'number':
    case 'boolean':
      return constant.value;
    case 'bigint':
      return BigInt(constant.value);
    case 'symbol':
      return symbolOf(constant.value);
    case 'nothing':
      return null;
    default:
      return makeAmbient(constant.is, definition);
  }
}

interface WithPrivateAssigner {
  [PRIVATE_STATICS]?(values: readonly unknown[]): void;
}

function takePrivateAssigner(
  fn: Function,
  slots: readonly Slot[],
): ((values: readonly unknown[]) => void) | undefined {
  if (!slots.some(({ kind }) => kind === 'privateStatic')) return undefined;
  const assign = (fn as WithPrivateAssigner)[PRIVATE_STATICS]?.bind(fn);
  delete (fn as WithPrivateAssigner)[PRIVATE_STATICS];
  return assign;
}

/** Gives the function a part that is neither a variable nor private. */
function fit(fn: Function, slot: Slot, value: unknown): void {
  switch (slot.kind) {
    case 'superclass':
      Object.setPrototypeOf(fn, value as object);
      Object.setPrototypeOf(fn.prototype as object, (value as Function).prototype as object);
      return;
    case 'prototypeParent':
      Object.setPrototypeOf(fn.prototype as object, (value as Function).prototype as object);
      return;
    case 'parent':
      Object.setPrototypeOf(fn, value as object | null);
      return;
    case 'parentPrototype':
      Object.setPrototypeOf(fn, (value as Function).prototype as object);
      return;
    case 'static':
    case 'prototype': {
      defineMember(fn, { on: slot.kind, key: slot.key }, slot.part, value);
      return;
    }
    default:
    // Variables and private members are assigned by the compiled code.
  }
}

function currentValue(
  slot: Slot,
  given: unknown,
  fn: Function,
  variables: ReadonlyMap<string, unknown>,
): unknown {
  if (given instanceof Imported) return given;
  switch (slot.kind) {
    case 'variable':
      return variables.get(slot.name);
    case 'member':
      return (variables.get(slot.name) as Record<string, unknown>)[slot.member];
    case 'static':
    case 'prototype': {
      if (slot.part.of !== 'value') return given;
      const holder = holderOf(fn, slot.kind);
      return Object.getOwnPropertyDescriptor(holder, readKey(slot.key))?.value as unknown;
    }
    default:
      return given;
  }
}

function titleOf({ name, file, line }: Definition): string {
  const base = file.slice(file.lastIndexOf('/') + 1) || 'evaluated code';
  return `${name === '' ? 'anonymous function' : name} (${base}:${line + 1})`;
}
