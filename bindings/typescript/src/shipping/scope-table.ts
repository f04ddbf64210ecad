/**
 * Which functions of a shipment have a scope in common, and what is known of such a scope.
 *
 * V8 shows scopes as copies, so that two counters at 0 look the same. The probe tells scopes apart by where they lie in
 * memory; garbage collections move them, so that addresses are looked up anew after each. Where the probe knows nothing,
 * there is no answer.
 */

import type { Scope } from './inspection.ts';
import { type ScopeAddresses, scopeAddressesOf } from './probe.ts';

/** A scope that functions of the shipment have around them. */
export interface KnownScope {
  /** What stands for its variables, by name. */
  readonly cells: Map<string, Function>;
}

/** A function, and which of the scopes around it is meant. */
interface Place {
  readonly fn: Function;
  /** From the inside. */
  readonly index: number;
  /** How many scopes V8 shows around the function. */
  readonly shown: number;
}

interface Entry extends KnownScope {
  /** A function that has the scope around it. */
  readonly place: Place;
}

export class ScopeTable {
  private readonly entries: Entry[] = [];
  /** Those of functions of which V8 shows every scope: their position there is that in memory. */
  private readonly byAddress = new Map<number, Entry>();
  /** Functions whose scopes were read, and these by the address of the innermost one. */
  private readonly read: { readonly fn: Function; readonly scopes: readonly Scope[] }[] = [];
  private readonly readByAddress = new Map<number, readonly Scope[]>();
  private collections = -1;
  private hasHidden = false;

  /** The scopes around a function, if they were read for another function that has the same ones. */
  scopesOf(fn: Function): readonly Scope[] | undefined {
    const innermost = this.read.length === 0 ? undefined : this.addressesOf(fn)?.[0];
    return innermost === undefined ? undefined : this.readByAddress.get(innermost);
  }

  /** Notes what the scopes around a function hold. */
  noteScopes(fn: Function, scopes: readonly Scope[]): void {
    const innermost = this.addressesOf(fn)?.[0];
    if (innermost === undefined) return;
    this.read.push({ fn, scopes });
    this.readByAddress.set(innermost, scopes);
  }

  /** The scope at a position around a function, if it can be told apart from others. */
  scopeOf(fn: Function, index: number, scopes: readonly Scope[]): KnownScope | undefined {
    const shown = scopes.filter(({ description }) => !description.startsWith('Script')).length;
    const place: Place = { fn, index, shown };
    const addresses = this.addressesOf(fn);
    if (addresses === undefined) return undefined;
    const isShown = addresses.length === shown;
    const known = isShown ? this.byAddress.get(addresses[index]!) : undefined;
    if (known !== undefined) return known;
    if (!isShown || this.hasHidden) {
      const found = this.search(place);
      if (found !== 'none') return found;
    }
    const entry: Entry = { cells: new Map(), place };
    this.entries.push(entry);
    if (isShown) this.byAddress.set(this.addressesOf(fn)![index]!, entry);
    else this.hasHidden = true;
    return entry;
  }

  /** The addresses of the scopes around a function, and with them those of all others brought up to date. */
  private addressesOf(fn: Function): readonly number[] | undefined {
    for (;;) {
      const found = scopeAddressesOf(fn);
      if (found === undefined || found.collections === this.collections) return found?.addresses;
      this.lookUpAgain();
    }
  }

  private lookUpAgain(): void {
    while (!this.tryToLookUp());
  }

  /** False if garbage was collected meanwhile. */
  private tryToLookUp(): boolean {
    this.byAddress.clear();
    this.readByAddress.clear();
    const { collections } = scopeAddressesOf(anyFunction)!;
    for (const entry of this.entries) {
      const { fn, index, shown } = entry.place;
      const found = scopeAddressesOf(fn)!;
      if (found.collections !== collections) return false;
      if (found.addresses.length === shown) this.byAddress.set(found.addresses[index]!, entry);
    }
    for (const { fn, scopes } of this.read) {
      const found = scopeAddressesOf(fn)!;
      if (found.collections !== collections) return false;
      this.readByAddress.set(found.addresses[0]!, scopes);
    }
    this.collections = collections;
    return true;
  }

  /** Compares with each known scope. Undefined if it can't be said of one of them whether it is the same. */
  private search(place: Place): KnownScope | 'none' | undefined {
    let isUnknown = false;
    for (const entry of this.entries) {
      const same = isSame(place, entry.place);
      if (same === true) return entry;
      if (same === undefined) isUnknown = true;
    }
    return isUnknown ? undefined : 'none';
  }
}

/** Some function. */
const anyFunction = (): undefined => undefined;

/**
 * Whether two functions mean the same scope; undefined if that can't be said. V8 hides scopes that have nothing to show,
 * such as that of an object literal with `super`, so a scope's position there is only known to lie between two bounds.
 */
function isSame(one: Place, other: Place): boolean | undefined {
  // Counted from the outside: what lies around a scope is the same for all who have it.
  const depth = one.shown - one.index;
  if (depth !== other.shown - other.index) return false;
  const [mine, others] = bothAddresses(one.fn, other.fn);
  if (mine === undefined || others === undefined) return undefined;
  const common = commonLength(mine.addresses, others.addresses);
  const hidden = ({ addresses }: ScopeAddresses, { shown }: Place): number =>
    addresses.length - shown;
  const least = Math.max(
    common - Math.min(hidden(mine, one), hidden(others, other)),
    one.shown - (mine.addresses.length - common),
    other.shown - (others.addresses.length - common),
  );
  const most = Math.min(common, one.shown, other.shown);
  if (depth <= least) return true;
  return depth > most ? false : undefined;
}

function bothAddresses(one: Function, other: Function): (ScopeAddresses | undefined)[] {
  for (;;) {
    const [mine, others] = [scopeAddressesOf(one), scopeAddressesOf(other)];
    if (mine?.collections === others?.collections) return [mine, others];
  }
}

/** How many scopes two functions have in common: the outermost ones. */
function commonLength(one: readonly number[], other: readonly number[]): number {
  let common = 0;
  while (
    common < one.length &&
    common < other.length &&
    one[one.length - 1 - common] === other[other.length - 1 - common]
  ) {
    common++;
  }
  return common;
}
