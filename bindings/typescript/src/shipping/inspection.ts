/**
 * What V8 knows about a function beyond its text: where it stands, which scopes surround it and what they hold. Asked of
 * the inspector, because JavaScript can't.
 */

import { EaglerayError } from '../errors.ts';
import { v8Module } from '../late-modules.ts';
import { type PropertyList, type RemoteObject, take, withProperties } from './inspector-session.ts';

/** A scope around a function, from the inside to the outside. */
export interface Scope {
  /** V8's words: `Closure (outer)`, `Module`, `Global`. */
  readonly description: string;
  /** A copy of its variables; reading one that is not initialised yet throws. */
  readonly variables: Readonly<Record<string, unknown>>;
}

/** A function as V8 sees it. */
export interface Inspection {
  readonly scriptId: string;
  /** Of the opening parenthesis of a function, the start of an arrow function, method or class; from 0. */
  readonly line: number;
  readonly column: number;
  readonly scopes: readonly Scope[];
  /** The values of private static members, by name (`#count`). */
  readonly privateMembers: ReadonlyMap<string, unknown>;
}

/** Before V8 12, scopes show a variable that is not initialised as `undefined`, unless this flag is set. */
const UNAVAILABLE_FLAG =
  Number.parseInt(process.versions.v8, 10) < 12 ? 'experimental-value-unavailable' : undefined;

/** Inspects a function or class that is neither native, bound nor a proxy. */
export function inspect(fn: Function): Inspection {
  if (UNAVAILABLE_FLAG !== undefined) v8Module().setFlagsFromString(`--${UNAVAILABLE_FLAG}`);
  try {
    return withProperties(fn, inspectionOf);
  } finally {
    if (UNAVAILABLE_FLAG !== undefined) v8Module().setFlagsFromString(`--no-${UNAVAILABLE_FLAG}`);
  }
}

function inspectionOf(properties: PropertyList): Inspection {
  const internal = new Map(properties.internalProperties?.map(({ name, value }) => [name, value]));
  const location = internal.get('[[FunctionLocation]]')?.value as
    { scriptId: string; lineNumber: number; columnNumber: number } | undefined;
  const scopes = internal.get('[[Scopes]]');
  if (location === undefined || scopes === undefined) {
    throw new EaglerayError('ERR_EAGLERAY_INTERNAL', 'V8 does not say where the function stands');
  }
  const privates = (properties.privateProperties ?? []).filter(
    (each): each is { name: string; value: RemoteObject } => each.value !== undefined,
  );
  const [list, ...values] = take([scopes, ...privates.map(({ value }) => value)]);
  return {
    scriptId: location.scriptId,
    line: location.lineNumber,
    column: location.columnNumber,
    scopes: readScopes(list),
    privateMembers: new Map(privates.map(({ name }, index) => [name, values[index]])),
  };
}

/** What a proxy stands for, without asking the proxy. */
export function targetOf(proxy: object): unknown {
  return internalValues(proxy, ['[[Target]]'])?.[0];
}

/** What `bind` was called with. */
export interface BoundParts {
  readonly target: Function;
  readonly self: unknown;
  readonly args: readonly unknown[];
}

/** What a bound function is made of; undefined for other functions. */
export function boundPartsOf(fn: Function): BoundParts | undefined {
  const values = internalValues(fn, ['[[TargetFunction]]', '[[BoundThis]]', '[[BoundArgs]]']);
  if (values === undefined) return undefined;
  const [target, self, args] = values;
  return { target: target as Function, self, args: Array.from(args as ArrayLike<unknown>) };
}

/** What V8 keeps of an object under these names, if it has all of them. */
function internalValues(value: object, names: readonly string[]): readonly unknown[] | undefined {
  return withProperties(value, ({ internalProperties = [] }) => {
    const found = names.map((name) => internalProperties.find((each) => each.name === name)?.value);
    return found.every((each) => each !== undefined) ? take(found) : undefined;
  });
}

function readScopes(list: unknown): Scope[] {
  return Array.from(list as ArrayLike<{ description: string; object: Record<string, unknown> }>)
    .filter(({ description }) => description !== 'Global')
    .map(({ description, object }) => ({ description, variables: object }));
}

/** True if a scope has a variable. */
export function hasVariable({ variables }: Scope, name: string): boolean {
  try {
    return Object.hasOwn(variables, name);
  } catch {
    // It is there, and not initialised.
    return true;
  }
}

/** The scopes that have a variable, from the inside to the outside. */
export function scopesWith(name: string, scopes: readonly Scope[]): Scope[] {
  return scopes.filter((scope) => hasVariable(scope, name));
}

/** What a variable of a scope holds; undefined where it is not there, or not initialised yet. */
export function valueIn(scope: Pick<Scope, 'variables'> | undefined, name: string): unknown {
  try {
    return scope?.variables[name];
  } catch {
    return undefined;
  }
}
