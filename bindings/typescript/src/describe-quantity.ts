/** How messages show quantities of resources: bytes as a person reads them, and what is missing beside what there is. */

const BYTE_UNITS = ['bytes', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const;

/** The resources that count bytes. */
const BYTE_RESOURCES = new Set(['memory', 'objectStoreMemory']);

/** Digits of a quantity of bytes that are shown, unless two of them would look the same. */
const DIGITS = 3;
const DIGITS_MAX = 6;

/** A number of bytes in the largest unit of which it has at least one, such as `23.4 GiB`. */
export function describeBytes(bytes: number, digits: number = DIGITS): string {
  let unit = 0;
  let amount = bytes;
  // Rounded first: 1023.9999 KiB is 1 MiB.
  while (rounded(amount, digits) >= 1024 && unit < BYTE_UNITS.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${withSeparators(unit === 0 ? amount : rounded(amount, digits))} ${BYTE_UNITS[unit]}`;
}

/** Numbers of bytes that are not the same, so that a reader sees it: with more digits where that is needed. */
export function describeDifferentBytes(one: number, other: number): [string, string] {
  for (let digits = DIGITS; digits <= DIGITS_MAX; digits++) {
    const texts: [string, string] = [describeBytes(one, digits), describeBytes(other, digits)];
    if (texts[0] !== texts[1]) return texts;
  }
  return [`${withSeparators(one)} bytes`, `${withSeparators(other)} bytes`];
}

/** What of `asked` is more than `total` has, in words. */
export function describeMissing(
  asked: Readonly<Record<string, number>>,
  total: Readonly<Record<string, number>>,
): string {
  return Object.entries(asked)
    .filter(([name, quantity]) => quantity > (total[name] ?? 0))
    .map(([name, quantity]) => {
      const has = total[name] ?? 0;
      const [wanted, there] = BYTE_RESOURCES.has(name)
        ? describeDifferentBytes(quantity, has)
        : [withSeparators(quantity), withSeparators(has)];
      const what = has === 0 ? 'there are none' : `there ${has === 1 ? 'is' : 'are'} ${there}`;
      return `${name}: asked for ${wanted}, ${what}`;
    })
    .join('; ');
}

/** With thousands apart, and as exact as quantities are. */
export function withSeparators(quantity: number): string {
  return quantity.toLocaleString('en-US', { maximumFractionDigits: 4 });
}

/** To so many significant digits, but never to less than whole ones. */
function rounded(amount: number, digits: number): number {
  return amount >= 10 ** digits ? Math.round(amount) : Number(amount.toPrecision(digits));
}
