/**
 * The connection to V8's inspector, in the same thread and synchronous.
 *
 * No breakpoint is set, and the domain `Debugger` is on for no longer than a list of scripts takes, so optimised code and
 * debuggers are not disturbed. The session stays open for a moment after its last use: opening one costs as much as
 * inspecting a function.
 *
 * Values go in and out through a box, an object that the inspector and this file know: `box.given` is what the inspector
 * looks at, `box.taken` what it hands over.
 */

import type { Session } from 'node:inspector';

import { SerializationError } from '../errors.ts';

/** An object or value as the inspector tells of it. */
export interface RemoteObject {
  readonly objectId?: string;
  readonly value?: unknown;
  readonly unserializableValue?: string;
  readonly type: string;
}

interface Connection {
  readonly session: Session;
  /** The inspector's name of the box. */
  readonly box: string;
}

/** What the inspector names goes by this, but for the box. */
const GROUP = 'eagleray';
/** Where the box is found once. Built-in modules are the same in every `vm` context. */
const BOX = Symbol.for('eagleray.inspected');
const BOX_EXPRESSION =
  'process.getBuiltinModule("node:inspector")[Symbol.for("eagleray.inspected")]';

/** A session that is not used for so long is closed. */
const IDLE_MS = 500;

// `performance.now` would load `node:perf_hooks`. A clock that is set closes a session sooner or later than that.
const { now } = Date;

const box: { given: unknown; taken: readonly unknown[] } = { given: undefined, taken: [] };

let connection: Connection | undefined;
let lastUse = 0;

function connected(): Connection {
  lastUse = now();
  if (connection !== undefined) return connection;
  let session: Session;
  let holder: { [BOX]?: unknown };
  try {
    const inspector = process.getBuiltinModule('node:inspector');
    holder = inspector as { [BOX]?: unknown };
    session = new inspector.Session();
    session.connect();
  } catch (error) {
    throw new SerializationError(
      "functions can't be sent by value: V8's inspector is not available in this process" +
        (process.permission === undefined ? '' : ' (start Node with --allow-inspector as well)'),
      {},
      { cause: error },
    );
  }
  holder[BOX] = box;
  try {
    const { result } = send<{ result: RemoteObject }>(session, 'Runtime.evaluate', {
      expression: BOX_EXPRESSION,
      silent: true,
    });
    connection = { session, box: result.objectId! };
  } finally {
    delete holder[BOX];
  }
  closeWhenIdle(IDLE_MS);
  return connection;
}

function closeWhenIdle(afterMs: number): void {
  setTimeout(() => {
    const rest = lastUse + IDLE_MS - now();
    if (rest > 0) {
      closeWhenIdle(rest);
      return;
    }
    connection?.session.disconnect();
    connection = undefined;
  }, afterMs).unref();
}

function send<T>(session: Session, method: string, parameters: object): T {
  let failure: Error | null = null;
  let result: T | undefined;
  // The callback runs before `post` returns, because the session is connected to this very thread.
  session.post(method, parameters, (error: Error | null, answer?: unknown) => {
    failure = error;
    result = answer as T;
  });
  if (failure !== null) throw failure;
  return result as T;
}

/** Sends a message of the inspector's protocol, and returns the answer. */
export function post<T>(method: string, parameters: object = {}): T {
  return send(connected().session, method, parameters);
}

/** Listens to events of the inspector while `action` runs. */
export function listening<E, R>(event: string, listener: (event: E) => void, action: () => R): R {
  const { session } = connected();
  const listen = ({ params }: { params: E }): void => listener(params);
  session.on(event, listen as never);
  try {
    return action();
  } finally {
    session.off(event, listen as never);
  }
}

/** What the inspector says about an object. */
export interface PropertyList {
  readonly internalProperties?: readonly { readonly name: string; readonly value?: RemoteObject }[];
  readonly privateProperties?: readonly { readonly name: string; readonly value?: RemoteObject }[];
}

/** So many objects are looked at before what the inspector has named for them is let go of; it takes as long for one. */
const RELEASE_AT = 64;

/** How many have been looked at since. */
let unreleased = 0;

/** Before anything else runs, or after some more: whoever looks at one function as a rule looks at its neighbours. */
function releaseSoon(): void {
  unreleased++;
  if (unreleased === 1) queueMicrotask(release);
  else if (unreleased === RELEASE_AT) release();
}

function release(): void {
  if (unreleased === 0) return;
  unreleased = 0;
  if (connection !== undefined) post('Runtime.releaseObjectGroup', { objectGroup: GROUP });
}

/** Hands the properties of a function or object on, as V8 itself sees them; what they refer to is there until it returns. */
export function withProperties<R>(value: object, read: (properties: PropertyList) => R): R {
  const { box: objectId } = connected();
  try {
    box.given = value;
    const { result } = post<{ result: RemoteObject }>('Runtime.callFunctionOn', {
      objectId,
      functionDeclaration: 'function () { return this.given; }',
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
    box.given = undefined;
    releaseSoon();
  }
}

/** The values behind what the inspector told of. */
export function take(remotes: readonly RemoteObject[]): readonly unknown[] {
  post('Runtime.callFunctionOn', {
    objectId: connected().box,
    // As arguments, because `this` would turn a symbol into an object.
    functionDeclaration: 'function (...values) { this.taken = values; }',
    arguments: remotes.map(({ objectId, unserializableValue, value }) => {
      if (objectId !== undefined) return { objectId };
      return unserializableValue === undefined ? { value } : { unserializableValue };
    }),
    silent: true,
  });
  const { taken } = box;
  box.taken = [];
  return taken;
}
