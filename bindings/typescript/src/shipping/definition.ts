/**
 * A function by value, as it travels: its text with what can't be evaluated elsewhere replaced, and what belongs into
 * which of its names. The values themselves travel beside it, one for each slot.
 */

import type { FunctionAnalysis } from './parser.ts';

/** What one of the values that travel with a function is for. */
export type Slot =
  /** A variable of the scopes around the function. */
  | { readonly kind: 'variable'; readonly name: string }
  /** A variable that holds an object, of which only these members travel: one slot for each. */
  | { readonly kind: 'member'; readonly name: string; readonly member: string }
  /** What `module` has as its `exports`, where `module` itself is made anew. */
  | { readonly kind: 'moduleExports'; readonly module: string }
  /** The class behind `extends`. */
  | { readonly kind: 'superclass' }
  /** The function whose prototype the prototype of an old-style class inherits from. */
  | { readonly kind: 'prototypeParent' }
  /** The prototype that a program gave the function itself: this, or the `prototype` of this. */
  | { readonly kind: 'parent' | 'parentPrototype' }
  /** A property of the function itself, such as a static field. */
  | { readonly kind: 'static'; readonly key: string | SymbolText; readonly part: PropertyPart }
  /** A property of the function's prototype. */
  | { readonly kind: 'prototype'; readonly key: string | SymbolText; readonly part: PropertyPart }
  /** `static #name`. */
  | { readonly kind: 'privateStatic'; readonly name: string };

/** Which part of a property a slot has. */
export interface PropertyPart {
  readonly of: 'value' | 'get' | 'set';
  readonly isEnumerable: boolean;
}

/** A member of a class: a property of the class itself, or of its prototype. */
export interface MemberKey {
  readonly on: 'static' | 'prototype';
  readonly key: string | SymbolText;
}

/** A property that is a method of the text under another name: `A.prototype.each = A.prototype.forEach`. */
export interface MemberAlias extends MemberKey {
  readonly part: PropertyPart;
  readonly from: MemberKey & Pick<PropertyPart, 'of'>;
}

/** A symbol as `symbolText` writes it. */
export interface SymbolText {
  readonly symbol: string;
}

/** Something of the module that a function was taken from, made anew by the receiver. */
export type AmbientKind = 'import' | 'importMeta' | 'require' | 'module' | 'runnerImport';

/** A name whose value is known when the function is made, before the values of the slots are there. */
export type Constant =
  | { readonly name: string; readonly is: 'text' | 'symbol'; readonly value: string }
  | { readonly name: string; readonly is: 'number' | 'boolean'; readonly value: number | boolean }
  | { readonly name: string; readonly is: 'bigint'; readonly value: string }
  | { readonly name: string; readonly is: 'nothing' }
  | { readonly name: string; readonly is: AmbientKind };

/** Everything about a function but its values. */
export interface Definition {
  readonly form: FunctionAnalysis['form'];
  /** The text, every character at the place where it was, with replacements of equal length where possible. */
  readonly source: string;
  readonly name: string;
  /** Its `length`, which libraries set for functions that take any arguments. */
  readonly length: number;
  /** The URL of the module that the function was taken from: what its imports are relative to. */
  readonly url: string;
  /** The file as stacks name it. */
  readonly file: string;
  /** Where the text begins in the file; from 0. */
  readonly line: number;
  readonly column: number;
  /** The text was laid out anew: no source map of that file may be applied to it. */
  readonly isMoved: boolean;
  readonly isStrict: boolean;
  /** Instances of the class, or of one that it extends, have `#private` members. */
  readonly hasPrivateMembers: boolean;
  readonly slots: readonly Slot[];
  readonly constants: readonly Constant[];
  /** Of a class: the members that its text makes and that are still there. */
  readonly members?: readonly MemberKey[];
  readonly aliases?: readonly MemberAlias[];
  /** The root of the test runner's file names, if it transformed the function. */
  readonly runnerRoot?: string;
}
