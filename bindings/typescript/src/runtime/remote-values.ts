/**
 * Remote functions, remote classes and methods of handles as values: they travel as the function, class or handle and
 * the options, and are made again.
 *
 * They are functions only so that calling them directly can say what to do instead; the codec meets them as functions,
 * and this is their description.
 */

import type { ConstructedFunction, FunctionDescription, FunctionSkeleton } from '../codec/index.ts';
import { WeakValues } from '../weak-values.ts';

/** What a remote function or class, or a method of a handle, is made of. */
export interface RemoteParts {
  readonly kind: 'function' | 'class' | 'method';
  /** How errors name it. */
  readonly title: string;
  /** The function or class, or the handle. */
  readonly target: object;
  readonly options: object;
}

const DEFINITION = 'eagleray:remote:';

const parts = new WeakMap<Function, RemoteParts>();
const keys = new WeakMap<Function, string>();
const byKey = new WeakValues<Function>();
let next = 1;

/** Makes an empty one, to be filled when its parts arrive. */
type Maker = () => { value: Function; fill(target: object, options: object): void };

/** Set by the modules of those that are made. */
const makers = new Map<string, Maker>();

export function registerMaker(kind: RemoteParts['kind'], maker: Maker): void {
  makers.set(kind, maker);
}

/** An empty one: it has `remote` and `options`, and throws when it is called directly. */
export function makeRemote(
  refusal: () => Error,
  remote: (...values: unknown[]) => unknown,
  options: (options: unknown) => Function,
): Function {
  const value = function calledDirectly(): never {
    throw refusal();
  };
  return Object.defineProperties(value, { remote: { value: remote }, options: { value: options } });
}

/** Notes what a remote function, class or method consists of. */
export function noteRemote(remote: Function, its: RemoteParts): void {
  parts.set(remote, its);
}

/** What a remote function, class or method consists of; undefined if it is none. */
export function remoteParts(value: unknown): RemoteParts | undefined {
  return typeof value === 'function' ? parts.get(value) : undefined;
}

/** The description of a remote function, class or method; undefined if it is none. */
export function describeRemote(fn: Function): FunctionDescription | undefined {
  const its = parts.get(fn);
  if (its === undefined) return undefined;
  const { kind, options, target, title } = its;
  return {
    kind: 'value',
    key: hasIdentity(kind) ? keyOf(fn) : newKey(),
    definition: DEFINITION + kind,
    title: kind === 'method' ? title : `remote(${title})`,
    values: [
      { label: title, value: target },
      { label: 'options', value: options },
    ],
  };
}

function newKey(): string {
  return `remote:${process.pid}:${next++}`;
}

/**
 * A remote function or class is the same one wherever it is known already. A method is not: its handle is made anew with
 * each arrival, and whoever lets go of one has not let go of the others.
 */
function hasIdentity(kind: string): boolean {
  return kind !== 'method';
}

function keyOf(fn: Function): string {
  let key = keys.get(fn);
  if (key === undefined) {
    key = newKey();
    remember(key, fn);
  }
  return key;
}

function remember(key: string, fn: Function): void {
  keys.set(fn, key);
  byKey.set(key, fn);
}

/** Makes a remote function, class or method that has arrived; undefined if the skeleton is of something else. */
export function constructRemote(skeleton: FunctionSkeleton): ConstructedFunction | undefined {
  if (skeleton.kind !== 'value' || !skeleton.definition.startsWith(DEFINITION)) return undefined;
  const known = byKey.get(skeleton.key);
  if (known !== undefined) return { value: known };
  const kind = skeleton.definition.slice(DEFINITION.length);
  const maker = makers.get(kind);
  if (maker === undefined) return undefined;
  const { fill, value } = maker();
  if (hasIdentity(kind)) remember(skeleton.key, value);
  return { value, assign: ([target, options]) => fill(target as object, options as object) };
}
