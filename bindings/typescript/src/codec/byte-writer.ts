/** Writes numbers and texts into memory that grows. Knows nothing of values; the format is that of `wire.ts`. */

import { SHORT_TEXT, SMALL_INTEGER_END, Tag } from './wire.ts';

const INITIAL_CAPACITY = 16 * 1024;
/** Larger scratch memory is given back by `reset`, so that one large value does not stay for ever. */
const KEPT_CAPACITY = 1024 * 1024;
/** Up to here a loop over characters beats the call into C++. */
const LOOP_TEXT_MAX = 20;
const WIDE = /[^\x00-\xff]/;

/** Numbers per turn of a packed array; the piece stays in the processor's cache. */
const CHUNK = 2048;
const doubles = new Float64Array(CHUNK);
const doubleBytes = new Uint8Array(doubles.buffer);
const integers = new Int32Array(doubles.buffer, 0, CHUNK);
const bigIntegers = new BigInt64Array(doubles.buffer, 0, 1);

export class ByteWriter {
  bytes: Buffer = Buffer.allocUnsafeSlow(INITIAL_CAPACITY);
  length = 0;

  reset(): void {
    this.length = 0;
    if (this.bytes.length > KEPT_CAPACITY) this.bytes = Buffer.allocUnsafeSlow(INITIAL_CAPACITY);
  }

  /** Makes sure that `count` more bytes fit. */
  reserve(count: number): void {
    if (this.length + count > this.bytes.length) this.grow(count);
  }

  byte(value: number): void {
    if (this.length === this.bytes.length) this.grow(1);
    this.bytes[this.length++] = value;
  }

  count(value: number): void {
    this.reserve(8);
    const bytes = this.bytes;
    let position = this.length;
    let rest = value;
    while (rest >= 0x80) {
      bytes[position++] = (rest & 0x7f) | 0x80;
      rest = rest < 0x80000000 ? rest >>> 7 : Math.floor(rest / 0x80);
    }
    bytes[position++] = rest;
    this.length = position;
  }

  /** Four bytes, to be filled in later with `fixedAt`. */
  fixed(value: number): number {
    this.reserve(4);
    const position = this.length;
    this.fixedAt(position, value);
    this.length += 4;
    return position;
  }

  fixedAt(position: number, value: number): void {
    const bytes = this.bytes;
    bytes[position] = value & 0xff;
    bytes[position + 1] = (value >>> 8) & 0xff;
    bytes[position + 2] = (value >>> 16) & 0xff;
    bytes[position + 3] = value >>> 24;
  }

  /** A number as a value, with its tag. */
  number(value: number): void {
    this.reserve(9);
    const integer = value | 0;
    // `1 / value` tells -0, which must stay what it is, from 0.
    if (integer === value && (integer !== 0 || 1 / value > 0)) {
      if (integer >= 0 && integer < SMALL_INTEGER_END) {
        this.bytes[this.length++] = integer;
        return;
      }
      this.bytes[this.length++] = Tag.Int32;
      this.fixedAt(this.length, integer);
      this.length += 4;
      return;
    }
    this.bytes[this.length++] = Tag.Float64;
    this.float64(value);
  }

  float64(value: number): void {
    this.reserve(8);
    doubles[0] = value;
    this.eightBytes();
  }

  bigInt64(value: bigint): void {
    this.reserve(8);
    bigIntegers[0] = value;
    this.eightBytes();
  }

  /** A text as a value, with its tag. */
  textValue(text: string): void {
    const length = text.length;
    if (length > LOOP_TEXT_MAX) {
      this.byte(Tag.Text);
      this.text(text);
      return;
    }
    this.reserve(length + 1);
    const bytes = this.bytes;
    const start = this.length;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0xff) {
        bytes[start] = Tag.Text;
        this.length = start + 1;
        this.wideText(text);
        return;
      }
      bytes[start + 1 + index] = code;
    }
    bytes[start] = SHORT_TEXT + length;
    this.length = start + 1 + length;
  }

  /** A text without a tag. */
  text(text: string): void {
    const length = text.length;
    if (length > LOOP_TEXT_MAX) {
      if (WIDE.test(text)) {
        this.wideText(text);
        return;
      }
      this.count(length * 2);
      this.reserve(length);
      this.bytes.write(text, this.length, 'latin1');
      this.length += length;
      return;
    }
    this.reserve(length + 1);
    const bytes = this.bytes;
    const start = this.length;
    for (let index = 0; index < length; index++) {
      const code = text.charCodeAt(index);
      if (code > 0xff) {
        this.wideText(text);
        return;
      }
      bytes[start + 1 + index] = code;
    }
    bytes[start] = length * 2;
    this.length = start + 1 + length;
  }

  raw(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  packedInt32(numbers: readonly number[]): void {
    this.reserve(numbers.length * 4);
    for (let start = 0; start < numbers.length; start += CHUNK) {
      const count = Math.min(CHUNK, numbers.length - start);
      for (let index = 0; index < count; index++) integers[index] = numbers[start + index]!;
      this.chunk(count * 4);
    }
  }

  packedFloat64(numbers: readonly number[]): void {
    this.reserve(numbers.length * 8);
    for (let start = 0; start < numbers.length; start += CHUNK) {
      const count = Math.min(CHUNK, numbers.length - start);
      for (let index = 0; index < count; index++) doubles[index] = numbers[start + index]!;
      this.chunk(count * 8);
    }
  }

  private chunk(byteLength: number): void {
    this.bytes.set(doubleBytes.subarray(0, byteLength), this.length);
    this.length += byteLength;
  }

  private wideText(text: string): void {
    this.count(text.length * 2 + 1);
    this.reserve(text.length * 2);
    this.bytes.write(text, this.length, 'utf16le');
    this.length += text.length * 2;
  }

  private eightBytes(): void {
    const bytes = this.bytes;
    const position = this.length;
    for (let index = 0; index < 8; index++) bytes[position + index] = doubleBytes[index]!;
    this.length = position + 8;
  }

  private grow(count: number): void {
    const capacity = Math.max(this.bytes.length * 2, this.length + count);
    const larger = Buffer.allocUnsafeSlow(capacity);
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }
}
