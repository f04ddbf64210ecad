import type { ByteWriter } from './byte-writer.ts';
import type { PathStep, Trail, TrailPoint } from './trail.ts';

/** Objects that can be made again of their members: `excerpt` is a plain object in the place of another one. */
export type Makeable = 'object' | 'array' | 'map' | 'set' | 'excerpt';

/** What an object is to those who want to store parts of it. */
export type Examined =
  /** It can't be stored, whatever it holds. */
  | { readonly is: 'unstorable'; readonly obstacle: unknown }
  /** It is stored as it is. */
  | { readonly is: 'whole' }
  /** It can be stored if what it holds can be. */
  | { readonly is: Exclude<Makeable, 'excerpt'> };

/** The graph that is being written, as those see it who write the content of one kind of object. */
export interface Graph {
  readonly writer: ByteWriter;
  /** Where the graph is written now. */
  readonly trail: Trail;
  /** Writes a value that is inside the present one. */
  child(value: unknown, step: PathStep): void;
  /** The way to what is inside the present value, behind a step. */
  pointTo(step: PathStep): TrailPoint;
  /** The words for a way. */
  pathTo(point: TrailPoint): string[];
  /** Why a value at a point can't be stored; undefined if it can. Nothing is written. */
  obstacle(value: unknown, point: TrailPoint): unknown;
  /** As `obstacle`, but for what an object holds. */
  examine(value: object, point: TrailPoint): Examined;
  /** What is kept of a value of an error that can't be stored. */
  remainsOf(value: unknown, key: string | symbol, point: TrailPoint, obstacle: unknown): unknown;
  /** True for classes of Node and of V8. */
  isOfPlatform(constructor: Function): boolean;
}
