/** `get` without the line that a terminal shows while a program waits: what an experiment shows is its reporter's business. */

import { get } from '../../index.ts';

/** See the file. */
export const getUnseen = (get as unknown as Record<symbol, typeof get>)[
  Symbol.for('eagleray.getUnseen')
]!;
