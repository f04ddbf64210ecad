/**
 * What V8 knows about a function beyond its text: where it stands, which scopes surround it and what they hold.
 *
 * Asked of V8's inspector in the same thread, synchronously. No breakpoint is set and no domain stays enabled, so
 * optimised code and debuggers are not disturbed. The session lives until the event loop turns, so that a function
 * and all that it captures are inspected over one connection.
 */

import type { Session } from 'node:inspector';
import v8 from 'node:v8';

import { EaglerayError, SerializationError } from '../errors.ts';

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

/** A source text that V8 compiled. */
export interface Script {
  readonly id: string;
  readonly url: string;
  /** An ECMAScript module. */
  readonly isModule: boolean;
  readonly source: string;
  /** Where V8 says that the text begins; a loader that wraps it shifts that. */
  readonly startLine: number;
  readonly startColumn: number;
}

interface RemoteObject {
  readonly objectId?: string;
  readonly value?: unknown;
  readonly unserializableValue?: string;
  readonly type: string;
}

interface PropertyList {
  readonly internalProperties?: readonly { readonly name: string; readonly value?: RemoteObject }[];
  readonly privateProperties?: readonly { readonly name: string; readonly value?: RemoteObject }[];
}

interface ScriptParsed {
  readonly scriptId: string;
  readonly url: string;
  readonly isModule?: boolean;
  readonly startLine: number;
  readonly startColumn: number;
}

/** Where a value is laid down for the inspector and back. Built-in modules are the same in every `vm` context. */
const SLOT = Symbol.for('eagleray.inspected');
const SLOT_EXPRESSION = 'process.getBuiltinModule("node:v8")[Symbol.for("eagleray.inspected")]';
const GROUP = 'eagleray';

const slotHolder = v8 as { [SLOT]?: unknown };

/** Before V8 12, scopes show a variable that is not initialised as `undefined`, unless this flag is set. */
const UNAVAILABLE_FLAG =
  Number.parseInt(process.versions.v8, 10) < 12 ? 'experimental-value-unavailable' : undefined;

let session: Session | undefined;

function connected(): Session {
  if (session !== undefined) return session;
  let opened: Session;
  try {
    const inspector = process.getBuiltinModule('node:inspector');
    opened = new inspector.Session();
    opened.connect();
  } catch (error) {
    throw new SerializationError(
      "functions can't be sent by value: V8's inspector is not available in this process" +
        (process.permission === undefined ? '' : ' (start Node with --allow-inspector as well)'),
      {},
      { cause: error },
    );
  }
  session = opened;
  setImmediate(() => {
    session = undefined;
    opened.disconnect();
  }).unref();
  return opened;
}

function post<T>(method: string, parameters: object = {}): T {
  let failure: Error | null = null;
  let result: T | undefined;
  // The callback runs before `post` returns, because the session is connected to this very thread.
  connected().post(method, parameters, (error: Error | null, answer?: unknown) => {
    failure = error;
    result = answer as T;
  });
  if (failure !== null) throw failure;
  return result as T;
}

/** Hands the properties of a function or object on, as V8 itself sees them; what they refer to is there until it returns. */
function withProperties<R>(value: object, read: (properties: PropertyList) => R): R {
  try {
    slotHolder[SLOT] = value;
    const { result } = post<{ result: RemoteObject }>('Runtime.evaluate', {
      expression: SLOT_EXPRESSION,
      objectGroup: GROUP,
      silent: true,
    });
    return read(
      post<PropertyList>('Runtime.getProperties', {
        objectId: result.objectId,
        ownProperties: true,
      }),
    );
  } finally {
    slotHolder[SLOT] = undefined;
    post('Runtime.releaseObjectGroup', { objectGroup: GROUP });
  }
}

/** Inspects a function or class that is neither native, bound nor a proxy. */
export function inspect(fn: Function): Inspection {
  if (UNAVAILABLE_FLAG !== undefined) v8.setFlagsFromString(`--${UNAVAILABLE_FLAG}`);
  try {
    return withProperties(fn, inspectionOf);
  } finally {
    if (UNAVAILABLE_FLAG !== undefined) v8.setFlagsFromString(`--no-${UNAVAILABLE_FLAG}`);
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
  return {
    scriptId: location.scriptId,
    line: location.lineNumber,
    column: location.columnNumber,
    scopes: readScopes(take(scopes)),
    privateMembers: new Map(
      properties.privateProperties?.flatMap(({ name, value }) =>
        value === undefined ? [] : [[name, take(value)] as const],
      ),
    ),
  };
}

/** What a proxy stands for, without asking the proxy. */
export function targetOf(proxy: object): unknown {
  return withProperties(proxy, ({ internalProperties }) => {
    const target = internalProperties?.find(({ name }) => name === '[[Target]]')?.value;
    return target === undefined ? undefined : take(target);
  });
}

function readScopes(list: unknown): Scope[] {
  return Array.from(list as ArrayLike<{ description: string; object: Record<string, unknown> }>)
    .filter(({ description }) => description !== 'Global')
    .map(({ description, object }) => ({ description, variables: object }));
}

/** The scopes that have a variable, from the inside to the outside. */
export function scopesWith(name: string, scopes: readonly Scope[]): Scope[] {
  return scopes.filter(({ variables }) => {
    try {
      return Object.hasOwn(variables, name);
    } catch {
      // It is there, and not initialised.
      return true;
    }
  });
}

/** The value behind an inspector's handle. */
function take(remote: RemoteObject): unknown {
  if (remote.objectId === undefined) {
    return remote.unserializableValue === undefined
      ? remote.value
      : parseUnserializable(remote.unserializableValue);
  }
  post('Runtime.callFunctionOn', {
    objectId: remote.objectId,
    // As an argument, because `this` would turn a symbol into an object.
    functionDeclaration: `function (value) { ${SLOT_EXPRESSION} = value; }`,
    arguments: [{ objectId: remote.objectId }],
    silent: true,
  });
  return slotHolder[SLOT];
}

function parseUnserializable(text: string): unknown {
  if (text.endsWith('n')) return BigInt(text.slice(0, -1));
  return Number(text);
}

const scripts = new Map<string, Script>();

/** The script of an {@link Inspection}. Asking for a new one costs milliseconds, each further time nothing. */
export function scriptOf(scriptId: string): Script {
  const known = scripts.get(scriptId);
  if (known !== undefined) return known;
  const open = connected();
  let parsed: ScriptParsed | undefined;
  // V8 tells of every script when the domain is enabled; only the one that is asked for is kept.
  const listen = ({ params }: { params: ScriptParsed }): void => {
    if (params.scriptId === scriptId) parsed = params;
  };
  open.on('Debugger.scriptParsed', listen as never);
  try {
    post('Debugger.enable');
    const script = readScript(scriptId, parsed);
    scripts.set(scriptId, script);
    return script;
  } finally {
    post('Debugger.disable');
    open.off('Debugger.scriptParsed', listen as never);
  }
}

/** The ECMAScript modules from files that this process has loaded. Costs milliseconds, and is not kept. */
export function moduleScripts(): Script[] {
  const open = connected();
  const found: ScriptParsed[] = [];
  const listen = ({ params }: { params: ScriptParsed }): void => {
    if (params.isModule === true && params.url.startsWith('file:')) found.push(params);
  };
  open.on('Debugger.scriptParsed', listen as never);
  try {
    post('Debugger.enable');
    return found.map((parsed) => readScript(parsed.scriptId, parsed));
  } finally {
    post('Debugger.disable');
    open.off('Debugger.scriptParsed', listen as never);
  }
}

/** Needs the domain `Debugger`. */
function readScript(id: string, parsed: ScriptParsed | undefined): Script {
  const { scriptSource } = post<{ scriptSource: string }>('Debugger.getScriptSource', {
    scriptId: id,
  });
  return {
    id,
    url: parsed?.url ?? '',
    isModule: parsed?.isModule ?? false,
    source: scriptSource,
    startLine: parsed?.startLine ?? 0,
    startColumn: parsed?.startColumn ?? 0,
  };
}
