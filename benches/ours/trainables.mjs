// What the cases of tuning try. Exports of a module of their own, so that they reach the workers by reference, as the code of a
// real program does.

import { setTimeout } from 'node:timers/promises';
import { report } from 'eagleray/tune';

export function doNothing() {}

/** Reports `perSecond` times a second, by the clock: a report that was late does not move the next ones. */
export async function reportByTheClock({ reports, perSecond }) {
  const start = performance.now();
  for (let index = 0; index < reports; index++) {
    const wait = start + (index * 1_000) / perSecond - performance.now();
    if (wait > 0) await setTimeout(wait);
    await report({ loss: 1 / (index + 1) });
  }
}
