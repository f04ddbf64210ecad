/** What is announced and written later (invariant 3 of `wire.ts`). */

import type { LabelledValue } from './hooks.ts';
import type { TrailPoint } from './trail.ts';

/** An object whose content comes later, with the way to it. */
export interface DeferredContent {
  value: object;
  tag: number;
  keys: readonly string[];
  further: readonly (string | symbol)[] | undefined;
  point: TrailPoint;
}

/** A function whose values come later, with the way to it. */
export interface DeferredFunction {
  values: readonly LabelledValue[];
  point: TrailPoint;
}
