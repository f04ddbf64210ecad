/** Reads the records of the native module: events, values, errors. */

import { type EaglerayError, systemError } from '../errors.ts';
import type { NativeRuntime } from '../native.ts';

/** Status of a value; see `Status` in `crates/protocol`. */
export const STATUS_VALUE = 0;
export const STATUS_USER_ERROR = 1;
const STATUS_SYSTEM_ERROR = 2;
export const STATUS_RETRYABLE_ERROR = 3;
const STATUS_WITHDRAWN = 4;

/** Whether the payload is an error of the runtime. */
export function isSystemErrorStatus(status: number): boolean {
  return status === STATUS_SYSTEM_ERROR || status === STATUS_WITHDRAWN;
}

export const EVENT_GET = 1;
export const EVENT_WAIT = 2;
export const EVENT_UNHANDLED = 3;
export const EVENT_OUTPUT = 4;
export const EVENT_CANCELLED = 5;
export const EVENT_EXIT = 6;
export const EVENT_COLLECT = 7;
export const EVENT_RAYLET_GONE = 8;
export const EVENT_FUNCTION_FORGOTTEN = 9;
export const EVENT_RUNTIME_ENDS = 10;

/** A buffer of records, read through the views that are fastest for each field. All items are aligned. */
export class Records {
  readonly bytes: Uint8Array;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;

  constructor(byteLength: number) {
    const memory = new ArrayBuffer(byteLength);
    this.bytes = new Uint8Array(memory);
    this.u32 = new Uint32Array(memory);
    this.f64 = new Float64Array(memory);
  }

  /** A copy of some bytes, to be read later. */
  copy(start: number, end: number): Records {
    const copy = new Records(end - start);
    copy.bytes.set(this.bytes.subarray(start, end));
    return copy;
  }
}

/** A value inside a record. */
export interface ValueRecord {
  readonly status: number;
  /** The envelope has to be fetched by the handle. */
  readonly fetch: boolean;
  readonly handle: number;
  readonly metaStart: number;
  readonly metaEnd: number;
  /** Where the next one begins. */
  readonly end: number;
}

/** Reads the value at a byte offset. */
export function readValue(records: Records, at: number): ValueRecord {
  const { u32, f64 } = records;
  const word = at >>> 2;
  const metaLength = u32[word + 2]!;
  const metaStart = at + 24 + u32[word + 3]! * 8;
  return {
    status: u32[word]!,
    fetch: u32[word + 1] === 1,
    handle: f64[(at + 16) >>> 3]!,
    metaStart,
    metaEnd: metaStart + metaLength,
    end: (metaStart + metaLength + 7) & ~7,
  };
}

/** The cause of an encoded `SystemError`: an outcome whose extents are those of the object that has the error. */
export interface EncodedCause {
  readonly status: number;
  /** Empty if it is in the first of the extents. */
  readonly meta: Uint8Array;
  readonly isInExtent: boolean;
}

/** What an encoded `SystemError` holds. */
export function readSystemError(
  bytes: Uint8Array,
  decodeCause: (cause: EncodedCause) => unknown,
): EaglerayError {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const chunk = (): Buffer => {
    const length = view.readUInt32LE(at);
    at += 4 + length;
    return view.subarray(at - length, at);
  };
  const kind = chunk().toString();
  const message = chunk().toString();
  const details = JSON.parse(chunk().toString() || '{}') as Record<string, unknown>;
  let options: ErrorOptions | undefined;
  if (view[at] === 1) {
    at += 1;
    const outcome = chunk();
    const metaLength = outcome.readUInt32LE(1);
    const meta = outcome.subarray(5, 5 + metaLength);
    const isInExtent = outcome[5 + metaLength] === 1;
    options = { cause: decodeCause({ status: outcome[0]!, meta, isInExtent }) };
  }
  return systemError(kind, message, details, options);
}

const MARKER = 'eagleray:';

/** A runtime whose calls throw the error classes of the SDK. The hot calls are left out: they throw none of these. */
export function translatingErrors(runtime: NativeRuntime): NativeRuntime {
  const calls: Record<string, unknown> = {};
  const methods = runtime as unknown as Record<string, unknown>;
  for (const name of Object.getOwnPropertyNames(Object.getPrototypeOf(runtime) as object)) {
    const method = methods[name];
    if (typeof method !== 'function' || name === 'constructor') continue;
    calls[name] = (...values: unknown[]): unknown => {
      try {
        return Reflect.apply(method, runtime, values);
      } catch (error) {
        throw fromNative(error);
      }
    };
  }
  return calls as unknown as NativeRuntime;
}

/** The error class of what the native module has thrown; anything else stays what it is. */
export function fromNative(error: unknown): unknown {
  if (!(error instanceof Error) || !error.message.startsWith(MARKER)) return error;
  const { kind, message, details } = JSON.parse(error.message.slice(MARKER.length)) as {
    kind: string;
    message: string;
    details: Record<string, unknown>;
  };
  return systemError(kind, message, details);
}
