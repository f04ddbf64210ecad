/**
 * Reads numbers and texts of one envelope. Knows nothing of values; the format is that of `wire.ts`.
 *
 * Invariant: nothing outside `start` to `end` is read, and a length is checked against the bytes that are left before
 * anything is allocated for it. Damaged bytes end in a `SerializationError`.
 */

import { SerializationError } from '../errors.ts';

/** Up to here texts are made without a call into C++. */
const SHORT_TEXT_MAX = 16;
const KEY_CACHE_SIZE = 1024;
const KEY_CACHED_MAX = 32;

const CHUNK = 2048;
const doubles = new Float64Array(CHUNK);
const doubleBytes = new Uint8Array(doubles.buffer);
const integers = new Int32Array(doubles.buffer, 0, CHUNK);
const bigIntegers = new BigInt64Array(doubles.buffer, 0, 1);

/** Longer arrays grow as they are filled: V8 would keep them as a table if the length came first. */
const PREPARED_LENGTH_MAX = 2 ** 24;

const NO_BYTES = new Uint8Array(0);

/** Property names by a hash of their bytes, so that one name is one string however often it is read. */
const keyCache: (string | undefined)[] = new Array<string | undefined>(KEY_CACHE_SIZE).fill(
  undefined,
);

export class ByteReader {
  bytes: Uint8Array = NO_BYTES;
  position = 0;
  end = 0;
  private buffer: Buffer | undefined = undefined;

  open(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    this.buffer = undefined;
  }

  /** Lets go of the bytes. */
  close(): void {
    this.bytes = NO_BYTES;
    this.buffer = undefined;
  }

  get left(): number {
    return this.end - this.position;
  }

  /** Takes a byte if it is this one. */
  takes(byte: number): boolean {
    if (this.position >= this.end || this.bytes[this.position] !== byte) return false;
    this.position++;
    return true;
  }

  byte(): number {
    if (this.position >= this.end) throw damaged('it ends too early');
    return this.bytes[this.position++]!;
  }

  count(): number {
    const first = this.byte();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    let unit = 0x80;
    for (;;) {
      const next = this.byte();
      value += (next & 0x7f) * unit;
      if (next < 0x80) break;
      unit *= 0x80;
      if (unit > Number.MAX_SAFE_INTEGER) throw damaged('a number is too long');
    }
    if (value > Number.MAX_SAFE_INTEGER) throw damaged('a number is too large');
    return value;
  }

  /** A count of things that take at least `unit` bytes each, so that it can't ask for more memory than was sent. */
  countOf(unit: number): number {
    const count = this.count();
    if (count * unit > this.left) throw damaged(`${count} items are more than it can hold`);
    return count;
  }

  /** The start of `length` bytes, which are then passed by. */
  take(length: number): number {
    if (length > this.left) throw damaged('it ends too early');
    const position = this.position;
    this.position = position + length;
    return position;
  }

  fixed(): number {
    return fixedAt(this.bytes, this.take(4));
  }

  int32(): number {
    return this.fixed() | 0;
  }

  float64(): number {
    this.eightBytes();
    return doubles[0]!;
  }

  bigInt64(): bigint {
    this.eightBytes();
    return bigIntegers[0]!;
  }

  text(): string {
    const head = this.count();
    const length = Math.floor(head / 2);
    return head % 2 === 0 ? this.narrowText(length) : this.wideText(length);
  }

  narrowText(length: number): string {
    const position = this.take(length);
    if (length <= SHORT_TEXT_MAX) return shortText(this.bytes, position, length);
    return this.asBuffer().toString('latin1', position, position + length);
  }

  /** A text that is a property name. */
  key(): string {
    const head = this.count();
    const length = Math.floor(head / 2);
    if (head % 2 !== 0) return this.wideText(length);
    if (length > KEY_CACHED_MAX) return this.narrowText(length);
    const bytes = this.bytes;
    const position = this.take(length);
    let hash = length;
    for (let index = 0; index < length; index++) {
      hash = (Math.imul(hash, 31) + bytes[position + index]!) | 0;
    }
    const slot = hash & (KEY_CACHE_SIZE - 1);
    const known = keyCache[slot];
    if (known !== undefined && equals(known, bytes, position, length)) return known;
    this.position = position;
    const key = internalized(this.narrowText(length));
    keyCache[slot] = key;
    return key;
  }

  packedInt32(count: number): number[] {
    const numbers = newArray<number>(count);
    for (let start = 0; start < count; start += CHUNK) {
      const size = Math.min(CHUNK, count - start);
      this.chunk(size * 4);
      for (let index = 0; index < size; index++) numbers[start + index] = integers[index]!;
    }
    return numbers;
  }

  packedFloat64(count: number): number[] {
    // Beginning with a fraction makes V8 take memory for doubles at once, rather than for integers first.
    const numbers: number[] = [0.5];
    if (count <= PREPARED_LENGTH_MAX) numbers.length = count;
    for (let start = 0; start < count; start += CHUNK) {
      const size = Math.min(CHUNK, count - start);
      this.chunk(size * 8);
      for (let index = 0; index < size; index++) numbers[start + index] = doubles[index]!;
    }
    return numbers;
  }

  private wideText(length: number): string {
    const position = this.take(length * 2);
    return this.asBuffer().toString('utf16le', position, position + length * 2);
  }

  private chunk(byteLength: number): void {
    const position = this.take(byteLength);
    doubleBytes.set(this.bytes.subarray(position, position + byteLength));
  }

  private eightBytes(): void {
    const position = this.take(8);
    const bytes = this.bytes;
    for (let index = 0; index < 8; index++) doubleBytes[index] = bytes[position + index]!;
  }

  private asBuffer(): Buffer {
    this.buffer ??= Buffer.from(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
    return this.buffer;
  }
}

/** An array that takes exactly the memory of its elements; `[]` takes that of 17 with the first one. */
export function newArray<T>(length: number): T[] {
  return length <= PREPARED_LENGTH_MAX ? new Array<T>(length) : [];
}

export function fixedAt(bytes: Uint8Array, position: number): number {
  return (
    (bytes[position]! |
      (bytes[position + 1]! << 8) |
      (bytes[position + 2]! << 16) |
      (bytes[position + 3]! << 24)) >>>
    0
  );
}

/** The error for bytes that no encoder wrote. */
export function damaged(what: string, cause?: unknown): SerializationError {
  return new SerializationError(
    `the stored bytes of a value are damaged: ${what}`,
    {},
    cause === undefined ? undefined : { cause },
  );
}

// One call with a fixed number of characters is several times as fast as a loop. What lies behind the text, also
// behind the array, is cut off again.
// prettier-ignore
function shortText(b: Uint8Array, p: number, length: number): string {
  if (length <= 4) {
    return String.fromCharCode(b[p]!, b[p + 1]!, b[p + 2]!, b[p + 3]!).slice(0, length);
  }
  const head = String.fromCharCode(
    b[p]!, b[p + 1]!, b[p + 2]!, b[p + 3]!, b[p + 4]!, b[p + 5]!, b[p + 6]!, b[p + 7]!,
  );
  if (length <= 8) return head.slice(0, length);
  const tail = String.fromCharCode(
    b[p + 8]!, b[p + 9]!, b[p + 10]!, b[p + 11]!, b[p + 12]!, b[p + 13]!, b[p + 14]!, b[p + 15]!,
  );
  return head + tail.slice(0, length - 8);
}

function equals(text: string, bytes: Uint8Array, position: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let index = 0; index < length; index++) {
    if (text.charCodeAt(index) !== bytes[position + index]) return false;
  }
  return true;
}

/** The same text as V8 keeps it for property names, which makes later accesses by it fast. */
function internalized(key: string): string {
  return Object.keys({ [key]: 0 })[0]!;
}
