/** Where the records of the native module arrive. */

import { type NativeRuntime, OVERFLOW } from '../native.ts';
import { Records } from './records.ts';

const INBOX_BYTES = 1 << 20;

export class Inbox {
  /** Shared by all calls: whoever may cause another call while reading reads from a copy. */
  readonly records = new Records(INBOX_BYTES);
  private readonly native: NativeRuntime;

  constructor(native: NativeRuntime) {
    this.native = native;
  }

  /** The records of a call: the shared ones, or some of their own if they were too many. */
  received(result: number): Records {
    if (result < OVERFLOW) return this.records;
    const records = new Records(lengthOf(result));
    this.native.takeOverflow(records.bytes);
    return records;
  }
}

/** The number of bytes that a call has returned records of. */
export function lengthOf(result: number): number {
  return result >= OVERFLOW ? result - OVERFLOW : result;
}
