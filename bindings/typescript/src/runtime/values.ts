/** Values of a process on their way to envelopes and back: the codec, and what it asks of the runtime. */

import {
  type ConstructedFunction,
  Decoder,
  type DecodeHooks,
  type EncodeHooks,
  Encoder,
  type FunctionSkeleton,
  type OutOfBand,
  type Reference,
  type ValuePath,
  requiredModules,
} from '../codec/index.ts';
import { InvalidArgumentError } from '../errors.ts';
import type { NativeRuntime } from '../native.ts';
import { type LocalValue, ObjectRefImplementation } from '../object-ref.ts';
import {
  constructFunction,
  describe,
  load,
  moduleNamespace,
  moduleUrl,
} from '../shipping/index.ts';
import {
  type Records,
  STATUS_SYSTEM_ERROR,
  STATUS_VALUE,
  readSystemError,
  readValue,
} from './records.ts';
import type { Garbage } from './garbage.ts';
import type { RefGroup } from './references.ts';
import { constructRemote, describeRemote } from './remote-values.ts';
import type { Runtime } from './runtime.ts';

/** An envelope above this goes to the store; also the largest value that stays in JavaScript only. */
export const INLINE_MAX = 64 * 1024;

/** An encoded value, as the native module takes it. */
export interface Encoded {
  readonly meta: Uint8Array;
  readonly buffers: Uint8Array[];
  /** Handles of refs; actors as their number below zero, less one. */
  readonly nested: number[];
}

/** What values need of their session. */
export interface ValueHost extends Runtime {
  readonly native: NativeRuntime;
  readonly garbage: Garbage;
  /** Makes the native module know a ref that only JavaScript knew. */
  define(ref: ObjectRefImplementation): void;
  /** A ref inside a value that is being decoded. */
  refInside(id: Uint8Array, group: RefGroup): ObjectRefImplementation;
}

/** The id of an actor inside a value. The number is 0 until somebody makes a handle of it. */
export class ActorReference {
  readonly id: Uint8Array;
  readonly session: Runtime;
  readonly number: number;

  constructor(id: Uint8Array, session: Runtime, number: number) {
    this.id = id;
    this.session = session;
    this.number = number;
  }
}

/** A reference with the handle behind it; actors have their number below zero, less one. */
type HeldReference = Reference & { readonly handle: number };

export class Values {
  private readonly host: ValueHost;
  private readonly encoder: Encoder;
  private readonly decoder = new Decoder();
  private readonly encodeHooks: EncodeHooks;

  constructor(host: ValueHost) {
    this.host = host;
    this.encodeHooks = {
      reference: (value) => this.referenceOf(value),
      describeFunction: (fn, path: ValuePath) => describeRemote(fn) ?? describe(fn, path),
      moduleUrl,
    };
    this.encoder = new Encoder(this.encodeHooks);
  }

  // ---- to envelopes

  /** An empty encoder that is not in use: user code that runs while one encodes may call the API. */
  freeEncoder(): Encoder {
    const encoder = this.encoder.busy ? new Encoder(this.encodeHooks) : this.encoder;
    encoder.reset();
    return encoder;
  }

  /** Encodes one value by itself. What is in the encoder stays until the next value is encoded. */
  encodeAlone(value: unknown, root: string): Encoder {
    const encoder = this.freeEncoder();
    encoder.encode(value, root);
    return encoder;
  }

  /** As `encodeAlone`, with an encoder that nobody else uses. */
  encodeApart(value: unknown, root: string): Encoder {
    const encoder = new Encoder(this.encodeHooks);
    encoder.encode(value, root);
    return encoder;
  }

  /** Encodes one value by itself, as the native module takes it. */
  encode(value: unknown, root: string): Encoded {
    return encoded(this.encodeAlone(value, root));
  }

  /** Encodes a function, and what belongs to it behind it, as the native module takes it. */
  encodeExport(value: readonly [Function, object], name: string): Encoded {
    const encoder = this.freeEncoder();
    encoder.encode(value, name, true);
    return encoded(encoder);
  }

  /** The envelope of a value that only JavaScript knows, until the next use of an encoder. */
  envelopeOf(local: LocalValue): Uint8Array {
    if (local.kind === 'envelope') return local.bytes;
    const encoder = this.encoder.busy ? new Encoder(this.encodeHooks) : this.encoder;
    const start = encoder.length;
    encoder.encode(local.value);
    return encoder.bytes.subarray(start, encoder.length);
  }

  private referenceOf(value: object): Reference | undefined {
    if (value instanceof ObjectRefImplementation) {
      requireUsable(value, this.host);
      this.host.define(value);
      const held: HeldReference = {
        kind: 'ref',
        bytes: this.host.idOf(value),
        handle: value.handle,
      };
      return held;
    }
    if (value instanceof ActorReference) {
      const held: HeldReference = { kind: 'actor', bytes: value.id, handle: -value.number - 1 };
      return held;
    }
    return undefined;
  }

  // ---- and back

  /** Decodes the value at a place of a record. Returns a promise if modules have to be loaded first. */
  decodeAt(records: Records, at: number): { value: unknown } | Promise<{ value: unknown }> {
    const record = readValue(records, at);
    let { bytes } = records;
    let { metaStart, metaEnd } = record;
    if (record.fetch) {
      bytes = this.host.native.fetchMeta(record.handle) ?? new Uint8Array(0);
      metaStart = 0;
      metaEnd = bytes.length;
    }
    if (record.status === STATUS_SYSTEM_ERROR) {
      throw readSystemError(bytes.slice(metaStart, metaEnd), (status, meta) =>
        this.decodeCause(status, meta),
      );
    }
    const finish = (): { value: unknown } => {
      const value = this.decode(bytes, metaStart, metaEnd, record.handle);
      if (record.status !== STATUS_VALUE) throw value;
      return { value };
    };
    const loading = load(requiredModules(bytes, metaStart, metaEnd));
    if (loading === undefined) return finish();
    return loading.then(finish);
  }

  /** Decodes an envelope whose modules are loaded; `handle` is the object whose buffers it may attach. */
  decode(bytes: Uint8Array, start: number, end: number, handle = 0): unknown {
    return this.decoder.decode(bytes, start, end, new ArrivingValue(this.host, handle));
  }

  /** Calls back with the value at a place, or with the error that it is. */
  use(records: Records, at: number, use: (value: unknown) => void): void {
    try {
      const decoded = this.decodeAt(records, at);
      if (decoded instanceof Promise) decoded.then(({ value }) => use(value), use);
      else use(decoded.value);
    } catch (error) {
      use(error);
    }
  }

  /** The value of a ref that only JavaScript knows; undefined if it needs modules that are not loaded. */
  localValue(local: LocalValue): unknown {
    if (local.kind === 'primitive') return local.value;
    const loading = load(requiredModules(local.bytes));
    if (loading !== undefined) return undefined;
    return this.decode(local.bytes, 0, local.bytes.length);
  }

  /** The modules that the value at a place of a record needs. */
  modulesOf(records: Records, at: number): readonly string[] {
    const record = readValue(records, at);
    if (!record.fetch) return requiredModules(records.bytes, record.metaStart, record.metaEnd);
    return requiredModules(this.host.native.fetchMeta(record.handle) ?? new Uint8Array(0));
  }

  private decodeCause(status: number, meta: Uint8Array): unknown {
    try {
      if (status === STATUS_SYSTEM_ERROR) {
        return readSystemError(meta, (inner, bytes) => this.decodeCause(inner, bytes));
      }
      return this.decode(meta, 0, meta.length);
    } catch (error) {
      // The cause explains an error that is being reported; one that can't be read is replaced by why.
      return error;
    }
  }
}

/** What was encoded, as the native module takes it. */
export function encoded(encoder: Encoder): Encoded {
  return {
    meta: encoder.bytes.subarray(0, encoder.length),
    buffers: encoder.buffers.map(bytesOf),
    nested: nestedOf(encoder),
  };
}

/** The numbers of refs and actors inside what was encoded. */
export function nestedOf({ nested }: Encoder): number[] {
  return nested.map((reference) => (reference as HeldReference).handle);
}

/** True if a value that was encoded by itself can travel without the store. */
export function isInline(encoder: Encoder): boolean {
  return (
    encoder.length <= INLINE_MAX && encoder.buffers.length === 0 && encoder.nested.length === 0
  );
}

/** Parts what is nested: refs, and actors. */
export function partNested(nested: readonly number[]): { refs: number[]; actors: number[] } {
  return {
    refs: nested.filter((handle) => handle >= 0),
    actors: nested.filter((handle) => handle < 0).map((handle) => -handle - 1),
  };
}

/** Refuses refs that were disposed, and those of another runtime. */
export function requireUsable(ref: ObjectRefImplementation, runtime: Runtime): void {
  if (ref.handle === -1 || ref.session !== runtime) {
    throw new InvalidArgumentError(
      ref.handle === -1
        ? 'a value holds a ref that was disposed'
        : 'a value holds a ref of a runtime that has ended',
      { argument: 'value', value: 'an ObjectRef', allowed: 'refs that this runtime still holds' },
    );
  }
}

/** What the decoder asks while it makes one value. A class, because one is made for every value. */
class ArrivingValue implements DecodeHooks, RefGroup {
  count = 0;
  current: number[] | undefined = undefined;
  owner: object | undefined = undefined;
  private readonly host: ValueHost;
  private readonly handle: number;

  constructor(host: ValueHost, handle: number) {
    this.host = host;
    this.handle = handle;
  }

  reference(kind: Reference['kind'], bytes: Uint8Array): object {
    return kind === 'ref'
      ? this.host.refInside(bytes, this)
      : new ActorReference(bytes.slice(), this.host, 0);
  }

  constructFunction(skeleton: FunctionSkeleton): ConstructedFunction {
    return constructRemote(skeleton) ?? constructFunction(skeleton);
  }

  moduleNamespace(url: string): object {
    return moduleNamespace(url);
  }

  attach(index: number, _byteLength: number, shared: boolean): ArrayBufferLike {
    return this.host.garbage.buffer(this.handle, index, shared);
  }
}

function bytesOf({ buffer, byteLength, byteOffset }: OutOfBand): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** True for values whose encoding is so short that it is cheaper than any further thought. */
export function isPrimitive(value: unknown): boolean {
  switch (typeof value) {
    case 'number':
    case 'boolean':
    case 'undefined':
      return true;
    case 'string':
      return value.length < 1024;
    default:
      return value === null;
  }
}
