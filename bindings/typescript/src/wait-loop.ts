/**
 * A loop of `wait` over what the last one has left, so that a call costs little more than the list that it returns.
 *
 * By itself each `wait` checks all of its refs, tells the native module of all, and registers all where too few are ready.
 * So the lists that `wait` returns are marked. When one comes back, its refs are watched, each once; and as long as the
 * lists come back as they were, or with refs added behind, nothing else has to be asked.
 *
 * 1. `refs` is what the list that was returned last held then. What comes back is compared with it before anything is
 *    concluded of it.
 * 2. Each of `refs` is watched under a number; they ascend in the order of `refs`.
 * 3. `completed` has those of `refs` that are ready, and `completedNumbers` their numbers, ascending.
 */

import { type ObjectRefImplementation, disposals } from './object-ref.ts';
import type { LocalWait, ReadyListener, Runtime, WaitLimits } from './runtime/runtime.ts';

type Ref = ObjectRefImplementation;

/** What `wait` gives: the refs that are ready, and the others, in their order. */
export type Parted = [ready: Ref[], notReady: Ref[]];

/** A shorter list is not worth a loop. */
const REFS_MIN = 16;

/**
 * The place of what is ready first is as a rule near the beginning: before this, moving what stands before it and then
 * taking off the first is several times cheaper than moving all that follows.
 */
const NEAR_BEGINNING = 32;

/**
 * What is known of a list that `wait` has returned: its loop, that there is none yet, or that the program changes its
 * lists in a way that makes a loop dearer than none.
 */
type Known = WaitLoop | 'no loop yet' | 'changed';

/** Gives back the object that it is given. */
const given = function (list: object): object {
  return list;
} as unknown as new (list: object) => object;

/**
 * What is known of a list is a private member of it, which nobody else sees: a constructor adds its private members to
 * whatever its base class returns.
 */
class Mark extends given {
  #known: Known;

  private constructor(list: object, known: Known) {
    super(list);
    this.#known = known;
  }

  static set<List extends object>(list: List, known: Known): List {
    return new Mark(list, known) as unknown as List;
  }

  static of(list: object): Known | undefined {
    return #known in list ? list.#known : undefined;
  }
}

/** Notes that `wait` has returned a list. `before` is what was known of the list that it was given. */
export function markReturned(notReady: Ref[], before: Known | undefined): void {
  if (notReady.length < REFS_MIN) return;
  Mark.set(notReady, before === undefined ? 'no loop yet' : 'changed');
}

/** What is known of a list that `wait` is given. */
export function knownOf(list: readonly unknown[]): Known | undefined {
  return Mark.of(list);
}

/**
 * The loop that a list belongs to; undefined if it has to be checked and waited for by itself. `check` throws for refs
 * that can't be waited for, from a position on.
 */
export function loopOf(
  list: readonly unknown[],
  known: Known | undefined,
  session: Runtime,
  check: (from: number) => void,
): WaitLoop | undefined {
  if (known === undefined || known === 'changed') return undefined;
  if (known !== 'no loop yet') return known.accepts(list, session, check) ? known : undefined;
  if (list.length < REFS_MIN) return undefined;
  check(0);
  const refs = list as readonly Ref[];
  return areDifferent(refs) ? new WaitLoop(session, refs) : undefined;
}

function areDifferent(refs: readonly Ref[]): boolean {
  let previous = -1;
  const areAscending = refs.every(({ handle }) => {
    const isNext = handle > previous;
    previous = handle;
    return isNext;
  });
  return areAscending || new Set(refs.map(({ handle }) => handle)).size === refs.length;
}

interface Pending {
  readonly needed: number;
  wait: LocalWait<Parted> | undefined;
}

export class WaitLoop implements ReadyListener {
  private readonly session: Runtime;
  private readonly refs: Ref[] = [];
  private readonly completed: Ref[] = [];
  private readonly completedNumbers: number[] = [];
  private nextNumber = 0;
  /** All of `refs` could be used when so many refs had been disposed of. */
  private usableAt: number;
  private pending: Pending | undefined;
  /** The handles of `refs`, once refs are added: none may stand twice. */
  private handles: Set<number> | undefined;

  constructor(session: Runtime, refs: readonly Ref[]) {
    this.session = session;
    this.usableAt = disposals;
    this.add(refs);
  }

  /** Whether a list is what was returned last, perhaps with further refs behind, and nobody waits for it already. */
  accepts(list: readonly unknown[], session: Runtime, check: (from: number) => void): boolean {
    if (this.pending !== undefined || session !== this.session) return false;
    const { refs } = this;
    const { length } = refs;
    if (list.length < length) return false;
    if (!startsWith(list, refs)) return false;
    if (this.usableAt !== disposals) {
      check(0);
      this.usableAt = disposals;
    }
    return list.length === length || this.extend(list as readonly Ref[], check);
  }

  private extend(list: readonly Ref[], check: (from: number) => void): boolean {
    const { length } = this.refs;
    check(length);
    const handles = (this.handles ??= new Set(this.refs.map(({ handle }) => handle)));
    const added = list.slice(length);
    const addedHandles = new Set(added.map(({ handle }) => handle));
    if (addedHandles.size < added.length) return false;
    if (added.some(({ handle }) => handles.has(handle))) return false;
    for (const handle of addedHandles) handles.add(handle);
    this.add(added);
    return true;
  }

  private add(added: readonly Ref[]): void {
    const first = this.nextNumber;
    this.nextNumber += added.length;
    for (const ref of added) this.refs.push(ref);
    for (const position of this.session.watchAll(added, this, first)) {
      this.note(first + position, added[position]!);
    }
  }

  private note(number: number, ref: Ref): void {
    const { completed, completedNumbers } = this;
    const last = completedNumbers.at(-1);
    if (last === undefined || last < number) {
      completed.push(ref);
      completedNumbers.push(number);
    } else {
      const position = positionOf(completedNumbers, number);
      completed.splice(position, 0, ref);
      completedNumbers.splice(position, 0, number);
    }
  }

  /** How many refs are left. */
  get size(): number {
    return this.refs.length;
  }

  wait(needed: number, limits: WaitLimits): Promise<Parted> {
    if (limits.signal?.aborted === true) return Promise.reject(limits.signal.reason as Error);
    if (this.completed.length >= needed) return Promise.resolve(this.take(needed));
    const pending: Pending = { needed, wait: undefined };
    this.pending = pending;
    pending.wait = this.session.waitLocally<Parted>(limits, [], () => {
      this.session.takeEvents();
      this.pending = undefined;
      return this.take(needed);
    });
    return pending.wait.promise.catch((error: unknown) => {
      // Aborted, or the task that waits was cancelled. The list is as it was.
      this.pending = undefined;
      throw error;
    });
  }

  ready(number: number, ref: Ref): void {
    this.note(number, ref);
    const { pending } = this;
    if (pending === undefined || this.completed.length !== pending.needed) return;
    // Others that are ready by now may stand before it.
    queueMicrotask(() => {
      if (this.pending !== pending || pending.wait?.isOpen() !== true) return;
      this.pending = undefined;
      pending.wait.settle(this.take(pending.needed));
    });
  }

  /** Takes out the first refs that are ready, at most `most` of them. */
  private take(most: number): Parted {
    const { completed, completedNumbers, refs } = this;
    const count = Math.min(most, completed.length);
    let ready: Ref[];
    if (count === 1) {
      const ref = completed.shift()!;
      completedNumbers.shift();
      removeAt(refs, refs.indexOf(ref));
      ready = [ref];
    } else {
      ready = completed.splice(0, count);
      completedNumbers.splice(0, count);
      removeInOrder(refs, ready);
    }
    if (this.handles !== undefined) for (const { handle } of ready) this.handles.delete(handle);
    return [ready, Mark.set(refs.slice(), this)];
  }
}

/** Eight at a time: this comparison is most of what a call costs, and twice as fast so. */
function startsWith(list: readonly unknown[], refs: readonly Ref[]): boolean {
  const { length } = refs;
  let at = 0;
  for (; at + 8 <= length; at += 8) {
    if (
      list[at] !== refs[at] ||
      list[at + 1] !== refs[at + 1] ||
      list[at + 2] !== refs[at + 2] ||
      list[at + 3] !== refs[at + 3] ||
      list[at + 4] !== refs[at + 4] ||
      list[at + 5] !== refs[at + 5] ||
      list[at + 6] !== refs[at + 6] ||
      list[at + 7] !== refs[at + 7]
    ) {
      return false;
    }
  }
  for (; at < length; at++) if (list[at] !== refs[at]) return false;
  return true;
}

function removeAt<Item>(list: Item[], position: number): void {
  if (position >= NEAR_BEGINNING) {
    list.splice(position, 1);
    return;
  }
  for (let index = position; index > 0; index--) list[index] = list[index - 1]!;
  list.shift();
}

/** Removes some items, which stand in the list in their order. */
function removeInOrder<Item>(list: Item[], items: readonly Item[]): void {
  let removed = 0;
  let left = 0;
  for (const item of list) {
    if (item === items[removed]) removed++;
    else list[left++] = item;
  }
  list.length = left;
}

/** Where a number would stand in ascending ones. */
function positionOf(ascending: readonly number[], number: number): number {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < number) low = middle + 1;
    else high = middle;
  }
  return low;
}
