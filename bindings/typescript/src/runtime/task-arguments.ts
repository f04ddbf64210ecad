/** The arguments of one task, call or creation: encoded where they are small, objects of their own where not. */

import { type ObjectRefImplementation, isRef } from '../object-ref.ts';
import type { Argument, Submission } from './submissions.ts';
import {
  INLINE_MAX,
  type ValueEncoder,
  type Values,
  isPrimitive,
  nestedOf,
  requireUsable,
} from './values.ts';
import type { Runtime } from './runtime.ts';

/** What arguments need of their session. */
export interface ArgumentHost extends Runtime {
  readonly values: Values;
  define(ref: ObjectRefImplementation): void;
  /** Makes an object of what is too large to travel along; its functions travel with those of the encoder. */
  putApart(value: unknown, root: string, encoder: ValueEncoder): ObjectRefImplementation;
}

const NOTHING_NESTED: readonly number[] = [];

/** A submission whose arguments are filled in. It is used again and again, for one call at a time. */
export class TaskArguments implements Submission {
  operation = 0;
  target = 0;
  resultCount = 0;
  sequence = 0;
  parent = 0;
  actor = 0;
  retries = 0;
  nested: readonly number[] = NOTHING_NESTED;
  readonly arguments: Argument[] = [];
  argumentCount = 0;
  /** True while it is filled. Code of the program may run then, and make calls: they need one of their own. */
  busy = false;
  /** Objects that were made of large arguments, to be disposed once the call is submitted. */
  hidden: ObjectRefImplementation[] | undefined = undefined;
  private readonly host: ArgumentHost;
  private readonly encoder: ValueEncoder;

  constructor(host: ArgumentHost) {
    this.host = host;
    this.encoder = host.values.newEncoder();
  }

  /** The arguments' bytes. */
  get envelopes(): Uint8Array {
    return this.encoder.bytes;
  }

  /** Encodes the arguments of a call. */
  fill(values: readonly unknown[], name: string): void {
    const { encoder } = this;
    encoder.reset();
    this.hidden = undefined;
    this.busy = true;
    this.argumentCount = values.length;
    encoder.leaving.isSeveral = values.length > 1;
    try {
      for (let index = 0; index < values.length; index++) {
        const argument = (this.arguments[index] ??= { handle: -1, start: 0, end: 0 });
        const value = values[index];
        argument.handle = -1;
        argument.start = argument.end = encoder.length;
        if (isRef(value)) this.fillRef(argument, value);
        else this.fillValue(argument, value, name, index);
      }
    } finally {
      this.busy = false;
      encoder.leaving.endShipment();
    }
    this.nested = encoder.nested.length === 0 ? NOTHING_NESTED : nestedOf(encoder);
    encoder.letGo();
  }

  private fillRef(argument: Argument, ref: ObjectRefImplementation): void {
    const { encoder } = this;
    requireUsable(ref, this.host);
    // A long text is defined: the frames of a thousand calls would each have it.
    if (ref.local?.kind === 'primitive' && isPrimitive(ref.local.value)) {
      encoder.encode(ref.local.value);
      argument.end = encoder.length;
      return;
    }
    this.host.define(ref);
    argument.handle = ref.handle;
  }

  private fillValue(argument: Argument, value: unknown, name: string, index: number): void {
    const { encoder } = this;
    const buffersBefore = encoder.buffers.length;
    encoder.encode(value, isPrimitive(value) ? 'argument' : `${name} → argument ${index + 1}`);
    argument.end = encoder.length;
    if (encoder.buffers.length > buffersBefore || argument.end - argument.start > INLINE_MAX) {
      // Encoded a second time, by itself: rare, and what is large costs far more to copy.
      const ref = this.host.putApart(value, `${name} → argument ${index + 1}`, encoder);
      (this.hidden ??= []).push(ref);
      argument.handle = ref.handle;
    }
  }
}
