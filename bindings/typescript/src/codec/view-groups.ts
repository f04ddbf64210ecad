/**
 * The memory behind the views of one value: which bytes of which buffer are stored, and where.
 *
 * Views over one buffer form a group and share one buffer again after decoding. A group stores the range from its
 * first to its last covered byte. Groups of `OUT_OF_BAND_MIN` bytes and more are handed over without a copy; smaller
 * ones are copied into the envelope.
 *
 * Small Buffers of Node come from one pool, which is no sharing that a user asked for: of a pool, each run of
 * overlapping views is a segment of its own, so that neither the bytes of others nor the gaps between are stored.
 */

import { SerializationError } from '../errors.ts';
import { damaged, type ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import type { DecodeHooks } from './hooks.ts';
import { noteSnapshot } from './snapshots.ts';
import {
  OUT_OF_BAND_MIN,
  STORED_OUT_OF_BAND,
  STORED_SHAREABLE,
  STORED_SHARED_OBJECT,
} from './wire.ts';

/** A range of memory that the runtime stores in an extent of its own. */
export interface OutOfBand {
  buffer: ArrayBufferLike;
  byteOffset: number;
  byteLength: number;
}

/** What a view needs and is. */
export interface ViewOfMemory {
  buffer: ArrayBufferLike;
  byteOffset: number;
  byteLength: number;
  /** Bytes of an element: the view's offset must stay a multiple of it. */
  elementSize: number;
  /** True if the view may come back over a `SharedArrayBuffer`. */
  numeric: boolean;
  /** True if the buffer may be the pool of Node's Buffers. */
  pooled: boolean;
}

interface Range {
  start: number;
  end: number;
}

interface Group extends Range {
  buffer: ArrayBufferLike;
  elementSize: number;
  views: number;
  numeric: boolean;
  sharedObject: boolean;
  /** The views' own ranges, while all of them are slices of a pool. */
  slices: Range[] | undefined;
}

/** Beyond this many groups a map is faster than a search. */
const SEARCHED_GROUPS = 8;

/** Collects the groups of one value while it is encoded. */
export class ViewGroups {
  private groups: Group[] = [];
  private indexes: Map<ArrayBufferLike, number> | undefined;

  get size(): number {
    return this.groups.length;
  }

  clear(): void {
    if (this.groups.length > 0) this.groups = [];
    this.indexes = undefined;
  }

  /** Adds a view; the result is the number of its group. */
  addView(view: ViewOfMemory): number {
    const { byteOffset: start, byteLength } = view;
    const end = start + byteLength;
    const known = this.indexOf(view.buffer);
    if (known === -1) {
      return this.add({
        buffer: view.buffer,
        start,
        end,
        elementSize: view.elementSize,
        views: 1,
        numeric: view.numeric,
        sharedObject: false,
        slices: view.pooled ? [{ start, end }] : undefined,
      });
    }
    const group = this.groups[known]!;
    group.start = Math.min(group.start, start);
    group.end = Math.max(group.end, end);
    group.elementSize = Math.max(group.elementSize, view.elementSize);
    group.views++;
    group.numeric &&= view.numeric;
    if (view.pooled) group.slices?.push({ start, end });
    else group.slices = undefined;
    return known;
  }

  /** Adds a whole buffer; the result is the number of its group. */
  addBuffer(buffer: ArrayBufferLike, sharedObject: boolean): number {
    const known = this.indexOf(buffer);
    if (known === -1) {
      return this.add({
        buffer,
        start: 0,
        end: buffer.byteLength,
        elementSize: 1,
        views: 1,
        numeric: false,
        sharedObject,
        slices: undefined,
      });
    }
    const group = this.groups[known]!;
    group.start = 0;
    group.end = Math.max(group.end, buffer.byteLength);
    group.numeric = false;
    group.sharedObject = sharedObject;
    group.slices = undefined;
    return known;
  }

  /** Writes the list of groups and their small bytes; large ones are appended to `outOfBand`. */
  write(writer: ByteWriter, outOfBand: OutOfBand[]): void {
    writer.count(this.groups.length);
    for (const group of this.groups) {
      const segments = segmentsOf(group);
      writer.count(segments.length);
      for (const segment of segments) writeSegment(writer, group, segment, outOfBand);
    }
  }

  private indexOf(buffer: ArrayBufferLike): number {
    if (this.indexes !== undefined) return this.indexes.get(buffer) ?? -1;
    return this.groups.findIndex((group) => group.buffer === buffer);
  }

  private add(group: Group): number {
    const index = this.groups.push(group) - 1;
    if (this.indexes !== undefined) this.indexes.set(group.buffer, index);
    else if (this.groups.length > SEARCHED_GROUPS) {
      this.indexes = new Map(this.groups.map((each, position) => [each.buffer, position]));
    }
    return index;
  }
}

function segmentsOf(group: Group): Range[] {
  if (group.slices === undefined) {
    // A view over the new buffer must be aligned as it is over the old one.
    return [{ start: group.start - (group.start % group.elementSize), end: group.end }];
  }
  const segments: Range[] = [];
  for (const slice of group.slices.sort((a, b) => a.start - b.start)) {
    const last = segments.at(-1);
    if (last !== undefined && slice.start < last.end) last.end = Math.max(last.end, slice.end);
    else segments.push({ ...slice });
  }
  return segments;
}

function writeSegment(
  writer: ByteWriter,
  group: Group,
  { start, end }: Range,
  outOfBand: OutOfBand[],
): void {
  const { buffer } = group;
  const byteLength = end - start;
  if (end > buffer.byteLength) {
    throw new SerializationError('', {
      reason: 'a buffer became smaller or was transferred away while it was being stored',
    });
  }
  const large = byteLength >= OUT_OF_BAND_MIN;
  const shareable = group.numeric && group.views === 1;
  writer.count(start);
  writer.count(byteLength);
  writer.byte(
    (large ? STORED_OUT_OF_BAND : 0) |
      (shareable ? STORED_SHAREABLE : 0) |
      (group.sharedObject ? STORED_SHARED_OBJECT : 0),
  );
  if (large) writer.count(outOfBand.push({ buffer, byteOffset: start, byteLength }) - 1);
  else writer.raw(new Uint8Array(buffer, start, byteLength));
}

/** A segment as it arrives. */
interface Segment extends Range {
  buffer: ArrayBufferLike;
}

/** The memory of one value while it is decoded. */
export class ArrivedMemory {
  private readonly groups: Segment[][];

  constructor(reader: ByteReader, hooks: DecodeHooks) {
    const count = reader.countOf(1);
    this.groups = [];
    for (let index = 0; index < count; index++) {
      const segmentCount = reader.countOf(3);
      const segments: Segment[] = [];
      for (let each = 0; each < segmentCount; each++) segments.push(readSegment(reader, hooks));
      this.groups.push(segments);
    }
  }

  /** The whole buffer of a group. */
  bufferOf(group: number): ArrayBufferLike {
    const segment = this.groups[group]?.[0];
    if (segment === undefined) throw damaged('a buffer is missing');
    return segment.buffer;
  }

  /** The segment that holds a view, of which `byteOffset` says where it began in the original buffer. */
  segmentOf(group: number, byteOffset: number): Segment {
    const segments = this.groups[group] ?? [];
    const segment =
      segments.find((each) => each.start <= byteOffset && byteOffset < each.end) ??
      // An empty view may lie at the end of its segment.
      segments.find((each) => byteOffset === each.end);
    if (segment === undefined) throw damaged('the memory of a view is missing');
    return segment;
  }
}

function readSegment(reader: ByteReader, hooks: DecodeHooks): Segment {
  const start = reader.count();
  const byteLength = reader.count();
  const stored = reader.byte();
  const wantsSharedObject = (stored & STORED_SHARED_OBJECT) !== 0;
  let buffer: ArrayBufferLike;
  if ((stored & STORED_OUT_OF_BAND) !== 0) {
    const shared = wantsSharedObject || (stored & STORED_SHAREABLE) !== 0;
    buffer = hooks.attach(reader.count(), byteLength, shared);
    if (buffer.byteLength !== byteLength) throw damaged('an extent has another length');
    if (wantsSharedObject && buffer instanceof ArrayBuffer)
      buffer = copied(new Uint8Array(buffer), true);
  } else {
    const position = reader.take(byteLength);
    buffer = copied(reader.bytes.subarray(position, position + byteLength), wantsSharedObject);
  }
  return { start, end: start + byteLength, buffer: noteSnapshot(buffer) };
}

function copied(bytes: Uint8Array, shared: boolean): ArrayBufferLike {
  const buffer = shared
    ? new SharedArrayBuffer(bytes.byteLength)
    : new ArrayBuffer(bytes.byteLength);
  new Uint8Array(buffer).set(bytes);
  return buffer;
}
