import type { ByteWriter } from './byte-writer.ts';
import type { EncodeHooks } from './hooks.ts';
import type { PathStep, Trail, TrailPoint } from './trail.ts';

/** How an object can be made again of its members. */
export type Remade = 'object' | 'array' | 'map' | 'set';

/** What an object is to those who want to store parts of it. */
export type Examined =
  /** It can't be stored, whatever it holds. */
  | { readonly is: 'unstorable'; readonly obstacle: unknown }
  /** It is stored as it is. */
  | { readonly is: 'whole' }
  /** It can be stored if what it holds can be. */
  | { readonly is: Remade };

export const WHOLE: Examined = { is: 'whole' };

/** Finds out whether values can be stored, without storing them. Each is looked for where a trail would lead to it. */
export interface Probe {
  /** Why a value can't be stored; undefined if it can. */
  obstacleOf(value: unknown, trail: Trail, point: TrailPoint): unknown;
  examined(value: object, trail: Trail, point: TrailPoint): Examined;
  obstacleOfClass(constructor: Function, trail: Trail): unknown;
  /** Forgets what it has found out of classes. */
  forget(): void;
}

export type NewProbe = (hooks: EncodeHooks) => Probe;

/** The graph that is being written, as those see it who write the content of one kind of object. */
export interface Graph {
  readonly writer: ByteWriter;
  /** Where the graph is written now. */
  readonly trail: Trail;
  /** Writes a value that is inside the present one. */
  child(value: unknown, step: PathStep): void;
  /** Writes a symbol, which is a key of `holder`, if that is given. */
  symbol(value: symbol, holder?: object): void;
  /** Why a value at a point can't be stored; undefined if it can. Nothing is written. */
  obstacle(value: unknown, point: TrailPoint): unknown;
  /** As `obstacle`, but for what an object holds. */
  examine(value: object, point: TrailPoint): Examined;
  /** What is kept of a value of an error that can't be stored. */
  remainsOf(value: unknown, key: string | symbol, point: TrailPoint, obstacle: unknown): unknown;
  /** True for classes of Node and of V8. */
  isOfPlatform(constructor: Function): boolean;
}
