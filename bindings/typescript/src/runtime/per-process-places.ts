/**
 * Functions of `perProcess` that modules make for themselves, where workers import these modules too: the one of the module
 * here and the one that comes from the same place of the same module elsewhere are one.
 *
 * Such a function has the key of its place. One that was made at a place where others were made, by a function of the
 * module or in a loop, has none: nobody could say which of them it is.
 */

import { isOfImportedModule, placeInFile } from '../shipping/index.ts';
import { type PerProcess, perProcessOf } from './per-process-values.ts';

const OF_MODULE = 'module ';

/** Those that were made here and whose places nobody has asked for yet. */
const notPlaced = new Set<WeakRef<Function>>();
/** By place: the first function that was made there, and how many were. */
const places = new Map<string, { readonly first: WeakRef<Function>; count: number }>();

/** A function was made here. Its place is looked for when somebody asks: few ever travel. */
export function noteMade({ ending, value }: PerProcess): void {
  const reference = new WeakRef(value);
  notPlaced.add(reference);
  ending.alsoDo.push(() => notPlaced.delete(reference));
}

function place(): void {
  for (const reference of notPlaced) {
    notPlaced.delete(reference);
    const its = perProcessOf(reference.deref());
    if (its !== undefined) note(placeInFile(its.parts.make), its.value);
  }
}

function note(at: string | undefined, value: Function): void {
  if (at === undefined) return;
  const known = places.get(at);
  if (known === undefined) places.set(at, { first: new WeakRef(value), count: 1 });
  else known.count++;
}

/** True for a key of a place. */
export function isKeyOfPlace(key: string): boolean {
  return key.startsWith(OF_MODULE);
}

/** The key of a function that its module makes once, wherever it is imported; undefined for any other. */
export function keyOfPlace({ parts: { make }, value }: PerProcess): string | undefined {
  const at = placeInFile(make);
  if (at === undefined || !isOfImportedModule(value, make)) return undefined;
  place();
  const known = places.get(at);
  return known?.count === 1 && known.first.deref() === value ? OF_MODULE + at : undefined;
}

/** The function that a module here has made at the place of a key. */
export function madeAt(key: string): PerProcess | undefined {
  if (!isKeyOfPlace(key)) return undefined;
  place();
  return perProcessOf(places.get(key.slice(OF_MODULE.length))?.first.deref());
}

/** The key of the place at which a function is being made, if none was made there before. */
export function freshKeyOfPlace(make: Function): string | undefined {
  place();
  const at = placeInFile(make);
  return at === undefined || places.has(at) ? undefined : OF_MODULE + at;
}

/** A function that came from elsewhere is also the one that a module here has made just now, at the place of its key. */
export function settleAt(key: string, value: Function): void {
  note(key.slice(OF_MODULE.length), value);
}
