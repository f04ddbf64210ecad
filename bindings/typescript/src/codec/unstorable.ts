/** Why a value can't be stored, before the way to it is known; and what a value is called in errors. */

/**
 * An error that names the culprit itself; the encoder adds the way to it.
 *
 * @param remedy what to do, if it is the program's own
 */
export function unstorable(value: unknown, reason: string, remedy?: string): Unstorable {
  return new Unstorable([nameOf(value)], reason, remedy);
}

/** Thrown inside the codec only: why a value can't be stored, before its path is known. */
export class Unstorable extends Error {
  /** The last steps of the way to it. */
  readonly steps: readonly string[];
  /** Empty if the remedy says enough. */
  readonly reason: string;
  /** What to do about what a program has made itself; of a package, it can't. */
  readonly remedy: string | undefined;

  constructor(steps: readonly string[], reason: string, remedy?: string) {
    super(reason);
    this.steps = steps;
    this.reason = reason;
    this.remedy = remedy;
  }
}

/** What a value is, in a word or two. Never throws. */
export function nameOf(value: unknown): string {
  try {
    if (typeof value === 'symbol') return String(value);
    if (typeof value === 'function') return value.name === '' ? 'a function' : value.name;
    if (typeof value !== 'object' || value === null) return String(value);
    const tag = Object.prototype.toString.call(value).slice(8, -1);
    const constructor: unknown = (value as { constructor?: unknown }).constructor;
    // The prototypes of generators and iterators have no constructor of their own; `Object` says less than the tag.
    if (typeof constructor !== 'function' || constructor === Object || constructor.name === '') {
      return tag;
    }
    return tag.endsWith('Iterator') || tag.endsWith('Generator') ? tag : constructor.name;
  } catch {
    return 'an object that can not be inspected';
  }
}
