/** A table that holds its values weakly: what has a key, as long as somebody else holds it. */
export class WeakValues<V extends WeakKey> {
  private readonly references = new Map<string, WeakRef<V>>();
  private readonly collected = new FinalizationRegistry<string>((key) => {
    // Another value may have come under the key in the meantime.
    if (this.get(key) === undefined) this.references.delete(key);
  });

  /** The value of a key, if it is still there. */
  get(key: string): V | undefined {
    return this.references.get(key)?.deref();
  }

  set(key: string, value: V): void {
    this.references.set(key, new WeakRef(value));
    this.collected.register(value, key);
  }
}
