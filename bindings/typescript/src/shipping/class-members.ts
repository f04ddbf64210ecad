/**
 * Which members of a class its text makes. Programs change classes after the text has run: a member may have been
 * replaced, deleted, or be there under a second name. What the text makes need not be sent, but only that.
 */

import type { MemberAlias, MemberKey, PropertyPart, SymbolText } from './definition.ts';
import { symbolOf, symbolText } from './symbols.ts';

const HOLDERS = ['static', 'prototype'] as const;
const PARTS = ['value', 'get', 'set'] as const;

/** A key as it is written in a definition. */
export function writtenKey(key: string | symbol): string | SymbolText {
  return typeof key === 'symbol' ? { symbol: symbolText(key) } : key;
}

/** The key that `writtenKey` wrote. */
export function readKey(key: string | SymbolText): string | symbol {
  return typeof key === 'string' ? key : symbolOf(key.symbol);
}

/** True if evaluating the text of the class makes exactly this property. */
export function isInText(
  key: string | symbol,
  { value, get, set, enumerable }: PropertyDescriptor,
  source: string,
): boolean {
  if (enumerable === true) return false;
  return (
    isMethodOf(value, key, '', source) &&
    isMethodOf(get, key, 'get ', source) &&
    isMethodOf(set, key, 'set ', source)
  );
}

function isMethodOf(
  method: unknown,
  key: string | symbol,
  prefix: string,
  source: string,
): boolean {
  if (method === undefined) return true;
  if (typeof method !== 'function') return false;
  const text = Function.prototype.toString.call(method);
  if (!source.includes(text)) return false;
  const name: unknown = Object.getOwnPropertyDescriptor(method, 'name')?.value;
  const expected = typeof key === 'string' ? key : key.description ? `[${key.description}]` : '';
  // Names of functions may be changed, so the one in the text counts as well.
  return name === prefix + expected || NAME_IN_TEXT.exec(text)?.[1] === key;
}

const NAME_IN_TEXT =
  /^(?:(?:async|get|set)\s+)?(?:\*\s*)?([\p{ID_Start}$_][\p{ID_Continue}$]*)\s*\(/u;

/** The members that the text of a class makes. */
export function membersOfText(fn: Function, source: string): MemberKey[] {
  return HOLDERS.flatMap((on) => {
    const holder = holderOf(fn, on);
    return Reflect.ownKeys(holder).flatMap((key) => {
      const descriptor = Object.getOwnPropertyDescriptor(holder, key)!;
      return isInText(key, descriptor, source) ? [{ on, key: writtenKey(key) }] : [];
    });
  });
}

/** The member of the text that a function also is. */
export function originalOf(
  fn: Function,
  method: unknown,
  members: readonly MemberKey[],
): MemberAlias['from'] | undefined {
  if (typeof method !== 'function') return undefined;
  for (const member of members) {
    const descriptor = Object.getOwnPropertyDescriptor(
      holderOf(fn, member.on),
      readKey(member.key),
    );
    const of = PARTS.find((part) => descriptor?.[part] === method);
    if (of !== undefined) return { ...member, of };
  }
  return undefined;
}

/** Makes the members of a class that its text has made those that the class had: some deleted, some under a second name. */
export function arrangeMembers(
  fn: Function,
  members: readonly MemberKey[],
  aliases: readonly MemberAlias[],
): void {
  const methods = aliases.map(({ from }) => {
    const descriptor = Object.getOwnPropertyDescriptor(holderOf(fn, from.on), readKey(from.key));
    return descriptor?.[from.of] as unknown;
  });
  for (const on of HOLDERS) {
    const kept = new Set<string | symbol>(
      on === 'static' ? ['length', 'name', 'prototype'] : ['constructor'],
    );
    for (const member of members) if (member.on === on) kept.add(readKey(member.key));
    const holder = holderOf(fn, on);
    for (const key of Reflect.ownKeys(holder)) {
      if (!kept.has(key)) Reflect.deleteProperty(holder, key);
    }
  }
  for (const [index, { on, key, part }] of aliases.entries()) {
    defineMember(fn, { on, key }, part, methods[index]);
  }
}

/** Gives a function or its prototype one part of a property. */
export function defineMember(
  fn: Function,
  { on, key }: MemberKey,
  { of, isEnumerable }: PropertyPart,
  value: unknown,
): void {
  const common = { configurable: true, enumerable: isEnumerable };
  Object.defineProperty(
    holderOf(fn, on),
    readKey(key),
    of === 'value' ? { ...common, value, writable: true } : { ...common, [of]: value },
  );
}

/** The object that has the members of one kind. */
export function holderOf(fn: Function, on: MemberKey['on']): object {
  return on === 'static' ? fn : (fn.prototype as object);
}
