/**
 * Finds out whether values can be stored: writes them as `graph-writer.ts` does, to nowhere.
 *
 * Errors are taken to be storable, because each looks after itself, and so are the classes of errors that are met on the
 * way.
 */

import { types } from 'node:util';

import { ByteWriter } from './byte-writer.ts';
import { type Examined, type Probe, type Remade, WHOLE } from './graph.ts';
import { GraphWriter } from './graph-writer.ts';
import type { EncodeHooks, LabelledValue } from './hooks.ts';
import { explained } from './obstacle.ts';
import type { Plan } from './prototypes.ts';
import type { Step, Trail, TrailPoint } from './trail.ts';
import { SERIALIZE, Tag } from './wire.ts';

export function newProbe(hooks: EncodeHooks): Probe {
  return new ProbingWriter(hooks);
}

class ProbingWriter extends GraphWriter implements Probe {
  /** It looks at one object, and not at what that holds. */
  private isShallow = false;
  /** Classes that can be stored. */
  private storable: Set<Function> | undefined = undefined;

  constructor(hooks: EncodeHooks) {
    super(hooks, new ByteWriter(), newProbe);
  }

  forget(): void {
    this.storable = undefined;
  }

  obstacleOf(value: unknown, trail: Trail, point: TrailPoint): unknown {
    return this.tried(trail, point, () => this.value(value)).obstacle;
  }

  examined(value: object, trail: Trail, point: TrailPoint): Examined {
    const { obstacle, result } = this.tried(trail, point, () => this.look(value));
    if (obstacle !== undefined) return { is: 'unstorable', obstacle };
    if (result !== undefined) return { is: result };
    // Not what it is made of, but perhaps a property that somebody gave it besides.
    const further = this.obstacleOf(value, trail, point);
    return further === undefined ? WHOLE : { is: 'unstorable', obstacle: further };
  }

  obstacleOfClass(constructor: Function, trail: Trail): unknown {
    return this.tried(trail, trail.mark(), () => this.function(constructor, true)).obstacle;
  }

  /** What came of writing something at a point, or why it could not be written. */
  private tried<R>(
    trail: Trail,
    point: TrailPoint,
    write: () => R,
  ): { readonly result?: R; readonly obstacle?: unknown } {
    this.trail.follow(trail, point);
    try {
      const result = write();
      this.finish();
      return { result };
    } catch (error) {
      return { obstacle: explained(error, this.trail.path(), this.trail.leadsThroughPackage()) };
    } finally {
      this.isShallow = false;
      this.clear();
      this.writer.reset();
    }
  }

  /** Writes an object without what it holds. The result says how it could be made again; undefined if it could not. */
  private look(value: object): Remade | undefined {
    this.isShallow = true;
    this.object(value);
    if (this.writer.length === 0) return undefined;
    const prototype = Object.getPrototypeOf(value) as object | null;
    const plan = prototype === null ? undefined : this.plans.get(prototype);
    const kind = kindWritten(this.writer.bytes[0]!, prototype, plan);
    if (kind !== undefined && plan?.class !== undefined) {
      (this.storable ??= new Set()).add(plan.class);
    }
    return kind;
  }

  protected override isStorable(): boolean {
    return true;
  }

  protected override unusualObject(value: object, prototype: object): void {
    if (alwaysTravels(value)) this.identities.add(value);
    else super.unusualObject(value, prototype);
  }

  protected override defined(constructor: Function, value: object, isNeeded?: boolean): boolean {
    if (this.storable?.has(constructor) !== true || this.identities.indexOf(constructor) !== -1) {
      return super.defined(constructor, value, isNeeded);
    }
    this.identities.add(constructor);
    return false;
  }

  protected override content(tag: number, value: object, keys: readonly string[]): void {
    if (!this.isShallow) super.content(tag, value, keys);
  }

  protected override recordOf(value: object, keys: readonly string[], shape: number): void {
    if (!this.isShallow) super.recordOf(value, keys, shape);
  }

  protected override furtherProperties(value: object, keys: readonly (string | symbol)[]): void {
    if (!this.isShallow) super.furtherProperties(value, keys);
  }

  protected override errorProperties(): void {
    // Each error looks after what it has.
  }

  protected override functionValues(values: readonly LabelledValue[]): void {
    this.inDepth(() => super.functionValues(values));
  }

  protected override state(state: unknown, step: Step): void {
    this.inDepth(() => super.state(state, step));
  }

  /** What functions capture and classes make is stored whole or not at all. */
  private inDepth(write: () => void): void {
    const { isShallow } = this;
    this.isShallow = false;
    write();
    this.isShallow = isShallow;
  }
}

/** True for errors, but those whose class makes a state of its own: that may fail. */
function alwaysTravels(value: object): boolean {
  if (!types.isNativeError(value) && !(value instanceof DOMException)) return false;
  const { constructor } = value as { constructor?: { readonly [SERIALIZE]?: unknown } };
  return typeof constructor?.[SERIALIZE] !== 'function';
}

const REMADE = new Map<number, Remade>([
  [Tag.Object, 'object'],
  [Tag.NullObject, 'object'],
  [Tag.Array, 'array'],
  [Tag.SparseArray, 'array'],
  [Tag.Map, 'map'],
  [Tag.Set, 'set'],
]);

/** Tags before the tag of an object. */
const BEFORE_OBJECT: ReadonlySet<number> = new Set([Tag.Define, Tag.Extended, Tag.Instance]);

/**
 * How an object can be made again of what it holds; undefined if it can't.
 *
 * @param tag the first that was written for it
 */
function kindWritten(
  tag: number,
  prototype: object | null,
  plan: Plan | undefined,
): Remade | undefined {
  if (!BEFORE_OBJECT.has(tag)) return REMADE.get(tag);
  if (prototype === null) return 'object';
  if (plan === undefined || plan.custom) return undefined;
  // Of the classes of the program, those that add to an array or a Map have a content that is not theirs.
  if (plan.class !== undefined && plan.base !== Tag.Object) return undefined;
  return REMADE.get(plan.base);
}
