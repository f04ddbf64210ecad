/**
 * A file of records as TensorFlow writes it: length (8 bytes, little-endian), its checksum, data, its checksum.
 *
 * Checksums are CRC-32C (Castagnoli; RFC 3720, appendix B.4), turned and offset so that a checksum of data that has checksums
 * in it is no special case.
 */

const POLYNOMIAL_REVERSED = 0x82f63b78;
const MASK_DELTA = 0xa282ead8;
const LENGTH_BYTES = 8;
const CHECKSUM_BYTES = 4;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit++) {
    remainder = (remainder >>> 1) ^ (remainder & 1 ? POLYNOMIAL_REVERSED : 0);
  }
  return remainder;
});

export function crc32c(data: Uint8Array): number {
  let checksum = 0xffffffff;
  for (const byte of data) checksum = (checksum >>> 8) ^ TABLE[(checksum ^ byte) & 0xff]!;
  return (checksum ^ 0xffffffff) >>> 0;
}

export function maskedCrc32c(data: Uint8Array): number {
  const checksum = crc32c(data);
  return (((checksum >>> 15) | (checksum << 17)) + MASK_DELTA) >>> 0;
}

/** One record, as it stands in the file. */
export function recordOf(data: Uint8Array): Buffer {
  const record = Buffer.alloc(LENGTH_BYTES + CHECKSUM_BYTES + data.length + CHECKSUM_BYTES);
  // Records here are far below 4 GiB: the upper half of the length stays 0.
  record.writeUInt32LE(data.length);
  record.writeUInt32LE(maskedCrc32c(record.subarray(0, LENGTH_BYTES)), LENGTH_BYTES);
  record.set(data, LENGTH_BYTES + CHECKSUM_BYTES);
  record.writeUInt32LE(maskedCrc32c(data), record.length - CHECKSUM_BYTES);
  return record;
}
