/** FNV-1a of a text, 32 bits: what the fixtures keep of long texts. */
export function checksum(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193);
  return value >>> 0;
}
