import type { ByteWriter } from './byte-writer.ts';
import type { PathStep, Trail } from './trail.ts';

/** The graph that is being written, as those see it who write the content of one kind of object. */
export interface Graph {
  readonly writer: ByteWriter;
  /** Where the graph is written now. */
  readonly trail: Trail;
  /** Writes a value that is inside the present one. */
  child(value: unknown, step: PathStep): void;
  /** Why a value that these steps lead to can't be stored; undefined if it can. Nothing is written. */
  obstacle(value: unknown, ...steps: PathStep[]): unknown;
}
