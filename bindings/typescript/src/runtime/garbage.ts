/** Makes V8 collect garbage: shared memory does not count as pressure, so somebody has to ask. */

import v8 from 'node:v8';
import vm from 'node:vm';

let collect: (() => void) | undefined;

/** Runs V8's garbage collector, so that refs and views that nobody uses let go. */
export function collectGarbage(): void {
  if (collect === undefined) {
    v8.setFlagsFromString('--expose-gc');
    collect = vm.runInNewContext('gc') as () => void;
  }
  collect();
}
