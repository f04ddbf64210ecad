/** Whether everything that a runtime has is available again. */

import { setTimeout as sleep } from 'node:timers/promises';

import { availableResources, clusterResources } from 'eagleray';

import { collectGarbage } from '../setup/collect-garbage.ts';

/**
 * Waits until all is available, for so long. What this process does not use is collected meanwhile; others see to that by
 * themselves. Resolves with the last state that was seen.
 */
export async function whenAllIsGivenBack(patienceMs: number): Promise<Record<string, number>> {
  const total = JSON.stringify(clusterResources());
  const deadline = performance.now() + patienceMs;
  for (;;) {
    collectGarbage();
    const available = availableResources();
    if (JSON.stringify(available) === total || performance.now() > deadline) return available;
    await sleep(5);
  }
}
