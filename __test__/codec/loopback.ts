/** The codec with hooks that need no runtime: functions by reference to `value-classes.ts`, or by value on request. */

import {
  type DecodeHooks,
  Decoder,
  type EncodeHooks,
  Encoder,
  type FunctionDescription,
  type FunctionSkeleton,
  type LabelledValue,
  type ValuePath,
  requiredModules,
} from '../../bindings/typescript/src/codec/index.ts';
import { SerializationError } from '../../bindings/typescript/src/errors.ts';
import * as classes from './value-classes.ts';

/** Stands for an object ref or an actor handle. */
export class Handle {
  readonly kind: 'ref' | 'actor';
  readonly number: number;

  constructor(kind: 'ref' | 'actor', number: number) {
    this.kind = kind;
    this.number = number;
  }

  get bytes(): Uint8Array {
    const bytes = new Uint8Array(16);
    bytes.fill(this.number & 0xff);
    bytes[0] = this.number >>> 8;
    return bytes;
  }
}

const CLASSES_URL = 'file:///test/value-classes.ts';

/** Functions that travel by value: what they capture, in the place of what an inspector would find. */
const captured = new WeakMap<Function, () => LabelledValue[]>();

/** Makes a function travel by value, with these variables. Its source may use them by name. */
export function capture<F extends Function>(fn: F, variables: () => Record<string, unknown>): F {
  captured.set(fn, () =>
    Object.entries(variables()).map(([name, value]) => ({ label: `variable "${name}"`, value })),
  );
  return fn;
}

function describeFunction(fn: Function, path: ValuePath): FunctionDescription {
  const values = captured.get(fn);
  const hasPrivateMembers = /^\s+#\w+ =/m.test(Function.prototype.toString.call(fn));
  if (values !== undefined) {
    return {
      kind: 'value',
      key: `value ${fn.name}`,
      definition: Function.prototype.toString.call(fn),
      values: values(),
      title: `${fn.name} (test.ts:1)`,
      hasPrivateMembers,
    };
  }
  const exportName = Object.entries(classes).find(([, each]) => each === fn)?.[0];
  if (exportName === undefined) {
    throw new SerializationError('', { path: [...path.steps, fn.name], reason: 'not exported' });
  }
  return {
    kind: 'reference',
    key: `${CLASSES_URL}#${exportName}`,
    moduleUrl: CLASSES_URL,
    exportName,
    title: `${exportName} (value-classes.ts)`,
    hasPrivateMembers,
  };
}

function constructFunction(skeleton: FunctionSkeleton) {
  if (skeleton.kind === 'reference') {
    return { value: (classes as Record<string, unknown>)[skeleton.exportName] as Function };
  }
  const names = skeleton.labels.map((label) => /"(.*)"/.exec(label)![1]!);
  const make = new Function(
    `let ${['unused', ...names].join()};
     return [(${skeleton.definition}), (values) => { [${names.join()}] = values; }];`,
  ) as () => [Function, (values: readonly unknown[]) => void];
  const [value, assign] = make();
  return { value, assign };
}

export const encodeHooks: EncodeHooks = {
  reference: (value) =>
    value instanceof Handle ? { kind: value.kind, bytes: value.bytes } : undefined,
  describeFunction,
  // What is not of a test is of Node.
  isOfPlatform: (constructor) =>
    !captured.has(constructor) && !Object.values(classes).includes(constructor as never),
  moduleUrl: (namespace) => (namespace === classes ? CLASSES_URL : undefined),
};

/** What `attach` was asked for. */
export interface Attached {
  byteLength: number;
  shared: boolean;
}

/** An encoder and a decoder, and the memory that passes between them. */
export class Loopback {
  readonly encoder = new Encoder(encodeHooks);
  readonly decoder = new Decoder();
  /** Of the last `roundTrip`. */
  attached: Attached[] = [];
  modules: readonly string[] = [];

  /** The envelope of a value, as an array of its own. */
  bytesOf(value: unknown): Uint8Array {
    this.encoder.reset();
    this.encoder.encode(value);
    return Uint8Array.from(this.encoder.bytes.subarray(0, this.encoder.length));
  }

  roundTrip(value: unknown): unknown {
    this.attached = [];
    this.encoder.reset();
    // Not at the start, so that an offset that is taken for an index shows.
    this.encoder.encode('something before');
    const start = this.encoder.length;
    this.encoder.encode(value);
    const end = this.encoder.length;
    const bytes = new Uint8Array(end + 7).fill(0xee);
    bytes.set(this.encoder.bytes.subarray(0, end));
    this.modules = requiredModules(bytes, start, end);
    return this.decoder.decode(bytes, start, end, this.decodeHooks());
  }

  decodeHooks(): DecodeHooks {
    return {
      reference: (kind, bytes) => new Handle(kind, (bytes[0]! << 8) | bytes[15]!),
      constructFunction,
      moduleNamespace: (url) => {
        if (url !== CLASSES_URL) throw new SerializationError(`no module ${url}`);
        return classes;
      },
      attach: (index, byteLength, shared) => {
        this.attached.push({ byteLength, shared });
        const stored = this.encoder.buffers[index];
        if (stored === undefined) throw new SerializationError(`no extent ${index}`);
        const copy = shared
          ? new SharedArrayBuffer(stored.byteLength)
          : new ArrayBuffer(stored.byteLength);
        new Uint8Array(copy).set(
          new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength),
        );
        return copy;
      },
    };
  }
}
