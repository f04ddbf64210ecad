/**
 * Remote functions and classes as values: they travel as the function or class and the options, and are made again.
 *
 * A remote function is a function only so that calling it directly can say what to do instead; the codec meets it
 * as a function, and this is its description.
 */

import type { ConstructedFunction, FunctionDescription, FunctionSkeleton } from '../codec/index.ts';

/** What a remote function or class is made of. */
export interface RemoteParts {
  readonly kind: 'function' | 'class';
  readonly target: Function;
  readonly options: object;
}

const DEFINITION = 'eagleray:remote:';

const parts = new WeakMap<Function, RemoteParts>();
const keys = new WeakMap<Function, string>();
const byKey = new Map<string, WeakRef<Function>>();
let next = 1;

/** Makes empty remote functions and classes, to be filled when their parts arrive. Set by their modules. */
const makers = new Map<
  string,
  () => { value: Function; fill(target: Function, options: object): void }
>();

export function registerMaker(
  kind: RemoteParts['kind'],
  maker: () => { value: Function; fill(target: Function, options: object): void },
): void {
  makers.set(kind, maker);
}

/** Notes what a remote function or class consists of. */
export function noteRemote(remote: Function, its: RemoteParts): void {
  parts.set(remote, its);
}

/** What a remote function or class consists of; undefined if it is none. */
export function remoteParts(value: unknown): RemoteParts | undefined {
  return typeof value === 'function' ? parts.get(value) : undefined;
}

/** The description of a remote function or class; undefined if it is none. */
export function describeRemote(fn: Function): FunctionDescription | undefined {
  const its = parts.get(fn);
  if (its === undefined) return undefined;
  let key = keys.get(fn);
  if (key === undefined) {
    key = `remote:${process.pid}:${next++}`;
    remember(key, fn);
  }
  return {
    kind: 'value',
    key,
    definition: DEFINITION + its.kind,
    title: `remote(${its.target.name || 'anonymous'})`,
    values: [
      { label: its.target.name || 'function', value: its.target },
      { label: 'options', value: its.options },
    ],
  };
}

function remember(key: string, fn: Function): void {
  keys.set(fn, key);
  byKey.set(key, new WeakRef(fn));
}

/** Makes a remote function or class that has arrived; undefined if the skeleton is of something else. */
export function constructRemote(skeleton: FunctionSkeleton): ConstructedFunction | undefined {
  if (skeleton.kind !== 'value' || !skeleton.definition.startsWith(DEFINITION)) return undefined;
  const known = byKey.get(skeleton.key)?.deref();
  if (known !== undefined) return { value: known };
  const maker = makers.get(skeleton.definition.slice(DEFINITION.length));
  if (maker === undefined) return undefined;
  const { fill, value } = maker();
  remember(skeleton.key, value);
  return { value, assign: ([target, options]) => fill(target as Function, options as object) };
}
