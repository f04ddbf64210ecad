/** Values of a process on their way to envelopes and back: the codec, and what it asks of the runtime. */

import {
  type ConstructedFunction,
  Decoder,
  type DecodeHooks,
  type EncodeHooks,
  Encoder,
  type FunctionDescription,
  type FunctionSkeleton,
  type OutOfBand,
  type Reference,
  type ValuePath,
  requiredModules,
} from '../codec/index.ts';
import { InvalidArgumentError } from '../errors.ts';
import type { NativeRuntime } from '../native.ts';
import { type JoinedRefs, type LocalValue, ObjectRefImplementation } from '../object-ref.ts';
import {
  Delivery,
  Shipment,
  builtInModuleUrl,
  describeSymbol,
  isOfPlatform,
  moduleNamespace,
  moduleUrl,
  symbolOf,
  weakCollections,
} from '../shipping/index.ts';
import {
  type EncodedCause,
  type Records,
  STATUS_VALUE,
  isSystemErrorStatus,
  readSystemError,
  readValue,
} from './records.ts';
import type { Garbage } from './garbage.ts';
import { NONE_UNLOADED, loadModules, withoutLoading } from './modules.ts';
import type { RefGroup } from './references.ts';
import {
  type Snapshot,
  type SnapshotMaker,
  constructPerProcess,
  describePerProcess,
} from './per-process-travel.ts';
import { perProcessOf } from './per-process-values.ts';
import { constructRemote, describeRemote, remoteParts } from './remote-values.ts';
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

/** Signals inside of values: what tells of their abort; see `abort-signals.ts`. */
export interface TravellingSignals {
  refOf(signal: AbortSignal): ObjectRefImplementation;
  signalOf(ref: ObjectRefImplementation): AbortSignal;
}

/** What values need of their session. */
export interface ValueHost extends Runtime {
  readonly native: NativeRuntime;
  readonly garbage: Garbage;
  readonly values: Values;
  /** Makes the native module know a ref that only JavaScript knew. */
  define(ref: ObjectRefImplementation): void;
  readonly signals: TravellingSignals;
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
type HeldReference = Reference & { readonly handle: number; readonly holder: object };

/** What was encoded of a function that was exported, so that it can be exported again with other options. */
export interface EncodedExport extends Encoded {
  /** How much of `meta` is the function; what it is used with follows. */
  readonly functionLength: number;
  /** The refs and handles inside the function: they must be held as long as it may be exported again. */
  readonly holders: readonly object[];
}

/** The function of an earlier export, as it was stored. */
export interface StoredFunction {
  readonly envelope: Uint8Array;
  readonly buffers: readonly OutOfBand[];
  readonly holders: readonly object[];
}

/** What an encoder asks, with the shipment of the functions that it meets. */
class LeavingValues implements EncodeHooks {
  readonly isOfPlatform = isOfPlatform;
  readonly describeSymbol = describeSymbol;
  readonly weakCollections = weakCollections;
  readonly moduleUrl = moduleUrl;
  readonly builtInModuleUrl = builtInModuleUrl;
  /** The functions come in several values. */
  isSeveral = false;
  /** Set for a snapshot: the functions of `perProcess` that it uses. */
  uses: Set<Function> | undefined = undefined;
  private shipment: Shipment | undefined = undefined;
  private readonly values: Values;

  constructor(values: Values) {
    this.values = values;
  }

  reference(value: object): Reference | undefined {
    return this.values.referenceOf(value);
  }

  describeFunction(fn: Function, path: ValuePath): FunctionDescription {
    this.shipment ??= new Shipment({
      isSeveral: this.isSeveral,
      describeOther: (other, at) =>
        describeRemote(other) ?? describePerProcess(other, at, this.values, this.uses),
      isOther: isOfRuntime,
    });
    return this.shipment.describe(fn, path);
  }

  refOfSignal(signal: AbortSignal): object {
    return this.values.refOfSignal(signal);
  }

  /** The next function belongs to another shipment, and nothing of this one is held any more. */
  endShipment(): void {
    this.shipment = undefined;
  }
}

/** True for functions that only the runtime knows how to send. */
function isOfRuntime(fn: Function): boolean {
  return remoteParts(fn) !== undefined || perProcessOf(fn) !== undefined;
}

/** An encoder of values that leave this process. */
export class ValueEncoder extends Encoder {
  readonly leaving: LeavingValues;

  constructor(leaving: LeavingValues) {
    super(leaving);
    this.leaving = leaving;
  }

  /** Encodes a value whose functions travel by themselves. */
  encodeOne(value: unknown, root: string): this {
    this.leaving.isSeveral = false;
    try {
      this.encode(value, root);
    } finally {
      this.leaving.endShipment();
    }
    return this;
  }
}

export class Values implements SnapshotMaker {
  private readonly host: ValueHost;
  private readonly encoder: ValueEncoder;
  private readonly decoder = new Decoder();

  constructor(host: ValueHost) {
    this.host = host;
    this.encoder = this.newEncoder();
  }

  // ---- to envelopes

  /** An encoder of its own, for whoever needs what is in it for longer than until the next value is encoded. */
  newEncoder(): ValueEncoder {
    return new ValueEncoder(new LeavingValues(this));
  }

  /** An empty encoder that is not in use: user code that runs while one encodes may call the API. */
  private freeEncoder(): ValueEncoder {
    const encoder = this.encoder.busy ? this.newEncoder() : this.encoder;
    encoder.reset();
    return encoder;
  }

  /** Encodes one value by itself. What is in the encoder stays until the next value is encoded. */
  encodeAlone(value: unknown, root: string): Encoder {
    return this.freeEncoder().encodeOne(value, root);
  }

  /** Encodes a value with an encoder that nobody else uses. Its functions travel with those of another encoder. */
  encodeApart(value: unknown, root: string, { leaving }: ValueEncoder): Encoder {
    const encoder = new ValueEncoder(leaving);
    encoder.encode(value, root);
    return encoder;
  }

  /** Encodes one value by itself, as the native module takes it. */
  encode(value: unknown, root: string): Encoded {
    return takeEncoded(this.encodeAlone(value, root));
  }

  /**
   * Encodes a function, and behind it what it is used with, as the native module takes them.
   *
   * @param fn the function, or that of an earlier export as it was stored then.
   */
  encodeExport(fn: Function | StoredFunction, use: object, name: string): EncodedExport {
    const encoder = this.freeEncoder();
    try {
      if (typeof fn === 'function') encoder.encode(fn, name);
      else {
        const references = fn.holders.map((holder) => this.referenceOf(holder)!);
        encoder.resume(fn.envelope, fn.buffers, references);
      }
      const functionLength = encoder.length;
      const holders = (encoder.nested as HeldReference[]).map(({ holder }) => holder);
      encoder.encode(use, name);
      const meta = new Uint8Array(encoder.length + 4);
      meta.set(encoder.bytes.subarray(0, encoder.length));
      new DataView(meta.buffer).setUint32(encoder.length, functionLength, true);
      return { ...takeEncoded(encoder), meta, functionLength, holders };
    } finally {
      encoder.leaving.endShipment();
    }
  }

  // ---- snapshots

  get runtime(): Runtime {
    return this.host;
  }

  takeSnapshot(value: unknown, root: string, uses: Set<Function>): Snapshot {
    const encoder = this.newEncoder();
    encoder.leaving.uses = uses;
    encoder.encodeOne(value, root);
    // Counted by themselves: whoever holds them now may let go.
    const holders = encoder.nested.map(({ bytes, kind }) =>
      kind === 'ref' ? this.host.refOf(bytes) : this.countActor(bytes),
    );
    const { buffers, meta } = takeEncoded(encoder);
    return {
      envelope: new Uint8Array(meta),
      buffers: buffers.map((bytes) => new Uint8Array(bytes).buffer),
      holders,
    };
  }

  keepSnapshot({ buffers, envelope, holders }: Snapshot): Snapshot {
    return {
      envelope,
      buffers,
      holders: holders.map((each) =>
        each instanceof ActorReference && each.number === 0 ? this.countActor(each.id) : each,
      ),
    };
  }

  private countActor(id: Uint8Array): ActorReference {
    const { host } = this;
    const number = host.actorNumber(id, true);
    const reference = new ActorReference(new Uint8Array(id), host, number);
    host.registerActor(reference, number);
    return reference;
  }

  readSnapshot({ buffers, envelope }: Snapshot): unknown {
    return this.decoder.decode(envelope, 0, envelope.length, new KeptValue(this.host, buffers));
  }

  /** The function of an object that `encodeExport` has made, and what it is used with. */
  async decodeExport(records: Records, at: number): Promise<[fn: unknown, use: unknown]> {
    const { bytes, end, handle, start } = this.arrivedAt(records, at);
    const functionEnd =
      start + new DataView(bytes.buffer, bytes.byteOffset).getUint32(end - 4, true);
    const parts = [
      [start, functionEnd],
      [functionEnd, end - 4],
    ] as const;
    const modules = parts.flatMap(([from, to]) => requiredModules(bytes, from, to));
    const unloaded = (await loadModules(modules)) ?? NONE_UNLOADED;
    const delivery = new Delivery(unloaded);
    const [fn, use] = parts.map(([from, to]) => this.decode(bytes, from, to, handle, delivery));
    return [fn, use];
  }

  /** The envelope of a value that only JavaScript knows, until the next use of an encoder. */
  envelopeOf(local: LocalValue): Uint8Array {
    if (local.kind === 'envelope') return local.bytes;
    const encoder = this.encoder.busy ? this.newEncoder() : this.encoder;
    const start = encoder.length;
    encoder.encode(local.value);
    return encoder.bytes.subarray(start, encoder.length);
  }

  /** The id behind a ref or a handle (`EncodeHooks.reference`). */
  referenceOf(value: object): Reference | undefined {
    if (value instanceof ObjectRefImplementation) {
      requireUsable(value, this.host);
      this.host.define(value);
      const held: HeldReference = {
        kind: 'ref',
        bytes: this.host.idOf(value),
        handle: value.handle,
        holder: value,
      };
      return held;
    }
    if (value instanceof ActorReference) {
      const held: HeldReference = {
        kind: 'actor',
        bytes: value.id,
        handle: -value.number - 1,
        holder: value,
      };
      return held;
    }
    return undefined;
  }

  /** The ref that tells of a signal's abort (`EncodeHooks.refOfSignal`). */
  refOfSignal(signal: AbortSignal): object {
    return this.host.signals.refOf(signal);
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
    const modules = this.modulesIn(arrived);
    const loading = loadModules(modules);
    if (loading === undefined) return { value: this.read(arrived) };
    if (atOnce && arrived.status !== STATUS_VALUE) {
      this.read(arrived, new Delivery(withoutLoading(modules)));
    }
    return loading.then((unloaded) => ({ value: this.read(arrived, new Delivery(unloaded)) }));
  }

  /** The value at a place of a record. Its modules are loaded, but for those that the delivery has not. */
  decodeLoaded(records: Records, at: number, delivery?: Delivery): unknown {
    return this.read(this.arrivedAt(records, at), delivery);
  }

  /** The modules that the value at a place of a record needs. */
  modulesOf(records: Records, at: number): readonly string[] {
    return this.modulesIn(this.arrivedAt(records, at));
  }

  private arrivedAt(records: Records, at: number): ArrivedValue {
    const { fetch, handle, metaEnd, metaStart, status } = readValue(records, at);
    if (!fetch) return { status, handle, bytes: records.bytes, start: metaStart, end: metaEnd };
    const bytes = this.host.native.fetchMeta(handle) ?? new Uint8Array(0);
    return { status, handle, bytes, start: 0, end: bytes.length };
  }

  /** Gives a value, and throws an error. */
  private read({ bytes, end, handle, start, status }: ArrivedValue, delivery?: Delivery): unknown {
    if (isSystemErrorStatus(status)) {
      throw this.systemError(bytes.slice(start, end), handle, delivery);
    }
    const value = this.decode(bytes, start, end, handle, delivery);
    if (status !== STATUS_VALUE) throw value;
    return value;
  }

  /**
   * Decodes an envelope whose modules are loaded.
   *
   * @param handle the object whose buffers it may attach
   * @param delivery what it arrives with; by itself, and with all its modules, if there is none
   */
  decode(bytes: Uint8Array, start: number, end: number, handle = 0, delivery?: Delivery): unknown {
    return this.decoder.decode(bytes, start, end, new ArrivingValue(this.host, handle, delivery));
  }

  /** The error at a place of a record, without those of its modules that are not loaded: the process may be about to end. */
  errorAt(records: Records, at: number): unknown {
    try {
      return this.decodeAt(records, at, true);
    } catch (error) {
      return error;
    }
  }

  /** The value of a ref that only JavaScript knows; undefined if it needs modules that are not loaded. */
  localValue(local: LocalValue): unknown {
    if (local.kind === 'primitive') return local.value;
    const loading = loadModules(requiredModules(local.bytes));
    if (loading !== undefined) return undefined;
    return this.decode(local.bytes, 0, local.bytes.length);
  }

  private systemError(bytes: Uint8Array, handle: number, delivery?: Delivery): unknown {
    return readSystemError(bytes, (cause) => {
      try {
        const meta = this.metaOfCause(cause, handle);
        if (isSystemErrorStatus(cause.status)) return this.systemError(meta, handle, delivery);
        const buffersAt = cause.isInExtent ? 1 : 0;
        const arriving = new ArrivingCause(this.host, handle, delivery, buffersAt);
        return this.decoder.decode(meta, 0, meta.length, arriving);
      } catch (error) {
        // The cause explains an error that is being reported; one that can't be read is replaced by why.
        return error;
      }
    });
  }

  /** The envelope of the cause of an object's error. */
  private metaOfCause({ isInExtent, meta }: EncodedCause, handle: number): Uint8Array {
    return isInExtent ? new Uint8Array(this.host.native.copyBuffer(handle, 0)) : meta;
  }

  private modulesIn({ bytes, end, handle, start, status }: ArrivedValue): readonly string[] {
    return isSystemErrorStatus(status)
      ? this.modulesOfCauses(bytes.slice(start, end), handle)
      : requiredModules(bytes, start, end);
  }

  /** The modules that the causes of an object's encoded system error need. */
  private modulesOfCauses(bytes: Uint8Array, handle: number): string[] {
    const modules: string[] = [];
    readSystemError(bytes, (cause) => {
      const meta = this.metaOfCause(cause, handle);
      const isSystemError = isSystemErrorStatus(cause.status);
      modules.push(...(isSystemError ? this.modulesOfCauses(meta, handle) : requiredModules(meta)));
    });
    return modules;
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
  current: JoinedRefs | undefined = undefined;
  private readonly host: ValueHost;
  private readonly handle: number;
  private delivery: Delivery | undefined;

  constructor(host: ValueHost, handle: number, delivery: Delivery | undefined) {
    this.host = host;
    this.handle = handle;
    this.delivery = delivery;
  }

  reference(kind: Reference['kind'], bytes: Uint8Array): object {
    return kind === 'ref'
      ? this.host.refInside(bytes, this)
      : new ActorReference(bytes.slice(), this.host, 0);
  }

  constructFunction(skeleton: FunctionSkeleton): ConstructedFunction {
    return (
      constructRemote(skeleton) ??
      constructPerProcess(skeleton, this.host.values, this.delivery?.unloaded) ??
      (this.delivery ??= new Delivery()).construct(skeleton)
    );
  }

  signalOf(ref: object): AbortSignal {
    return this.host.signals.signalOf(ref as ObjectRefImplementation);
  }

  symbol(text: string): symbol {
    return symbolOf(text);
  }

  moduleNamespace(url: string): object {
    const failure = this.delivery?.unloaded.get(url);
    if (failure !== undefined) throw failure;
    return moduleNamespace(url);
  }

  attach(index: number, _byteLength: number, shared: boolean): ArrayBufferLike {
    return this.host.garbage.buffer(this.handle, index, shared);
  }
}

/** The same for the cause of a system error, whose buffers follow its envelope if that is in an extent, too. */
class ArrivingCause extends ArrivingValue {
  private readonly buffersAt: number;

  constructor(host: ValueHost, handle: number, delivery: Delivery | undefined, buffersAt: number) {
    super(host, handle, delivery);
    this.buffersAt = buffersAt;
  }

  override attach(index: number, byteLength: number, shared: boolean): ArrayBufferLike {
    return super.attach(this.buffersAt + index, byteLength, shared);
  }
}

/** The same for a value whose memory is at hand. */
class KeptValue extends ArrivingValue {
  private readonly buffers: readonly ArrayBufferLike[];

  constructor(host: ValueHost, buffers: readonly ArrayBufferLike[]) {
    super(host, 0, undefined);
    this.buffers = buffers;
  }

  override attach(index: number): ArrayBufferLike {
    return this.buffers[index]!;
  }
}

function bytesOf({ buffer, byteLength, byteOffset }: OutOfBand): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Encoded, a character takes up to three bytes: so long a text is inline, whatever it says. */
const TEXT_KEPT_MAX = INLINE_MAX / 4;

/** True for values that nobody can change, and that are inline when they are encoded: until somebody asks, nothing need be. */
export function isKeptAsItIs(value: unknown): boolean {
  return typeof value === 'string' ? value.length <= TEXT_KEPT_MAX : isPrimitive(value);
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
