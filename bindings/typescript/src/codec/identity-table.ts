/** Numbers the objects of one value in the order in which they are met. */

/** Up to here a search through a list beats a hash table, which must be made first. */
const SEARCHED_MAX = 8;

export class IdentityTable {
  private readonly first: (object | undefined)[] = new Array<object | undefined>(SEARCHED_MAX).fill(
    undefined,
  );
  private rest: Map<object, number> | undefined = undefined;
  private size = 0;

  /** The object's number, or -1. */
  indexOf(value: object): number {
    const { first } = this;
    const searched = this.size < SEARCHED_MAX ? this.size : SEARCHED_MAX;
    if (this.rest !== undefined) return this.rest.get(value) ?? -1;
    for (let index = 0; index < searched; index++) if (first[index] === value) return index;
    return -1;
  }

  add(value: object): void {
    const index = this.size++;
    if (index < SEARCHED_MAX) {
      this.first[index] = value;
      return;
    }
    if (this.rest === undefined) {
      this.rest = new Map();
      for (let each = 0; each < SEARCHED_MAX; each++) this.rest.set(this.first[each]!, each);
    }
    this.rest.set(value, index);
  }

  /** Forgets all objects, so that they can be collected. */
  clear(): void {
    if (this.size === 0) return;
    const used = Math.min(this.size, SEARCHED_MAX);
    for (let index = 0; index < used; index++) this.first[index] = undefined;
    this.rest = undefined;
    this.size = 0;
  }
}
