/**
 * Values in files: what `put` takes, as bytes that outlive the runtime and the process that wrote them.
 *
 * - SV-1 What comes back equals what `get` would give, in any process that finds the modules whose classes and functions are in
 *   it: those of modules are the modules' own, others are made of their text. A class that holds nothing that could change is the
 *   process's own one if the program has it at the same place still.
 * - SV-2 What means something to one runtime only is refused: refs, actor handles, signals that have not fired, what `perProcess`
 *   gives.
 * - SV-3 A file says its format, which is another one whenever envelopes are (`codec/wire.ts`, invariant 4).
 *
 * ```
 * file  magic(8) format(1) bufferCount(4) envelopeLength(8) bufferLength(8)* envelope buffer*
 * ```
 * Numbers are little endian.
 */

import {
  type ConstructedFunction,
  type DecodeHooks,
  Decoder,
  type EncodeHooks,
  Encoder,
  type FunctionDescription,
  type FunctionSkeleton,
  type Reference,
  type ValuePath,
  requiredModules,
  unstorable,
} from '../codec/index.ts';
import { SerializationError } from '../errors.ts';
import { ObjectRefImplementation } from '../object-ref.ts';
import {
  Delivery,
  Shipment,
  builtInModuleUrl,
  describeSymbol,
  isOfPlatform,
  moduleNamespace,
  moduleUrl,
  newIdentity,
  presentFor,
  symbolOf,
  weakCollections,
} from '../shipping/index.ts';
import { NONE_UNLOADED, loadModules } from './modules.ts';
import { perProcessOf } from './per-process-values.ts';
import { constructRemote, describeRemote, remoteParts } from './remote-values.ts';
import { ActorReference } from './values.ts';

const MAGIC = Buffer.from('eagleray');
const FORMAT = 1;
const HEAD_BYTES = MAGIC.length + 1 + 4 + 8;

/**
 * A value as the bytes of a file, in pieces that follow each other. They share no memory with the value.
 *
 * @param root what an error calls the value itself
 * @throws SerializationError for what can't be stored; its message shows the way there
 */
export function bytesOfValue(value: unknown, root: string): readonly Uint8Array[] {
  const encoder = new Encoder(new StoringValue());
  encoder.encode(value, root);
  const { buffers } = encoder;
  const head = Buffer.alloc(HEAD_BYTES + 8 * buffers.length);
  MAGIC.copy(head);
  let at = head.writeUInt8(FORMAT, MAGIC.length);
  at = head.writeUInt32LE(buffers.length, at);
  for (const length of [encoder.length, ...buffers.map(({ byteLength }) => byteLength)]) {
    at = head.writeBigUInt64LE(BigInt(length), at);
  }
  return [
    head,
    encoder.bytes.slice(0, encoder.length),
    ...buffers.map(({ buffer, byteLength, byteOffset }) =>
      new Uint8Array(buffer, byteOffset, byteLength).slice(),
    ),
  ];
}

/**
 * The value of a file. Loads the modules whose classes and functions are in it.
 *
 * @throws SerializationError for bytes of something else or of another version, and for what can't be made here
 */
export async function valueOfBytes(bytes: Uint8Array): Promise<unknown> {
  const [envelope, ...buffers] = partsOf(bytes);
  const unloaded = (await loadModules(requiredModules(envelope!))) ?? NONE_UNLOADED;
  const hooks = new StoredValue(buffers, new Delivery(unloaded));
  return new Decoder().decode(envelope!, 0, envelope!.length, hooks);
}

function partsOf(bytes: Uint8Array): Uint8Array[] {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (file.length < HEAD_BYTES || !file.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw new SerializationError('the file holds no value of eagleray');
  }
  const format = file.readUInt8(MAGIC.length);
  if (format !== FORMAT) {
    throw new SerializationError(
      `the file has the format ${format}, and this version of eagleray reads ${FORMAT}`,
    );
  }
  const count = file.readUInt32LE(MAGIC.length + 1) + 1;
  const lengthsAt = HEAD_BYTES - 8;
  let at = lengthsAt + 8 * count;
  if (at > file.length) throw cut();
  const parts: Uint8Array[] = [];
  for (let index = 0; index < count; index++) {
    const length = Number(file.readBigUInt64LE(lengthsAt + 8 * index));
    if (length > file.length - at) throw cut();
    parts.push(file.subarray(at, at + length));
    at += length;
  }
  if (at !== file.length) throw cut();
  return parts;
}

function cut(): SerializationError {
  return new SerializationError('the file is damaged: it has another length than it says');
}

/** What an encoder asks while it writes a value for a file. */
class StoringValue implements EncodeHooks {
  readonly isOfPlatform = isOfPlatform;
  readonly describeSymbol = describeSymbol;
  readonly weakCollections = weakCollections;
  readonly moduleUrl = moduleUrl;
  readonly builtInModuleUrl = builtInModuleUrl;
  private readonly shipment = new Shipment({
    describeOther: (fn) => describeOfRuntime(fn),
    isOther: (fn) => remoteParts(fn) !== undefined || perProcessOf(fn) !== undefined,
  });

  reference(value: object): Reference | undefined {
    if (value instanceof ObjectRefImplementation) {
      throw unstorable(
        value,
        'its object ends with this runtime',
        'store what get() gives of it instead',
      );
    }
    if (value instanceof ActorReference) {
      throw unstorable(
        value,
        'its actor ends with this runtime',
        'store what the actor needs, and start another one',
      );
    }
    return undefined;
  }

  describeFunction(fn: Function, path: ValuePath): FunctionDescription {
    return this.shipment.describe(fn, path);
  }
}

function describeOfRuntime(fn: Function): FunctionDescription | undefined {
  const description = describeRemote(fn);
  // Keys of remote functions mean something to one runtime; in another one they could be those of others.
  if (description !== undefined) return { ...description, key: `remote:${newIdentity()}` };
  const title = perProcessOf(fn)?.title;
  if (title === undefined) return undefined;
  throw unstorable(fn, `${title} gives a value of the process that calls it`);
}

/** What a decoder asks while it reads one. */
class StoredValue implements DecodeHooks {
  private readonly buffers: readonly Uint8Array[];
  private readonly delivery: Delivery;

  constructor(buffers: readonly Uint8Array[], delivery: Delivery) {
    this.buffers = buffers;
    this.delivery = delivery;
  }

  reference(): object {
    // SV-2.
    throw new SerializationError('the file is damaged: it refers to an object of a runtime');
  }

  constructFunction(skeleton: FunctionSkeleton): ConstructedFunction {
    const present = presentFor(skeleton);
    if (present !== undefined) return { value: present };
    return constructRemote(skeleton) ?? this.delivery.construct(skeleton);
  }

  symbol(text: string): symbol {
    return symbolOf(text);
  }

  moduleNamespace(url: string): object {
    const failure = this.delivery.unloaded.get(url);
    if (failure !== undefined) throw failure;
    return moduleNamespace(url);
  }

  attach(index: number): ArrayBufferLike {
    const bytes = this.buffers[index];
    if (bytes === undefined) throw new SerializationError('the file is damaged: memory is missing');
    // Aligned, and not a piece of the file's own memory, which would be kept whole.
    return new Uint8Array(bytes).buffer;
  }
}
