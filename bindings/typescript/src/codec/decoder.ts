/**
 * Makes a value from its envelope. The counterpart of `encoder.ts`; the format is that of `wire.ts`.
 *
 * Damaged bytes end in a `SerializationError`: nothing is believed that could read out of bounds, allocate more than
 * was sent, or recurse without end.
 */

import { ByteReader, damaged, fixedAt } from './byte-reader.ts';
import { GraphReader } from './graph-reader.ts';
import type { DecodeHooks } from './hooks.ts';
import { ArrivedMemory } from './view-groups.ts';
import { HAS_MEMORY, HAS_MODULES, SHORT_TEXT_END, Tag } from './wire.ts';

const MODULES_LIST_MAX = 65_536;
const NO_MODULES: readonly string[] = [];

/**
 * The URLs of the modules that must be imported before an envelope can be decoded, because decoding is synchronous
 * and importing is not. Looks at one byte if there are none.
 *
 * @throws SerializationError if the bytes are damaged.
 */
export function requiredModules(
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): readonly string[] {
  if (end - start < 2) throw damaged('it is too short');
  if ((bytes[start]! & HAS_MODULES) === 0) return NO_MODULES;
  const reader = new ByteReader();
  reader.open(bytes, trailerStart(bytes, start, end), end - 4);
  return readModules(reader);
}

/**
 * Decodes envelopes. One decoder serves one value after the other; user code that runs inside `decode`
 * (`Symbol.for('eagleray.deserialize')`) may call it again.
 */
export class Decoder {
  private readonly reader = new ByteReader();
  private readonly graph = new GraphReader(this.reader);
  private busy = false;

  /**
   * The value of the envelope in `bytes[start..end]`. Nothing of the result refers to `bytes`.
   *
   * @throws SerializationError if the bytes are damaged, or need hooks or a Node that are not here.
   */
  decode(bytes: Uint8Array, start: number, end: number, hooks: DecodeHooks): unknown {
    if (this.busy) return new Decoder().decode(bytes, start, end, hooks);
    if (bytes[start] === 0 && end <= bytes.length && isLeaf(bytes[start + 1]!)) {
      return this.leaf(bytes, start, end);
    }
    this.busy = true;
    try {
      return this.envelope(bytes, start, end, hooks);
    } finally {
      this.reader.close();
      this.graph.clear();
      this.busy = false;
    }
  }

  /** An envelope that holds one number, text or the like: nothing has to be set up or cleared for it. */
  private leaf(bytes: Uint8Array, start: number, end: number): unknown {
    const { reader } = this;
    reader.open(bytes, start + 1, end);
    const value = this.graph.value();
    if (reader.left > 0) throw damaged('something follows the value');
    reader.close();
    return value;
  }

  private envelope(bytes: Uint8Array, start: number, end: number, hooks: DecodeHooks): unknown {
    if (start < 0 || end > bytes.length || end - start < 2) throw damaged('it is too short');
    const { reader } = this;
    const flags = bytes[start]!;
    let valueEnd = end;
    let memory: ArrivedMemory | undefined;
    if (flags !== 0) {
      if (flags > (HAS_MODULES | HAS_MEMORY)) throw damaged('its first byte is unknown');
      valueEnd = trailerStart(bytes, start, end);
      reader.open(bytes, valueEnd, end - 4);
      if ((flags & HAS_MODULES) !== 0) readModules(reader);
      if ((flags & HAS_MEMORY) !== 0) memory = new ArrivedMemory(reader, hooks);
      if (reader.left > 0) throw damaged('its trailer is too long');
    }
    reader.open(bytes, start + 1, valueEnd);
    const value = this.graph.read(hooks, memory);
    if (reader.left > 0) throw damaged('something follows the value');
    return value;
  }
}

/** True for the tags that `value` reads without going deeper. */
function isLeaf(tag: number): boolean {
  return tag < SHORT_TEXT_END || (tag >= Tag.Undefined && tag <= Tag.Text);
}

function trailerStart(bytes: Uint8Array, start: number, end: number): number {
  const limit = end - start - 5;
  const length = limit < 0 ? 1 : fixedAt(bytes, end - 4);
  if (length > limit) throw damaged('its trailer is missing');
  return end - 4 - length;
}

function readModules(reader: ByteReader): string[] {
  const count = reader.countOf(1);
  if (count > MODULES_LIST_MAX) throw damaged('it needs too many modules');
  const urls: string[] = [];
  for (let index = 0; index < count; index++) urls.push(reader.text());
  return urls;
}
