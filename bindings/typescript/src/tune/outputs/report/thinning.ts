/** Fewer of many: trials of an experiment, and points of a curve. */

/**
 * About `most` of the items, spread evenly over their order; those that are `kept` come first in the count.
 *
 * All come out in the order in which they went in.
 */
export function spread<T>(items: readonly T[], most: number, kept: readonly T[] = []): T[] {
  if (items.length <= most) return [...items];
  const chosen = new Set(kept.slice(0, most));
  const others = items.filter((item) => !chosen.has(item));
  const places = most - chosen.size;
  for (let place = 0; place < places; place++) {
    chosen.add(others[Math.floor((place * others.length) / places)]!);
  }
  return items.filter((item) => chosen.has(item));
}

/**
 * The places of at most `most` points that show the shape of a curve: the first, the last, and of each part between them the
 * lowest and the highest, so that no peak is lost.
 */
export function thinnedPlaces(values: readonly (number | null)[], most: number): number[] {
  const { length } = values;
  if (length <= most) return Array.from(values, (_, place) => place);
  const parts = Math.floor((most - 2) / 2);
  const places = new Set([0]);
  for (let part = 0; part < parts; part++) {
    const from = 1 + Math.floor((part * (length - 2)) / parts);
    const to = 1 + Math.floor(((part + 1) * (length - 2)) / parts);
    for (const place of extremes(values, from, to)) places.add(place);
  }
  places.add(length - 1);
  return [...places];
}

/** The places of the lowest and the highest value from `from` up to `to`, in order. */
function extremes(values: readonly (number | null)[], from: number, to: number): number[] {
  let lowest = from;
  let highest = from;
  for (let place = from; place < to; place++) {
    const value = values[place];
    if (value === null || value === undefined) continue;
    if (value < (values[lowest] ?? Infinity)) lowest = place;
    if (value > (values[highest] ?? -Infinity)) highest = place;
  }
  return lowest < highest ? [lowest, highest] : [highest, lowest];
}
