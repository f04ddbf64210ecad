/** The type of the configs of a space. */

import type { Domain, SampledValue } from './domain.ts';

/** What stays as it is in a config, though it is an object: it is no part of the space's own shape. */
type Constant =
  | string
  | number
  | bigint
  | boolean
  | symbol
  | null
  | undefined
  | Date
  | RegExp
  | Error
  | URL
  | ArrayBuffer
  | ArrayBufferView
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | ((...parameters: never[]) => unknown)
  | (abstract new (...parameters: never[]) => unknown);

/**
 * The type of a space's configs: domains become their values, choices with branches a union, and all else stays.
 *
 * ```ts
 * const space = { lr: loguniform(1e-5, 1e-1), layers: choice([1, 2, 3]), epochs: 10 } as const;
 * type C = Config<typeof space>; // { lr: number; layers: 1 | 2 | 3; epochs: 10 }
 * ```
 */
export type Config<Space> =
  Space extends Domain<infer Value>
    ? Value
    : Space extends SampledValue<infer Value>
      ? Value
      : Space extends Constant
        ? Space
        : Space extends object
          ? { -readonly [Key in keyof Space]: Config<Space[Key]> }
          : Space;
