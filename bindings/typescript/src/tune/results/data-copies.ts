/** How results hand out data that belongs to a record: frozen where nobody has a reason to change it, else as a copy. */

/** A copy of plain data. What has a class of its own is no data and is given as it is. */
export function copyOfData<T>(value: T): T {
  if (Array.isArray(value)) return value.map((item: unknown) => copyOfData(item)) as T;
  if (!isPlainObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, item]) => [name, copyOfData(item)]),
  ) as T;
}

/** Freezes plain data, and what is in it. */
export function deeplyFrozen<T>(value: T): T {
  if (Array.isArray(value) || isPlainObject(value)) {
    for (const item of Object.values(value)) deeplyFrozen(item);
    Object.freeze(value);
  }
  return value;
}

/** Whether a value is an object without a class of its own. */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value) as object | null;
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
