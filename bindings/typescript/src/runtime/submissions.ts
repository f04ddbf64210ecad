/**
 * The buffer in which operations are written for the native module: `[published: u32 | …]`, operations from byte 8.
 *
 * Writing costs no call; the native module reads what is published at its next call, or by its pacemaker when this
 * thread is busy for long. Operations are described in `crates/core-worker/src/tasks.rs`.
 */

export const OPERATION_TASK = 1;
export const OPERATION_CALL = 2;
export const OPERATION_RELEASE = 3;
export const OPERATION_RELEASE_ACTOR = 4;
export const OPERATION_DEFINE = 5;
export const OPERATION_TERMINATE = 6;
export const OPERATION_CREATE = 7;

/** Beside the index of a method: the last argument is not the method's, but says which errors repeat the call. */
export const CALL_REPEATS_ERRORS = 0x8000_0000;

export const ARGUMENT_INLINE = 0;
export const ARGUMENT_REF = 2;

/** Bytes of the fixed part of a task, call or creation. */
const HEADER = 48;
const START = 8;
/** Copying shorter pieces byte by byte is faster than `set`. */
const SHORT = 48;

/** The largest single operation, in bytes. */
export const OPERATION_MAX = 8 << 20;

/** One argument: bytes of an envelope, or the handle of a ref. */
export interface Argument {
  /** The handle, or -1. */
  handle: number;
  start: number;
  end: number;
}

export interface Submission {
  operation: number;
  /** Number of the template, or index of the method. */
  target: number;
  resultCount: number;
  sequence: number;
  parent: number;
  actor: number;
  retries: number;
  /** Handles of refs; actors as their number below zero, less one. */
  nested: readonly number[];
  arguments: readonly Argument[];
  argumentCount: number;
}

export class Submissions {
  readonly bytes: Uint8Array;
  private readonly u32: Uint32Array;
  private readonly f64: Float64Array;
  private end = START;

  constructor(byteLength: number = OPERATION_MAX) {
    const memory = new ArrayBuffer(byteLength);
    this.bytes = new Uint8Array(memory);
    this.u32 = new Uint32Array(memory);
    this.f64 = new Float64Array(memory);
  }

  /** True if an operation of so many bytes fits. */
  fits(byteLength: number): boolean {
    return this.end + byteLength <= this.bytes.length - 8;
  }

  /** The native module has read everything. */
  reset(): void {
    this.end = START;
  }

  /** SYNC POINT: submissions-published. The partner is `take_submissions` in the native module. */
  private publish(end: number): void {
    this.end = end;
    Atomics.store(this.u32, 0, end - START);
  }

  release(handle: number): void {
    const { end } = this;
    this.u32[end >>> 2] = 16;
    this.u32[(end >>> 2) + 1] = OPERATION_RELEASE;
    this.f64[(end >>> 3) + 1] = handle;
    this.publish(end + 16);
  }

  releaseActor(actor: number): void {
    const { end } = this;
    this.u32[end >>> 2] = 16;
    this.u32[(end >>> 2) + 1] = OPERATION_RELEASE_ACTOR;
    this.u32[(end >>> 2) + 2] = actor;
    this.publish(end + 16);
  }

  /** Defines a small value. */
  define(sequence: number, nested: readonly number[], meta: Uint8Array): void {
    const { end, u32, f64 } = this;
    const word = end >>> 2;
    u32[word + 1] = OPERATION_DEFINE;
    f64[(end >>> 3) + 1] = sequence;
    u32[word + 4] = nested.length;
    u32[word + 5] = meta.length;
    let at = end + 24;
    for (const handle of nested) {
      f64[at >>> 3] = handle;
      at += 8;
    }
    this.bytes.set(meta, at);
    at = (at + meta.length + 7) & ~7;
    u32[word] = at - end;
    this.publish(at);
  }

  /** Bytes that a submission will take. */
  static sizeOf(submission: Submission): number {
    let size = HEADER + submission.nested.length * 8;
    for (let index = 0; index < submission.argumentCount; index++) {
      const argument = submission.arguments[index]!;
      size += 8 + (argument.handle >= 0 ? 8 : (argument.end - argument.start + 7) & ~7);
    }
    return size;
  }

  /** Writes a task, call or creation; `envelopes` holds the arguments' bytes. */
  submit(submission: Submission, envelopes: Uint8Array): void {
    const { bytes, end, f64, u32 } = this;
    const word = end >>> 2;
    u32[word + 1] = submission.operation;
    u32[word + 2] = submission.target;
    u32[word + 3] = submission.resultCount;
    f64[(end >>> 3) + 2] = submission.sequence;
    u32[word + 6] = submission.parent;
    u32[word + 7] = submission.argumentCount;
    u32[word + 8] = submission.nested.length;
    u32[word + 9] = submission.actor;
    u32[word + 10] = submission.retries;
    let at = end + HEADER;
    for (const handle of submission.nested) {
      f64[at >>> 3] = handle;
      at += 8;
    }
    for (let index = 0; index < submission.argumentCount; index++) {
      const { handle, start, end: argumentEnd } = submission.arguments[index]!;
      if (handle >= 0) {
        u32[at >>> 2] = ARGUMENT_REF;
        u32[(at >>> 2) + 1] = 8;
        f64[(at + 8) >>> 3] = handle;
        at += 16;
        continue;
      }
      const length = argumentEnd - start;
      u32[at >>> 2] = ARGUMENT_INLINE;
      u32[(at >>> 2) + 1] = length;
      at += 8;
      if (length <= SHORT) {
        for (let offset = 0; offset < length; offset++)
          bytes[at + offset] = envelopes[start + offset]!;
      } else {
        bytes.set(envelopes.subarray(start, argumentEnd), at);
      }
      at = (at + length + 7) & ~7;
    }
    u32[word] = at - end;
    this.publish(at);
  }

  /** The bytes of the one operation that was written into a buffer of its own. */
  only(): Uint8Array {
    return this.bytes.subarray(START, this.end);
  }
}
