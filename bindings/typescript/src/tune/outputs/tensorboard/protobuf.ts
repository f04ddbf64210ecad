/**
 * The few wire types of Protocol Buffers that TensorBoard's messages need. Each function gives one field of a message; a message
 * is its fields, one after the other.
 *
 * Source: the encoding guide of Protocol Buffers (protobuf.dev/programming-guides/encoding).
 */

const VARINT = 0;
const EIGHT_BYTES = 1;
const LENGTH_DELIMITED = 2;
const FOUR_BYTES = 5;

/** A whole number from 0 to 2^53 - 1, seven bits a byte, the lowest first. */
export function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  // Not by shifts, which know 32 bits only.
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  bytes.push(rest);
  return Buffer.from(bytes);
}

/** `int32`, `int64`, `bool`, and enums. */
export function integerField(field: number, value: number): Buffer {
  return Buffer.concat([tag(field, VARINT), varint(value)]);
}

export function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([tag(field, EIGHT_BYTES), bytes]);
}

export function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([tag(field, FOUR_BYTES), bytes]);
}

export function textField(field: number, value: string): Buffer {
  return messageField(field, Buffer.from(value));
}

/** A message inside a message, or bytes. */
export function messageField(field: number, ...parts: readonly Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([tag(field, LENGTH_DELIMITED), varint(content.length), content]);
}

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}
