/** Remote classes and actor handles: `remote(Class)`. */

import { types } from 'node:util';

import { DESERIALIZE, SERIALIZE } from './codec/index.ts';
import {
  ActorNotFoundError,
  InvalidArgumentError,
  NotSupportedError,
  PendingCallsLimitExceededError,
  describeValue,
} from './errors.ts';
import type { FoundActor } from './native.ts';
import type { ObjectRefImplementation } from './object-ref.ts';
import { checkName } from './option-checks.ts';
import {
  ASYNC_ACTOR_MAX_CONCURRENCY_DEFAULT,
  type NormalizedMethodOptions,
  checkActorOptions,
  checkMethodOptions,
  mergeOptions,
  normalizeActorOptions,
  normalizeGetActorOptions,
  normalizeKillOptions,
  normalizeMethodOptions,
} from './options.ts';
import { quantities, withMemory } from './remote-function.ts';
import { type Captured, exportCaptured } from './runtime/captured.ts';
import { currentSession, sessionIfAny } from './runtime/current.ts';
import { PendingCalls } from './runtime/pending-calls.ts';
import { makeRemote, noteRemote, registerMaker } from './runtime/remote-values.ts';
import type { Exported, Runtime } from './runtime/runtime.ts';
import { ActorReference } from './runtime/values.ts';
import type { ActorOptions, MethodOptions } from './types.ts';

/** What the process of an actor is told of its class. */
export interface ExportedClass {
  readonly kind: 'class';
  readonly className: string;
  readonly methods: readonly string[];
  readonly generators: readonly string[];
  readonly maxConcurrency: number;
  readonly resources: Readonly<Record<string, number>>;
  readonly actorName: string | null;
  readonly namespace: string;
}

/** What makes a handle in any process. */
export interface HandleParts {
  readonly className: string;
  readonly methods: readonly string[];
  /** Those of the methods that only the class itself can call. */
  readonly generators: readonly string[];
  /** Calls of one caller start in order. */
  readonly ordered: boolean;
  readonly maxTaskRetries: number;
  readonly maxPendingCalls: number;
  readonly name: string | null;
}

/** Names that handles need for themselves; `await` asks for `then`. */
const RESERVED_METHODS = ['options', 'remote', 'then', 'dispose', 'actorId'];

/** What is asked of the methods of a class. */
interface Methods {
  readonly names: string[];
  readonly generators: string[];
  readonly allAsync: boolean;
}

/** The methods of the prototype chain, which of them are generators, and whether all are async functions. */
export function methodsOf(actorClass: Function): Methods {
  const methods = new Map<string, Function>();
  for (
    let prototype = actorClass.prototype as object | null;
    prototype !== null && prototype !== Object.prototype;
    prototype = Object.getPrototypeOf(prototype) as object | null
  ) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(prototype))) {
      if (name === 'constructor' || methods.has(name) || typeof value !== 'function') continue;
      methods.set(name, value as Function);
    }
  }
  const all = [...methods.values()];
  return {
    names: [...methods.keys()],
    generators: [...methods].flatMap(([name, method]) =>
      types.isGeneratorFunction(method) ? [name] : [],
    ),
    allAsync:
      all.length > 0 &&
      all.every((method) => types.isAsyncFunction(method) && !types.isGeneratorFunction(method)),
  };
}

interface ClassState {
  target: Function;
  /** The class as it was captured, for this remote class and those with other options. */
  captured: Captured;
  given: ActorOptions;
  name: string;
  methods: Methods | undefined;
  /** The class as one runtime knows it, with certain options. */
  exported: { session: Runtime; key: string; made: Exported } | undefined;
}

function makeRemoteClass(): { value: Function; state: ClassState } {
  const state: ClassState = {
    target: Function.prototype as Function,
    captured: { latest: undefined },
    given: {},
    name: 'anonymous',
    methods: undefined,
    exported: undefined,
  };
  const value = makeRemote(
    () =>
      new InvalidArgumentError(
        `the remote class ${state.name} can't be constructed directly; use ${state.name}.remote(…)`,
        { argument: state.name, value: 'a direct construction', allowed: '.remote(…)' },
      ),
    (...values) => createActor(state, values),
    (options) => withOptions(state, options),
  );
  return { value, state };
}

function fill(value: Function, state: ClassState, target: Function, given: ActorOptions): void {
  state.target = target;
  state.given = given;
  state.name = target.name || 'anonymous';
  Object.defineProperty(value, 'name', { value: target.name });
  noteRemote(value, { kind: 'class', title: state.name, target, options: given });
}

registerMaker('class', () => {
  const { state, value } = makeRemoteClass();
  return {
    value,
    fill: (target, options) => fill(value, state, target as Function, options as ActorOptions),
  };
});

/** Makes a class remote. */
export function remoteClass(target: Function, options: unknown): Function {
  const given = checkActorOptions(options, 'remote()');
  const { names } = methodsOf(target);
  const reserved = names.find((name) => RESERVED_METHODS.includes(name));
  if (reserved !== undefined) {
    throw new InvalidArgumentError(
      `the class ${target.name || 'anonymous'} has a method called ${reserved}, which handles need for themselves; ` +
        'give the method another name',
      {
        argument: 'class',
        value: `a class with a method ${reserved}`,
        allowed: `no method called ${RESERVED_METHODS.join(', ')}`,
      },
    );
  }
  const { state, value } = makeRemoteClass();
  fill(value, state, target, given);
  return value;
}

function withOptions(state: ClassState, options: unknown): Function {
  const given = mergeOptions(state.given, checkActorOptions(options, 'options()'));
  const made = makeRemoteClass();
  fill(made.value, made.state, state.target, given);
  made.state.captured = state.captured;
  return made.value;
}

function createActor(state: ClassState, values: unknown[]): ActorHandle {
  const session = currentSession();
  const options = normalizeActorOptions(state.given);
  const methods = (state.methods ??= methodsOf(state.target));
  const maxConcurrency =
    options.maxConcurrency ?? (methods.allAsync ? ASYNC_ACTOR_MAX_CONCURRENCY_DEFAULT : 1);
  const placement = withMemory(options.placement, options.memory);
  const held = withMemory(options.held, options.memory);
  session.requireFeasible(placement, state.name);
  session.requireFeasible(held, state.name);
  const namespace = options.namespace ?? session.settings.namespace;
  const exported: ExportedClass = {
    kind: 'class',
    className: state.name,
    methods: methods.names,
    generators: methods.generators,
    maxConcurrency,
    resources: held,
    actorName: options.name,
    namespace,
  };
  const parts: HandleParts = {
    className: state.name,
    methods: methods.names,
    generators: methods.generators,
    ordered: maxConcurrency <= 1,
    maxTaskRetries: options.maxTaskRetries,
    maxPendingCalls: options.maxPendingCalls ?? -1,
    name: options.name,
  };
  const key = JSON.stringify(exported);
  if (state.exported?.session !== session || state.exported.key !== key) {
    const made = exportCaptured(state.target, state.captured, exported, session, state.name);
    state.exported = { session, key, made };
  }
  const found = session.createActor(
    {
      exported: state.exported.made,
      className: state.name,
      name: options.name ?? '',
      namespace,
      detached: options.detached,
      maxRestarts: options.maxRestarts,
      placement: quantities(placement),
      held: quantities(held),
      environment: session.environment(options.env),
      maxConcurrency,
      methods: methods.names,
      handle: JSON.stringify(parts),
      getIfExists: options.getIfExists,
    },
    values,
  );
  return handleOf(session, found);
}

/** A handle of an actor that was created or found. */
function handleOf(session: Runtime, found: FoundActor): ActorHandle {
  const parts = JSON.parse(found.handle) as HandleParts;
  const number = found.number !== 0 ? found.number : session.actorNumber(found.id, parts.ordered);
  return new ActorHandle(MAKES_HANDLES, session, new Uint8Array(found.id), number, parts);
}

/** Which method of an actor, and with which options. */
interface MethodChoice {
  readonly index: number;
  readonly given: MethodOptions<number>;
}

/** A method of one actor, with certain options. */
interface MethodState {
  handle: ActorHandle;
  choice: MethodChoice;
  options: NormalizedMethodOptions;
  /** With the name of the class, as errors show it. */
  name: string;
}

/** What `handle.method` is: a function only so that calling it directly can say what to do instead. */
function makeMethod(): { value: Function; state: MethodState } {
  // Nobody sees it before it is filled.
  const state = {} as MethodState;
  const value = makeRemote(
    () =>
      new InvalidArgumentError(
        `the method ${state.name} of an actor can't be called directly; use .${value.name}.remote(…)`,
        { argument: state.name, value: 'a direct call', allowed: '.remote(…)' },
      ),
    (...values) => callMethod(state, values),
    (options) => methodWithOptions(state, options),
  );
  return { value, state };
}

function fillMethod(
  value: Function,
  state: MethodState,
  handle: ActorHandle,
  choice: MethodChoice,
): void {
  const { className, methods } = handle[STATE].parts;
  const method = methods[choice.index]!;
  state.handle = handle;
  state.choice = choice;
  state.options = normalizeMethodOptions(choice.given);
  state.name = `${className}.${method}`;
  Object.defineProperty(value, 'name', { value: method });
  noteRemote(value, { kind: 'method', title: state.name, target: handle, options: choice });
}

registerMaker('method', () => {
  const { state, value } = makeMethod();
  return {
    value,
    fill: (target, choice) =>
      fillMethod(value, state, target as ActorHandle, choice as MethodChoice),
  };
});

function methodOf(handle: ActorHandle, choice: MethodChoice): Function {
  const { state, value } = makeMethod();
  fillMethod(value, state, handle, choice);
  return value;
}

function methodWithOptions({ choice, handle }: MethodState, options: unknown): Function {
  const given = mergeOptions(choice.given, checkMethodOptions(options, 'options()'));
  return methodOf(handle, { index: choice.index, given });
}

function callMethod(state: MethodState, values: unknown[]): unknown {
  const { name } = state;
  const { index } = state.choice;
  const { maxTaskRetries, numReturns, retryExceptions } = state.options;
  const { number, parts, pending, session } = usable(state.handle, name);
  if (parts.generators.length > 0 && parts.generators.includes(parts.methods[index]!)) {
    throw new NotSupportedError(
      `the method ${name} is a generator function; results can't be streamed yet. Return an array`,
      { feature: 'streaming results' },
    );
  }
  if (pending !== undefined && !pending.hasRoom(() => session.openCalls(number))) {
    throw new PendingCallsLimitExceededError('', { limit: pending.limit, name } as never);
  }
  const retries = maxTaskRetries ?? parts.maxTaskRetries;
  const repeatsErrors = retryExceptions !== false;
  const sent = repeatsErrors ? [...values, retryExceptions] : values;
  return session.call(number, index, repeatsErrors, numReturns, retries, sent, name, pending);
}

/** What a handle keeps: behind a symbol, where no name of a user's method can meet it. */
interface HandleState {
  readonly session: Runtime;
  readonly idBytes: Uint8Array;
  /** Number of the actor in this process; 0 once disposed. */
  number: number;
  readonly parts: HandleParts;
  /** Its calls, if their number has a limit. */
  readonly pending: PendingCalls | undefined;
}

const STATE = Symbol('eagleray.handle');

/** Whoever has this makes handles. Users have the class, for `instanceof`. */
const MAKES_HANDLES: unique symbol = Symbol('makes handles');

/** See `ActorHandle` in `types.ts`. */
export class ActorHandle {
  /** @internal */
  declare readonly [STATE]: HandleState;

  constructor(
    right: typeof MAKES_HANDLES,
    session: Runtime,
    idBytes: Uint8Array,
    number: number,
    parts: HandleParts,
  ) {
    if (right !== MAKES_HANDLES) throw notConstructed();
    const { maxPendingCalls } = parts;
    const pending = maxPendingCalls < 0 ? undefined : new PendingCalls(maxPendingCalls);
    const state: HandleState = { session, idBytes, number, parts, pending };
    Object.defineProperty(this, STATE, { value: state });
    for (const [index, name] of parts.methods.entries()) {
      let method: Function | undefined;
      Object.defineProperty(this, name, {
        enumerable: true,
        get: () => (method ??= methodOf(this, { index, given: {} })),
      });
    }
    session.registerActor(this, number);
  }

  get actorId(): string {
    return Buffer.from(this[STATE].idBytes).toString('hex');
  }

  dispose(): void {
    const state = this[STATE];
    const { number, session } = state;
    if (number === 0) return;
    state.number = 0;
    if (!session.isClosed) session.disposeActor(this, number);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    return describeHandle(this);
  }

  /** JSON has no handles: whoever logs one as JSON sees which it was. */
  toJSON(): string {
    return describeHandle(this);
  }

  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return describeHandle(this);
  }

  static [SERIALIZE](handle: ActorHandle): unknown {
    const { idBytes, number, parts, session } = usable(handle, 'a value');
    return { reference: new ActorReference(idBytes, session, number), parts };
  }

  static [DESERIALIZE](arrived: { reference: ActorReference; parts: HandleParts }): object {
    const { id, session } = arrived.reference;
    return newHandle(session, id, arrived.parts);
  }
}

// Inside, `ActorHandle` is the type that users see.
export { ActorHandle as ActorHandleImplementation };

function notConstructed(): InvalidArgumentError {
  return new InvalidArgumentError(
    'an ActorHandle is not constructed; handles are returned by .remote() of a remote class, and by getActor()',
    { argument: 'ActorHandle', value: 'a construction', allowed: 'instanceof' },
  );
}

function describeHandle(handle: ActorHandle): string {
  return `ActorHandle<${handle[STATE].parts.className}>(${handle.actorId})`;
}

/** A handle of an actor that this process has not counted yet. */
function newHandle(session: Runtime, id: Uint8Array, parts: HandleParts): ActorHandle {
  return new ActorHandle(MAKES_HANDLES, session, id, session.actorNumber(id, parts.ordered), parts);
}

function usable(handle: ActorHandle, what: string): HandleState {
  const state = handle[STATE];
  if (state.number === 0 || state.session.isClosed) {
    const why = state.number === 0 ? 'was disposed' : 'belongs to a runtime that has ended';
    throw new InvalidArgumentError(
      `${what}: the handle of the actor ${state.parts.className} ${why}`,
      {
        argument: 'handle',
        value: `a handle that ${why}`,
        allowed: 'a handle of a live runtime',
      },
    );
  }
  return state;
}

/** The handle that a value is; throws if it is none. */
function requireHandle(value: unknown, call: string): HandleState {
  if (!(value instanceof ActorHandle)) {
    throw new InvalidArgumentError(`${call} takes an actor handle; got ${describeValue(value)}`, {
      argument: 'handle',
      value,
      allowed: 'an actor handle',
    });
  }
  return usable(value, call);
}

/** See `kill` in `index.ts`. */
export function kill(value: unknown, options?: unknown): void {
  const { idBytes, session } = requireHandle(value, 'kill()');
  const { noRestart } = normalizeKillOptions(options);
  session.killActor(idBytes, !noRestart);
}

/** See `terminate` in `index.ts`. */
export function terminate(value: unknown): void {
  const { number, session } = requireHandle(value, 'terminate()');
  session.terminate(number);
}

/** See `actorReady` in `index.ts`. */
export function actorReady(value: unknown): ObjectRefImplementation {
  const { idBytes, session } = requireHandle(value, 'actorReady()');
  const ref = session.refOf(idBytes);
  // The actor must not end with a handle that is used for nothing but this question.
  ref.keeps = value;
  return ref;
}

/** See `getActor` in `index.ts`. */
export function getActor(name: unknown, options?: unknown): ActorHandle {
  if (typeof name !== 'string' || name === '') {
    throw new InvalidArgumentError(
      `getActor() takes the name of an actor; got ${describeValue(name)}`,
      {
        argument: 'name',
        value: name,
        allowed: 'a text that is not empty',
      },
    );
  }
  checkName(name, { call: 'getActor()', name: 'name' });
  const session = currentSession();
  const namespace = normalizeGetActorOptions(options).namespace ?? session.settings.namespace;
  const found = session.findActor(name, namespace);
  if (found === null) throw new ActorNotFoundError('', { name, namespace });
  return handleOf(session, found);
}

/** A handle of the actor that runs in this process. */
export function ownHandle(id: Uint8Array, parts: HandleParts): ActorHandle | null {
  const session = sessionIfAny();
  if (session === undefined) return null;
  return new ActorHandle(MAKES_HANDLES, session, id, session.actorNumber(id, parts.ordered), parts);
}
