/** What counts as a plain object: a part of a space, a config or metrics, and no value of its own kind. */

/** True for objects of `{}` and `Object.create(null)`, of this realm or another one. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
