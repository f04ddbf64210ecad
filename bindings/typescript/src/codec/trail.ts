/**
 * The way from the whole value to where the encoder is, kept in the form that is cheapest to note and turned into words
 * only when an error needs it.
 */

import { nameOf } from './unstorable.ts';

/** A property name, an index, or something in words. */
export type PathStep = string | number | Step | MapValueStep;

/** A step in words. */
export class Step {
  static readonly mapKey = new Step('key of the Map');
  static readonly mapValue = new Step('value in the Map');
  static readonly setMember = new Step('member of the Set');
  static readonly state = new Step('custom state');
  /** What an object of Node is made of: no step to the user's eyes. */
  static readonly data = new Step('');

  readonly text: string;
  /** True if the title of a function may replace the step. */
  readonly namesFunction: boolean;
  /** What it leads to was made by a package. */
  readonly isOfPackage: boolean;

  constructor(text: string, namesFunction = false, isOfPackage = false) {
    this.text = text;
    this.namesFunction = namesFunction;
    this.isOfPackage = isOfPackage;
  }
}

/** The value of a key of a map. */
export class MapValueStep {
  readonly key: unknown;

  constructor(key: unknown) {
    this.key = key;
  }
}

/** The step to a property. */
export function stepOf(key: string | symbol): PathStep {
  return typeof key === 'string' ? key : new Step(`key ${String(key)}`);
}

/** The step to a property of an object or an array, whose elements are among its properties. */
export function elementOrKey(key: string | symbol, isOfArray: boolean): PathStep {
  return isOfArray && typeof key === 'string' && /^\d+$/.test(key) ? Number(key) : stepOf(key);
}

function stepText(step: PathStep): string {
  if (typeof step === 'string') return `key ${JSON.stringify(step)}`;
  if (typeof step === 'number') return `[${step}]`;
  if (step instanceof Step) return step.text;
  const key = typeof step.key === 'string' ? JSON.stringify(step.key) : nameOf(step.key);
  return `value of ${key} in the Map`;
}

/** A point of a way: the steps below an earlier point. */
export interface TrailPoint {
  readonly steps: readonly PathStep[];
  readonly parent: TrailPoint | undefined;
}

interface Suspended {
  readonly steps: PathStep[];
  readonly depth: number;
  readonly parent: TrailPoint | undefined;
}

/** Notes the steps of one value. The encoder sets `depth` back when it leaves a value. */
export class Trail {
  depth = 0;

  private root = 'value';
  private isRootOfPackage = false;
  /** The root names the first element of an array, which nobody but the SDK knows of. */
  private isHolder = false;
  private steps: PathStep[] = [];
  private parent: TrailPoint | undefined = undefined;
  /** True if steps hold keys of maps, which must be let go. */
  private holdsKeys = false;

  begin(root: string, isHolder: boolean): void {
    this.root = root;
    this.isRootOfPackage = false;
    this.isHolder = isHolder;
  }

  /** Goes on from a point of another trail. */
  follow(trail: Trail, point: TrailPoint): void {
    this.begin(trail.root, trail.isHolder);
    this.isRootOfPackage = trail.isRootOfPackage;
    this.resume(point);
  }

  push(step: PathStep): void {
    this.steps[this.depth++] = step;
  }

  /** The step to the value of a key of a map. */
  mapValue(key: unknown): MapValueStep {
    this.holdsKeys = true;
    return new MapValueStep(key);
  }

  /** Where the trail is, to be continued later with `resume`. */
  mark(): TrailPoint {
    return { steps: this.steps.slice(0, this.depth), parent: this.parent };
  }

  /** The point behind a step from where the trail is. */
  pointTo(step: PathStep): TrailPoint {
    this.push(step);
    const point = this.mark();
    this.depth--;
    return point;
  }

  /** Goes on from a point. */
  resume(point: TrailPoint): void {
    this.steps = [];
    this.depth = 0;
    this.parent = point;
  }

  /** The words for a point that is not where the trail is. */
  pathTo(point: TrailPoint): string[] {
    const here = this.suspend();
    this.resume(point);
    const path = this.path();
    this.restore(here);
    return path;
  }

  /** The trail as it is, to be restored after others were followed. */
  suspend(): Suspended {
    const { steps, depth, parent } = this;
    return { steps, depth, parent };
  }

  restore({ steps, depth, parent }: Suspended): void {
    this.steps = steps;
    this.depth = depth;
    this.parent = parent;
  }

  /** Notes that what follows belongs to a function; the result is the depth to come back to. */
  enterFunction(title: string, isClassOfInstance: boolean, isOfPackage: boolean): number {
    const { depth } = this;
    const step = new Step(title, false, isOfPackage);
    const last = depth === 0 ? undefined : this.steps[depth - 1];
    if (isClassOfInstance) {
      this.push(step);
    } else if (this.isAtRoot()) {
      this.nameRoot(title, isOfPackage);
    } else if (last instanceof Step && last.namesFunction) {
      // `variable "helper"` and `helper (math.ts:12)` say the same; the title says more.
      this.steps[depth - 1] = step;
    } else {
      this.push(step);
    }
    return depth;
  }

  /** Notes that the value where the trail is was made by a package. */
  enterPackage(): void {
    if (this.depth === 0) {
      if (this.parent === undefined) this.isRootOfPackage = true;
      return;
    }
    const last = this.steps[this.depth - 1]!;
    if (last instanceof Step && last.isOfPackage) return;
    const namesFunction = last instanceof Step && last.namesFunction;
    this.steps[this.depth - 1] = new Step(stepText(last), namesFunction, true);
  }

  private isAtRoot(): boolean {
    if (this.parent !== undefined) return false;
    return this.isHolder ? this.depth === 1 && this.steps[0] === 0 : this.depth === 0;
  }

  /** The root and the title of a function may say the same; then the name is enough. */
  private nameRoot(title: string, isOfPackage: boolean): void {
    this.isRootOfPackage ||= isOfPackage;
    if (this.root === 'value' || this.root === 'anonymous') this.root = title;
    else if (!title.startsWith(`${this.root} (`)) this.push(new Step(title));
  }

  /** True if the way leads through what a package has made. */
  leadsThroughPackage(): boolean {
    return (
      this.isRootOfPackage ||
      this.allSteps().some((each) => each instanceof Step && each.isOfPackage)
    );
  }

  private allSteps(): PathStep[] {
    const parts: (readonly PathStep[])[] = [this.steps.slice(0, this.depth)];
    for (let each = this.parent; each !== undefined; each = each.parent) parts.push(each.steps);
    return parts.reverse().flat();
  }

  /** The way in words. */
  path(): string[] {
    const steps = this.allSteps();
    const texts = (this.isHolder ? steps.slice(1) : steps).map(stepText);
    // What is no step to the user's eyes has an empty one.
    return [this.root, ...texts.filter((text) => text !== '')];
  }

  clear(): void {
    this.depth = 0;
    this.parent = undefined;
    if (this.holdsKeys) {
      this.holdsKeys = false;
      this.steps = [];
    }
  }
}
