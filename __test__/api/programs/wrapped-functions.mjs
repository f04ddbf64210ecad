/** Functions that are exports, but not by their text. */

import { wrap } from './wrapper.mjs';

const make = () => {
  // The name is that of the export, too.
  const shadowed = (...all) => all.length;
  return shadowed;
};

export const shadowed = make();

export const made = wrap(() => 1);

export const nested = wrap(wrap(() => 2));

export default wrap(() => 3);
