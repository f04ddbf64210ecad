/**
 * How functions of `perProcess` travel.
 *
 * 1. In each process, a function of one key is one function with one value, however often and by whatever way it comes.
 * 2. What `make` and `dispose` use is captured when the function travels first, by itself, and is that for everybody: a
 *    process that has got the function hands it on as it came.
 * 3. One that came from elsewhere is kept until it is *given back*: until whoever made it has it no more. From then on it
 *    lives as long as somebody here has it.
 *
 * A function that travels brings along a ref of an object of its maker's, its *anchor*, which has no value until the
 * function is given back. So whoever has it is told then by the store, also if the maker has died.
 */

import {
  type ConstructedFunction,
  type FunctionDescription,
  type FunctionSkeleton,
  type ValuePath,
  requiredModules,
} from '../codec/index.ts';
import { SerializationError } from '../errors.ts';
import type { ObjectRefImplementation } from '../object-ref.ts';
import { PER_PROCESS } from '../remedies.ts';
import { newIdentity } from '../shipping/index.ts';
import {
  freshKeyOfPlace,
  isKeyOfPlace,
  keyOfPlace,
  madeAt,
  noteMade,
  settleAt,
} from './per-process-places.ts';
import { type Dispose, type Make, PerProcess, perProcessOf } from './per-process-values.ts';
import type { Runtime } from './runtime.ts';

/** A value as it was captured. */
export interface Snapshot {
  readonly envelope: Uint8Array;
  readonly buffers: readonly ArrayBufferLike[];
  /** The refs and actors inside, in their order: they live as long as it does. */
  readonly holders: readonly object[];
}

/** What travelling needs of the values of a runtime. */
export interface SnapshotMaker {
  readonly runtime: Runtime;
  /**
   * @param uses gets the functions of `perProcess` that the value uses; the snapshot only names them.
   * @throws SerializationError with a path that begins at `root`
   */
  takeSnapshot(value: unknown, root: string, uses: Set<Function>): Snapshot;
  /** Takes over a snapshot that has arrived. */
  keepSnapshot(arrived: Snapshot): Snapshot;
  /** The value of a snapshot, whose modules are loaded. */
  readSnapshot(snapshot: Snapshot): unknown;
}

/** How a function travels in one runtime. */
interface Travel {
  readonly values: SnapshotMaker;
  readonly anchor: ObjectRefImplementation;
  readonly snapshot: Snapshot;
  /** What the snapshot names of these functions: here as long as it is. */
  readonly used: readonly Function[];
}

interface Anchor {
  readonly runtime: Runtime;
  readonly ref: ObjectRefImplementation;
}

const DEFINITION = 'eagleray:perProcess:';

const keys = new WeakMap<PerProcess, string>();
const byKey = new Map<string, WeakRef<Function>>();
const travels = new WeakMap<PerProcess, Travel>();
/** Objects of this process that have no value until the function is given back. */
const anchors = new WeakMap<PerProcess, Anchor>();
/** Those that came from elsewhere and are not given back. */
const kept = new Map<string, Function>();
/** How many have come under the key of a place. */
let comeFromModules = 0;

/** A function that gives this process's own value. `make` and `dispose` are checked. */
export function newPerProcess(make: Make, dispose: Dispose | undefined): Function {
  const arrived = comeFromModules > 0 ? arrivedBefore(make) : undefined;
  if (arrived !== undefined) return arrived;
  const parts = { make, dispose };
  const its = new PerProcess(`perProcess(${make.name || 'anonymous'})`, () => parts);
  Object.defineProperty(its.value, 'name', { value: make.name, configurable: true });
  noteMade(its);
  return its.value;
}

/** The function that has come before its module was loaded here, which makes it now. */
function arrivedBefore(make: Make): Function | undefined {
  const key = freshKeyOfPlace(make);
  const value = key === undefined ? undefined : byKey.get(key)?.deref();
  if (value !== undefined) settleAt(key!, value);
  return value;
}

// ---- the way out

/**
 * The description of such a function; undefined for any other.
 *
 * @param uses the functions of this kind that a snapshot uses, if it is for one: they travel beside it.
 */
export function describePerProcess(
  fn: Function,
  path: ValuePath,
  values: SnapshotMaker,
  uses: Set<Function> | undefined,
): FunctionDescription | undefined {
  const its = perProcessOf(fn);
  if (its === undefined) return undefined;
  const { title } = its;
  const named = {
    kind: 'value',
    key: keyOf(its),
    definition: DEFINITION + title,
    title,
  } as const;
  if (uses !== undefined) {
    uses.add(fn);
    return { ...named, values: [] };
  }
  const { anchor, snapshot, used } = travelOf(its, path, values);
  const { buffers, envelope, holders } = snapshot;
  return {
    ...named,
    modules: requiredModules(envelope),
    values: [
      { label: 'anchor', value: anchor },
      { label: 'make', value: envelope },
      { label: 'make', value: buffers },
      { label: 'make', value: holders },
      ...used.map((each) => ({ label: 'make', value: each })),
    ],
  };
}

function keyOf(its: PerProcess): string {
  const known = keys.get(its);
  if (known !== undefined) return known;
  const key = keyOfPlace(its) ?? newIdentity();
  remember(key, its);
  return key;
}

function remember(key: string, its: PerProcess): void {
  keys.set(its, key);
  byKey.set(key, new WeakRef(its.value));
  its.ending.alsoDo.push(() => {
    // Another one may have come under the key in the meantime.
    if (byKey.get(key)?.deref() === undefined) byKey.delete(key);
  });
}

function travelOf(its: PerProcess, path: ValuePath, values: SnapshotMaker): Travel {
  const known = travels.get(its);
  if (known?.values === values) return known;
  // What belongs to a runtime that has ended is of no use in another one.
  const { dispose, make } = its.parts;
  const used = new Set<Function>();
  try {
    const snapshot = values.takeSnapshot([make, dispose], its.title, used);
    const travel = { values, snapshot, anchor: anchorOf(its, values.runtime), used: [...used] };
    travels.set(its, travel);
    return travel;
  } catch (error) {
    throw error instanceof SerializationError ? withPath(error, path, its.title) : error;
  }
}

/** The error of a part of the function, with the whole way to it and the remedy that fits there. */
function withPath(error: SerializationError, path: ValuePath, title: string): SerializationError {
  const shown = `: ${error.path.join(' → ')}`;
  const reason = error.message.endsWith(shown)
    ? error.message.slice(0, -shown.length)
    : error.message;
  // Of its own path, the first two steps are the title and the place in what was captured.
  const whole = [...path.steps, title, ...error.path.slice(2)];
  return new SerializationError(
    '',
    { path: whole, reason: reason.replace(PER_PROCESS, 'let make make it, in each process') },
    { cause: error.cause },
  );
}

function anchorOf(its: PerProcess, runtime: Runtime): ObjectRefImplementation {
  const known = anchors.get(its);
  if (known?.runtime === runtime) return known.ref;
  const ref = runtime.promise();
  anchors.set(its, { runtime, ref });
  its.ending.alsoDo.push(() => runtime.settle(ref));
  return ref;
}

// ---- the way in

/**
 * Makes a function that has arrived, or finds it; undefined if the skeleton is of something else.
 *
 * @param unloaded why modules could not be loaded.
 */
export function constructPerProcess(
  skeleton: FunctionSkeleton,
  values: SnapshotMaker,
  unloaded: ReadonlyMap<string, unknown> | undefined,
): ConstructedFunction | undefined {
  if (skeleton.kind !== 'value' || !skeleton.definition.startsWith(DEFINITION)) return undefined;
  const { definition, key } = skeleton;
  const known = byKey.get(key)?.deref() ?? madeHere(key);
  if (known !== undefined) return { value: known };
  const its: PerProcess = new PerProcess(definition.slice(DEFINITION.length), () => {
    const [make, dispose] = values.readSnapshot(travels.get(its)!.snapshot) as [Make, Dispose?];
    return { make, dispose };
  });
  return {
    value: its.value,
    assign: ([anchor, envelope, buffers, holders, ...used]) => {
      const arrived = { envelope, buffers, holders } as Snapshot;
      for (const url of requiredModules(arrived.envelope)) {
        if (unloaded?.has(url) === true) throw unloaded.get(url);
      }
      const travel: Travel = {
        values,
        snapshot: values.keepSnapshot(arrived),
        anchor: anchor as ObjectRefImplementation,
        used: used as Function[],
      };
      travels.set(its, travel);
      remember(key, its);
      if (isKeyOfPlace(key)) comeFromModules++;
      kept.set(key, its.value);
      // Later, because the rest of the value is still being read.
      queueMicrotask(() => watch(key, travel));
    },
  };
}

/** The function that a module here has made for itself at the place of a key. */
function madeHere(key: string): Function | undefined {
  const its = madeAt(key);
  if (its === undefined || keys.has(its)) return undefined;
  remember(key, its);
  return its.value;
}

/** Has a function that came from elsewhere let go as soon as it is given back. */
function watch(key: string, { anchor, values: { runtime } }: Travel): void {
  const givenBack = (): void => void kept.delete(key);
  const hasEnded = runtime.isClosed || runtime.isEnding;
  if (hasEnded || runtime.watch(anchor, { ready: givenBack }, 0)) givenBack();
}

/** The runtime has ended: what came by it is kept no longer than somebody has it. */
export function giveAllBack(): void {
  kept.clear();
}
