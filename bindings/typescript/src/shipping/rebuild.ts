/**
 * Functions and classes again, from what `describe.ts` made of them.
 *
 * The text is compiled under its old file name, at its old line and column, so stacks and breakpoints are those of the
 * program's own files. Captured variables are real variables of a function around the text: code runs as fast as it
 * did at home. They are assigned when all values have arrived, so that functions may capture each other.
 */

import { findSourceMap } from 'node:module';
import { Script } from 'node:vm';

import type { ConstructedFunction, FunctionSkeleton, LabelledValue } from '../codec/hooks.ts';
import { SerializationError } from '../errors.ts';
import { makeAmbient } from './ambient.ts';
import { arrangeMembers, defineMember, holderOf, readKey } from './class-members.ts';
import { PRIVATE_STATICS } from './class-text.ts';
import type { Constant, Definition, Slot } from './definition.ts';
import { functionOf, remember, symbolOf } from './identity.ts';
import { exportedValue } from './loading.ts';
import { constructShared, isSharedKey, travelling } from './shared-objects.ts';
import { Imported, interopOfKey, standInFor } from './stand-ins.ts';

/** A function that arrived by value, and how it travels on. */
export interface Arrival {
  readonly definitionText: string;
  readonly title: string;
  readonly hasPrivateMembers: boolean;
  /** What its variables and properties hold now, under the labels they came with. */
  values(): LabelledValue[];
}

const arrivals = new WeakMap<Function, Arrival>();

/** How a function travels on that arrived here by value. */
export function arrivalOf(fn: Function): Arrival | undefined {
  return arrivals.get(fn);
}

/**
 * Makes a function or finds it (`DecodeHooks.constructFunction`): here already under its key, in a module that `load`
 * loaded, or from its text.
 */
export function constructFunction(skeleton: FunctionSkeleton): ConstructedFunction {
  const { key } = skeleton;
  if (skeleton.kind === 'reference') {
    const { moduleUrl, exportName } = skeleton;
    const interop = interopOfKey(key);
    if (interop !== undefined) {
      const value = exportedValue(moduleUrl, exportName, interop);
      const imported = new Imported(value, standInFor(moduleUrl, exportName, interop));
      // The codec hands it on to `assign` as it is; nothing calls it.
      return { value: imported as unknown as Function };
    }
    const known = functionOf(key);
    if (known !== undefined) return { value: known };
    const value = exportedValue(moduleUrl, exportName, 'none');
    if (typeof value !== 'function') {
      throw new SerializationError(`${exportName} of ${moduleUrl} is no function in this process`);
    }
    remember(key, value);
    return { value };
  }
  if (isSharedKey(key)) return constructShared(key, skeleton.definition);
  const known = functionOf(key);
  if (known !== undefined) return { value: known };
  const made = build(skeleton.definition, skeleton.labels);
  remember(key, made.value);
  return made;
}

/** What the compiled text gives: the value, and access to the variables around it. */
type Compiled = readonly [
  assign: (values: readonly unknown[]) => void,
  read: () => readonly unknown[],
  holder: unknown,
];

function build(definitionText: string, labels: readonly string[]): Required<ConstructedFunction> {
  const definition = JSON.parse(definitionText) as Definition;
  const { slots } = definition;
  const variables = [
    ...new Set(
      slots.flatMap((slot) => ('name' in slot && slot.kind !== 'privateStatic' ? [slot.name] : [])),
    ),
  ];
  const constants = constantValues(definition);
  const [assignVariables, readVariables, holder] = compile(definition, variables, constants);
  const value = functionIn(holder, definition);
  if (value.name !== definition.name) {
    Object.defineProperty(value, 'name', { value: definition.name, configurable: true });
  }
  const assignPrivate = takePrivateAssigner(value, slots);
  const { aliases = [], members } = definition;
  if (members !== undefined) arrangeMembers(value, members, aliases);
  /** What each slot was given, for the slots that are no variables, and for imports. */
  let given: readonly unknown[] = [];
  arrivals.set(value, {
    definitionText,
    title: titleOf(definition),
    hasPrivateMembers: definition.hasPrivateMembers,
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
  return {
    value,
    assign(values) {
      given = values;
      const plain = values.map((each) => (each instanceof Imported ? each.value : each));
      const byName = new Map<string, unknown>(variables.map((name) => [name, undefined]));
      const privates: unknown[] = [];
      for (const [index, slot] of slots.entries()) {
        const each = plain[index];
        if (slot.kind === 'variable') byName.set(slot.name, each);
        else if (slot.kind === 'member') memberHolder(byName, slot.name)[slot.member] = each;
        else if (slot.kind === 'privateStatic') privates.push(each);
        else if (slot.kind === 'moduleExports') moduleIn(constants, slot.module).exports = each;
        else fit(value, slot, each);
      }
      assignVariables([...byName.values()]);
      assignPrivate?.(privates);
    },
  };
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

function compile(
  definition: Definition,
  variables: readonly string[],
  constants: ReadonlyMap<string, unknown>,
): Compiled {
  const { source, line, column, isStrict } = definition;
  const [open, close] = framing(definition);
  const values = unusedName('values', [...variables, ...constants.keys()]);
  const assignments = variables.map((name, index) => `${name}=${values}[${index}]`).join(';');
  // All of it on the line of the text, before it, so that no line of the text moves.
  const before =
    `(function(${[...constants.keys()].join()}){${isStrict ? "'use strict';" : ''}` +
    `${variables.length === 0 ? '' : `let ${variables.join()};`}` +
    `return[(${values})=>{${assignments}},()=>[${variables.join()}],${open}`;
  const after = `\n${close}})`;
  try {
    const script = new Script(before + source + after, {
      filename: fileName(definition),
      lineOffset: line,
      columnOffset: column - before.length,
    });
    const make = script.runInThisContext() as (...constants: unknown[]) => Compiled;
    return make(...constants.values());
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new SerializationError(
      `${titleOf(definition)} can't be made again in this process: ${reason}`,
      {},
      { cause: error },
    );
  }
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

function unusedName(base: string, names: readonly string[]): string {
  let name = base;
  while (names.includes(name)) name = `$${name}`;
  return name;
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
