/**
 * Which functions are the same in different processes, and under which keys they travel.
 *
 * Each process keeps two tables, identity to function and function to identity. A function that travels by value gets an
 * identity in the process that first describes it; whoever rebuilds it notes the pair. So a class comes home as the very
 * class that left. Functions are held weakly: an identity whose function is gone means nothing any more and is dropped.
 *
 * A *constant* function, which holds nothing that could change, travels under its identity: a process that has it need
 * not make it again. Any other is made anew each time it arrives, with what it holds then; its key is its identity and a
 * number, by which it is found within one shipment only.
 */

import { WeakValues } from '../weak-values.ts';
import { randomId } from './probe.ts';

const byIdentity = new WeakValues<Function>();
const byFunction = new WeakMap<object, string>();

/** Of classes that hold nothing that could change, by their definitions. */
const byDefinition = new WeakValues<Function>();

const ORIGIN_BYTES = 8;

/** No other process or thread has it: identities of different origins never meet. */
let origin: string | undefined;
let sequence = 0;

/** An identity that nothing has. */
export function newIdentity(): string {
  origin ??= randomId(ORIGIN_BYTES);
  return `${origin}.${(sequence++).toString(36)}`;
}

/** True for an identity that this process gave out itself. */
export function isOwnIdentity(identity: string): boolean {
  return origin !== undefined && identity.startsWith(`${origin}.`);
}

/** The function of an identity, if this process has it. */
export function functionOf(identity: string): Function | undefined {
  return byIdentity.get(identity);
}

/** The identity of a function; a new one if it has none. */
export function identityOf(fn: Function): string {
  let identity = byFunction.get(fn);
  if (identity === undefined) {
    identity = newIdentity();
    remember(identity, fn);
  }
  return identity;
}

/** The identity of a function that was described here or has arrived. */
export function knownIdentityOf(fn: Function): string | undefined {
  return byFunction.get(fn);
}

/** Notes that a function has an identity, and is the one that has it in this process. */
export function remember(identity: string, fn: Function): void {
  byIdentity.set(identity, fn);
  byFunction.set(fn, identity);
}

/** Notes that a function is one of several in this process that have an identity. */
export function noteCopy(identity: string, fn: Function): void {
  byFunction.set(fn, identity);
}

/** Notes what a class is made of that holds nothing that could change. */
export function rememberClass(definition: string, constructor: Function): void {
  byDefinition.set(definition, constructor);
}

/**
 * The class for one that an earlier process has defined: that which is made of the same text at the same place of the program, which
 * has other identities here.
 */
export function classOfDefinition(definition: string): Function | undefined {
  return byDefinition.get(definition);
}

/** A key under which a function travels. */
export interface TravelKey {
  readonly identity: string;
  readonly isConstant: boolean;
  /** It is a class, which at home is always the one that left. */
  readonly isClass: boolean;
}

const COPY = '~';
const COPY_OF_CLASS = '^';

/** The key of a function that is no constant: one of its own for each function of a shipment. */
export function copyKey(identity: string, isClass: boolean, number: number): string {
  return identity + (isClass ? COPY_OF_CLASS : COPY) + number.toString(36);
}

/** What a key says. */
export function parseKey(key: string): TravelKey {
  const at = key.search(/[~^]/);
  return at === -1
    ? { identity: key, isConstant: true, isClass: false }
    : { identity: key.slice(0, at), isConstant: false, isClass: key[at] === COPY_OF_CLASS };
}
