/**
 * Turns a value into an envelope: bytes, plus a list of large memory that is handed over beside them. The one encoder
 * for everything: `put`, arguments, results, errors, actor state. The format is that of `wire.ts`.
 */

import { EaglerayError } from '../errors.ts';
import { ByteWriter } from './byte-writer.ts';
import { newProbe } from './graph-probe.ts';
import { GraphWriter } from './graph-writer.ts';
import type { EncodeHooks, Reference } from './hooks.ts';
import { explained } from './obstacle.ts';
import type { OutOfBand } from './view-groups.ts';
import { HAS_MEMORY, HAS_MODULES } from './wire.ts';

/**
 * Encodes values one after another into memory of its own.
 *
 * `encode` appends one envelope; `bytes.subarray(0, length)` are all envelopes since `reset`. Values, and what they
 * refer to, are not kept beyond the call, but `buffers` and `nested` are until `letGo` or `reset`.
 *
 * User code may run inside `encode` (getters, proxies, `Symbol.for('eagleray.serialize')`) and may want to encode
 * something itself: look at `busy`, and take another encoder if it is true.
 */
export class Encoder {
  /** True while `encode` runs. */
  busy = false;

  private readonly writer = new ByteWriter();
  private readonly graph: GraphWriter;
  private outOfBand: OutOfBand[] = [];
  private references: Reference[] = [];

  constructor(hooks: EncodeHooks) {
    this.graph = new GraphWriter(hooks, this.writer, newProbe);
  }

  /** The scratch memory. Only the first `length` bytes mean anything, and only until the next call. */
  get bytes(): Uint8Array {
    return this.writer.bytes;
  }

  /** How many bytes of `bytes` are written. */
  get length(): number {
    return this.writer.length;
  }

  /** Memory to be stored beside the bytes; the position in this list is the extent index that decoders ask for. */
  get buffers(): readonly OutOfBand[] {
    return this.outOfBand;
  }

  /** The refs and actor handles inside the values, each object once. */
  get nested(): readonly Reference[] {
    return this.references;
  }

  /**
   * Appends the envelope of a value. If it throws, nothing is appended.
   *
   * @param root what an error calls the value itself.
   * @param isHolder the value is an array, and `root` is the name of the function that is its first element.
   * @throws SerializationError if something in the value can't be stored; its message shows the way there.
   */
  encode(value: unknown, root = 'value', isHolder = false): void {
    if (this.busy) throw new EaglerayError('ERR_EAGLERAY_INTERNAL', 'the encoder is busy');
    const start = this.writer.length;
    const bufferCount = this.outOfBand.length;
    const referenceCount = this.references.length;
    this.busy = true;
    try {
      this.writer.byte(0);
      this.graph.write(value, root, isHolder, this.references);
      if (this.graph.modules !== undefined || this.graph.views.size > 0) this.trailer(start);
    } catch (error) {
      this.writer.length = start;
      this.outOfBand.length = bufferCount;
      this.references.length = referenceCount;
      const { trail } = this.graph;
      throw explained(error, trail.path(), trail.leadsThroughPackage());
    } finally {
      this.busy = false;
      this.graph.clear();
    }
  }

  /** Empties the scratch memory and the lists. */
  reset(): void {
    this.writer.reset();
    this.letGo();
  }

  /**
   * Empties the lists, because what they hold is kept alive until then: arrays of the program. Lists that were read
   * before stay as they are.
   */
  letGo(): void {
    if (this.outOfBand.length > 0) this.outOfBand = [];
    if (this.references.length > 0) this.references = [];
  }

  /** Begins with envelopes that another encoder wrote, and what belongs to them; further ones follow. */
  resume(bytes: Uint8Array, buffers: readonly OutOfBand[], nested: readonly Reference[]): void {
    this.reset();
    this.writer.raw(bytes);
    this.outOfBand = [...buffers];
    this.references = [...nested];
  }

  private trailer(start: number): void {
    const { writer, graph } = this;
    const trailerStart = writer.length;
    let flags = 0;
    if (graph.modules !== undefined) {
      flags |= HAS_MODULES;
      writer.count(graph.modules.size);
      for (const url of graph.modules) writer.text(url);
    }
    if (graph.views.size > 0) {
      flags |= HAS_MEMORY;
      graph.views.write(writer, this.outOfBand);
    }
    writer.fixed(writer.length - trailerStart);
    writer.bytes[start] = flags;
  }
}
