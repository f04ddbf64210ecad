/** The ref that users hold. What it means is the runtime's business; the ref only keeps its place there. */

import { InvalidArgumentError, describeValue } from './errors.ts';

/** The value of a small object that has not left this process: then no other part of the runtime knows of it. */
export type LocalValue =
  | { readonly kind: 'primitive'; readonly value: unknown }
  | { readonly kind: 'envelope'; readonly bytes: Uint8Array };

/** Refs that are let go when this object is collected, which each of them has. */
export interface JoinedRefs {
  readonly handles: number[];
}

/** What a ref asks of its runtime. */
export interface RefKeeper {
  /** 16 bytes: owner, node, sequence. */
  idOf(ref: ObjectRef): Uint8Array;
  disposeRef(ref: ObjectRef): void;
}

/** Only `makeRef` has this. Users have the class, for `instanceof`. */
const MAKES_REFS: unique symbol = Symbol('makes refs');

/** How many refs were disposed of in this process: as long as it stays the same, refs that were usable still are. */
export let disposals = 0;

/** See `ObjectRef` in `types.ts`. */
export class ObjectRef {
  /** Private, so that whoever compares or prints the members of refs does not walk through the whole runtime. */
  readonly #session: RefKeeper;
  /** @internal Number of the object in this process; -1 once disposed. */
  handle: number;
  /** @internal Set while only JavaScript knows the object. */
  local: LocalValue | undefined;
  /** @internal The one ref of a result of this process's own call. */
  fresh: boolean;
  /** @internal What makes the object is a call of an actor, submitted here. */
  ofActorCall: boolean;
  /** @internal By how many it is watched; see `runtime/watches.ts`. */
  watchCount: number;
  /** @internal The error that `get` has thrown for this ref: it stays the same one. */
  failure: { readonly error: unknown } | undefined;
  /** @internal The refs that are let go together with this one. */
  group: JoinedRefs | undefined;
  /** @internal The number under which the native module watches the ref of a large object. */
  declare watched: number | undefined;
  /** @internal What has to live as long as this ref. */
  declare keeps: unknown;

  constructor(right: typeof MAKES_REFS, session: RefKeeper, handle: number, local?: LocalValue) {
    if (right !== MAKES_REFS) throw notConstructed();
    this.#session = session;
    this.handle = handle;
    this.local = local;
    this.fresh = false;
    this.ofActorCall = false;
    this.watchCount = 0;
    this.failure = undefined;
    this.group = undefined;
  }

  /** @internal */
  get session(): RefKeeper {
    return this.#session;
  }

  /** The identity of the object: equal refs have equal ids, in every process. */
  get id(): string {
    return Buffer.from(this.#session.idOf(this)).toString('hex');
  }

  /** Lets go of the object now. Further use of this ref is an error. */
  dispose(): void {
    disposals++;
    this.#session.disposeRef(this);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  toString(): string {
    return this.handle === -1 ? 'ObjectRef(disposed)' : `ObjectRef(${this.id})`;
  }

  /** JSON has no refs: whoever logs one as JSON sees which it was. */
  toJSON(): string {
    return this.toString();
  }

  /** What `console.log` shows. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return this.toString();
  }
}

// Inside, `ObjectRef` is the type that users see.
export { ObjectRef as ObjectRefImplementation };

/** A ref for an object of a runtime. */
export function makeRef(session: RefKeeper, handle: number, local?: LocalValue): ObjectRef {
  return new ObjectRef(MAKES_REFS, session, handle, local);
}

function notConstructed(): InvalidArgumentError {
  return new InvalidArgumentError(
    'an ObjectRef is not constructed; refs are returned by .remote() of a remote function or method, and by put()',
    { argument: 'ObjectRef', value: 'a construction', allowed: 'instanceof' },
  );
}

/** True for a ref. A value that does not let itself be looked at, such as a revoked proxy, is none. */
export function isRef(value: unknown): value is ObjectRef {
  try {
    return value instanceof ObjectRef;
  } catch {
    return false;
  }
}

/** The ref that a value is. Throws `InvalidArgumentError` if it is none, or of another or a past runtime. */
export function requireRef(
  value: unknown,
  call: string,
  session: RefKeeper | undefined,
): ObjectRef {
  if (!(value instanceof ObjectRef)) {
    throw new InvalidArgumentError(
      `${call} takes an ObjectRef, as remote() calls and put() return it; got ${describeValue(value)}`,
      { argument: 'ref', value, allowed: 'an ObjectRef' },
    );
  }
  if (value.handle === -1) {
    throw new InvalidArgumentError(`${call} was given a ref that was disposed`, {
      argument: 'ref',
      value: 'a disposed ref',
      allowed: 'a ref that is still held',
    });
  }
  if (value.session !== session) {
    throw new InvalidArgumentError(`${call} was given a ref of a runtime that has ended`, {
      argument: 'ref',
      value: 'a ref of a past runtime',
      allowed: 'a ref of this runtime',
    });
  }
  return value;
}
