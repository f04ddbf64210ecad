/** How bigints and symbols are written; the other primitive values are in the byte writer itself. */

import type { ByteWriter } from './byte-writer.ts';
import { Tag, WELL_KNOWN_SYMBOLS } from './wire.ts';

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

export const SYMBOL_OF_PROCESS = "a symbol that Symbol.for didn't make is of this process only";

export function writeBigint(writer: ByteWriter, value: bigint): void {
  if (INT64_MIN <= value && value <= INT64_MAX) {
    writer.byte(Tag.BigInt64);
    writer.bigInt64(value);
    return;
  }
  writer.byte(Tag.BigInt);
  // Hexadecimal, because only powers of two are written and read in linear time.
  writer.text(value.toString(16));
}

/** True for what can be stored in any case. */
export function isSimple(value: unknown): boolean {
  switch (typeof value) {
    case 'object':
      return value === null;
    case 'function':
    case 'symbol':
      return false;
    default:
      return true;
  }
}

/** True for a symbol that means nothing elsewhere. */
export function isSymbolOfProcess(value: unknown): value is symbol {
  return (
    typeof value === 'symbol' &&
    Symbol.keyFor(value) === undefined &&
    !WELL_KNOWN_SYMBOLS.includes(value)
  );
}

/** Writes a symbol that every process has or can make; false if it is another one. */
export function writeSymbol(writer: ByteWriter, value: symbol): boolean {
  const wellKnown = WELL_KNOWN_SYMBOLS.indexOf(value);
  if (wellKnown !== -1) {
    writer.byte(Tag.WellKnownSymbol);
    writer.count(wellKnown);
    return true;
  }
  const key = Symbol.keyFor(value);
  if (key === undefined) return false;
  writer.byte(Tag.RegisteredSymbol);
  writer.text(key);
  return true;
}
