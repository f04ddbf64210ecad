/**
 * Which refs, remote functions and actor handles JavaScript still holds: what is let go when the garbage collector finds one, or when its
 * user disposes of it. Counts nothing itself: each registration stands for one count in the native module.
 */

import type { JoinedRefs, ObjectRefImplementation } from '../object-ref.ts';

/** Refs that came together, of which many are let go together. */
export interface RefGroup {
  count: number;
  current: JoinedRefs | undefined;
}

/** Something that holds much, which the native module watches: a sweep finds it as soon as it was collected. */
interface Watched {
  readonly number: number;
  /** Lets go of what it holds. */
  readonly letGo: () => void;
}

/** So many refs of a value, or of a turn's calls, are let go one by one; further ones in groups of `GROUP_SIZE`. */
const UNGROUPED_REFS_MAX = 256;
const GROUP_SIZE = 32;

export class References {
  private readonly borrowed: FinalizationRegistry<number>;
  private readonly fresh: FinalizationRegistry<number>;
  private readonly groups: FinalizationRegistry<number[]>;
  private readonly actors: FinalizationRegistry<number>;
  private readonly templates: FinalizationRegistry<number>;
  private readonly collected: FinalizationRegistry<Watched>;
  /** By the native module's number. */
  private readonly watched = new Map<number, Watched>();
  private readonly release: (handle: number) => void;
  private readonly unwatch: (number: number) => void;
  /** Fresh refs that were disposed: the end of their JavaScript object, which comes later, means nothing. */
  private readonly disposed = new Set<number>();
  /** The refs of this turn's calls. */
  private readonly burst: RefGroup = { count: 0, current: undefined };

  constructor(
    release: (handle: number) => void,
    releaseActor: (actor: number) => void,
    releaseTemplate: (template: number) => void,
    unwatch: (number: number) => void,
  ) {
    this.release = release;
    this.unwatch = unwatch;
    this.borrowed = new FinalizationRegistry(release);
    this.fresh = new FinalizationRegistry((handle) => {
      if (this.disposed.size === 0 || !this.disposed.delete(handle)) release(handle);
    });
    this.groups = new FinalizationRegistry((handles) => handles.forEach(release));
    this.actors = new FinalizationRegistry(releaseActor);
    this.templates = new FinalizationRegistry(releaseTemplate);
    this.collected = new FinalizationRegistry((watched) => {
      // A sweep may have found it before.
      if (this.watched.get(watched.number) === watched) this.letGo(watched);
    });
  }

  /** A turn ends: the refs of the next one have nothing to do with those of this one. */
  endBurst(): void {
    if (this.burst.count === 0) return;
    this.burst.count = 0;
    // It would live for as long as this has it.
    this.burst.current = undefined;
  }

  private letGo({ letGo, number }: Watched): void {
    this.watched.delete(number);
    this.unwatch(number);
    letGo();
  }

  /** A ref is watched by the native module from now on, under a number. */
  watch(ref: ObjectRefImplementation, number: number): void {
    const { handle } = ref;
    this.forget(ref, handle);
    ref.watched = number;
    this.watchFor(ref, number, () => this.release(handle));
  }

  /** Something else that holds much is watched by the native module from now on, under a number. */
  watchFor(holder: object, number: number, letGo: () => void): void {
    const watched = { number, letGo };
    this.watched.set(number, watched);
    this.collected.register(holder, watched, holder);
  }

  /** The native module has seen that these are collected, and watches them no more. */
  swept(numbers: readonly number[]): void {
    for (const number of numbers) {
      const watched = this.watched.get(number);
      if (watched === undefined) continue;
      this.watched.delete(number);
      watched.letGo();
    }
  }

  /** A ref with a count of its own. */
  keep(ref: ObjectRefImplementation): ObjectRefImplementation {
    this.borrowed.register(ref, ref.handle, ref);
    return ref;
  }

  /**
   * The ref of a result of this process's own call. There is one for each number, so it does without the token by which
   * a registration could be withdrawn, and which costs more than the registration; `disposed` withdraws it. The refs of a long
   * burst are seldom let go one by one, and are grouped as those inside of a value: registering them is a seventh of all that a
   * driver does for a task. One of a large value has a registration of its own as soon as the value was there.
   */
  keepFresh(ref: ObjectRefImplementation): ObjectRefImplementation {
    if (++this.burst.count > UNGROUPED_REFS_MAX) {
      this.join(ref, this.burst);
      return ref;
    }
    ref.fresh = true;
    this.fresh.register(ref, ref.handle);
    return ref;
  }

  /**
   * A ref inside a value. Long lists of refs are let go in groups: registering each with the garbage collector would
   * cost more than all the rest.
   */
  keepInside(ref: ObjectRefImplementation, group: RefGroup): ObjectRefImplementation {
    if (++group.count <= UNGROUPED_REFS_MAX) return this.keep(ref);
    this.join(ref, group);
    return ref;
  }

  private join(ref: ObjectRefImplementation, group: RefGroup): void {
    let { current } = group;
    if (current === undefined || current.handles.length === GROUP_SIZE) {
      current = group.current = { handles: [] };
      this.groups.register(current, current.handles);
    }
    current.handles.push(ref.handle);
    ref.group = current;
  }

  /** A ref is disposed: the garbage collector need not report it any more. */
  forget(ref: ObjectRefImplementation, handle: number): void {
    if (ref.watched !== undefined) {
      this.collected.unregister(ref);
      this.watched.delete(ref.watched);
      this.unwatch(ref.watched);
    } else if (ref.fresh) {
      this.disposed.add(handle);
    } else if (ref.group === undefined) {
      this.borrowed.unregister(ref);
    } else {
      const { handles } = ref.group;
      handles.splice(handles.indexOf(handle), 1);
    }
  }

  /** A remote function, for which the native module counts one use of its template. */
  keepTemplate(holder: object, template: number): void {
    this.templates.register(holder, template);
  }

  /** An actor handle with a count of its own. */
  keepActor(holder: object, actor: number): void {
    this.actors.register(holder, actor, holder);
  }

  forgetActor(holder: object): void {
    this.actors.unregister(holder);
  }
}
