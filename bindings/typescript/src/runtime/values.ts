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
  isOfPlatform,
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
import { NONE_UNLOADED, type Unloaded, loadModules, withoutLoading } from './modules.ts';
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
      isOfPlatform,
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
    return takeEncoded(this.encodeAlone(value, root));
  }

  /** Encodes a function, and what belongs to it behind it, as the native module takes it. */
  encodeExport(value: readonly [Function, object], name: string): Encoded {
    const encoder = this.freeEncoder();
    encoder.encode(value, name, true);
    return takeEncoded(encoder);
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

  /**
   * Decodes the value at a place of a record. Returns a promise if modules have to be loaded first.
   *
   * @param atOnce an error that needs modules is taken without them; anything else still gives a promise
   */
  decodeAt(
    records: Records,
    at: number,
    atOnce = false,
  ): { value: unknown } | Promise<{ value: unknown }> {
    const arrived = this.arrivedAt(records, at);
    const modules = modulesIn(arrived);
    const loading = loadModules(modules);
    if (loading === undefined) return { value: this.read(arrived, NONE_UNLOADED) };
    if (atOnce && arrived.status !== STATUS_VALUE) this.read(arrived, withoutLoading(modules));
    return loading.then((unloaded) => ({ value: this.read(arrived, unloaded) }));
  }

  /** The value at a place of a record. Its modules are loaded, but for `unloaded`. */
  decodeLoaded(records: Records, at: number, unloaded: Unloaded): unknown {
    return this.read(this.arrivedAt(records, at), unloaded);
  }

  /** The modules that the value at a place of a record needs. */
  modulesOf(records: Records, at: number): readonly string[] {
    return modulesIn(this.arrivedAt(records, at));
  }

  private arrivedAt(records: Records, at: number): ArrivedValue {
    const { fetch, handle, metaEnd, metaStart, status } = readValue(records, at);
    if (!fetch) return { status, handle, bytes: records.bytes, start: metaStart, end: metaEnd };
    const bytes = this.host.native.fetchMeta(handle) ?? new Uint8Array(0);
    return { status, handle, bytes, start: 0, end: bytes.length };
  }

  /** Gives a value, and throws an error. */
  private read({ bytes, end, handle, start, status }: ArrivedValue, unloaded: Unloaded): unknown {
    if (status === STATUS_SYSTEM_ERROR) throw this.systemError(bytes.slice(start, end), unloaded);
    const value = this.decode(bytes, start, end, handle, unloaded);
    if (status !== STATUS_VALUE) throw value;
    return value;
  }

  /**
   * Decodes an envelope whose modules are loaded.
   *
   * @param handle the object whose buffers it may attach
   * @param unloaded the modules that could not be loaded
   */
  decode(
    bytes: Uint8Array,
    start: number,
    end: number,
    handle = 0,
    unloaded: Unloaded = NONE_UNLOADED,
  ): unknown {
    return this.decoder.decode(bytes, start, end, new ArrivingValue(this.host, handle, unloaded));
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
    const loading = loadModules(requiredModules(local.bytes));
    if (loading !== undefined) return undefined;
    return this.decode(local.bytes, 0, local.bytes.length);
  }

  private systemError(bytes: Uint8Array, unloaded: Unloaded): unknown {
    return readSystemError(bytes, (status, meta) => {
      try {
        if (status === STATUS_SYSTEM_ERROR) return this.systemError(meta, unloaded);
        return this.decode(meta, 0, meta.length, 0, unloaded);
      } catch (error) {
        // The cause explains an error that is being reported; one that can't be read is replaced by why.
        return error;
      }
    });
  }
}

/** A value as it arrived, or an error that stands in its place. */
interface ArrivedValue {
  readonly status: number;
  /** The object whose buffers it may attach. */
  readonly handle: number;
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

function modulesIn({ bytes, end, start, status }: ArrivedValue): readonly string[] {
  return status === STATUS_SYSTEM_ERROR
    ? modulesOfCauses(bytes.slice(start, end))
    : requiredModules(bytes, start, end);
}

/** The modules that the causes of an encoded system error need. */
function modulesOfCauses(bytes: Uint8Array): string[] {
  const modules: string[] = [];
  readSystemError(bytes, (status, meta) => {
    const ofCause = status === STATUS_SYSTEM_ERROR ? modulesOfCauses(meta) : requiredModules(meta);
    modules.push(...ofCause);
  });
  return modules;
}

/** What was encoded, as the native module takes it; the encoder keeps nothing of it alive. */
export function takeEncoded(encoder: Encoder): Encoded {
  const taken = {
    meta: encoder.bytes.subarray(0, encoder.length),
    buffers: encoder.buffers.map(bytesOf),
    nested: nestedOf(encoder),
  };
  encoder.letGo();
  return taken;
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
  private readonly unloaded: Unloaded;

  constructor(host: ValueHost, handle: number, unloaded: Unloaded) {
    this.host = host;
    this.handle = handle;
    this.unloaded = unloaded;
  }

  reference(kind: Reference['kind'], bytes: Uint8Array): object {
    return kind === 'ref'
      ? this.host.refInside(bytes, this)
      : new ActorReference(bytes.slice(), this.host, 0);
  }

  constructFunction(skeleton: FunctionSkeleton): ConstructedFunction {
    try {
      return constructRemote(skeleton) ?? constructFunction(skeleton);
    } catch (error) {
      throw (skeleton.kind === 'reference' && this.unloaded.get(skeleton.moduleUrl)) || error;
    }
  }

  moduleNamespace(url: string): object {
    const failure = this.unloaded.get(url);
    if (failure !== undefined) throw failure;
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
